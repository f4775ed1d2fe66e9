#include "netlink/watch.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cursor.h"
#include "base/util.h"
#include "netlink/express.h"
#include "sockets.h"

#define LOG_MODULE "netlink"
#include "base/log.h"

enum {
    RECV_BYTES = 64 * 1024, /* The kernel fills dump datagrams up to 32 KB. */
    RECV_BATCH = 32,        /* Datagrams that one system call reads. */
    /* Not all in the same lines of the cache; what no datagram fills costs no memory.
     */
    RECV_STRIDE = RECV_BYTES + 1088,
    PARSE_AHEAD = 8,         /* Messages parsed before the first of them is told. */
    READS_PER_TURN = 16,     /* Of events: datagrams of one message each. */
    DUMP_READS_PER_TURN = 8, /* Datagrams: some 300 messages each. */
    VERIFY_GAP_MS = 50,      /* Between dumps, unless a dump takes longer than ... */
    VERIFY_GAP_FACTOR = 4,   /* ... a quarter of that. */
    VERIFY_AGAIN_MS = 250,   /* For the removals that follow their announcement. */
    RETRY_MS = 100,          /* After an interrupted dump. */
    ERROR_RETRY_MS = 1000,   /* After a refused one. */
    DUMP_SILENCE_MS = 2000,  /* Its end was lost. */
};

struct nl_watch {
    const struct nl_watch_ops *ops;
    void *aux;
    struct nl_sock *events, *express, *dumps;
    struct express overtaken;
    const struct nl_sock *source; /* Of what is parsed now. */
    struct received {
        struct mmsghdr headers[RECV_BATCH];
        struct iovec iov[RECV_BATCH];
        struct sockaddr_nl from[RECV_BATCH];
        uint8_t *bytes; /* RECV_BATCH * RECV_STRIDE. */
    } received;

    struct rtnl_msg parsed[PARSE_AHEAD];
    unsigned n_parsed;

    unsigned wanted; /* Kinds to dump. */
    int64_t wanted_at;
    unsigned again; /* Kinds to dump once more. */
    int64_t again_at;
    unsigned never_dumped; /* Kinds without a complete dump so far. */

    enum rtnl_kind dumping; /* 0: none under way. */
    uint32_t dump_seq;
    bool dump_interrupted;
    int64_t dump_started, dump_heard;
    int64_t gap; /* Minimum from the end of one dump to the next verification. */
    int64_t last_dump_end;
    int64_t last_removal; /* Of a route, announced; or it may have been lost. */

    struct nl_watch_stats stats;
    struct log_limit overrun_limit, malformed_limit, dump_limit;
};

/* Scheduling of dumps. */

static void want(struct nl_watch *w, unsigned kinds, int64_t at)
{
    w->wanted_at = w->wanted ? MIN(w->wanted_at, at) : at;
    w->wanted |= kinds;
}

void nl_watch_verify(struct nl_watch *w, unsigned kinds, int64_t now)
{
    want(w, kinds, MAX(now, w->last_dump_end + w->gap));
}

/* For what the kernel announces before it does it.  Not at once, and where dumps take
 * long only the second one: events wait for the end of a dump, and the next
 * milliseconds belong to those who get round a lost link. */
static void verify_twice(struct nl_watch *w, unsigned kinds, int64_t now)
{
    if (w->gap <= VERIFY_AGAIN_MS) {
        nl_watch_verify(w, kinds, now + VERIFY_GAP_MS);
    }
    w->again |= kinds;
    w->again_at = now + VERIFY_AGAIN_MS;
}

static void dump_finish(struct nl_watch *w, bool complete, int64_t now)
{
    enum rtnl_kind kind = w->dumping;

    w->dumping = 0;
    /* Halved, so that the cheap dump that follows a costly one does not forget it. */
    w->gap = MAX((now - w->dump_started) * VERIFY_GAP_FACTOR, w->gap / 2);
    w->gap = MAX(w->gap, VERIFY_GAP_MS);
    w->last_dump_end = now;
    if (complete) {
        w->never_dumped &= ~(unsigned)kind;
    } else {
        w->stats.interrupted++;
    }
    w->ops->dump_end(w->aux, kind, complete);
}

/* Asking the kernel. */

static int dump_request(struct nl_watch *w, enum rtnl_kind kind)
{
    static const struct {
        enum rtnl_kind kind;
        int type;
    } types[] = {{RTNL_LINK, RTM_GETLINK},
                 {RTNL_ADDR, RTM_GETADDR},
                 {RTNL_NEIGH, RTM_GETNEIGH},
                 {RTNL_ROUTE4, RTM_GETROUTE},
                 {RTNL_ROUTE6, RTM_GETROUTE}};
    struct ifinfomsg ifi = {.ifi_family = AF_UNSPEC};
    struct ifaddrmsg ifa = {.ifa_family = AF_UNSPEC};
    struct ndmsg ndm = {.ndm_family = AF_UNSPEC};
    struct rtmsg rtm = {.rtm_family = kind == RTNL_ROUTE4 ? AF_INET : AF_INET6};
    struct nl_msg *m = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (types[i].kind == kind) {
            m = nlmsg_alloc_simple(types[i].type, NLM_F_REQUEST | NLM_F_DUMP);
        }
    }
    if (!m) {
        return ENOMEM;
    }
    if (kind == RTNL_LINK) {
        nlmsg_append(m, &ifi, sizeof ifi, NLMSG_ALIGNTO);
    } else if (kind == RTNL_ADDR) {
        nlmsg_append(m, &ifa, sizeof ifa, NLMSG_ALIGNTO);
    } else if (kind == RTNL_NEIGH) {
        nlmsg_append(m, &ndm, sizeof ndm, NLMSG_ALIGNTO);
    } else {
        nlmsg_append(m, &rtm, sizeof rtm, NLMSG_ALIGNTO);
        nla_put_u32(m, RTA_TABLE, RT_TABLE_MAIN);
    }
    errno = 0;
    int n = nl_send_auto(w->dumps, m);
    int error = n < 0 ? (errno ? errno : EIO) : 0;
    w->dump_seq = nlmsg_hdr(m)->nlmsg_seq;
    nlmsg_free(m);
    return error;
}

static void dump_start(struct nl_watch *w, int64_t now)
{
    enum rtnl_kind kind = w->wanted & -w->wanted; /* Links first, routes last. */
    int error = dump_request(w, kind);

    if (error) {
        log_warn_limited(&w->dump_limit, "cannot ask for a dump: %s", strerror(error));
        w->wanted_at = now + ERROR_RETRY_MS;
        return;
    }
    w->wanted &= ~(unsigned)kind;
    w->dumping = kind;
    /* The kernel announces the removal of a route before it removes it: this dump may
     * still name one that is gone for us already. */
    if ((kind & RTNL_ROUTES) && now - w->last_removal < VERIFY_AGAIN_MS) {
        w->again |= kind;
        w->again_at = now + VERIFY_AGAIN_MS;
    }
    w->dump_interrupted = false;
    w->dump_started = w->dump_heard = now;
    w->stats.dumps++;
    w->ops->dump_begin(w->aux, kind);
}

/* Reading. */

/* Reads up to `max` datagrams.  Returns 0, EAGAIN, ENOBUFS (something was lost) or
 * another errno. */
static int receive(struct nl_watch *w, struct nl_sock *sock, unsigned max,
                   unsigned *ret_n)
{
    struct received *r = &w->received;

    w->source = sock;
    for (unsigned i = 0; i < max; i++) {
        r->headers[i].msg_hdr = (struct msghdr){.msg_name = &r->from[i],
                                                .msg_namelen = sizeof r->from[i],
                                                .msg_iov = &r->iov[i],
                                                .msg_iovlen = 1};
    }
    int n = recvmmsg(nl_socket_get_fd(sock), r->headers, max, MSG_DONTWAIT, NULL);
    if (n < 0) {
        return errno;
    }
    *ret_n = (unsigned)n;
    return 0;
}

/* The i-th datagram read; false: it did not fit. */
static bool received_get(const struct nl_watch *w, unsigned i, struct cursor *ret)
{
    const struct mmsghdr *h = &w->received.headers[i];

    if (h->msg_hdr.msg_flags & MSG_TRUNC) {
        return false;
    }
    /* Any process may send to a netlink socket; only port 0 is the kernel. */
    *ret = cursor_of(w->received.iov[i].iov_base,
                     w->received.from[i].nl_pid ? 0 : h->msg_len);
    return true;
}

static void received_init(struct received *r)
{
    r->bytes = xmalloc((size_t)RECV_BATCH * RECV_STRIDE);
    for (size_t i = 0; i < RECV_BATCH; i++) {
        r->iov[i] = (struct iovec){r->bytes + i * RECV_STRIDE, RECV_BYTES};
    }
}

static void note_malformed(struct nl_watch *w)
{
    w->stats.malformed++;
    log_warn_limited(&w->malformed_limit, "malformed message from the kernel (%llu)",
                     (unsigned long long)w->stats.malformed);
}

static bool is_news(struct nl_watch *w, const struct rtnl_route *r, int64_t now)
{
    return w->source == w->express
               ? express_overtakes(&w->overtaken, &r->prefix, now)
               : express_in_turn(&w->overtaken, &r->prefix, r->protocol, now);
}

static void tell_event(struct nl_watch *w, const struct rtnl_msg *m, int64_t now)
{
    if ((m->kind & RTNL_ROUTES) && !is_news(w, &m->route, now)) {
        return;
    }
    /* Next hops die and revive with their interface without a route event. */
    if (m->kind == RTNL_LINK || (m->kind == RTNL_ADDR && m->del)) {
        verify_twice(w, RTNL_ROUTES | RTNL_NEIGH, now);
    } else if (m->kind == RTNL_NEXTHOP && (m->del || m->replace)) {
        verify_twice(w, RTNL_ROUTES, now);
    }
    if (m->del && (m->kind & RTNL_ROUTES)) {
        w->last_removal = now;
    }
    if (m->kind != RTNL_NEXTHOP) {
        w->ops->message(w->aux, m, false);
    }
}

/* What was parsed, events or a dump's, and not told yet. */
static void tell_parsed(struct nl_watch *w, int64_t now)
{
    for (unsigned i = 0; i < w->n_parsed; i++) {
        const struct rtnl_msg *m = &w->parsed[i];
        if (!w->dumping) {
            tell_event(w, m, now);
        } else if (!m->del && m->kind == w->dumping) {
            w->ops->message(w->aux, m, true);
        }
    }
    w->n_parsed = 0;
}

static void parse_message(struct nl_watch *w, struct cursor msg, int64_t now)
{
    struct rtnl_msg *m = &w->parsed[w->n_parsed];

    w->stats.messages += w->source != w->express;
    switch (rtnl_parse(msg.p, msg.n, m)) {
    case RTNL_MALFORMED:
        note_malformed(w);
        return;
    case RTNL_IGNORE:
        return;
    case RTNL_OK:
        break;
    }
    w->ops->ahead(w->aux, m);
    if (++w->n_parsed == PARSE_AHEAD) {
        tell_parsed(w, now);
    }
}

static void overrun(struct nl_watch *w, int64_t now)
{
    w->stats.overruns++;
    w->last_removal = now;
    log_warn_limited(&w->overrun_limit,
                     "netlink overrun %llu: events were lost, dumping everything again",
                     (unsigned long long)w->stats.overruns);
    want(w, RTNL_ALL, now);
}

static void read_event(struct nl_watch *w, unsigned i, int64_t now)
{
    struct cursor datagram, msg;

    if (!received_get(w, i, &datagram)) {
        overrun(w, now);
        return;
    }
    while (rtnl_next(&datagram, &msg)) {
        parse_message(w, msg, now);
    }
    if (datagram.n) {
        note_malformed(w);
    }
}

/* Returns true when no event is left. */
static bool read_events(struct nl_watch *w, struct nl_sock *sock, int64_t now)
{
    for (int i = 0; i < READS_PER_TURN; i++) {
        unsigned n = 0;
        int error = receive(w, sock, RECV_BATCH, &n);

        if (error == EAGAIN) {
            return true;
        }
        if (error == ENOBUFS) {
            overrun(w, now);
            continue;
        }
        if (error) {
            if (error != EINTR) {
                log_warn_limited(&w->dump_limit, "reading events: %s", strerror(error));
            }
            return false;
        }
        for (unsigned k = 0; k < n; k++) {
            read_event(w, k, now);
        }
        tell_parsed(w, now);
        if (n < RECV_BATCH) {
            return true; /* One more to come would have the socket readable again. */
        }
    }
    return false;
}

/* The end of a dump: NLMSG_DONE carries 0 or a negative errno, NLMSG_ERROR an errno. */
static void dump_done(struct nl_watch *w, struct cursor msg, bool refused, int64_t now)
{
    enum rtnl_kind kind = w->dumping;
    int32_t code = 0;

    cursor_skip(&msg, sizeof(struct nlmsghdr));
    cursor_copy(&msg, &code, sizeof code);
    /* A kernel without IPv6 has no IPv6 routes; a namespace without table main yet
     * (ENOENT) has no routes. */
    bool none = code == -EAFNOSUPPORT || code == -EOPNOTSUPP || code == -ENOENT;
    if ((refused || code < 0) && !none) {
        log_warn_limited(&w->dump_limit, "the kernel refused a dump: %s",
                         strerror(-code));
        want(w, kind, now + ERROR_RETRY_MS);
        dump_finish(w, false, now);
    } else if (w->dump_interrupted) {
        want(w, kind, now + RETRY_MS);
        dump_finish(w, false, now);
    } else {
        dump_finish(w, true, now);
    }
}

static void dump_message(struct nl_watch *w, struct cursor msg, int64_t now)
{
    struct nlmsghdr h;

    if (!rtnl_header(msg, &h) || h.nlmsg_seq != w->dump_seq || !w->dumping) {
        return; /* Left over from a dump that was given up. */
    }
    w->dump_interrupted |= (h.nlmsg_flags & NLM_F_DUMP_INTR) != 0;
    if (h.nlmsg_type == NLMSG_DONE || h.nlmsg_type == NLMSG_ERROR) {
        tell_parsed(w, now);
        dump_done(w, msg, h.nlmsg_type == NLMSG_ERROR, now);
        return;
    }
    parse_message(w, msg, now);
}

static void read_dump(struct nl_watch *w, int64_t now)
{
    for (int i = 0; i < DUMP_READS_PER_TURN && w->dumping; i++) {
        struct cursor datagram, msg;
        unsigned n = 0;
        int error = receive(w, w->dumps, 1, &n);

        if (error == EAGAIN && now - w->dump_heard >= DUMP_SILENCE_MS) {
            want(w, w->dumping, now);
            dump_finish(w, false, now);
        }
        if (error == EAGAIN || error == EINTR) {
            return;
        }
        w->dump_heard = now;
        if (error || !received_get(w, 0, &datagram)) {
            /* Something was lost.  Read on: the kernel makes no second dump on this
             * socket before the end of this one was read. */
            log_warn_limited(&w->dump_limit, "reading a dump: %s",
                             error ? strerror(error) : "a datagram did not fit");
            w->dump_interrupted = true;
            continue;
        }
        while (rtnl_next(&datagram, &msg)) {
            dump_message(w, msg, now);
        }
        tell_parsed(w, now);
        if (datagram.n) {
            note_malformed(w);
        }
    }
}

/* Before a dump, which has all that came until then, as the other socket has: what was
 * counted, and may be wrong if events were lost, begins anew. */
static void forget_express(struct nl_watch *w)
{
    unsigned n;
    int error;

    /* Behind an overrun, too, which may have cut the batch before it short. */
    do {
        error = receive(w, w->express, RECV_BATCH, &n);
    } while (!error || error == ENOBUFS || error == EINTR);
    express_clear(&w->overtaken);
}

void nl_watch_run_express(struct nl_watch *w, int64_t now)
{
    if (!w->dumping) {
        read_events(w, w->express, now);
    }
}

bool nl_watch_run(struct nl_watch *w, int64_t now)
{
    bool drained = false;

    if (w->again && now >= w->again_at) {
        nl_watch_verify(w, w->again, now);
        w->again = 0;
    }
    if (w->dumping) {
        read_dump(w, now);
    }
    if (!w->dumping) {
        const bool express_drained = read_events(w, w->express, now);
        drained = read_events(w, w->events, now) && express_drained;
    }
    if (drained) {
        express_rest(&w->overtaken, now);
    }
    if (drained && w->wanted && now >= w->wanted_at) {
        forget_express(w);
        dump_start(w, now);
    }
    return drained;
}

int nl_watch_event_fd(const struct nl_watch *w)
{
    return nl_socket_get_fd(w->events);
}

int nl_watch_express_fd(const struct nl_watch *w)
{
    return nl_socket_get_fd(w->express);
}

int nl_watch_dump_fd(const struct nl_watch *w)
{
    return nl_socket_get_fd(w->dumps);
}

bool nl_watch_is_dumping(const struct nl_watch *w)
{
    return w->dumping != 0;
}

int64_t nl_watch_wakeup(const struct nl_watch *w)
{
    int64_t at = w->again ? w->again_at : INT64_MAX;

    if (w->dumping) {
        return MIN(at, w->dump_heard + DUMP_SILENCE_MS);
    }
    return w->wanted ? MIN(at, w->wanted_at) : at;
}

bool nl_watch_synced(const struct nl_watch *w)
{
    return !w->never_dumped;
}

bool nl_watch_is_dirty(const struct nl_watch *w)
{
    return w->dumping || w->wanted;
}

void nl_watch_stats(const struct nl_watch *w, struct nl_watch_stats *ret)
{
    *ret = w->stats;
}

/* Opening. */

int nl_watch_create(const struct nl_watch_ops *ops, void *aux, int rcvbuf,
                    struct nl_watch **ret)
{
    struct nl_watch *w = xcalloc(1, sizeof *w);

    w->ops = ops;
    w->aux = aux;
    received_init(&w->received);
    w->never_dumped = RTNL_ALL;
    w->last_dump_end = w->last_removal = INT64_MIN / 2;
    int error = socket_events(rcvbuf, &w->events);
    if (!error) {
        error = socket_express(rcvbuf, &w->express);
    }
    if (!error) {
        error = socket_dumps(&w->dumps);
    }
    if (error) {
        nl_watch_destroy(w);
        return error;
    }
    want(w, RTNL_ALL, INT64_MIN);
    *ret = w;
    return 0;
}

void nl_watch_destroy(struct nl_watch *w)
{
    if (w) {
        express_clear(&w->overtaken);
        nl_socket_free(w->events); /* Or NULL. */
        nl_socket_free(w->express);
        nl_socket_free(w->dumps);
        free(w->received.bytes);
        free(w);
    }
}
