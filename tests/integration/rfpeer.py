"""Peers of rfserver for tests: a client, a proxy and an rfvs that say what a test tells
them to, and keep what they were told.

A Bus drives all of them from one thread.  Everything that waits is bus.until(): it runs
the peers until a condition holds, and shows what was there if it never does."""

import ipaddress
import itertools
import random
import time

import zmq
from rfwire import (BEGIN, END, UNICAST, Download, addr_record, decode, dp_key, encode, mac,
                    neigh_record, port_record, route_record, server_records, vm_key,
                    vs_key)

CLIENT, PROXY, VS, CTL = 1, 2, 3, 4
WINDOW = 4  # Batches in flight (lib/ipc/include/ipc/timing.h).
BATCH_MAX = 65536


class Bus:
    def __init__(self):
        self.context = zmq.Context()
        self.peers = []

    def close(self):
        for peer in self.peers:
            peer.vanish()
        self.context.destroy(linger=0)

    def run(self, seconds):
        """Whatever happens in this time."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._turn(min(left, 0.05))

    def until(self, what, condition, seconds=10):
        """Runs until condition() is true or (true, ...); shows the latter's rest if not."""
        deadline = time.monotonic() + seconds
        while True:
            self._turn(0)
            got = condition()
            good = got[0] if isinstance(got, tuple) else got
            if good:
                return got
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds} s: {what}\nseen: {got}")
            self._turn(0.02)

    def _turn(self, seconds):
        sockets = {p.socket: p for p in self.peers if p.socket and not p.stalled}
        poller = zmq.Poller()
        for socket in sockets:
            poller.register(socket, zmq.POLLIN)
        for socket, _ in poller.poll(seconds * 1000):
            peer = sockets[socket]
            while peer.socket is socket and not peer.stalled:
                try:
                    message = socket.recv(zmq.NOBLOCK)
                except zmq.Again:
                    break
                peer.receive(decode(message))
        for peer in self.peers:
            peer.tick()


class Peer:
    """One session after another, as lib/ipc does it."""

    role = 0

    def __init__(self, bus, endpoint, peer_id=0, name=None):
        self.bus, self.endpoint, self.id = bus, endpoint, peer_id
        self.name = name or f"{type(self).__name__.lower()}@test:{random.randrange(1 << 30)}"
        self.epoch = random.randrange(1, 1 << 63)
        self.socket = None
        self.up = False
        self.stalled = False       # Reads nothing, says nothing.
        self.reconnects = True
        self.retry_s = 0.2
        self.acks = True
        self.said_bye = []         # Reasons given by rfserver.
        self.refused = []
        self.sessions = 0
        self.welcome = None
        self.unacked = 0           # Batches of rfserver that we hold.
        self.max_unacked = 0
        self.messages = []
        self._clear_session()
        bus.peers.append(self)
        self.connect()

    def _clear_session(self):
        self.up = False
        self._sent = self._acked = self._received = 0
        self._queue = []
        self.unacked = 0
        self._spoke = self._heard = self._tried = time.monotonic()

    def connect(self):
        self.vanish()
        self.socket = self.bus.context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.sndhwm = self.socket.rcvhwm = 0
        self.socket.connect(self.endpoint)
        self.say_hello()

    def say_hello(self, **fields):
        hello = {"version": 3, "role": self.role, "id": self.id, "epoch": self.epoch,
                 "name": self.name}
        self.send("HELLO", **{**hello, **fields})

    def vanish(self):
        """As a process that was killed."""
        if self.socket:
            self.socket.close()
            self.socket = None
        self._clear_session()

    def leave(self, reason="stopped"):
        """As a process that ends in order."""
        self.reconnects = False
        if self.socket:
            self.socket.linger = 200
            self.send("BYE", reason=reason)
            self.vanish()

    def restart(self):
        """Another process with the same id."""
        self.epoch = random.randrange(1, 1 << 63)
        self.name = self.name.split(":")[0] + f":{random.randrange(1 << 30)}"
        self.connect()

    def send(self, kind, **fields):
        self.send_raw(encode({"t": kind, **fields}))

    def send_raw(self, data):
        self._spoke = time.monotonic()
        self.socket.send(data)

    def batch(self, records):
        """Queues records (bytes each); they go as the window allows."""
        part = b""
        for record in records:
            if len(part) + len(record) > BATCH_MAX:
                self._queue.append(part)
                part = b""
            part += record
        if part:
            self._queue.append(part)
        self._flush()

    def _flush(self):
        while self.up and self._queue and self._sent - self._acked < WINDOW:
            self._sent += 1
            self.send("BATCH", seq=self._sent, id=self.id, records=self._queue.pop(0))

    def all_acked(self):
        return self.up and not self._queue and self._sent == self._acked

    def ack(self):
        """Acknowledges what was received."""
        if self.unacked:
            self.unacked = 0
            self.send("ACK", seq=self._received)

    def tick(self):
        now = time.monotonic()
        if self.stalled:
            return
        if self.up and now - self._spoke > 0.8:
            self.send("HEARTBEAT")
        if self.socket and self.up and now - self._heard > 5:
            self._clear_session()
        if self.reconnects and not self.up and now - self._tried > self.retry_s:
            self.connect()

    def receive(self, m):
        self._heard = time.monotonic()
        kind = m.pop("t")
        self.messages.append((kind, m))
        if kind == "WELCOME":
            self._clear_session()
            self.up, self.welcome = True, m
            self.sessions += 1
            self.on_up()
            self._flush()
        elif kind == "REFUSED":
            self.refused.append(m["reason"])
        elif kind == "BYE":
            self.said_bye.append(m["reason"])
            self._clear_session()
        elif kind == "ACK":
            self._acked = m["seq"]
            self._flush()
        elif kind == "BATCH":
            assert m["seq"] == self._received + 1, "a batch is missing"
            self._received = m["seq"]
            self.unacked += 1
            self.max_unacked = max(self.max_unacked, self.unacked)
            for record in server_records(m["records"]):
                self.on_record(m["id"], *record)
            if self.acks:
                self.ack()
        elif kind != "HEARTBEAT":
            self.on_message(kind, m)

    def on_up(self):
        pass

    def on_message(self, kind, m):
        pass

    def on_record(self, batch_id, kind, remove, key, value):
        raise AssertionError(f"a {kind} record is not for {self.name}")

    def when_up(self):
        self.bus.until(f"{self.name} is up", lambda: (self.up, self.refused))
        return self


class Client(Peer):
    """rfclient: tells all it has in each new session, then changes."""

    role = CLIENT

    def __init__(self, bus, endpoint, vm_id, name="rfclient@vm"):
        self.records = {}       # key: record, in order
        self.port_config = {}   # port: (mapping, active), the last
        self.configs = []       # each of them: (port, mapping, active)
        self.answer = None      # (vs peer, {port: vs_port}): send mapping frames
        self.reports = True     # Tells END.
        self._mapped = 0
        super().__init__(bus, endpoint, vm_id, f"{name}:{random.randrange(1 << 30)}")

    def on_up(self):
        self.port_config = {}
        self.batch(itertools.chain([BEGIN], self.records.values(),
                                   [END] if self.reports else []))

    def _set(self, key, record):
        self.records[key] = record
        if self.up:
            self.batch([record])

    def _del(self, key, record):
        self.records.pop(key, None)
        if self.up:
            self.batch([record])

    def hwaddr(self, port):
        return f"02:aa:{self.id >> 32 & 255:02x}:00:00:{port:02x}"

    def port(self, *ports):
        for port in ports:
            self._set(("port", port), port_record(port, self.hwaddr(port)))
        return self

    def port_gone(self, port):
        self._del(("port", port), port_record(port, "", remove=True))

    def addr(self, port, text):
        self._set(("addr", port, text), addr_record(port, text))
        network = ipaddress.ip_interface(text).network
        self.route(str(network), [(port, None)])
        return self

    def route(self, prefix, hops=(), kind=UNICAST):
        self._set(("route", prefix), route_record(prefix, hops, kind))
        return self

    def routes(self, prefixes, hops):
        new = {("route", p): route_record(p, hops) for p in prefixes}
        self.records.update(new)
        if self.up:
            self.batch(new.values())

    def route_gone(self, prefix):
        self._del(("route", prefix), route_record(prefix, remove=True))

    def neigh(self, port, address, hwaddr):
        self._set(("neigh", port, address), neigh_record(port, address, hwaddr))
        return self

    def neigh_gone(self, port, address):
        self._del(("neigh", port, address), neigh_record(port, address, "", True))

    def on_message(self, kind, m):
        assert kind == "PORT_CONFIG", f"{kind} is not for a client"
        port = m["vm_port"]
        self.port_config[port] = m["mapping"], m["active"]
        self.configs.append((port, m["mapping"], m["active"]))
        self.send_mapping(port)

    def tick(self):
        super().tick()
        now = time.monotonic()
        if self.up and now - self._mapped > 0.2:
            self._mapped = now
            for port in self.port_config:
                self.send_mapping(port)

    def send_mapping(self, port):
        """A mapping frame, if asked for; repeated until the port is active."""
        vs, ports = self.answer or (None, {})
        if self.port_config.get(port, (False,))[0] and port in ports:
            vs.seen(self.id, port, ports[port])


class Proxy(Peer):
    """rfproxy: has switches, with ports and links among them."""

    role = PROXY

    def __init__(self, bus, endpoint, ct_id=0):
        self.switches = {}    # dp_id: {port: since (wall ms), or None: down}
        self.links = []       # (src dp, src port, dst dp, dst port)
        self.heard = []       # The same, of broadcasts.
        self.planes = {}      # dp_id: Download
        self.relays = Download()
        self.in_sync = True
        self.syncs = True     # Says SYNC_END.
        super().__init__(bus, endpoint, ct_id)

    def on_up(self):
        self.send("SYNC_BEGIN")
        for dp_id in self.switches:
            self._report(dp_id)
        for link in self.links:
            self._link(link, True)
        for pair in self.heard:
            self._link(pair, True, broadcast=True)
        if self.syncs:
            self.send("SYNC_END")

    def _report(self, dp_id):
        self.send("DP_UP", dp_id=dp_id, ct_id=self.id, n_tables=254,
                  peer="127.0.0.1:1", description="a switch of the tests")
        for port in self.switches[dp_id]:
            self._port(dp_id, port)
        self.status(dp_id)

    def _port(self, dp_id, port, gone=False):
        since = None if gone else self.switches[dp_id][port]
        self.send("DP_PORT", dp=dp_key(dp_id, port, self.id), name=f"s{dp_id}-{port}",
                  hwaddr=mac(f"06:00:00:00:{dp_id & 255:02x}:{port:02x}"),
                  up=since is not None, gone=gone,
                  age_ms=max(0, int(time.time() * 1000) - since) if since else 0)

    def _link(self, link, up, broadcast=False):
        src, src_port, dst, dst_port = link
        self.send("LINK_DIR", src=dp_key(src, src_port, self.id),
                  dst=dp_key(dst, dst_port, self.id), up=up, broadcast=broadcast)

    def switch(self, dp_id, *ports):
        now = int(time.time() * 1000)
        self.switches[dp_id] = dict.fromkeys(ports, now)
        if self.up:
            self._report(dp_id)
        return self

    def switch_gone(self, dp_id, reason="connection reset"):
        ports = self.switches.pop(dp_id)
        if self.up:
            self.send("DP_DOWN", dp_id=dp_id, ct_id=self.id, reason=reason)
        return ports

    def port_up(self, dp_id, port):
        self.switches[dp_id][port] = int(time.time() * 1000)
        self._port(dp_id, port)

    def port_down(self, dp_id, port):
        self.switches[dp_id][port] = None
        self.links = [link for link in self.links
                      if (dp_id, port) not in (link[:2], link[2:])]
        self.heard = [pair for pair in self.heard
                      if (dp_id, port) not in (pair[:2], pair[2:])]
        self._port(dp_id, port)

    def port_gone(self, dp_id, port):
        del self.switches[dp_id][port]
        self._port(dp_id, port, gone=True)

    def direction(self, src, src_port, dst, dst_port, up=True):
        link = (src, src_port, dst, dst_port)
        if up and link not in self.links:
            self.links.append(link)
        elif not up:
            self.links = [other for other in self.links if other != link]
        if self.up:
            self._link(link, up)

    def hears(self, src, src_port, dst, dst_port, up=True):
        """As direction(), of a broadcast."""
        pair = (src, src_port, dst, dst_port)
        self.heard = [other for other in self.heard if other != pair] + [pair] * up
        if self.up:
            self._link(pair, up, broadcast=True)

    def segment(self, *ports):
        """(dp, port) each: all of them hear each other."""
        for src in ports:
            for dst in ports:
                if src != dst:
                    self.hears(*src, *dst)
        return self

    def link(self, a, a_port, b, b_port, up=True):
        self.direction(a, a_port, b, b_port, up)
        self.direction(b, b_port, a, a_port, up)
        return self

    def status(self, dp_id, **fields):
        plane = self.planes.get(dp_id)
        n = len(plane.state) if plane else 0
        counters = dict.fromkeys(("pending", "failed", "changes", "audits", "leaks",
                                  "punts", "relay_in", "relay_out", "lldp_forged"), 0)
        self.send("DP_STATUS", **{"dp_id": dp_id, "ct_id": self.id,
                                  "in_sync": self.in_sync, "desired": n,
                                  "installed": n, **counters, "last_error": "",
                                  **fields})

    def plane(self, dp_id):
        return self.planes.setdefault(dp_id, Download())

    def on_record(self, batch_id, kind, remove, key, value):
        if batch_id:
            assert kind in ("begin", "end", "port", "addr", "group", "fib",
                            "transit"), kind
            self.plane(batch_id).take(kind, remove, key, value)
        else:
            assert kind in ("begin", "end", "relay"), kind
            self.relays.take(kind, remove, key, value)


class Vs(Peer):
    """rfvs: has one RFVS, with ports at which mapping frames are seen."""

    role = VS

    def __init__(self, bus, endpoint, vs_id):
        self.vs_id = vs_id
        self.connected = False
        self.ports = {}       # vs_port: up
        self.mapped = {}      # vs_port: (vm_id, vm_port)
        self.wiring = Download()
        super().__init__(bus, endpoint)

    def on_up(self):
        self.send("SYNC_BEGIN")
        if self.connected:
            self._report()
        self.send("SYNC_END")

    def _report(self):
        self.send("VS_UP", vs_id=self.vs_id, peer="127.0.0.1:2")
        for port in self.ports:
            self._port(port)
        for port, (vm_id, vm_port) in self.mapped.items():
            self._seen(vm_id, vm_port, port)
        self.status()

    def _port(self, port, gone=False):
        self.send("VS_PORT", vs=vs_key(self.vs_id, port), name=f"veth{port}",
                  up=not gone and self.has_carrier(port), gone=gone)

    def _seen(self, vm_id, vm_port, port):
        self.send("MAPPING_SEEN", vm=vm_key(vm_id, vm_port), vs=vs_key(self.vs_id, port))

    def status(self, **fields):
        counters = dict.fromkeys(("relay_in", "relay_out", "dropped", "mapping_forged"), 0)
        self.send("VS_STATUS", **{"vs_id": self.vs_id, "vlinks": len(self.vlinks()),
                                  **counters, **fields})

    def rfvs(self, *ports):
        """RFVS connects, with these ports."""
        self.connected = True
        self.ports = dict.fromkeys(ports, True)
        if self.up:
            self._report()
        return self

    def rfvs_gone(self, reason="connection reset"):
        self.connected = False
        if self.up:
            self.send("VS_DOWN", vs_id=self.vs_id, reason=reason)

    def port(self, port):
        self.ports[port] = True
        self._port(port)

    def port_gone(self, port):
        self.ports.pop(port, None)
        self.mapped.pop(port, None)
        self._port(port, gone=True)

    def has_carrier(self, port):
        return not self.wiring.state.get(("carrier", port), False)

    def seen(self, vm_id, vm_port, port):
        """A mapping frame arrives, if the port has carrier."""
        if self.up and self.has_carrier(port):
            self.mapped = {p: vm for p, vm in self.mapped.items()
                           if vm != (vm_id, vm_port)}
            self.mapped[port] = vm_id, vm_port
            self._seen(vm_id, vm_port, port)

    def vlinks(self):
        return set(self.wiring.of("vlink"))

    def without_carrier(self):
        return {port for port, off in self.wiring.of("carrier").items() if off}

    def relays(self):
        return {(dp[1], dp[2]): vs[1] for dp, vs in self.wiring.of("relay")}

    def on_record(self, batch_id, kind, remove, key, value):
        assert batch_id == self.vs_id
        assert kind in ("begin", "end", "relay", "vlink", "carrier"), kind
        self.wiring.take(kind, remove, key, value)
