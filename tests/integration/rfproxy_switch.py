"""A switch in Python, for what a real one would not do: odd ids, bytes and refusals."""

import hashlib
import hmac
import socket
import struct
import threading
import time

HELLO, ERROR, ECHO, ECHO_REPLY = 0, 1, 2, 3
FEATURES, FEATURES_REPLY, PACKET_IN, PACKET_OUT, FLOW_MOD = 5, 6, 10, 13, 14
MULTIPART, MULTIPART_REPLY, BARRIER, BARRIER_REPLY = 18, 19, 20, 21
METER_MOD = 29
MP_METERS, MP_METER_FEATURES, MP_PORTS = (9, 10), 11, 13
NXM_NX_IP_TTL = bytes.fromhex("00013a01")
CHECK_PKT_LARGER = bytes.fromhex("ffff0018000023200031")
LLDP_COOKIE = 0x52465f0100000001


def message(kind, xid=0, body=b"", version=4):
    return struct.pack("!BBHI", version, kind, 8 + len(body), xid) + body


class FakeSwitch:
    """Connects and answers as a bare switch would: two ports, no meters, no TTL match,
    no actions of Open vSwitch.

    Set `answers` to False to have it hang with its connection open.  With an SSLContext
    it speaks TLS; then only its own thread may send."""

    def __init__(self, port, dpid, auxiliary=0, context=None, tables=2):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:
            self.socket = context.wrap_socket(self.socket)
        self.dpid, self.auxiliary, self.answers = dpid, auxiliary, True
        self.tables = tables
        self.flows = {}
        self.frames = []  # Of packet-outs: (port, frame).
        self.closed = threading.Event()
        self.send(message(HELLO))
        threading.Thread(target=self._run, daemon=True).start()

    def send(self, data):
        self.socket.sendall(data)

    def close(self):
        self.socket.close()

    def _run(self):
        pending = b""
        try:
            while data := self.socket.recv(65536):
                pending += data
                while len(pending) >= 8:
                    length = struct.unpack("!H", pending[2:4])[0]
                    if len(pending) < length:
                        break
                    self._handle(pending[1], struct.unpack("!I", pending[4:8])[0],
                                 pending[:length])
                    pending = pending[length:]
        except OSError:
            pass
        self.closed.set()

    def _handle(self, kind, xid, raw):
        body = raw[8:]
        if not self.answers:
            return
        if kind == FEATURES:
            self.send(message(FEATURES_REPLY, xid, struct.pack(
                "!QIBBHII", self.dpid, 0, self.tables, self.auxiliary, 0, 0, 0)))
        elif kind == MULTIPART:
            self._multipart(xid, struct.unpack("!H", body[:2])[0], raw)
        elif kind == ECHO:
            self.send(message(ECHO_REPLY, xid, body))
        elif kind == BARRIER:
            self.send(message(BARRIER_REPLY, xid))
        elif kind == METER_MOD:
            self._error(xid, 1, 1, raw)
        elif kind == FLOW_MOD:
            self._flow_mod(xid, raw)
        elif kind == PACKET_OUT:
            n = struct.unpack("!H", body[8:10])[0]
            port = struct.unpack("!I", body[16 + 4:16 + 8])[0]
            self.frames.append((port, body[16 + n:]))

    def _multipart(self, xid, kind, raw):
        reply = b""
        if kind == MP_METER_FEATURES or kind in MP_METERS:
            self._error(xid, 1, 2, raw)  # BAD_REQUEST/BAD_MULTIPART
            return
        if kind == 0:
            reply = bytes(1056)
        elif kind == 2:
            reply = bytes(24)
        elif kind == MP_PORTS:
            reply = b"".join(
                struct.pack("!I4x6s2x16s8I", n, bytes([2, 0, 0, 0, self.dpid & 255, n]),
                            b"fake%d" % n, 0, 4, 0, 0, 0, 0, 0, 0) for n in (1, 2))
        self.send(message(MULTIPART_REPLY, xid, struct.pack("!HH4x", kind, 0) + reply))

    def _error(self, xid, kind, code, raw):
        self.send(message(ERROR, xid, struct.pack("!HH", kind, code) + raw[:64]))

    def _flow_mod(self, xid, raw):
        if NXM_NX_IP_TTL in raw:
            self._error(xid, 4, 6, raw)  # BAD_MATCH/BAD_FIELD
        elif CHECK_PKT_LARGER in raw:
            self._error(xid, 2, 2, raw)  # BAD_ACTION/BAD_EXPERIMENTER
        else:
            match_len = (struct.unpack("!H", raw[50:52])[0] + 7) // 8 * 8
            key = raw[24:25] + raw[30:32] + raw[48:48 + match_len]
            if raw[25] == 0:
                self.flows[key] = raw[48 + match_len:]
            else:
                self.flows.pop(key, None)

    def packet_in(self, in_port, frame, cookie=LLDP_COOKIE):
        body = struct.pack("!IHBBQ", 0xffffffff, len(frame), 1, 0, cookie)
        match = struct.pack("!HHII4x", 1, 12, 0x80000004, in_port)
        self.send(message(PACKET_IN, 0, body + match + b"\0\0" + frame))

    def probe(self, port, ethertype=b"\x88\xcc"):
        """The last LLDP frame that was sent out of a port, waiting for one."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            for number, frame in reversed(self.frames):
                if number == port and frame[12:14] == ethertype:
                    return frame
            time.sleep(0.02)
        raise AssertionError(f"no frame {ethertype.hex()} on port {port}")


def resign(frame, key):
    """The HMAC of one of our LLDP frames made anew, with another key."""
    start = frame.index(bytes.fromhex("0026e152")) - 2
    end = start + 2 + (struct.unpack("!H", frame[start:start + 2])[0] & 0x1ff)
    digest = hmac.new(key, frame[:end - 16], hashlib.sha256).digest()[:16]
    return frame[:end - 16] + digest + frame[end:]
