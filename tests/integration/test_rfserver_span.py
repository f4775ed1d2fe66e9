"""rfserver: one VM that spans several datapaths, in a triangle of inside links.

    vm R port 1 - switch 5 port 1     5.11 --- 6.11
    vm R port 2 - switch 6 port 1     6.12 --- 7.12
    vm R port 3 - switch 7 port 1     7.13 --- 5.13
"""

import pytest
from rfserver_setup import A, ACTIVE, HEADER, VS_ID, Network, have_programs

pytestmark = pytest.mark.skipif(not have_programs(), reason="needs a build")

ISL_HEADER = "vm_id,ct_id,dp_id,dp_port,eth_addr,rem_ct,rem_id,rem_port,rem_eth_addr\n"
ISLS = [(5, 11, 6, 11), (6, 12, 7, 12), (7, 13, 5, 13)]
HOME = {1: 5, 2: 6, 3: 7}  # VM port: datapath; always its port 1.
MAPPING = HEADER + "".join(f"{A:x},{port},0,{dp},1\n" for port, dp in HOME.items())
SWITCHES = {5: (1, 11, 13), 6: (1, 11, 12), 7: (1, 12, 13)}
HOST = "06:00:00:00:00:0{}"


def isl_text(isls):
    mac = "02:00:00:00:00:01"
    return ISL_HEADER + "".join(f"{A:x},0,{a:x},{ap},{mac},0,{b:x},{bp},{mac}\n"
                                for a, ap, b, bp in isls)


@pytest.fixture
def net(tmp_path):
    isl = tmp_path / "rfisl.csv"
    isl.write_text(isl_text(ISLS))
    network = Network(tmp_path, mapping=MAPPING, isl=isl)
    yield network
    network.close()


def start(net, isls=ISLS):
    net.vs = net.new_vs().rfvs(1, 2, 3)
    net.proxy = net.new_proxy()
    for dp, ports in SWITCHES.items():
        net.proxy.switch(dp, *ports)
    for isl in isls:
        net.proxy.link(*isl)
    net.a = net.client(A, name="rfclient@vmR").port(1, 2, 3)
    net.a.answer = net.vs, {1: 1, 2: 2, 3: 3}
    for port in HOME:
        net.a.addr(port, f"10.0.{port}.1/24")
        net.a.neigh(port, f"10.0.{port}.9", HOST.format(port))
    net.a.route("192.168.0.0/16", [(3, "10.0.3.9")])
    net.until_rows({((A, port), (dp, 1), (VS_ID, port)): ACTIVE
                    for port, dp in HOME.items()})
    net.bus.until("all told", lambda: (all(
        net.proxy.plane(dp).ends and net.proxy.plane(dp).of("port").get(1, " ")[0] == "edge"
        for dp in SWITCHES), net.proxy.planes))


def out_port(net, dp, prefix):
    """Where the FIB of a datapath sends a prefix: port and MACs, or None."""
    plane = net.proxy.plane(dp)
    group = plane.of("fib").get(prefix)
    hops = plane.of("group").get(group, ())
    return hops[0] if len(hops) == 1 else group


def hop(net, port, vm_port):
    return port, net.a.hwaddr(vm_port), HOST.format(vm_port)


def transit(net, dp):
    """{VM port: out port}"""
    by_mac = {net.a.hwaddr(port): port for port in HOME}
    return {by_mac[src]: port for (src, dst), port in
            net.proxy.plane(dp).of("transit").items() if dst == HOST.format(by_mac[src])}


def until_paths(net, what, wanted, seconds=5):
    """wanted: {dp: {VM port: out port}}; in FIB and transit alike."""
    def seen():
        return {dp: transit(net, dp) for dp in wanted}, \
            {dp: {port: out_port(net, dp, f"10.0.{port}.9/32") for port in HOME}
             for dp in wanted}

    hops = {dp: {port: hop(net, paths[port], port) if port in paths else None
                 for port in HOME} for dp, paths in wanted.items()}
    net.bus.until(what, lambda: (seen() == (wanted, hops), seen(), hops), seconds)


WHOLE = {5: {1: 1, 2: 11, 3: 13}, 6: {1: 11, 2: 1, 3: 12}, 7: {1: 13, 2: 12, 3: 1}}
CUT_57 = {5: {1: 1, 2: 11, 3: 11}, 6: {1: 11, 2: 1, 3: 12}, 7: {1: 12, 2: 12, 3: 1}}


def test_each_datapath_routes_for_all_ports_of_the_vm(net):
    start(net)
    until_paths(net, "direct paths", WHOLE)
    for dp, port in ((5, 13), (6, 12), (7, 1)):
        assert out_port(net, dp, "192.168.0.0/16") == hop(net, port, 3)
    for dp, ports in SWITCHES.items():
        own = next(port for port, home in HOME.items() if home == dp)
        assert net.proxy.plane(dp).of("port") == {
            1: ("edge", net.a.hwaddr(own)),
            **{number: ("inside", "00:00:00:00:00:00") for number in ports[1:]}}
        assert set(net.proxy.plane(dp).of("addr")) == {
            f"10.0.{port}.1" for port in HOME}
    assert net.vs.vlinks() == set()
    assert net.vs.relays() == {(dp, 1): port for port, dp in HOME.items()}


def test_failure_of_an_inside_link_moves_the_paths_and_nothing_else(net):
    start(net)
    until_paths(net, "direct paths", WHOLE)
    told, wired = len(net.a.configs), len(net.vs.wiring.history)
    marks = {dp: len(net.proxy.plane(dp).history) for dp in SWITCHES}
    for end in ((7, 13), (5, 13)):
        net.proxy.port_down(*end)
    until_paths(net, "the way around", CUT_57)
    assert out_port(net, 5, "192.168.0.0/16") == hop(net, 11, 3)
    kinds = {entry[0] for dp in SWITCHES
             for entry in net.proxy.plane(dp).history[marks[dp]:]}
    assert kinds == {"group", "transit"}, "one group and one transit entry a next hop"
    assert len(net.proxy.plane(6).history) == marks[6], "6 is not concerned"
    for end in ((7, 13), (5, 13)):
        net.proxy.port_up(*end)
    net.proxy.link(*ISLS[2])
    until_paths(net, "as before", WHOLE)
    assert (told, wired) == (len(net.a.configs), len(net.vs.wiring.history)), \
        "the container or RFVS was told something"
    assert net.server.why("vmR", 3)["ok"]


def test_silent_cut_is_seen_by_lldp(net):
    start(net)
    until_paths(net, "direct paths", WHOLE)
    net.proxy.direction(7, 13, 5, 13, up=False)
    until_paths(net, "the way around", CUT_57)
    net.proxy.direction(7, 13, 5, 13)
    until_paths(net, "as before", WHOLE)


def test_link_cabled_otherwise_than_written_is_not_used(net):
    start(net, [*ISLS[:2], (7, 13, 6, 99)])
    net.proxy.switch(6, 1, 11, 12, 99)
    net.proxy.link(7, 13, 6, 99)
    until_paths(net, "the way around", CUT_57)
    links = {(link["a_dp_id"], link["b_dp_port"]): link["virtual"]
             for link in net.server.json("show", "links")}
    assert sorted(links.values()) == ["none: inside a vm", "none: inside a vm",
                                      "none: not as in the file of inside links"]


def test_split_group_forwards_on_each_side_and_says_so(net):
    start(net)
    until_paths(net, "direct paths", WHOLE)
    for end in ((7, 13), (5, 13), (6, 12), (7, 12)):
        net.proxy.port_down(*end)
    until_paths(net, "two parts", {5: {1: 1, 2: 11}, 6: {1: 11, 2: 1}, 7: {3: 1}})
    # Routes follow their group's hops, in a batch of their own.
    net.bus.until("the route to the other part is gone", lambda: (
        "192.168.0.0/16" not in net.proxy.plane(5).of("fib"),
        net.proxy.plane(5).of("fib")))
    why = net.server.why("vmR", 3)
    assert "0 of the 2 other datapaths" in why["verdict"]
    why = net.server.why("192.168.0.0/16", "vmR")
    assert "at datapath 0x0000000000000005" in why["verdict"]
    routes = {r["prefix"]: r["state"] for r in net.server.json("show", "routes")}
    assert routes["192.168.0.0/16"].endswith("port 3 not associated")
    texts = [event["text"] for event in net.server.json("show", "events")]
    assert any("do not all reach each other" in text for text in texts)
    for end in ((7, 13), (5, 13), (6, 12), (7, 12)):
        net.proxy.port_up(*end)
    for isl in ISLS:
        net.proxy.link(*isl)
    until_paths(net, "as before", WHOLE)
    assert net.server.why("192.168.0.0/16", "vmR")["ok"]


def test_inside_links_are_edited_while_everything_runs(net):
    start(net)
    until_paths(net, "direct paths", WHOLE)
    isl = net.server.options["isl"]
    isl.write_text(isl_text(ISLS[:2]))
    until_paths(net, "the link is not ours any more", CUT_57)
    assert set(net.proxy.plane(5).of("port")) == {1, 11}
    rows = {((A, port), (dp, 1), (VS_ID, port)): ACTIVE for port, dp in HOME.items()}
    idle = {(None, end, None): "idle datapath port" for end in ((5, 13), (7, 13))}
    net.until_rows({**rows, **idle})
    # Without row and link switch 7 has nothing of the VM; the others go on.
    net.server.mapping.write_text(MAPPING.replace(f"{A:x},3,0,7,1\n", ""))
    isl.write_text(isl_text(ISLS[:1]))
    until_paths(net, "without 7", {5: {1: 1, 2: 11}, 6: {1: 11, 2: 1}})
    net.bus.until("nothing is left of it in 7", lambda: (
        not net.proxy.plane(7).state, net.proxy.plane(7)))
    isl.write_text(isl_text(ISLS))
    net.server.mapping.write_text(MAPPING)
    until_paths(net, "as before", WHOLE)
    net.until_rows(rows)
    assert len(net.server.stored("rfisl")) == 3
    status, out, _ = net.server.rfctl("check", net.server.mapping, isl)
    assert (status, "0 removed, 0 added, 3 unchanged" in out) == (0, True), out
    assert "inter-switch links changed" not in out


def test_fault_of_the_inside_links_is_told_as_theirs(net):
    start(net)
    isl = net.server.options["isl"]
    isl.write_text(isl_text(ISLS) + "what is this\n")
    net.until_log(f"the mapping in force stays as it is: {isl}:5:")
    assert f"{isl}:5:" in net.server.json("show", "status")["mapping"]["fault"]
    until_paths(net, "direct paths", WHOLE)


def test_port_of_the_vm_becomes_one_of_an_inside_link_and_back(net):
    start(net)
    until_paths(net, "direct paths", WHOLE)
    # 6.1, which was VM port 2, and 7.99: a second link between 6 and 7.
    net.proxy.switch(7, 1, 12, 13, 99).link(6, 1, 7, 99)
    net.proxy.port_down(6, 12)
    rows = [f"{A:x},2,0,6,1\n", ""]
    isl = net.server.options["isl"]
    isl.write_text(isl_text([*ISLS, (6, 1, 7, 99)]))
    net.until_log("expected a port that is not the end")
    net.server.mapping.write_text(MAPPING.replace(*rows))
    net.bus.until("6 sends to 7 by port 1", lambda: (
        out_port(net, 6, "10.0.3.9/32") == hop(net, 1, 3), net.proxy.plane(6)))
    assert net.proxy.plane(6).of("port")[1][0] == "inside"
    net.until_rows({((A, 1), (5, 1), (VS_ID, 1)): ACTIVE, ((A, 2), None, None):
                    "idle client port", ((A, 3), (7, 1), (VS_ID, 3)): ACTIVE})
    isl.write_text(isl_text(ISLS))
    net.server.mapping.write_text(MAPPING)
    net.proxy.port_up(6, 12)
    net.proxy.link(*ISLS[1])
    net.proxy.port_down(6, 1)
    net.proxy.port_up(6, 1)
    until_paths(net, "as before", WHOLE)
    net.bus.until("VM port 2 has carrier", lambda: (
        not net.vs.without_carrier(), net.vs.wiring))


def test_switch_in_the_middle_needs_no_port_of_the_vm(net):
    net.server.mapping.write_text(MAPPING.replace(f"{A:x},2,0,6,1\n", ""))
    net.server.options["isl"].write_text(isl_text(ISLS[:2]))
    net.bus.run(0.5)
    assert net.server.rfctl("reload")[0] == 0
    net.vs = net.new_vs().rfvs(1, 3)
    net.proxy = net.new_proxy()
    for dp, ports in SWITCHES.items():
        net.proxy.switch(dp, *ports)
    for isl in ISLS[:2]:
        net.proxy.link(*isl)
    net.a = net.client(A, name="rfclient@vmR").port(1, 3)
    net.a.answer = net.vs, {1: 1, 3: 3}
    for port in (1, 3):
        net.a.addr(port, f"10.0.{port}.1/24")
        net.a.neigh(port, f"10.0.{port}.9", HOST.format(port))
    until_paths(net, "a line over 6", {5: {1: 1, 3: 11}, 6: {1: 11, 3: 12},
                                       7: {1: 12, 3: 1}})


def test_restarted_rfserver_takes_nothing_away(net):
    start(net)
    until_paths(net, "direct paths", WHOLE)
    marks = {dp: len(net.proxy.plane(dp).history) for dp in SWITCHES}
    before = {dp: dict(net.proxy.plane(dp).state) for dp in SWITCHES}
    net.server.kill()
    net.server.start(wait=False)
    net.bus.until("full downloads", lambda: (
        all(net.proxy.plane(dp).ends == 2 for dp in SWITCHES), net.proxy.planes), 20)
    assert {dp: net.proxy.plane(dp).state for dp in SWITCHES} == before
    for dp in SWITCHES:
        for _, remove, key, value in net.proxy.plane(dp).history[marks[dp]:]:
            assert not remove
            assert not isinstance(value, tuple) or value, f"group {key} lost its hop"


def test_show_flows_and_datapaths_know_each_switch(net):
    start(net)
    until_paths(net, "direct paths", WHOLE)
    for dp in SWITCHES:
        flows = {flow["prefix"]: flow["target"] for flow in
                 net.server.json("show", "flows", f"{dp:#x}")}
        moved = {f"transit {src} > {dst}": f"port:{port}" for (src, dst), port in
                 net.proxy.plane(dp).of("transit").items()}
        assert len(moved) == 3
        assert flows.keys() == net.proxy.plane(dp).of("fib").keys() | moved.keys()
        assert moved.items() <= flows.items()
    assert {int(d["vm"], 16) for d in net.server.json("show", "datapaths")} == {A}
    classes = {(int(p["dp_id"], 16), p["dp_port"]): (p["class"], p["by"])
               for p in net.server.json("show", "ports")}
    assert classes[5, 11] == ("inside", "mapping file")
