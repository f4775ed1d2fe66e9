"""rfserver: ports that hear each other's broadcasts are joined in RFVS, two or many."""

import pytest
from rfserver_setup import (A, B, MAPPING, PORTS_AT, VS_ID, Network, active_rows,
                            have_programs)

pytestmark = pytest.mark.skipif(not have_programs(), reason="needs a build")

C = 0x02c0c0c0c0c0
MEMBERS = (5, 2), (6, 2), (7, 1)  # Their RFVS ports are 2, 4, 5.


def full_mesh(*ports):
    return {(a, b) for a in ports for b in ports if a != b}


ALL = full_mesh(2, 4, 5)


@pytest.fixture
def net(tmp_path):
    network = Network(tmp_path, mapping=MAPPING + "2c0c0c0c0c0,1,0,7,1\n")
    yield network
    network.close()


def start(net):
    net.start_peers()
    net.proxy.link(5, 2, 6, 2, up=False)
    net.proxy.switch(7, 1)
    net.vs.port(5)
    net.c = net.client(C, name="rfclient@vmC").port(1)
    net.c.answer = net.vs, {1: 5}
    net.until_rows(active_rows() | {((C, 1), (7, 1), (VS_ID, 5)):
                                    "active client-datapath association"})


def until_vlinks(net, wanted):
    net.bus.until(f"virtual links {wanted}",
                  lambda: (net.vs.vlinks() == wanted, net.vs.wiring), 5)


def until_no_carrier(net, wanted):
    net.bus.until(f"ports without carrier {wanted}",
                  lambda: (net.vs.without_carrier() == wanted, net.vs.wiring), 5)


def segment_rows(net):
    return [(int(row["a_dp_id"], 16), row["a_dp_port"], row["segment"], row["virtual"])
            for row in net.server.json("show", "links") if "segment" in row]


def test_all_members_of_a_segment_are_joined(net):
    start(net)
    net.proxy.segment(*MEMBERS)
    until_vlinks(net, ALL)
    assert segment_rows(net) == [(dp, port, 1, "installed") for dp, port in MEMBERS]
    status, out, _ = net.server.rfctl("show", "links")
    assert status == 0 and out.count("on segment 1") == 3
    net.bus.until("three stored members", lambda: (
        [(d["a"]["dp_id"][-1], d["segment"]) for d in net.server.stored("rflinks")]
        == [("5", 1), ("6", 1), ("7", 1)], net.server.stored("rflinks")))
    steps = {step["step"]: step for step in net.server.why("vmC", 1)["steps"]}
    assert steps["③"]["ok"] and "segment 1" in steps["③"]["text"]
    assert steps["④"]["ok"] and "2 others" in steps["④"]["text"]


def test_member_that_goes_loses_its_membership_only(net):
    start(net)
    net.proxy.segment(*MEMBERS)
    until_vlinks(net, ALL)
    for src in ((5, 2), (7, 1)):  # Silent: the others do not hear it any more.
        net.proxy.hears(6, 2, *src, up=False)
    until_vlinks(net, full_mesh(2, 5))
    net.bus.run(0.3)
    assert net.vs.without_carrier() == set()
    assert segment_rows(net) == [(5, 2, 1, "installed"), (7, 1, 1, "installed")]
    for dst in ((5, 2), (7, 1)):
        net.proxy.hears(6, 2, *dst)
    until_vlinks(net, ALL)
    net.proxy.port_down(5, 2)
    until_vlinks(net, full_mesh(4, 5))
    until_no_carrier(net, {2})
    assert segment_rows(net) == [(6, 2, 1, "installed"), (7, 1, 1, "installed")]
    net.proxy.port_up(5, 2)
    net.proxy.segment(*MEMBERS)
    until_no_carrier(net, set())
    net.a.send_mapping(2)
    until_vlinks(net, ALL)


def test_frames_pass_between_those_only_who_hear_each_other(net):
    start(net)
    net.proxy.segment(*MEMBERS)
    until_vlinks(net, ALL)
    net.proxy.hears(5, 2, 7, 1, up=False)
    until_vlinks(net, ALL - {(2, 5), (5, 2)})
    assert len(segment_rows(net)) == 3  # They still hang together by the third.


def test_two_members_are_as_a_link_and_their_carriers_are_their_own(net):
    start(net)
    net.proxy.segment((5, 2), (6, 2))
    until_vlinks(net, full_mesh(2, 4))
    net.proxy.port_down(6, 2)
    until_vlinks(net, set())
    until_no_carrier(net, {4})


def test_link_that_is_lost_and_found_as_a_segment_has_its_carrier_back(net):
    start(net)
    net.proxy.link(5, 2, 6, 2)
    until_vlinks(net, full_mesh(2, 4))
    net.proxy.link(5, 2, 6, 2, up=False)
    until_vlinks(net, set())
    until_no_carrier(net, {2, 4})
    net.proxy.segment(*MEMBERS)
    until_vlinks(net, ALL)
    until_no_carrier(net, set())


def test_member_that_the_mapping_file_calls_external_is_not_joined(net):
    lines = net.server.mapping.read_text().splitlines()
    net.server.mapping.write_text("\n".join(
        [lines[0] + ",class", *(line + "," for line in lines[1:-1]),
         lines[-1] + ",external", ""]))
    start(net)
    net.proxy.segment(*MEMBERS)
    until_vlinks(net, full_mesh(2, 4))
    net.bus.until("frames of vmC leave by the real port",
                  lambda: (net.vs.relays().get((7, 1)) == 5, net.vs.wiring))
    assert (7, 1, 1, "none: treated otherwise") in segment_rows(net)
    assert {PORTS_AT[A][2], PORTS_AT[B][2]} == {2, 4}


def test_restarts_of_the_peers_change_nothing(net):
    start(net)
    net.proxy.segment(*MEMBERS)
    until_vlinks(net, ALL)
    net.bus.until("END", lambda: net.vs.wiring.ends)
    since = len(net.vs.wiring.history)
    net.proxy.restart()
    net.bus.until("it is up", lambda: net.proxy.up)
    net.bus.run(1)
    removed = [key for kind, remove, key, _ in net.vs.wiring.history[since:]
               if kind == "vlink" and remove]
    assert removed == [] and net.vs.vlinks() == ALL
