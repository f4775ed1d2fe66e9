"""rfserver: what the planes are told -- virtual links, carrier, relays, and the desired
state of each datapath."""

import time

import pytest
from rfpeer import WINDOW
from rfserver_setup import A, B, PORTS_AT, VS_ID, Network, active_rows, have_programs

pytestmark = pytest.mark.skipif(not have_programs(), reason="needs a build")

BOTH = {(2, 4), (4, 2)}


@pytest.fixture
def net(tmp_path):
    network = Network(tmp_path)
    yield network
    network.close()


def until_vlinks(net, wanted, seconds=5):
    net.bus.until(f"virtual links {wanted}",
                  lambda: (net.vs.vlinks() == wanted, net.vs.wiring), seconds)


def until_no_carrier(net, wanted, seconds=5):
    net.bus.until(f"ports without carrier {wanted}",
                  lambda: (net.vs.without_carrier() == wanted, net.vs.wiring), seconds)


def until_plane(net, dp, what, good):
    net.bus.until(f"{what} in datapath {dp}", lambda: (good(net.proxy.plane(dp)),
                                                       net.proxy.plane(dp)))


# --- Virtual links -------------------------------------------------------------------


def test_virtual_links_need_both_directions_and_both_rows_active(net):
    net.start_peers()
    net.proxy.link(5, 2, 6, 2, up=False)
    net.b.answer = None
    net.bus.until("A is active", lambda: net.a.port_config.get(2) == (False, True))
    net.proxy.direction(5, 2, 6, 2)
    net.bus.run(0.5)
    assert net.vs.vlinks() == set()
    net.proxy.direction(6, 2, 5, 2)
    net.bus.run(0.5)
    assert net.vs.vlinks() == set(), "B's port is not active"
    assert net.server.json("show", "links")[0]["virtual"] == "not active"
    net.vs.seen(B, 2, 4)
    until_vlinks(net, BOTH)
    assert net.server.json("show", "links")[0]["virtual"] == "installed"


def test_link_confirmed_before_anything_is_associated(net):
    net.proxy = net.new_proxy().switch(5, 1, 2).switch(6, 1, 2).link(5, 2, 6, 2).when_up()
    net.bus.run(0.3)
    net.vs = net.new_vs().rfvs(1, 2, 3, 4)
    for vm in (A, B):
        client = net.client(vm).port(1, 2)
        client.answer = net.vs, PORTS_AT[vm]
    until_vlinks(net, BOTH)


def test_port_down_takes_link_and_carrier_at_once_and_up_brings_them_back(net):
    net.converge()
    net.proxy.port_down(5, 2)
    until_vlinks(net, set())
    until_no_carrier(net, {2, 4})  # Both ends.
    net.proxy.port_up(5, 2)
    net.proxy.link(5, 2, 6, 2)
    until_no_carrier(net, set())
    net.a.send_mapping(2)  # The first one may have come before the carrier.
    until_vlinks(net, BOTH)
    net.until_rows(active_rows())


def test_direction_lost_takes_link_and_both_carriers(net):
    net.converge()
    net.proxy.direction(6, 2, 5, 2, up=False)
    until_vlinks(net, set())
    until_no_carrier(net, {2, 4})
    net.until_rows(active_rows())  # The associations are not touched.
    net.proxy.direction(6, 2, 5, 2)
    until_vlinks(net, BOTH)
    until_no_carrier(net, set())


def test_virtual_pair_leaves_before_anything_else_changes(net):
    net.converge()
    since = len(net.vs.wiring.history)
    net.proxy.port_down(5, 2)
    until_no_carrier(net, {2, 4})
    kinds = [(kind, remove) for kind, remove, _, _ in net.vs.wiring.history[since:]]
    assert set(kinds[:2]) == {("vlink", True), ("carrier", False)} or \
        kinds[:2] == [("vlink", True)] * 2, kinds
    assert kinds.count(("vlink", True)) == 2


def test_rewired_link_moves(net):
    """Switch 5 port 2 is cabled to switch 6 port 3 instead, without going down."""
    net.converge()
    net.server.mapping.write_text(net.server.mapping.read_text() +
                                  "2b0b0b0b0b0,3,0,6,3\n")
    net.vs.port(5)
    net.b.answer = net.vs, {**PORTS_AT[B], 3: 5}
    net.b.port(3)
    net.proxy.switches[6][3] = int(time.time() * 1000)
    net.proxy.port_up(6, 3)
    net.bus.until("third port is active", lambda: net.b.port_config.get(3) == (False, True))
    net.proxy.link(5, 2, 6, 2, up=False)
    net.proxy.link(5, 2, 6, 3)
    until_vlinks(net, {(2, 5), (5, 2)})
    until_no_carrier(net, {4})


def test_mapping_frame_at_another_port_moves_link_and_relays(net):
    net.converge()
    net.vs.port(9)
    net.vs.seen(A, 2, 9)
    until_vlinks(net, {(9, 4), (4, 9)})
    net.vs.port(8)
    net.vs.seen(A, 1, 8)
    net.bus.until("relays", lambda: (net.vs.relays() == {(5, 1): 8, (6, 1): 3},
                                     net.vs.wiring))
    assert net.vs.without_carrier() == set()


def test_client_without_carrier_comes_back(net):
    """The link is cut silently, then the client is restarted and lost: it must become
    active again although its port has been without carrier."""
    net.converge()
    net.proxy.link(5, 2, 6, 2, up=False)
    until_no_carrier(net, {2, 4})
    net.a.port_gone(2)
    until_no_carrier(net, {4})
    net.a.port(2)
    net.until_rows(active_rows())
    until_no_carrier(net, {2, 4})


def test_carrier_returns_when_rfvs_port_is_another_one(net):
    net.converge()
    net.proxy.port_down(5, 2)
    until_no_carrier(net, {2, 4})
    net.vs.port_gone(2)
    until_no_carrier(net, {4})
    net.vs.port(2)
    net.proxy.port_up(5, 2)
    net.proxy.link(5, 2, 6, 2)
    until_vlinks(net, BOTH)
    until_no_carrier(net, set())


# --- Relays --------------------------------------------------------------------------


def test_relays_go_to_rfvs_for_edge_ports_only_and_to_the_proxy_for_all(net):
    net.converge()
    assert net.vs.relays() == {(5, 1): 1, (6, 1): 3}
    assert {(dp[1], dp[2]): vs for dp, vs in net.proxy.relays.of("relay")} == {
        (dp, port): (VS_ID, PORTS_AT[vm][port])
        for vm, dp in ((A, 5), (B, 6)) for port in (1, 2)}
    assert not [key for kind, _, key, _ in net.vs.wiring.history
                if kind == "relay" and key[0][2] == 2], "an inter-switch port was relayed"


def test_port_that_hears_lldp_is_no_edge_any_more(net):
    net.converge()
    net.proxy.link(5, 1, 6, 1)
    net.bus.until("no relays", lambda: (net.vs.relays() == {}, net.vs.wiring))
    until_vlinks(net, BOTH | {(1, 3), (3, 1)})
    until_plane(net, 5, "class of port 1",
                lambda p: p.of("port")[1][0] == "internal")


def test_edge_port_is_probing_until_lldp_had_its_chance(tmp_path):
    net = Network(tmp_path, classify_time="1500ms")
    try:
        net.start_peers()
        net.until_active()
        assert net.proxy.plane(5).of("port")[1][0] == "probing"
        assert net.vs.relays() == {}
        net.bus.until("edge", lambda: net.proxy.plane(5).of("port")[1][0] == "edge")
        net.bus.until("relays", lambda: net.vs.relays() == {(5, 1): 1, (6, 1): 3})
    finally:
        net.close()


# --- Desired state of a datapath -------------------------------------------------------


def test_plane_is_what_the_vm_has(net):
    net.converge()
    plane = net.proxy.plane(5)
    assert plane.of("port") == {1: ("edge", net.a.hwaddr(1)),
                                2: ("internal", net.a.hwaddr(2))}
    assert set(plane.of("addr")) == {"172.31.1.1", "10.0.0.1"}
    group = plane.of("fib")["172.31.2.0/24"]
    assert plane.of("fib") == {"172.31.1.0/24": "punt", "10.0.0.0/24": "punt",
                               "172.31.2.0/24": group, "10.0.0.2/32": group}
    assert plane.of("group") == {group: ((2, net.a.hwaddr(2), net.b.hwaddr(2)),)}


def test_early_routes_appear_when_the_association_is_active(net):
    net.a = net.client(A).port(1, 2).addr(2, "10.0.0.1/24")
    net.a.neigh(2, "10.0.0.2", "02:bb:00:00:00:02")
    net.a.route("192.0.2.0/24", [(2, "10.0.0.2")])
    net.vs = net.new_vs().rfvs(1, 2)
    net.proxy = net.new_proxy().switch(5, 1, 2)
    net.bus.until("association", lambda: net.a.port_config.get(2) == (True, False))
    net.bus.run(0.3)
    assert net.proxy.plane(5).of("fib") == {}
    assert net.proxy.plane(5).ends == 0, "END before the associations have settled"
    net.vs.seen(A, 1, 1)
    net.vs.seen(A, 2, 2)
    until_plane(net, 5, "route", lambda p: isinstance(p.of("fib").get("192.0.2.0/24"), int))
    until_plane(net, 5, "END", lambda p: p.ends == 1)
    told = [entry[0] for entry in net.proxy.plane(5).history]
    assert "fib" not in told[told.index("end"):], "END before the entries: they are swept"


def test_changes_of_routes_and_neighbours(net):
    net.converge()
    net.a.route("198.51.100.0/24", kind=2)
    until_plane(net, 5, "blackhole", lambda p: p.of("fib").get("198.51.100.0/24") == "drop")
    net.a.route("198.51.100.0/24", kind=3)
    until_plane(net, 5, "unreachable",
                lambda p: p.of("fib").get("198.51.100.0/24") == "punt")
    net.a.route_gone("198.51.100.0/24")
    until_plane(net, 5, "no route", lambda p: "198.51.100.0/24" not in p.of("fib"))
    group = net.proxy.plane(5).of("fib")["172.31.2.0/24"]
    net.a.neigh(2, "10.0.0.2", "02:bb:00:00:00:99")
    until_plane(net, 5, "another neighbour", lambda p: p.of("group")[group] == (
        (2, net.a.hwaddr(2), "02:bb:00:00:00:99"),))
    net.a.neigh_gone(2, "10.0.0.2")
    until_plane(net, 5, "unresolved", lambda p: p.of("group")[group] == ())
    assert net.proxy.plane(6).removed() == []


def test_route_keeps_its_older_way_until_the_new_next_hop_is_resolved(net):
    net.converge()
    prefix = "172.31.2.0/24"
    old = net.proxy.plane(5).of("fib")[prefix]

    def move(gateway):
        net.a.route(prefix, [(2, gateway)])
        until_plane(net, 5, "a group that waits", lambda p: () in p.of("group").values())
        assert net.proxy.plane(5).of("fib")[prefix] == old
        assert "the older way is kept" in net.server.rfctl("show", "routes")[1]

    move("10.0.0.8")
    move("10.0.0.9")
    net.a.neigh(2, "10.0.0.9", "02:bb:00:00:00:99")
    until_plane(net, 5, "the new way",
                lambda p: p.of("group")[p.of("fib")[prefix]] == (
                    (2, net.a.hwaddr(2), "02:bb:00:00:00:99"),))
    old = net.proxy.plane(5).of("fib")[prefix]
    move("10.0.0.8")  # Which nobody ever resolves: kept for some seconds only.
    until_plane(net, 5, "the end of patience",
                lambda p: p.of("group")[p.of("fib")[prefix]] == ())


def test_only_the_flows_of_a_port_that_goes_leave(net):
    net.converge()
    net.proxy.port_down(5, 2)
    until_plane(net, 5, "port 2 leaves", lambda p: set(p.of("port")) == {1})
    until_plane(net, 5, "its routes leave",
                lambda p: set(p.of("fib")) == {"172.31.1.0/24"})
    # At the other end of its link: what went over the link, and no port.
    until_plane(net, 6, "routes over the link leave",
                lambda p: set(p.of("fib")) == {"172.31.2.0/24"})
    assert set(net.proxy.plane(6).of("port")) == {1, 2}


def test_a_burst_of_routes_arrives_complete_in_a_window(net):
    net.converge()
    before = net.server.memory()
    net.proxy.acks = False
    net.proxy.max_unacked = 0
    prefixes = [f"20.{i >> 8}.{i & 255}.0/24" for i in range(20000)]
    net.a.routes(prefixes, [(2, "10.0.0.2")])
    net.bus.until("the client's batches are acknowledged", net.a.all_acked, 20)
    for prefix in prefixes[:5000]:  # Changes while the proxy does not read.
        net.a.route_gone(prefix)
    net.bus.until("and the changes, too", net.a.all_acked, 20)
    net.bus.run(1)
    assert net.proxy.max_unacked <= WINDOW
    deadline = time.monotonic() + 60
    while len(net.proxy.plane(5).of("fib")) != 15004 or net.proxy.unacked:
        assert time.monotonic() < deadline, len(net.proxy.plane(5).of("fib"))
        net.bus.run(0.05)
        net.proxy.ack()
    fib = net.proxy.plane(5).of("fib")
    assert set(prefixes[5000:]) <= set(fib)
    assert net.proxy.max_unacked <= WINDOW
    assert net.server.memory() < before + (40 << 20), "memory is not bounded"
    assert len(net.server.json("show", "flows", "5")) == 15004


def test_a_large_download_leaves_room_for_other_datapaths(net):
    """Both share the window of one proxy, which acknowledges batch by batch."""
    net.converge()
    net.proxy.acks = False
    net.a.routes([f"30.{i >> 8}.{i & 255}.0/24" for i in range(40000)] +
                 [f"31.{i >> 8}.{i & 255}.128/25" for i in range(40000)] +
                 [f"2001:db8:{i:x}:7777::/64" for i in range(40000)],
                 [(2, "10.0.0.2")])
    net.bus.until("the client's batches are acknowledged", net.a.all_acked, 30)
    net.bus.until("a full window", lambda: net.proxy.unacked == WINDOW)
    net.b.route("192.0.2.0/24", kind=2)
    net.bus.until("the other client's batch is acknowledged", net.b.all_acked)
    for _ in range(2):
        net.bus.run(0.2)
        net.proxy.send("ACK", seq=net.proxy._received - WINDOW + 1)
        net.proxy.unacked -= 1
    net.bus.until("the other datapath's change", lambda: (
        net.proxy.plane(6).of("fib").get("192.0.2.0/24") == "drop", net.proxy.unacked))
    assert len(net.proxy.plane(5).of("fib")) < 120000, "nothing was waiting"
