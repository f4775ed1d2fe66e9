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

#include "base/util.h"
#include "netns.h"
#include "of/msg.h"
#include "overheard.h"

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

struct tap {
    int fd;
    uint16_t port;
    struct overheard from_switch, to_switch;
    int64_t connected_at;
    uint8_t packet[70000];
};

static void attach_filter(int fd, uint16_t port, bool both)
{
    /* IP header without options, as the kernel makes it: TCP ports at 20 and 22. */
    struct sock_filter code[] = {
        {BPF_LD | BPF_H | BPF_ABS, 0, 0, (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL)},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 7, ETH_P_IP},
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
    /* Who asks for one protocol is shown a packet after TCP has had it, and then the
     * answer, made on another processor, now and then before what it answers. */
    struct sockaddr_ll sa = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(ETH_P_ALL),
                             .sll_ifindex = (int)if_nametoindex("lo")};
    int one = 1, size = 64 << 20;

    t->port = port;
    t->from_switch.by = OF_BY_SWITCH;
    t->to_switch.by = OF_BY_CONTROLLER;
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

void tap_close(struct tap *t)
{
    close(t->fd);
    overheard_uninit(&t->from_switch);
    overheard_uninit(&t->to_switch);
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

struct told {
    bool from_switch;
    tap_fn *fn;
    void *aux;
};

static bool tell(void *told_, uint8_t type, struct cursor raw, int64_t at)
{
    const struct told *told = told_;
    const struct tap_event ev = {told->from_switch, type, at, raw};

    return told->fn(told->aux, &ev);
}

static bool take_packet(struct tap *t, size_t n, int64_t at, tap_fn *fn, void *aux)
{
    const struct iphdr *ip = (const void *)t->packet;
    const struct tcphdr *tcp = (const void *)(t->packet + sizeof *ip);

    if (n < sizeof *ip + sizeof *tcp || n < sizeof *ip + tcp->doff * 4u) {
        return false;
    }
    struct told told = {ntohs(tcp->dest) == t->port, fn, aux};
    struct overheard *o = told.from_switch ? &t->from_switch : &t->to_switch;
    const size_t header = sizeof *ip + tcp->doff * 4u;
    if (tcp->syn) {
        t->connected_at = told.from_switch ? at : t->connected_at;
        overheard_syn(o, ntohl(tcp->seq));
        return false;
    }
    const unsigned gaps = o->n_gaps;
    bool done = n > header && overheard_take(o, ntohl(tcp->seq), at, t->packet + header,
                                             n - header, tell, &told);
    if (o->n_gaps != gaps) {
        fail_if_dropped(t);
    }
    return done;
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
