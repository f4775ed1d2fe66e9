"""rfproxy: what a foreign switch joins is found by broadcasts; who hears LLDP sends none.

The switches are fakes, and so is what lies between them: frames that one sends are handed
to the others, or not.
"""

import time

import pytest

from rfproxy_bed import Bed, Switches, wait_for
from rfproxy_switch import FakeSwitch

LLDP, BDDP = b"\x88\xcc", b"\x89\x42"
DPIDS = (0x41, 0x42, 0x43)


class Plain(list):
    """A plain switch with port 1 of each: takes the frames that one of them sends."""

    def __init__(self, members, sender):
        self.members, self.sender = members, sender

    def append(self, item):
        super().append(item)
        port, frame = item
        for member in self.members:
            if port == 1 and member is not self.sender and \
                    frame[12:14] in self.members.passes:
                member.packet_in(1, frame)


class Members(list):
    passes = (BDDP,)


@pytest.fixture(scope="module")
def switches():
    made = Switches()
    yield made
    made.destroy()


@pytest.fixture
def bed(switches):
    made = Bed(switches)
    made.start("--lldp-interval", "200ms", "--lldp-ttl", "700ms", "--fast-links", "off")
    made.fakes = [FakeSwitch(made.port, dpid) for dpid in DPIDS]
    for dpid in DPIDS:
        made.peer.wait_line(f"^DP_UP dp_id={dpid:#018x}")
        made.peer.say_and_wait(f"begin {dpid}", f"port {dpid} 1 1 02:a0:00:00:00:{dpid:02x}",
                               f"end {dpid}")
    yield made
    for fake in made.fakes:
        fake.close()
    made.destroy()


def plug(bed, *fakes, passes=(BDDP,)):
    members = Members(fakes)
    members.passes = passes
    for fake in fakes:
        fake.frames = Plain(members, fake)
    return members


def wait_direction(bed, src, dst, up, broadcast, since=0, seconds=5):
    bed.peer.wait_line(
        f"^LINK_DIR src={{.*dp_id={src:#018x} dp_port=1}} dst={{.*dp_id={dst:#018x} "
        f"dp_port=1}} up={up} broadcast={broadcast}", since=since, seconds=seconds)


def all_pairs():
    return [(a, b) for a in DPIDS for b in DPIDS if a != b]


def test_ports_on_a_plain_switch_hear_each_other(bed):
    members = plug(bed, *bed.fakes)
    for src, dst in all_pairs():
        wait_direction(bed, src, dst, "true", "true")
    assert not any("broadcast=false" in line for line in bed.peer.lines)
    # From the router's own address: the plain switch learns where it is.
    frame = next(f for port, f in reversed(bed.fakes[0].frames)
                 if port == 1 and f[12:14] == BDDP)
    assert frame[:12] == b"\xff" * 6 + bytes.fromhex("02a000000041")

    since = len(bed.peer.lines)
    bed.fakes[1].frames.members = Members([])  # Its frames reach nobody any more.
    members.remove(bed.fakes[1])
    for src, dst in all_pairs():
        if DPIDS[1] in (src, dst):
            wait_direction(bed, src, dst, "false", "true", since)
    assert not [line for line in bed.peer.lines[since:] if line.startswith("LINK_DIR")
                and f"dp_id={DPIDS[1]:#018x}" not in line]


def test_link_that_lldp_finds_is_spared_broadcasts(bed):
    one, two = bed.fakes[:2]
    plug(bed, one, two, passes=(LLDP, BDDP))
    for src, dst in ((0x41, 0x42), (0x42, 0x41)):
        wait_direction(bed, src, dst, "true", "false")
    one.frames.clear()
    wait_for("some more LLDP", lambda: sum(
        port == 1 and frame[12:14] == LLDP for port, frame in one.frames) >= 5)
    assert [port for port, frame in one.frames if frame[12:14] == BDDP and port == 1] == []


def test_edge_port_is_asked_now_and_then_and_answers_at_once(bed):
    one, two = bed.fakes[:2]
    time.sleep(1)  # Both are edges by now.
    one.frames.clear()
    wait_for("probes", lambda: sum(
        port == 1 and frame[12:14] == LLDP for port, frame in one.frames) >= 10)
    sent = [port for port, frame in one.frames if frame[12:14] == BDDP and port == 1]
    assert 1 <= len(sent) <= 3, "every fifth"
    frame = two.probe(1, BDDP)
    since = len(one.frames)
    one.packet_in(1, frame)
    wait_direction(bed, 0x42, 0x41, "true", "true")
    wait_for("an answer", lambda: any(
        port == 1 and frame[12:14] == BDDP for port, frame in one.frames[since:]), 0.15)


def test_probe_that_arrives_after_a_later_broadcast_is_no_replay(bed):
    """Open vSwitch hands over the two of a new port in either order."""
    one, two = bed.fakes[:2]
    two.frames.clear()
    broadcast = two.probe(1, BDDP)
    sent = [frame for port, frame in two.frames if port == 1]
    earlier = sent[sent.index(broadcast) - 1]
    assert earlier[12:14] == LLDP
    one.packet_in(1, broadcast)
    wait_direction(bed, 0x42, 0x41, "true", "true")
    one.packet_in(1, earlier)
    wait_direction(bed, 0x42, 0x41, "true", "false")
    for frame in (broadcast, earlier):
        since = len(bed.log().splitlines())
        one.packet_in(1, frame)
        wait_for("it to be refused", lambda: any(
            "replayed" in line for line in bed.log().splitlines()[since:]))
