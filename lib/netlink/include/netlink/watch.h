#ifndef NETLINK_WATCH_H
#define NETLINK_WATCH_H 1

/* Watching the kernel's links, addresses, neighbours and routes without losing one.
 *
 * A socket subscribed to the multicast groups, and one for dumps.  The order is
 * always: subscribe; read events until there are none; dump; then read the events that
 * queued up meanwhile.  Replaying events that a dump had in it already is harmless, for
 * the last event of a key tells its state.  A dump is a comparison: the caller marks
 * what it names and, when it is complete, removes what it did not name.
 *
 * A third socket has the routes of few protocols only, which are not to wait behind
 * those of others (netlink/express.h).
 *
 * Dumps are made
 *  - at the start;
 *  - after an overrun (ENOBUFS): the kernel then throws every event away until the
 * queue is empty, so only a dump can tell what happened;
 *  - when the kernel removes routes without telling: an interface lost UP or carrier or
 *    is gone, an address or a nexthop object is gone.  It announces the cause *before*
 *    it removes the routes, so that such a dump is made twice, at once (unless dumps
 *    take long) and 250 ms later;
 *  - when the caller finds events that contradict its state (nl_watch_verify).
 * A dump that the kernel marks as interrupted by a change (NLM_F_DUMP_INTR) may lack
 * entries: it is reported as incomplete and made again.
 *
 * Sockets are non-blocking, and the work of one turn is bounded.  The caller's loop
 * waits for the descriptor of the dumps while nl_watch_is_dumping() and for that of the
 * events otherwise, or until nl_watch_wakeup(), then calls nl_watch_run(); while no
 * dump is under way it waits for the express one too, then calls
 * nl_watch_run_express(). */

#include <stdbool.h>
#include <stdint.h>

#include "netlink/rtnl.h"

struct nl_watch_ops {
    /* This one comes soon, after some others. */
    void (*ahead)(void *aux, const struct rtnl_msg *msg);
    /* One parsed message.  In a dump `msg->del` is false. */
    void (*message)(void *aux, const struct rtnl_msg *msg, bool in_dump);
    /* Around the dump of one kind.  `complete`: what it did not name does not exist. */
    void (*dump_begin)(void *aux, enum rtnl_kind kind);
    void (*dump_end)(void *aux, enum rtnl_kind kind, bool complete);
};

struct nl_watch_stats {
    uint64_t messages;  /* Events and dumped entries, wanted or not. */
    uint64_t malformed; /* Refused by the parser. */
    uint64_t overruns;
    uint64_t dumps;       /* Of one kind each. */
    uint64_t interrupted; /* Of these, incomplete. */
};

struct nl_watch;

/* Opens and subscribes, and schedules the first dump of everything.  `rcvbuf` is the
 * event socket's receive buffer in bytes (850 bytes or so hold one event); more than
 * net.core.rmem_max needs CAP_NET_ADMIN.  Returns 0 or an errno. */
int nl_watch_create(const struct nl_watch_ops *, void *aux, int rcvbuf,
                    struct nl_watch **ret);
void nl_watch_destroy(struct nl_watch *);

int nl_watch_event_fd(const struct nl_watch *);
int nl_watch_express_fd(const struct nl_watch *);
int nl_watch_dump_fd(const struct nl_watch *);
bool nl_watch_is_dumping(const struct nl_watch *);
int64_t nl_watch_wakeup(const struct nl_watch *);  /* INT64_MAX: no timer. */
bool nl_watch_run(struct nl_watch *, int64_t now); /* Whether no event was left. */
void nl_watch_run_express(struct nl_watch *, int64_t now);

/* Asks for dumps of `kinds` (enum rtnl_kind, ORed), soon: repeated wishes are joined,
 * and the rate is bounded by what a dump costs. */
void nl_watch_verify(struct nl_watch *, unsigned kinds, int64_t now);

/* True once every kind was dumped completely. */
bool nl_watch_synced(const struct nl_watch *);
/* A dump is under way or scheduled. */
bool nl_watch_is_dirty(const struct nl_watch *);
void nl_watch_stats(const struct nl_watch *, struct nl_watch_stats *ret);

#endif
