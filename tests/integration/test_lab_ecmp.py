"""Many equal paths: two routers joined by 16 parallel links (64 with RF_FULL=1)."""

import os
import re

import pytest

from rflab import graphfile, plan, topology
from rflab.labcheck import Checker
from rflab.probe import Probes
from rflab.system import wait_for

LINKS = 64 if os.environ.get("RF_FULL") == "1" else 16
# Reads what TCP brings; sends so many segments over each of so many TCP connections, not
# in a burst.  (Open vSwitch hashes the ports of TCP, but not those of UDP, unless told
# by a group property that OpenFlow 1.3 does not have.)
SINK = """
import socket, sys, threading
listener = socket.create_server((sys.argv[1], 5009), backlog=1000, family=socket.AF_INET6
                                if ":" in sys.argv[1] else socket.AF_INET)
print("listening", flush=True)
def read(peer):
    while peer.recv(65536):
        pass
while True:
    threading.Thread(target=read, args=listener.accept()[:1], daemon=True).start()
"""
SEND = """
import socket, sys, time
target, flows, packets = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for flow in range(flows):
    peer = socket.create_connection((target, 5009))
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for i in range(packets):
        peer.sendall(b"x" * 1400)
        if i % 10 == 9:
            time.sleep(0.001)
"""
PYTHON = ("/usr/bin/python3", "-I", "-c")


@pytest.fixture(scope="module")
def lab(lab_of_module, tmp_path_factory):
    path = tmp_path_factory.mktemp("map") / "parallel.gml"
    path.write_text("graph [ node [ id 0 ] node [ id 1 ] "
                    + "edge [ source 0 target 1 ] " * LINKS + "]")
    return lab_of_module(topology.parse(
        plan.document(graphfile.load(path), ipv6=True, light=True)))


def sent(lab):
    """{port: packets sent} of the first switch's inter-switch ports."""
    node = lab.topology.nodes[0]
    text = lab.ovs.ofctl("dump-ports", lab.ovs.management(node.name))
    counts = dict(re.findall(r'port +"?([^":]+)"?:.*\n +tx pkts=(\d+)', text))
    return {port.number: int(counts.get(port.name, counts.get(str(port.number), 0)))
            for port in node.ports if port.peer}


def target_of(lab, family):
    host = lab.topology.hosts[1]
    return str((host.address if family == 4 else host.address6).ip)


@pytest.fixture(scope="module")
def sinks(lab):
    started = [Probes(lab).start(lab.topology.hosts[1], *PYTHON, SINK, target_of(lab, family))
               for family in (4, 6)]
    for sink in started:
        assert "listening" in sink.stdout.readline()
    yield
    for sink in started:
        sink.kill()
        sink.communicate()


def sending(lab, family, flows, packets):
    """{port: packets} of what the first host sends to the second."""
    before = sent(lab)
    lab.instance.run(*PYTHON, SEND, target_of(lab, family), flows, packets,
                     netns=lab.network.host_netns(lab.topology.hosts[0]))
    wait_for("the packets", lambda: sum(sent(lab).values()) - sum(before.values())
             >= 0.9 * flows * packets, 5)
    # LLDP runs beside: some frames a port.
    return {port: n - before[port] for port, n in sent(lab).items() if n - before[port] > 20}


def test_all_links_are_one_select_group(lab):
    checker = Checker(lab)
    for check in checker.checks():
        result = checker.run(*check)
        assert result.passed, result
    node = lab.topology.nodes[0]
    flows, groups = checker.tables(node)
    far = {a.network for a in lab.topology.hosts[1].addresses}
    shared = [groups[f.group] for f in flows if f.network in far]
    assert [(g.kind, len(g.buckets)) for g in shared] == [("select", LINKS)] * 2


@pytest.mark.parametrize("family", [4, 6])
def test_a_flow_keeps_its_path_and_flows_spread(lab, sinks, family):
    one, = sending(lab, family, 1, 500).values()
    assert one > 450
    assert len(sending(lab, family, 6 * LINKS, 50)) > LINKS // 2


def reordered(lab, host):
    """TCP segments that came out of order, by this host's counters."""
    names, values = (line.split()[1:] for line in lab.instance.run(
        "grep", "^TcpExt", "/proc/net/netstat",
        netns=lab.network.host_netns(host)).stdout.splitlines())
    counters = dict(zip(names, map(int, values)))
    return sum(counters[name] for name in ("TCPSACKReorder", "TCPTSReorder",
                                           "TCPRenoReorder"))


def test_tcp_is_not_reordered(lab):
    hosts = lab.topology.hosts
    before = sum(reordered(lab, host) for host in hosts)
    intact, _ = Probes(lab).tcp(hosts[0], hosts[1])
    assert intact
    assert sum(reordered(lab, host) for host in hosts) == before


def test_a_link_that_goes_away_leaves_the_group(lab):
    """That this is one group-mod, however many prefixes: tests/unit/core."""
    node, link = lab.topology.nodes[0], lab.topology.links[-1]
    far = {a.network for a in lab.topology.hosts[1].addresses}

    def less():
        flows, groups = Checker(lab).tables(node)
        # A group may be another one by the time that groups are read.
        return all(f.group in groups and len(groups[f.group].buckets) == LINKS - 1
                   for f in flows if f.network in far)

    lab.network.set_link(link, False)
    lab.save(down=[link.name])
    try:
        wait_for("groups with a bucket less", less, 5)
        checker = Checker(lab)
        for check in checker.checks():
            result = checker.run(*check)
            assert result.passed, result
    finally:
        lab.network.set_link(link, True)
        lab.save(down=[])


def test_the_link_comes_back_into_the_group(lab):
    checker = Checker(lab)
    for check in checker.checks():
        result = checker.run(*check)
        assert result.passed, result
