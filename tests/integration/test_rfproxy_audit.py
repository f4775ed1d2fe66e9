"""rfproxy reads many flow entries back in portions: one request by a whole cookie at a
time, so that Open vSwitch, which has one thread, is never away for long."""

import socket
import struct
import threading
import time

import pytest

from rfproxy_bed import Bed, Switches, wait_for
from rfproxy_switch import FakeSwitch

A = 5
COUNT = 8400
HOP = "02:a0:00:00:00:02,02:b0:00:00:00:02"
OURS, ALL = 0x52465f01 << 32, 0xffffffff << 32
SORTS, FIB_SORT, PORTIONS = 12, 5, 1024
EXACT = [OURS | sort for sort in range(1, SORTS + 1) if sort != FIB_SORT] + \
    [OURS | portion << 8 | FIB_SORT for portion in range(PORTIONS)]
REQUEST, REPLY, FLOWS, AGGREGATE, MORE = 18, 19, 1, 2, 1


def flow_request(raw):
    """(cookie, mask) if the message asks for flow entries."""
    if raw[1] == REQUEST and struct.unpack("!H", raw[8:10])[0] == FLOWS:
        return struct.unpack("!QQ", raw[32:48])
    return None


class Tap:
    """Between a switch and rfproxy: notes what is asked of flow entries and answered."""

    def __init__(self, port):
        self.events = []  # (cookie, mask), and None when all of an answer has passed.
        self.polls = 0    # Answers to how many entries there are.
        self.hold = 0     # Seconds that the next answer of flow entries takes longer.
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        try:
            while True:
                switch = self.listener.accept()[0]
                proxy = socket.create_connection(("127.0.0.1", self.target))
                for ends in ((switch, proxy, self._answer), (proxy, switch, self._ask)):
                    ends[1].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    threading.Thread(target=self._copy, args=ends, daemon=True).start()
        except OSError:
            pass  # Closed, or rfproxy is not there.

    def _copy(self, source, sink, note):
        pending = b""
        try:
            while data := source.recv(1 << 16):
                pending += data
                while len(pending) >= 8 and \
                        len(pending) >= (length := struct.unpack("!H", pending[2:4])[0]):
                    note(pending[:length])
                    sink.sendall(pending[:length])
                    pending = pending[length:]
        except OSError:
            pass
        source.close()
        sink.close()

    def _ask(self, raw):
        if asked := flow_request(raw):
            self.events.append(asked)

    def _answer(self, raw):
        if raw[1] == REPLY:
            kind, flags = struct.unpack("!HH", raw[8:12])
            if kind == FLOWS:
                hold, self.hold = self.hold, 0
                time.sleep(hold)
                self.events += [] if flags & MORE else [None]
            self.polls += kind == AGGREGATE

    def close(self):
        self.listener.close()


@pytest.fixture(scope="module")
def switches():
    made = Switches()
    made.add_bridge("a", A)
    yield made
    made.destroy()


@pytest.fixture
def bed(switches):
    made = Bed(switches)
    made.tap = Tap(made.port)
    yield made
    made.tap.close()
    made.destroy()


def download(dpid):
    return [f"begin {dpid}", f"port {dpid} 1 2 02:a0:00:00:00:01",
            f"group {dpid} 1 2,1,{HOP}", f"bulk {dpid} {COUNT} 1", f"end {dpid}"]


def settle(bed, dpid=A):
    """Connected already: it gets COUNT entries and some."""
    bed.peer.wait_line(f"^DP_UP dp_id={dpid:#018x}")
    bed.peer.say_and_wait(*download(dpid))

    def ok():
        status = bed.peer.status(dpid)
        return int(status["installed"]) > COUNT and status["in_sync"] == "true"
    wait_for(lambda: bed.peer.status(dpid), ok, 20)


def audits(bed):
    return int(bed.peer.status(A)["audits"])


def repaired(bed, wanted):
    def content():
        return {key: value[1:] for key, value in bed.switches.flows("a").items()}
    wait_for(lambda: list(content().items() ^ wanted.items())[:5],
             lambda: content() == wanted, 20)


def test_entries_are_repaired_by_audits_in_portions(bed):
    bed.start("--audit-interval", "300ms")
    bed.connect("a", port=bed.tap.port)
    settle(bed)
    assert bed.tap.events[0] == (OURS, ALL), "the first audit finds everything"
    wanted = {key: value[1:] for key, value in bed.switches.flows("a").items()}
    cookies = {value[0] for value in wanted.values()}
    assert cookies <= set(EXACT) and len(cookies) > PORTIONS / 2
    since, before = len(bed.tap.events), audits(bed)

    bed.switches.ofctl("del-flows", "a", "table=1,ip,nw_dst=10.0.0.7")
    bed.switches.ofctl("mod-flows", "a", "table=1,ip,nw_dst=10.0.0.9,actions=drop")
    bed.switches.ofctl("mod-flows", "a", "table=0,arp,in_port=1,actions=drop")
    cookie = wanted["1 priority=288,ip,nw_dst=10.0.0.11"][0]
    other = cookie ^ 0x100
    for prefix, its in (("10.0.0.11", other), ("66.0.0.1", cookie)):
        bed.switches.ofctl("add-flow", "a", f"cookie={its:#x},table=1,priority=288,ip,"
                           f"nw_dst={prefix},actions=group:{0x80000001}")
    bed.switches.ofctl("add-flow", "a", f"cookie={OURS | 7:#x},table=0,priority=5,"
                       "in_port=3,actions=goto_table:1")
    repaired(bed, wanted)
    bed.wait_log("were not as they should be; repairing")
    wait_for("two audits more", lambda: audits(bed) > before + 2)

    asked = [event for event in bed.tap.events[since:] if event]
    assert {mask for _, mask in asked} == {2 ** 64 - 1}, "asked for all at once"
    start = asked.index((EXACT[0], 2 ** 64 - 1))
    assert [cookie for cookie, _ in asked[start:start + len(EXACT)]] == EXACT
    assert f"audit by {len(EXACT)} requests" in bed.log()
    in_turn = [event is None for event in bed.tap.events[since:]]
    assert not any(a == b for a, b in zip(in_turn, in_turn[1:])), "two in flight at once"
    assert int(bed.peer.status(A)["failed"]) == 0


def test_entries_of_earlier_versions_are_written_again_once(bed):
    bed.start()
    bed.connect("a")
    settle(bed)
    wanted = {key: value[1:] for key, value in bed.switches.flows("a").items()}
    bed.kill()
    for n in (7, 9):
        bed.switches.ofctl("add-flow", "a", f"cookie={OURS | FIB_SORT:#x},table=1,priority"
                           f"=288,ip,nw_dst=10.0.0.{n},actions=group:{0x80000001}")
    since = len(bed.peer.lines)
    bed.start()
    bed.peer.wait_line("^DP_UP", since=since)
    bed.peer.say_and_wait(*download(A))
    repaired(bed, wanted)
    bed.peer.wait_status(A, in_sync="true", changes=2)


def test_a_vanished_miss_entry_is_back_at_once(bed):
    bed.start("--lldp-interval", "200ms", "--lldp-ttl", "600ms")
    bed.tap.hold = 1.3  # An audit that takes so long is done every minute.
    bed.connect("a", port=bed.tap.port)
    settle(bed)
    wanted = bed.switches.flows("a").keys()
    polls = bed.tap.polls  # Of two sorts of entries, every second.
    wait_for("two counts more", lambda: bed.tap.polls >= polls + 4)
    bed.switches.ofctl("del-flows", "a", "table=1")
    # Long before the minute is over; by other shares of the group, maybe.
    wait_for(lambda: len(bed.switches.flows("a")),
             lambda: bed.switches.flows("a").keys() == wanted)
    assert f"audit by {len(EXACT)} requests" in bed.log()


class SwitchWithoutIndex(FakeSwitch):
    """Looks at all its entries for whatever part of them is wanted.  (It tells none: they
    are written again and again.)"""

    def __init__(self, *args):
        self.asked = []
        super().__init__(*args)

    def _multipart(self, xid, kind, raw):
        if asked := flow_request(raw):
            self.asked.append(asked)
            time.sleep(0.03)
        super()._multipart(xid, kind, raw)


def test_a_switch_that_is_slow_with_portions_is_asked_for_all_at_once(bed):
    bed.start("--audit-interval", "500ms")
    fake = SwitchWithoutIndex(bed.port, 0x71)
    settle(bed, 0x71)
    asked = fake.asked

    def ok():
        masks = [mask for _, mask in asked]
        return 2 ** 64 - 1 in masks and masks[-2:] == [ALL, ALL]
    wait_for(lambda: asked, ok, 15)
    first = next(i for i, (_, mask) in enumerate(asked) if mask != ALL)
    assert [cookie for cookie, _ in asked[first:first + 16]] == EXACT[:16]
    assert all(mask == ALL for _, mask in asked[first + 16:])
    bed.wait_log("audits ask for all at once")
    fake.close()
