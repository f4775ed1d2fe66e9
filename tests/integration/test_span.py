"""Three real switches as one router R: config/span.json.

    h1 - R1 ----- R2 - h2        R1, R2, R3: one container, with four ports
           \\     /
            R3 - h3
            |
            S - h4               S: an ordinary switch with a container of its own
"""

import json
import re
import time
from types import SimpleNamespace

import belongings
import pytest
from rflab import lab as labs
from rflab.labcheck import Checker
from rflab.system import wait_for
from rflab.topology import load
from rflab.verify import Verifier

from conftest import CHECKOUT

RUN_DIR = belongings.run_directory("span")
DPIDS = {"R1": 0x11, "R2": 0x12, "R3": 0x13}
TRANSIT_TABLE = 3


@pytest.fixture(scope="module")
def lab():
    labs.down(RUN_DIR)
    made = labs.create(RUN_DIR, load(CHECKOUT / "config" / "span.json"))
    for _, phase in made.phases():
        phase()
    until_all_reach(made, 40)
    yield made
    labs.down(RUN_DIR)


def lost_pairs(lab):
    return [f"{a}->{b}" for (a, b), ms in Verifier(lab).probes.ping_all().items()
            if ms is None]


def until_all_reach(lab, seconds):
    def all_reach():
        lost = lost_pairs(lab)
        return not lost, lost
    wait_for("all hosts to reach each other", all_reach, seconds)


def host(lab, name):
    return next(h for h in lab.topology.hosts if h.name == name)


def ping(lab, source, target, *options, family=4):
    address = host(lab, target).address if family == 4 else host(lab, target).address6
    process = Verifier(lab).probes.start(host(lab, source), "ping", "-n", "-W", "1",
                                         *options, str(address.ip))
    return process.communicate()[0]


def inside_link(lab, *names):
    """As Network.set_link() takes it."""
    a, b = next(ends for ends in lab.topology.inside
                if {end.switch.name for end in ends} == set(names))
    return SimpleNamespace(a=a, b=b, cable=a.name)


def used_links(lab):
    """{(switch, switch)} over which R1, R2 and R3 send what they have routed."""
    owner = {(p.switch.name, p.number): p.peer.switch.name
             for ends in lab.topology.inside for p in ends}
    verifier, found = Verifier(lab), set()
    for name in DPIDS:
        for group in verifier.groups(name).values():
            for bucket in group.buckets:
                if (name, int(bucket.output)) in owner:
                    found.add((name, owner[name, int(bucket.output)]))
    return found


def noticed(lab):
    """What would be otherwise if the container had noticed anything."""
    node = lab.topology.node("R")
    run = lab.containers.run
    ospf = json.loads(run(node, "vtysh", "-c", "show ip ospf json").stdout)
    neighbors = json.loads(run(node, "vtysh", "-c", "show ip ospf neighbor json").stdout)
    carrier = {p.vm_interface: run(
        node, "cat", f"/sys/class/net/{p.vm_interface}/carrier_changes").stdout.strip()
        for p in node.ports}
    states = {router: [n.get("nbrState", n.get("state")) for n in adjacencies]
              for router, adjacencies in neighbors["neighbors"].items()}
    routes = run(node, "ip", "route").stdout
    return carrier, ospf["areas"]["0.0.0.0"]["spfExecutedCounter"], states, routes


@pytest.mark.parametrize("family", [4, 6])
def test_every_switch_routes_and_ttl_falls_by_one_for_the_router(lab, family):
    wait_for("OSPF for this family, too", lambda: (
        " 0% packet loss" in ping(lab, "h1", "h4", "-c", "1", family=family)), 20)
    for source, target, routers in (("h1", "h2", 1), ("h2", "h3", 1), ("h3", "h1", 1),
                                    ("h1", "h4", 2), ("h4", "h2", 2)):
        out = ping(lab, source, target, "-c", "2", "-i", "0.2", family=family)
        assert f"icmp_seq=2 ttl={64 - routers} " in out, f"{source} -> {target}:\n{out}"


def test_every_check_of_the_lab_holds(lab):
    failed = [result for result in Checker(lab).all(lambda result: None)
              if not result.passed]
    assert not failed


def test_traceroute_shows_the_router_once(lab):
    probes = Verifier(lab).probes
    assert probes.traceroute(host(lab, "h1"), host(lab, "h4")) == \
        ["172.31.1.1", "10.0.0.2", "172.31.4.100"]


def test_inside_links_are_shown_as_such_and_carry_nothing_of_the_container(lab):
    links = [(link["a_dp_id"], link["b_dp_id"], link["state"], link["virtual"])
             for link in lab.daemons.show("links")]
    inside = [link for link in links if link[3] == "none: inside a vm"]
    assert len(links) == 4 and len(inside) == 3, links
    assert all(link[2] == "confirmed" for link in links)
    assert used_links(lab) == {(a, b) for a in DPIDS for b in DPIDS if a != b}
    assert {d["leaks"] for d in lab.daemons.show("datapaths")} == {0}


@pytest.mark.parametrize("silent", [False, True])
def test_inside_link_is_cut_and_the_container_notices_nothing(lab, silent):
    """By a cable that is pulled, and by one that just loses every frame."""
    link = inside_link(lab, "R1", "R3")
    before = noticed(lab)
    source = host(lab, "h1")
    pings = Verifier(lab).probes.start(
        source, "ping", "-n", "-i", "0.02", "-w", "8", str(host(lab, "h3").address.ip))
    time.sleep(1)
    if silent:
        for end in (link.a, link.b):  # Entries of somebody else, which stay.
            lab.ovs.ofctl("add-flow", lab.ovs.management(end.switch.name),
                          f"priority=65535,in_port={end.number},actions=drop")
    else:
        lab.network.set_link(link, False)
    wait_for("the way around", lambda: (
        used_links(lab) == {("R1", "R2"), ("R2", "R1"), ("R2", "R3"), ("R3", "R2")},
        used_links(lab)), 8)
    until_all_reach(lab, 5)
    assert "ttl=63 " in ping(lab, "h1", "h3", "-c", "1")
    out = pings.communicate()[0]
    sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) rec",
                                        out).groups())
    print(f"{'silent cut' if silent else 'cut'}: {(sent - received) * 20} ms without pings")
    # A silent cut is for LLDP to find: a second between probes, three until it is lost.
    assert sent - received <= (250 if silent else 25), out[-300:]
    if silent:
        for end in (link.a, link.b):
            lab.ovs.ofctl("--strict", "del-flows", lab.ovs.management(end.switch.name),
                          f"priority=65535,in_port={end.number}")
    else:
        lab.network.set_link(link, True)
    wait_for("the direct way", lambda: (len(used_links(lab)) == 6, used_links(lab)), 8)
    until_all_reach(lab, 5)
    assert noticed(lab) == before


def why(lab):
    """Of the container that spans three switches."""
    return json.loads(lab.daemons.rfctl("--json", "why", "rfvmR", "1", check=False).stdout)


def test_split_router_still_forwards_on_each_side(lab):
    links = [inside_link(lab, "R1", "R2"), inside_link(lab, "R1", "R3")]
    for link in links:
        lab.network.set_link(link, False)
    wait_for("R1 to be alone", lambda: (
        used_links(lab) == {("R2", "R3"), ("R3", "R2")}, used_links(lab)), 8)
    assert " 0% packet loss" in ping(lab, "h2", "h4", "-c", "1")
    wait_for("that to be named", lambda: (
        "0 of the 2 other datapaths" in why(lab)["verdict"], why(lab)), 5)
    for link in links:
        lab.network.set_link(link, True)
    until_all_reach(lab, 10)
    wait_for("all to be well", lambda: (why(lab)["ok"], why(lab)), 5)


def test_real_link_beyond_is_still_for_the_container_to_notice(lab):
    link = lab.topology.link("R-S")
    before = noticed(lab)
    lab.network.set_link(link, False)
    wait_for("the carrier to fall", lambda: noticed(lab)[0] != before[0], 5)
    lab.network.set_link(link, True)
    until_all_reach(lab, 20)


def test_entries_that_are_deleted_by_hand_come_back(lab):
    def transit():
        return [flow for flow in Verifier(lab).flows("R2") if flow.table == TRANSIT_TABLE]

    before = transit()
    assert before
    lab.ovs.ofctl("del-flows", lab.ovs.management("R2"), f"table={TRANSIT_TABLE}")
    assert not transit()
    wait_for("the transit entries", lambda: (transit() == before, transit()), 60)
