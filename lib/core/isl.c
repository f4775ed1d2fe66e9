#include "core/isl.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/util.h"

/* One direction of a link. */
struct edge {
    uint64_t from;
    uint32_t port;
    uint64_t to;
};

static int compare_edges(const void *a_, const void *b_)
{
    const struct edge *a = a_, *b = b_;

    return a->from != b->from ? (a->from < b->from ? -1 : 1)
                              : (a->port > b->port) - (a->port < b->port);
}

static int compare_paths(const void *a_, const void *b_)
{
    const struct isl_path *a = a_, *b = b_;

    return (a->dp_id > b->dp_id) - (a->dp_id < b->dp_id);
}

/* The first edge that leaves `from`, or the end. */
static size_t first_edge(const struct edge *edges, size_t n, uint64_t from)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (edges[middle].from < from) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct edge *both_directions(const struct isl_link *links, size_t n)
{
    struct edge *edges = xcalloc(2 * n, sizeof *edges);

    for (size_t i = 0; i < n; i++) {
        const struct dp_key *a = &links[i].a, *b = &links[i].b;
        edges[2 * i] = (struct edge){a->dp_id, a->dp_port, b->dp_id};
        edges[2 * i + 1] = (struct edge){b->dp_id, b->dp_port, a->dp_id};
    }
    qsort(edges, 2 * n, sizeof *edges, compare_edges);
    return edges;
}

/* Breadth first.  The queue is the result: its entries come in the order of their hops,
 * and with as many hops in the order of their first port, so that whoever is first to
 * find a datapath has the lowest port.  A datapath is marked as found at its first
 * edge: each one that can be found has one. */
static size_t search(const struct edge *edges, size_t n_edges, uint64_t from,
                     struct isl_path *queue, bool *found)
{
    size_t n = 0;

    found[first_edge(edges, n_edges, from)] = true;
    for (size_t head = 0; head <= n; head++) {
        /* Before the first entry of the queue comes `from` itself. */
        const struct isl_path *via = head ? &queue[head - 1] : NULL;
        const uint64_t here = via ? via->dp_id : from;
        for (size_t i = first_edge(edges, n_edges, here);
             i < n_edges && edges[i].from == here; i++) {
            const size_t there = first_edge(edges, n_edges, edges[i].to);
            if (!found[there]) {
                found[there] = true;
                queue[n++] =
                    (struct isl_path){.dp_id = edges[i].to,
                                      .dp_port = via ? via->dp_port : edges[i].port,
                                      .hops = via ? via->hops + 1 : 1};
            }
        }
    }
    return n;
}

struct isl_path *isl_paths(const struct isl_link *links, size_t n, uint64_t from,
                           size_t *ret_n)
{
    *ret_n = 0;
    if (!n) {
        return NULL;
    }
    struct edge *edges = both_directions(links, n);
    bool *found = xcalloc(2 * n + 1, sizeof *found);
    struct isl_path *paths = xcalloc(2 * n, sizeof *paths);

    *ret_n = search(edges, 2 * n, from, paths, found);
    qsort(paths, *ret_n, sizeof *paths, compare_paths);
    free(edges);
    free(found);
    if (!*ret_n) {
        free(paths);
        return NULL;
    }
    return paths;
}

const struct isl_path *isl_find(const struct isl_path *paths, size_t n, uint64_t dp_id)
{
    const struct isl_path key = {.dp_id = dp_id};

    return n ? bsearch(&key, paths, n, sizeof *paths, compare_paths) : NULL;
}
