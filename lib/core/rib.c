#include "core/rib.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "rib_impl.h"

/* Next-hop sets. */

static enum nhset_use judge_set(const struct rib *rib, const struct nhset *s)
{
    enum nhset_use use = NHSET_WITHHELD;

    for (unsigned i = 0; i < s->n_hops; i++) {
        if (port_forwards(rib_find_port(rib, s->keys[i].vm_port))) {
            if (s->gateways[i]) {
                return NHSET_GROUP;
            }
            use = NHSET_PUNT;
        }
    }
    return use == NHSET_WITHHELD && s->backup.vm_port &&
                   port_forwards(rib_find_port(rib, s->backup.vm_port))
               ? NHSET_GROUP
               : use;
}

bool rib_set_forwards(const struct rib *rib, const struct nhset *s)
{
    for (unsigned i = 0; i < s->n_hops; i++) {
        if (port_forwards(rib_find_port(rib, s->keys[i].vm_port))) {
            return true;
        }
    }
    return false;
}

struct nhset *rib_intern(struct rib *rib, const struct vm_hop *hops, unsigned n_hops)
{
    bool new;
    struct nhset *s = nhset_intern(&rib->sets, hops, n_hops, &new);

    if (!new) {
        return s;
    }
    s->use = judge_set(rib, s);
    for (unsigned i = 0; i < s->n_hops; i++) {
        struct gateway *g = s->gateways[i];
        if (g && g->n_sets == 1) {
            struct ip_addr addr = hop_key_gateway(&g->key);
            const struct rib_host *host = rib_find_host(rib, &addr);
            const struct rib_neigh *n =
                host ? rib_find_neigh(host, g->key.vm_port) : NULL;
            g->resolved = n;
            g->hwaddr = n ? n->hwaddr : (struct eth_addr){0};
        }
    }
    return s;
}

void rib_hold(struct rib *rib, struct nhset *s, bool fib)
{
    s->refs++;
    if (fib && !s->fib_refs++) {
        nhset_mark_dirty(&rib->sets, s);
    }
}

void rib_release(struct rib *rib, struct nhset *s, bool fib)
{
    s->refs--;
    s->fib_refs -= fib;
    if (!s->refs && !s->fib_taken && !s->group_taken) {
        nhset_settle(&rib->sets, s);
    } else if (!s->refs || (fib && !s->fib_refs)) {
        nhset_mark_dirty(&rib->sets, s);
    }
}

struct nhset *rib_route_of(const struct rib *rib, uint32_t slot)
{
    return flags_kind(*ptable_flags(rib->fib, slot)) == VM_ROUTE_UNICAST
               ? rib->sets.sets[ptable_words(rib->fib, slot)[W_SET]]
               : NULL;
}

/* Ports. */

struct rib_port *rib_find_port(const struct rib *rib, uint32_t vm_port)
{
    struct rib_port *p;
    HASH_FIND(hh, rib->ports, &vm_port, sizeof vm_port, p);
    return p;
}

static struct rib_port *get_port(struct rib *rib, uint32_t vm_port)
{
    struct rib_port *p = rib_find_port(rib, vm_port);

    if (!p) {
        p = xcalloc(1, sizeof *p);
        p->vm_port = vm_port;
        HASH_ADD(hh, rib->ports, vm_port, sizeof p->vm_port, p);
    }
    return p;
}

static void set_changed(struct rib *rib, struct nhset *s)
{
    enum nhset_use use = judge_set(rib, s);

    if (use != s->use && s->fib_refs) {
        s->judged_anew = true;
        rib_start_walk(rib, false);
    }
    if (use != s->use) {
        s->given_up = false;
        s->unresolved_since = 0;
    }
    s->use = use;
    nhset_mark_dirty(&rib->sets, s);
}

static bool set_uses_port(const struct nhset *s, uint32_t vm_port)
{
    for (unsigned i = 0; i < s->n_hops; i++) {
        if (s->keys[i].vm_port == vm_port) {
            return true;
        }
    }
    return s->backup.vm_port == vm_port;
}

/* Something of the port that decides about groups or FIB entries has changed. */
static void port_changed(struct rib *rib, uint32_t vm_port)
{
    rib->ports_dirty = true;
    rib->hosts_stale = true;
    rib_transit_ports_changed(rib);
    for (uint32_t i = 0; i < rib->sets.n_slots; i++) {
        struct nhset *s = rib->sets.sets[i];
        if (s && set_uses_port(s, vm_port)) {
            set_changed(rib, s);
        }
    }
}

void rib_set_backup(struct rib *rib, struct nhset *s, struct nhset_backup backup)
{
    bool same =
        s->backup.vm_port == backup.vm_port && eth_equal(s->backup.dst, backup.dst);

    s->backup = backup;
    if (!same) {
        set_changed(rib, s);
    }
}

/* A packet comes in by some port, and so is no longer than the widest allows. */
static void find_widest(struct rib *rib)
{
    uint32_t widest = 0;

    for (const struct rib_port *p = rib->ports; p; p = p->hh.next) {
        widest = p->known ? MAX(widest, p->info.mtu) : widest;
    }
    for (uint32_t i = 0; i < rib->sets.n_slots && widest != rib->widest; i++) {
        if (rib->sets.sets[i]) {
            nhset_mark_dirty(&rib->sets, rib->sets.sets[i]);
        }
    }
    rib->widest = widest;
}

static void port_tidy(struct rib *rib, struct rib_port *p)
{
    if (!p->known && !p->mapped) {
        HASH_DELETE(hh, rib->ports, p);
        free(p);
    }
}

bool rib_port_set(struct rib *rib, const struct vm_port *port)
{
    if (!port->vm_port || eth_is_zero(port->hwaddr) || eth_is_multicast(port->hwaddr)) {
        return false;
    }
    struct rib_port *p = get_port(rib, port->vm_port);
    bool changed = !p->known || !eth_equal(p->info.hwaddr, port->hwaddr) ||
                   p->info.admin_up != port->admin_up ||
                   p->info.carrier != port->carrier || p->info.mtu != port->mtu;
    p->known = p->seen = true;
    p->info = *port;
    if (changed) {
        find_widest(rib);
        port_changed(rib, p->vm_port);
    }
    return true;
}

void rib_port_gone(struct rib *rib, uint32_t vm_port)
{
    struct rib_port *p = rib_find_port(rib, vm_port);

    if (p && p->known) {
        p->known = false;
        port_tidy(rib, p);
        find_widest(rib);
        port_changed(rib, vm_port);
    }
}

static void map_port(struct rib *rib, uint32_t vm_port, bool remote, uint32_t dp_port,
                     enum port_class class, bool active)
{
    struct rib_port *p = get_port(rib, vm_port);
    bool changed = !p->mapped || p->dp_port != dp_port || p->active != active ||
                   p->remote != remote;

    rib->ports_dirty |= p->class != class;
    p->mapped = true;
    p->remote = remote;
    p->dp_port = dp_port;
    p->class = class;
    p->active = active;
    if (changed) {
        port_changed(rib, vm_port);
    }
}

void rib_map_port(struct rib *rib, uint32_t vm_port, uint32_t dp_port,
                  enum port_class class, bool active)
{
    map_port(rib, vm_port, false, dp_port, class, active);
}

void rib_map_remote(struct rib *rib, uint32_t vm_port, uint32_t dp_port, bool active)
{
    map_port(rib, vm_port, true, dp_port, PORT_INSIDE, active);
}

void rib_unmap_port(struct rib *rib, uint32_t vm_port)
{
    struct rib_port *p = rib_find_port(rib, vm_port);

    if (p && p->mapped) {
        p->mapped = p->link_lost = false;
        port_tidy(rib, p);
        port_changed(rib, vm_port);
    }
}

void rib_port_link(struct rib *rib, uint32_t vm_port, bool lost)
{
    struct rib_port *p = rib_find_port(rib, vm_port);

    if (p && p->mapped && p->link_lost != lost) {
        p->link_lost = lost;
        port_changed(rib, vm_port);
    }
}

/* Addresses. */

static void addr_out_add(struct rib *rib, const struct ip_addr *addr, int delta)
{
    struct rib_addr_out *o;

    if (ip_is_loopback(addr)) {
        return;
    }
    HASH_FIND(hh, rib->addrs_out, addr, sizeof *addr, o);
    if (!o) {
        o = xcalloc(1, sizeof *o);
        o->addr = *addr;
        HASH_ADD(hh, rib->addrs_out, addr, sizeof o->addr, o);
    }
    o->refs += (unsigned)delta;
    if (!o->dirty) {
        o->dirty = true;
        DL_APPEND(rib->addrs_dirty, o);
    }
}

static struct rib_addr *find_addr(const struct rib *rib, const struct vm_addr *addr)
{
    struct rib_addr_key key;
    struct rib_addr *a;

    memset(&key, 0, sizeof key); /* The padding, too. */
    key.vm_port = addr->vm_port;
    key.addr = addr->addr;
    HASH_FIND(hh, rib->addrs, &key, sizeof key, a);
    return a;
}

bool rib_addr_set(struct rib *rib, const struct vm_addr *addr)
{
    struct ip_prefix host = prefix_of_host(&addr->addr.addr);

    if (!prefix_is_valid(&host) || addr->addr.plen > host.plen ||
        ip_is_unspecified(&addr->addr.addr) || ip_is_multicast(&addr->addr.addr)) {
        return false;
    }
    struct rib_addr *a = find_addr(rib, addr);
    if (!a) {
        a = xcalloc(1, sizeof *a);
        a->key.vm_port = addr->vm_port;
        a->key.addr = addr->addr;
        HASH_ADD(hh, rib->addrs, key, sizeof a->key, a);
        addr_out_add(rib, &addr->addr.addr, 1);
    }
    a->seen = true;
    return true;
}

static void addr_remove(struct rib *rib, struct rib_addr *a)
{
    addr_out_add(rib, &a->key.addr.addr, -1);
    HASH_DELETE(hh, rib->addrs, a);
    free(a);
}

void rib_addr_del(struct rib *rib, const struct vm_addr *addr)
{
    struct rib_addr *a = find_addr(rib, addr);

    if (a) {
        addr_remove(rib, a);
    }
}

/* Routes. */

void rib_tidy(struct rib *rib, uint32_t slot)
{
    if (!(*ptable_flags(rib->fib, slot) & (F_KIND | F_HOST)) &&
        !ptable_words(rib->fib, slot)[W_TAKEN]) {
        ptable_remove(rib->fib, slot);
    }
}

static bool route_is_valid(const struct vm_route *r)
{
    if (!prefix_is_valid(&r->prefix)) {
        return false;
    }
    if (r->kind != VM_ROUTE_UNICAST) {
        return r->kind == VM_ROUTE_BLACKHOLE || r->kind == VM_ROUTE_UNREACHABLE;
    }
    if (!r->n_hops || r->n_hops > VM_MAX_HOPS) {
        return false;
    }
    for (unsigned i = 0; i < r->n_hops; i++) {
        uint8_t version = r->hops[i].gateway.version;
        if (!r->hops[i].weight ||
            (version != IP_NONE && version != IP_V4 && version != IP_V6)) {
            return false;
        }
    }
    return true;
}

/* Makes the route at `slot` one of `kind`, 0 for none, with `set` if unicast. */
static void route_replace(struct rib *rib, uint32_t slot, unsigned kind,
                          struct nhset *set)
{
    uint16_t *flags = ptable_flags(rib->fib, slot);
    uint32_t *words = ptable_words(rib->fib, slot);
    struct ip_prefix prefix = ptable_prefix(rib->fib, slot);
    struct nhset *old = rib_route_of(rib, slot);
    unsigned old_kind = flags_kind(*flags);
    bool fib = !(*flags & F_HIDDEN);
    unsigned f = family_of(&prefix);
    bool was_connected = old && old->has_connected;
    bool is_connected = set && set->has_connected;

    if (set) {
        rib_hold(rib, set, fib);
        words[W_SET] = set->slot;
    }
    if (old) {
        rib_release(rib, old, fib);
    }
    *flags = (uint16_t)((*flags & ~F_KIND) | kind << F_KIND_SHIFT);
    int delta = (kind != 0) - (old_kind != 0);
    rib->n_routes += (size_t)delta;
    rib->plens[f][prefix.plen] += (uint32_t)delta;
    rib->connected[f][prefix.plen] += (uint32_t)(is_connected - was_connected);
    if (delta || is_connected || was_connected) {
        rib_host_route_changed(rib, &prefix, is_connected || was_connected);
    }
    if (fib) {
        ptable_enqueue(rib->fib, LANE_DUE, slot);
    }
}

bool rib_route_set(struct rib *rib, const struct vm_route *route)
{
    if (!route_is_valid(route)) {
        return false;
    }
    uint32_t slot = ptable_insert(rib->fib, &route->prefix);
    uint16_t *flags = ptable_flags(rib->fib, slot);
    struct nhset *set = route->kind == VM_ROUTE_UNICAST
                            ? rib_intern(rib, route->hops, route->n_hops)
                            : NULL;
    if (!addr_is_forwarded(&route->prefix.addr)) {
        *flags |= F_HIDDEN;
    }
    if (flags_kind(*flags) != route->kind || rib_route_of(rib, slot) != set) {
        route_replace(rib, slot, route->kind, set);
    }
    ptable_words(rib->fib, slot)[W_METRIC] = route->metric;
    *flags = (uint16_t)((*flags & ~F_PROTOCOL) | route->protocol | F_SEEN);
    return true;
}

static void route_remove(struct rib *rib, uint32_t slot)
{
    route_replace(rib, slot, 0, NULL);
    rib_tidy(rib, slot);
}

void rib_route_del(struct rib *rib, const struct ip_prefix *prefix)
{
    if (!prefix_is_valid(prefix)) {
        return;
    }
    uint32_t slot = ptable_find(rib->fib, prefix);
    if (slot != PTABLE_NONE && *ptable_flags(rib->fib, slot) & F_KIND) {
        route_remove(rib, slot);
    }
}

void rib_prefetch(const struct rib *rib, const struct ip_prefix *prefix)
{
    ptable_prefetch(rib->fib, prefix);
}

/* Resync. */

void rib_begin(struct rib *rib)
{
    for (struct rib_port *p = rib->ports; p; p = p->hh.next) {
        p->seen = false;
    }
    for (struct rib_addr *a = rib->addrs; a; a = a->hh.next) {
        a->seen = false;
    }
    rib_host_unsee(rib);
    for (uint32_t s = ptable_next(rib->fib, PTABLE_NONE); s != PTABLE_NONE;
         s = ptable_next(rib->fib, s)) {
        *ptable_flags(rib->fib, s) &= (uint16_t)~F_SEEN;
    }
    rib->syncing = true;
}

void rib_end(struct rib *rib)
{
    struct rib_port *p, *next_p;
    struct rib_addr *a, *next_a;

    if (!rib->syncing) {
        return;
    }
    rib->syncing = false;
    HASH_ITER (hh, rib->ports, p, next_p) {
        if (p->known && !p->seen) {
            rib_port_gone(rib, p->vm_port);
        }
    }
    HASH_ITER (hh, rib->addrs, a, next_a) {
        if (!a->seen) {
            addr_remove(rib, a);
        }
    }
    rib_host_sweep(rib);
    for (uint32_t s = ptable_next(rib->fib, PTABLE_NONE); s != PTABLE_NONE;
         s = ptable_next(rib->fib, s)) {
        uint16_t flags = *ptable_flags(rib->fib, s);
        if (flags & F_KIND && !(flags & F_SEEN)) {
            route_remove(rib, s);
        }
    }
}

struct rib *rib_create(void)
{
    struct rib *rib = xcalloc(1, sizeof *rib);
    rib->fib = ptable_create(N_WORDS);
    return rib;
}

void rib_destroy(struct rib *rib)
{
    struct rib_port *p, *next_p;
    struct rib_port_out *po, *next_po;
    struct rib_addr *a, *next_a;
    struct rib_addr_out *ao, *next_ao;

    if (!rib) {
        return;
    }
    HASH_ITER (hh, rib->ports, p, next_p) {
        HASH_DELETE(hh, rib->ports, p);
        free(p);
    }
    HASH_ITER (hh, rib->ports_out, po, next_po) {
        HASH_DELETE(hh, rib->ports_out, po);
        free(po);
    }
    HASH_ITER (hh, rib->addrs, a, next_a) {
        HASH_DELETE(hh, rib->addrs, a);
        free(a);
    }
    HASH_ITER (hh, rib->addrs_out, ao, next_ao) {
        HASH_DELETE(hh, rib->addrs_out, ao);
        free(ao);
    }
    rib_transit_clear(rib);
    rib_host_clear(rib);
    nhset_table_uninit(&rib->sets);
    ptable_destroy(rib->fib);
    free(rib);
}
