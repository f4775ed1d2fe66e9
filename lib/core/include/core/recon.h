#ifndef CORE_RECON_H
#define CORE_RECON_H 1

/* Reconciliation of one datapath: what is desired against what is installed.
 *
 * rfproxy tells what is desired (from rfserver) and what it saw in the switch; this
 * module says which operations make the two equal, knows which of them the switch has
 * confirmed, and tries again what the switch refused.  No batching, no OpenFlow.
 *
 * Three sorts of items:
 *   aux    whatever rfproxy's pipeline makes, as blobs: meters, admit entries, fixed
 *          entries.  Ranks order them: a lower rank is there before a higher one.
 *   group  id → hops.
 *   FIB    prefix → target.
 *
 * Order of operations: aux added by rank, groups added or changed, FIB entries added or
 * changed, then FIB entries deleted, groups deleted, aux deleted.  The deletion of a
 * FIB entry waits for what is to be added when it comes, not for what follows.  Urgent
 * FIB entries (recon_hurry_fib()) go before the others, deletions too; of those that
 * are urgent at the same time, additions and changes go first.  A FIB entry is held
 * back while its group is not in the switch, and a group is deleted only when a barrier
 * has confirmed that no FIB entry uses it: OpenFlow deletes the users with it (OpenFlow
 * 1.3.5, 6.7).
 *
 * Nothing is ever deleted before the first recon_end(), nor between recon_begin() and
 * recon_end(): a restarted rfserver or rfproxy must not tear a hole.
 *
 * An item in flight (handed out, not yet confirmed by a barrier) is left alone; a
 * change of what is desired of it is remembered and handed out after the barrier.
 *
 * While what is installed is unknown (at first, and after recon_disconnected()), no
 * operation is handed out; an audit makes it known.
 *
 * Times are monotonic milliseconds.  Memory: some 25 octets per IPv4 FIB entry, and 16
 * per operation in flight. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "core/plane.h"

#define RECON_RANKS 4       /* Of aux: 0..RECON_RANKS - 1. */
#define RECON_BLOB_MAX 4096 /* Octets of an aux key, and of an aux value. */
#define RECON_ERROR_LEN 96  /* Of an error's text, terminated. */

struct recon;

struct recon *recon_create(int64_t retry_min_ms, int64_t retry_max_ms);
void recon_destroy(struct recon *);

/* What is desired.  Saying the same again costs little and hands out nothing.  False,
 * and nothing changed: a value is out of range (lengths, rank, group id, hops, a prefix
 * that is not canonical, a verdict that does not exist); they may come from a peer as
 * read. */

struct recon_blob {
    const void *data;
    uint32_t len; /* 0..RECON_BLOB_MAX; a key 1... */
};

bool recon_desire_aux(struct recon *, unsigned rank, struct recon_blob key,
                      struct recon_blob value);
void recon_remove_aux(struct recon *, struct recon_blob key);
#define RECON_GROUP_MAX 0xfffffu /* Ids of groups: 1... */
bool recon_desire_group(struct recon *, const struct fib_group *);
void recon_remove_group(struct recon *, uint32_t id);
bool recon_desire_fib(struct recon *, const struct fib_entry *);
void recon_remove_fib(struct recon *, const struct ip_prefix *);
/* One of the two follows soon (core/ptable.h). */
void recon_prefetch_fib(const struct recon *, const struct ip_prefix *);
/* What was desired last of this FIB entry is urgent: if it is not installed, it goes
 * before the others.  Its operation is tried once as such. */
void recon_hurry_fib(struct recon *, const struct ip_prefix *);

/* Around a full download, of all three sorts: what was not named is swept at the end. A
 * recon_begin() while one is open starts over. */
void recon_begin(struct recon *);
void recon_end(struct recon *);
bool recon_is_complete(const struct recon *); /* A download was completed once. */

/* Shares.  Open vSwitch needs time in proportion to the users of a group whenever a
 * FIB entry leaves it (half a millisecond with a million).  With a limit, 1..., no more
 * than so many entries send to one group: those beyond send to a share of it, a group
 * whose only bucket sends to the group itself.  A changed next hop is still one change.
 * An entry counts as right at its group or at any share of it, so that none is moved.
 * Share number N, 1...RECON_SHARES_MAX, of a group has the id N << 20 | id.  0, the
 * default, is for switches that cannot chain groups. */
#define RECON_SHARES_MAX 2046
void recon_set_share_limit(struct recon *, uint32_t limit);

/* MTUs of groups.  It is the FIB entries of a group that look at the length of packets,
 * so they are handed out with the group's MTU in their target, and again when it
 * changes.  False, the default, is for switches that cannot: they get no MTU. */
void recon_set_mtus(struct recon *, bool);

/* Alternates of groups (core/plane.h).  False, the default, is for switches without
 * fast-failover groups: an alternate is then neither handed out nor looked for. */
void recon_set_alternates(struct recon *, bool);

/* Operations. */

enum recon_what { RECON_AUX = 1, RECON_GROUP, RECON_FIB };
enum recon_action { RECON_ADD = 1, RECON_MODIFY, RECON_DELETE };

/* Pointers are valid until the next call for this recon.
 * A FIB entry that is added or modified may be sent as OFPFC_ADD both times: it
 * replaces an entry of the same match and priority. */
struct recon_op {
    enum recon_action action;
    enum recon_what what;
    uint32_t serial; /* 1..0x7fffffff, then again from 1: +1 for each operation.  Meant
                      * as xid, so that an error names its operation. */
    bool urgent;     /* A FIB entry that went before others. */
    union {
        struct {
            unsigned rank;
            struct recon_blob key, value; /* RECON_DELETE: no value. */
        } aux;
        struct {
            uint32_t id;
            uint32_t to; /* Of a share: its group; there are no hops then.  Else 0. */
            uint16_t n_hops;
            const struct fib_hop *hops;
        } group;
        struct fib_entry fib; /* RECON_DELETE: no target. */
    };
};

/* Hands out the next operation; false when there is none now.  It must then be sent. */
bool recon_next_op(struct recon *, int64_t now, struct recon_op *ret);

/* Some urgent FIB entry waits (or did: recon_next_op() may find that it need not). */
bool recon_has_urgent(const struct recon *);

/* A barrier request was sent after the operations handed out so far. */
void recon_barrier_sent(struct recon *, uint32_t xid);
/* Its reply came: all before it is confirmed.  False: no such barrier is outstanding.
 */
bool recon_barrier_done(struct recon *, uint32_t xid);
bool recon_needs_barrier(const struct recon *);  /* Operations since the last one. */
bool recon_awaits_barrier(const struct recon *); /* The reply to one. */
size_t recon_in_flight(const struct recon *);    /* Operations not yet confirmed. */

/* The switch refused an operation in flight.  The two hints prove that what is believed
 * installed is wrong: the group or meter is then tried with RECON_MODIFY or RECON_ADD,
 * and an audit is wanted. */
enum recon_failure {
    RECON_REFUSED,
    RECON_EXISTS, /* OFPGMFC_GROUP_EXISTS, OFPMMFC_METER_EXISTS. */
    RECON_ABSENT, /* OFPGMFC_UNKNOWN_GROUP, OFPMMFC_UNKNOWN_METER; of a FIB entry: its
                   * group is, OFPBAC_BAD_OUT_GROUP. */
};
/* False: no operation in flight has this serial. */
bool recon_op_failed(struct recon *, uint32_t serial, enum recon_failure,
                     const char *error, int64_t now);

/* When recon_next_op() should be called though nothing happened: INT64_MAX for never.
 */
int64_t recon_next_retry(const struct recon *);

/* What is installed. */

/* The connection is gone: nothing is in flight, and what is installed is unknown. */
void recon_disconnected(struct recon *);
bool recon_is_known(const struct recon *);

/* An audit: begin, all that bears our cookie in any order, end.  On a new connection
 * the first thing to do (at once begin and end when the switch is known to be empty);
 * and from time to time, while operations go on: what was in flight at some time during
 * the audit is not judged by it.  A second begin starts over. */
void recon_audit_begin(struct recon *);
/* NULL hops or value data, verdict 0: it is there, but is none of ours; it will be
 * modified or deleted. */
void recon_seen_aux(struct recon *, unsigned rank, struct recon_blob key,
                    struct recon_blob value);
void recon_seen_group(struct recon *, uint32_t id, uint16_t n_hops,
                      const struct fib_hop *hops);
/* A group whose only bucket sends to group `to`. */
void recon_seen_share(struct recon *, uint32_t id, uint32_t to);
void recon_seen_fib(struct recon *, const struct fib_entry *);
/* Judges what was seen.  Returns how many items differed from what had been believed, 0
 * on a first audit. */
size_t recon_audit_end(struct recon *);
/* The same in slices of so many FIB entries: false, and it must be called again.
 * Meanwhile operations go on, but for deletions that are not urgent; nothing more may
 * be told as seen. */
bool recon_audit_slice(struct recon *, size_t max, size_t *ret_differences);
/* A refusal has shown that somebody else changed the switch; until the next audit
 * begins. Do not wait for the periodic one. */
bool recon_wants_audit(const struct recon *);
/* The audit could not be completed (timeout, bad reply): it judges nothing. */
void recon_audit_abort(struct recon *);

/* Known, complete, all confirmed, nothing failed. */
bool recon_in_sync(const struct recon *);

struct recon_counts {
    size_t desired;
    size_t installed; /* Confirmed. */
    size_t pending;   /* To be changed, in flight ones and failed ones included. */
    size_t failed;    /* Refused, and not successful since. */
};

void recon_counts(const struct recon *, enum recon_what, struct recon_counts *ret);
uint64_t recon_changes(const struct recon *); /* Operations handed out, ever. */
size_t recon_memory(const struct recon *);    /* Octets held by FIB entries. */

/* For people. */

struct recon_failed {
    enum recon_what what;
    struct recon_blob aux_key;
    uint32_t group_id;
    struct ip_prefix prefix;
    unsigned failures; /* In a row. */
    int64_t retry_at;
    const char *error;
};

typedef void recon_failed_fn(void *aux, const struct recon_failed *);
void recon_each_failed(const struct recon *, recon_failed_fn *, void *aux);

/* What is desired and what is installed of a prefix; verdict 0 means nothing. */
void recon_fib_state(const struct recon *, const struct ip_prefix *,
                     struct fib_target *ret_desired, struct fib_target *ret_installed);

#endif
