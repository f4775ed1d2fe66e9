#include "routes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "netns.h"

#define READ_BYTES (128 * 1024)

struct routes {
    int fd;
    uint32_t seq;
    uint8_t protocol;
    unsigned n;  /* Messages in the batch ... */
    size_t last; /* ... and where the last one begins. */
    struct buf batch;
    uint8_t bytes[READ_BYTES];
};

struct routes *routes_open(void)
{
    struct routes *r = xcalloc(1, sizeof *r);
    int size = 4 << 20, one = 1;

    r->protocol = RTPROT_BGP;
    r->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (r->fd < 0) {
        bench_fail("netlink: %s", strerror(errno));
    }
    setsockopt(r->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    setsockopt(r->fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof one);
    return r;
}

void routes_close(struct routes *r)
{
    close(r->fd);
    buf_uninit(&r->batch);
    free(r);
}

static void begin(struct routes *r, uint16_t type, uint16_t flags)
{
    struct nlmsghdr h = {.nlmsg_type = type,
                         .nlmsg_flags = NLM_F_REQUEST | flags,
                         .nlmsg_seq = ++r->seq};

    r->last = r->batch.len;
    buf_put(&r->batch, &h, sizeof h);
}

static void put_attr(struct routes *r, uint16_t type, const void *data, uint16_t n)
{
    struct rtattr a = {.rta_type = type, .rta_len = (uint16_t)RTA_LENGTH(n)};

    buf_put(&r->batch, &a, sizeof a);
    buf_put(&r->batch, data, n);
    buf_put_zeros(&r->batch, RTA_ALIGN(n) - n);
}

static struct nlmsghdr *last_header(struct routes *r)
{
    return (struct nlmsghdr *)(void *)(r->batch.data + r->last);
}

static void end(struct routes *r)
{
    last_header(r)->nlmsg_len = (uint32_t)(r->batch.len - r->last);
    if (++r->n == ROUTES_BATCH) {
        routes_flush(r);
    }
}

static void check_answer(const struct nlmsghdr *h)
{
    const struct nlmsgerr *e = NLMSG_DATA(h);

    if (h->nlmsg_type == NLMSG_ERROR && e->error) {
        bench_fail("the kernel refused a message of type %u: %s", e->msg.nlmsg_type,
                   strerror(-e->error));
    }
}

/* Reads answers until that of message `seq`; fn is called for all others. */
static void read_answers(struct routes *r, uint32_t seq, bool is_dump,
                         void (*fn)(void *aux, const struct nlmsghdr *), void *aux)
{
    for (;;) {
        ssize_t n = recv(r->fd, r->bytes, sizeof r->bytes, 0);
        if (n < 0) {
            bench_fail("netlink: %s", strerror(errno));
        }
        unsigned left = (unsigned)n;
        for (struct nlmsghdr *h = (void *)r->bytes; NLMSG_OK(h, left);
             h = NLMSG_NEXT(h, left)) {
            check_answer(h);
            if (h->nlmsg_seq == seq &&
                h->nlmsg_type == (is_dump ? NLMSG_DONE : NLMSG_ERROR)) {
                return;
            }
            if (fn) {
                fn(aux, h);
            }
        }
    }
}

void routes_flush(struct routes *r)
{
    if (!r->n) {
        return;
    }
    last_header(r)->nlmsg_flags |= NLM_F_ACK;
    if (send(r->fd, r->batch.data, r->batch.len, 0) < 0) {
        bench_fail("netlink: %s", strerror(errno));
    }
    read_answers(r, r->seq, false, NULL, NULL);
    buf_clear(&r->batch);
    r->n = 0;
}

void routes_set_protocol(struct routes *r, uint8_t protocol)
{
    r->protocol = protocol;
}

void routes_put(struct routes *r, enum routes_op op, const struct ip_prefix *prefix,
                uint32_t gateway, uint32_t ifindex)
{
    struct rtmsg rtm = {.rtm_family = AF_INET,
                        .rtm_dst_len = prefix->plen,
                        .rtm_table = RT_TABLE_MAIN,
                        .rtm_protocol = r->protocol,
                        .rtm_scope =
                            op == ROUTES_DELETE ? RT_SCOPE_NOWHERE : RT_SCOPE_UNIVERSE,
                        .rtm_type = op == ROUTES_DELETE ? RTN_UNSPEC : RTN_UNICAST};
    uint32_t via = htonl(gateway);

    begin(r, op == ROUTES_DELETE ? RTM_DELROUTE : RTM_NEWROUTE,
          op == ROUTES_DELETE ? 0
          : op == ROUTES_ADD  ? NLM_F_CREATE | NLM_F_EXCL
                              : NLM_F_CREATE | NLM_F_REPLACE);
    buf_put(&r->batch, &rtm, sizeof rtm);
    put_attr(r, RTA_DST, prefix->addr.bytes, 4);
    if (op != ROUTES_DELETE) {
        put_attr(r, RTA_GATEWAY, &via, sizeof via);
        put_attr(r, RTA_OIF, &ifindex, sizeof ifindex);
    }
    end(r);
}

void routes_put_neigh(struct routes *r, uint32_t addr, struct eth_addr hwaddr,
                      uint32_t ifindex)
{
    struct ndmsg ndm = {
        .ndm_family = AF_INET, .ndm_ifindex = (int)ifindex, .ndm_state = NUD_PERMANENT};
    uint32_t dst = htonl(addr);

    begin(r, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
    buf_put(&r->batch, &ndm, sizeof ndm);
    put_attr(r, NDA_DST, &dst, sizeof dst);
    put_attr(r, NDA_LLADDR, hwaddr.ea, sizeof hwaddr.ea);
    end(r);
}

/* Dumps. */

struct dump {
    routes_fn *fn;
    routes_neigh_fn *neigh_fn;
    void *aux;
};

static void on_route(void *d_, const struct nlmsghdr *h)
{
    const struct dump *d = d_;
    const struct rtmsg *rtm = NLMSG_DATA(h);
    struct ip_prefix prefix = {.addr = ip_from_v4(0), .plen = rtm->rtm_dst_len};
    uint32_t gateway = 0, ifindex = 0, table = rtm->rtm_table;
    unsigned left = (unsigned)RTM_PAYLOAD(h);

    if (h->nlmsg_type != RTM_NEWROUTE || rtm->rtm_type != RTN_UNICAST) {
        return;
    }
    for (const struct rtattr *a = RTM_RTA(rtm); RTA_OK(a, left);
         a = RTA_NEXT(a, left)) {
        uint32_t v = 0;
        if (RTA_PAYLOAD(a) == sizeof v) {
            memcpy(&v, RTA_DATA(a), sizeof v);
        }
        switch (a->rta_type) {
        case RTA_DST:
            prefix.addr = ip_from_v4(ntohl(v));
            break;
        case RTA_GATEWAY:
            gateway = ntohl(v);
            break;
        case RTA_OIF:
            ifindex = v;
            break;
        case RTA_TABLE:
            table = v;
            break;
        }
    }
    if (table == RT_TABLE_MAIN) {
        d->fn(d->aux, &prefix, gateway, ifindex);
    }
}

static void on_neigh(void *d_, const struct nlmsghdr *h)
{
    const struct dump *d = d_;
    const struct ndmsg *ndm = NLMSG_DATA(h);
    const struct rtattr *a = (const void *)(ndm + 1);
    unsigned left = (unsigned)NLMSG_PAYLOAD(h, sizeof *ndm);
    uint32_t addr = 0;
    struct eth_addr hwaddr = {{0}};

    if (h->nlmsg_type != RTM_NEWNEIGH || ndm->ndm_family != AF_INET ||
        ndm->ndm_state & (NUD_NOARP | NUD_FAILED | NUD_INCOMPLETE) || !ndm->ndm_state) {
        return;
    }
    for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
        if (a->rta_type == NDA_DST && RTA_PAYLOAD(a) == sizeof addr) {
            memcpy(&addr, RTA_DATA(a), sizeof addr);
        } else if (a->rta_type == NDA_LLADDR && RTA_PAYLOAD(a) == sizeof hwaddr) {
            memcpy(&hwaddr, RTA_DATA(a), sizeof hwaddr);
        }
    }
    d->neigh_fn(d->aux, ntohl(addr), hwaddr, (uint32_t)ndm->ndm_ifindex);
}

static void dump(struct routes *r, uint16_t type, const void *body, size_t n,
                 void (*fn)(void *, const struct nlmsghdr *), struct dump *d)
{
    begin(r, type, NLM_F_DUMP);
    buf_put(&r->batch, body, n);
    last_header(r)->nlmsg_len = (uint32_t)(r->batch.len - r->last);
    if (send(r->fd, r->batch.data, r->batch.len, 0) < 0) {
        bench_fail("netlink: %s", strerror(errno));
    }
    buf_clear(&r->batch);
    read_answers(r, r->seq, true, fn, d);
}

void routes_dump(struct routes *r, routes_fn *fn, void *aux)
{
    struct rtmsg rtm = {.rtm_family = AF_INET};
    struct dump d = {.fn = fn, .aux = aux};

    dump(r, RTM_GETROUTE, &rtm, sizeof rtm, on_route, &d);
}

void routes_dump_neighs(struct routes *r, routes_neigh_fn *fn, void *aux)
{
    struct ndmsg ndm = {.ndm_family = AF_INET};
    struct dump d = {.neigh_fn = fn, .aux = aux};

    dump(r, RTM_GETNEIGH, &ndm, sizeof ndm, on_neigh, &d);
}
