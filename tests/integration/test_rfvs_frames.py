"""rfvs with a real bridge and interfaces: mapping frames, and the relay to rfproxy."""

import socket
import statistics
import time

import pytest

from rfvs_bed import VS, Bed, Rfvs, wait_for

VM = 0x02A0A0A0A0A0
SEEN = r"^MAPPING_SEEN vm=\{.*vm_id=0x0*2a0a0a0a0a0 vm_port=%d\} vs=\{.*vs_port=%d\}"


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


# Mapping frames.

def test_genuine_mapping_frame_is_reported_and_goes_no_further(bed):
    bed.up(f"vlink {VS} 1 2", f"relay {VS} 1 5 1")
    bed.rfvs.interfaces[1].send(bed.peer.mapping(VM, 7))
    bed.peer.wait_line(SEEN % (7, 1))
    bed.wait_log(f"vm 0x000002a0a0a0a0a0 port 7 is at port 1 "
                 f"({bed.rfvs.interfaces[1].port})")
    assert bed.rfvs.interfaces[2].received(0.2) == []
    assert not any(line.startswith("relay 0x") for line in bed.peer.lines)


def test_each_repetition_is_reported(bed):
    bed.up()
    for _ in range(3):
        since = len(bed.peer.lines)
        bed.rfvs.interfaces[1].send(bed.peer.mapping(VM, 1))
        bed.peer.wait_line(SEEN % (1, 1), since=since)


def forge(genuine, how):
    return {"hmac": genuine[:-1] + bytes([genuine[-1] ^ 1]),
            "vm_id": genuine[:25] + bytes([genuine[25] ^ 1]) + genuine[26:],
            "truncated": genuine[:60],
            "header only": genuine[:14],
            "padded": genuine + b"\0" * 20,
            "empty": genuine[:14] + b"\0" * 50}[how]


@pytest.mark.parametrize("how, why", [
    ("hmac", "forged"), ("vm_id", "forged"), ("truncated", "malformed"),
    ("header only", "malformed"), ("padded", "malformed"), ("empty", "malformed")])
def test_bad_mapping_frame_is_counted_and_named(bed, how, why):
    bed.up()
    bed.rfvs.interfaces[2].send(forge(bed.peer.mapping(VM, 1), how))
    bed.peer.wait_status(mapping_forged=1)
    bed.wait_log(f"port 2 ({bed.rfvs.interfaces[2].port}): mapping frame refused: {why}")
    assert not any(line.startswith("MAPPING_SEEN") for line in bed.peer.lines)


def test_recorded_mapping_frame_proves_nothing(bed):
    bed.up()
    genuine = bed.peer.mapping(VM, 1)
    bed.rfvs.interfaces[1].send(genuine)
    bed.peer.wait_line(SEEN % (1, 1))
    bed.rfvs.interfaces[2].send(genuine)
    bed.wait_log("mapping frame refused: replayed")
    bed.rfvs.interfaces[2].send(bed.peer.mapping(VM, 1, age=40000))
    bed.wait_log("mapping frame refused: stale")
    bed.peer.wait_status(mapping_forged=2)
    assert sum(line.startswith("MAPPING_SEEN") for line in bed.peer.lines) == 1


def test_a_flood_of_forged_frames_fills_no_log(bed):
    bed.up()
    bad = forge(bed.peer.mapping(VM, 1), "hmac")
    for _ in range(500):
        bed.rfvs.interfaces[1].send(bad)
    # Open vSwitch itself loses some of them.
    wait_for(bed.peer.status, lambda: bed.peer.status().get("mapping_forged", 0) >= 100)
    assert bed.log().count("refused: forged") <= 6
    bed.rfvs.interfaces[1].send(bed.peer.mapping(VM, 1))
    bed.peer.wait_line(SEEN % (1, 1))


def test_mapping_is_told_again_to_a_new_rfserver_until_the_port_goes(bed):
    bed.up()
    bed.rfvs.interfaces[1].send(bed.peer.mapping(VM, 1))
    bed.rfvs.interfaces[2].send(bed.peer.mapping(VM, 2))
    bed.peer.wait_line(SEEN % (2, 2))
    bed.peer.destroy()
    bed.wait_log("rfserver is away")
    two = bed.rfvs.interfaces[2]
    bed.rfvs.vsctl("del-port", "rfvs0", two.port)
    bed.wait_log(f"port 2 ({two.port}) is gone")
    bed.rfvs.vsctl("--", "add-port", "rfvs0", two.port, "--", "set", "interface",
                   two.port, "ofport_request=2")
    bed.wait_log("port 2 is another one")
    bed.peer = type(bed.peer)(bed.dir)
    bed.peer.wait_line("^SYNC_END")
    bed.peer.wait_line(SEEN % (1, 1))
    assert not any("MAPPING_SEEN" in line and "vs_port=2" in line
                   for line in bed.peer.lines)
    # What the new rfserver may know of number 2 is another port.
    told = [line for line in bed.peer.lines if line.startswith("VS_PORT")
            and "vs_port=2}" in line]
    assert "gone=true" in told[0] and "gone=false" in told[1]


# Relay.

def test_relay_passes_frames_both_ways(bed):
    bed.up(f"relay {VS} 3 5 1")
    three = bed.rfvs.interfaces[3]
    three.send(frame("to the host", "ff:ff:ff:ff:ff:ff"))
    line = bed.peer.wait_line("^relay 0x0000000000000005 1 ")
    assert line.split()[-1] == frame("to the host", "ff:ff:ff:ff:ff:ff").hex()
    # Towards a container any port will do, with a relay record or without.
    bed.peer.say(f"frame {VS} 3 {frame('a').hex()}", f"frame {VS} 4 {frame('b').hex()}")
    assert three.received(2) == [frame("a")]
    assert bed.rfvs.interfaces[4].received(2) == [frame("b")]
    bed.peer.wait_status(relay_in=1, relay_out=2, dropped=0)


def counted(bed, number):
    def have():
        return int(bed.peer.ask("counted", "^counted (.*)"))
    wait_for(lambda: f"{number} frames, have {have()}, {bed.peer.status()}",
             lambda: have() == number)


def test_thousand_frames_each_way_arrive_in_order(bed):
    bed.up(f"relay {VS} 3 5 1")
    three = bed.rfvs.interfaces[3]
    bed.peer.say(f"frames {VS} 3 1000")
    got = three.received(5, wanted=1000)
    assert [int.from_bytes(f[14:16], "big") for f in got] == list(range(1000))
    bed.peer.say("count")
    for number in range(1000):
        three.send(frame(f"{number}"))
        if number % 50 == 49:
            # Open vSwitch itself loses frames of a burst at the rate Python sends.
            counted(bed, number + 1)
    bed.peer.wait_status(relay_in=1000, relay_out=1000, dropped=0)


def test_frames_that_have_nowhere_to_go_are_dropped_and_counted(bed):
    bed.up(f"relay {VS} 3 5 1")
    three = bed.rfvs.interfaces[3]
    bed.rfvs.interfaces[1].send(frame("no entry at all"))  # Dropped by RFVS itself.
    three.send(frame("of bridges", "01:80:c2:00:00:0e", 0x88CC))
    bed.peer.say(f"frame {VS} 99 {frame('no such port').hex()}",
                 f"frame {VS + 1} 3 {frame('no such rfvs').hex()}",
                 f"frame {VS} 3 {frame('mapping', ethertype=0x0a0a).hex()}")
    bed.peer.wait_status(dropped=3, relay_in=0, relay_out=0)
    bed.wait_log("for rfvs 0x7266767300000002, which is not connected")
    assert three.received(0.2) == []
    assert not any(line.startswith("relay 0x") for line in bed.peer.lines)
    bed.peer.send(f"-relay {VS} 3 5 1")
    wait_for(bed.rfvs.flows, lambda: len(bed.rfvs.flows()) == 2)
    three.send(frame("late"))
    assert not any(line.startswith("relay 0x") for line in bed.peer.lines)


@pytest.mark.parametrize("octets", [
    b"\xff" * 8 + b"\0\0\0\1\0\5hello",  # Shorter than a frame.
    b"\xff\0\0\0\0\0\0\1\x7f\3\0NULL".ljust(64, b"\0"),  # As ZeroMQ begins.
    b"\0" * 8 + b"\0\0\0\1\x40\1",  # Longer than 16384.
])
def test_who_sends_no_records_to_the_relay_is_sent_away(bed, octets):
    bed.up(f"relay {VS} 3 5 1")
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.settimeout(5)
        stranger.connect(bed.peer.relay.removeprefix("ipc://"))
        stranger.sendall(octets)
        assert stranger.recv(1) == b""
    bed.wait_log("rfproxy is gone: malformed record")
    bed.rfvs.interfaces[3].send(frame("to the host"))
    bed.peer.wait_line("^relay 0x0000000000000005 1 .*" + frame("to the host").hex())


def test_slow_path_takes_little_time(bed):
    bed.up(f"relay {VS} 3 5 1")
    three = bed.rfvs.interfaces[3]
    bed.peer.say("count", f"echo {VS} 3")
    times = []
    for number in range(300):
        begun = time.perf_counter()
        three.send(frame(f"{number}"))
        assert three.received(2) == [frame(f"{number}")]
        times.append(time.perf_counter() - begun)
    # Both ways: twice through Open vSwitch, rfvs and the relay, and the kernel.
    p50 = statistics.median(times) * 1000
    print(f"container -> rfproxy -> container: p50 {p50:.3f} ms, "
          f"p99 {statistics.quantiles(times, n=100)[98] * 1000:.3f} ms")
    assert p50 < 5


def test_rfproxy_that_comes_later_or_again_is_found(bed):
    bed.up(f"relay {VS} 3 5 1")
    three = bed.rfvs.interfaces[3]
    bed.peer.destroy()
    bed.wait_log("rfserver is away")
    three.send(frame("nobody there"))
    bed.peer = type(bed.peer)(bed.dir)
    bed.peer.wait_line("^SYNC_END")
    bed.wait_log("rfproxy is there", count=2)
    three.send(frame("again"))
    line = bed.peer.wait_line("^relay 0x0000000000000005 1 .*" +
                              frame("again").hex())
    assert line
