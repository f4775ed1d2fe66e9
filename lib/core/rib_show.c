#include <stdio.h>
#include <string.h>

#include "rib_impl.h"

const char *rib_verdict_format(const struct rib_verdict *v,
                               char buf[static RIB_VERDICT_STRLEN])
{
    char addr[IP_STRLEN];
    const size_t size = RIB_VERDICT_STRLEN;

    switch (v->reason) {
    case RIB_OK:
        snprintf(buf, size, "in the FIB");
        break;
    case RIB_QUEUED:
        snprintf(buf, size, "on its way to the FIB");
        break;
    case RIB_NO_ROUTE:
        snprintf(buf, size, "the VM has no such route");
        break;
    case RIB_NOT_FORWARDED:
        snprintf(buf, size, "link-local, multicast and loopback are not forwarded");
        break;
    case RIB_PORT_UNKNOWN:
        snprintf(buf, size, "port %u was not registered by the client", v->vm_port);
        break;
    case RIB_PORT_UNMAPPED:
        snprintf(buf, size, "port %u not associated", v->vm_port);
        break;
    case RIB_PORT_INACTIVE:
        snprintf(buf, size, "port %u associated, but not active: no mapping frame seen",
                 v->vm_port);
        break;
    case RIB_PORT_DOWN:
        snprintf(buf, size, "port %u is down, or its link is lost", v->vm_port);
        break;
    case RIB_UNRESOLVED:
        snprintf(buf, size, "next hop %s on port %u unresolved",
                 ip_format(&v->gateway, addr), v->vm_port);
        break;
    case RIB_KEPT:
        snprintf(buf, size, "next hop %s on port %u unresolved, the older way is kept",
                 ip_format(&v->gateway, addr), v->vm_port);
        break;
    case RIB_SHADOWED:
        snprintf(buf, size, "its longest match is not connected on port %u",
                 v->vm_port);
        break;
    }
    return buf;
}

static enum rib_reason judge_port(const struct rib *rib, uint32_t vm_port)
{
    const struct rib_port *p = rib_find_port(rib, vm_port);
    return !p || !p->known     ? RIB_PORT_UNKNOWN
           : !p->mapped        ? RIB_PORT_UNMAPPED
           : !p->active        ? RIB_PORT_INACTIVE
           : !port_forwards(p) ? RIB_PORT_DOWN
                               : RIB_OK;
}

static struct rib_verdict judge_set(const struct rib *rib, const struct nhset *s)
{
    struct rib_verdict v = {.reason = RIB_OK};

    for (unsigned i = 0; i < s->n_hops; i++) {
        enum rib_reason port = judge_port(rib, s->keys[i].vm_port);
        if (s->use == NHSET_GROUP && port == RIB_OK && s->gateways[i]) {
            if (s->gateways[i]->resolved) {
                return (struct rib_verdict){.reason = RIB_OK};
            }
            port = RIB_UNRESOLVED;
        }
        /* An unresolved hop says more than another hop's port. */
        if (port != RIB_OK && (v.reason == RIB_OK || (port == RIB_UNRESOLVED &&
                                                      v.reason != RIB_UNRESOLVED))) {
            v = (struct rib_verdict){.reason = port,
                                     .vm_port = s->keys[i].vm_port,
                                     .gateway = hop_key_gateway(&s->keys[i])};
        }
    }
    return s->use == NHSET_PUNT || (s->use == NHSET_GROUP && v.reason != RIB_UNRESOLVED)
               ? (struct rib_verdict){.reason = RIB_OK}
               : v;
}

static struct rib_verdict judge_slot(const struct rib *rib, uint32_t slot)
{
    uint16_t flags = *ptable_flags(rib->fib, slot);
    uint32_t desired = rib_desired(rib, slot);
    uint32_t taken = ptable_words(rib->fib, slot)[W_TAKEN];
    const struct nhset *set = rib_route_of(rib, slot);

    if (!(flags & (F_KIND | F_HOST))) {
        return (struct rib_verdict){.reason = RIB_NO_ROUTE};
    }
    if (flags & F_HIDDEN) {
        return (struct rib_verdict){.reason = RIB_NOT_FORWARDED};
    }
    if (target_is_group(desired)) {
        set = nhset_by_id(&rib->sets, desired);
    }
    struct rib_verdict v =
        set ? judge_set(rib, set) : (struct rib_verdict){.reason = RIB_OK};
    if (v.reason == RIB_UNRESOLVED && rib_keeps(rib, slot, desired)) {
        v.reason = RIB_KEPT;
    } else if (desired != TARGET_NONE && desired != taken) {
        v.reason = RIB_QUEUED;
    }
    return v;
}

static void fill_route(const struct rib *rib, uint32_t slot, struct rib_route_info *ret)
{
    uint16_t flags = *ptable_flags(rib->fib, slot);
    const uint32_t *words = ptable_words(rib->fib, slot);
    const struct nhset *set = rib_route_of(rib, slot);
    struct vm_route *r = &ret->route;

    r->prefix = ptable_prefix(rib->fib, slot);
    r->kind = flags_kind(flags);
    r->metric = words[W_METRIC];
    r->protocol = (uint8_t)(flags & F_PROTOCOL);
    r->n_hops = set ? set->n_hops : 0;
    for (unsigned i = 0; i < r->n_hops; i++) {
        r->hops[i].vm_port = set->keys[i].vm_port;
        r->hops[i].weight = set->keys[i].weight;
        r->hops[i].gateway = hop_key_gateway(&set->keys[i]);
    }
    ret->verdict = judge_slot(rib, slot);
    ret->target = target_unpack(words[W_TAKEN]);
}

void rib_explain(const struct rib *rib, const struct ip_prefix *prefix,
                 struct rib_route_info *ret)
{
    uint32_t slot =
        prefix_is_valid(prefix) ? ptable_find(rib->fib, prefix) : PTABLE_NONE;

    if (slot != PTABLE_NONE) {
        fill_route(rib, slot, ret);
    } else {
        memset(ret, 0, sizeof *ret);
        ret->route.prefix = *prefix;
        ret->verdict.reason = RIB_NO_ROUTE;
    }
}

bool rib_match(const struct rib *rib, const struct ip_addr *addr, struct ip_prefix *ret)
{
    struct ip_prefix host = prefix_of_host(addr);

    if (!prefix_is_valid(&host)) {
        return false;
    }
    uint32_t slot = ptable_find(rib->fib, &host);
    if (slot == PTABLE_NONE || !(*ptable_flags(rib->fib, slot) & (F_KIND | F_HOST))) {
        slot = rib_longest_match(rib, addr);
    }
    if (slot == PTABLE_NONE) {
        return false;
    }
    *ret = ptable_prefix(rib->fib, slot);
    return true;
}

bool rib_next_route(const struct rib *rib, uint32_t *cursor, struct rib_route_info *ret)
{
    uint32_t slot = *cursor ? *cursor - 1 : PTABLE_NONE;

    while ((slot = ptable_next(rib->fib, slot)) != PTABLE_NONE) {
        if (*ptable_flags(rib->fib, slot) & (F_KIND | F_HOST)) {
            *cursor = slot + 1;
            fill_route(rib, slot, ret);
            return true;
        }
    }
    return false;
}

static struct rib_verdict judge_neigh(const struct rib *rib, const struct rib_host *h,
                                      const struct rib_neigh *n)
{
    struct rib_verdict v = {.reason = judge_port(rib, n->vm_port),
                            .vm_port = n->vm_port,
                            .gateway = h->addr};
    if (!addr_is_forwarded(&h->addr)) {
        v.reason = RIB_NOT_FORWARDED;
    } else if (v.reason == RIB_OK && h->set && h->set->keys[0].vm_port == n->vm_port) {
        struct ip_prefix prefix = prefix_of_host(&h->addr);
        v = judge_slot(rib, ptable_find(rib->fib, &prefix));
    } else if (v.reason == RIB_OK) {
        v.reason = RIB_SHADOWED;
    }
    return v;
}

void rib_each_addr(const struct rib *rib, rib_addr_fn *fn, void *aux)
{
    for (const struct rib_addr *a = rib->addrs; a; a = a->hh.next) {
        fn(aux, &(struct vm_addr){a->key.vm_port, a->key.addr});
    }
}

void rib_each_neigh(const struct rib *rib, rib_neigh_fn *fn, void *aux)
{
    for (const struct rib_host *h = rib->hosts; h; h = h->hh.next) {
        for (const struct rib_neigh *n = h->neighs; n; n = n->next) {
            struct rib_neigh_info info = {
                .neigh = {.vm_port = n->vm_port, .addr = h->addr, .hwaddr = n->hwaddr},
                .verdict = judge_neigh(rib, h, n)};
            fn(aux, &info);
        }
    }
}

/* Some route uses the gateway; sets also live on for a peer that still has their group.
 */
static bool gateway_is_used(const struct gateway *g)
{
    for (uint32_t i = 0; i < g->n_sets; i++) {
        if (g->sets[i]->refs) {
            return true;
        }
    }
    return false;
}

void rib_each_unresolved(const struct rib *rib, rib_hop_fn *fn, void *aux)
{
    for (const struct gateway *g = rib->sets.gateways; g; g = g->hh.next) {
        if (!g->resolved && gateway_is_used(g) &&
            port_forwards(rib_find_port(rib, g->key.vm_port))) {
            struct ip_addr addr = hop_key_gateway(&g->key);
            fn(aux, g->key.vm_port, &addr);
        }
    }
}

static void count_hop(void *aux, uint32_t vm_port, const struct ip_addr *gateway)
{
    ++*(size_t *)aux;
}

void rib_counts(const struct rib *rib, struct rib_counts *ret)
{
    size_t unresolved = 0;

    rib_each_unresolved(rib, count_hop, &unresolved);
    *ret = (struct rib_counts){.addrs = HASH_COUNT(rib->addrs),
                               .routes = rib->n_routes,
                               .neighs = rib->n_neighs,
                               .unresolved = unresolved,
                               .sets = HASH_COUNT(rib->sets.by_key),
                               .fib_taken = rib->n_taken,
                               .memory = ptable_memory(rib->fib)};
    for (const struct nhset *s = rib->sets.by_key; s; s = s->hh.next) {
        ret->alternates += s->backup.vm_port != 0;
    }
    for (const struct rib_port *p = rib->ports; p; p = p->hh.next) {
        ret->ports += p->known;
    }
}
