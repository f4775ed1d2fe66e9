#include "core/lfa.h"

#include <stdlib.h>
#include <string.h>

#include "rib_impl.h"

enum {
    MAX_NEIGHBOURS = 64, /* Bits of a mask. */
    MAX_DEPTH = 16,      /* Routers on a way. */
    MAX_VISITS = 64,     /* Of all equal ways from one neighbour together. */
};

/* A router that may be an alternate. */
struct neighbour {
    uint32_t vm_port; /* Ours. */
    struct vm_key key;
    struct eth_addr hwaddr;
};

/* What is left of the neighbours for a set. */
struct set_mask {
    uint32_t group_id;
    uint64_t mask;
    UT_hash_handle hh;
};

struct lfa {
    struct lfa_ops ops;
    void *aux;
    uint64_t vm_id;
    uint32_t slot; /* Of the route looked at last. */
    bool running;
    struct neighbour neighbours[MAX_NEIGHBOURS];
    unsigned n_neighbours;
    struct set_mask *sets;
    struct set_mask *last; /* Routes come in bunches with one set. */
    unsigned visits;       /* Left. */
};

struct lfa *lfa_create(const struct lfa_ops *ops, void *aux)
{
    struct lfa *lfa = xcalloc(1, sizeof *lfa);

    lfa->ops = *ops;
    lfa->aux = aux;
    return lfa;
}

static void forget_sets(struct lfa *lfa)
{
    struct set_mask *m, *next;

    HASH_ITER (hh, lfa->sets, m, next) {
        HASH_DEL(lfa->sets, m);
        free(m);
    }
    lfa->last = NULL;
}

void lfa_destroy(struct lfa *lfa)
{
    if (lfa) {
        forget_sets(lfa);
        free(lfa);
    }
}

/* The way of a packet. */

static bool arrives(struct lfa *lfa, uint64_t vm_id, const struct ip_prefix *to,
                    unsigned depth);

static bool hop_arrives(struct lfa *lfa, uint64_t vm_id, uint32_t vm_port,
                        const struct ip_prefix *to, unsigned depth)
{
    const struct vm_key port = {.vm_id = vm_id, .vm_port = vm_port};
    struct vm_key next;

    return !lfa->ops.peer(lfa->aux, port, &next) || arrives(lfa, next.vm_id, to, depth);
}

static const struct nhset *route_to(const struct rib *rib, const struct ip_prefix *to)
{
    uint32_t slot = ptable_find(rib->fib, to);

    if (slot == PTABLE_NONE || !(*ptable_flags(rib->fib, slot) & F_KIND)) {
        slot = rib_longest_match(rib, &to->addr);
    }
    return slot == PTABLE_NONE ? NULL : rib_route_of(rib, slot);
}

static bool arrives(struct lfa *lfa, uint64_t vm_id, const struct ip_prefix *to,
                    unsigned depth)
{
    const struct rib *rib = lfa->ops.rib(lfa->aux, vm_id);
    bool any = false;

    if (vm_id == lfa->vm_id || !rib || !depth || !lfa->visits) {
        return false;
    }
    lfa->visits--;
    const struct nhset *s = route_to(rib, to);
    if (!s || s->use == NHSET_PUNT) {
        return s; /* Connected: there it is. */
    }
    for (unsigned i = 0; i < s->n_hops; i++) {
        const uint32_t vm_port = s->keys[i].vm_port;
        if (s->gateways[i] && port_forwards(rib_find_port(rib, vm_port))) {
            if (!hop_arrives(lfa, vm_id, vm_port, to, depth - 1)) {
                return false;
            }
            any = true;
        }
    }
    return any;
}

/* A pass. */

static void find_neighbours(struct lfa *lfa, const struct rib *rib)
{
    lfa->n_neighbours = 0;
    for (const struct rib_port *p = rib->ports; p; p = p->hh.next) {
        struct vm_key peer;
        if (lfa->n_neighbours == MAX_NEIGHBOURS || !port_forwards(p) ||
            !lfa->ops.peer(lfa->aux,
                           (struct vm_key){.vm_id = lfa->vm_id, .vm_port = p->vm_port},
                           &peer) ||
            peer.vm_id == lfa->vm_id) {
            continue;
        }
        const struct rib *other = lfa->ops.rib(lfa->aux, peer.vm_id);
        const struct rib_port *q = other ? rib_find_port(other, peer.vm_port) : NULL;
        if (port_is_usable(q)) {
            lfa->neighbours[lfa->n_neighbours++] = (struct neighbour){
                .vm_port = p->vm_port, .key = peer, .hwaddr = q->info.hwaddr};
        }
    }
}

void lfa_begin(struct lfa *lfa, uint64_t vm_id)
{
    const struct rib *rib = lfa->ops.rib(lfa->aux, vm_id);

    forget_sets(lfa);
    lfa->vm_id = vm_id;
    lfa->slot = PTABLE_NONE;
    lfa->running = rib;
    if (rib) {
        find_neighbours(lfa, rib);
    }
}

/* All of its hops are gateways on one port.  Any other set keeps a hop when a port is
 * lost. */
static bool hangs_on_one_port(const struct nhset *s)
{
    for (unsigned i = 0; i < s->n_hops; i++) {
        if (!s->gateways[i] || s->keys[i].vm_port != s->keys[0].vm_port) {
            return false;
        }
    }
    return true;
}

static struct set_mask *mask_of(struct lfa *lfa, const struct nhset *s)
{
    struct set_mask *m = lfa->last;

    if (!m || m->group_id != s->group_id) {
        HASH_FIND(hh, lfa->sets, &s->group_id, sizeof s->group_id, m);
    }
    if (!m) {
        m = xcalloc(1, sizeof *m);
        m->group_id = s->group_id;
        for (unsigned i = 0; i < lfa->n_neighbours; i++) {
            if (lfa->neighbours[i].vm_port != s->keys[0].vm_port) {
                m->mask |= UINT64_C(1) << i;
            }
        }
        HASH_ADD(hh, lfa->sets, group_id, sizeof m->group_id, m);
    }
    return lfa->last = m;
}

static void look_at(struct lfa *lfa, const struct rib *rib, uint32_t slot)
{
    const struct nhset *s = rib_route_of(rib, slot);

    if (!s || *ptable_flags(rib->fib, slot) & F_HIDDEN || !hangs_on_one_port(s)) {
        return;
    }
    struct set_mask *m = mask_of(lfa, s);
    if (m->mask) {
        const struct ip_prefix to = ptable_prefix(rib->fib, slot);
        for (unsigned i = 0; i < lfa->n_neighbours; i++) {
            lfa->visits = MAX_VISITS;
            if (m->mask >> i & 1 &&
                !arrives(lfa, lfa->neighbours[i].key.vm_id, &to, MAX_DEPTH)) {
                m->mask &= ~(UINT64_C(1) << i);
            }
        }
    }
}

static void finish(struct lfa *lfa, struct rib *rib)
{
    for (uint32_t i = 0; i < rib->sets.n_slots; i++) {
        struct nhset *s = rib->sets.sets[i];
        struct nhset_backup backup = {0};
        struct set_mask *m = NULL;
        if (s) {
            HASH_FIND(hh, lfa->sets, &s->group_id, sizeof s->group_id, m);
        }
        if (m && m->mask && rib_set_forwards(rib, s)) {
            const struct neighbour *n = &lfa->neighbours[__builtin_ctzll(m->mask)];
            backup = (struct nhset_backup){.vm_port = n->vm_port, .dst = n->hwaddr};
        }
        if (s) {
            rib_set_backup(rib, s, backup);
        }
    }
    forget_sets(lfa);
    lfa->running = false;
}

bool lfa_run(struct lfa *lfa, unsigned n)
{
    struct rib *rib = lfa->running ? lfa->ops.rib(lfa->aux, lfa->vm_id) : NULL;

    if (!rib) {
        lfa->running = false;
        return false;
    }
    while (lfa->n_neighbours > 1 && n--) {
        lfa->slot = ptable_next(rib->fib, lfa->slot);
        if (lfa->slot == PTABLE_NONE) {
            break;
        }
        look_at(lfa, rib, lfa->slot);
    }
    if (lfa->n_neighbours > 1 && lfa->slot != PTABLE_NONE) {
        return true;
    }
    finish(lfa, rib);
    return false;
}
