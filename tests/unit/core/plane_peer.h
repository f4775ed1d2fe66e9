#ifndef PLANE_PEER_H
#define PLANE_PEER_H 1

/* What a peer of a RIB holds after the changes that it took, and the promises that each
 * change must keep: a group is there before its first FIB entry and outlives the last,
 * nothing is told twice, nothing absent is removed. */

#include <check.h>
#include <string.h>

#include "core/rib.h"
#include "dice.h"

#define PEER_MAX 256

struct plane_peer {
    struct plane_port ports[PEER_MAX];
    struct plane_addr addrs[PEER_MAX];
    struct fib_entry fib[PEER_MAX];
    struct fib_group groups[PEER_MAX];
    struct plane_transit transits[PEER_MAX];
    int n_ports, n_addrs, n_fib, n_groups, n_transits;
    int n_changes, n_group_changes, n_fib_changes;
};

static inline struct fib_group *peer_group(struct plane_peer *p, uint32_t id)
{
    for (int i = 0; i < p->n_groups; i++) {
        if (p->groups[i].id == id) {
            return &p->groups[i];
        }
    }
    return NULL;
}

static inline struct fib_entry *peer_fib(struct plane_peer *p,
                                         const struct ip_prefix *prefix)
{
    for (int i = 0; i < p->n_fib; i++) {
        if (prefix_equal(&p->fib[i].prefix, prefix)) {
            return &p->fib[i];
        }
    }
    return NULL;
}

static inline struct plane_port *peer_port(struct plane_peer *p, uint32_t dp_port)
{
    for (int i = 0; i < p->n_ports; i++) {
        if (p->ports[i].dp_port == dp_port) {
            return &p->ports[i];
        }
    }
    return NULL;
}

static inline struct plane_addr *peer_addr(struct plane_peer *p,
                                           const struct ip_addr *addr)
{
    for (int i = 0; i < p->n_addrs; i++) {
        if (ip_equal(&p->addrs[i].addr, addr)) {
            return &p->addrs[i];
        }
    }
    return NULL;
}

static inline struct plane_transit *
peer_transit(struct plane_peer *p, struct eth_addr src, struct eth_addr dst)
{
    for (int i = 0; i < p->n_transits; i++) {
        if (eth_equal(p->transits[i].src, src) && eth_equal(p->transits[i].dst, dst)) {
            return &p->transits[i];
        }
    }
    return NULL;
}

static inline bool hops_equal(const struct fib_group *a, const struct fib_group *b)
{
    if (a->n_hops != b->n_hops || a->mtu != b->mtu) {
        return false;
    }
    for (int i = 0; i < a->n_hops; i++) {
        const struct fib_hop *x = &a->hops[i], *y = &b->hops[i];
        if (x->dp_port != y->dp_port || x->weight != y->weight ||
            !eth_equal(x->src, y->src) || !eth_equal(x->dst, y->dst)) {
            return false;
        }
    }
    return true;
}

/* Puts `item` in the place of `old`, or at the end; or removes `old`. */
#define PEER_STORE(ARRAY, N, OLD, REMOVE, ITEM) \
    do {                                        \
        MUST(!(REMOVE) || (OLD));               \
        if (REMOVE) {                           \
            *(OLD) = (ARRAY)[--(N)];            \
        } else if (OLD) {                       \
            *(OLD) = (ITEM);                    \
        } else {                                \
            MUST((N) < PEER_MAX);               \
            (ARRAY)[(N)++] = (ITEM);            \
        }                                       \
    } while (0)

static inline void peer_take_group(struct plane_peer *p, const struct plane_change *c)
{
    struct fib_group *old = peer_group(p, c->group.id);

    MUST(c->group.id != 0);
    MUST(c->group.id <= 0x7fffffff);
    MUST(c->remove || !old || !hops_equal(old, &c->group));
    for (int i = 0; c->remove && i < p->n_fib; i++) {
        MUST(p->fib[i].target.verdict != FIB_GROUP ||
             p->fib[i].target.group != c->group.id);
    }
    PEER_STORE(p->groups, p->n_groups, old, c->remove, c->group);
    p->n_group_changes++;
}

static inline void peer_take_fib(struct plane_peer *p, const struct plane_change *c)
{
    struct fib_entry *old = peer_fib(p, &c->fib.prefix);

    if (!c->remove) {
        MUST(!old || old->target.verdict != c->fib.target.verdict ||
             old->target.group != c->fib.target.group);
        MUST(c->fib.target.verdict != FIB_GROUP || peer_group(p, c->fib.target.group));
    }
    PEER_STORE(p->fib, p->n_fib, old, c->remove, c->fib);
    p->n_fib_changes++;
}

static inline void peer_take(struct plane_peer *p, const struct plane_change *c)
{
    p->n_changes++;
    if (c->kind == PLANE_PORT) {
        struct plane_port *old = peer_port(p, c->port.dp_port);
        PEER_STORE(p->ports, p->n_ports, old, c->remove, c->port);
    } else if (c->kind == PLANE_ADDR) {
        struct plane_addr *old = peer_addr(p, &c->addr.addr);
        MUST(c->remove || !old);
        PEER_STORE(p->addrs, p->n_addrs, old, c->remove, c->addr);
    } else if (c->kind == PLANE_TRANSIT) {
        struct plane_transit *old = peer_transit(p, c->transit.src, c->transit.dst);
        MUST(c->remove || c->transit.dp_port);
        PEER_STORE(p->transits, p->n_transits, old, c->remove, c->transit);
    } else if (c->kind == PLANE_GROUP) {
        peer_take_group(p, c);
    } else {
        MUST(c->kind == PLANE_FIB);
        peer_take_fib(p, c);
    }
}

/* Takes at most `max` changes; returns how many. */
static inline int peer_drain(struct plane_peer *p, struct rib *rib, int max)
{
    struct plane_change c;
    int n = 0;

    while (n < max && rib_next_change(rib, &c)) {
        peer_take(p, &c);
        n++;
    }
    return n;
}

#endif
