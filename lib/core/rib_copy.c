#include "rib_impl.h"

static void copy_ports(struct rib *rib, const struct rib *from)
{
    for (const struct rib_port *p = from->ports; p; p = p->hh.next) {
        if (p->known) {
            rib_port_set(rib, &p->info);
            rib_find_port(rib, p->vm_port)->seen = p->seen;
        }
    }
}

static void copy_addrs(struct rib *rib, const struct rib *from)
{
    for (const struct rib_addr *a = from->addrs; a; a = a->hh.next) {
        rib_addr_set(rib,
                     &(struct vm_addr){.vm_port = a->key.vm_port, .addr = a->key.addr});
    }
    /* Both lists have the same order. */
    struct rib_addr *copy = rib->addrs;
    for (const struct rib_addr *a = from->addrs; a; a = a->hh.next) {
        copy->seen = a->seen;
        copy = copy->hh.next;
    }
}

static void copy_neighs(struct rib *rib, const struct rib *from)
{
    for (const struct rib_host *h = from->hosts; h; h = h->hh.next) {
        for (const struct rib_neigh *n = h->neighs; n; n = n->next) {
            rib_neigh_set(rib, &(struct vm_neigh){.vm_port = n->vm_port,
                                                  .addr = h->addr,
                                                  .hwaddr = n->hwaddr});
            rib_find_neigh(rib_find_host(rib, &h->addr), n->vm_port)->seen = n->seen;
        }
    }
}

static void copy_route(struct rib *rib, const struct rib *from, uint32_t slot)
{
    const uint16_t flags = *ptable_flags(from->fib, slot);
    const struct nhset *set = rib_route_of(from, slot);
    struct vm_route route = {.prefix = ptable_prefix(from->fib, slot),
                             .kind = (enum vm_route_kind)flags_kind(flags),
                             .metric = ptable_words(from->fib, slot)[W_METRIC],
                             .protocol = flags & F_PROTOCOL,
                             .n_hops = set ? set->n_hops : 0};

    for (unsigned i = 0; i < route.n_hops; i++) {
        route.hops[i] = (struct vm_hop){.vm_port = set->keys[i].vm_port,
                                        .weight = set->keys[i].weight,
                                        .gateway = hop_key_gateway(&set->keys[i])};
    }
    rib_route_set(rib, &route);
    if (!(flags & F_SEEN)) {
        *ptable_flags(rib->fib, ptable_find(rib->fib, &route.prefix)) &=
            (uint16_t)~F_SEEN;
    }
}

struct rib *rib_copy(const struct rib *from)
{
    struct rib *rib = rib_create();

    copy_ports(rib, from);
    copy_addrs(rib, from);
    copy_neighs(rib, from);
    for (uint32_t s = ptable_next(from->fib, PTABLE_NONE); s != PTABLE_NONE;
         s = ptable_next(from->fib, s)) {
        if (*ptable_flags(from->fib, s) & F_KIND) {
            copy_route(rib, from, s);
        }
    }
    rib->syncing = from->syncing;
    return rib;
}
