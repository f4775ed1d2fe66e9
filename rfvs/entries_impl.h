#ifndef ENTRIES_IMPL_H
#define ENTRIES_IMPL_H 1

/* Shared by entries.c (what is desired, operations) and entries_audit.c (what is
 * installed). */

#include <stdlib.h>

/* Pure: no exit() of uthash. */
#define uthash_fatal(MESSAGE) abort()
#include <uthash.h>

#include "core/backoff.h"
#include "entries.h"

struct entry_key {
    uint32_t kind;
    uint32_t in_port;
};

/* What an entry is in the switch. */
struct entry_state {
    bool present;
    bool odd; /* Our match, but not what we would have written. */
    struct entry_ports to;
};

struct item {
    struct entry_key key;
    struct entry_ports to;
    bool desired;
    bool condemned; /* Removed by name: need not wait for the desired state. */
    bool seen;      /* In the audit that is going on ... */
    bool touched;   /* ... which this does not concern: it was changed since. */
    struct entry_state confirmed;
    struct entry_state expected; /* Once the operations in flight are done. */
    uint64_t op;                 /* Number of the last operation in flight, 0: none. */
    uint32_t xid;
    struct backoff backoff;
    UT_hash_handle hh;
};

/* An entry with our cookie that we would never write: another version of us did. */
struct stray {
    uint8_t table_id;
    uint16_t priority;
    struct of_match match;
    struct stray *next;
};

struct entries {
    struct item *items;
    struct stray *strays;
    int64_t backoff_min_ms, backoff_max_ms;
    bool complete;
    bool known; /* Audited since the connection was made. */
    uint64_t last_op;
    uint64_t unbarriered; /* Operations since the last barrier. */
    uint32_t barrier_xid; /* 0: none in flight. */
    uint64_t barrier_op;  /* The last operation before it. */
    uint64_t changes;
};

/* Finds or makes. */
struct item *entries_item(struct entries *, struct entry_key);
void entries_drop_strays(struct entries *);
/* Forgets items of which nothing is left. */
void entries_drop_gone(struct entries *);

static inline bool item_must_add(const struct item *item)
{
    const struct entry_state *is = &item->expected;
    return item->desired &&
           (!is->present || is->odd || !entry_ports_equal(&is->to, &item->to));
}

static inline bool item_must_delete(const struct entries *es, const struct item *item)
{
    return !item->desired && item->expected.present &&
           (es->complete || item->condemned);
}

#endif
