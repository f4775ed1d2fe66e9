"""rfserver: the mapping file, edited while everything runs."""

import os
import re
import signal
import time

import pytest
from rfserver_setup import (A, ACTIVE, B, HEADER, IDLE_CLIENT, IDLE_DATAPATH, MAPPING,
                            PORTS_AT, VS_ID, Network, Server, active_rows, have_programs)

pytestmark = pytest.mark.skipif(not have_programs(), reason="needs a build")


@pytest.fixture
def net(tmp_path):
    network = Network(tmp_path)
    try:
        yield network.converge()
    finally:
        network.close()


def in_place(path, text):
    path.write_bytes(text.encode())


def by_rename(path, text):
    """As most editors save."""
    other = path.with_name(".rfserver.csv.swp")
    other.write_bytes(text.encode())
    os.replace(other, path)


def without(text, *beginnings):
    return "".join(line for line in text.splitlines(True)
                   if not line.startswith(beginnings))


@pytest.mark.parametrize("save", [in_place, by_rename])
def test_saved_edits_take_effect(net, save):
    marks = len(net.proxy.plane(6).history)
    save(net.server.mapping, without(MAPPING, "2a0a0a0a0a0,2"))
    rows = {**active_rows(), ((A, 2), None, None): IDLE_CLIENT,
            (None, (5, 2), None): IDLE_DATAPATH}
    del rows[(A, 2), (5, 2), (VS_ID, 2)]
    net.until_rows(rows)
    net.bus.until("the link leaves", lambda: (net.vs.vlinks() == set(), net.vs.wiring))
    net.bus.until("its flows leave", lambda: set(net.proxy.plane(5).of("port")) == {1})
    save(net.server.mapping, MAPPING)
    net.until_active()
    net.bus.until("the link is back", lambda: net.vs.vlinks() == {(2, 4), (4, 2)})
    net.bus.until("its flows are back", lambda: (
        net.proxy.plane(5).of("port").get(2) == ("internal", net.a.hwaddr(2))))
    assert len(net.proxy.plane(6).history) == marks, "another datapath was told something"
    assert net.proxy.plane(5).begins == 1, "no full download for one row"


def test_datapath_that_gets_another_vm_gets_its_state_whole(net):
    swapped = MAPPING.replace(",0,5,", ",0,55,").replace(",0,6,", ",0,5,").replace(
        ",0,55,", ",0,6,")
    in_place(net.server.mapping, swapped)
    net.until_rows({((vm, port), (dp, port), (VS_ID, PORTS_AT[vm][port])): ACTIVE
                    for vm, dp in ((A, 6), (B, 5)) for port in (1, 2)})
    net.bus.until("switch 5 has what B has", lambda: (
        set(net.proxy.plane(5).of("addr")) == {"172.31.2.1", "10.0.0.2"} and
        net.proxy.plane(5).of("port") == {1: ("edge", net.b.hwaddr(1)),
                                          2: ("internal", net.b.hwaddr(2))},
        net.proxy.plane(5)))
    net.bus.until("and was told so from the beginning", lambda: (
        net.proxy.plane(5).ends == 2, net.proxy.plane(5)))


FAULTY = HEADER + ("2a0a0a0a0a0,1,0,5\n"          # 2: too short
                   "xyz,2,0,5,2\n"                # 3: no number
                   "2b0b0b0b0b0,1,0,6,1\n"
                   "2b0b0b0b0b0,2,0,6,1\n"        # 5: datapath port twice
                   "2b0b0b0b0b0,1,0,6,7\n")       # 6: VM port twice


def faults_of(net, text):
    """{line} of all faults in a text, each as file:line:column."""
    found = re.findall(re.escape(str(net.server.mapping)) + r":(\d+):(\d+): \S", text)
    assert all(int(column) >= 1 for _, column in found)
    return {int(line) for line, _ in found}


def test_faulty_file_changes_nothing_and_all_its_faults_are_named(net):
    marks = [len(p.history) for p in net.proxy.planes.values()]
    in_place(net.server.mapping, FAULTY)
    net.until_log("the mapping in force stays as it is")
    assert faults_of(net, net.server.log()) == {2, 3, 5, 6}
    net.until_rows(active_rows())
    assert [len(p.history) for p in net.proxy.planes.values()] == marks
    status = net.server.json("show", "status")["mapping"]
    assert status["rows"] == 4
    assert f"{net.server.mapping}:2:" in status["fault"]
    assert f"the mapping in force stays as it is: {net.server.mapping}:2:" in "\n".join(
        event["text"] for event in net.server.json("show", "events"))
    by_rename(net.server.mapping, MAPPING)
    net.bus.until("the fault is gone", lambda: (
        net.server.json("show", "status")["mapping"]["fault"] == "none"))


def test_file_that_is_deleted_changes_nothing(net):
    net.server.mapping.unlink()
    assert net.server.rfctl("reload")[0] == 1
    assert "No such file" in net.server.rfctl("reload")[2]
    net.until_rows(active_rows())


def test_reload_by_signal_and_by_rfctl(net):
    for order in ("rfctl", "signal"):
        time.sleep(0.01)
        loaded = net.server.json("show", "status")["mapping"]["loaded"]
        if order == "rfctl":
            assert net.server.rfctl("reload") == (0, "4 rows in force\n", "")
        else:
            net.server.process.send_signal(signal.SIGHUP)
        net.bus.until(f"loaded again by {order}", lambda before=loaded: (
            net.server.json("show", "status")["mapping"]["loaded"] != before))
    net.until_rows(active_rows())


def test_windows_line_ends_byte_order_mark_comments_and_blanks(net):
    in_place(net.server.mapping, "\ufeff" + (
        "# edited elsewhere\n\n" + MAPPING.replace("2a0a0a0a0a0", "0x02A0A0A0A0A0")
    ).replace("\n", "\r\n"))
    net.until_log("4 rows (0 added, 0 removed, 4 unchanged)")
    net.until_rows(active_rows())


def many_rows(n):
    """A VM and datapath of 100 ports each."""
    return "".join(f"4000{i // 100:08x},{i % 100 + 1},0,{0x1000 + i // 100:x},{i % 100 + 1}\n"
                   for i in range(n))


def test_ten_thousand_rows(net):
    in_place(net.server.mapping, MAPPING + many_rows(10000))
    net.until_log("10004 rows (10000 added, 0 removed, 4 unchanged)", 5)
    net.until_rows(active_rows())
    net.bus.until("they are in the store", lambda: (
        len(net.server.stored("rfconfig")) == 10004))
    other = net.server.folder / "other.csv"
    other.write_text(MAPPING + many_rows(9999))
    status, out, _ = net.server.rfctl("check", other)
    assert status == 0
    assert "rows: 1 removed, 0 added, 10003 unchanged" in out
    in_place(net.server.mapping, MAPPING)
    net.until_log("4 rows (0 added, 10000 removed, 4 unchanged)", 5)
    net.until_rows(active_rows())
    net.bus.until("they have left the store", lambda: (
        len(net.server.stored("rfconfig")) == 4))


def test_rfserver_does_not_start_with_a_faulty_file(tmp_path):
    server = Server(tmp_path, mapping=FAULTY)
    server.start(wait=False)
    assert server.process.wait(10) == 1
    for line in (2, 3, 5, 6):
        assert f"{server.mapping}:{line}:" in server.log()
    server.close()


# --- Classes of ports, and the pass-through plane --------------------------------------


def with_classes(**classes):
    """The mapping with a sixth column; classes: port_5_1="edge"."""
    lines = ["vm_id,vm_port,ct_id,dp_id,dp_port,class"]
    for line in MAPPING.splitlines()[1:]:
        name = "port_" + "_".join(line.split(",")[3:5])
        lines.append(f"{line},{classes.get(name, '')}")
    return "\n".join(lines) + "\n"


def until_class(net, dp, port, wanted):
    net.bus.until(f"port {port} of {dp} is {wanted}", lambda: (
        net.proxy.plane(dp).of("port")[port][0] == wanted, net.proxy.plane(dp)))


def until_planes(net, vlinks, relays):
    net.bus.until(f"virtual links {vlinks}, relays {relays}", lambda: (
        net.vs.vlinks() == vlinks and net.vs.relays() == relays and
        not net.vs.without_carrier(), net.vs.wiring))


USUAL = {(2, 4), (4, 2)}, {(5, 1): 1, (6, 1): 3}


@pytest.mark.parametrize("word,name,vlinks,relays", [
    ("edge", "open", set(), {(5, 1): 1, (6, 1): 3, (5, 2): 2}),
    ("external", "open", set(), {(5, 1): 1, (6, 1): 3, (5, 2): 2}),
    ("internal", "internal", *USUAL),
    ("blocked", "blocked", set(), {(5, 1): 1, (6, 1): 3}),
])
def test_class_of_a_link_port_is_taken_from_the_file_and_given_back(net, word, name,
                                                                    vlinks, relays):
    in_place(net.server.mapping, with_classes(port_5_2=word))
    until_class(net, 5, 2, name)
    until_planes(net, vlinks, relays)
    net.until_rows(active_rows())
    assert net.proxy.plane(5).begins == 1
    in_place(net.server.mapping, MAPPING)
    until_class(net, 5, 2, "internal")
    until_planes(net, *USUAL)


def test_class_of_a_row_that_is_new_holds_from_its_first_moment(net):
    """rfvs was restarted and told what it knows: the row is active as soon as it is."""
    in_place(net.server.mapping, without(MAPPING, "2a0a0a0a0a0,1"))
    net.bus.until("the port leaves", lambda: 1 not in net.proxy.plane(5).of("port"))
    net.vs.restart()
    net.until_log("is kept until its ports are associated")
    since = len(net.proxy.plane(5).history)
    in_place(net.server.mapping, with_classes(port_5_1="blocked"))
    net.until_rows(active_rows())
    until_class(net, 5, 1, "blocked")
    assert [value[0] for kind, _, key, value in net.proxy.plane(5).history[since:]
            if (kind, key) == ("port", 1)] == ["blocked"]
    until_planes(net, USUAL[0], {(6, 1): 3})


def test_unknown_class_is_a_fault(net):
    in_place(net.server.mapping, with_classes(port_6_2="inside"))
    net.until_log("the mapping in force stays as it is")
    assert faults_of(net, net.server.log()) == {5}
    assert "inside" in net.server.log()


def test_pass_through_plane_and_back(net):
    assert net.server.rfctl("plane") == (0, "closed\n", "")
    assert net.server.rfctl("plane", "passthrough")[0] == 0
    until_planes(net, set(), {(5, 1): 1, (6, 1): 3, (5, 2): 2, (6, 2): 4})
    for dp in (5, 6):
        until_class(net, dp, 2, "open")
    net.proxy.link(5, 2, 6, 2, up=False)   # It carries nothing of ours: no carrier lost.
    net.bus.run(0.3)
    assert net.vs.without_carrier() == set()
    net.proxy.link(5, 2, 6, 2)
    assert net.server.rfctl("plane", "closed")[0] == 0
    until_planes(net, *USUAL)
    net.until_rows(active_rows())
    assert net.server.rfctl("plane", "open")[0] == 1
