#ifndef RFCLIENT_ROUTE_STORE_H
#define RFCLIENT_ROUTE_STORE_H 1

/* The memory behind routes.h: prefixes, the routes of each, and the queues of prefixes
 * to tell.  40 octets for a route and 5 to 11 for finding it; a struct with pointers,
 * hash handle and hops inside would take some 200.
 *
 * The members are open to routes.c, which decides what the kernel means. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/index.h"
#include "hops.h"

/* Flags of an entry. */
enum {
    HEAD = 1 << 0,    /* The entry stands for a prefix. */
    PRESENT = 1 << 1, /* Head: the kernel has a route for it, the one in `route`. */
    DIRTY = 1 << 2,   /* Head: to be told. */
    TOLD = 1 << 3,    /* Head: rfserver has a route for it. */
    URGENT = 1 << 4,  /* Head: dirty, and in the ring of those that go first. */
    LISTED = 1 << 5,  /* Head: in the list, maybe told in the meantime. */
    RESYNC = 1 << 6,  /* Head: dirty since the last resync began. */
};

/* What differs among the routes of one prefix; never two of the same metric. */
struct route {
    uint32_t metric;
    uint32_t hops; /* Id of hops.h. */
    uint8_t kind, protocol;
    uint8_t round;  /* Of the last dump that named it. */
    bool shadowing; /* The kernel has, or had, others of this metric behind it. */
};

/* The head holds the best route, its chain the others by growing metric.  Entries are
 * named by index, from 1, into chunks that never move. */
struct entry {
    uint8_t addr[16];
    uint8_t version, plen;
    uint8_t flags;
    struct route route;
    uint32_t next; /* In the chain; in the free list. */
    uint32_t next_listed;
};

enum { ROUTE_CHUNK = 4096, URGENT_MAX = 1024 };

struct route_store {
    struct entry **chunks;
    uint32_t n_chunks;
    uint32_t n_entries; /* Ever used: indexes 1..n_entries. */
    uint32_t free_list;
    struct hash_index index; /* Heads, by prefix. */
    uint32_t n_heads;
    uint32_t list_first, list_last;
    uint32_t ring[URGENT_MAX], ring_first, n_urgent;
    size_t n_dirty, n_resync, n_routes;
    size_t n_second; /* Routes that are not the best of their prefix. */
    struct hop_sets *hops;
};

void route_store_init(struct route_store *);
void route_store_uninit(struct route_store *);

static inline struct entry *route_store_at(const struct route_store *s, uint32_t i)
{
    return &s->chunks[(i - 1) / ROUTE_CHUNK][(i - 1) % ROUTE_CHUNK];
}

struct ip_prefix entry_prefix(const struct entry *);

/* The head of a prefix: 0 if there is none; made if there is none; removed, unless it
 * has a route or is queued. */
uint32_t head_find(const struct route_store *, const struct ip_prefix *);
uint32_t head_obtain(struct route_store *, const struct ip_prefix *);
void head_tidy(struct route_store *, uint32_t head);
/* The prefix will be looked for soon. */
void head_prefetch(const struct route_store *, const struct ip_prefix *);

/* The queues: the ring of the urgent ones, and the list of the others, both in order.
 * A head waits in one of them, and who waits in the list may become urgent; there is
 * room for URGENT_MAX of these, and beyond that, one is as any other. */
void dirty_push(struct route_store *, uint32_t head, bool urgent);
uint32_t dirty_pop(struct route_store *, bool urgent); /* 0: empty. */

/* The chain of a prefix: 0 ends it; a head that is not PRESENT has no chain. */
uint32_t chain_first(const struct route_store *, uint32_t head);
uint32_t chain_find(const struct route_store *, uint32_t head, uint32_t metric);
/* Takes over the use of route.hops. */
void chain_insert(struct route_store *, uint32_t head, struct route);
/* What follows `i` in the chain may have another index afterwards. */
void chain_remove(struct route_store *, uint32_t head, uint32_t i);

#endif
