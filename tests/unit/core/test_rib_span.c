#include "unit.h"

#include "rib_text.h"

/* A VM whose port 1 is here at port 11 and whose port 2 is at another datapath, which
 * the inside ports 21 and 22 lead to; a neighbour on each, and a route over port 2. */
static struct rib *make_spanning_rib(struct plane_peer *peer)
{
    struct rib *rib = make_rib(peer);

    add_port(rib, 2);
    rib_set_inside(rib, 21, true);
    rib_set_inside(rib, 22, true);
    rib_map_remote(rib, 2, 21, true);
    add_route(rib, "10.0.2.0/24", 2, NULL);
    add_route(rib, "172.31.0.0/16", 2, "10.0.2.9");
    add_neigh(rib, 1, "10.0.0.9", 0xb1);
    add_neigh(rib, 2, "10.0.2.9", 0xb2);
    peer_drain(peer, rib, INT_MAX);
    return rib;
}

static uint32_t transit_of(struct plane_peer *peer, uint8_t src, uint8_t dst)
{
    const struct plane_transit *t = peer_transit(peer, MAC(src), MAC(dst));
    return t ? t->dp_port : 0;
}

START_TEST(port_at_another_datapath_is_reached_by_the_inside_port)
{
    struct plane_peer peer;
    struct rib *rib = make_spanning_rib(&peer);
    const struct fib_group *g = peer_group(&peer, group_of(&peer, "172.31.0.0/16"));

    ck_assert_int_eq(g->n_hops, 1);
    ck_assert_uint_eq(g->hops[0].dp_port, 21);
    ck_assert(eth_equal(g->hops[0].src, MAC(2)));
    ck_assert(eth_equal(g->hops[0].dst, MAC(0xb2)));
    ck_assert_uint_eq(group_of(&peer, "10.0.2.9/32"), g->id);
    ck_assert_int_eq(peer.n_ports, 3);
    ck_assert_int_eq(peer_port(&peer, 11)->class, PORT_EDGE);
    ck_assert_int_eq(peer_port(&peer, 21)->class, PORT_INSIDE);
    ck_assert_int_eq(peer_port(&peer, 22)->class, PORT_INSIDE);
    ck_assert_int_eq(peer.n_transits, 2);
    ck_assert_uint_eq(transit_of(&peer, 1, 0xb1), 11);
    ck_assert_uint_eq(transit_of(&peer, 2, 0xb2), 21);
    rib_destroy(rib);
}
END_TEST

START_TEST(another_path_inside_is_one_group_and_one_transit_change)
{
    struct plane_peer peer;
    struct rib *rib = make_spanning_rib(&peer);

    rib_map_remote(rib, 2, 22, true);
    ck_assert_int_eq(peer_drain(&peer, rib, INT_MAX), 2);
    ck_assert_uint_eq(transit_of(&peer, 2, 0xb2), 22);
    const struct fib_group *g = peer_group(&peer, group_of(&peer, "172.31.0.0/16"));
    ck_assert_uint_eq(g->hops[0].dp_port, 22);

    rib_unmap_port(rib, 2); /* No path is left. */
    peer_drain(&peer, rib, INT_MAX);
    ck_assert(!has_fib(&peer, "172.31.0.0/16"));
    ck_assert_int_eq(peer.n_transits, 1);
    rib_destroy(rib);
}
END_TEST

START_TEST(transit_follows_neighbours_and_macs)
{
    struct plane_peer peer;
    struct rib *rib = make_spanning_rib(&peer);
    struct vm_port port = {.vm_port = 2, .hwaddr = MAC(0x77)};
    struct ip_addr gone = ip("10.0.2.9");

    add_neigh(rib, 2, "fe80::9", 0xb2); /* Another address of the same one. */
    ck_assert_int_eq(peer_drain(&peer, rib, INT_MAX), 0);
    rib_neigh_del(rib, 2, &gone);
    peer_drain(&peer, rib, INT_MAX);
    ck_assert_uint_eq(transit_of(&peer, 2, 0xb2), 21);
    ck_assert(rib_port_set(rib, &port));
    peer_drain(&peer, rib, INT_MAX);
    ck_assert_int_eq(peer.n_transits, 2);
    ck_assert_uint_eq(transit_of(&peer, 0x77, 0xb2), 21);
    gone = ip("fe80::9");
    rib_neigh_del(rib, 2, &gone);
    peer_drain(&peer, rib, INT_MAX);
    ck_assert_int_eq(peer.n_transits, 1);
    rib_destroy(rib);
}
END_TEST

START_TEST(of_ports_with_the_same_mac_the_first_has_the_transit)
{
    struct plane_peer peer;
    struct rib *rib = make_spanning_rib(&peer);
    struct vm_port port = {.vm_port = 2, .hwaddr = MAC(1)};

    ck_assert(rib_port_set(rib, &port)); /* As port 1. */
    add_neigh(rib, 2, "10.0.2.1", 0xb1); /* As the neighbour of port 1. */
    peer_drain(&peer, rib, INT_MAX);
    ck_assert_int_eq(peer.n_transits, 2);
    ck_assert_uint_eq(transit_of(&peer, 1, 0xb1), 11);
    ck_assert_uint_eq(transit_of(&peer, 1, 0xb2), 21);
    rib_unmap_port(rib, 1);
    peer_drain(&peer, rib, INT_MAX);
    ck_assert_uint_eq(transit_of(&peer, 1, 0xb1), 21);
    rib_map_port(rib, 1, 11, PORT_EDGE, true);
    peer_drain(&peer, rib, INT_MAX);
    ck_assert_uint_eq(transit_of(&peer, 1, 0xb1), 11);
    rib_destroy(rib);
}
END_TEST

START_TEST(without_inside_ports_there_is_no_transit_and_the_snapshot_tells_it_again)
{
    struct plane_peer peer, again = {0};
    struct rib *rib = make_spanning_rib(&peer);

    rib_snapshot_begin(rib);
    peer_drain(&again, rib, INT_MAX);
    ck_assert_int_eq(again.n_transits, 2);
    ck_assert_int_eq(again.n_ports, 3);
    rib_set_inside(rib, 21, false);
    rib_set_inside(rib, 21, true);
    ck_assert_int_eq(peer_drain(&again, rib, INT_MAX), 0);
    rib_set_inside(rib, 21, false);
    rib_set_inside(rib, 22, false);
    rib_map_port(rib, 2, 12, PORT_EDGE, true);
    peer_drain(&again, rib, INT_MAX);
    ck_assert_int_eq(again.n_transits, 0);
    ck_assert_int_eq(again.n_ports, 2);
    ck_assert_uint_eq(
        peer_group(&again, group_of(&again, "172.31.0.0/16"))->hops[0].dp_port, 12);
    rib_destroy(rib);
}
END_TEST

/* The other datapath of the same VM: what was told is known there, and is swept there
 * if it is not told again. */
START_TEST(copy_knows_what_the_client_told_and_nothing_else)
{
    struct plane_peer peer, other = {0};
    struct rib *rib = make_spanning_rib(&peer);
    struct vm_addr addr = {.vm_port = 2, .addr = prefix("10.0.2.1/24")};
    struct rib_counts a, b;

    ck_assert(rib_addr_set(rib, &addr));
    rib_begin(rib);
    add_port(rib, 1);
    add_port(rib, 2);
    add_route(rib, "172.31.0.0/16", 2, "10.0.2.9");
    struct rib *copy = rib_copy(rib);
    rib_counts(rib, &a);
    rib_counts(copy, &b);
    ck_assert_uint_eq(a.routes, b.routes);
    ck_assert_uint_eq(a.neighs, b.neighs);
    ck_assert_uint_eq(a.addrs, b.addrs);
    rib_set_inside(copy, 5, true);
    rib_map_remote(copy, 1, 5, true);
    rib_map_port(copy, 2, 6, PORT_EDGE, true);
    peer_drain(&other, copy, INT_MAX);
    ck_assert_int_eq(other.n_ports, 2);
    ck_assert_int_eq(other.n_addrs, 1);
    ck_assert_uint_eq(transit_of(&other, 1, 0xb1), 5);
    ck_assert_uint_eq(transit_of(&other, 2, 0xb2), 6);
    rib_end(copy);
    peer_drain(&other, copy, INT_MAX);
    ck_assert_int_eq(other.n_addrs + other.n_transits, 0);
    ck_assert_int_eq(other.n_fib, 1);
    ck_assert(has_fib(&other, "172.31.0.0/16"));
    rib_destroy(rib);
    rib_destroy(copy);
}
END_TEST

UNIT_MAIN("core/rib_span", port_at_another_datapath_is_reached_by_the_inside_port,
          another_path_inside_is_one_group_and_one_transit_change,
          transit_follows_neighbours_and_macs,
          of_ports_with_the_same_mac_the_first_has_the_transit,
          without_inside_ports_there_is_no_transit_and_the_snapshot_tells_it_again,
          copy_knows_what_the_client_told_and_nothing_else)
