"""rfctl plan on a network that grows: n1 - n2 routes, then switch n3 is cabled to n2 twice,
with a host, and is in no row of the mapping."""

import hashlib
import json

import pytest

from rflab import plan as labplan
from rflab import shapes, topology
from rflab.daemons import PROXY_CONTROLLER, SERVER_PORT
from rflab.net import MANAGEMENT_BRIDGE
from rflab.system import CHECKOUT, wait_for
from rflab.topology import RFVS_BRIDGE

CABLES = [("n2.8", "n3.1"), ("n2.9", "n3.2")]
HOST_PORT = "n3.5"


def grow(lab):
    """Switch n3, its cables, and a host without an address."""
    lab.network.batch(lab.instance.netns, [
        line for a, b in CABLES for line in (
            f"link add {a} type veth peer name {b}", f"link set {a} arp off up",
            f"link set {b} arp off up")])
    name = f"{lab.instance.netns}-h3"
    lab.network.add_netns(name)
    lab.network.batch(lab.instance.netns, [
        f"link add {HOST_PORT} type veth peer name eth0 netns {name}",
        f"link set {HOST_PORT} arp off up"])
    lab.network.batch(name, ["link set lo up", "link set eth0 up"])
    lab.instance.run("ethtool", "-K", "eth0", "tx", "off", netns=name)
    ports = [name for cable in CABLES for name in cable] + [HOST_PORT]
    lab.ovs.vsctl(*lab.ovs._bridge("n3", 3, PROXY_CONTROLLER))
    for port in ports:
        bridge, number = port.split(".")
        lab.ovs.add_ports(bridge, [(port, int(number))])
    return name


def proposal(lab):
    return json.loads(lab.daemons.rfctl("plan", "--json").stdout)


def settled_proposal(lab):
    """As soon as LLDP has said all it has to say about n3."""
    def complete():
        found = proposal(lab)
        return found["rows"].count("\n") == 7 and not found["notes"] and found, found
    return wait_for("all ports of n3 to be in the plan", complete, 15)


def state_of(lab):
    """All that an apply may change: the mapping, the files of the containers."""
    paths = [lab.daemons.mapping, lab.daemons.keys / "allow",
             *sorted((lab.instance.dir / "lxc").glob("*/config")),
             *sorted((lab.instance.dir / "lxc").glob("*/rootfs/etc/*/*"))]
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths
            if p.is_file()}


def interfaces(lab):
    return set(lab.ovs.vsctl("--columns=name", "--no-headings", "--format=csv", "list",
                             "interface").split())


def ping(lab, netns, address):
    done = lab.instance.run("ping", "-n", "-c", "1", "-W", "1", address, netns=netns,
                            check=False)
    return done.returncode == 0, done.stdout


def until_pings(lab, netns, address):
    wait_for(f"{netns} to reach {address}", lambda: ping(lab, netns, address), 20)


def as_a_site(lab):
    """The script is told of this network as of one that an operator has put together."""
    folder = lab.instance.dir / "site"
    folder.mkdir()
    (folder / "routeflow.conf").write_text(f"""
        [plan-container]
        lxc-path = {lab.containers.path}
        folder = {folder}
        programs = {lab.daemons.program("rfctl").parent.resolve()}
        bridge = {MANAGEMENT_BRIDGE}
        management = {lab.network.server_address}/{lab.network.management.prefixlen}
        server = tcp://{lab.network.server_address}:{SERVER_PORT}
        ovsdb = {lab.ovs.socket}
        rfvs = {RFVS_BRIDGE}
        key-file = {lab.daemons.key}
        curve-server = {lab.daemons.keys}/rfserver
        curve-allow = {lab.daemons.keys}/allow
        """.replace("        ", ""), encoding="utf-8")
    lab.daemons.plan_script.write_text(
        f"#!/bin/sh\nexec nsenter --net=/run/netns/{lab.instance.netns} -- "
        f"{CHECKOUT}/scripts/plan-container --site {folder}/routeflow.conf \"$@\"\n",
        encoding="utf-8")


@pytest.mark.parametrize("kind", ["light", "lxc", "site"])
def test_new_switch_is_proposed_made_and_taken_back(lab_of, kind):
    light = kind == "light"
    lab = lab_of(topology.parse(labplan.document(shapes.parse("line:2"), light=light)))
    if kind == "site":
        as_a_site(lab)
    rfctl = lab.daemons.rfctl
    assert rfctl("plan").stdout == "nothing to propose\n"
    assert rfctl("plan", "--revert", check=False).returncode == 1

    # Comments, a class, no line end: what an operator may have.
    lab.daemons.mapping.write_text("# by hand\n" + lab.daemons.mapping.read_text().strip()
                                   + "  # the last", encoding="utf-8")
    host3 = grow(lab)
    wanted = settled_proposal(lab)
    before, ports_before = state_of(lab), interfaces(lab)
    shown = rfctl("plan").stdout
    print(shown)
    assert shown == rfctl("plan").stdout, "the same network, another plan"
    assert state_of(lab) == before, "plan alone has changed something"
    for text in ("+060000030000,5,0,3,5\n", "+020000020000,8,0,2,8\n", "rfa3/rootfs/etc",
                 "+ ip address 10.128.0.1/30\n", "+ ip address 172.24.0.1/24\n",
                 "+router ospf\n", "+ network 10.128.0.4/30 area 0\n",
                 f"rfctl plan --apply {wanted['plan']}: 5 rows"):
        assert text in shown, text

    refused = rfctl("plan", "--apply", "12345678", check=False)
    assert refused.returncode == 1 and "is not what is proposed now" in refused.stderr
    assert state_of(lab) == before

    print(rfctl("plan", "--apply", wanted["plan"]).stdout)
    assert rfctl("plan").stdout == "nothing to propose\n"
    lab.network.batch(host3, ["addr add 172.24.0.100/24 dev eth0",
                              "route add default via 172.24.0.1"])
    hosts = [(lab.network.host_netns(h), str(h.address.ip)) for h in lab.topology.hosts]
    for netns, address in hosts:
        until_pings(lab, host3, address)
        until_pings(lab, netns, "172.24.0.100")
    # Both cables carry: two next hops.
    hops = lab.containers.run(lab.topology.nodes[1], "ip", "route", "show",
                              "172.24.0.0/24").stdout
    assert hops.count("nexthop") == 2, hops

    # What is there is not made twice, nor unmade by whoever has not made it.
    applied = state_of(lab)
    for file in sorted((lab.instance.dir / "plan" / "1").glob("*.json")):
        copy = file.with_name("copy")
        copy.write_bytes(file.read_bytes())
        for verb, status, said in (("make", 1, "already"), ("unmake", 0, "")):
            done = lab.instance.run(lab.daemons.plan_script, verb, copy, check=False)
            assert done.returncode == status and said in done.stderr, done
    assert state_of(lab) == applied
    until_pings(lab, host3, hosts[0][1])

    # The interfaces that the neighbour got are there after a restart, too.
    if not light:
        lab.containers.stop(lab.topology.nodes[1], kill=True)
        lab.containers.start(lab.topology.nodes[1])
        until_pings(lab, hosts[0][0], hosts[1][1])
        until_pings(lab, host3, hosts[0][1])

    print(rfctl("plan", "--revert").stdout)
    assert state_of(lab) == before, "not all is as it was"
    wait_for("the interfaces to leave", lambda: (interfaces(lab) == ports_before,
                                                 interfaces(lab) - ports_before), 5)
    assert not (lab.containers.path / "rfa3").exists()
    until_pings(lab, *[hosts[0][0], hosts[1][1]])
    assert not ping(lab, host3, hosts[0][1])[0], "h3 is still routed"
    assert not lab.daemons.ended(), lab.daemons.ended()

    def same():
        found = proposal(lab)
        return found == wanted, found
    wait_for("the same plan again", same, 20)
    assert rfctl("plan", "--revert", check=False).returncode == 1
