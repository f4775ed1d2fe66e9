"""What somebody does who means no good, or does not know better: sockets inside the
lab's namespaces, frames and OpenFlow messages made by hand, and a watch on whether the
network notices.
"""

import ctypes
import hashlib
import hmac
import os
import re
import select
import socket
import struct
import threading
import time
from datetime import datetime

from rflab.ofctl import parse_flows
from rflab.streams import Streams, lost
from rflab.system import wait_for
from rflab.topology import RFVS_BRIDGE

CLONE_NEWNET = 0x40000000
LLDP_GROUP = bytes.fromhex("0180c200000e")
MAPPING_GROUP = bytes.fromhex("0372666d6170")


# ---- namespaces ----

def socket_in(path, *arguments):
    """A socket of the network namespace at `path`; it stays there wherever it is used."""
    made = []

    def make():
        with open(path, "rb") as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET):
                made.append(OSError(ctypes.get_errno(), path))
                return
        made.append(socket.socket(*arguments))

    # A namespace belongs to a thread, and this one ends with it.
    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise made[0]
    return made[0]


def packet_socket(path, interface):
    sock = socket_in(path, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sock.bind((interface, 0))
    return sock


def container_namespace(lab, node):
    pid = lab.instance.run("lxc-info", "-P", lab.containers.path, "-n", node.vm, "-p",
                           "-H", netns=lab.instance.netns).stdout.strip()
    return f"/proc/{pid}/ns/net"


def lab_namespace(lab):
    return f"/run/netns/{lab.instance.netns}"


def host_namespace(lab, host):
    return f"/run/netns/{lab.network.host_netns(host)}"


# ---- frames ----

def key_of(lab):
    return bytes.fromhex(lab.daemons.key.read_text(encoding="ascii").strip())


def sign(key, frame):
    return frame + hmac.new(key, frame, hashlib.sha256).digest()[:16]


def now_ms():
    return time.time_ns() // 1_000_000


def tlv(kind, body):
    return struct.pack("!H", kind << 9 | len(body)) + body


def lldp(key, dpid, port, *, time_ms=None, counter=None, source="02:00:00:00:00:66"):
    """A probe as rfproxy sends it (lib/wire/lldp.h)."""
    time_ms = now_ms() if time_ms is None else time_ms
    counter = time.time_ns() // 1000 if counter is None else counter
    frame = LLDP_GROUP + bytes.fromhex(source.replace(":", "")) + b"\x88\xcc"
    frame += tlv(1, b"\x07dpid:%016x" % dpid) + tlv(2, b"\x07%d" % port)
    frame += tlv(3, struct.pack("!H", 3))
    ours = bytes.fromhex("0026e152") + struct.pack("!IQIQQ", 0, dpid, port, time_ms,
                                                   counter)
    frame += struct.pack("!H", 127 << 9 | len(ours) + 16) + ours
    return (sign(key, frame) + b"\0\0").ljust(60, b"\0")


def lldp_of_somebody_else():
    """As lldpd sends it: chassis by MAC, port by name, a description."""
    mac = bytes.fromhex("020000000077")
    return (LLDP_GROUP + mac + b"\x88\xcc" + tlv(1, b"\x04" + mac) + tlv(2, b"\x05eth0")
            + tlv(3, b"\0\x78") + tlv(5, b"h1.example") + tlv(6, b"Debian GNU/Linux")
            + tlv(7, b"\0\x9c\0\x80") + tlv(127, bytes.fromhex("00120f01") + bytes(5))
            + tlv(0, b""))


def mapping_frame(key, vm_id, vm_port, *, time_ms=None, counter=None):
    """As rfclient sends it (lib/wire/mapping_frame.h)."""
    time_ms = now_ms() if time_ms is None else time_ms
    counter = time.time_ns() // 1000 if counter is None else counter
    return sign(key, MAPPING_GROUP + bytes.fromhex("020000000066") + b"\x0a\x0aRFMP\1\0"
                + struct.pack("!QIQQ", int(vm_id, 16), vm_port, time_ms, counter))


# ---- OpenFlow ----

HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY = range(4)
FEATURES_REQUEST, FEATURES_REPLY, MULTIPART_REQUEST, MULTIPART_REPLY = 5, 6, 18, 19
HELLO_FAILED, BAD_REQUEST = 0, 1


def message(kind, body=b"", xid=1, version=4):
    return struct.pack("!BBHI", version, kind, 8 + len(body), xid) + body


class Switch:
    """A TCP connection to an OpenFlow port, which says what it is told to say.

    Messages are limited by the peer's address, so a test takes one of its own."""

    def __init__(self, lab, port, address="127.0.0.2"):
        self.sock = socket_in(lab_namespace(lab), socket.AF_INET, socket.SOCK_STREAM)
        self.sock.settimeout(5)
        self.sock.bind((address, 0))
        self.sock.connect(("127.0.0.1", port))
        self.name = "%s:%d" % self.sock.getsockname()
        self.data = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def dribble(self, data):
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in data:
            self.sock.sendall(bytes([octet]))
            time.sleep(0.0005)  # Or the kernel would put them together again.

    def receive(self):
        """(type, xid, body) of the next message, None at the end of the connection."""
        while True:
            if len(self.data) >= 4:
                length = struct.unpack_from("!H", self.data, 2)[0]
                if len(self.data) >= length:
                    raw, self.data = self.data[:length], self.data[length:]
                    _, kind, _, xid = struct.unpack_from("!BBHI", raw)
                    return kind, xid, raw[8:]
            try:
                more = self.sock.recv(65536)
            except ConnectionResetError:
                return None
            if not more:
                return None
            self.data += more

    def expect(self, kind):
        """Skips to the next message of this type, which must come; (xid, body)."""
        while got := self.receive():
            if got[0] == kind:
                return got[1:]
        raise AssertionError(f"connection closed, expected a message of type {kind}")

    def expect_end(self):
        """The errors (type, code, text) that came before the other side hung up."""
        errors = []
        while got := self.receive():
            if got[0] == ERROR:
                errors.append((*struct.unpack_from("!HH", got[2]), got[2][4:]))
        return errors

    def say_hello(self):
        self.send(message(HELLO, struct.pack("!HHI", 1, 8, 1 << 4)))
        self.expect(FEATURES_REQUEST)

    def handshake(self, dpid, send=None):
        """All of it, for a switch without ports; `send` is how octets are sent."""
        send = send or self.send
        send(message(HELLO, struct.pack("!HHI", 1, 8, 1 << 4)))
        xid, _ = self.expect(FEATURES_REQUEST)
        send(message(FEATURES_REPLY, struct.pack("!QIBB2xII", dpid, 0, 254, 0, 0, 0), xid))
        xid, _ = self.expect(MULTIPART_REQUEST)
        send(message(MULTIPART_REPLY, struct.pack("!HH4x", 13, 0), xid))


# ---- what the network notices ----

class Log:
    """What a daemon writes from now on."""

    def __init__(self, lab, name):
        self.path = lab.instance.dir / "log" / f"{name}.log"
        self.start = self.path.stat().st_size

    def text(self):
        with open(self.path, "rb") as log:
            log.seek(self.start)
            return log.read().decode(errors="replace")

    def lines(self, pattern=""):
        return [line for line in self.text().splitlines() if re.search(pattern, line)]

    def wait(self, pattern, timeout=5):
        """The first line that matches; fails with what there was instead."""
        return wait_for(f"a line like {pattern!r} in {self.path.name}",
                        lambda: (self.lines(pattern)[:1], "\n" + self.text()[-3000:]),
                        timeout, 0.02)[0]


class SlowStreams(Streams):
    INTERVAL_MS = 20  # Enough to see that nothing is lost, and light.
    FLOWS = 1


class Undisturbed:
    """While its block runs, hosts talk to each other and lose nothing, and no switch, no
    association and no adjacency changes."""

    def __init__(self, lab, verifier):
        self.lab = lab
        self.verifier = verifier
        self.streams = SlowStreams(verifier.probes)

    def _flows(self):
        """{bridge: {(table, priority, match, actions): when it was written}}"""
        found = {}
        for bridge in [node.name for node in self.lab.topology.nodes] + [RFVS_BRIDGE]:
            text = self.lab.ovs.ofctl("--no-names", "dump-flows",
                                      self.lab.ovs.management(bridge))
            now = time.monotonic()
            lines = [line for line in text.splitlines() if "actions=" in line]
            found[bridge] = {
                (f.table, f.priority, str(f.match), f.actions):
                now - float(re.search(r"duration=([\d.]+)s", line)[1])
                for line, f in zip(lines, parse_flows(text))}
        return found

    def _associations(self):
        """{row: since when}"""
        return {tuple(str(value) for key, value in row.items() if key != "since"):
                datetime.fromisoformat(row["since"].replace("Z", "+00:00")).timestamp()
                for row in self.lab.daemons.show("associations")}

    def __enter__(self):
        self.flows, self.associations = self._flows(), self._associations()
        self.streams.__enter__()
        time.sleep(0.2)
        return self

    def __exit__(self, kind, *rest):
        try:
            if kind is None:
                self._check()
        finally:
            self.streams.__exit__()

    def _check(self):
        time.sleep(0.2)
        traffic = self.streams.stop()
        assert all(sum(map(len, flows)) >= 10 for flows in traffic.values())
        gone = {pair: lost(flows) for pair, flows in traffic.items() if lost(flows)}
        assert not gone, f"packets lost: {gone}"
        for bridge, flows in self._flows().items():
            before = self.flows[bridge]
            assert flows.keys() == before.keys(), f"{bridge}: other flows"
            written = [key for key, at in flows.items() if at > before[key] + 0.1]
            assert not written, f"{bridge}: written again: {written}"
        rows = self._associations()
        assert rows.keys() == self.associations.keys()
        # rfserver counts from now, so that a time may be a little another.
        assert all(abs(rows[row] - at) < 0.2 for row, at in self.associations.items())
        self.verifier.adjacencies()


def send_at_rate(sock, frame, per_second, seconds):
    begun, sent = time.monotonic(), 0
    while (elapsed := time.monotonic() - begun) < seconds:
        while sent < elapsed * per_second:
            sock.send(frame)
            sent += 1
        time.sleep(0.001)
    return sent


def all_closed(socks, timeout):
    """How many of these connections the other side has closed within `timeout`."""
    poll, closed, deadline = select.poll(), set(), time.monotonic() + timeout
    for sock in socks:
        sock.setblocking(False)
        poll.register(sock, select.POLLIN)
    by_fd = {sock.fileno(): sock for sock in socks}
    while len(closed) < len(socks) and time.monotonic() < deadline:
        for fd, _ in poll.poll(100):
            try:
                if by_fd[fd].recv(65536):
                    continue
            except BlockingIOError:
                continue
            except OSError:
                pass
            closed.add(fd)
            poll.unregister(fd)
    return len(closed)
