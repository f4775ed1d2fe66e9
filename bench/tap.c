#include "tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "netns.h"
#include "of/msg.h"

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

enum {
    HELD_MAX = 64, /* Segments that were overheard before one that precedes them. */
    CHAIN = 4,     /* So many headers are no accident. */
    UNSYNCED_MAX = 4 * 65536, /* No message is longer, with all that it takes. */
};

struct segment {
    uint32_t seq;
    int64_t at;
    struct buf bytes;
};

struct direction {
    uint32_t next_seq;
    bool in_order;    /* next_seq is known ... */
    bool synced;      /* ... and that `bytes` begin where a message does. */
    struct buf bytes; /* Not yet decoded. */
    struct segment held[HELD_MAX];
    unsigned n_held;
};

struct tap {
    int fd;
    uint16_t port;
    struct direction from_switch, to_switch;
    int64_t connected_at;
    uint8_t packet[70000];
};

static void attach_filter(int fd, uint16_t port, bool both)
{
    /* IP header without options, as the kernel makes it: TCP ports at 20 and 22. */
    struct sock_filter code[] = {
        {BPF_LD | BPF_B | BPF_ABS, 0, 0, 9},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 5, IPPROTO_TCP},
        {BPF_LD | BPF_H | BPF_ABS, 0, 0, 22},
        {BPF_JMP | BPF_JEQ | BPF_K, 2, 0, port},
        {BPF_LD | BPF_H | BPF_ABS, 0, 0, 20},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, both ? port : 0},
        {BPF_RET | BPF_K, 0, 0, 0x40000},
        {BPF_RET | BPF_K, 0, 0, 0},
    };
    struct sock_fprog program = {.len = ARRAY_SIZE(code), .filter = code};

    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program)) {
        bench_fail("packet filter: %s", strerror(errno));
    }
}

struct tap *tap_open(uint16_t port, bool both)
{
    struct tap *t = xcalloc(1, sizeof *t);
    struct sockaddr_ll sa = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(ETH_P_IP),
                             .sll_ifindex = (int)if_nametoindex("lo")};
    int one = 1, size = 64 << 20;

    t->port = port;
    t->fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (t->fd < 0) {
        bench_fail("packet socket: %s", strerror(errno));
    }
    setsockopt(t->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    setsockopt(t->fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
    setsockopt(t->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one);
    attach_filter(t->fd, port, both);
    if (bind(t->fd, (struct sockaddr *)&sa, sizeof sa)) {
        bench_fail("packet socket: %s", strerror(errno));
    }
    return t;
}

static void forget_held(struct direction *d)
{
    while (d->n_held) {
        buf_uninit(&d->held[--d->n_held].bytes);
    }
}

void tap_close(struct tap *t)
{
    close(t->fd);
    forget_held(&t->from_switch);
    forget_held(&t->to_switch);
    buf_uninit(&t->from_switch.bytes);
    buf_uninit(&t->to_switch.bytes);
    free(t);
}

int64_t tap_connected_at(const struct tap *t)
{
    return t->connected_at;
}

static ssize_t receive(struct tap *t, int64_t *ret_at)
{
    union {
        char bytes[CMSG_SPACE(sizeof(struct timespec))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {t->packet, sizeof t->packet};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof control.bytes};
    struct timespec ts = {0};

    ssize_t n = recvmsg(t->fd, &m, MSG_DONTWAIT);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); n >= 0 && c; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
            memcpy(&ts, CMSG_DATA(c), sizeof ts);
        }
    }
    *ret_at = (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
    return n;
}

static void fail_if_dropped(const struct tap *t)
{
    struct tpacket_stats stats = {0};
    socklen_t size = sizeof stats;

    if (!getsockopt(t->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) &&
        stats.tp_drops) {
        bench_fail("the kernel dropped %u packets of what was overheard at port %u",
                   stats.tp_drops, t->port);
    }
}

static size_t message_length(const uint8_t *p)
{
    return (size_t)p[2] << 8 | p[3];
}

static bool is_header(const uint8_t *p)
{
    return p[0] == OFP_VERSION_13 && p[1] <= OFPT_METER_MOD &&
           message_length(p) >= OFP_HEADER_LEN;
}

/* Messages follow each other from here: enough of them, or to the very end; a single
 * one counts only at the beginning of what was sent at once. */
static bool is_chain(const struct buf *b, const size_t start)
{
    size_t at = start;

    for (int n = 0; n < CHAIN; n++) {
        if (at == b->len) {
            return n > (start ? 1 : 0);
        }
        if (at + OFP_HEADER_LEN > b->len || !is_header(b->data + at)) {
            return false;
        }
        at += message_length(b->data + at);
    }
    return true;
}

/* Drops what is before the first message that begins here. */
static void find_message(struct direction *d)
{
    size_t at = 0;

    while (at < d->bytes.len && !is_chain(&d->bytes, at)) {
        at++;
    }
    d->synced = at < d->bytes.len;
    if (d->synced) {
        buf_pull(&d->bytes, at);
    } else if (d->bytes.len > UNSYNCED_MAX) {
        buf_pull(&d->bytes, d->bytes.len - UNSYNCED_MAX / 2);
    }
}

/* Decodes whole messages; true as soon as fn says so. */
static bool take_messages(struct direction *d, struct tap_event *ev, tap_fn *fn,
                          void *aux)
{
    size_t used = 0;
    bool done = false;

    while (!done && d->bytes.len - used >= OFP_HEADER_LEN) {
        const uint8_t *p = d->bytes.data + used;
        size_t n = message_length(p);
        if (!is_header(p)) { /* The chain was an accident. */
            d->synced = false;
            used++;
            break;
        } else if (n > d->bytes.len - used) {
            break;
        } else {
            ev->type = p[1];
            ev->raw = cursor_of(p, n);
            used += n;
            done = fn(aux, ev);
        }
    }
    buf_pull(&d->bytes, used);
    return done;
}

/* The next bytes of a direction. */
static bool take_bytes(struct direction *d, const uint8_t *p, size_t n,
                       struct tap_event *ev, tap_fn *fn, void *aux)
{
    buf_put(&d->bytes, p, n);
    d->next_seq += (uint32_t)n;
    if (!d->synced) {
        find_message(d);
    }
    return d->synced && take_messages(d, ev, fn, aux);
}

/* Those that were held, as far as they follow now. */
static bool take_held(struct direction *d, struct tap_event *ev, tap_fn *fn, void *aux)
{
    bool done = false;

    for (unsigned i = 0; i < d->n_held && !done;) {
        struct segment s = d->held[i];
        int32_t ahead = (int32_t)(s.seq - d->next_seq);
        if (ahead > 0) {
            i++;
            continue;
        }
        d->held[i] = d->held[--d->n_held];
        if (!ahead) {
            ev->at = s.at;
            done = take_bytes(d, s.bytes.data, s.bytes.len, ev, fn, aux);
        }
        buf_uninit(&s.bytes);
        i = 0;
    }
    return done;
}

/* Two processors may have the kernel show segments in another order than sent.  False:
 * too many wait for one that does not come. */
static bool hold(struct direction *d, uint32_t seq, int64_t at, const uint8_t *p,
                 size_t n)
{
    if (d->n_held == HELD_MAX) {
        return false;
    }
    struct segment *s = &d->held[d->n_held++];
    *s = (struct segment){.seq = seq, .at = at};
    buf_put(&s->bytes, p, n);
    return true;
}

static bool take_packet(struct tap *t, size_t n, int64_t at, tap_fn *fn, void *aux)
{
    const struct iphdr *ip = (const void *)t->packet;
    const struct tcphdr *tcp = (const void *)(t->packet + sizeof *ip);

    if (n < sizeof *ip + sizeof *tcp || n < sizeof *ip + tcp->doff * 4u) {
        return false;
    }
    struct tap_event ev = {.from_switch = ntohs(tcp->dest) == t->port, .at = at};
    struct direction *d = ev.from_switch ? &t->from_switch : &t->to_switch;
    const size_t header = sizeof *ip + tcp->doff * 4u;
    const uint32_t seq = ntohl(tcp->seq);
    const uint8_t *bytes = t->packet + header;
    if (tcp->syn) {
        t->connected_at = ev.from_switch ? at : t->connected_at;
        d->in_order = false;
        return false;
    }
    const int32_t ahead = d->in_order ? (int32_t)(seq - d->next_seq) : 0;
    if (n == header || ahead < 0) {
        return false;
    }
    bool done = false;
    if (!ahead || !hold(d, seq, at, bytes, n - header)) {
        if (ahead || !d->in_order) { /* Begins anew, or is the first. */
            fail_if_dropped(t);
            forget_held(d);
            buf_clear(&d->bytes);
            d->synced = false;
            d->in_order = true;
            d->next_seq = seq;
        }
        done = take_bytes(d, bytes, n - header, &ev, fn, aux);
    }
    return done || take_held(d, &ev, fn, aux);
}

bool tap_run(struct tap *t, int64_t until, tap_fn *fn, void *aux)
{
    int64_t at;

    for (;;) {
        ssize_t n = receive(t, &at);
        if (n >= 0) {
            if (take_packet(t, (size_t)n, at, fn, aux)) {
                return true;
            }
            continue;
        }
        int64_t left = until - bench_now_us();
        if (left <= 0) {
            fail_if_dropped(t);
            return false;
        }
        struct pollfd p = {t->fd, POLLIN, 0};
        struct timespec ts = {.tv_sec = left / 1000000,
                              .tv_nsec = left % 1000000 * 1000};
        ppoll(&p, 1, &ts, NULL);
    }
}
