"""rfproxy with peers that are wrong, hostile or poor: each gets a clear message, and the
switch beside it notices nothing."""

import socket
import struct
import time

import pytest

from rfproxy_bed import Bed, Switches, wait_for
from rfproxy_switch import FakeSwitch, message, resign

A = 5
KEY = bytes.fromhex("00112233445566778899aabbccddeeff")


@pytest.fixture(scope="module")
def switches():
    made = Switches()
    made.add_bridge("a", A)
    yield made
    made.destroy()


@pytest.fixture
def bed(switches):
    """With one good switch, which must stay as it is."""
    made = Bed(switches)
    made.start()
    made.connect("a")
    made.peer.wait_line("^DP_UP dp_id=0x0000000000000005")
    made.peer.say_and_wait(f"begin {A}", f"port {A} 1 2 02:a0:00:00:00:01", f"end {A}")
    made.peer.wait_status(A, in_sync="true")
    yield made
    assert "datapath 0x0000000000000005 (" not in made.log().replace("is back", "lost"), \
        "the good switch was disturbed"
    made.destroy()


def ready(bed, dpid):
    """Waits until the switch is known and has what an empty download leaves."""
    bed.peer.wait_line(f"^DP_UP dp_id={dpid:#018x}")
    bed.peer.say_and_wait(f"begin {dpid}", f"end {dpid}")
    bed.peer.wait_status(dpid, in_sync="true")


def connections(bed):
    return bed.log().count("connection from")


def test_a_second_switch_with_a_live_id_is_refused(bed):
    second = FakeSwitch(bed.port, A)
    assert second.closed.wait(5)
    bed.wait_log("datapath 0x0000000000000005 from 127.0.0.1:")
    bed.wait_log("refused: a switch with this id is connected from 127.0.0.1:")
    for _ in range(20):
        assert FakeSwitch(bed.port, A).closed.wait(5)
    assert bed.log().count("refused: a switch with this id") <= 6, "not rate-limited"


@pytest.mark.parametrize("dpid,auxiliary,text", [
    (0x7266767300000001, 0, "that is a virtual switch: it belongs to rfvs, port 6654"),
    (0, 0, "datapath id 0 is not allowed"),
    (7, 1, "auxiliary connections are not used")])
def test_odd_switches_are_refused(bed, dpid, auxiliary, text):
    assert FakeSwitch(bed.port, dpid, auxiliary).closed.wait(5)
    bed.wait_log(text)
    assert not [line for line in bed.peer.lines
                if line.startswith("DP_UP") and "dp_id=0x0000000000000005" not in line]


GARBAGE = {
    "lengths 0 to 7": [message(0)[:2] + bytes([0, n]) + bytes(4) for n in range(8)],
    "no OpenFlow": [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"],
    "zeros": [bytes(4096)],
    "version 1 only": [message(0, version=1)],
    "version 6 only, by bitmap": [message(0, 1, struct.pack("!HHI", 1, 8, 1 << 6),
                                          version=6)],
    "another message first": [message(5)],
    "type 0xcc after hello": [message(0) + message(0xcc)],
    "nothing at all": [b""],
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_ends_only_its_own_connection(bed, name):
    for octets in GARBAGE[name]:
        with socket.create_connection(("127.0.0.1", bed.port)) as s:
            s.sendall(octets)
            s.shutdown(socket.SHUT_WR)
            s.settimeout(5)
            while s.recv(65536):
                pass
    wait_for("a message that names the peer", lambda: connections(bed) > 0)
    assert bed.process.poll() is None
    # The good switch still takes changes.
    bed.peer.say_and_wait(f"fib {A} 10.9.0.0/16 drop")
    wait_for("a change", lambda: "1 priority=272,ip,nw_dst=10.9.0.0/16" in
             bed.switches.flows("a"))


def test_one_byte_at_a_time_is_fine(bed):
    switch = FakeSwitch(bed.port, 0x20)
    plain = switch.send

    def slowly(data):
        for i in range(len(data)):
            plain(data[i:i + 1])

    switch.send = slowly
    ready(bed, 0x20)
    switch.close()
    bed.wait_log("datapath 0x0000000000000020 (")


def test_unknown_types_and_broken_messages_do_not_end_a_session(bed):
    switch = FakeSwitch(bed.port, 0x21)
    ready(bed, 0x21)
    switch.send(message(0xcc, 1) + message(10, 2, bytes(30)) + message(14, 3, bytes(80)))
    for text in ("message of type 0xcc", "OFPT_PACKET_IN xid 0x2", "OFPT_FLOW_MOD xid 0x3"):
        bed.wait_log(text)
    assert not switch.closed.wait(0.3)
    switch.close()


@pytest.mark.parametrize("tables", [2, 8])
def test_a_switch_that_cannot_tell_lengths_still_routes(bed, tables):
    switch = FakeSwitch(bed.port, 0x23, tables=tables)
    bed.peer.wait_line("^DP_UP dp_id=0x0000000000000023")
    bed.peer.say_and_wait(
        f"begin {0x23}", f"port {0x23} 1 2 02:a0:00:00:00:01",
        f"group {0x23} 1 mtu=1400 1,1,02:a0:00:00:00:01,02:b0:00:00:00:01",
        f"fib {0x23} 10.0.0.0/8 group 1", f"end {0x23}")
    bed.peer.wait_line("^FLOW_ERROR dp_id=0x0000000000000023 "
                       'what="packets longer than an MTU"')
    bed.peer.wait_status(0x23, in_sync="true", failed=0)
    group = struct.pack("!HHI", 22, 8, 0x80000001)
    assert sum(group in instructions for instructions in switch.flows.values()) == 1
    assert not any(key[0] == 4 for key in switch.flows)
    assert bed.log().count("cannot tell how long packets are") == 1
    switch.close()


def test_a_switch_without_meters_and_ttl_match_still_routes(bed):
    switch = FakeSwitch(bed.port, 0x22)
    bed.wait_log("datapath 0x0000000000000022 has no meters")
    bed.wait_log("datapath 0x0000000000000022: cannot match the TTL")
    bed.peer.say_and_wait(f"begin {0x22}", f"port {0x22} 1 2 02:a0:00:00:00:01",
                          f"fib {0x22} 10.0.0.0/8 punt", f"end {0x22}")
    wait_for("its entries", lambda: len(switch.flows) == 5 + 13 + 1)
    bed.peer.wait_status(0x22, in_sync="true", failed=0)
    switch.close()


def test_a_switch_that_fell_silent_gives_way(bed):
    silent = FakeSwitch(bed.port, 0x23)
    ready(bed, 0x23)
    silent.answers = False
    begun = time.monotonic()

    def again():
        again.switch = FakeSwitch(bed.port, 0x23)
        return not again.switch.closed.wait(0.5)

    wait_for("the second to be let in", again, 12)
    assert time.monotonic() - begun < 9
    assert silent.closed.wait(1)
    bed.wait_log("datapath 0x0000000000000023 is back")
    again.switch.close()


def forged(bed, dpid):
    return int(bed.peer.status(dpid).get("lldp_forged", 0))


def test_forged_replayed_and_relayed_lldp_make_no_link(bed):
    one, two = FakeSwitch(bed.port, 0x31), FakeSwitch(bed.port, 0x32)
    for dpid in (0x31, 0x32):
        ready(bed, dpid)
    frame = one.probe(1)
    ours = frame.index(bytes.fromhex("0026e152"))
    for n, bad in enumerate((resign(frame, b"guessed"),
                             frame[:ours + 12] + b"\xff" + frame[ours + 13:],
                             frame[:ours - 1] + b"\4" + frame[ours:ours + 4] + b"\0\0"),
                            1):
        two.packet_in(2, bad)
        wait_for("it to be counted", lambda n=n: forged(bed, 0x32) == n)
    bed.wait_log("port 2 (fake2) of datapath 0x0000000000000032: forged")
    two.packet_in(2, bytes.fromhex("0180c200000e02000000000188cc") +
                  bytes(46))
    assert resign(frame, KEY) == frame

    since = len(bed.peer.lines)
    good = one.probe(1)
    two.packet_in(2, good)
    bed.peer.wait_line("^LINK_DIR .* up=true", since=since)
    two.packet_in(2, good)
    bed.wait_log("of datapath 0x0000000000000032: replayed, expected a counter not seen "
                 "before (of datapath 0x0000000000000031 port 1)")
    time.sleep(3.2)  # So long a probe is good; heard before at port 1, it would be a copy.
    two.packet_in(1, good)
    bed.wait_log("port 1 (fake1) of datapath 0x0000000000000032: stale")

    # A host on an edge port that relays what another edge port sent.
    bed.peer.say_and_wait(f"begin {0x32}", f"port {0x32} 1 2 02:a0:00:00:00:01",
                          f"end {0x32}")
    arp = b"\xff" * 6 + bytes.fromhex("0200000099990806") + bytes(46)
    two.packet_in(1, arp, cookie=0x52465f0100000002)
    since = len(bed.peer.lines)
    two.packet_in(1, one.probe(1))
    bed.wait_log("port 1 (fake1) of datapath 0x0000000000000032: relayed by a host")
    assert not [x for x in bed.peer.lines[since:]
                if x.startswith("LINK_DIR") and "up=true" in x]
    one.close()
    two.close()


def test_many_strangers_do_not_keep_a_switch_out(bed):
    idle = [socket.create_connection(("127.0.0.1", bed.port)) for _ in range(100)]
    switch = FakeSwitch(bed.port, 0x24)
    ready(bed, 0x24)
    switch.close()
    for s in idle:
        s.close()
