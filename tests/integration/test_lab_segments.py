"""Mixed networks in the lab: routers that meet on plain switches, routers of other kinds
between islands of OpenFlow switches (config/topologies/segment.gml, islands.gml)."""

import re
import struct
import time

import pytest
from rflab import graphfile, pcap, plan, topology
from rflab.labcheck import Checker
from rflab.system import CHECKOUT, wait_for
from rflab.topology import RFVS_BRIDGE
from rflab.verify import Verifier, as_rows, find_key

MAPS = CHECKOUT / "config" / "topologies"


def describe(path, **options):
    return topology.parse(plan.document(graphfile.load(path), light=True, **options))


def check_all(lab, down=()):
    lab.save(down=list(down))
    results = Checker(lab).all(lambda result: None)
    assert [(r.check, r.differences) for r in results if not r.passed] == []


@pytest.fixture(scope="module")
def segment(lab_of_module):
    return lab_of_module(describe(MAPS / "segment.gml"))


def members(lab, number=None):
    """[(dpid, port)] of those on the segment of a port."""
    rows = [row for row in as_rows(lab.daemons.show("links")) if "segment" in row]
    ports = {(int(row["a_dp_id"], 16), row["a_dp_port"]): row["segment"] for row in rows}
    return sorted(port for port, segment in ports.items() if segment == ports.get(number))


def ospf_states(lab, node, interface):
    """{address of the neighbour: "Full/DR", ...} on one interface."""
    out = lab.containers.run(node, "vtysh", "-c", "show ip ospf neighbor").stdout
    return {line.split()[-5]: line.split()[2] for line in out.splitlines()
            if f" {interface}:" in line}


def test_routers_on_a_plain_switch_elect_one_and_route(segment):
    check_all(segment)
    north, east, south = segment.topology.segments[0].ports
    assert members(segment, (1, north.number)) == [
        (p.switch.dpid, p.number) for p in (north, east, south)]
    roles = []
    for port in (north, east, south):
        states = ospf_states(segment, port.node, port.vm_interface)
        assert set(states) == {str(p.address) .split("/")[0] for p in port.neighbours}
        assert all(state.startswith("Full/") for state in states.values()), states
        roles += states.values()
    # Each of the two elected is seen by two others; the third is a DROther.
    assert sorted(roles) == ["Full/Backup"] * 2 + ["Full/DR"] * 2 + ["Full/DROther"] * 2
    done = segment.daemons.rfctl("why", north.node.vm_id, north.number)
    assert "on segment" in done.stdout and "2 others of the segment" in done.stdout


def test_links_carry_no_broadcasts_once_lldp_has_found_them(segment):
    def counted():
        data = segment.network.capture_file(segment.topology.links[0]).read_bytes()
        types = [struct.unpack_from("!H", frame, 12)[0] for _, frame in pcap.frames(data)]
        return types.count(pcap.BDDP), types.count(pcap.LLDP)

    broadcasts, lldp = counted()
    wait_for("eight more LLDP frames", lambda: counted()[1] >= lldp + 8, 10)
    assert counted()[0] == broadcasts <= 10


def test_member_whose_cable_is_pulled_loses_its_membership_only(segment):
    cable = segment.topology.link("n2-b1")
    for up in (False, True):
        segment.network.set_link(cable, up)
        check_all(segment, [] if up else [cable.name])


def test_silent_member_leaves_and_nobody_loses_carrier(segment):
    """Its cable to the plain switch is cut somewhere on the way: no port goes down."""
    lan = segment.topology.segments[0]
    north, east, south = lan.ports
    set_master = ("ip", "link", "set", lan.interface(east))
    segment.instance.run(*set_master, "nomaster", netns=segment.instance.netns)
    try:
        wait_for("the others to remain", lambda: (
            members(segment, (1, north.number)) ==
            [(p.switch.dpid, p.number) for p in (north, south)], members(segment)), 6)
        assert all(map(Verifier(segment).carrier, lan.ports))
        wait_for("the two to be neighbours still, and alone", lambda: (
            set(ospf_states(segment, north.node, north.vm_interface)) ==
            {str(south.address.ip)}), 8)
        # The way to East ends; North and South reach each other as before.
        checker = Checker(segment)
        a, b = (port.node for port in (north, south))
        hosts = {host.port.node: host for host in segment.topology.hosts}
        assert checker._ping([(hosts[a], hosts[b], 4), (hosts[b], hosts[a], 4)], 1) == []
    finally:
        segment.instance.run(*set_master, "master", lan.name,
                             netns=segment.instance.netns)
    check_all(segment)


def rfvs_entries(lab):
    text = lab.ovs.ofctl("dump-flows", lab.ovs.management(RFVS_BRIDGE))
    return {re.search(r"in_port=\S+", line)[0]: float(re.search(r"duration=([\d.]+)",
                                                               line)[1])
            for line in text.splitlines() if "output:" in line}


@pytest.mark.parametrize("name", ["rfproxy", "rfvs", "rfserver"])
def test_restart_leaves_a_segment_alone(segment, name):
    before = rfvs_entries(segment)
    segment.daemons.kill(name)
    started = time.monotonic()
    segment.daemons.start_one(name)
    wait_for("what was not heard again to be given up", lambda: (
        time.monotonic() - started > 5), 6)  # LINKS_LISTEN_MS of rfserver.
    after = rfvs_entries(segment)
    assert after.keys() == before.keys()
    assert all(after[entry] > before[entry] for entry in before), "written again"
    check_all(segment)


def test_legacy_router_between_two_islands(lab_of):
    lab = lab_of(describe(MAPS / "islands.gml", ipv6=True))
    check_all(lab)
    legacy, = lab.topology.legacy_nodes()
    peers = {port.neighbours[0].switch.dpid: port.neighbours[0].number
             for port in legacy.ports}
    classes = {(int(row["dp_id"], 16), row["dp_port"]): row["class"]
               for row in as_rows(lab.daemons.show("ports"))}
    assert all(classes[port] == "edge" for port in peers.items())


def test_plain_switch_with_a_legacy_router_is_external_to_the_plane(lab_of, tmp_path):
    """OSPF of all three runs over the real segment then, and nothing of it leaks."""
    path = tmp_path / "mixed.gml"
    path.write_text('graph [ node [ id 0 ] node [ id 1 ] node [ id 2 kind "legacy" ] '
                    'node [ id 3 kind "l2" ] edge [ source 0 target 3 ] '
                    'edge [ source 1 target 3 ] edge [ source 2 target 3 ] ]')
    lab = lab_of(describe(path))
    check_all(lab)
    assert "0,1,2,external" in lab.topology.mapping_text()
    assert find_key(lab.daemons.show("status"), "virtual-link entries") == 0
