"""Closed plane and pass-through, switched while it routes; classes from the mapping."""

import pytest
from rflab import pcap
from rflab.ofctl import parse_flows
from rflab.topology import RFVS_BRIDGE


def rfctl(lab, *words):
    return lab.daemons.rfctl(*words).stdout.strip()


def assert_holds(verifier, what, check, seconds=30):
    row = verifier.row(what, check, seconds)
    assert row.passed, f"{what}: {row.measured}"


def virtual_links(lab):
    text = lab.ovs.ofctl("--no-names", "dump-flows", lab.ovs.management(RFVS_BRIDGE))
    return [flow for flow in parse_flows(text) if flow.outputs]


# Alone: switches close one after the other, and what one of them still sends when another
# is closed counts as a leak there.  On a busy machine that is time enough for hellos.
@pytest.mark.alone
def test_plane_is_switched_live_and_leaves_nothing_stale(make_lab):
    from rflab.verify import Failed, Verifier
    lab = make_lab("planes", "rftest2")
    verifier = Verifier(lab)
    assert rfctl(lab, "plane") == "closed"
    assert_holds(verifier, "settled", verifier.settled)
    tables = {node.name: flow_set(lab, node.name) for node in lab.topology.nodes}

    assert rfctl(lab, "plane", "passthrough") == "passthrough"

    def passes_through():
        if virtual_links(lab):
            raise Failed("RFVS still holds virtual links")
        verifier.adjacencies()
        verifier.kernel_equals_reference()
        verifier.pings()
        link = lab.topology.links[0]
        seen = pcap.count(lab.network.capture_file(link).read_bytes(),
                          lab.topology.host_networks())
        if not seen.get("OSPF"):
            raise Failed(f"no OSPF on {link.name}: {seen}")

    assert_holds(verifier, "pass-through", passes_through)

    assert rfctl(lab, "plane", "closed") == "closed"
    assert_holds(verifier, "settled again", verifier.settled)
    assert_holds(verifier, "no leak counted", verifier.leak_counter)
    for node in lab.topology.nodes:
        assert flow_set(lab, node.name) == tables[node.name], node.name


def flow_set(lab, bridge):
    text = lab.ovs.ofctl("--no-names", "dump-flows", lab.ovs.management(bridge))
    return {(flow.table, flow.priority, str(flow.match)) for flow in parse_flows(text)}
