"""rfvs with a real bridge and interfaces: virtual links, carriers, restarts."""

import signal
import time

import pytest

from pki import Pki
from rfvs_bed import PORT, VS, Bed, Rfvs, wait_for

COOKIE = 0x52465601
FIXED = {"priority=28672,dl_type=0x0a0a": "CONTROLLER:65535", "priority=0": "drop"}


@pytest.fixture(scope="module")
def rfvs():
    made = Rfvs()
    yield made
    made.destroy()


@pytest.fixture
def bed(rfvs):
    made = Bed(rfvs)
    yield made
    made.destroy()


def frame(tag, dst="02:00:00:00:00:01", ethertype=0x88b5):
    return (bytes.fromhex(dst.replace(":", "")) + b"\2\0\0\0\0\2" +
            ethertype.to_bytes(2, "big") + tag.encode().ljust(46, b"\0"))


def actions(bed):
    return {match: flow[2] for match, flow in bed.rfvs.flows().items()}


def test_rfvs_may_be_driven_over_tls(bed, tmp_path):
    pki = Pki(tmp_path)
    bed.rfvs.vsctl("set-ssl", *pki.sign(f"dpid-{VS:016x}"), pki.ca("controller"))
    bed.start("--listen", f"pssl:{PORT}", *pki.options())
    bed.rfvs.connect(protocol="ssl")
    bed.peer.wait_line(f'^VS_UP vs_id={VS:#018x} peer="ssl:127.0.0.1:')
    wait_for(lambda: bed.rfvs.flows(), lambda: actions(bed) == FIXED)


def test_ports_are_reported_and_nothing_floods(bed):
    bed.start()
    bed.connect()
    bed.peer.wait_line(f"^VS_UP vs_id={VS:#018x} peer=")
    for number, interface in bed.rfvs.interfaces.items():
        bed.peer.wait_line(f'^VS_PORT vs={{.*vs_port={number}.*}} '
                           f'name="{interface.port}" up=true gone=false')
    wait_for(lambda: bed.rfvs.flows(), lambda: actions(bed) == FIXED)
    one = bed.rfvs.interfaces[1]
    for dst in ("ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:05", "02:00:00:00:00:01"):
        one.send(frame("x", dst))
    time.sleep(0.3)
    for number in (2, 3, 4):
        assert bed.rfvs.interfaces[number].received() == []


def test_virtual_link_passes_frames_both_ways_and_to_nobody_else(bed):
    bed.up(f"vlink {VS} 1 2", f"vlink {VS} 2 1")
    bed.wait_links((1, 2), (2, 1))
    bed.peer.wait_status(vlinks=2)
    bed.wait_log("virtual link 1 (")
    ports = bed.rfvs.interfaces
    ports[1].send(frame("one", "ff:ff:ff:ff:ff:ff"))
    assert ports[2].received(2) == [frame("one", "ff:ff:ff:ff:ff:ff")]
    ports[2].send(frame("two"))
    assert ports[1].received(2) == [frame("two")]
    assert ports[3].received(0.2) == [] and ports[4].received() == []
    assert all(cookie >> 32 == COOKIE for _, cookie, _ in bed.rfvs.flows().values())


def test_removed_virtual_link_stops_at_once(bed):
    bed.up(f"vlink {VS} 1 2", f"vlink {VS} 2 1", f"vlink {VS} 3 4", f"vlink {VS} 4 3")
    bed.wait_links((1, 2), (2, 1), (3, 4), (4, 3))
    bed.peer.send(f"-vlink {VS} 1 2", f"-vlink {VS} 2 1")
    bed.wait_links((3, 4), (4, 3), seconds=1)
    ports = bed.rfvs.interfaces
    ports[1].send(frame("late"))
    ports[3].send(frame("other"))
    assert ports[4].received(2) == [frame("other")]
    assert ports[2].received(0.2) == []
    bed.wait_log("removed")
    bed.peer.wait_status(vlinks=2)


def test_virtual_link_that_moves_is_one_change(bed):
    bed.up(f"vlink {VS} 1 2", f"vlink {VS} 2 1")
    bed.wait_links((1, 2), (2, 1))
    bed.peer.send(f"-vlink {VS} 1 2", f"vlink {VS} 1 3")
    bed.wait_links((1, 3), (2, 1))


def test_frames_of_a_segment_go_to_all_its_members_and_to_nobody_else(bed):
    members = (1, 2, 3)
    bed.up(*(f"vlink {VS} {a} {b}" for a in members for b in members if a != b))
    bed.wait_links((1, 2, 3), (2, 1, 3), (3, 1, 2))
    bed.peer.wait_status(vlinks=3)
    ports = bed.rfvs.interfaces
    for dst in ("01:00:5e:00:00:05", "02:00:00:00:00:01"):
        ports[1].send(frame("hello", dst))
        for number in (2, 3):
            assert ports[number].received(2) == [frame("hello", dst)]
        assert ports[4].received(0.2) == [] and ports[1].received() == []
    bed.peer.send(f"-vlink {VS} 1 3", f"-vlink {VS} 2 3", f"-vlink {VS} 3 1",
                  f"-vlink {VS} 3 2")
    bed.wait_links((1, 2), (2, 1))


def test_carrier_off_and_on_is_seen_in_the_container(bed):
    bed.up()
    one = bed.rfvs.interfaces[1]
    assert one.has_carrier()
    bed.peer.send(f"carrier {VS} 1 off")
    wait_for("carrier to go", lambda: not one.has_carrier(), 2)
    bed.peer.wait_line("^VS_PORT .*vs_port=1.* up=false gone=false")
    bed.wait_log(f"port 1 ({one.port}): carrier off")
    assert bed.rfvs.interfaces[2].has_carrier()
    bed.peer.send(f"carrier {VS} 1 on")
    wait_for("carrier to return", one.has_carrier, 2)


def test_carrier_that_flaps_ends_as_the_last_word_says(bed):
    bed.up()
    one = bed.rfvs.interfaces[1]
    for _ in range(20):
        bed.peer.say(f"carrier {VS} 1 off")
        bed.peer.say(f"carrier {VS} 1 on")
    bed.peer.send(f"carrier {VS} 1 off")
    wait_for("carrier to go", lambda: not one.has_carrier(), 2)
    time.sleep(0.5)
    assert not one.has_carrier()
    bed.peer.send(f"carrier {VS} 1 on")
    wait_for("carrier to return", one.has_carrier, 2)


def test_restart_neither_raises_nor_forgets_a_carrier(bed):
    bed.up(f"carrier {VS} 1 off", f"carrier {VS} 2 off")
    one, two = bed.rfvs.interfaces[1], bed.rfvs.interfaces[2]
    wait_for("carriers to go", lambda: not one.has_carrier() and not two.has_carrier(), 2)
    bed.kill()
    bed.start()
    bed.peer.wait_line("^VS_STATUS", since=len(bed.peer.lines))
    bed.peer.send(f"begin {VS}", f"carrier {VS} 1 off")
    time.sleep(0.5)
    assert not one.has_carrier() and not two.has_carrier()
    bed.peer.send(f"end {VS}")
    wait_for("carrier of 2", two.has_carrier, 2)
    assert not one.has_carrier()


def test_killed_rfvs_changes_nothing_that_is_right(bed):
    records = (f"vlink {VS} 1 3", f"vlink {VS} 1 2", f"vlink {VS} 2 1",
               f"relay {VS} 3 5 1")
    bed.up(*records, f"vlink {VS} 4 1")
    bed.wait_links((1, 2, 3), (2, 1), (4, 1))
    bed.kill()
    time.sleep(1.1)  # The durations of the entries are then above it.
    before = bed.rfvs.flows()
    since = len(bed.peer.lines)
    bed.start()
    bed.peer.wait_line("^VS_STATUS", since=since)
    bed.peer.send(f"begin {VS}", *records)
    bed.peer.wait_status(vlinks=2)
    time.sleep(0.3)
    now = bed.rfvs.flows()
    assert {k: v[1:] for k, v in now.items()} == {k: v[1:] for k, v in before.items()}
    assert all(now[k][0] > before[k][0] for k in now)  # Not one was written again.
    bed.peer.send(f"end {VS}")
    bed.wait_links((1, 2, 3), (2, 1))
    assert all(duration > 1.1 for duration, _, _ in bed.rfvs.flows().values())


def test_full_download_sweeps_what_it_does_not_name(bed):
    bed.up(f"vlink {VS} 1 2", f"vlink {VS} 2 1", f"relay {VS} 3 5 1",
           f"carrier {VS} 4 off")
    four = bed.rfvs.interfaces[4]
    bed.wait_links((1, 2), (2, 1))
    wait_for("carrier to go", lambda: not four.has_carrier(), 2)
    bed.peer.send(f"begin {VS}", f"vlink {VS} 2 1")
    time.sleep(0.3)
    bed.wait_links((1, 2), (2, 1))
    assert not four.has_carrier()
    bed.peer.send(f"end {VS}")
    bed.wait_links((2, 1))
    wait_for("carrier to return", four.has_carrier, 2)
    wait_for(lambda: actions(bed), lambda: actions(bed) == {
        **FIXED, "priority=16384,in_port=2": "output:1"})


def test_restarted_rfserver_changes_nothing_that_is_right(bed):
    bed.up(f"vlink {VS} 1 2", f"vlink {VS} 2 1")
    bed.wait_links((1, 2), (2, 1))
    time.sleep(1.1)
    bed.peer.destroy()
    bed.wait_log("rfserver is away")
    bed.peer = type(bed.peer)(bed.dir)
    bed.peer.wait_line("^SYNC_END")
    lines = [line.split()[0] for line in bed.peer.lines if line[0].isupper()]
    assert lines == ["SYNC_BEGIN", "VS_UP", *["VS_PORT"] * 4, "VS_STATUS", "SYNC_END"]
    bed.peer.send(f"begin {VS}", f"vlink {VS} 1 2", f"vlink {VS} 2 1", f"end {VS}")
    assert all(duration > 1.1 for duration, _, _ in bed.rfvs.flows().values())
    bed.wait_links((1, 2), (2, 1))


@pytest.mark.parametrize("how", ["bridge made again", "vswitchd killed"])
def test_renewed_rfvs_gets_exactly_the_desired_entries(bed, how):
    bed.up(f"vlink {VS} 1 2", f"vlink {VS} 2 1", f"relay {VS} 3 5 1",
           f"carrier {VS} 4 off")
    bed.wait_links((1, 2), (2, 1))
    wanted = actions(bed)
    four = bed.rfvs.interfaces[4]
    wait_for("carrier to go", lambda: not four.has_carrier(), 2)
    since = len(bed.peer.lines)
    if how == "vswitchd killed":
        bed.rfvs.kill_vswitchd()
        bed.peer.wait_line("^VS_DOWN", since=since)
        bed.rfvs.start_vswitchd()
    else:
        bed.rfvs.vsctl("del-br", "rfvs0")
        bed.peer.wait_line("^VS_DOWN", since=since)
        bed.rfvs.add_bridge("rfvs0", VS)
        for number, interface in bed.rfvs.interfaces.items():
            bed.rfvs.vsctl("--", "add-port", "rfvs0", interface.port, "--", "set",
                           "interface", interface.port, f"ofport_request={number}")
        bed.rfvs.connect()
    bed.peer.wait_line("^VS_UP", since=since)
    wait_for(lambda: actions(bed), lambda: actions(bed) == wanted)
    wait_for("carrier of 4 to be off", lambda: not four.has_carrier(), 3)
    assert bed.rfvs.interfaces[1].has_carrier()


def test_changes_of_others_are_repaired_and_foreign_entries_stay(bed):
    bed.start("--audit-interval", "300ms")
    bed.connect()
    bed.peer.send(f"begin {VS}", f"vlink {VS} 1 2", f"vlink {VS} 2 1", f"end {VS}")
    bed.wait_links((1, 2), (2, 1))
    bed.rfvs.ofctl("del-flows", "in_port=1")
    bed.rfvs.ofctl("mod-flows", "in_port=2,actions=output:4")
    bed.rfvs.ofctl("add-flow", f"cookie={COOKIE << 32 | 2},priority=16384,in_port=3,"
                               "actions=output:4")
    bed.rfvs.ofctl("add-flow", f"cookie={COOKIE << 32 | 9},priority=77,ip,"
                               "actions=output:4")
    bed.rfvs.ofctl("add-flow", "priority=5,arp,actions=drop")
    wait_for(lambda: actions(bed), lambda: actions(bed) == {
        **FIXED, "priority=16384,in_port=1": "output:2",
        "priority=16384,in_port=2": "output:1", "priority=5,arp": "drop"})
    bed.wait_log("not as they should be")
    bed.rfvs.ofctl("add-flow", "priority=6,arp,actions=NORMAL")
    bed.wait_log("floods (priority 6 arp)")


def test_removed_and_new_interface_is_another_port(bed):
    bed.up()
    interface = bed.rfvs.interfaces[2]
    since = len(bed.peer.lines)
    bed.rfvs.vsctl("del-port", "rfvs0", interface.port)
    bed.peer.wait_line("^VS_PORT .*vs_port=2.* up=false gone=true", since=since)
    since = len(bed.peer.lines)
    bed.rfvs.vsctl("--", "add-port", "rfvs0", interface.port, "--", "set", "interface",
                   interface.port, "ofport_request=2")
    bed.peer.wait_line("^VS_PORT .*vs_port=2.* up=true gone=false", since=since)


def test_real_switch_and_twin_are_refused(bed):
    bed.up()
    for name, dpid in (("real0", 5), ("twin0", VS)):
        bed.rfvs.add_bridge(name, dpid)
        bed.tidy.append(lambda name=name: bed.rfvs.vsctl("del-br", name))
        bed.rfvs.connect(name)
    bed.wait_log("datapath 0x0000000000000005 is a real switch: it belongs to rfproxy, "
                 "port 6653")
    bed.wait_log("a virtual switch with this id is connected from 127.0.0.1:")
    bed.peer.send(f"vlink {VS} 1 2")
    bed.wait_links((1, 2))


def test_garbage_on_the_port_disturbs_nobody(bed):
    bed.up(f"vlink {VS} 1 2", f"vlink {VS} 2 1")
    for octets in ("474554202f20485454502f312e310d0a0d0a", "04", "0400000800000001" "04cc",
                   "0400000000000001", "01000008000000010105000800000002",
                   "0400000800000001" + "0406ffff00000002" + "00" * 64):
        with bed.rfvs.open() as sock:
            sock.sendall(bytes.fromhex(octets))
            sock.recv(65536)
    bed.wait_log("expected OFPT_HELLO, got octets 47 45 54 20")
    bed.wait_log("peer speaks version 0x01 at most")
    bed.wait_links((1, 2), (2, 1))
    bed.rfvs.interfaces[1].send(frame("still"))
    assert bed.rfvs.interfaces[2].received(2) == [frame("still")]


def test_second_rfvs_on_the_same_port_says_so(bed):
    bed.up()
    first = bed.process
    bed.start(wait=False)
    assert bed.process.wait(10) == 1
    bed.process = first
    bed.wait_log("Address already in use")


def test_it_ends_on_sigterm_and_leaves_rfvs_as_it_is(bed):
    bed.up(f"vlink {VS} 1 2")
    bed.wait_links((1, 2))
    assert bed.kill(signal.SIGTERM) == 0
    bed.peer.wait_line("^down")
    assert bed.rfvs.links() == {(1, 2)}
