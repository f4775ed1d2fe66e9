#include <stdlib.h>
#include <string.h>

#include "rib_impl.h"

struct rib_host *rib_find_host(const struct rib *rib, const struct ip_addr *addr)
{
    struct rib_host *h;
    HASH_FIND(hh, rib->hosts, addr, sizeof *addr, h);
    return h;
}

struct rib_neigh *rib_find_neigh(const struct rib_host *h, uint32_t vm_port)
{
    struct rib_neigh *n = h->neighs;
    while (n && n->vm_port != vm_port) {
        n = n->next;
    }
    return n;
}

static uint32_t find_truncated(const struct rib *rib, const struct ip_addr *addr,
                               unsigned plen)
{
    struct ip_prefix p = {.addr = *addr, .plen = (uint8_t)plen};
    prefix_canonicalize(&p);
    return ptable_find(rib->fib, &p);
}

uint32_t rib_longest_match(const struct rib *rib, const struct ip_addr *addr)
{
    const uint32_t *plens = rib->plens[addr->version == IP_V6];

    for (int plen = (int)ip_width(addr->version); plen >= 0; plen--) {
        if (plens[plen]) {
            uint32_t slot = find_truncated(rib, addr, (unsigned)plen);
            if (slot != PTABLE_NONE && *ptable_flags(rib->fib, slot) & F_KIND) {
                return slot;
            }
        }
    }
    return PTABLE_NONE;
}

/* A route that is not connected decides about host entries only where it lies inside a
 * connected prefix: with a full table, hardly ever. */
void rib_host_route_changed(struct rib *rib, const struct ip_prefix *prefix,
                            bool connected)
{
    const uint32_t *plens = rib->connected[family_of(prefix)];

    if (!rib->hosts || rib->hosts_stale) {
        return;
    }
    rib->hosts_stale = connected;
    for (unsigned plen = 0; plen < prefix->plen && !rib->hosts_stale; plen++) {
        if (plens[plen]) {
            uint32_t slot = find_truncated(rib, &prefix->addr, plen);
            const struct nhset *s =
                slot == PTABLE_NONE ? NULL : rib_route_of(rib, slot);
            rib->hosts_stale = s && s->has_connected;
        }
    }
}

/* The set of the host entry that these neighbours ask for, or NULL. */
static struct nhset *choose_set(struct rib *rib, const struct rib_host *h)
{
    if (!h->neighs || !addr_is_forwarded(&h->addr)) {
        return NULL;
    }
    uint32_t slot = rib_longest_match(rib, &h->addr);
    const struct nhset *route = slot == PTABLE_NONE ? NULL : rib_route_of(rib, slot);
    if (route && route->use == NHSET_GROUP) {
        struct ip_prefix prefix = ptable_prefix(rib->fib, slot);
        if (prefix_is_host(&prefix)) {
            return NULL; /* The route itself has the FIB entry. */
        }
    }
    for (unsigned i = 0; route && i < route->n_hops; i++) {
        uint32_t vm_port = route->keys[i].vm_port;
        if (!route->gateways[i] && rib_find_neigh(h, vm_port) &&
            port_forwards(rib_find_port(rib, vm_port))) {
            struct vm_hop hop = {.vm_port = vm_port, .weight = 1, .gateway = h->addr};
            return rib_intern(rib, &hop, 1);
        }
    }
    return NULL;
}

/* Brings the host entry up to date; frees `h` when nothing is left of it. */
static void refresh_host(struct rib *rib, struct rib_host *h)
{
    struct nhset *set = choose_set(rib, h);

    if (set != h->set) {
        struct ip_prefix prefix = prefix_of_host(&h->addr);
        uint32_t slot = ptable_insert(rib->fib, &prefix);
        uint16_t *flags = ptable_flags(rib->fib, slot);
        struct nhset *old = h->set;

        if (set) {
            rib_hold(rib, set, true);
        }
        h->set = set;
        *flags = (uint16_t)((*flags & ~F_HOST) | (set ? F_HOST : 0));
        if (old) {
            rib_release(rib, old, true);
        }
        ptable_enqueue(rib->fib, LANE_DUE, slot);
        rib_tidy(rib, slot);
    }
    if (!h->neighs) {
        HASH_DELETE(hh, rib->hosts, h);
        free(h);
    }
}

void rib_refresh_hosts(struct rib *rib)
{
    struct rib_host *h, *next;

    rib->hosts_stale = false;
    HASH_ITER (hh, rib->hosts, h, next) {
        refresh_host(rib, h);
    }
}

/* The gateway is resolved to *hwaddr, or NULL: not any more. */
static void gateway_changed(struct rib *rib, uint32_t vm_port,
                            const struct ip_addr *addr, const struct eth_addr *hwaddr)
{
    struct gateway *g = nhset_gateway(&rib->sets, vm_port, addr);

    if (g) {
        g->resolved = hwaddr;
        g->hwaddr = hwaddr ? *hwaddr : (struct eth_addr){0};
        for (uint32_t i = 0; i < g->n_sets; i++) {
            nhset_mark_dirty(&rib->sets, g->sets[i]);
        }
    }
}

static struct rib_neigh *get_neigh(struct rib *rib, struct rib_host *h,
                                   uint32_t vm_port)
{
    struct rib_neigh *n = rib_find_neigh(h, vm_port);

    if (!n) {
        struct rib_neigh **at = &h->neighs;
        while (*at && (*at)->vm_port < vm_port) {
            at = &(*at)->next;
        }
        n = xcalloc(1, sizeof *n);
        n->vm_port = vm_port;
        n->next = *at;
        *at = n;
        rib->n_neighs++;
    }
    return n;
}

static void hurry_host(struct rib *rib, const struct ip_addr *addr)
{
    const struct ip_prefix host = prefix_of_host(addr);

    if (!rib->syncing) {
        rib_hurry(rib, &host);
    }
}

bool rib_neigh_set(struct rib *rib, const struct vm_neigh *neigh)
{
    struct ip_prefix host = prefix_of_host(&neigh->addr);

    if (!prefix_is_valid(&host) || ip_is_unspecified(&neigh->addr) ||
        ip_is_multicast(&neigh->addr) || eth_is_zero(neigh->hwaddr) ||
        eth_is_multicast(neigh->hwaddr)) {
        return false;
    }
    struct rib_host *h = rib_find_host(rib, &neigh->addr);
    if (!h) {
        h = xcalloc(1, sizeof *h);
        h->addr = neigh->addr;
        HASH_ADD(hh, rib->hosts, addr, sizeof h->addr, h);
    }
    struct rib_neigh *n = get_neigh(rib, h, neigh->vm_port);
    if (!eth_equal(n->hwaddr, neigh->hwaddr)) { /* Zero when new. */
        rib_transit_neigh(rib, n->vm_port, &n->hwaddr, false);
        rib_transit_neigh(rib, n->vm_port, &neigh->hwaddr, true);
        n->hwaddr = neigh->hwaddr;
        gateway_changed(rib, n->vm_port, &h->addr, &n->hwaddr);
        refresh_host(rib, h);
        hurry_host(rib, &neigh->addr);
    }
    n->seen = true;
    return true;
}

/* Does not refresh the host. */
static void neigh_remove(struct rib *rib, struct rib_host *h, struct rib_neigh **at)
{
    struct rib_neigh *n = *at;

    *at = n->next;
    rib->n_neighs--;
    rib_transit_neigh(rib, n->vm_port, &n->hwaddr, false);
    gateway_changed(rib, n->vm_port, &h->addr, NULL);
    free(n);
}

void rib_neigh_del(struct rib *rib, uint32_t vm_port, const struct ip_addr *addr)
{
    struct rib_host *h = rib_find_host(rib, addr);

    for (struct rib_neigh **at = h ? &h->neighs : NULL; at && *at; at = &(*at)->next) {
        if ((*at)->vm_port == vm_port) {
            neigh_remove(rib, h, at);
            refresh_host(rib, h);
            hurry_host(rib, addr);
            return;
        }
    }
}

void rib_host_unsee(struct rib *rib)
{
    for (struct rib_host *h = rib->hosts; h; h = h->hh.next) {
        for (struct rib_neigh *n = h->neighs; n; n = n->next) {
            n->seen = false;
        }
    }
}

void rib_host_sweep(struct rib *rib)
{
    struct rib_host *h, *next;

    HASH_ITER (hh, rib->hosts, h, next) {
        for (struct rib_neigh **at = &h->neighs; *at;) {
            if ((*at)->seen) {
                at = &(*at)->next;
            } else {
                neigh_remove(rib, h, at);
            }
        }
        refresh_host(rib, h);
    }
}

void rib_host_clear(struct rib *rib)
{
    struct rib_host *h, *next_h;

    HASH_ITER (hh, rib->hosts, h, next_h) {
        struct rib_neigh *n, *next_n;
        for (n = h->neighs; n; n = next_n) {
            next_n = n->next;
            free(n);
        }
        HASH_DELETE(hh, rib->hosts, h);
        free(h);
    }
}
