"""Routers that are not ours, at edge ports: they speak OSPF and BGP with a container.

A host's namespace becomes a router (FRR of its own, with a network behind it).  What it
tells reaches the kernels of the containers and the flow tables of the switches, what the
platform knows reaches it, and traffic crosses.
"""

import json
import shutil

import pytest
from rflab.system import run, wait_for
from rflab.verify import Verifier

FRR = "/usr/lib/frr/"
BEHIND = {"h2": "203.0.113.0/24", "h3": "198.51.100.0/24"}


class Router:
    """FRR in a host's namespace, with its files in a directory of its own."""

    def __init__(self, lab, host):
        self.lab, self.host = lab, host
        self.directory = lab.instance.dir / f"router-{host.name}"
        self.netns = lab.network.host_netns(host)
        self.directory.mkdir()
        shutil.chown(self.directory, "frr", "frr")
        self.inside("ip", "link", "add", "behind", "type", "veth", "peer", "name", "far")
        first = BEHIND[host.name].replace(".0/24", ".1/24")
        self.inside("ip", "address", "add", first, "dev", "behind")
        self.inside("ip", "link", "set", "behind", "up")
        self.inside("ip", "link", "set", "far", "up")
        self.inside("ip", "route", "del", "default")

    def inside(self, *argv):
        return run(self.lab.instance.inside(self.netns, *argv)).stdout

    def start(self, daemon, config):
        path = self.directory / f"{daemon}.conf"
        path.write_text(config, encoding="utf-8")
        self.lab.instance.spawn(
            f"{self.host.name}-{daemon}", FRR + daemon, "-z",
            self.directory / "zserv.api", "-i", self.directory / f"{daemon}.pid",
            "--vty_socket", self.directory, "-f", path, "-A", "127.0.0.1",
            netns=self.netns)
        if daemon == "zebra":
            wait_for("zebra", (self.directory / "zserv.api").exists, 5)

    def routes(self, protocol):
        return {route["dst"] for route in json.loads(
            self.inside("ip", "-j", "route", "show", "proto", protocol) or "[]")}


def configure(lab, node, *lines):
    words = [word for line in ("configure terminal", *lines) for word in ("-c", line)]
    lab.containers.run(node, "vtysh", *words)


@pytest.fixture(scope="module")
def lab(make_lab):
    return make_lab("ext", "rftest2")


def host(lab, name):
    return next(h for h in lab.topology.hosts if h.name == name)


def assert_reaches(lab, source, address):
    verifier = Verifier(lab)

    def answered():
        process = verifier.probes.start(host(lab, source), "ping", "-n", "-c", "1", "-W",
                                        "1", address)
        out = process.communicate()[0]
        return " 0% packet loss" in out, out

    wait_for(f"{source} to reach {address}", answered, 20)


def assert_in_all_tables(lab, prefix):
    """In every container's kernel, and in every switch's FIB table."""
    verifier = Verifier(lab)
    for node in lab.topology.nodes:
        wait_for(f"{prefix} in the kernel of {node.vm}",
                 lambda node=node: prefix in verifier.kernel_routes(node), 20)
        wait_for(f"{prefix} in switch {node.name}", lambda node=node: any(
            str(flow.network) == prefix and flow.group
            for flow in verifier.flows(node.name)), 10)


def test_ospf_with_a_router_at_an_edge_port(lab):
    node = lab.topology.node("B")
    port = host(lab, "h2").port.vm_interface
    configure(lab, node, f"interface {port}", "ip ospf network point-to-point",
              "ip ospf hello-interval 1", "ip ospf dead-interval 4", "exit",
              "router ospf", f"no passive-interface {port}")
    router = Router(lab, host(lab, "h2"))
    router.start("zebra", "hostname h2\n")
    router.start("ospfd", "interface eth0\n ip ospf network point-to-point\n"
                 " ip ospf hello-interval 1\n ip ospf dead-interval 4\n"
                 "router ospf\n ospf router-id 2.2.2.2\n"
                 " network 172.31.2.0/24 area 0\n network 203.0.113.0/24 area 0\n")
    assert_in_all_tables(lab, BEHIND["h2"])
    wait_for("h2 to learn the platform's networks", lambda: {
        "172.31.1.0/24", "172.31.3.0/24", "172.31.4.0/24"} <= router.routes("ospf"), 20)
    assert_reaches(lab, "h1", "203.0.113.1")
    assert_reaches(lab, "h2", "172.31.4.100")


def test_bgp_with_a_router_at_an_edge_port(lab):
    node = lab.topology.node("C")
    lab.containers.run(node, "/usr/lib/frr/bgpd", "-d", "-A", "127.0.0.1")
    configure(lab, node, "router bgp 65000", "no bgp ebgp-requires-policy",
              "neighbor 172.31.3.100 remote-as 65100", "address-family ipv4 unicast",
              "redistribute ospf", "redistribute connected", "exit", "exit",
              "router ospf", "redistribute bgp")
    router = Router(lab, host(lab, "h3"))
    router.start("zebra", "hostname h3\n")
    router.start("bgpd", "router bgp 65100\n bgp router-id 3.3.3.3\n"
                 " no bgp ebgp-requires-policy\n no bgp network import-check\n"
                 " neighbor 172.31.3.1 remote-as 65000\n"
                 " neighbor 172.31.3.1 timers 1 3\n neighbor 172.31.3.1 timers connect 1\n"
                 " address-family ipv4 unicast\n  network 198.51.100.0/24\n")
    assert_in_all_tables(lab, BEHIND["h3"])
    wait_for("h3 to learn the platform's networks", lambda: {
        "172.31.1.0/24", "172.31.4.0/24"} <= router.routes("bgp"), 30)
    assert_reaches(lab, "h1", "198.51.100.1")
    assert_reaches(lab, "h3", "172.31.4.100")


def test_nothing_of_it_is_on_the_links_between_switches(lab):
    # No OSPF or BGP of the external routers either: they end at the edge.
    verifier = Verifier(lab)
    row = verifier.row("silence", verifier.leak_counter, 5)
    assert row.passed, row.measured
