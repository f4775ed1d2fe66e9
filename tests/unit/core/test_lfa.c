/* Alternates in networks made of RIBs alone. */

#include "unit.h"

#include <limits.h>
#include <string.h>

#include "core/lfa.h"
#include "dice.h"
#include "plane_peer.h"

/* Router n is VM n (from 1), its port to router m is port m, and datapath port 100 + m;
 * port 99 is its edge, with 172.31.n.0/24.  The address of n towards m is 10.n.m.1. */
enum { ROUTERS = 8, EDGE = 99 };

static struct rib *ribs[ROUTERS + 1];
static bool linked[ROUTERS + 1][ROUTERS + 1];
static struct lfa *lfa;

static struct rib *rib_of(void *aux, uint64_t vm_id)
{
    return vm_id <= ROUTERS ? ribs[vm_id] : NULL;
}

static bool peer_of(void *aux, struct vm_key port, struct vm_key *ret)
{
    if (port.vm_port > ROUTERS || !linked[port.vm_id][port.vm_port]) {
        return false;
    }
    *ret = (struct vm_key){.vm_id = port.vm_port, .vm_port = (uint32_t)port.vm_id};
    return true;
}

static struct eth_addr mac(uint32_t router, uint32_t port)
{
    return (struct eth_addr){.ea = {2, 0, 0, 0, (uint8_t)router, (uint8_t)port}};
}

static struct ip_addr address(uint32_t router, uint32_t port)
{
    return ip_from_v4(10u << 24 | router << 16 | port << 8 | 1);
}

static void set_port(uint32_t router, uint32_t port, bool carrier)
{
    struct vm_port p = {.vm_port = port,
                        .hwaddr = mac(router, port),
                        .admin_up = true,
                        .carrier = carrier};
    ck_assert(rib_port_set(ribs[router], &p));
}

static void add_port(uint32_t router, uint32_t port)
{
    set_port(router, port, true);
    rib_map_port(ribs[router], port, 100 + port,
                 port == EDGE ? PORT_EDGE : PORT_INTERNAL, true);
}

static void route(uint32_t router, struct ip_prefix to, const uint32_t *via, unsigned n)
{
    struct vm_route r = {.prefix = to, .kind = VM_ROUTE_UNICAST, .n_hops = (uint16_t)n};

    for (unsigned i = 0; i < n; i++) {
        r.hops[i] = (struct vm_hop){.vm_port = via[i], .weight = 1};
        if (via[i] != EDGE) {
            r.hops[i].gateway = address(via[i], router);
        }
    }
    ck_assert(rib_route_set(ribs[router], &r));
}

static void route_via(uint32_t router, const char *to, uint32_t via)
{
    route(router, prefix(to), &via, 1);
}

static struct ip_prefix net_of(uint32_t router)
{
    return (struct ip_prefix){.addr = ip_from_v4(172u << 24 | 31 << 16 | router << 8),
                              .plen = 24};
}

static void setup(void)
{
    static const struct lfa_ops ops = {.rib = rib_of, .peer = peer_of};
    const uint32_t edge = EDGE;

    memset(linked, 0, sizeof linked);
    for (uint32_t n = 1; n <= ROUTERS; n++) {
        ribs[n] = rib_create();
        add_port(n, EDGE);
        route(n, net_of(n), &edge, 1);
    }
    lfa = lfa_create(&ops, NULL);
}

static void teardown(void)
{
    for (uint32_t n = 1; n <= ROUTERS; n++) {
        rib_destroy(ribs[n]);
    }
    lfa_destroy(lfa);
}

static void link_half(uint32_t a, uint32_t b)
{
    struct vm_neigh n = {.vm_port = b, .addr = address(b, a), .hwaddr = mac(b, a)};

    linked[a][b] = true;
    add_port(a, b);
    ck_assert(rib_neigh_set(ribs[a], &n));
}

static void link_up(uint32_t a, uint32_t b)
{
    link_half(a, b);
    link_half(b, a);
}

static void pass(uint32_t router)
{
    lfa_begin(lfa, router);
    while (lfa_run(lfa, 3)) {
    }
}

/* 1 - 4 direct, and ways round by 2 and by 3: the classic ring with its diagonal. */
static void make_diagonal(void)
{
    link_up(1, 2);
    link_up(2, 4);
    link_up(4, 3);
    link_up(3, 1);
    link_up(1, 4);
    route_via(1, "172.31.4.0/24", 4);
    route_via(2, "172.31.4.0/24", 4);
    route_via(3, "172.31.4.0/24", 4);
}

static struct plane_peer peer;

static void take(uint32_t router)
{
    peer_drain(&peer, ribs[router], INT_MAX);
}

static const struct fib_group *group_to(const char *dst)
{
    struct ip_prefix p = prefix(dst);
    const struct fib_entry *e = peer_fib(&peer, &p);

    ck_assert_msg(e, "no FIB entry %s", dst);
    ck_assert_int_eq(e->target.verdict, FIB_GROUP);
    return peer_group(&peer, e->target.group);
}

static bool routed(const char *dst)
{
    struct ip_prefix p = prefix(dst);
    return peer_fib(&peer, &p);
}

/* Begins with what router 1 has, and loses its link to 4. */
static void lose_link(void)
{
    memset(&peer, 0, sizeof peer);
    rib_snapshot_begin(ribs[1]);
    take(1);
    peer.n_fib_changes = peer.n_group_changes = 0;
    rib_port_link(ribs[1], 4, true);
    take(1);
}

START_TEST(lost_link_is_one_group_change_to_the_alternate)
{
    make_diagonal();
    for (uint32_t i = 0; i < 100; i++) {
        struct ip_prefix p = {.addr = ip_from_v4(20u << 24 | i << 8), .plen = 24};
        for (uint32_t router = 1; router <= 3; router++) {
            route(router, p, &(uint32_t){4}, 1);
        }
        route(4, p, &(uint32_t){EDGE}, 1);
    }
    pass(1);
    lose_link();
    ck_assert_int_eq(peer.n_group_changes, 1);
    /* The neighbour's host entry is gone with its port, but no route. */
    ck_assert(routed("20.0.7.0/24"));
    const struct fib_group *g = group_to("172.31.4.0/24");
    ck_assert_uint_eq(g->n_hops, 1);
    ck_assert_uint_eq(g->hops[0].dp_port, 102);
    ck_assert(eth_equal(g->hops[0].src, mac(1, 2)));
    ck_assert(eth_equal(g->hops[0].dst, mac(2, 1)));

    /* Back again: as before. */
    peer.n_fib_changes = 0;
    rib_port_link(ribs[1], 4, false);
    take(1);
    ck_assert_int_eq(peer.n_fib_changes, 0);
    ck_assert_uint_eq(group_to("20.0.7.0/24")->hops[0].dp_port, 104);
}
END_TEST

START_TEST(switch_has_the_alternate_beforehand)
{
    make_diagonal();
    pass(1);
    memset(&peer, 0, sizeof peer);
    rib_snapshot_begin(ribs[1]);
    take(1);
    const struct fib_group *g = group_to("172.31.4.0/24");
    ck_assert_uint_eq(g->n_hops, 2);
    ck_assert(fib_hops_have_alternate(g->n_hops, g->hops));
    ck_assert_uint_eq(g->hops[0].dp_port, 104);
    ck_assert_uint_eq(g->hops[1].dp_port, 102);
    ck_assert(eth_equal(g->hops[1].src, mac(1, 2)));
    ck_assert(eth_equal(g->hops[1].dst, mac(2, 1)));

    /* What the next pass finds is one change of the group. */
    peer.n_group_changes = 0;
    route_via(2, "172.31.4.0/24", 1);
    pass(1);
    take(1);
    ck_assert_int_eq(peer.n_group_changes, 1);
    ck_assert_uint_eq(group_to("172.31.4.0/24")->hops[1].dp_port, 103);
    route_via(3, "172.31.4.0/24", 2);
    pass(1);
    take(1);
    ck_assert_uint_eq(group_to("172.31.4.0/24")->n_hops, 1);
}
END_TEST

static void set_mtu(uint32_t router, uint32_t port, uint32_t mtu)
{
    struct vm_port p = {.vm_port = port,
                        .hwaddr = mac(router, port),
                        .admin_up = true,
                        .carrier = true,
                        .mtu = mtu};
    ck_assert(rib_port_set(ribs[router], &p));
}

START_TEST(alternate_by_a_narrower_port_waits_for_the_loss)
{
    make_diagonal();
    set_mtu(1, EDGE, 1500);
    set_mtu(1, 4, 1500);
    set_mtu(1, 2, 1400);
    set_mtu(1, 3, 1400);
    pass(1);
    memset(&peer, 0, sizeof peer);
    rib_snapshot_begin(ribs[1]);
    take(1);
    ck_assert_uint_eq(group_to("172.31.4.0/24")->n_hops, 1);
    ck_assert_uint_eq(group_to("172.31.4.0/24")->mtu, 0);
    rib_port_link(ribs[1], 4, true);
    take(1);
    ck_assert_uint_eq(group_to("172.31.4.0/24")->n_hops, 1);
    ck_assert_uint_eq(group_to("172.31.4.0/24")->hops[0].dp_port, 102);
    ck_assert_uint_eq(group_to("172.31.4.0/24")->mtu, 1400);
}
END_TEST

START_TEST(every_way_to_lose_a_port_counts)
{
    make_diagonal();
    pass(1);
    lose_link();
    ck_assert_uint_eq(group_to("172.31.4.0/24")->hops[0].dp_port, 102);
    rib_port_link(ribs[1], 4, false);
    set_port(1, 4, false);
    take(1);
    ck_assert_uint_eq(group_to("172.31.4.0/24")->hops[0].dp_port, 102);
    set_port(1, 4, true);
    take(1);
    ck_assert_uint_eq(group_to("172.31.4.0/24")->hops[0].dp_port, 104);
    rib_unmap_port(ribs[1], 4);
    take(1);
    ck_assert_uint_eq(group_to("172.31.4.0/24")->hops[0].dp_port, 102);
    /* The alternate is lost, too. */
    rib_unmap_port(ribs[1], 2);
    take(1);
    ck_assert(!routed("172.31.4.0/24"));
}
END_TEST

START_TEST(neighbour_that_would_send_it_back_is_no_alternate)
{
    make_diagonal();
    route_via(2, "172.31.4.0/24", 1); /* A costly link 2 - 4. */
    pass(1);
    lose_link();
    ck_assert_uint_eq(group_to("172.31.4.0/24")->hops[0].dp_port, 103);
    route_via(3, "172.31.4.0/24", 2); /* Now 3 sends it back by 2. */
    rib_port_link(ribs[1], 4, false);
    pass(1);
    lose_link();
    ck_assert(!routed("172.31.4.0/24"));
}
END_TEST

START_TEST(neighbour_must_reach_all_that_the_set_routes)
{
    make_diagonal();
    route_via(1, "20.1.0.0/16", 4);
    route_via(3, "20.1.0.0/16", 4);
    route_via(4, "20.1.0.0/16", EDGE); /* 2 does not know it. */
    pass(1);
    lose_link();
    ck_assert_uint_eq(group_to("172.31.4.0/24")->hops[0].dp_port, 103);
    ck_assert_uint_eq(group_to("20.1.0.0/16")->hops[0].dp_port, 103);
}
END_TEST

START_TEST(equal_ways_must_all_arrive)
{
    make_diagonal();
    route(2, net_of(4), (uint32_t[]){1, 4}, 2);
    pass(1);
    lose_link();
    ck_assert_uint_eq(group_to("172.31.4.0/24")->hops[0].dp_port, 103);
}
END_TEST

START_TEST(set_with_another_hop_needs_no_alternate)
{
    make_diagonal();
    route(1, net_of(4), (uint32_t[]){3, 4}, 2);
    pass(1);
    lose_link();
    ck_assert_int_eq(peer.n_group_changes, 1);
    ck_assert_uint_eq(group_to("172.31.4.0/24")->n_hops, 1);
    ck_assert_uint_eq(group_to("172.31.4.0/24")->hops[0].dp_port, 103);
}
END_TEST

START_TEST(repair_ends_with_the_next_pass_or_the_answer_of_the_suite)
{
    make_diagonal();
    pass(1);
    lose_link();
    route_via(1, "172.31.4.0/24", 3);
    take(1);
    ck_assert_uint_eq(group_to("172.31.4.0/24")->hops[0].dp_port, 103);
    route_via(1, "172.31.4.0/24", 4);
    rib_port_link(ribs[1], 4, false);
    pass(1);
    lose_link();
    ck_assert(routed("172.31.4.0/24"));
    pass(1);
    take(1);
    ck_assert(!routed("172.31.4.0/24"));
}
END_TEST

START_TEST(route_that_the_suite_withdraws_goes_at_once)
{
    struct ip_prefix p = prefix("172.31.4.0/24");

    make_diagonal();
    pass(1);
    lose_link();
    rib_route_del(ribs[1], &p);
    take(1);
    ck_assert(!routed("172.31.4.0/24"));
}
END_TEST

/* Random networks with shortest paths. */

static uint32_t cost[ROUTERS + 1][ROUTERS + 1], dist[ROUTERS + 1][ROUTERS + 1];

static void make_random(struct dice *dice)
{
    for (uint32_t a = 1; a <= ROUTERS; a++) {
        for (uint32_t b = 1; b <= ROUTERS; b++) {
            dist[a][b] = a == b ? 0 : 1000;
        }
    }
    for (uint32_t a = 1; a <= ROUTERS; a++) {
        for (uint32_t b = a + 1; b <= ROUTERS; b++) {
            if (roll(dice, 3) == 0) {
                link_up(a, b);
                cost[a][b] = cost[b][a] = 1 + roll(dice, 4);
                dist[a][b] = dist[b][a] = cost[a][b];
            }
        }
    }
    for (uint32_t k = 1; k <= ROUTERS; k++) {
        for (uint32_t a = 1; a <= ROUTERS; a++) {
            for (uint32_t b = 1; b <= ROUTERS; b++) {
                dist[a][b] = MIN(dist[a][b], dist[a][k] + dist[k][b]);
            }
        }
    }
    for (uint32_t a = 1; a <= ROUTERS; a++) {
        for (uint32_t to = 1; to <= ROUTERS; to++) {
            uint32_t via[ROUTERS];
            unsigned n = 0;
            for (uint32_t b = 1; b <= ROUTERS; b++) {
                if (linked[a][b] && dist[b][to] + cost[a][b] == dist[a][to]) {
                    via[n++] = b;
                }
            }
            if (a != to && n) {
                route(a, net_of(to), via, n);
            }
        }
    }
}

static void check_alternates(uint64_t seed)
{
    struct dice dice = {.state = seed};
    unsigned n_alternates = 0;

    make_random(&dice);
    for (uint32_t s = 1; s <= ROUTERS; s++) {
        pass(s);
        for (uint32_t lost = 1; lost <= ROUTERS; lost++) {
            if (!linked[s][lost]) {
                continue;
            }
            memset(&peer, 0, sizeof peer);
            rib_port_link(ribs[s], lost, true);
            rib_snapshot_begin(ribs[s]);
            take(s);
            for (uint32_t to = 1; to <= ROUTERS; to++) {
                struct ip_prefix p = net_of(to);
                const struct fib_entry *e = peer_fib(&peer, &p);
                if (to == s || !e || e->target.verdict != FIB_GROUP) {
                    continue;
                }
                const struct fib_group *g = peer_group(&peer, e->target.group);
                for (unsigned i = 0; i < g->n_hops; i++) {
                    const uint32_t n = g->hops[i].dp_port - 100;
                    MUST_MSG(n != lost, "by the lost link: seed %u", (unsigned)seed);
                    /* Loop-free: dist(N, D) < dist(N, S) + dist(S, D). */
                    MUST_MSG(dist[n][to] < dist[n][s] + dist[s][to],
                             "from %u by %u to %u: seed %u", s, n, to, (unsigned)seed);
                    n_alternates += dist[n][to] + cost[s][n] != dist[s][to];
                }
            }
            rib_port_link(ribs[s], lost, false);
            take(s);
        }
    }
    MUST_MSG(n_alternates, "no alternates: seed %u", (unsigned)seed);
}

START_TEST(alternates_are_those_of_rfc_5286)
{
    for (uint64_t seed = 5286; seed < 5286 + 50; seed++) {
        check_alternates(seed);
        teardown();
        setup();
    }
}
END_TEST

UNIT_MAIN_WITH("core/lfa", setup, teardown,
               lost_link_is_one_group_change_to_the_alternate,
               switch_has_the_alternate_beforehand,
               alternate_by_a_narrower_port_waits_for_the_loss,
               every_way_to_lose_a_port_counts,
               neighbour_that_would_send_it_back_is_no_alternate,
               neighbour_must_reach_all_that_the_set_routes, equal_ways_must_all_arrive,
               set_with_another_hop_needs_no_alternate,
               repair_ends_with_the_next_pass_or_the_answer_of_the_suite,
               route_that_the_suite_withdraws_goes_at_once,
               alternates_are_those_of_rfc_5286)
