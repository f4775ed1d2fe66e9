"""What scripts/lab computes before it makes anything: addresses, routes, walks.
No root is needed."""

import ipaddress
import json
import re

import pytest

from mapfile import load, refusal
from rflab import labcheck, labcli, linkfile, oracle, plan, shapes, suite, topology, trace
from rflab.system import CHECKOUT, LabError


@pytest.mark.parametrize("text, nodes, links", [
    ("ring:8", 8, 8), ("line:1", 1, 0), ("grid:4x3", 12, 17), ("fattree:4", 20, 32)])
def test_shapes(text, nodes, links):
    graph = shapes.parse(text)
    assert (len(graph.places), len(graph.spans)) == (nodes, links)
    assert len(graph.parts()) == 1


@pytest.mark.parametrize("text", ["ring:2", "ring:", "grid:4", "fattree:3", "line:0"])
def test_shapes_that_are_none(text):
    with pytest.raises(LabError):
        shapes.parse(text)


def lab(shape, routing="ospf", ipv6=True):
    return topology.parse(plan.document(shapes.parse(shape), routing, ipv6))


def test_names_addresses_and_keys_are_unique_in_a_large_lab():
    graph = lab("grid:25x20", "ibgp")
    ports = graph.ports()
    addresses = [a.ip for p in ports for a in p.addresses] + [
        a.ip for h in graph.hosts for a in h.addresses] + [
        a for n in graph.nodes for a in n.loopbacks]
    for values in (addresses, [p.mac for p in ports], [p.name for p in ports],
                   [p.rfvs_interface for p in ports], [n.vm_id for n in graph.nodes]):
        assert len(set(values)) == len(values)
    networks = sorted({a.network for p in ports for a in p.addresses if a.version == 4})
    assert not any(a.overlaps(b) for a, b in zip(networks, networks[1:]))
    assert not any(n.overlaps(ipaddress.ip_network("10.254.0.0/16")) for n in networks)


def test_a_document_survives_its_file(tmp_path):
    document = plan.document(shapes.parse("ring:3"), "ibgp", True, True)
    path = tmp_path / "topology.json"
    path.write_text(json.dumps(document))
    again = topology.load(path)
    assert again.ipv6 and again.light and again.document == document
    assert again.nodes[2].loopbacks == topology.parse(document).nodes[2].loopbacks


@pytest.mark.parametrize("text, said", [
    ('{"nodes": [\n', ":2:1: Expecting value"),
    ("[1, 2]", ": this is no topology of a lab: list indices must be integers or slices, "
     "not str"),
    ("null", ": this is no topology of a lab: 'NoneType' object is not subscriptable"),
    ('{"nodes": [{"id": 0}], "links": []}', ": 'name' is missing; this is no topology of a "
     "lab"),
    ('{"nodes": [{"name": "../x", "vm": "y", "vm_id": "02", "number": 1, "dpid": "1"}], '
     '"hosts": []}', ': the name "../x" has more than letters, digits, . and _')])
def test_json_that_is_no_topology_is_refused(tmp_path, text, said):
    path = tmp_path / "topology.json"
    path.write_text(text)
    with pytest.raises(LabError) as error:
        topology.load(path)
    assert str(error.value) == f"{path}{said}"


def read(*words):
    return labcli.read(labcli.parser().parse_args(["up", *map(str, words)]))[0]


def test_json_says_its_routing_itself_but_may_be_made_light():
    classic = CHECKOUT / "config/rftest2.json"
    assert not read(classic).light
    made = read(classic, "--light")
    assert made.light and topology.parse(made.document).light
    with pytest.raises(LabError, match="rftest2.json: a topology in JSON says its routing"):
        read(classic, "--routing", "isis")
    assert read("ring:3").routing["protocol"] == "ospf"
    assert read("ring:3", "--routing", "isis").routing["protocol"] == "isis"


def test_a_network_too_large_for_the_processors_is_noted(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1})
    assert labcli.notes_of_machine(lab("line:80")) == []
    note, = labcli.notes_of_machine(lab("line:81"))
    assert note.startswith("81 routers on 2 processors: this takes minutes, or does not")


def test_more_equal_ways_than_the_platform_takes_are_refused(tmp_path):
    for links, refused in ((64, False), (65, True)):
        net = topology.parse(plan.document(load(
            tmp_path, "graph [ node [ id 0 label Rio ] node [ id 1 ] "
            + "edge [ source 0 target 1 ] " * links + "]")))
        if refused:
            with pytest.raises(LabError, match=r"^map: n1 \(Rio\) has 65 ways of equal cost "
                               "to 172.16.2.0/24, and 64 are the most"):
                labcli.require_hops(net)
        else:
            labcli.require_hops(net)


@pytest.mark.parametrize("words, said", [
    (["exec", "n1", "true"], r"lab: no lab is up on \S+ \(scripts/lab up"),
    (["up", "none.gml"], "lab: none.gml: No such file or directory"),
    (["up", "ring:2"], r"lab: ring:2: there are ring:N \(3...\), line:N")])
def test_faults_of_the_command_line_are_one_line(capsys, monkeypatch, tmp_path, words, said):
    monkeypatch.setenv("RF_RUN", str(tmp_path / "run"))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert labcli.run(words) == 1
    out, err = capsys.readouterr()
    assert not out and re.match(said, err) and err.count("\n") == 1


def test_rip_refuses_networks_wider_than_it_reaches():
    with pytest.raises(LabError, match="wider"):
        plan.document(shapes.parse("line:16"), "rip")
    plan.document(shapes.parse("line:15"), "rip")


def test_oracle_ring_has_two_ways_to_the_far_side_only():
    routes = oracle.routes(lab("ring:4"), family=6)["n1"]
    far = ipaddress.ip_network("fd00:172:3::/64")
    assert routes[far] == {("fe80::ff:fe02:2", "eth2"), ("fe80::ff:fe04:3", "eth3")}
    assert sorted(len(hops) for hops in routes.values()) == [1, 1, 1, 1, 2]


def test_oracle_counts_hops_for_rip_and_bgp_and_costs_for_ospf():
    for routing, hops in (("ospf", "eth3"), ("rip", "eth2"), ("bgp", "eth2")):
        document = plan.document(shapes.parse("ring:3"), routing)
        document["links"][0]["cost"] = 1000
        routes = oracle.routes(topology.parse(document))["n1"]
        assert {interface for _, interface in
                routes[ipaddress.ip_network("172.16.2.0/24")]} == {hops}


def test_oracle_uses_all_parallel_links(tmp_path):
    graph = load(tmp_path, "graph [ node [ id 0 ] node [ id 1 ] "
                 + "edge [ source 0 target 1 ] " * 5 + "]")
    routes = oracle.routes(topology.parse(plan.document(graph)))["n1"]
    assert len(routes[ipaddress.ip_network("172.16.2.0/24")]) == 5


def test_oracle_leaves_out_a_link_that_is_down():
    ring = lab("ring:3")
    routes = oracle.routes(ring, down=ring.links[:1])["n1"]
    assert routes[ipaddress.ip_network("172.16.2.0/24")] == {("10.0.3.1", "eth3")}
    assert oracle.parts(ring, ring.links[:2])["n1"] != \
        oracle.parts(ring, ring.links[:2])["n2"]


@pytest.mark.parametrize("routing", list(plan.PROTOCOLS))
def test_each_protocol_has_a_file_for_each_of_its_daemons(routing):
    graph = lab("ring:3", routing)
    files = suite.files(graph, graph.nodes[0])
    for daemon in suite.daemons(graph):
        assert f"{daemon}.conf" in files
        assert files[f"{daemon}.conf"].startswith("hostname rfvm1\n")


def test_trace_is_read_as_ovs_prints_it():
    text = """Flow: ip,in_port=1

bridge("n1")
------------
 0. ip,in_port=1,dl_dst=02:00:00:01:00:01, priority 4096, cookie 0x52465f0100000007
    goto_table:1
 1. ip,nw_dst=172.16.2.0/24, priority 280, cookie 0x52465f0100000005
    group:2204
     -> using bucket 1
    bucket 1
            set_field:02:00:00:01:00:02->eth_src
            set_field:02:00:00:02:00:02->eth_dst
            dec_ttl
            output:2

Final flow: ip,in_port=1
Megaflow: recirc_id=0
Datapath actions: set(eth(src=02:00:00:01:00:02)),2
"""
    assert trace.parse(text) == trace.Step("2", "02:00:00:01:00:02", "02:00:00:02:00:02", 1)
    punted = trace.parse("\n    meter:1\n    CONTROLLER:65535\n\nFinal flow: x")
    assert punted.punted and punted.output is None
    with pytest.raises(LabError, match="leaves twice"):
        trace.parse("\n    output:1\n    output:2\n\nFinal flow: x")


def test_kernel_routes_of_both_families_are_read():
    kernel = labcheck.Kernel.parse("""[{"dst":"default","gateway":"10.0.1.2","dev":"eth2"},
 {"dst":"192.168.0.2","protocol":"ospf","gateway":"10.0.1.2","dev":"eth2"},
 {"dst":"10.0.1.0/30","protocol":"kernel","dev":"eth2"},
 {"type":"blackhole","dst":"10.9.0.0/16","protocol":"static"}]
@
[{"dst":"default","protocol":"ospf","nexthops":[
  {"gateway":"fe80::1","dev":"eth2","weight":1,"flags":[]},
  {"gateway":"fe80::2","dev":"eth3","weight":1,"flags":["dead","linkdown"]}]}]
@
[{"dst":"fe80::1","dev":"eth2","lladdr":"02:00:00:00:00:01","state":["STALE"]},
 {"dst":"10.0.1.9","dev":"eth2","state":["FAILED"]}]""")
    assert kernel.routes == {
        ipaddress.ip_network("0.0.0.0/0"): {("10.0.1.2", "eth2")},
        ipaddress.ip_network("192.168.0.2/32"): {("10.0.1.2", "eth2")},
        ipaddress.ip_network("::/0"): {("fe80::1", "eth2")}}
    assert kernel.neighbours == {("fe80::1", "eth2"): "02:00:00:00:00:01"}


def kernels_of(net, *lost):
    """What the check says of kernels with all routes but these: (node, network)."""
    checker = labcheck.Checker.__new__(labcheck.Checker)
    checker.topology, checker.families, checker.down = net, (4, 6), []
    checker.wanted = checker.expected()
    checker.link_networks = {a.network for link in net.links for a in link.a.addresses}
    kernels = {node.name: labcheck.Kernel(dict(checker.wanted[node.name]), {})
               for node in net.nodes}
    for name, network in lost:
        del kernels[name].routes[ipaddress.ip_network(network)]
    checker.kernel = lambda node: kernels[node.name]
    return checker.kernels()


def test_a_link_that_one_ospf6d_lost_is_counted_and_what_nobody_has_is_a_difference():
    net = lab("ring:4")
    assert "wrong" not in kernels_of(net)[0]
    said, differences = kernels_of(net, ("n1", "fd00:10:3::/64"))
    assert said.endswith("; for 1 ospf6d is wrong") and not differences
    for lost in [("n1", "10.0.3.0/30")], [("n1", "fd00:172:3::/64")], \
            [("n1", "fd00:10:3::/64"), ("n2", "fd00:10:3::/64")]:
        said, differences = kernels_of(net, *lost)
        assert len(differences) == len(lost) and "wrong" not in said


# ---- plain switches and legacy routers ----

HUBS = """graph [
  node [ id 0 label "A" ]
  node [ id 1 label "B" ]
  node [ id 2 label "Old" kind "legacy" ]
  node [ id 3 label "Lan" kind "l2" bridge "ovs" ]
  node [ id 4 label "Lan 2" kind "L2" ]
  node [ id 5 label "C" kind "optical" ]
  edge [ source 0 target 3 cost 7 ]
  edge [ source 3 target 1 ]
  edge [ source 3 target 4 ]
  edge [ source 4 target 2 ]
  edge [ source 1 target 4 ]
  edge [ source 5 target 2 ]
]
"""


def test_plain_switches_that_are_linked_are_one_segment(tmp_path):
    graph = load(tmp_path, HUBS)
    assert [(p.label, p.legacy, p.host) for p in graph.places] == [
        ("A", False, True), ("B", False, True), ("Old", True, False), ("C", False, True)]
    hub, = graph.hubs
    assert (hub.bridge, hub.ends) == ("ovs", [(0, 7), (1, None), (2, None)])
    assert graph.notes == [
        'map.gml:7: kind "optical" of "C" is not known here: a router like the others',
        'map.gml:12: a link of "B" to "Lan" again is left out']
    assert graph.parts() == [[0, 1, 2, 3]]


@pytest.mark.parametrize("text,fault", [
    ('graph [ node [ id 0 ]\nnode [ id 1 label "X" kind "l2" ]\n'
     'edge [ source 0 target 1 ] ]',
     'map.gml:2: "X" is a plain switch, and joins 1 routers where two at least were '
     'expected'),
    ('graph [ node [ id 0 kind "l2" ] ]', "map.gml:1: the graph has no routers"),
    ('graph [ node [ id 0 ]\nnode [ id 1 kind "l2" bridge "token ring" ] ]',
     "map.gml:2: bridge token ring is none of linux, ovs")])
def test_plain_switch_that_makes_no_sense_is_refused_with_its_line(tmp_path, text, fault):
    assert refusal(tmp_path, text) == fault


def test_graphml_knows_kinds_too(tmp_path):
    graph = load(tmp_path, '<graphml><key id="k" for="node" attr.name="kind"/><graph>'
                 '<node id="0"/><node id="1"/><node id="2"><data key="k">l2</data></node>'
                 '<edge source="0" target="2"/><edge source="2" target="1"/>'
                 '</graph></graphml>', "map.graphml")
    assert [hub.ends for hub in graph.hubs] == [[(0, None), (1, None)]]


def test_oracle_takes_the_port_of_each_member_for_its_cost(tmp_path):
    """0 -(7)- lan -(10)- 1, 2; 1 - 3 by a link of cost 2: from 2 there is one way to 3."""
    graph = load(tmp_path, 'graph [ node [ id 0 ] node [ id 1 ] node [ id 2 ] '
                 'node [ id 3 ] node [ id 9 kind "l2" ] '
                 'edge [ source 0 target 9 cost 7 ] edge [ source 1 target 9 ] '
                 'edge [ source 2 target 9 ] edge [ source 1 target 3 cost 2 ] '
                 'edge [ source 2 target 3 cost 2 ] ]')
    net = topology.parse(plan.document(graph, ipv6=True))
    lan, = net.segments
    assert [str(port.address) for port in lan.ports] == \
        ["10.0.3.1/24", "10.0.3.2/24", "10.0.3.3/24"]
    routes = oracle.routes(net)
    hosts = {n: ipaddress.ip_network(f"172.16.{n}.0/24") for n in (1, 2, 3, 4)}
    port = {name: lan.ports[i].vm_interface for i, name in enumerate(("n1", "n2", "n3"))}
    assert routes["n1"][hosts[4]] == {("10.0.3.2", port["n1"]), ("10.0.3.3", port["n1"])}
    assert routes["n2"][hosts[1]] == {("10.0.3.1", port["n2"])}
    assert routes["n2"][hosts[3]] == {("10.0.1.2", "eth2")}  # By 3: 2 + 2 < 10.
    link_local = str(lan.ports[1].link_local)
    assert (link_local, port["n1"]) in oracle.routes(net, family=6)["n1"][
        ipaddress.ip_network("fd00:172:4::/64")]
    down = [cable for cable in net.attachments() if cable.name == "n2-b1"]
    assert oracle.routes(net, down)["n1"][hosts[4]] == {("10.0.3.3", port["n1"])}
    assert len(set(oracle.parts(net, down).values())) == 1
    assert net.link("b1-n2").cable == net.link("n2-b1").cable == "n2.3"


def test_suite_has_broadcast_interfaces_on_segments_and_the_mapping_names_mixed_ones(
        tmp_path):
    graph = load(tmp_path, HUBS)
    net = topology.parse(plan.document(graph))
    ospf = suite.files(net, net.node("n1"))["ospfd.conf"]
    assert "point-to-point" not in ospf and " ip ospf cost 7" in ospf
    assert "passive-interface eth1" in ospf and "passive-interface eth2" not in ospf
    rows = net.mapping_text().split()
    assert rows[0].endswith(",class") and rows[1].endswith(",1,")
    assert rows[2] == "020000010000,2,0,1,2,external"
    assert not any(row.startswith("020000030000") for row in rows)  # No switch, no row.


# ---- settings of links ----

def settle(text, what="ring:3", **options):
    base = topology.parse(plan.document(shapes.parse(what), **options))
    return linkfile.settle(text, base)


def test_settings_of_links_change_what_they_name_and_nothing_else():
    document, faults = settle("# of a ring\nnode,node,index,cost,mtu\n\n"
                              "n2,n1,,50,     # either way round\nr2,rfvm3,1,,1400\n")
    assert not faults
    assert [(link["cost"], link.get("mtu")) for link in document["links"]] == \
        [(50, None), (10, 1400), (10, None)]
    lab = topology.parse(document)
    assert [port.mtu for port in lab.node("n2").ports] == [1500, 1500, 1400]
    assert lab.node("n2").widest == 1500
    # The oracle takes the way round.
    network = lab.hosts[0].address.network
    assert {interface for _, interface in oracle.routes(lab)["n2"][network]} == {"eth3"}


NAMESAKES = """graph [
  node [ id 0 label "n2" ] node [ id 1 label "Lima, Peru" ] node [ id 2 label "Rio" ]
  node [ id 3 label "Rio" ] node [ id 4 label "rfvm3" ] node [ id 5 label "6\'\'" ]
  edge [ source 0 target 1 ] edge [ source 1 target 2 ] edge [ source 1 target 3 ]
  edge [ source 3 target 4 ] edge [ source 3 target 4 ] edge [ source 4 target 5 ] ]
"""


def test_no_label_stands_for_another_nodes_name(tmp_path):
    net = topology.parse(plan.document(load(tmp_path, NAMESAKES)))
    found = {word: node.name for word, node in net.nodes_by_word().items()}
    assert [found[word] for word in ("n2", "rfvm3", "rfvm2", "Rio", "Rio#2", "Lima, Peru")
            ] == ["n2", "n3", "n2", "n3", "n4", "n2"]
    assert [net.link(name).name for name in (
        "n1-n2", "n2-n1", "n2-Lima, Peru", "Rio#2-Lima, Peru", "rfvm3-Rio#2.2", "n5-n4.2")
    ] == ["n1-n2", "n1-n2", "n1-n2", "n2-n4", "n4-n5.2", "n4-n5.2"]
    with pytest.raises(LabError, match="no link n1-n3; there are: n1-n2 n2-n3 n2-n4 n4-n5 "):
        net.link("n1-n3")
    with pytest.raises(LabError, match="no link x; .* n30-n31 and 69 more$"):
        lab("line:100").link("x")


def test_settings_name_nodes_by_labels_of_any_characters(tmp_path):
    net = topology.parse(plan.document(load(tmp_path, NAMESAKES)))
    document, faults = linkfile.settle(
        'node,node,cost  # settings\n"Lima, Peru",Rio#2,5 # the second\n'
        '  # nothing\nrfvm5,6\'\',7\n"n1", "n2" ,9\n', net)
    assert not faults
    assert [link["cost"] for link in document["links"]] == [9, 10, 5, 10, 10, 7]
    _, faults = linkfile.settle('node,node,cost\n"Lima, Peru", Rio#3,5\n"Lima,n1,5\n', net)
    assert faults == [(2, 15, 'there is no node "Rio#3"'), (3, 1, 'there is no node ""Lima"')]


@pytest.mark.parametrize("encode", [
    lambda text: b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode(),
    lambda text: text.encode("utf-16"), lambda text: text.encode("latin-1")])
def test_settings_as_spreadsheets_write_them(tmp_path, encode):
    net = topology.parse(plan.document(load(tmp_path, 'graph [ node [ id 0 label "Köln" ] '
                                            'node [ id 1 ] edge [ source 0 target 1 ] ]')))
    path = tmp_path / "links.csv"
    path.write_bytes(encode("node,node,cost\nKöln,1,5\n"))
    assert linkfile.apply(path, net)["links"][0]["cost"] == 5
    path.write_bytes(b"PK\3\4 a sheet")
    with pytest.raises(LabError, match="links.csv:1: packed by zip; unpack it first"):
        linkfile.apply(path, net)


def test_one_of_parallel_links_or_all_of_them(tmp_path):
    graph = load(tmp_path, "graph [ node [ id 0 ] node [ id 1 ] "
                 "edge [ source 0 target 1 ] edge [ source 1 target 0 ] ]")
    base = topology.parse(plan.document(graph))
    document, faults = linkfile.settle("node,node,index,mtu\nn1,n2,,9000\nn1,n2,2,1280\n",
                                       base)
    assert not faults
    assert [link["mtu"] for link in document["links"]] == [9000, 1280]


@pytest.mark.parametrize("text,fault", [
    ("", "1:1: a first line was expected: node,node,index,cost,mtu"),
    ("n1,n2,7\n", "1:1: the first line names the columns"),
    ("node,node,colour\n", "1:11: column colour is unknown, or there twice"),
    ("node,node,cost,cost\n", "1:16: column cost is unknown, or there twice"),
    ("node,node,cost\nn1,n2\n", "2:4: 2 fields where the first line has 3"),
    ("node,node,cost\nn1,n2,3,4\n", "2:9: 4 fields where the first line has 3"),
    ("node,node,cost\nn1, n9,3\n", '2:5: there is no node "n9"'),
    ("node,node,cost\nn1,n2,0\n", "2:7: cost 0 is none of 1..65535"),
    ("node,node,mtu\nn1,n2,big\n", "2:7: mtu big is none of 576..9000"),
    ("node,node,index,cost\nn1,n2,2,5\n", "2:7: there is no link n1-n2 number 2"),
    ("node,node,cost\nn1,n1,5\n", "2:4: there is no link n1-n1")])
def test_faults_in_settings_of_links_have_a_place(text, fault):
    _, faults = settle(text)
    assert any(f"{line}:{column}: {what}".startswith(fault)
               for line, column, what in faults), faults


def test_all_faults_are_told_at_once_with_the_file(tmp_path):
    path = tmp_path / "links.csv"
    path.write_text("node,node,cost,mtu\nn1,n2,0,1279\nn1,n7,1,1500\n")
    base = topology.parse(plan.document(shapes.parse("ring:3"), ipv6=True))
    with pytest.raises(LabError) as error:
        linkfile.apply(path, base)
    assert str(error.value).splitlines() == [
        f"{path}:2:7: cost 0 is none of 1..65535",
        f"{path}:2:9: mtu 1279 is none of 1280..9000",
        f'{path}:3:4: there is no node "n7"']
