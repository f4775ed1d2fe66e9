"""What an operator does by hand, or by mistake: it heals by itself, as quickly as it
can, the log says what was wrong, and nothing else is touched."""

import os
import re
import signal
import time

import pytest
from rflab.daemons import RFVS_CONTROLLER
from rflab.streams import lost
from rflab.system import wait_for
from rflab.topology import RFVS_BRIDGE

from intruder import Log, SlowStreams, Undisturbed


@pytest.fixture(scope="module", autouse=True)
def settled_at_first(verifier):
    assert_settled(verifier)


@pytest.fixture(autouse=True)
def settled_after_each(verifier):
    yield
    assert_settled(verifier)


def assert_settled(verifier, timeout=30):
    row = verifier.row("settled", verifier.settled, timeout)
    assert row.passed, row.measured
    row = verifier.row("associations", verifier.associations, timeout)
    assert row.passed, row.measured


@pytest.fixture
def log(rftest2):
    logs = {name: Log(rftest2, name) for name in ("rfserver", "rfproxy", "rfvs")}
    return logs.__getitem__


def signal_rfclient(lab, node, name):
    lab.containers.run(node, "bash", "-c", "for p in /proc/[0-9]*; do "
                       f"[ $(<$p/comm) = rfclient ] && kill -{name} ${{p#/proc/}}; done; true")


# ---- a process that does not run for a while ----

PAUSE = 7  # Longer than anybody waits for a sign of life.


def test_rfserver_that_stands_still_disturbs_nobody(rftest2, verifier, log):
    pid = rftest2.daemons.pid("rfserver")
    with Undisturbed(rftest2, verifier):
        os.kill(pid, signal.SIGSTOP)
        try:
            log("rfproxy").wait("rfserver is away: .*switches keep their entries", PAUSE)
            log("rfvs").wait("rfserver is away: .*RFVS stays as it is", PAUSE)
        finally:
            os.kill(pid, signal.SIGCONT)
        log("rfproxy").wait("rfserver is there")
        log("rfvs").wait("rfserver is there")
        assert_settled(verifier)


def test_rfclient_that_stands_still_disturbs_nobody(rftest2, verifier, log):
    node = rftest2.topology.node("C")
    with Undisturbed(rftest2, verifier):
        signal_rfclient(rftest2, node, "STOP")
        try:
            log("rfserver").wait("vm 02:c0:c0:c0:c0:c0 .*lost: it is silent; its flows stay",
                                 PAUSE)
        finally:
            signal_rfclient(rftest2, node, "CONT")
        log("rfserver").wait("vm 02:c0:c0:c0:c0:c0 in sync")
        assert_settled(verifier)


@pytest.mark.parametrize("name, words", [
    ("rfproxy", "controller 0 .*lost: it is silent"), ("rfvs", "rfvs@.*lost: it is silent")])
def test_driver_that_stands_still_goes_on_where_it_was(rftest2, verifier, log, name, words):
    """Hosts may lose their gateway meanwhile, since nobody answers their ARP; but the
    links, and so OSPF, are as before."""
    pid = rftest2.daemons.pid(name)
    os.kill(pid, signal.SIGSTOP)
    try:
        log("rfserver").wait(words, PAUSE)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert_settled(verifier)
    assert not log("rfserver").lines("event: link .* is lost")


# ---- entries that somebody deletes ----

def outage(streams):
    """Milliseconds that the pair hit hardest lost."""
    return max(lost(flows) for flows in streams.stop().values()) * SlowStreams.INTERVAL_MS


def group_of(lab, node, network):
    text = lab.ovs.ofctl("dump-flows", lab.ovs.management(node))
    return re.search(rf"nw_dst={re.escape(network)} actions=group:(\d+)", text)[1]


@pytest.mark.parametrize("what, longest", [
    # What misses in the FIB goes through the container.
    ("one route", 0), ("one group", 0),
    # Up to a second until it is noticed.
    ("the FIB", 1500), ("all", 1500)])
def test_entries_deleted_in_a_switch_are_back(rftest2, verifier, log, what, longest):
    ovs, switch = rftest2.ovs, rftest2.ovs.management("A")
    with SlowStreams(verifier.probes) as streams:
        time.sleep(0.2)
        if what == "one route":
            ovs.ofctl("del-flows", switch, "ip,nw_dst=172.31.4.0/24")
        elif what == "one group":
            ovs.ofctl("del-groups", switch,
                      "group_id=" + group_of(rftest2, "A", "172.31.4.0/24"))
        else:
            ovs.ofctl("del-flows", switch, *(["table=1"] if what == "the FIB" else []))
        log("rfproxy").wait(r"datapath 0x0{15}5: \d+ entries were not as they should be",
                            7)
        assert_settled(verifier)
        assert outage(streams) <= longest
    assert not log("rfserver").lines("event: link .* is lost")


def test_entries_deleted_in_rfvs_are_back_before_ospf_notices(rftest2, verifier, log):
    with SlowStreams(verifier.probes) as streams:
        rftest2.ovs.ofctl("del-flows", rftest2.ovs.management(RFVS_BRIDGE))
        log("rfvs").wait(r"\d+ flow entries were not as they should be")
        verifier.adjacencies()
        assert outage(streams) == 0


def test_entries_of_somebody_else_are_left_alone(rftest2, verifier, log):
    ovs, switch = rftest2.ovs, rftest2.ovs.management("A")
    entry = "cookie=0x77,table=7,priority=7,ip,nw_dst=192.0.2.7"
    ovs.ofctl("add-flow", switch, entry + ",actions=drop")
    try:
        # An audit that finds something to do would find this as well.
        ovs.ofctl("del-flows", switch, "ip,nw_dst=172.31.4.0/24")
        log("rfproxy").wait(r"datapath 0x0{15}5: \d+ entries were not as they should be", 7)
        assert_settled(verifier)
        assert "cookie=0x77" in ovs.ofctl("dump-flows", switch, "table=7")
    finally:
        ovs.ofctl("del-flows", switch, "cookie=0x77/-1")


# ---- a neighbour that a container's kernel forgets ----

def age_of_flow(lab, host):
    """Seconds since the switch got the entry of a host; None: it has none."""
    text = lab.ovs.ofctl("dump-flows", lab.ovs.management(host.port.node.name),
                         f"table=1,ip,nw_dst={host.address.ip}")
    found = re.search(r"duration=([\d.]+)s", text)
    return float(found[1]) if found else None


def test_a_forgotten_neighbour_keeps_its_flow_while_it_answers(rftest2, verifier):
    host = rftest2.topology.hosts[0]
    entry = [str(host.address.ip), "dev", host.port.vm_interface]

    def neigh(*words):
        return rftest2.containers.run(host.port.node, "ip", "neigh", *words, *entry).stdout

    def answers(yes):
        rftest2.instance.run("sysctl", "-qw", "net.ipv4.conf.eth0.arp_ignore="
                             + ("0" if yes else "8"), netns=rftest2.network.host_netns(host))

    before, begun = age_of_flow(rftest2, host), time.monotonic()
    for _ in range(3):
        neigh("del")
        wait_for("it to have answered", lambda: ("REACHABLE" in neigh("show"), ""), 3, 0.02)
    assert age_of_flow(rftest2, host) >= before + time.monotonic() - begun - 1
    answers(False)
    try:
        neigh("del")
        wait_for("its flow to go", lambda: (age_of_flow(rftest2, host) is None, ""), 8, 0.05)
    finally:
        answers(True)
    row = verifier.row("pings", verifier.pings, 15)
    assert row.passed, row.measured


# ---- ports, bridges, containers ----

@pytest.mark.parametrize("port, number", [("rfvmB.2", 6), ("rfvmB.1", 5)])
def test_container_port_taken_out_of_rfvs_and_put_back(rftest2, verifier, log, port, number):
    vsctl = rftest2.ovs.vsctl
    vsctl("del-port", RFVS_BRIDGE, port)
    log("rfvs").wait(rf"port {number} \({port}\) is gone")
    log("rfserver").wait(rf"rfvs 0x7266767300000000 port {number} \({port}\) is gone")
    log("rfserver").wait(r"active client-datapath association -> client-datapath "
                         r"association \(T10\)")
    vsctl("add-port", RFVS_BRIDGE, port, "--", "set", "interface", port,
          f"ofport_request={number}")
    log("rfserver").wait(r"client-datapath association -> active client-datapath "
                         r"association \(T5\)")


def test_container_port_put_into_another_port_of_rfvs_is_found_there(rftest2, verifier, log):
    vsctl = rftest2.ovs.vsctl

    def move(number):
        vsctl("del-port", RFVS_BRIDGE, "rfvmC.1")
        vsctl("add-port", RFVS_BRIDGE, "rfvmC.1", "--", "set", "interface", "rfvmC.1",
              f"ofport_request={number}")

    move(99)
    try:
        log("rfvs").wait(r"vm 0x000002c0c0c0c0c0 port 1 is at port 99 \(rfvmC\.1\)")
        row = verifier.row("pings", verifier.pings, 15)
        assert row.passed, row.measured
    finally:
        move(8)
    log("rfvs").wait(r"vm 0x000002c0c0c0c0c0 port 1 is at port 8 \(rfvmC\.1\)")


def test_switch_port_taken_out_and_put_back(rftest2, verifier, log):
    vsctl = rftest2.ovs.vsctl
    vsctl("del-port", "B", "B.2")
    log("rfproxy").wait(r"datapath 0x0{15}6 port 2 \(B\.2\) is gone")
    log("rfserver").wait(r"link datapath 0x0{15}5 port 2 - datapath 0x0{15}6 port 2 is lost")
    row = verifier.row("pings", verifier.pings, 10)
    assert row.passed, row.measured
    vsctl("add-port", "B", "B.2", "--", "set", "interface", "B.2", "ofport_request=2")
    log("rfserver").wait(r"link datapath 0x0{15}5 port 2 - datapath 0x0{15}6 port 2 is "
                         "confirmed")


def test_container_stopped_and_started(rftest2, verifier, log):
    node = rftest2.topology.node("B")
    rftest2.containers.stop(node)
    try:
        log("rfserver").wait(r"vm 02:b0:b0:b0:b0:b0 \(rfclient@rfvmB.*lost: (stopped|"
                             "connection lost); its flows stay for 120 s")
    finally:
        rftest2.containers.start(node)
    log("rfserver").wait("vm 02:b0:b0:b0:b0:b0 in sync", 10)


def test_rfvs_bridge_deleted_and_made_again(rftest2, verifier, log):
    ovs = rftest2.ovs
    ovs.vsctl("del-br", RFVS_BRIDGE)
    log("rfvs").wait("rfvs 0x7266767300000000 .* lost: ")
    log("rfserver").wait("rfvs 0x7266767300000000 lost: .*kept for")
    ovs.add_rfvs(RFVS_CONTROLLER)
    ovs.vsctl(*[word for port in rftest2.topology.ports() for word in
                ovs._port(RFVS_BRIDGE, port.rfvs_interface,
                          port.node.rfvs_base + port.number)])
    log("rfserver").wait("rfvs 0x7266767300000000 connected from", 10)


def test_open_vswitch_killed_and_started_again(rftest2, verifier, log):
    """All entries of all switches are gone at once; the links are not."""
    ovs, instance = rftest2.ovs, rftest2.instance
    pid = int((ovs.dir / "ovs-vswitchd.pid").read_text(encoding="ascii"))
    instance.kill_process(pid, signal.SIGKILL)
    ovs.start_vswitchd()
    for daemon, words in (("rfproxy", "datapath 0x0{15}8 is back"), ("rfvs", "is back")):
        log(daemon).wait(words, 10)
    assert_settled(verifier)
    assert not log("rfserver").lines("event: link .* is lost")
