#ifndef CORE_DEADLINES_H
#define CORE_DEADLINES_H 1

/* Many deadlines, the earliest at hand: a binary heap.  A deadline is part of the thing
 * that it is for (CONTAINER_OF) and zero-initialized is not in the heap. */

#include <stddef.h>
#include <stdint.h>

struct deadline {
    int64_t at;
    size_t pos; /* In the heap, from 1; 0: not in it. */
};

struct deadlines {
    struct deadline **v; /* v[0] is not used. */
    size_t n;
    size_t cap;
};

/* Inserts, or moves what is in there already. */
void deadline_set(struct deadlines *, struct deadline *, int64_t at);
void deadline_cancel(struct deadlines *, struct deadline *);
struct deadline *deadlines_first(const struct deadlines *); /* NULL: none. */
void deadlines_uninit(struct deadlines *);

#endif
