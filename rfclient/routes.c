#include "routes.h"

#include <stdlib.h>

#include "base/util.h"
#include "route_store.h"
#include "urgency.h"

struct route_table {
    struct route_store store;
    struct urgency urgency;
    int64_t now;      /* Of what is being applied. */
    uint8_t round[2]; /* Of IPv4 and IPv6 dumps. */
};

static struct entry *at(const struct route_table *t, uint32_t i)
{
    return route_store_at(&t->store, i);
}

static uint8_t *round_of(struct route_table *t, uint8_t version)
{
    return &t->round[version == IP_V6];
}

/* Applying. */

/* A route of this protocol came, changed or went.  Only the first time counts, while
 * the prefix waits among the urgent ones. */
static void mark_changed(struct route_table *t, uint32_t head, uint8_t protocol)
{
    dirty_push(&t->store, head,
               !(at(t, head)->flags & URGENT) &&
                   urgency_take(&t->urgency, protocol, t->now));
}

static void remove_route(struct route_table *t, uint32_t head, uint32_t i)
{
    const uint8_t protocol = at(t, i)->route.protocol;

    chain_remove(&t->store, head, i);
    mark_changed(t, head, protocol);
}

static bool route_usable(const struct rtnl_route *r)
{
    return r->kind != VM_ROUTE_UNICAST || r->n_hops;
}

static void set_route(struct route_table *t, uint32_t head, uint32_t i,
                      const struct rtnl_route *r, bool shadowing)
{
    struct route route = {
        .metric = r->metric,
        .hops = hop_sets_ref(t->store.hops, r->hops, r->n_hops),
        .kind = r->kind,
        .protocol = r->protocol,
        .round = *round_of(t, r->prefix.addr.version),
        .shadowing = shadowing,
    };

    if (!i) {
        chain_insert(&t->store, head, route);
        mark_changed(t, head, r->protocol);
        return;
    }
    struct route *old = &at(t, i)->route;
    if (old->hops != route.hops || old->kind != route.kind ||
        old->protocol != route.protocol) {
        mark_changed(t, head, r->protocol);
    }
    hop_sets_unref(t->store.hops, old->hops);
    *old = route;
}

enum containment { SAME, PART, OTHER };

/* How the hops of `r` stand to those of the known route: the same, some of them, or
 * something else. */
static enum containment compare_hops(const struct route_table *t,
                                     const struct route *known,
                                     const struct rtnl_route *r)
{
    uint16_t n_known = 0, found = 0;
    const struct rtnl_hop *hops = hop_sets_get(t->store.hops, known->hops, &n_known);

    for (uint16_t i = 0, j = 0; i < n_known && j < r->n_hops; i++) {
        if (!rtnl_hop_compare(&hops[i], &r->hops[j])) {
            found++;
            j++;
        }
    }
    return found != r->n_hops ? OTHER : found == n_known ? SAME : PART;
}

static bool event_new(struct route_table *t, const struct rtnl_msg *m)
{
    const struct rtnl_route *r = &m->route;
    uint32_t head = head_find(&t->store, &r->prefix);
    uint32_t i = head ? chain_find(&t->store, head, r->metric) : 0;

    if (!route_usable(r)) {
        /* Present, but all its hops are dead: as good as absent. */
        if (i) {
            remove_route(t, head, i);
        }
        return false;
    }
    if (!i) {
        set_route(t, head_obtain(&t->store, &r->prefix), 0, r, false);
        return false;
    }
    const struct route *known = &at(t, i)->route;
    bool shadowing = known->shadowing;
    if (m->replace || (known->kind == r->kind && compare_hops(t, known, r) == SAME)) {
        set_route(t, head, i, r, shadowing);
        return shadowing;
    }
    /* An IPv6 event names all hops of the route, also of one that got another hop. */
    if (r->prefix.addr.version == IP_V6 && m->append) {
        set_route(t, head, i, r, true);
        return true;
    }
    /* IPv4: one more of this metric, before the known one or behind it. */
    if (m->append) {
        at(t, i)->route.shadowing = true;
    } else {
        set_route(t, head, i, r, true);
    }
    return true;
}

/* An IPv6 route loses some of its hops. */
static void remove_hops(struct route_table *t, uint32_t head, uint32_t i,
                        const struct rtnl_route *gone)
{
    struct rtnl_hop left[VM_MAX_HOPS];
    uint16_t n = 0, n_left = 0;
    struct route *route = &at(t, i)->route;
    const struct rtnl_hop *hops = hop_sets_get(t->store.hops, route->hops, &n);

    for (uint16_t k = 0, j = 0; k < n; k++) {
        if (j < gone->n_hops && !rtnl_hop_compare(&hops[k], &gone->hops[j])) {
            j++;
        } else {
            left[n_left++] = hops[k];
        }
    }
    uint32_t id = hop_sets_ref(t->store.hops, left, n_left);
    hop_sets_unref(t->store.hops, route->hops);
    route->hops = id;
    mark_changed(t, head, route->protocol);
}

static bool event_del(struct route_table *t, const struct rtnl_msg *m)
{
    const struct rtnl_route *r = &m->route;
    uint32_t head = head_find(&t->store, &r->prefix);
    uint32_t i = head ? chain_find(&t->store, head, r->metric) : 0;

    if (!i) {
        return false;
    }
    const struct route *known = &at(t, i)->route;
    bool shadowing = known->shadowing;
    /* Dumps of the kernel leave out what stands between the hops of an IPv6 route, so
     * `shadowing` does not tell whether there is something. */
    shadowing |= r->prefix.addr.version == IP_V6 && r->n_hops > 1;
    enum containment hops = r->n_hops ? compare_hops(t, known, r) : SAME;
    if (hops == PART && r->prefix.addr.version == IP_V6) {
        remove_hops(t, head, i, r);
        return true;
    }
    if (hops == OTHER && shadowing) {
        return true; /* Of those behind it, most likely. */
    }
    remove_route(t, head, i);
    return shadowing || hops != SAME;
}

bool route_table_event(struct route_table *t, const struct rtnl_msg *m, int64_t now)
{
    t->now = now;
    return m->del ? event_del(t, m) : event_new(t, m);
}

void route_table_prefetch(const struct route_table *t, const struct ip_prefix *prefix)
{
    head_prefetch(&t->store, prefix);
}

/* Dumps. */

void route_table_dump_begin(struct route_table *t, enum ip_version version)
{
    ++*round_of(t, version);
}

void route_table_dump_route(struct route_table *t, const struct rtnl_route *r,
                            int64_t now)
{
    uint32_t head = head_find(&t->store, &r->prefix);
    uint32_t i = head ? chain_find(&t->store, head, r->metric) : 0;

    t->now = now;
    if (!route_usable(r)) {
        return;
    }
    if (i && at(t, i)->route.round == *round_of(t, r->prefix.addr.version)) {
        /* Named already in this dump: the first one is the kernel's choice. */
        at(t, i)->route.shadowing = true;
        return;
    }
    set_route(t, head ? head : head_obtain(&t->store, &r->prefix), i, r, false);
}

static void sweep_chain(struct route_table *t, uint32_t head, uint8_t round)
{
    uint32_t i = chain_first(&t->store, head);

    while (i) {
        if (at(t, i)->route.round == round) {
            i = at(t, i)->next;
        } else {
            remove_route(t, head, i);
            i = chain_first(&t->store, head); /* The chain may have moved up. */
        }
    }
}

void route_table_dump_end(struct route_table *t, enum ip_version version, bool complete,
                          int64_t now)
{
    uint8_t round = *round_of(t, version);

    t->now = now;
    for (uint32_t i = 1; complete && i <= t->store.n_entries; i++) {
        if ((at(t, i)->flags & HEAD) && at(t, i)->version == version) {
            sweep_chain(t, i, round);
        }
    }
}

/* Interfaces. */

static bool hops_use(const struct route_table *t, uint32_t id, uint32_t ifindex)
{
    uint16_t n = 0;
    const struct rtnl_hop *hops = hop_sets_get(t->store.hops, id, &n);

    for (uint16_t i = 0; i < n; i++) {
        if (hops[i].ifindex == ifindex) {
            return true;
        }
    }
    return false;
}

/* Not urgent, since rfserver is told of the port first, and does with all of them at
 * once what must be done at once. */
static void touch_routes(struct route_table *t, uint32_t ifindex, bool only_choices)
{
    if (only_choices && !t->store.n_second) {
        return;
    }
    for (uint32_t head = 1; head <= t->store.n_entries; head++) {
        if (!(at(t, head)->flags & HEAD)) {
            continue;
        }
        uint32_t first = chain_first(&t->store, head);
        if (only_choices && (!first || !at(t, first)->next)) {
            continue;
        }
        for (uint32_t i = first; i; i = at(t, i)->next) {
            if (hops_use(t, at(t, i)->route.hops, ifindex)) {
                dirty_push(&t->store, head, false);
            }
        }
    }
}

void route_table_interface_changed(struct route_table *t, uint32_t ifindex)
{
    touch_routes(t, ifindex, false);
}

void route_table_carrier_changed(struct route_table *t, uint32_t ifindex)
{
    touch_routes(t, ifindex, true);
}

/* Telling. */

void route_table_resync(struct route_table *t)
{
    while (dirty_pop(&t->store, true) || dirty_pop(&t->store, false)) {
    }
    for (uint32_t i = 1; i <= t->store.n_entries; i++) {
        if (!(at(t, i)->flags & HEAD)) {
            continue;
        }
        at(t, i)->flags &= (uint8_t)~TOLD;
        if (at(t, i)->flags & PRESENT) {
            at(t, i)->flags |= RESYNC;
            t->store.n_resync++;
            dirty_push(&t->store, i, false);
        } else {
            head_tidy(&t->store, i);
        }
    }
}

static int vm_hop_compare(const void *a_, const void *b_)
{
    const struct vm_hop *a = a_, *b = b_;

    return a->vm_port != b->vm_port ? (a->vm_port < b->vm_port ? -1 : 1)
                                    : ip_compare(&a->gateway, &b->gateway);
}

enum use { UNUSABLE, WITHOUT_CARRIER, USABLE };

/* The hops of `route` over VM ports that are up. */
static enum use resolve(const struct route_table *t, const struct route *route,
                        route_port_fn *port_of, void *aux, struct vm_route *ret)
{
    uint16_t n = 0;
    const struct rtnl_hop *hops = hop_sets_get(t->store.hops, route->hops, &n);
    bool any_carrier = false;

    ret->n_hops = 0;
    for (uint16_t i = 0; i < n; i++) {
        bool carrier = false;
        uint32_t port = port_of(aux, hops[i].ifindex, &carrier);
        if (port) {
            any_carrier |= carrier;
            ret->hops[ret->n_hops++] = (struct vm_hop){
                .vm_port = port, .weight = hops[i].weight, .gateway = hops[i].gateway};
        }
    }
    if (ret->n_hops > 1) {
        qsort(ret->hops, ret->n_hops, sizeof ret->hops[0], vm_hop_compare);
    }
    ret->kind = route->kind;
    ret->metric = route->metric;
    ret->protocol = route->protocol;
    return route->kind != VM_ROUTE_UNICAST || any_carrier ? USABLE
           : ret->n_hops                                  ? WITHOUT_CARRIER
                                                          : UNUSABLE;
}

/* The best route of the prefix, in *ret, 0 if it has none that is usable. */
static uint32_t choose(const struct route_table *t, uint32_t head,
                       route_port_fn *port_of, void *aux, struct vm_route *ret)
{
    uint32_t fallback = 0;

    for (uint32_t i = chain_first(&t->store, head); i; i = at(t, i)->next) {
        enum use use = resolve(t, &at(t, i)->route, port_of, aux, ret);
        if (use == USABLE) {
            return i;
        }
        fallback = use == WITHOUT_CARRIER && !fallback ? i : fallback;
    }
    if (fallback) {
        resolve(t, &at(t, fallback)->route, port_of, aux, ret);
    }
    return fallback;
}

bool route_table_pop(struct route_table *t, bool urgent, route_port_fn *port_of,
                     void *aux, struct vm_route *ret, bool *ret_remove)
{
    uint32_t head;

    while ((head = dirty_pop(&t->store, urgent))) {
        struct entry *e = at(t, head);
        uint32_t i = choose(t, head, port_of, aux, ret);
        bool told = e->flags & TOLD;

        ret->prefix = entry_prefix(e);
        e->flags = (uint8_t)(i ? e->flags | TOLD : e->flags & ~TOLD);
        head_tidy(&t->store, head);
        if (i || told) {
            *ret_remove = !i;
            return true;
        }
    }
    return false;
}

bool route_table_hurry(struct route_table *t, const struct ip_prefix *prefix)
{
    uint32_t head = head_find(&t->store, prefix);

    if (!head || !(at(t, head)->flags & DIRTY)) {
        return false;
    }
    dirty_push(&t->store, head, true);
    return at(t, head)->flags & URGENT;
}

size_t route_table_resyncing(const struct route_table *t)
{
    return t->store.n_resync;
}

size_t route_table_pending(const struct route_table *t)
{
    return t->store.n_dirty;
}

bool route_table_hurries(const struct route_table *t)
{
    return t->store.n_urgent;
}

size_t route_table_count(const struct route_table *t)
{
    return t->store.n_routes;
}

const struct hop_sets *route_table_hops(const struct route_table *t)
{
    return t->store.hops;
}

struct route_table *route_table_create(void)
{
    struct route_table *t = xcalloc(1, sizeof *t);

    route_store_init(&t->store);
    return t;
}

void route_table_destroy(struct route_table *t)
{
    if (t) {
        route_store_uninit(&t->store);
        free(t);
    }
}
