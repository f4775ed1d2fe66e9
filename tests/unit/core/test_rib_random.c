#include "unit.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "dice.h"
#include "plane_peer.h"

/* Random inputs, against a model that computes the desired state from scratch. */

#define PORTS 4 /* VM ports 1..PORTS. */

static const char *const PREFIXES[] = {
    "0.0.0.0/0",     "10.0.0.0/8",        "10.0.1.0/24",
    "10.0.2.0/24",   "10.0.1.0/25",       "10.0.1.2/32",
    "10.0.1.200/32", "10.0.2.3/32",       "50.0.0.0/8",
    "60.1.0.0/16",   "169.254.0.0/16",    "224.0.0.0/4",
    "::/0",          "2001:db8:1::/64",   "2001:db8:2::/64",
    "fe80::/64",     "2001:db8:1::2/128", "2001:db8:1::/96",
    "ff00::/8",      "70.0.0.0/9"};
static const char *const ADDRS[] = {"10.0.1.2", "10.0.1.200",    "10.0.2.3",
                                    "10.0.2.4", "2001:db8:1::2", "2001:db8:2::9",
                                    "fe80::1",  "fe80::2",       "99.0.0.1"};

enum { INSIDE = 2, FIRST_INSIDE = 101 };

struct model_port {
    bool known, known_seen, mapped, active, remote;
    uint8_t mac;
    uint32_t mtu;
    uint32_t dp_port;
    enum port_class class;
};

struct model {
    struct model_port ports[PORTS + 1];
    struct vm_route routes[ARRAY_SIZE(PREFIXES)]; /* kind 0: none. */
    bool route_seen[ARRAY_SIZE(PREFIXES)];
    uint8_t neighs[PORTS + 1][ARRAY_SIZE(ADDRS)]; /* MAC, 0: none. */
    bool neigh_seen[PORTS + 1][ARRAY_SIZE(ADDRS)];
    bool addrs[PORTS + 1][ARRAY_SIZE(ADDRS)];
    bool addr_seen[PORTS + 1][ARRAY_SIZE(ADDRS)];
    bool syncing;
    int64_t now;
    bool aged;           /* Nothing is kept that leads an older way. */
    bool inside[INSIDE]; /* Datapath ports FIRST_INSIDE... */
};

static struct eth_addr mac(uint8_t last)
{
    return (struct eth_addr){.ea = {2, 0, 0, 0, 0, last}};
}

static bool usable(const struct model *m, uint32_t vm_port)
{
    const struct model_port *p = &m->ports[vm_port];
    return vm_port <= PORTS && p->known && p->mapped && p->active;
}

static uint8_t resolve(const struct model *m, const struct vm_hop *h)
{
    for (size_t i = 0; i < ARRAY_SIZE(ADDRS); i++) {
        struct ip_addr a = ip(ADDRS[i]);
        if (ip_equal(&a, &h->gateway)) {
            return m->neighs[h->vm_port][i];
        }
    }
    return 0;
}

static bool hidden(const struct ip_addr *a)
{
    return ip_is_link_local(a) || ip_is_multicast(a) || ip_is_loopback(a);
}

/* The least MTU of known ports among the hops with a gateway, if that is not the most
 * that any port has. */
static uint16_t model_mtu(const struct model *m, const struct vm_hop *hops, int n)
{
    uint32_t widest = 0, least = UINT32_MAX;

    for (int i = 1; i <= PORTS; i++) {
        widest = m->ports[i].known ? MAX(widest, m->ports[i].mtu) : widest;
    }
    for (int i = 0; i < n; i++) {
        const struct model_port *p =
            hops[i].vm_port <= PORTS ? &m->ports[hops[i].vm_port] : NULL;
        if (hops[i].gateway.version != IP_NONE && p && p->known && p->mtu) {
            least = MIN(least, p->mtu);
        }
    }
    return least < widest ? (uint16_t)least : 0;
}

/* The group of these hops; false: none of them has a gateway on a usable port. */
static bool model_group(const struct model *m, const struct vm_hop *hops, int n,
                        struct fib_group *ret)
{
    bool any = false;

    ret->mtu = model_mtu(m, hops, n);
    ret->n_hops = 0;
    for (int i = 0; i < n; i++) {
        if (hops[i].gateway.version != IP_NONE && usable(m, hops[i].vm_port)) {
            any = true;
            uint8_t dst = resolve(m, &hops[i]);
            if (dst) {
                const struct model_port *p = &m->ports[hops[i].vm_port];
                ret->hops[ret->n_hops++] =
                    (struct fib_hop){.dp_port = p->dp_port,
                                     .weight = n == 1 ? 1 : hops[i].weight,
                                     .src = mac(p->mac),
                                     .dst = mac(dst)};
            }
        }
    }
    return any;
}

/* The host entry of an address: by the longest match. */
static bool model_host(const struct model *m, const struct ip_addr *addr,
                       struct fib_group *ret)
{
    const struct vm_route *best = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(PREFIXES); i++) {
        const struct vm_route *r = &m->routes[i];
        if (r->kind && prefix_contains(&r->prefix, addr) &&
            (!best || r->prefix.plen > best->prefix.plen)) {
            best = r;
        }
    }
    for (int i = 0; best && !hidden(addr) && i < best->n_hops; i++) {
        struct vm_hop h = {
            .vm_port = best->hops[i].vm_port, .weight = 1, .gateway = *addr};
        if (best->hops[i].gateway.version == IP_NONE && usable(m, h.vm_port) &&
            resolve(m, &h)) {
            return model_group(m, &h, 1, ret);
        }
    }
    return false;
}

/* What the FIB must hold of a prefix; verdict 0 for nothing. */
static uint8_t model_fib(const struct model *m, const struct ip_prefix *p,
                         struct fib_group *ret)
{
    const struct vm_route *r = NULL;
    bool connected = false;

    for (size_t i = 0; i < ARRAY_SIZE(PREFIXES); i++) {
        if (m->routes[i].kind && prefix_equal(&m->routes[i].prefix, p)) {
            r = &m->routes[i];
        }
    }
    if (hidden(&p->addr)) {
        return 0;
    }
    if (r && r->kind != VM_ROUTE_UNICAST) {
        return r->kind == VM_ROUTE_BLACKHOLE ? FIB_DROP : FIB_PUNT;
    }
    if (r && model_group(m, r->hops, r->n_hops, ret)) {
        return FIB_GROUP;
    }
    for (int i = 0; r && i < r->n_hops; i++) {
        connected |=
            r->hops[i].gateway.version == IP_NONE && usable(m, r->hops[i].vm_port);
    }
    if (prefix_is_host(p) && (!r || connected) && model_host(m, &p->addr, ret)) {
        return FIB_GROUP;
    }
    return connected ? FIB_PUNT : 0;
}

static int check_prefix(const struct model *m, struct plane_peer *peer,
                        const struct ip_prefix *p)
{
    struct fib_group want;
    uint8_t verdict = model_fib(m, p, &want);
    const struct fib_entry *e = peer_fib(peer, p);
    char text[IP_PREFIX_STRLEN];

    MUST_MSG((e ? e->target.verdict : 0) == verdict, "%s: %d, not %d",
             prefix_format(p, text), e ? e->target.verdict : 0, verdict);
    if (verdict == FIB_GROUP) {
        const struct fib_group *g = peer_group(peer, e->target.group);
        bool kept = !m->aged && !want.n_hops && g && g->n_hops;
        MUST_MSG(g && (kept || hops_equal(g, &want)), "group of %s",
                 prefix_format(p, text));
    }
    return verdict != 0;
}

static bool is_listed(const struct ip_prefix *p)
{
    for (size_t i = 0; i < ARRAY_SIZE(PREFIXES); i++) {
        struct ip_prefix q = prefix(PREFIXES[i]);
        if (prefix_equal(p, &q)) {
            return true;
        }
    }
    return false;
}

static void check_ports(const struct model *m, struct plane_peer *peer)
{
    int n = 0;

    for (uint32_t i = 1; i <= PORTS; i++) {
        bool shared = false;
        for (uint32_t j = 1; j < i; j++) {
            shared |= usable(m, j) && !m->ports[j].remote &&
                      m->ports[j].dp_port == m->ports[i].dp_port;
        }
        if (usable(m, i) && !shared && !m->ports[i].remote) {
            const struct plane_port *o = peer_port(peer, m->ports[i].dp_port);
            n++;
            MUST(o && o->class == m->ports[i].class);
            MUST(eth_equal(o->mac, mac(m->ports[i].mac)));
        }
    }
    for (uint32_t i = 0; i < INSIDE; i++) {
        const struct plane_port *o = peer_port(peer, FIRST_INSIDE + i);
        n += m->inside[i];
        MUST(m->inside[i] == (o && o->class == PORT_INSIDE));
    }
    MUST(peer->n_ports == n);
}

/* The first usable port of this MAC with such a neighbour, 0 if none. */
static uint32_t model_transit(const struct model *m, uint8_t src, uint8_t dst)
{
    for (uint32_t port = 1; port <= PORTS; port++) {
        for (size_t i = 0; i < ARRAY_SIZE(ADDRS) && usable(m, port); i++) {
            if (m->ports[port].mac == src && m->neighs[port][i] == dst) {
                return m->ports[port].dp_port;
            }
        }
    }
    return 0;
}

static void check_transits(const struct model *m, struct plane_peer *peer)
{
    bool any_inside = false;
    int n = 0;

    for (uint32_t i = 0; i < INSIDE; i++) {
        any_inside |= m->inside[i];
    }
    for (uint8_t src = 1; src <= 3 && any_inside; src++) {
        for (uint8_t dst = 10; dst <= 12; dst++) {
            const struct plane_transit *t = peer_transit(peer, mac(src), mac(dst));
            const uint32_t want = model_transit(m, src, dst);
            MUST_MSG((t ? t->dp_port : 0) == want, "%d > %d: %u, not %u", src, dst,
                     t ? t->dp_port : 0, want);
            n += want != 0;
        }
    }
    MUST(peer->n_transits == n);
}

static void check_all(const struct model *m, struct plane_peer *peer)
{
    int n_fib = 0, n_addrs = 0;

    check_ports(m, peer);
    check_transits(m, peer);
    for (size_t i = 0; i < ARRAY_SIZE(PREFIXES); i++) {
        struct ip_prefix p = prefix(PREFIXES[i]);
        n_fib += check_prefix(m, peer, &p);
    }
    for (size_t i = 0; i < ARRAY_SIZE(ADDRS); i++) {
        struct ip_addr a = ip(ADDRS[i]);
        struct ip_prefix p = prefix_of_host(&a);
        if (!is_listed(&p)) {
            n_fib += check_prefix(m, peer, &p);
        }
        bool own = false;
        for (int port = 0; port <= PORTS; port++) {
            own |= m->addrs[port][i];
        }
        MUST((peer_addr(peer, &a) != NULL) == own);
        n_addrs += own;
    }
    MUST(peer->n_fib == n_fib);
    MUST(peer->n_addrs == n_addrs);
    for (int i = 0; i < peer->n_groups; i++) {
        bool used = false;
        for (int j = 0; j < peer->n_fib; j++) {
            used |= peer->fib[j].target.verdict == FIB_GROUP &&
                    peer->fib[j].target.group == peer->groups[i].id;
        }
        used |= !m->aged && !peer->groups[i].n_hops; /* An entry waits for its hops. */
        MUST_MSG(used, "group %u is unused", peer->groups[i].id);
    }
}

/* Sorted, without duplicates. */
static void roll_hops(struct dice *d, struct vm_route *r)
{
    r->n_hops = 0;
    for (uint32_t port = 0; port <= PORTS; port++) {
        if (roll(d, 3) == 0) {
            struct vm_hop h = {.vm_port = port, .weight = (uint16_t)(1 + roll(d, 3))};
            if (roll(d, 3)) {
                h.gateway = ip(ADDRS[roll(d, ARRAY_SIZE(ADDRS))]);
            }
            r->hops[r->n_hops++] = h;
        }
    }
    if (!r->n_hops) {
        r->n_hops = 1;
        r->hops[0] = (struct vm_hop){.vm_port = 1 + roll(d, PORTS), .weight = 7};
    }
}

static void step_route(struct rib *rib, struct model *m, struct dice *d)
{
    uint32_t i = roll(d, ARRAY_SIZE(PREFIXES));
    struct vm_route *r = &m->routes[i];

    if (roll(d, 3) == 0) {
        struct ip_prefix p = prefix(PREFIXES[i]);
        rib_route_del(rib, &p);
        r->kind = 0;
        if (roll(d, 3) == 0) {
            rib_hurry(rib, &p);
        }
        return;
    }
    *r = (struct vm_route){.prefix = prefix(PREFIXES[i]), .kind = VM_ROUTE_UNICAST};
    uint32_t kind = roll(d, 8);
    if (kind < 2) {
        r->kind = kind ? VM_ROUTE_BLACKHOLE : VM_ROUTE_UNREACHABLE;
    } else {
        roll_hops(d, r);
    }
    MUST(rib_route_set(rib, r));
    if (roll(d, 3) == 0) {
        rib_hurry(rib, &r->prefix);
    }
    m->route_seen[i] = true;
}

static void step_port(struct rib *rib, struct model *m, struct dice *d)
{
    uint32_t i = 1 + roll(d, PORTS);
    struct model_port *p = &m->ports[i];

    switch (roll(d, 6)) {
    case 0:
        rib_port_gone(rib, i);
        p->known = false;
        break;
    case 1:
        rib_unmap_port(rib, i);
        p->mapped = false;
        break;
    case 2:
    case 3:
        p->known = p->known_seen = true;
        p->mac = (uint8_t)(1 + roll(d, 3));
        p->mtu = roll(d, 5) ? 1500 : 1400 * roll(d, 2);
        struct vm_port port = {.vm_port = i,
                               .hwaddr = mac(p->mac),
                               .mtu = p->mtu,
                               .admin_up = true,
                               .carrier = true};
        MUST(rib_port_set(rib, &port));
        break;
    default:
        p->mapped = true;
        p->active = roll(d, 4);
        p->remote = roll(d, 4) == 0;
        if (p->remote) {
            p->dp_port = FIRST_INSIDE + roll(d, INSIDE);
            rib_map_remote(rib, i, p->dp_port, p->active);
            break;
        }
        p->dp_port = 1 + roll(d, 6);
        p->class = roll(d, 2) ? PORT_EDGE : PORT_INTERNAL;
        rib_map_port(rib, i, p->dp_port, p->class, p->active);
    }
}

static void step_neigh(struct rib *rib, struct model *m, struct dice *d)
{
    uint32_t port = roll(d, PORTS + 1), i = roll(d, ARRAY_SIZE(ADDRS));
    struct vm_neigh n = {.vm_port = port, .addr = ip(ADDRS[i])};

    if (roll(d, 3) == 0) {
        rib_neigh_del(rib, port, &n.addr);
        m->neighs[port][i] = 0;
        return;
    }
    m->neighs[port][i] = (uint8_t)(10 + roll(d, 3));
    m->neigh_seen[port][i] = true;
    n.hwaddr = mac(m->neighs[port][i]);
    MUST(rib_neigh_set(rib, &n));
}

static void step_addr(struct rib *rib, struct model *m, struct dice *d)
{
    uint32_t port = roll(d, PORTS + 1), i = roll(d, ARRAY_SIZE(ADDRS));
    struct vm_addr a = {.vm_port = port, .addr = {.addr = ip(ADDRS[i]), .plen = 24}};

    m->addrs[port][i] = roll(d, 2);
    if (m->addrs[port][i]) {
        m->addr_seen[port][i] = true;
        MUST(rib_addr_set(rib, &a));
    } else {
        rib_addr_del(rib, &a);
    }
}

static void step_sync(struct rib *rib, struct model *m, struct dice *d)
{
    if (!m->syncing || roll(d, 8) == 0) {
        rib_begin(rib);
        m->syncing = true;
        for (int i = 0; i <= PORTS; i++) {
            m->ports[i].known_seen = false;
        }
        memset(m->route_seen, 0, sizeof m->route_seen);
        memset(m->neigh_seen, 0, sizeof m->neigh_seen);
        memset(m->addr_seen, 0, sizeof m->addr_seen);
        return;
    }
    rib_end(rib);
    m->syncing = false;
    for (size_t i = 0; i < ARRAY_SIZE(PREFIXES); i++) {
        m->routes[i].kind = m->route_seen[i] ? m->routes[i].kind : 0;
    }
    for (int port = 0; port <= PORTS; port++) {
        m->ports[port].known &= m->ports[port].known_seen;
        for (size_t i = 0; i < ARRAY_SIZE(ADDRS); i++) {
            m->neighs[port][i] *= m->neigh_seen[port][i];
            m->addrs[port][i] &= m->addr_seen[port][i];
        }
    }
}

static void step(struct rib *rib, struct model *m, struct dice *d)
{
    switch (roll(d, 16)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
        step_route(rib, m, d);
        break;
    case 6:
    case 7:
    case 8:
        step_port(rib, m, d);
        break;
    case 9:
    case 10:
    case 11:
    case 12:
        step_neigh(rib, m, d);
        break;
    case 13:
        step_addr(rib, m, d);
        break;
    case 14:
        if (roll(d, 4) == 0) {
            step_sync(rib, m, d);
        }
        break;
    default:
        if (roll(d, 8) == 0) {
            uint32_t i = roll(d, INSIDE);
            m->inside[i] = roll(d, 3);
            rib_set_inside(rib, FIRST_INSIDE + i, m->inside[i]);
        }
        break;
    }
}

/* Gives up on what is not resolved, or leaves it as it is. */
static void age(struct rib *rib, struct model *m, struct plane_peer *peer,
                struct dice *d)
{
    m->aged = roll(d, 2);
    for (int i = 0; i < 2 && m->aged; i++) {
        m->now += RIB_KEEP_MS;
        rib_age(rib, m->now);
        peer_drain(peer, rib, INT_MAX);
    }
}

/* The same client, the same mapping: the same state. */
static void check_copy(const struct rib *rib, const struct plane_peer *peer)
{
    struct rib_counts a, b;
    struct rib *copy = rib_copy(rib);

    rib_counts(rib, &a);
    rib_counts(copy, &b);
    MUST(a.addrs == b.addrs && a.routes == b.routes && a.neighs == b.neighs);
    rib_destroy(copy);
}

START_TEST(peer_holds_what_the_model_computes_after_random_inputs)
{
    struct plane_peer *peer = xcalloc(1, sizeof *peer);

    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct dice d = {.state = seed << 32};
        struct model *m = xcalloc(1, sizeof *m);
        struct rib *rib = rib_create();
        memset(peer, 0, sizeof *peer);
        for (int i = 0; i < 1500; i++) {
            step(rib, m, &d);
            peer_drain(peer, rib, (int)roll(&d, 4));
            if (roll(&d, 200) == 0) {
                /* A new peer, which knows nothing. */
                memset(peer, 0, sizeof *peer);
                rib_snapshot_begin(rib);
            }
            if (roll(&d, 6) == 0) {
                peer_drain(peer, rib, INT_MAX);
                age(rib, m, peer, &d);
                MUST(!rib_pending(rib));
                MUST(!rib_snapshot_active(rib));
                check_all(m, peer);
                check_copy(rib, peer);
            }
        }
        free(m);
        rib_destroy(rib);
    }
    free(peer);
}
END_TEST

/* Everything that can be shown of a RIB in any state agrees with the FIB. */
static void check_shown(struct rib *rib, struct plane_peer *peer)
{
    struct rib_route_info info;
    uint32_t cursor = 0;
    int in_fib = 0;

    while (rib_next_route(rib, &cursor, &info)) {
        const struct fib_entry *e = peer_fib(peer, &info.route.prefix);
        char text[RIB_VERDICT_STRLEN];
        bool kept = info.verdict.reason == RIB_KEPT;
        bool shown = kept || info.verdict.reason == RIB_OK ||
                     info.verdict.reason == RIB_UNRESOLVED;
        rib_verdict_format(&info.verdict, text);
        MUST_MSG(shown == (e != NULL), "%s", text);
        MUST(info.target.verdict == (e ? e->target.verdict : 0));
        if (e && e->target.verdict == FIB_GROUP) {
            const struct fib_group *g = peer_group(peer, e->target.group);
            MUST((kept || info.verdict.reason == RIB_OK) == (g->n_hops > 0));
        }
        in_fib += e != NULL;
    }
    MUST(in_fib == peer->n_fib);
}

static void check_neigh(void *peer, const struct rib_neigh_info *info)
{
    struct ip_prefix p = prefix_of_host(&info->neigh.addr);
    MUST(info->verdict.reason != RIB_OK || peer_fib(peer, &p));
}

START_TEST(reasons_shown_agree_with_the_fib)
{
    struct plane_peer *peer = xcalloc(1, sizeof *peer);

    for (uint64_t seed = 101; seed <= 180; seed++) {
        struct dice d = {.state = seed << 32};
        struct model *m = xcalloc(1, sizeof *m);
        struct rib *rib = rib_create();
        memset(peer, 0, sizeof *peer);
        for (int i = 0; i < 1000; i++) {
            step(rib, m, &d);
            if (roll(&d, 6) == 0) {
                peer_drain(peer, rib, INT_MAX);
                check_shown(rib, peer);
                rib_each_neigh(rib, check_neigh, peer);
            }
        }
        free(m);
        rib_destroy(rib);
    }
    free(peer);
}
END_TEST

UNIT_MAIN("core/rib_random", peer_holds_what_the_model_computes_after_random_inputs,
          reasons_shown_agree_with_the_fib)
