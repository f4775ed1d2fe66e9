"""rfserver: peers that do what they may not, and a store that is away.  Nobody else is
disturbed."""

import random
import shutil
import sqlite3

import pytest
import rfpeer
import rfwire
import zmq
from rfserver_setup import A, VS_ID, Network, active_rows, have_programs

pytestmark = pytest.mark.skipif(not have_programs(), reason="needs a build")


@pytest.fixture
def net(tmp_path):
    network = Network(tmp_path)
    try:
        yield network.converge()
    finally:
        network.close()


class Calm:
    """with Calm(net): the good peers keep their sessions, and are told nothing new."""

    def __init__(self, net):
        self.net = net

    def _now(self):
        good = [self.net.a, self.net.b, self.net.proxy, self.net.vs]
        return [(p.name, p.sessions, p.said_bye, p.refused) for p in good], \
            [len(d.history) for d in (*self.net.proxy.planes.values(),
                                      self.net.proxy.relays, self.net.vs.wiring)]

    def __enter__(self):
        self.before = self._now()

    def __exit__(self, kind, value, trace):
        if not kind:
            self.net.bus.run(0.5)
            assert self._now() == self.before
            assert self.net.server.is_running(), self.net.server.log()[-3000:]
            self.net.until_rows(active_rows())


def stranger(net, role=rfpeer.CTL, peer_id=0, hello=True):
    """A peer that only says what a test lets it say."""
    peer = rfpeer.Peer.__new__(rfpeer.Peer)
    peer.role = role
    if not hello:
        peer.say_hello = lambda **fields: None
    peer.on_record = lambda *record: None
    rfpeer.Peer.__init__(peer, net.bus, net.server.endpoint, peer_id, "stranger@test")
    peer.reconnects = False
    if hello:
        peer.when_up()
    return peer


def test_second_client_with_a_live_vm_id_is_refused(net):
    with Calm(net):
        twin = net.client(A, name="rfclient@twin").port(1, 2)
        net.bus.until("refused", lambda: (twin.refused, twin.said_bye))
        assert net.a.name in twin.refused[0]
        net.until_log("rfclient@twin")
        twin.leave()


def test_garbage_before_hello(net):
    with Calm(net):
        peer = stranger(net, hello=False)
        dice = random.Random(1)
        for n in (0, 1, 4, 5, 64, 4096, 200000):
            peer.send_raw(bytes(dice.randrange(256) for _ in range(n)))
        peer.socket.send_multipart([b"one", b"two", b"three", b"four", b"five"])
        peer.send("NONSENSE")
        peer.send("BATCH", seq=1, id=A, records=b"")
        net.until_log("bad message from")
        peer.vanish()


@pytest.mark.parametrize("fields", [{"version": 99}, {"role": 77}, {"role": 0},
                                    {"id": 0}, {"id": 1 << 60}, {"epoch": 0}])
def test_hello_that_makes_no_sense_is_refused_with_a_reason(net, fields):
    with Calm(net):
        peer = stranger(net, role=rfpeer.CLIENT, peer_id=0x4444, hello=False)
        rfpeer.Peer.say_hello(peer, **fields)
        net.bus.until("refused", lambda: peer.refused)
        assert not peer.up
        peer.vanish()


def test_oversized_message_costs_the_sender_its_connection(net):
    with Calm(net):
        peer = stranger(net, role=rfpeer.CLIENT, peer_id=0x4444)
        peer.send_raw(rfwire.encode({"t": "BATCH", "seq": 1, "id": 0x4444,
                                     "records": bytes(1 << 20)}))
        net.bus.run(0.5)
        peer.vanish()


# What a peer of each role may not say, or not so.
DP = rfwire.dp_key(5, 1)
ZERO_DP = rfwire.dp_key(0, 1)
PORT = {"name": "x", "hwaddr": bytes(6), "up": True, "gone": False, "age_ms": 0}
COUNTERS = dict.fromkeys(("desired", "installed", "pending", "failed", "changes", "audits",
                          "leaks", "punts", "relay_in", "relay_out", "lldp_forged"), 0)
STATUS = {"ct_id": 1, "in_sync": True, **COUNTERS, "last_error": ""}
UP = {"n_tables": 1, "peer": "", "description": ""}
BAD = [
    (rfpeer.CLIENT, 0x4444, "DP_UP", {"dp_id": 5, "ct_id": 0, **UP}),
    (rfpeer.CLIENT, 0x4444, "REQUEST", {"cmd": "status", "args": []}),
    (rfpeer.CLIENT, 0x4444, "BATCH", {"seq": 1, "id": A, "records": b"\x01\x02"}),
    (rfpeer.CLIENT, 0x4444, "BATCH", {"seq": 1, "id": 0x4444, "records": b"\xff\x00"}),
    (rfpeer.CLIENT, 0x4444, "BATCH", {"seq": 1, "id": 0x4444, "records": b"\x05\xff"}),
    (rfpeer.CLIENT, 0x4444, "BATCH", {"seq": 1, "id": 0x4444,  # A virtual link.
                                      "records": b"\x09\0\0\0\1\0\0\0\2"}),
    (rfpeer.CLIENT, 0x4444, "BATCH", {"seq": 7, "id": 0x4444, "records": b"\x01\x02"}),
    (rfpeer.CLIENT, 0x4444, "ACK", {"seq": 5}),
    (rfpeer.CLIENT, 0x4444, "BATCH", {"seq": 1, "id": 0x4444}),
    (rfpeer.PROXY, 1, "BATCH", {"seq": 1, "id": 5, "records": b"\x01\x02"}),
    (rfpeer.PROXY, 1, "MAPPING_SEEN", {"vm": rfwire.vm_key(A, 1),
                                       "vs": rfwire.vs_key(VS_ID, 2)}),
    (rfpeer.CTL, 0, "DP_DOWN", {"dp_id": 5, "ct_id": 0, "reason": "x"}),
    (rfpeer.CTL, 0, "WELCOME", {"version": 1, "epoch": 1, "hold_ms": 1}),
]
# What is ignored, without the end of the session: it may have crossed with a loss.
IGNORED = [
    ("DP_UP", {"dp_id": 5, "ct_id": 1, **UP}),       # Connected through the other one.
    ("DP_UP", {"dp_id": 5, "ct_id": 0, **UP}),       # Not its own controller id.
    ("DP_UP", {"dp_id": 0, "ct_id": 1, **UP}),
    ("DP_UP", {"dp_id": VS_ID, "ct_id": 1, **UP}),   # A virtual switch.
    ("DP_PORT", {"dp": DP, **PORT}),
    ("DP_PORT", {"dp": ZERO_DP, **PORT}),
    ("DP_PORT", {"dp": ZERO_DP, **PORT, "up": False, "gone": True}),
    ("DP_DOWN", {"dp_id": 5, "ct_id": 0, "reason": "x"}),
    ("DP_DOWN", {"dp_id": 0, "ct_id": 0, "reason": "x"}),
    ("DP_STATUS", {"dp_id": 5, **STATUS}),
    ("DP_STATUS", {"dp_id": 0, **STATUS}),
    ("FLOW_ERROR", {"dp_id": 0, "what": "x", "error": "y"}),
    ("LINK_DIR", {"src": rfwire.dp_key(6, 2), "dst": rfwire.dp_key(5, 2), "up": False,
                  "broadcast": False}),
    ("LINK_DIR", {"src": rfwire.dp_key(6, 1), "dst": rfwire.dp_key(5, 1), "up": True,
                  "broadcast": False}),
    ("LINK_DIR", {"src": DP, "dst": rfwire.dp_key(77, 1, 1), "up": True,
                  "broadcast": False}),
    ("LINK_DIR", {"src": ZERO_DP, "dst": ZERO_DP, "up": True,
                  "broadcast": False}),
]


@pytest.mark.parametrize("role,peer_id,kind,fields", BAD)
def test_message_that_a_peer_may_not_send_ends_its_session(net, role, peer_id, kind,
                                                           fields):
    with Calm(net):
        peer = stranger(net, role, peer_id)
        peer.send(kind, **fields)
        net.bus.until("BYE", lambda: peer.said_bye)
        assert "stranger@test" in net.server.log()
        peer.vanish()


def test_reports_about_what_a_proxy_does_not_have_are_ignored(net):
    with Calm(net):
        peer = stranger(net, rfpeer.PROXY, 1)
        peer.send("SYNC_BEGIN")
        for kind, fields in IGNORED:
            peer.send(kind, **fields)
        peer.send("SYNC_END")
        peer.send("HEARTBEAT")
        net.until_log("is connected through proxy@test")
        net.bus.run(0.3)
        assert peer.up and not peer.said_bye
        assert {d["dp_id"] for d in net.server.json("show", "datapaths")} == {
            "0x0000000000000005", "0x0000000000000006"}
        peer.leave()


def test_reports_about_an_rfvs_that_is_none(net):
    with Calm(net):
        for vs_id in (0, 5, VS_ID + 1):
            port = {"name": "x", "up": True, "gone": False}
            net.vs.send("VS_PORT", vs=rfwire.vs_key(vs_id, 1), **port)
            net.vs.send("VS_DOWN", vs_id=vs_id, reason="x")
            net.vs.send("MAPPING_SEEN", vm=rfwire.vm_key(A, 1),
                        vs=rfwire.vs_key(vs_id, 1))
            net.vs.send("VS_STATUS", vs_id=vs_id, vlinks=0, relay_in=0, relay_out=0,
                        dropped=0, mapping_forged=0)
        for vs_id in (0, 5):
            net.vs.send("VS_UP", vs_id=vs_id, peer="")
        net.until_log("expected an id under 0x72667673")


def test_random_messages_of_every_role(net):
    """Well-formed documents with wild values, and spoilt ones."""
    dice = random.Random(7)
    good = [(kind, fields) for kind, fields in IGNORED] + \
        [(kind, fields) for _, _, kind, fields in BAD] + \
        [("VS_UP", {"vs_id": VS_ID + 5, "peer": "p"}), ("SYNC_BEGIN", {}), ("SYNC_END", {}),
         ("REQUEST", {"cmd": "routes", "args": ["@99999999", "%s%n", "-1", "::/0"]}),
         ("REQUEST", {"cmd": "why", "args": [""]}), ("REQUEST", {"cmd": "", "args": []})]

    def spoil(value):
        if isinstance(value, dict):
            return {k: spoil(v) for k, v in value.items() if dice.random() > 0.02}
        if dice.random() < 0.15:
            return dice.choice([0, 1, -1, 2**31, 2**63, "", "\n%s", b"", b"\x05\x18\1\1\1",
                                True, [], {}, VS_ID + 5, 0x99])
        return value

    with Calm(net):
        for role, peer_id in ((rfpeer.CLIENT, 0x4444), (rfpeer.PROXY, 9), (rfpeer.CTL, 0)):
            peer = stranger(net, role, peer_id)
            peer.reconnects, peer.retry_s = True, 0.01
            for _ in range(400):
                kind, fields = dice.choice(good)
                data = rfwire.encode({"t": kind, **spoil(fields)})
                if dice.random() < 0.1:
                    at = dice.randrange(len(data))
                    data = data[:at] + bytes([dice.randrange(256)]) + data[at + 1:]
                peer.send_raw(data)
                if dice.random() < 0.3:
                    net.bus.run(0.001)
                peer.when_up()
            peer.leave()


def test_peer_that_does_not_read_costs_little_and_loses_its_session(net):
    """Requests without end, whose answers are never read."""
    before = net.server.memory()
    peer = stranger(net)
    peer.stalled = True
    peer.socket.rcvhwm = 1
    request = rfwire.encode({"t": "REQUEST", "cmd": "status", "args": []})
    for _ in range(20000):
        try:
            peer.socket.send(request, zmq.NOBLOCK)
        except zmq.Again:
            break
    net.bus.run(7)  # Longer than the dead time.
    with Calm(net):
        peer.vanish()
    assert net.server.memory() < before + (64 << 20)


def test_lost_peers_that_nobody_mapped_are_forgotten(tmp_path):
    net = Network(tmp_path, hold_time="500ms", datapath_hold="500ms")
    try:
        clients = [net.client(0x5000 + i).port(1).addr(1, f"10.{i}.0.1/24")
                   for i in range(20)]
        net.proxy = net.new_proxy()
        for i in range(20):
            net.proxy.switch(0x5000 + i, 1)
        net.bus.until("all there", lambda: (
            len(net.server.rows()) == 40, len(net.server.rows())))
        for client in clients:
            client.leave()
        net.proxy.leave()
        net.until_rows({})
        net.bus.until("forgotten", lambda: (
            net.server.json("show", "clients") == [] and
            net.server.json("show", "datapaths") == []))
        net.bus.until("also by the store", lambda: (
            net.server.stored("rfclients") == [] and
            net.server.stored("rfdatapaths") == []))
    finally:
        net.close()


# --- Store -----------------------------------------------------------------------------


def test_store_that_is_locked_does_not_stop_routing(net):
    other = sqlite3.connect(net.server.database, isolation_level=None, timeout=5)
    other.execute("begin immediate")
    net.proxy.port_down(5, 2)
    net.bus.until("the link leaves", lambda: (net.vs.vlinks() == set(), net.vs.wiring), 2)
    net.bus.run(3)
    assert net.server.json("show", "status")["store"]["queued"] > 0
    other.execute("rollback")
    other.close()
    net.proxy.port_up(5, 2)
    net.proxy.link(5, 2, 6, 2)
    net.until_rows(active_rows())


def test_store_that_is_gone_does_not_stop_routing(tmp_path):
    folder = tmp_path / "store"
    folder.mkdir()
    net = Network(tmp_path, store=f"sqlite:{folder}/routeflow.db")
    net.server.database = folder / "routeflow.db"
    try:
        net.converge()
        shutil.rmtree(folder)
        folder.write_text("in the way")
        net.proxy.port_down(5, 2)
        net.bus.until("the link leaves", lambda: (net.vs.vlinks() == set(), net.vs.wiring))
        net.proxy.port_up(5, 2)
        net.proxy.link(5, 2, 6, 2)
        net.bus.until("and is back", lambda: (net.vs.vlinks() == {(2, 4), (4, 2)},
                                              net.vs.wiring))
        net.bus.until("rfserver says so", lambda: (
            net.server.json("show", "status")["store"]["state"] == "not connected",
            net.server.json("show", "status")["store"]))
        assert net.server.rows() == active_rows()
        folder.unlink()
        folder.mkdir()
        net.until_rows(active_rows(), 20)  # Written whole again.
    finally:
        net.close()


def test_mongodb_that_does_not_answer_does_not_stop_routing(tmp_path):
    net = Network(tmp_path, store="mongodb://127.0.0.1:1/routeflow")
    try:
        net.start_peers()
        net.bus.until("all rows are active", lambda: (
            net.server.rows() == active_rows(), net.server.rows()))
        net.bus.until("flows", lambda: (net.proxy.plane(5).ends, net.proxy.planes))
        status = net.server.json("show", "status")["store"]
        assert status["state"] == "not connected" and status["error"] != "none"
    finally:
        net.close()
