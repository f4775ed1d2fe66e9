#ifndef RECON_IMPL_H
#define RECON_IMPL_H 1

/* Inside of the reconciliation: recon.c takes what is desired, recon_ops.c hands out
 * operations and follows them to their barrier or error, recon_audit.c takes what was
 * seen in the switch.
 *
 * What is installed is believed from the moment an operation is handed out; a refusal
 * takes it back.  An item in flight is not handed out again until its barrier. */

#include "core/ptable.h"
#include "core/recon.h"
#include "map.h"
#include "target.h"

/* Flags of items of all sorts. */
enum {
    I_NAMED = 1 << 0,    /* Desired since recon_begin(). */
    I_FLIGHT = 1 << 1,   /* In flight. */
    I_REFUSED = 1 << 2,  /* In flight, and refused. */
    I_WAIT = 1 << 3,     /* Not before its failure's time comes. */
    I_FAILED = 1 << 4,   /* Has a struct failure. */
    I_SEEN = 1 << 5,     /* By the audit. */
    I_TOUCHED = 1 << 6,  /* In flight at some time during the audit. */
    I_ORPHAN = 1 << 7,   /* FIB entry refused because its group is absent. */
    I_STALE = 1 << 8,    /* FIB entry installed with another MTU than its group has. */
    I_URGENT = 1 << 9,   /* FIB entry whose next operation goes before others ... */
    I_YIELDED = 1 << 10, /* ... a deletion, which has let additions go first. */
};

enum { W_WANT, W_HAVE, N_WORDS };     /* Of a FIB entry: packed targets. */
enum { LANE_ADD, LANE_DEL, N_LANES }; /* Added or modified; deleted. */
enum { LANE_URGENT = N_LANES };       /* Of FIB entries: either, before the others. */

#define RANK_GROUP RECON_RANKS
#define RANK_SHARE (RECON_RANKS + 1) /* Added after its group, deleted before. */
#define N_RANKS (RECON_RANKS + 2)
#define NO_LANE N_LANES
#define HASH_FOREIGN 0 /* Installed, but nothing that we would install. */

/* An aux item or a group. */
struct object {
    uint8_t what; /* enum recon_what. */
    uint8_t rank;
    uint8_t lane; /* Whose list it is in, or NO_LANE. */
    uint16_t flags;
    bool desired;
    bool present;   /* Installed. */
    uint8_t hint;   /* enum recon_failure of the refusal. */
    bool waiters;   /* Group: some FIB entry was held back for it. */
    uint32_t users; /* Group: FIB entries installed, or not yet confirmed to be gone. */
    uint16_t n_shares; /* Group: the highest number of a share that there is ... */
    uint16_t share;    /* ... and of the one that is being filled. */
    uint16_t mtu;      /* Group: as desired ... */
    uint16_t have_mtu; /* ... and of all entries that send to it but stale ones ... */
    bool mtu_known;    /* ... of which one was seen, or it was desired. */
    uint64_t want;     /* Hash of the value. */
    uint64_t have;     /* Of what is installed, when present. */
    uint8_t *value;    /* When desired. */
    uint32_t value_len;
    uint32_t key_len;
    struct object *prev, *next; /* In its lane. */
    UT_hash_handle hh;
    uint8_t key[]; /* Of a group: its id. */
};

#define MTU_UNKNOWN 0xffff /* No group's. */

/* An operation in flight. */
struct flight {
    uint64_t ref; /* recon_ref() of the item. */
    uint32_t old; /* FIB: target before; object: enum recon_action. */
    uint16_t mtu; /* Of the target before; MTU_UNKNOWN when it was stale. */
    uint8_t what;
};

struct barrier {
    uint32_t xid;
    uint32_t n; /* Operations since the barrier before. */
};

struct failure_key {
    uint64_t what;
    uint64_t ref;
};

#define FAILURE_LEVELS 16

/* A refused item, until it succeeds or is no longer desired. */
struct failure {
    struct failure_key key;
    unsigned failures;
    int64_t retry_at;
    bool waiting; /* In recon.waiting[]. */
    struct failure *prev, *next;
    UT_hash_handle hh;
    char error[RECON_ERROR_LEN];
};

struct recon {
    int64_t retry_min_ms, retry_max_ms;
    bool complete; /* A download was completed once. */
    bool syncing;  /* Between recon_begin() and recon_end(). */
    bool known;    /* What is installed. */
    bool auditing; /* Between recon_audit_begin() and the end. */
    bool wants_audit;
    bool first_audit;
    size_t audit_differences;
    /* After the end: FIB entries from this slot on have marks of the audit. */
    bool judging;
    bool judge;
    uint32_t unjudged;

    struct ptable *fib;
    uint32_t share_limit; /* 0: no shares. */
    bool mtus;
    bool alternates;
    struct {
        size_t deletions; /* So many FIB entries, the next of LANE_DEL, wait for ... */
        size_t additions; /* ... so many of LANE_ADD. */
    } fence;
    uint32_t walk; /* All up to this slot were looked at ... */
    bool walking;  /* ... in a pass over the whole table. */
    struct object *aux;
    struct object *groups;
    struct object *lanes[N_LANES][N_RANKS];

    /* A ring of operations in flight; serial numbers are consecutive. */
    struct flight *flights;
    uint32_t cap_flights; /* Power of 2, or 0. */
    uint32_t first_flight;
    uint32_t n_flights;
    uint32_t n_unfenced; /* Of these, handed out after the last barrier. */
    uint32_t next_serial;
    struct barrier *barriers;
    size_t n_barriers, cap_barriers;

    struct failure *failures;
    /* By number of failures: in each list one delay, so that it is in order of time. */
    struct failure *waiting[FAILURE_LEVELS];

    struct recon_counts counts[RECON_FIB + 1];
    uint64_t changes;
};

/* Items are referred to by the slot of the FIB entry, or by the object itself: an
 * object lives as long as it is in flight or has a failure. */
static inline uint64_t recon_ref(const struct object *o)
{
    return (uintptr_t)o;
}

static inline struct object *recon_object(uint64_t ref)
{
    return (struct object *)(uintptr_t)ref;
}

/* recon.c */
struct object *recon_find_object(const struct recon *, enum recon_what,
                                 struct recon_blob key);
struct object *recon_get_object(struct recon *, enum recon_what, unsigned rank,
                                struct recon_blob key);
struct object *recon_get_group(struct recon *, uint32_t id);
struct object *recon_find_group(const struct recon *, uint32_t id);
uint32_t recon_group_id(const struct object *);
uint64_t recon_hash_hops(uint16_t n_hops, const struct fib_hop *);
uint64_t recon_hash_blob(struct recon_blob);
/* How many hops of a group, as desired, the switch can have. */
uint16_t recon_group_hops(const struct recon *, const struct object *);
/* Around each change of an item: takes it out of the counters and puts it back. */
void recon_count_fib(struct recon *, uint32_t slot, int sign);
void recon_count_object(struct recon *, const struct object *, int sign);
/* In which lane the FIB entry, which is not settled, waits. */
static inline unsigned recon_fib_lane(const uint32_t *words, uint16_t flags)
{
    return flags & I_URGENT ? LANE_URGENT : words[W_WANT] ? LANE_ADD : LANE_DEL;
}
/* Queues the item if it must and may be changed; frees it if nothing is left of it. */
void recon_evaluate_fib(struct recon *, uint32_t slot);
void recon_evaluate_object(struct recon *, struct object *);
void recon_object_leave_lane(struct recon *, struct object *);
/* FIB entries may refer to the group. */
bool recon_group_is_usable(const struct object *);
/* If so, looks for those that were held back. */
void recon_wake_waiters(struct recon *, struct object *);
/* Believes that `target` is installed, and counts the users of groups. */
void recon_set_have(struct recon *, uint32_t slot, uint32_t target, bool stale);
/* What the audit says of the entry is still to be judged. */
static inline bool recon_audit_concerns_fib(const struct recon *r, uint32_t slot)
{
    return r->auditing || (r->judging && slot >= r->unjudged);
}
/* What is installed is what is wanted. */
static inline bool recon_fib_is_settled(const uint32_t *words, uint16_t flags)
{
    return words[W_WANT] == target_base(words[W_HAVE]) && !(flags & I_STALE);
}
void recon_use_group(struct recon *, uint32_t target);
void recon_unuse_group(struct recon *, uint32_t target);
/* The flags of the item, or NULL if there is none. */
uint16_t *recon_flags_of(const struct recon *, enum recon_what, uint64_t ref);

void recon_object_desire(struct recon *, struct object *, const void *value,
                         uint32_t len, uint64_t hash);
void recon_object_remove(struct recon *, struct object *); /* NULL: nothing. */

/* recon_share.c */
/* A share was made: there is its group, which knows of it; it is desired as that is. */
void recon_share_created(struct recon *, struct object *);
void recon_share_freed(struct recon *, uint32_t id);
/* The group is desired, or not any more: so are its shares. */
void recon_shares_follow(struct recon *, uint32_t group, unsigned n_shares,
                         bool desired);
/* The group of a share is there.  The group is there now: so may be its shares. */
bool recon_share_may_add(const struct recon *, const struct object *share);
void recon_shares_wake(struct recon *, const struct object *group);
/* A share left the switch: its group may, too. */
void recon_share_settled(struct recon *, uint32_t id);
/* Is there, as far as known, a share of the group in the switch? */
bool recon_shares_present(const struct recon *, const struct object *group);
/* Where a FIB entry that wants the group, which is usable, is to send: the group or a
 * share; TARGET_NONE: a share must be handed out first. */
uint32_t recon_share_choose(struct recon *, struct object *group);
uint64_t recon_hash_share(uint32_t to);

/* recon_mtu.c */
/* The group's MTU, or recon_set_mtus(), may have changed. */
void recon_mtu_changed(struct recon *, struct object *group);
/* An entry with this target was seen in the switch, with this MTU: is it stale? */
bool recon_mtu_seen(struct recon *, uint32_t target, uint16_t mtu);
uint16_t recon_mtu_of(const struct recon *, uint32_t target);

/* recon_fail.c */
void recon_failure_add(struct recon *, struct failure_key, const char *error,
                       int64_t now, bool at_once);
/* Forgets the failure of an item whose flags are given; nothing if it has none. */
void recon_failure_clear(struct recon *, enum recon_what, uint64_t ref,
                         uint16_t *flags);
void recon_failure_clear_all(struct recon *);
/* Queues what is due. */
void recon_failure_wake(struct recon *, int64_t now);

/* recon_ops.c */
void recon_start_walk(struct recon *);
void recon_drop_flights(struct recon *);
struct flight *recon_flight(const struct recon *, uint32_t i); /* 0..n_flights - 1 */

#endif
