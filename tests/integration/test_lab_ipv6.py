"""IPv6 end to end, in a ring of four LXC containers with OSPFv3 beside OSPFv2."""

import json
import time

import pytest

from rflab import plan, shapes, topology
from rflab.labcheck import Checker
from rflab.system import wait_for

# Sends one router solicitation (RFC 4861, section 4.1) to all routers.
SOLICIT = """
import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
s.sendto(bytes([133, 0, 0, 0, 0, 0, 0, 0]), ("ff02::2", 0, 0, socket.if_nametoindex("eth0")))
"""
PYTHON = ("/usr/bin/python3", "-I", "-c")


@pytest.fixture(scope="module")
def ring(lab_of_module):
    return lab_of_module(topology.parse(
        plan.document(shapes.parse("ring:4"), "ospf", ipv6=True)))


@pytest.fixture(scope="module")
def checker(ring):
    return Checker(ring)


def in_host(lab, host, *argv, check=True):
    return lab.instance.run(*argv, netns=lab.network.host_netns(host), check=check)


def in_node(lab, node, *argv):
    return lab.containers.run(node, *argv).stdout


def fib(checker, node):
    """{network: (flow, its group or None)}"""
    flows, groups = checker.tables(node)
    return {str(flow.network): (flow, groups.get(flow.group)) for flow in flows
            if flow.network}


def test_every_check_holds(checker):
    for check in checker.checks():
        result = checker.run(*check)
        assert result.passed, result


def test_traceroute_names_each_hop(ring):
    source, target = ring.topology.hosts[:2]
    node = ring.topology.nodes[1]
    done = in_host(ring, source, "traceroute", "-6", "-n", "-q", "1", "-w", "3",
                   str(target.address6.ip))
    hops = [line.split()[1] for line in done.stdout.splitlines()[1:]]
    entered = next(p for p in node.ports if p.peer and p.peer.node is source.port.node)
    assert hops == [str(source.gateway6), str(entered.address6.ip), str(target.address6.ip)]


def test_routers_answer_for_their_own_addresses(ring):
    source = ring.topology.hosts[0]
    far = ring.topology.nodes[2]
    for address in [p.address6.ip for p in far.ports] + [
            f"{source.port.link_local}%eth0"]:
        in_host(ring, source, "ping", "-n", "-c", "1", "-W", "3", str(address))


def test_unknown_destination_is_answered_with_unreachable(ring):
    source = ring.topology.hosts[0]
    done = in_host(ring, source, "ping", "-n", "-c", "1", "-W", "2", "2001:db8::1",
                   check=False)
    assert f"From {source.gateway6}" in done.stdout and "No route" in done.stdout


@pytest.mark.parametrize("network", ["::/0", "2001:db8::/32", "2001:db8::77/128"])
def test_routes_of_any_length_over_a_link_local_next_hop(ring, checker, network):
    node = ring.topology.nodes[0]
    port = next(p for p in node.ports if p.peer)
    route = ("route", "replace", network, "via", port.peer.link_local, "dev",
             port.vm_interface)
    in_node(ring, node, "ip", "-6", *route)
    try:
        def installed():
            flow, group = fib(checker, node).get(network, (None, None))
            return group is not None and [b.output for b in group.buckets] == [
                str(port.number)] and [b.eth_dst for b in group.buckets] == [port.peer.mac]
        wait_for(f"{network} in the switch", installed, 5)
    finally:
        in_node(ring, node, "ip", "-6", "route", "del", network)
    wait_for(f"{network} to leave the switch",
             lambda: network not in fib(checker, node), 5)


def test_weights_of_the_suite_are_kept(ring, checker):
    node = ring.topology.nodes[0]
    a, b = [p for p in node.ports if p.peer]
    in_node(ring, node, "ip", "-6", "route", "add", "2001:db8::/32",
            "nexthop", "via", a.peer.link_local, "dev", a.vm_interface, "weight", "3",
            "nexthop", "via", b.peer.link_local, "dev", b.vm_interface, "weight", "2")
    try:
        def weighted():
            text = ring.ovs.ofctl("--no-names", "dump-groups",
                                  ring.ovs.management(node.name))
            flow, _ = fib(checker, node).get("2001:db8::/32", (None, None))
            line = next((l for l in text.splitlines() if flow and
                         f"group_id={flow.group}," in l), "")
            return "type=select" in line and "weight:3" in line and "weight:2" in line, line
        wait_for("a select group with weights", weighted, 5)
    finally:
        in_node(ring, node, "ip", "-6", "route", "del", "2001:db8::/32")


def test_link_local_and_multicast_never_become_fib_entries(ring, checker):
    for node in ring.topology.nodes:
        links = [n for n in fib(checker, node) if n.startswith(("fe80", "ff"))]
        assert links == []


def test_a_host_finds_that_an_address_is_taken_by_the_router(ring):
    """Duplicate address detection: its solicitation reaches the container, whose answer
    to all nodes leaves by the edge port."""
    host = ring.topology.hosts[1]
    address = f"{host.gateway6}/64"
    in_host(ring, host, "ip", "-6", "addr", "add", address, "dev", "eth0")
    try:
        def failed():
            text = in_host(ring, host, "ip", "-j", "-6", "addr", "show", "dev", "eth0").stdout
            return any(a["local"] == str(host.gateway6) and a.get("dadfailed")
                       for a in json.loads(text)[0]["addr_info"])
        wait_for("the address to be refused", failed, 5)
    finally:
        in_host(ring, host, "ip", "-6", "addr", "del", address, "dev", "eth0")


def test_router_solicitations_reach_the_container(ring):
    host = ring.topology.hosts[2]
    node = host.port.node

    def seen():
        text = in_node(ring, node, "cat", "/proc/net/dev_snmp6/" + host.port.vm_interface)
        return int(next(line.split()[1] for line in text.splitlines()
                        if line.startswith("Icmp6InRouterSolicits")))
    before = seen()
    in_host(ring, host, *PYTHON, SOLICIT)
    wait_for("the solicitation", lambda: seen() > before, 5)


def test_a_new_host_is_resolved_and_forgotten_with_its_neighbour(ring, checker):
    """An address that the router has never seen: the first packet is punted, and the
    neighbour that the kernel finds becomes a /128."""
    source, host = ring.topology.hosts[0], ring.topology.hosts[3]
    address = host.address6.network[0x777]
    node = host.port.node
    in_host(ring, host, "ip", "-6", "addr", "add", f"{address}/64", "dev", "eth0", "nodad")
    try:
        in_host(ring, source, "ping", "-n", "-c", "3", "-i", "0.3", "-W", "2", str(address))
        wait_for("the host entry", lambda: fib(checker, node).get(f"{address}/128"), 5)
    finally:
        in_host(ring, host, "ip", "-6", "addr", "del", f"{address}/64", "dev", "eth0")
    in_node(ring, node, "ip", "-6", "neigh", "del", address, "dev", host.port.vm_interface)
    wait_for("the host entry to go",
             lambda: f"{address}/128" not in fib(checker, node), 5)


def test_both_families_are_rerouted_after_a_cut(ring, checker):
    link = ring.topology.links[0]
    for up in (False, True):
        ring.network.set_link(link, up)
        ring.save(down=[] if up else [link.name])
        begun = time.monotonic()
        result = Checker(ring).run("kernels", Checker(ring).kernels, 10)
        print(f"link {'up' if up else 'down'}: {time.monotonic() - begun:.2f} s")
        if not result.passed:
            ring.network.set_link(link, True)
            ring.save(down=[])
        assert result.passed, result


def test_nothing_leaked(checker):
    result = checker.run("silence", checker.silence, 0)
    assert result.passed, result
