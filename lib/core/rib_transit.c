/* How packets that another datapath of the VM has routed already are passed on here: by
 * the MACs that it gave them, one entry for each pair of a VM port and a neighbour. */

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "rib_impl.h"

static struct rib_transit_key key_of(uint32_t vm_port, struct eth_addr dst)
{
    struct rib_transit_key key;

    memset(&key, 0, sizeof key); /* The padding, too. */
    key.vm_port = vm_port;
    key.dst = dst;
    return key;
}

static struct rib_transit *find_transit(const struct rib *rib, uint32_t vm_port,
                                        struct eth_addr dst)
{
    const struct rib_transit_key key = key_of(vm_port, dst);
    struct rib_transit *t;

    HASH_FIND(hh, rib->transits, &key, sizeof key, t);
    return t;
}

static void mark_out(struct rib *rib, struct rib_transit_out *o)
{
    if (!o->dirty) {
        o->dirty = true;
        DL_APPEND(rib->transits_dirty, o);
    }
}

/* The entry that this one asks for is to be looked at. */
static void mark(struct rib *rib, const struct rib_transit *t)
{
    const struct rib_port *p = rib_find_port(rib, t->key.vm_port);
    struct rib_transit_out *o;

    if (!p || !p->known) {
        return;
    }
    const struct rib_transit_macs macs = {.src = p->info.hwaddr, .dst = t->key.dst};
    HASH_FIND(hh, rib->transits_out, &macs, sizeof macs, o);
    if (!o) {
        o = xcalloc(1, sizeof *o);
        o->key = macs;
        HASH_ADD(hh, rib->transits_out, key, sizeof o->key, o);
    }
    mark_out(rib, o);
}

void rib_transit_neigh(struct rib *rib, uint32_t vm_port, const struct eth_addr *dst,
                       bool there)
{
    struct rib_transit *t;

    if (!rib->n_inside || eth_is_zero(*dst)) {
        return;
    }
    t = find_transit(rib, vm_port, *dst);
    if (!t) {
        t = xcalloc(1, sizeof *t);
        t->key = key_of(vm_port, *dst);
        HASH_ADD(hh, rib->transits, key, sizeof t->key, t);
    }
    t->refs += there ? 1u : -1u;
    if (t->refs == (unsigned)there) { /* It has just come, or gone. */
        mark(rib, t);
    }
    if (!t->refs) {
        HASH_DELETE(hh, rib->transits, t);
        free(t);
    }
}

void rib_transit_ports_changed(struct rib *rib)
{
    for (const struct rib_transit *t = rib->transits; t; t = t->hh.next) {
        mark(rib, t);
    }
    for (struct rib_transit_out *o = rib->transits_out; o; o = o->hh.next) {
        mark_out(rib, o);
    }
}

/* The MACs must say which port: of several with the same MAC, the first has it. */
static uint32_t desired_out(const struct rib *rib, const struct rib_transit_macs *macs)
{
    const struct rib_port *first = NULL;

    for (const struct rib_port *p = rib->ports; p; p = p->hh.next) {
        if (port_is_usable(p) && eth_equal(p->info.hwaddr, macs->src) &&
            (!first || p->vm_port < first->vm_port) &&
            find_transit(rib, p->vm_port, macs->dst)) {
            first = p;
        }
    }
    return first ? first->dp_port : 0;
}

bool rib_transit_next(struct rib *rib, struct plane_change *ret)
{
    struct rib_transit_out *o;

    while ((o = rib->transits_dirty)) {
        const uint32_t desired = desired_out(rib, &o->key);
        const bool changed = desired != o->taken;

        DL_DELETE(rib->transits_dirty, o);
        o->dirty = false;
        o->taken = desired;
        ret->kind = PLANE_TRANSIT;
        ret->remove = !desired;
        ret->transit = (struct plane_transit){
            .src = o->key.src, .dst = o->key.dst, .dp_port = desired};
        if (!desired) {
            HASH_DELETE(hh, rib->transits_out, o);
            free(o);
        }
        if (changed) {
            return true;
        }
    }
    return false;
}

void rib_transit_snapshot(struct rib *rib)
{
    for (struct rib_transit_out *o = rib->transits_out; o; o = o->hh.next) {
        o->taken = 0;
        mark_out(rib, o);
    }
}

void rib_each_transit(const struct rib *rib, rib_transit_fn *fn, void *aux)
{
    for (const struct rib_transit_out *o = rib->transits_out; o; o = o->hh.next) {
        if (o->taken) {
            fn(aux, &(struct plane_transit){
                        .src = o->key.src, .dst = o->key.dst, .dp_port = o->taken});
        }
    }
}

static void forget_neighs(struct rib *rib)
{
    struct rib_transit *t, *next;

    HASH_ITER (hh, rib->transits, t, next) {
        HASH_DELETE(hh, rib->transits, t);
        free(t);
    }
}

void rib_transit_clear(struct rib *rib)
{
    struct rib_transit_out *o, *next;

    forget_neighs(rib);
    HASH_ITER (hh, rib->transits_out, o, next) {
        HASH_DELETE(hh, rib->transits_out, o);
        free(o);
    }
}

/* Neighbours are counted only while there are inside ports. */
static void count_neighs(struct rib *rib)
{
    for (struct rib_host *h = rib->hosts; h; h = h->hh.next) {
        for (const struct rib_neigh *n = h->neighs; n; n = n->next) {
            rib_transit_neigh(rib, n->vm_port, &n->hwaddr, true);
        }
    }
}

void rib_set_inside(struct rib *rib, uint32_t dp_port, bool inside)
{
    struct rib_port_out *o = rib_port_out(rib, dp_port);

    rib->ports_dirty = true; /* If it is nothing, it leaves again. */
    if (o->inside == inside) {
        return;
    }
    o->inside = inside;
    rib->n_inside += inside ? 1u : -1u;
    if (inside && rib->n_inside == 1) {
        count_neighs(rib);
    } else if (!rib->n_inside) {
        forget_neighs(rib);
        rib_transit_ports_changed(rib);
    }
}
