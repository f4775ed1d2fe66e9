"""What routers themselves answer, near and far, in both families: their own addresses,
ICMP errors, and path MTU over a link that is narrower than others.

Four routers in a row with loopbacks; 1400 octets fit through the link in the middle."""

import os
import re
import secrets
import shutil

import pytest
from rflab import linkfile, plan, shapes, topology
from rflab.labcheck import Checker
from rflab.probe import Probes
from rflab.system import wait_for

from sshd import SERVER, Sshd

MTU = 1400
HEADERS = {4: 28, 6: 48}  # IP and ICMP, of a ping.
NOBODY = {4: "192.168.99.1", 6: "2001:db8::1"}
needs_ssh = pytest.mark.skipif(
    not (os.access(SERVER, os.X_OK) and shutil.which("ssh")),
    reason="no sshd or no ssh (scripts/setup --tests installs openssh-server and openssh-client)")
FAMILIES = pytest.mark.parametrize("family", [4, 6])


@pytest.fixture(scope="module")
def row(lab_of_module, tmp_path_factory):
    plain = topology.parse(plan.document(shapes.parse("line:4"), "ibgp", ipv6=True))
    path = tmp_path_factory.mktemp("links") / "links.csv"
    path.write_text(f"node,node,mtu\nn2,n3,{MTU}\n")
    return lab_of_module(topology.parse(linkfile.apply(path, plain)))


@pytest.fixture
def hosts(row):
    """Without what their kernels have learned of paths."""
    for host in row.topology.hosts:
        for family in ("-4", "-6"):
            in_host(row, host, "ip", family, "route", "flush", "cache")
    return row.topology.hosts


def in_host(lab, host, *argv, check=True):
    return lab.instance.run(*argv, netns=lab.network.host_netns(host), check=check).stdout


def ping(lab, source, target, *options):
    return in_host(lab, source, "ping", "-n", "-c", "1", "-W", "3", *options, str(target),
                   check=False)


def address(host, family):
    return (host.address if family == 4 else host.address6).ip


def entered(lab, n, family):
    """The address at which router N is entered by what comes from h1."""
    node = lab.topology.nodes[n - 1]
    port = next(p for p in node.ports if (p.peer.node.number == n - 1 if p.peer else n == 1))
    return str((port.address if family == 4 else port.address6).ip)


def test_all_checks_hold_with_a_narrow_link(row):
    for check in Checker(row).checks():
        result = Checker(row).run(*check)
        assert result.passed, result


def test_routers_answer_at_each_of_their_addresses_to_each_host(row, hosts):
    own = [a for node in row.topology.nodes for a in node.loopbacks] + [
        a.ip for port in row.topology.ports() for a in port.addresses]
    assert len(own) == 2 * (4 + 4 + 6)
    started = [(host.name, a, Probes(row).start(host, "ping", "-n", "-c", "1", "-W", "3", a))
               for host in hosts for a in own]
    lost = []
    for name, target, process in started:
        process.communicate()
        lost += [f"{name} -> {target}"] if process.returncode else []
    assert not lost


@pytest.fixture(scope="module")
def sshd(row, tmp_path_factory):
    """In router 1, which is four routers away from h4."""
    node = row.topology.nodes[0]
    own = [*node.loopbacks, *(a.ip for port in node.ports for a in port.addresses)]
    with Sshd(row, node, own, tmp_path_factory.mktemp("ssh")) as server:
        yield server


@needs_ssh
@FAMILIES
def test_a_router_is_a_host_to_ssh(row, hosts, sshd, family):
    node = row.topology.nodes[0]
    own = [a for a in node.loopbacks if a.version == family] + [
        a.ip for port in node.ports for a in port.addresses if a.version == family]
    assert len(own) == 3
    for target in own:
        said = sshd.run(hosts[3], "ssh", f"root@{target}",
                        "hostname; echo $SSH_CONNECTION").decode().split()
        assert [*said[:2], said[3]] == [node.vm, str(address(hosts[3], family)),
                                        str(target)]


@needs_ssh
@FAMILIES
def test_files_reach_a_router_and_come_back_intact(row, hosts, sshd, family, tmp_path):
    data, target = secrets.token_bytes(100_000), entered(row, 1, family)
    router = f"root@[{target}]"
    (tmp_path / "there").write_bytes(data)
    sshd.run(hosts[3], "scp", "-q", tmp_path / "there", f"{router}:/root/file")
    sshd.run(hosts[3], "scp", "-q", f"{router}:/root/file", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == data
    assert sshd.run(hosts[3], "ssh", f"root@{target}", "cat", stdin=data) == data


@FAMILIES
def test_traceroute_names_each_hop(row, hosts, family):
    out = in_host(row, hosts[0], "traceroute", f"-{family}", "-n", "-I", "-q", "1", "-w",
                  "3", address(hosts[3], family))
    hops = re.findall(r"^ *\d+ +(\S+)", out, re.MULTILINE)
    assert hops == [entered(row, n, family) for n in (1, 2, 3, 4)] + [
        str(address(hosts[3], family))]


@FAMILIES
def test_a_prefix_that_nobody_has_is_unreachable_says_the_first_router(row, hosts, family):
    out = ping(row, hosts[0], NOBODY[family])
    assert f"From {entered(row, 1, family)} " in out
    assert {4: "Net Unreachable", 6: "No route"}[family] in out


@FAMILIES
def test_a_host_that_is_not_there_is_unreachable_says_the_last_router(row, hosts, family):
    absent = address(hosts[3], family) + 1
    out = ping(row, hosts[0], absent, "-W", "6")
    assert f"From {entered(row, 4, family)} " in out
    assert {4: "Host Unreachable", 6: "Address unreachable"}[family] in out


@FAMILIES
def test_what_does_not_fit_is_answered_by_the_router_before_the_link(row, hosts, family):
    target = address(hosts[3], family)
    fits = MTU - HEADERS[family]
    assert "1 received" in ping(row, hosts[0], target, "-M", "do", "-s", str(fits))
    out = ping(row, hosts[0], target, "-M", "do", "-s", str(fits + 1))
    assert f"From {entered(row, 2, family)} " in out
    assert re.search({4: r"Frag needed .*mtu = 1400", 6: r"too big: mtu=1400"}[family], out)
    assert f"mtu {MTU}" in in_host(row, hosts[0], "ip", "route", "get", str(target))
    # From the other side it is the router there.
    out = ping(row, hosts[3], address(hosts[0], family), "-M", "do", "-s", str(fits + 1))
    port = next(p for p in row.topology.nodes[2].ports
                if p.peer and p.peer.node.number == 4)
    assert f"From {(port.address if family == 4 else port.address6).ip} " in out


@pytest.mark.skipif(not shutil.which("tracepath"), reason="tracepath is not installed")
@FAMILIES
def test_tracepath_finds_the_mtu_of_the_path(row, hosts, family):
    out = in_host(row, hosts[0], "tracepath", f"-{family}", "-n",
                  address(hosts[3], family))
    assert f"Resume: pmtu {MTU} hops 5" in out


def test_what_may_be_fragmented_arrives_in_pieces(row, hosts):
    out = ping(row, hosts[0], hosts[3].address.ip, "-M", "dont", "-s", "1472")
    assert "1 received" in out


@FAMILIES
def test_tcp_finds_its_segment_size(row, hosts, family):
    intact, seconds = Probes(row).tcp(hosts[0], hosts[3], family=family)
    assert intact
    assert f"mtu {MTU}" in in_host(row, hosts[0], "ip", "route", "get",
                                   str(address(hosts[3], family)))
    assert seconds < 20


def limits(checker, node):
    return {flow.mtu for flow in checker.tables(node.switches[0])[0]} - {None}


def test_a_link_that_becomes_as_wide_as_others_needs_no_check(row, hosts):
    checker = Checker(row)
    nodes = row.topology.nodes[1:3]
    link = row.topology.link("n2-n3")
    answer = {1500: "1 received", MTU: "mtu"}
    assert [limits(checker, node) for node in nodes] == [{MTU}, {MTU}]
    for mtu in (1500, MTU):
        for port in (link.a, link.b):
            row.instance.run("ip", "link", "set", port.name, "mtu", mtu,
                             netns=row.instance.netns)
            row.containers.run(port.node, "ip", "link", "set", port.vm_interface, "mtu",
                               mtu)
        wanted = {MTU} if mtu == MTU else set()
        wait_for("the switches to follow", lambda: (
            [limits(checker, node) for node in nodes] == [wanted, wanted],
            str([limits(checker, node) for node in nodes])), 5)
        for family in (4, 6):  # OSPF has begun anew with its neighbour.
            wait_for("the answer", lambda: (
                answer[mtu] in ping(row, hosts[1], address(hosts[2], family), "-M", "do",
                                    "-s", str(1500 - HEADERS[family])), ""), 15)
