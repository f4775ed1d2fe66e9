#include "mapping.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"
#include "map.h"
#include "wire/mapping_frame.h"

#define LOG_MODULE "mapping"
#include "base/log.h"

enum { INTERVAL_MIN_MS = 100, INTERVAL_MAX_MS = 1000 };

struct wish {
    uint32_t vm_port; /* Key. */
    int64_t at;
    int64_t interval;
    unsigned sent;
    struct log_limit limit;
    UT_hash_handle hh;
};

struct mapping {
    struct mapping_config config;
    int fd;
    uint64_t counter;
    struct wish *wishes;
    struct loop_timer *timer;
};

static void send_frame(struct mapping *m, struct wish *w)
{
    const struct buf *key = m->config.key;
    uint8_t frame[MAPPING_FRAME_LEN];
    struct rtnl_link link;

    if (!m->config.port(m->config.aux, w->vm_port, &link) || !link.admin_up) {
        return; /* mapping_hurry() when that changes. */
    }
    struct mapping_info info = {
        .vm = {.vm_id = m->config.vm_id, .vm_port = w->vm_port},
        .time_ms = loop_wall_now(),
        .counter = ++m->counter,
    };
    mapping_frame_encode(&info, link.hwaddr, (struct frame_key){key->data, key->len},
                         frame);
    struct sockaddr_ll to = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(MAPPING_ETHERTYPE),
        .sll_ifindex = (int)link.ifindex,
        .sll_halen = 6,
    };
    memcpy(to.sll_addr, frame, 6);
    if (sendto(m->fd, frame, sizeof frame, MSG_DONTWAIT, (struct sockaddr *)&to,
               sizeof to) < 0) {
        log_warn_limited(&w->limit, "port %u (%s): cannot send a mapping frame: %s",
                         w->vm_port, link.name, strerror(errno));
    } else {
        w->sent++;
        log_debug("port %u (%s): mapping frame %u", w->vm_port, link.name, w->sent);
    }
}

static void run(void *m_)
{
    struct mapping *m = m_;
    int64_t now = loop_now(), next = INT64_MAX;

    for (struct wish *w = m->wishes; w; w = w->hh.next) {
        if (now >= w->at) {
            send_frame(m, w);
            w->at = now + w->interval;
            w->interval = MIN(2 * w->interval, INTERVAL_MAX_MS);
        }
        next = MIN(next, w->at);
    }
    loop_timer_at(m->timer, next);
}

static struct wish *find(struct mapping *m, uint32_t vm_port)
{
    struct wish *w;

    HASH_FIND(hh, m->wishes, &vm_port, sizeof vm_port, w);
    return w;
}

static void drop(struct mapping *m, struct wish *w)
{
    HASH_DELETE(hh, m->wishes, w);
    free(w);
}

void mapping_hurry(struct mapping *m, uint32_t vm_port)
{
    struct wish *w = find(m, vm_port);

    if (w) {
        w->at = loop_now();
        w->interval = INTERVAL_MIN_MS;
        run(m);
    }
}

void mapping_want(struct mapping *m, uint32_t vm_port, bool wanted)
{
    struct wish *w = find(m, vm_port);

    if (wanted && !w) {
        w = xcalloc(1, sizeof *w);
        w->vm_port = vm_port;
        HASH_ADD(hh, m->wishes, vm_port, sizeof w->vm_port, w);
    } else if (!wanted && w) {
        drop(m, w);
    }
    mapping_hurry(m, vm_port);
}

void mapping_want_none(struct mapping *m)
{
    struct wish *w, *next;

    HASH_ITER (hh, m->wishes, w, next) {
        drop(m, w);
    }
}

int mapping_create(const struct mapping_config *config, struct mapping **ret)
{
    /* Protocol 0: it only sends, and no packet is ever queued for it. */
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return errno;
    }
    struct mapping *m = xcalloc(1, sizeof *m);
    m->config = *config;
    m->fd = fd;
    m->counter = (uint64_t)loop_wall_now() * 1000;
    m->timer = loop_timer_create(config->loop, run, m);
    *ret = m;
    return 0;
}

void mapping_destroy(struct mapping *m)
{
    if (m) {
        mapping_want_none(m);
        loop_timer_destroy(m->timer);
        close(m->fd);
        free(m);
    }
}
