#ifndef PLAN_POOL_H
#define PLAN_POOL_H 1

/* Free networks of a pool, lowest first. */

#include "core/plan.h"

/* Occupied addresses, ends included. */
struct span {
    uint64_t lo, hi;
};

struct pool_cursor {
    const struct plan_pool *pool;
    struct span *spans; /* Sorted by lo. */
    size_t n_spans, i;
    uint64_t next;  /* The first address that was not considered. */
    size_t missing; /* Networks that were asked for in vain. */
};

/* `used` need not be sorted, nor in the pool. */
void pool_open(struct pool_cursor *, const struct plan_pool *,
               const struct ip_prefix *used, size_t n);
void pool_close(struct pool_cursor *);
/* The next free network's first address; false, counted, if there is none. */
bool pool_take(struct pool_cursor *, uint32_t *ret);

#endif
