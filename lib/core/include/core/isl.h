#ifndef CORE_ISL_H
#define CORE_ISL_H 1

/* Shortest paths among the datapaths of one VM.
 *
 * A VM that spans several datapaths is one router; the inter-switch links between them
 * (rfisl.csv) may have any shape.  For each datapath this tells by which of its own
 * ports the others are reached with the fewest hops.  Each datapath decides alone:
 * since all count hops, the next one on a path is always nearer to its end, so that the
 * paths of all of them together have no loop.
 *
 * Pure, of one moment: what links may be used, the caller knows. */

#include <stddef.h>
#include <stdint.h>

#include "core/keys.h"

/* A link that may be used, in both directions. */
struct isl_link {
    struct dp_key a, b;
};

struct isl_path {
    uint64_t dp_id;   /* To this datapath ... */
    uint32_t dp_port; /* ... by this port of the one asked for. */
    uint32_t hops;    /* 1... */
};

/* Paths from datapath `from` to all others that can be reached, sorted by dp_id.  Among
 * several of the same length the one with the lowest dp_port is taken, whatever the
 * order of `links`.  The caller frees the result; NULL if there are none.
 * O(n log n) in the number of links. */
struct isl_path *isl_paths(const struct isl_link *links, size_t n, uint64_t from,
                           size_t *ret_n);

/* The path to a datapath in such a result; NULL if it cannot be reached. */
const struct isl_path *isl_find(const struct isl_path *paths, size_t n, uint64_t dp_id);

#endif
