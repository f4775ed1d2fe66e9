#include "unit.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "rib_text.h"

static const char *why(struct rib *rib, const char *dst)
{
    static char text[RIB_VERDICT_STRLEN];
    struct ip_prefix p = prefix(dst);
    struct rib_route_info info;

    rib_explain(rib, &p, &info);
    return rib_verdict_format(&info.verdict, text);
}

START_TEST(early_route_waits_and_appears_when_its_port_becomes_active)
{
    struct plane_peer peer = {0};
    struct rib *rib = rib_create();

    add_route(rib, "172.31.2.0/24", 2, "10.0.0.2");
    add_neigh(rib, 2, "10.0.0.2", 0xb0);
    ck_assert_str_eq(why(rib, "172.31.2.0/24"),
                     "port 2 was not registered by the client");
    add_port(rib, 2);
    ck_assert_str_eq(why(rib, "172.31.2.0/24"), "port 2 not associated");
    rib_map_port(rib, 2, 7, PORT_INTERNAL, false);
    ck_assert_str_eq(why(rib, "172.31.2.0/24"),
                     "port 2 associated, but not active: no mapping frame seen");
    ck_assert_int_eq(peer_drain(&peer, rib, INT_MAX), 0);

    rib_map_port(rib, 2, 7, PORT_INTERNAL, true);
    ck_assert_str_eq(why(rib, "172.31.2.0/24"), "on its way to the FIB");
    ck_assert_int_eq(peer_drain(&peer, rib, INT_MAX), 3);
    ck_assert_str_eq(why(rib, "172.31.2.0/24"), "in the FIB");
    const struct fib_group *g = peer_group(&peer, group_of(&peer, "172.31.2.0/24"));
    ck_assert_int_eq(g->n_hops, 1);
    ck_assert_uint_eq(g->hops[0].dp_port, 7);
    ck_assert(eth_equal(g->hops[0].src, MAC(2)));
    ck_assert(eth_equal(g->hops[0].dst, MAC(0xb0)));
    ck_assert(!rib_pending(rib));

    rib_unmap_port(rib, 2);
    peer_drain(&peer, rib, INT_MAX);
    ck_assert_int_eq(peer.n_fib + peer.n_groups + peer.n_ports, 0);
    rib_destroy(rib);
}
END_TEST

START_TEST(unresolved_gateway_has_an_empty_group_that_the_neighbour_fills)
{
    struct plane_peer peer;
    struct rib *rib = make_rib(&peer);

    add_route(rib, "192.168.0.0/16", 1, "10.0.0.9");
    peer_drain(&peer, rib, INT_MAX);
    uint32_t id = group_of(&peer, "192.168.0.0/16");
    ck_assert_int_eq(peer_group(&peer, id)->n_hops, 0);
    ck_assert_str_eq(why(rib, "192.168.0.0/16"),
                     "next hop 10.0.0.9 on port 1 unresolved");
    struct rib_counts counts;
    rib_counts(rib, &counts);
    ck_assert_uint_eq(counts.unresolved, 1);

    add_neigh(rib, 1, "10.0.0.9", 0xb9);
    peer.n_changes = 0;
    peer_drain(&peer, rib, INT_MAX);
    ck_assert_int_eq(peer.n_changes, 2); /* The group, and the host entry. */
    ck_assert_int_eq(peer_group(&peer, id)->n_hops, 1);
    ck_assert_uint_eq(group_of(&peer, "10.0.0.9/32"), id);
    rib_counts(rib, &counts);
    ck_assert_uint_eq(counts.unresolved, 0);
    rib_destroy(rib);
}
END_TEST

/* 192.168.0.0/16 goes by the neighbour 10.0.0.2, and should by 10.0.0.9. */
static struct rib *make_moved(struct plane_peer *peer, uint32_t *ret_old)
{
    struct rib *rib = make_rib(peer);

    add_neigh(rib, 1, "10.0.0.2", 0xb2);
    add_route(rib, "192.168.0.0/16", 1, "10.0.0.2");
    peer_drain(peer, rib, INT_MAX);
    *ret_old = group_of(peer, "192.168.0.0/16");
    add_route(rib, "192.168.0.0/16", 1, "10.0.0.9");
    peer_drain(peer, rib, INT_MAX);
    ck_assert_uint_eq(group_of(peer, "192.168.0.0/16"), *ret_old);
    ck_assert_str_eq(why(rib, "192.168.0.0/16"),
                     "next hop 10.0.0.9 on port 1 unresolved, the older way is kept");
    ck_assert(!rib_pending(rib));
    return rib;
}

START_TEST(older_way_is_kept_until_the_new_next_hop_is_resolved)
{
    struct plane_peer peer;
    uint32_t old;
    struct rib *rib = make_moved(&peer, &old);

    add_neigh(rib, 1, "10.0.0.2", 0xb3); /* Kept, and kept up to date. */
    peer_drain(&peer, rib, INT_MAX);
    ck_assert(eth_equal(peer_group(&peer, old)->hops[0].dst, MAC(0xb3)));
    ck_assert(!rib_age(rib, 1000));
    ck_assert(!rib_age(rib, 1000 + RIB_KEEP_MS - 1));

    add_neigh(rib, 1, "10.0.0.9", 0xb9);
    peer_drain(&peer, rib, INT_MAX);
    uint32_t new = group_of(&peer, "192.168.0.0/16");
    ck_assert_uint_ne(new, old);
    ck_assert(eth_equal(peer_group(&peer, new)->hops[0].dst, MAC(0xb9)));
    ck_assert_str_eq(why(rib, "192.168.0.0/16"), "in the FIB");
    ck_assert(!rib_age(rib, 1000 + RIB_KEEP_MS));
    rib_destroy(rib);
}
END_TEST

START_TEST(older_way_is_left_when_it_ends_or_the_new_one_is_not_resolved_in_time)
{
    struct plane_peer peer;
    uint32_t old;
    struct rib *rib = make_moved(&peer, &old);
    struct ip_addr addr = ip("10.0.0.2");

    rib_neigh_del(rib, 1, &addr);
    peer_drain(&peer, rib, INT_MAX);
    ck_assert_uint_ne(group_of(&peer, "192.168.0.0/16"), old);
    ck_assert(!peer_group(&peer, old));
    rib_destroy(rib);

    rib = make_moved(&peer, &old);
    ck_assert(!rib_age(rib, 1000));
    ck_assert(rib_age(rib, 1000 + RIB_KEEP_MS));
    peer_drain(&peer, rib, INT_MAX);
    ck_assert_uint_ne(group_of(&peer, "192.168.0.0/16"), old);
    ck_assert_str_eq(why(rib, "192.168.0.0/16"),
                     "next hop 10.0.0.9 on port 1 unresolved");
    ck_assert(!rib_age(rib, 1000 + 2 * RIB_KEEP_MS));
    rib_destroy(rib);
}
END_TEST

START_TEST(older_way_is_no_longer_kept_for_a_route_that_came_back_or_went)
{
    struct plane_peer peer;
    uint32_t old;
    struct rib *rib = make_moved(&peer, &old);
    struct ip_prefix p = prefix("192.168.0.0/16");

    add_route(rib, "192.168.0.0/16", 1, "10.0.0.2");
    ck_assert_int_eq(peer_drain(&peer, rib, INT_MAX), 1); /* The group that was not. */
    ck_assert_uint_eq(group_of(&peer, "192.168.0.0/16"), old);
    ck_assert(rib_age(rib, 1000)); /* Looks after what waited, and finds none. */
    ck_assert_int_eq(peer_drain(&peer, rib, INT_MAX), 0);
    ck_assert(!rib_age(rib, 2000));
    rib_destroy(rib);

    rib = make_moved(&peer, &old);
    rib_route_del(rib, &p);
    peer_drain(&peer, rib, INT_MAX);
    ck_assert(!has_fib(&peer, "192.168.0.0/16"));
    rib_destroy(rib);
}
END_TEST

START_TEST(changed_neighbour_is_one_group_change_for_ten_thousand_routes)
{
    struct plane_peer peer;
    struct rib *rib = make_rib(&peer);
    struct plane_change c;
    int n = 0;

    add_neigh(rib, 1, "10.0.0.2", 0xb0);
    for (uint32_t i = 0; i < 10000; i++) {
        struct vm_route r = {.kind = VM_ROUTE_UNICAST, .n_hops = 1};
        r.prefix.addr = ip_from_v4(0x14000000 + (i << 8));
        r.prefix.plen = 24;
        r.hops[0] = hop(1, "10.0.0.2");
        ck_assert(rib_route_set(rib, &r));
    }
    while (rib_next_change(rib, &c)) {
        n++;
    }
    ck_assert_int_eq(n, 10002); /* One group, one host entry. */
    add_neigh(rib, 1, "10.0.0.2", 0xb1);
    ck_assert(rib_next_change(rib, &c));
    ck_assert_int_eq(c.kind, PLANE_GROUP);
    ck_assert(eth_equal(c.group.hops[0].dst, MAC(0xb1)));
    ck_assert(!rib_next_change(rib, &c));
    rib_destroy(rib);
}
END_TEST

START_TEST(what_is_small_does_not_wait_for_a_pass_over_the_table)
{
    struct plane_peer peer;
    struct rib *rib = make_rib(&peer);
    struct plane_change c;
    int n_small = 0, n_fib = 0;

    add_neigh(rib, 1, "10.0.0.2", 0xb0);
    add_route(rib, "20.0.0.0/8", 1, "10.0.0.2");
    add_route(rib, "30.0.0.0/8", 1, "10.0.0.2");
    peer_drain(&peer, rib, INT_MAX);
    rib_snapshot_begin(rib); /* Begins a pass. */
    for (; rib_next_small(rib, &c); n_small++) {
        ck_assert_int_ne(c.kind, PLANE_FIB);
    }
    ck_assert_int_gt(n_small, 0);
    ck_assert(rib_pending(rib));
    ck_assert(rib_snapshot_active(rib));
    for (; rib_next_change(rib, &c); n_fib++) {
        ck_assert_int_eq(c.kind, PLANE_FIB);
    }
    ck_assert_int_ge(n_fib, 3); /* Two routes, a host entry, what is connected. */
    ck_assert(!rib_pending(rib));
    rib_destroy(rib);
}
END_TEST

static void set_mtu(struct rib *rib, uint32_t vm_port, uint32_t mtu)
{
    struct vm_port p = {.vm_port = vm_port,
                        .hwaddr = MAC((uint8_t)vm_port),
                        .mtu = mtu,
                        .admin_up = true,
                        .carrier = true};
    ck_assert(rib_port_set(rib, &p));
}

START_TEST(only_groups_narrower_than_the_widest_port_have_an_mtu)
{
    struct plane_peer peer;
    struct rib *rib = make_rib(&peer);

    set_mtu(rib, 1, 1500);
    set_mtu(rib, 2, 1500);
    rib_map_port(rib, 2, 12, PORT_INTERNAL, true);
    add_route(rib, "192.168.1.0/24", 1, "10.0.0.9");
    add_route(rib, "192.168.2.0/24", 2, "10.1.0.9");
    peer_drain(&peer, rib, INT_MAX);
    struct fib_group *one = peer_group(&peer, group_of(&peer, "192.168.1.0/24"));
    struct fib_group *two = peer_group(&peer, group_of(&peer, "192.168.2.0/24"));
    ck_assert_int_eq(one->mtu + two->mtu, 0);

    set_mtu(rib, 2, 1400);
    peer.n_fib_changes = 0;
    peer_drain(&peer, rib, INT_MAX);
    ck_assert_int_eq(one->mtu, 0);
    ck_assert_int_eq(two->mtu, 1400);

    set_mtu(rib, 1, 1300); /* Now the other one is the narrow one. */
    peer_drain(&peer, rib, INT_MAX);
    ck_assert_int_eq(one->mtu, 1300);
    ck_assert_int_eq(two->mtu, 0);

    rib_port_gone(rib, 2); /* What is left is all alike. */
    peer_drain(&peer, rib, INT_MAX);
    ck_assert_int_eq(peer_group(&peer, group_of(&peer, "192.168.1.0/24"))->mtu, 0);
    rib_destroy(rib);
}
END_TEST

START_TEST(a_set_has_the_least_mtu_of_its_hops_and_keeps_it_when_one_fails)
{
    struct plane_peer peer;
    struct rib *rib = make_rib(&peer);
    struct vm_route r = {
        .prefix = prefix("192.168.0.0/16"), .kind = VM_ROUTE_UNICAST, .n_hops = 2};

    set_mtu(rib, 1, 1500);
    set_mtu(rib, 2, 1400);
    rib_map_port(rib, 2, 12, PORT_INTERNAL, true);
    add_neigh(rib, 1, "10.0.0.9", 0xb9);
    add_neigh(rib, 2, "10.1.0.9", 0xb8);
    r.hops[0] = hop(1, "10.0.0.9");
    r.hops[1] = hop(2, "10.1.0.9");
    ck_assert(rib_route_set(rib, &r));
    peer_drain(&peer, rib, INT_MAX);
    const struct fib_group *g = peer_group(&peer, group_of(&peer, "192.168.0.0/16"));
    ck_assert_int_eq(g->n_hops, 2);
    ck_assert_int_eq(g->mtu, 1400);

    rib_port_link(rib, 2, true);
    peer_drain(&peer, rib, INT_MAX);
    ck_assert_int_eq(g->n_hops, 1);
    ck_assert_int_eq(g->mtu, 1400);
    rib_destroy(rib);
}
END_TEST

START_TEST(lost_hop_of_64_is_one_group_change_for_a_thousand_routes_of_each_family)
{
    struct plane_peer peer;
    struct rib *rib = make_rib(&peer);
    struct plane_change c;
    struct vm_route r = {.kind = VM_ROUTE_UNICAST, .n_hops = VM_MAX_HOPS};
    char text[IP_STRLEN];

    for (int version = 4; version <= 6; version += 2) {
        for (uint32_t port = 1; port <= VM_MAX_HOPS; port++) {
            snprintf(text, sizeof text, version == 4 ? "10.0.%u.2" : "fe80::%u", port);
            add_port(rib, port);
            rib_map_port(rib, port, 10 + port, PORT_INTERNAL, true);
            add_neigh(rib, port, text, (uint8_t)port);
            r.hops[port - 1] = hop(port, text);
        }
        for (uint32_t i = 0; i < 1000; i++) {
            snprintf(text, sizeof text,
                     version == 4 ? "20.%u.%u.0/24" : "fd00:%x:%x::/64", i >> 8,
                     i & 0xff);
            ck_assert(prefix_parse(text, &r.prefix));
            ck_assert(rib_route_set(rib, &r));
        }
    }
    while (rib_next_change(rib, &c)) {
    }
    rib_unmap_port(rib, 7);
    int groups = 0;
    while (rib_next_change(rib, &c)) {
        /* And what was the port's own. */
        ck_assert(c.kind == PLANE_GROUP || c.remove);
        if (c.kind == PLANE_GROUP && !c.remove) {
            ck_assert_uint_eq(c.group.n_hops, VM_MAX_HOPS - 1);
            groups++;
        }
    }
    ck_assert_int_eq(groups, 2);
    rib_destroy(rib);
}
END_TEST

START_TEST(host_route_of_the_suite_wins_over_the_neighbour)
{
    struct plane_peer peer;
    struct rib *rib = make_rib(&peer);

    add_neigh(rib, 1, "10.0.0.5", 0x55);
    add_neigh(rib, 1, "10.0.0.6", 0x66);
    peer_drain(&peer, rib, INT_MAX);
    uint32_t via_5 = group_of(&peer, "10.0.0.5/32");
    uint32_t via_6 = group_of(&peer, "10.0.0.6/32");
    ck_assert_uint_ne(via_5, via_6);

    add_route(rib, "10.0.0.5/32", 1, "10.0.0.6");
    peer_drain(&peer, rib, INT_MAX);
    ck_assert_uint_eq(group_of(&peer, "10.0.0.5/32"), via_6);
    add_route(rib, "10.0.0.5/32", 1, NULL); /* Connected: gives way. */
    peer_drain(&peer, rib, INT_MAX);
    ck_assert_uint_eq(group_of(&peer, "10.0.0.5/32"), via_5);
    struct ip_prefix host = prefix("10.0.0.5/32");
    rib_route_del(rib, &host);
    peer_drain(&peer, rib, INT_MAX);
    ck_assert_uint_eq(group_of(&peer, "10.0.0.5/32"), via_5);
    rib_destroy(rib);
}
END_TEST

START_TEST(neighbour_outside_its_connected_prefix_has_no_host_entry)
{
    struct plane_peer peer;
    struct rib *rib = make_rib(&peer);

    add_neigh(rib, 1, "10.0.1.5", 0x55);
    add_neigh(rib, 1, "10.0.0.200", 0x66);
    add_neigh(rib, 1, "fe80::1", 0x66);
    peer_drain(&peer, rib, INT_MAX);
    ck_assert(!has_fib(&peer, "10.0.1.5/32"));
    ck_assert(has_fib(&peer, "10.0.0.200/32"));
    ck_assert(!has_fib(&peer, "fe80::1/128"));
    /* A more specific route takes the address away from the connected prefix. */
    add_route(rib, "10.0.0.128/25", 1, "10.0.0.3");
    peer_drain(&peer, rib, INT_MAX);
    ck_assert(!has_fib(&peer, "10.0.0.200/32"));
    rib_destroy(rib);
}
END_TEST

START_TEST(kinds_of_routes_have_their_verdicts)
{
    struct plane_peer peer;
    struct rib *rib = make_rib(&peer);
    struct vm_route r = {.prefix = prefix("10.9.0.0/16"), .kind = VM_ROUTE_BLACKHOLE};
    struct ip_prefix connected = prefix("10.0.0.0/24");

    ck_assert_int_eq(peer_fib(&peer, &connected)->target.verdict, FIB_PUNT);
    ck_assert(rib_route_set(rib, &r));
    r.prefix = prefix("::/0");
    r.kind = VM_ROUTE_UNREACHABLE;
    ck_assert(rib_route_set(rib, &r));
    add_route(rib, "fe80::/64", 1, NULL);
    add_route(rib, "169.254.0.0/16", 1, NULL);
    add_route(rib, "224.0.0.0/4", 1, NULL);
    add_route(rib, "ff00::/8", 1, NULL);
    add_route(rib, "127.0.0.0/8", 1, NULL);
    peer_drain(&peer, rib, INT_MAX);
    struct ip_prefix p = prefix("10.9.0.0/16");
    ck_assert_int_eq(peer_fib(&peer, &p)->target.verdict, FIB_DROP);
    p = prefix("::/0");
    ck_assert_int_eq(peer_fib(&peer, &p)->target.verdict, FIB_PUNT);
    ck_assert_int_eq(peer.n_fib, 3);
    ck_assert_str_eq(why(rib, "fe80::/64"),
                     "link-local, multicast and loopback are not forwarded");
    rib_destroy(rib);
}
END_TEST

START_TEST(equal_sets_share_a_group_and_its_id_is_the_same_in_every_run)
{
    struct plane_peer a, b;
    struct rib *one = make_rib(&a), *two = make_rib(&b);
    struct vm_route r = {
        .prefix = prefix("50.0.0.0/8"), .kind = VM_ROUTE_UNICAST, .n_hops = 3};

    r.hops[0] = hop(1, "10.0.0.2");
    r.hops[1] = hop(1, "10.0.0.3");
    r.hops[2] = hop(1, "10.0.0.3"); /* Twice: weight 2. */
    ck_assert(rib_route_set(one, &r));
    add_route(two, "60.0.0.0/8", 1, "10.0.0.7");
    r.n_hops = 2;
    r.hops[0] = hop(1, "10.0.0.3");
    r.hops[0].weight = 2;
    r.hops[1] = hop(1, "10.0.0.2");
    ck_assert(rib_route_set(two, &r));
    add_route(one, "60.0.0.0/8", 1, "10.0.0.7");
    add_neigh(one, 1, "10.0.0.3", 3);
    peer_drain(&a, one, INT_MAX);
    peer_drain(&b, two, INT_MAX);
    ck_assert_uint_eq(group_of(&a, "50.0.0.0/8"), group_of(&b, "50.0.0.0/8"));
    ck_assert_uint_eq(group_of(&a, "60.0.0.0/8"), group_of(&b, "60.0.0.0/8"));
    ck_assert_int_eq(peer_group(&a, group_of(&a, "50.0.0.0/8"))->hops[0].weight, 2);
    rib_destroy(one);
    rib_destroy(two);
}
END_TEST

START_TEST(resync_that_names_the_same_changes_nothing_and_the_rest_is_swept)
{
    struct plane_peer peer;
    struct rib *rib = make_rib(&peer);

    add_route(rib, "50.0.0.0/8", 1, "10.0.0.2");
    add_route(rib, "60.0.0.0/8", 1, "10.0.0.2");
    add_neigh(rib, 1, "10.0.0.2", 2);
    peer_drain(&peer, rib, INT_MAX);
    peer.n_changes = 0;
    rib_begin(rib);
    add_port(rib, 1);
    add_route(rib, "10.0.0.0/24", 1, NULL);
    rib_begin(rib); /* The client has started again in the middle. */
    add_port(rib, 1);
    add_route(rib, "10.0.0.0/24", 1, NULL);
    add_route(rib, "50.0.0.0/8", 1, "10.0.0.2");
    add_neigh(rib, 1, "10.0.0.2", 2);
    ck_assert_int_eq(peer_drain(&peer, rib, INT_MAX), 0);
    rib_end(rib);
    ck_assert_int_eq(peer_drain(&peer, rib, INT_MAX), 1);
    ck_assert(!has_fib(&peer, "60.0.0.0/8"));

    rib_begin(rib);
    rib_end(rib);
    peer_drain(&peer, rib, INT_MAX);
    ck_assert_int_eq(peer.n_fib + peer.n_groups + peer.n_ports + peer.n_addrs, 0);
    rib_destroy(rib);
}
END_TEST

START_TEST(values_out_of_range_are_refused)
{
    struct rib *rib = rib_create();
    struct vm_route r = {.prefix = prefix("10.0.0.1/24"), .kind = VM_ROUTE_BLACKHOLE};
    struct vm_neigh n = {.vm_port = 1, .addr = ip("10.0.0.1")};
    struct vm_port p = {.hwaddr = MAC(1)};
    struct vm_addr a = {.vm_port = 1, .addr = {.addr = {.version = 5}}};

    ck_assert(!rib_route_set(rib, &r)); /* Not canonical. */
    r.prefix = prefix("10.0.0.0/24");
    r.prefix.plen = 33;
    ck_assert(!rib_route_set(rib, &r));
    r.prefix.plen = 24;
    r.kind = 4;
    ck_assert(!rib_route_set(rib, &r));
    r.kind = VM_ROUTE_UNICAST;
    ck_assert(!rib_route_set(rib, &r)); /* No hop. */
    r.n_hops = 1;
    ck_assert(!rib_route_set(rib, &r)); /* Weight 0. */
    r.n_hops = VM_MAX_HOPS + 1;
    ck_assert(!rib_route_set(rib, &r));
    ck_assert(!rib_neigh_set(rib, &n)); /* No MAC. */
    n.hwaddr = (struct eth_addr){.ea = {1}};
    ck_assert(!rib_neigh_set(rib, &n)); /* Multicast. */
    ck_assert(!rib_port_set(rib, &p));  /* Port 0. */
    ck_assert(!rib_addr_set(rib, &a));
    ck_assert(!rib_pending(rib));
    rib_destroy(rib);
}
END_TEST

START_TEST(longest_match_counts_routes_and_host_entries)
{
    struct plane_peer peer;
    struct rib *rib = make_rib(&peer);
    struct ip_addr addr = ip("10.0.0.5");
    struct ip_prefix p;
    char text[IP_PREFIX_STRLEN];

    ck_assert(rib_match(rib, &addr, &p));
    ck_assert_str_eq(prefix_format(&p, text), "10.0.0.0/24");
    add_neigh(rib, 1, "10.0.0.5", 5);
    ck_assert(rib_match(rib, &addr, &p));
    ck_assert_str_eq(prefix_format(&p, text), "10.0.0.5/32");
    addr = ip("11.0.0.1");
    ck_assert(!rib_match(rib, &addr, &p));
    add_route(rib, "0.0.0.0/0", 1, "10.0.0.5");
    ck_assert(rib_match(rib, &addr, &p));
    ck_assert_str_eq(prefix_format(&p, text), "0.0.0.0/0");
    rib_destroy(rib);
}
END_TEST

START_TEST(a_million_routes_take_under_40_octets_each)
{
    struct plane_peer peer;
    struct rib *rib = make_rib(&peer);
    struct rib_counts counts;
    struct plane_change c;
    size_t n = 0;

    for (uint32_t i = 0; i < 1000000; i++) {
        struct vm_route r = {.kind = VM_ROUTE_UNICAST, .metric = i, .n_hops = 1};
        r.prefix.addr = ip_from_v4(0x14000000 + (i << 8));
        r.prefix.plen = 24;
        r.hops[0] = (struct vm_hop){
            .vm_port = 1, .weight = 1, .gateway = ip_from_v4(0x0a000002 + i % 64)};
        MUST(rib_route_set(rib, &r));
    }
    rib_counts(rib, &counts);
    printf("rib: %.1f octets per IPv4 route, all of them due\n",
           (double)counts.memory / 1e6);
    ck_assert_uint_lt(counts.memory, 40000000);
    while (rib_next_change(rib, &c)) {
        n++;
    }
    ck_assert_uint_eq(n, 1000064);
    rib_snapshot_begin(rib);
    ck_assert(rib_snapshot_active(rib));
    for (n = 0; rib_next_change(rib, &c); n++) {
    }
    ck_assert_uint_eq(n, 1000066);
    ck_assert(!rib_snapshot_active(rib));
    rib_destroy(rib);
}
END_TEST

UNIT_MAIN("core/rib", early_route_waits_and_appears_when_its_port_becomes_active,
          unresolved_gateway_has_an_empty_group_that_the_neighbour_fills,
          older_way_is_kept_until_the_new_next_hop_is_resolved,
          older_way_is_left_when_it_ends_or_the_new_one_is_not_resolved_in_time,
          older_way_is_no_longer_kept_for_a_route_that_came_back_or_went,
          changed_neighbour_is_one_group_change_for_ten_thousand_routes,
          what_is_small_does_not_wait_for_a_pass_over_the_table,
          only_groups_narrower_than_the_widest_port_have_an_mtu,
          a_set_has_the_least_mtu_of_its_hops_and_keeps_it_when_one_fails,
          lost_hop_of_64_is_one_group_change_for_a_thousand_routes_of_each_family,
          host_route_of_the_suite_wins_over_the_neighbour,
          neighbour_outside_its_connected_prefix_has_no_host_entry,
          kinds_of_routes_have_their_verdicts,
          equal_sets_share_a_group_and_its_id_is_the_same_in_every_run,
          resync_that_names_the_same_changes_nothing_and_the_rest_is_swept,
          values_out_of_range_are_refused, longest_match_counts_routes_and_host_entries,
          a_million_routes_take_under_40_octets_each)
