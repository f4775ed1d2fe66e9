#include "state_impl.h"

#include <linux/neighbour.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#define LOG_MODULE "state"
#include "base/log.h"

/* Interfaces. */

uint32_t state_usable_port(void *s_, uint32_t ifindex, bool *ret_carrier)
{
    const struct vm_state *s = s_;
    const struct iface *i = iface_find(s->ifaces, ifindex);

    *ret_carrier = iface_has_carrier(i);
    return iface_usable(i) ? i->vm_port : 0;
}

static void touch_port(struct vm_state *s, uint32_t vm_port)
{
    if (vm_port) {
        marks_touch(s->marks,
                    &(struct mark_key){.type = MARK_PORT, .vm_port = vm_port});
    }
}

static void touch_host(struct vm_state *s, enum mark_type type, uint32_t vm_port,
                       const struct ip_prefix *prefix)
{
    if (vm_port) {
        marks_touch(s->marks, &(struct mark_key){type, vm_port, *prefix});
    }
}

/* All that is known over the interface, under this port number. */
static void touch_hosts_of(struct vm_state *s, uint32_t ifindex, uint32_t vm_port)
{
    for (struct host *h = s->addrs; h; h = h->hh.next) {
        if (h->key.ifindex == ifindex) {
            touch_host(s, MARK_ADDR, vm_port, &h->key.prefix);
        }
    }
    for (struct host *h = s->neighs; h; h = h->hh.next) {
        if (h->key.ifindex == ifindex) {
            touch_host(s, MARK_NEIGH, vm_port, &h->key.prefix);
        }
    }
}

static void iface_set(struct vm_state *s, const struct rtnl_link *l, int64_t now)
{
    struct iface *i = iface_obtain(&s->ifaces, l->ifindex);
    struct iface old = *i;
    i->link = *l;
    i->round = s->link_round;
    i->vm_port = 0;
    port_pattern_match(&s->pattern, l->name, &i->vm_port);
    bool renumbered = i->vm_port != old.vm_port;
    if (renumbered) {
        touch_port(s, old.vm_port);
        touch_hosts_of(s, l->ifindex, old.vm_port);
        touch_hosts_of(s, l->ifindex, i->vm_port);
        if (old.vm_port) {
            log_info("port %u (%s) is gone", old.vm_port, old.link.name);
        }
    }
    if (renumbered || !link_equal(&old.link, &i->link)) {
        touch_port(s, i->vm_port);
        if (i->vm_port) {
            log_info("port %u (%s) %s, MAC " ETH_FMT ", MTU %u", i->vm_port, l->name,
                     link_state_text(l), ETH_ARGS(l->hwaddr), l->mtu);
        }
    }
    if (renumbered || iface_usable(i) != iface_usable(&old)) {
        route_table_interface_changed(s->routes, l->ifindex);
    } else if (iface_has_carrier(i) != iface_has_carrier(&old)) {
        route_table_carrier_changed(s->routes, l->ifindex);
    }
    if (iface_has_carrier(i) && (renumbered || !iface_has_carrier(&old))) {
        prober_interface_up(s->prober, l->ifindex, now);
    }
}

static void host_del(struct vm_state *s, enum mark_type type, struct host *h)
{
    const struct iface *i = iface_find(s->ifaces, h->key.ifindex);

    touch_host(s, type, i ? i->vm_port : 0, &h->key.prefix);
    if (type == MARK_ADDR) {
        HASH_DELETE(hh, s->addrs, h);
    } else {
        HASH_DELETE(hh, s->neighs, h);
    }
    free(h);
}

static void iface_del(struct vm_state *s, uint32_t ifindex, int64_t now)
{
    struct iface *i = iface_find(s->ifaces, ifindex);
    struct host *h, *next;

    if (!i) {
        return;
    }
    /* The kernel tells of most of these, but not always and not always first. */
    HASH_ITER (hh, s->addrs, h, next) {
        if (h->key.ifindex == ifindex) {
            host_del(s, MARK_ADDR, h);
        }
    }
    HASH_ITER (hh, s->neighs, h, next) {
        if (h->key.ifindex == ifindex) {
            prober_neigh_gone(s->prober, ifindex, &h->key.prefix.addr, now);
            host_del(s, MARK_NEIGH, h);
        }
    }
    touch_port(s, i->vm_port);
    if (i->vm_port) {
        log_info("port %u (%s) is gone", i->vm_port, i->link.name);
    }
    iface_remove(&s->ifaces, i);
    route_table_interface_changed(s->routes, ifindex);
}

/* Addresses and neighbours. */

static struct host_key host_key(uint32_t ifindex, const struct ip_prefix *p)
{
    struct host_key key;

    memset(&key, 0, sizeof key);
    key.ifindex = ifindex;
    key.prefix.plen = p->plen;
    key.prefix.addr.version = p->addr.version;
    memcpy(key.prefix.addr.bytes, p->addr.bytes, sizeof key.prefix.addr.bytes);
    return key;
}

struct host *state_find_host(struct vm_state *s, enum mark_type type, uint32_t ifindex,
                             const struct ip_prefix *p)
{
    struct host_key key = host_key(ifindex, p);
    struct host *h;

    HASH_FIND(hh, type == MARK_ADDR ? s->addrs : s->neighs, &key, sizeof key, h);
    return h;
}

static void host_set(struct vm_state *s, enum mark_type type, uint32_t ifindex,
                     const struct ip_prefix *p, struct eth_addr hwaddr, uint8_t round)
{
    struct host **table = type == MARK_ADDR ? &s->addrs : &s->neighs;
    struct host_key key = host_key(ifindex, p);
    struct host *h;

    HASH_FIND(hh, *table, &key, sizeof key, h);
    bool changed = !h || !eth_equal(h->hwaddr, hwaddr);
    if (!h) {
        h = xcalloc(1, sizeof *h);
        h->key = key;
        HASH_ADD(hh, *table, key, sizeof h->key, h);
    }
    h->hwaddr = hwaddr;
    h->round = round;
    if (changed) {
        const struct iface *i = iface_find(s->ifaces, ifindex);
        touch_host(s, type, i ? i->vm_port : 0, p);
    }
}

static void host_forget(struct vm_state *s, enum mark_type type, uint32_t ifindex,
                        const struct ip_prefix *p)
{
    struct host *h = state_find_host(s, type, ifindex, p);

    if (h) {
        host_del(s, type, h);
    }
}

static void neigh_set(struct vm_state *s, const struct rtnl_neigh *n, int64_t now)
{
    struct ip_prefix p = prefix_of_host(&n->addr);

    if (n->usable) {
        host_set(s, MARK_NEIGH, n->ifindex, &p, n->hwaddr, s->neigh_round);
    }
    if (!prober_neigh(s->prober, n->ifindex, &n->addr, n->usable, n->nud_state, now)) {
        host_forget(s, MARK_NEIGH, n->ifindex, &p);
    }
}

/* From netlink. */

unsigned vm_state_message(struct vm_state *s, const struct rtnl_msg *m, bool in_dump,
                          int64_t now)
{
    switch (m->kind) {
    case RTNL_LINK:
        if (m->del) {
            iface_del(s, m->link.ifindex, now);
        } else {
            iface_set(s, &m->link, now);
        }
        return 0;
    case RTNL_ADDR:
        if (m->del) {
            host_forget(s, MARK_ADDR, m->addr.ifindex, &m->addr.addr);
        } else {
            host_set(s, MARK_ADDR, m->addr.ifindex, &m->addr.addr,
                     (struct eth_addr){{0}}, s->addr_round);
        }
        return 0;
    case RTNL_NEIGH:
        neigh_set(s, &m->neigh, now);
        return 0;
    case RTNL_ROUTE4:
    case RTNL_ROUTE6:
        if (in_dump) {
            route_table_dump_route(s->routes, &m->route, now);
            return 0;
        }
        return route_table_event(s->routes, m, now) ? m->kind : 0;
    case RTNL_NEXTHOP:
        return 0;
    }
    return 0;
}

void vm_state_prefetch(const struct vm_state *s, const struct rtnl_msg *m)
{
    if (m->kind & RTNL_ROUTES) {
        route_table_prefetch(s->routes, &m->route.prefix);
    }
}

void vm_state_dump_begin(struct vm_state *s, enum rtnl_kind kind)
{
    switch (kind) {
    case RTNL_LINK:
        s->link_round++;
        break;
    case RTNL_ADDR:
        s->addr_round++;
        break;
    case RTNL_NEIGH:
        s->neigh_round++;
        break;
    case RTNL_ROUTE4:
    case RTNL_ROUTE6:
        route_table_dump_begin(s->routes, kind == RTNL_ROUTE4 ? IP_V4 : IP_V6);
        break;
    case RTNL_NEXTHOP:
        break;
    }
}

static void sweep_ifaces(struct vm_state *s, int64_t now)
{
    struct iface *i, *next;

    HASH_ITER (hh, s->ifaces, i, next) {
        if (i->round != s->link_round) {
            iface_del(s, i->ifindex, now);
        }
    }
}

static void sweep_addrs(struct vm_state *s)
{
    struct host *h, *next;

    HASH_ITER (hh, s->addrs, h, next) {
        if (h->round != s->addr_round) {
            host_del(s, MARK_ADDR, h);
        }
    }
}

static void sweep_neighs(struct vm_state *s, int64_t now)
{
    struct host *h, *next;

    HASH_ITER (hh, s->neighs, h, next) {
        if (h->round != s->neigh_round &&
            !prober_neigh(s->prober, h->key.ifindex, &h->key.prefix.addr, false, 0,
                          now)) {
            host_del(s, MARK_NEIGH, h);
        }
    }
}

void vm_state_dump_end(struct vm_state *s, enum rtnl_kind kind, bool complete,
                       int64_t now)
{
    if (kind & RTNL_ROUTES) {
        route_table_dump_end(s->routes, kind == RTNL_ROUTE4 ? IP_V4 : IP_V6, complete,
                             now);
    } else if (complete && kind == RTNL_LINK) {
        sweep_ifaces(s, now);
    } else if (complete && kind == RTNL_ADDR) {
        sweep_addrs(s);
    } else if (complete && kind == RTNL_NEIGH) {
        sweep_neighs(s, now);
    }
}

/* To rfserver. */

void vm_state_resync(struct vm_state *s)
{
    marks_clear(s->marks);
    for (struct iface *i = s->ifaces; i; i = i->hh.next) {
        touch_port(s, i->vm_port);
        touch_hosts_of(s, i->ifindex, i->vm_port);
    }
    withdrawals_clear(s->withdrawals);
    route_table_resync(s->routes);
    s->sync = SYNC_BEGIN;
}

/* Probing. */

static void tell_gateways(struct vm_state *s, int64_t now)
{
    const struct hop_sets *sets = route_table_hops(s->routes);

    if (s->hops_version == hop_sets_version(sets)) {
        return;
    }
    s->hops_version = hop_sets_version(sets);
    prober_gateways_begin(s->prober);
    for (uint32_t id = 1; id <= hop_sets_max_id(sets); id++) {
        uint16_t n = 0;
        const struct rtnl_hop *hops = hop_sets_get(sets, id, &n);
        for (uint16_t i = 0; i < n; i++) {
            if (hops[i].gateway.version != IP_NONE) {
                prober_gateway(s->prober, hops[i].ifindex, &hops[i].gateway, now);
            }
        }
    }
    prober_gateways_end(s->prober);
}

static bool has_carrier(const struct vm_state *s, uint32_t ifindex)
{
    return iface_has_carrier(iface_find(s->ifaces, ifindex));
}

struct probe_call {
    struct vm_state *s;
    int (*probe)(void *aux, uint32_t, const struct ip_addr *, enum nl_probe);
    void *aux;
};

static bool call_wanted(void *call_, uint32_t ifindex)
{
    struct probe_call *call = call_;

    return has_carrier(call->s, ifindex);
}

static int call_probe(void *call_, uint32_t ifindex, const struct ip_addr *addr,
                      enum nl_probe how)
{
    struct probe_call *call = call_;

    return call->probe(call->aux, ifindex, addr, how);
}

static void call_lost(void *call_, uint32_t ifindex, const struct ip_addr *addr)
{
    struct probe_call *call = call_;
    const struct ip_prefix p = prefix_of_host(addr);

    host_forget(call->s, MARK_NEIGH, ifindex, &p);
}

void vm_state_probe(struct vm_state *s, int64_t now,
                    int (*probe)(void *aux, uint32_t ifindex, const struct ip_addr *,
                                 enum nl_probe),
                    void *aux)
{
    static const struct prober_ops ops = {
        .wanted = call_wanted, .probe = call_probe, .lost = call_lost};
    struct probe_call call = {s, probe, aux};

    tell_gateways(s, now);
    prober_run(s->prober, now, &ops, &call);
}

int64_t vm_state_wakeup(const struct vm_state *s)
{
    return prober_wakeup(s->prober);
}

/* For the daemon. */

bool vm_state_port(const struct vm_state *s, uint32_t vm_port, struct rtnl_link *ret)
{
    const struct iface *i = vm_port ? iface_of_port(s->ifaces, vm_port) : NULL;

    if (!i) {
        return false;
    }
    *ret = i->link;
    return true;
}

uint32_t vm_state_port_of(const struct vm_state *s, uint32_t ifindex)
{
    const struct iface *i = iface_find(s->ifaces, ifindex);

    return i ? i->vm_port : 0;
}

void vm_state_counts(const struct vm_state *s, struct vm_state_counts *ret)
{
    struct vm_state_counts c = {
        .routes = route_table_count(s->routes),
        .unresolved = prober_unresolved(s->prober),
    };

    for (struct iface *i = s->ifaces; i; i = i->hh.next) {
        c.ports += i->vm_port != 0;
    }
    for (struct host *h = s->addrs; h; h = h->hh.next) {
        c.addrs += has_carrier(s, h->key.ifindex);
    }
    for (struct host *h = s->neighs; h; h = h->hh.next) {
        c.neighs += has_carrier(s, h->key.ifindex);
    }
    *ret = c;
}

struct vm_state *vm_state_create(const struct port_pattern *pattern,
                                 const struct prober_config *prober)
{
    struct vm_state *s = xcalloc(1, sizeof *s);

    s->pattern = *pattern;
    s->routes = route_table_create();
    s->withdrawals = withdrawals_create();
    s->marks = marks_create();
    s->prober = prober_create(prober);
    return s;
}

void vm_state_destroy(struct vm_state *s)
{
    if (s) {
        struct iface *i, *next_i;
        struct host *h, *next_h;
        HASH_ITER (hh, s->ifaces, i, next_i) {
            iface_remove(&s->ifaces, i);
        }
        HASH_ITER (hh, s->addrs, h, next_h) {
            HASH_DELETE(hh, s->addrs, h);
            free(h);
        }
        HASH_ITER (hh, s->neighs, h, next_h) {
            HASH_DELETE(hh, s->neighs, h);
            free(h);
        }
        prober_destroy(s->prober);
        marks_destroy(s->marks);
        withdrawals_destroy(s->withdrawals);
        route_table_destroy(s->routes);
        free(s);
    }
}
