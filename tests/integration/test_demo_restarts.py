"""Each part crashes and comes back while hosts talk: what worked goes on working."""

import os
import re
import signal
import time

import pytest
from rflab.ofctl import parse_flows, parse_groups
from rflab.streams import Streams, lost
from rflab.system import wait_for
from rflab.topology import RFVS_BRIDGE


def flow_ages(lab, bridge):
    """{(table, priority, match): seconds that the switch has had this flow}"""
    text = lab.ovs.ofctl("--no-names", "dump-flows", lab.ovs.management(bridge))
    lines = [line for line in text.splitlines() if "actions=" in line]
    return {(flow.table, flow.priority, str(flow.match)):
            float(re.search(r"duration=([\d.]+)s", line)[1])
            for line, flow in zip(lines, parse_flows(text))}


def client(lab, node):
    """rfserver's row of its rfclient, whose name has the process in it."""
    return next(row for row in lab.daemons.show("clients")
                if int(row["vm_id"], 16) == int(node.vm_id, 16))


def assert_settled(verifier):
    row = verifier.row("settled", verifier.settled, 30)
    assert row.passed, row.measured


@pytest.mark.parametrize("name", ["rfserver", "rfproxy", "rfvs"])
def test_daemon_crash_loses_no_packet_and_no_flow(rftest2, verifier, name):
    assert_settled(verifier)
    bridges = [node.name for node in rftest2.topology.nodes] + [RFVS_BRIDGE]
    before = {bridge: flow_ages(rftest2, bridge) for bridge in bridges}
    with Streams(verifier.probes, interval_ms=10) as streams:
        time.sleep(0.5)  # Traffic before, to compare with.
        begun = time.monotonic()
        rftest2.daemons.kill(name)
        time.sleep(1.0)  # The fault: down long enough for the others to notice.
        rftest2.daemons.start_one(name)
        assert_settled(verifier)
        row = verifier.row("associations", verifier.associations, 30)
        assert row.passed, row.measured
        elapsed = time.monotonic() - begun
        traffic = streams.stop()
    gone = {pair: lost(flows) for pair, flows in traffic.items() if lost(flows)}
    assert not gone, f"packets lost: {gone}"
    for bridge in bridges:
        after = flow_ages(rftest2, bridge)
        assert after.keys() == before[bridge].keys(), bridge
        young = [key for key, age in after.items() if age < elapsed]
        assert not young, f"{bridge}: written again though nothing changed: {young}"


def test_switches_repair_a_lost_link_while_rfserver_is_stopped(rftest2, verifier):
    assert_settled(verifier)
    cable = rftest2.topology.link("A-D")

    def alternates():
        """Of the ends of the link: each has some by which it gets to the other one."""
        kinds = {node.name: [group.kind for group in parse_groups(rftest2.ovs.ofctl(
            "--no-names", "dump-groups", rftest2.ovs.management(node.name))).values()
            if [bucket.output for bucket in group.buckets][:1] == [str(port.number)]]
            for node, port in ((cable.a.node, cable.a), (cable.b.node, cable.b))}
        return all(kinds.values()) and all(set(k) == {"ff"} for k in kinds.values()), kinds
    wait_for("alternates in the switches", alternates, 20)
    pid = rftest2.daemons.pid("rfserver")
    with Streams(verifier.probes, interval_ms=10) as streams:
        time.sleep(0.5)  # Traffic before, to compare with.
        os.kill(pid, signal.SIGSTOP)
        try:
            rftest2.network.set_link(cable, False)
            time.sleep(1.0)  # The fault: some 100 packets of each flow over the link.
            traffic = streams.stop()
        finally:
            os.kill(pid, signal.SIGCONT)
            rftest2.network.set_link(cable, True)
    gone = {pair: lost(flows) for pair, flows in traffic.items() if lost(flows) > 10}
    assert not gone, f"packets lost: {gone}"
    assert_settled(verifier)


def test_rfclient_crash_is_healed_by_its_container(rftest2, verifier):
    assert_settled(verifier)
    node = rftest2.topology.nodes[0]
    before, killed = flow_ages(rftest2, node.name), client(rftest2, node)["name"]
    with Streams(verifier.probes, interval_ms=10) as streams:
        time.sleep(0.5)  # Traffic before, to compare with.
        begun = time.monotonic()
        rftest2.containers.run(node, "bash", "-c",
                               "for p in /proc/[0-9]*; do "
                               "[ $(<$p/comm) = rfclient ] && kill -9 ${p#/proc/}; done; "
                               "true")

        # The container's init waits 1 s before it starts another one.
        def anew():
            row = client(rftest2, node)
            return row["name"] != killed and row["state"] == "in sync", row
        wait_for("another rfclient to have told all", anew, 10)
        assert_settled(verifier)
        elapsed = time.monotonic() - begun
        traffic = streams.stop()
    gone = {pair: lost(flows) for pair, flows in traffic.items() if lost(flows)}
    assert not gone, f"packets lost: {gone}"
    after = flow_ages(rftest2, node.name)
    assert after.keys() == before.keys()
    assert not [key for key, age in after.items() if age < elapsed]


def test_container_that_crashes_and_starts_again_routes_again(rftest2, verifier):
    assert_settled(verifier)
    node = rftest2.topology.node("B")
    rftest2.containers.stop(node, kill=True)
    rftest2.containers.start(node)
    assert_settled(verifier)
    row = verifier.row("associations", verifier.associations, 30)
    assert row.passed, row.measured
