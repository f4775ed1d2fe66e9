"""Messages and records of the bus, as lib/wire/include/wire/{schema.def,record.h} have
them, in Python: for the peers of rfpeer.py."""

import ipaddress
import struct

# --- BSON (bsonspec.org), as much as the messages use -------------------------------


def encode(document):
    out = b""
    for key, value in document.items():
        name = key.encode() + b"\0"
        if isinstance(value, bool):
            out += b"\x08" + name + bytes([value])
        elif isinstance(value, int):
            out += b"\x12" + name + struct.pack("<Q", value & (1 << 64) - 1)
        elif isinstance(value, bytes):
            out += b"\x05" + name + struct.pack("<iB", len(value), 0) + value
        elif isinstance(value, dict):
            out += b"\x03" + name + encode(value)
        elif isinstance(value, list):
            out += b"\x04" + name + encode({str(i): v for i, v in enumerate(value)})
        else:
            text = value.encode() + b"\0"
            out += b"\x02" + name + struct.pack("<i", len(text)) + text
    return struct.pack("<i", len(out) + 5) + out + b"\0"


def decode(data):
    return _document(data, 0)[0]


def _document(data, at):
    length, = struct.unpack_from("<i", data, at)
    end, at, document = at + length - 1, at + 4, {}
    while at < end:
        kind, stop = data[at], data.index(0, at + 1)
        key = data[at + 1:stop].decode()
        document[key], at = _value(kind, data, stop + 1)
    return document, end + 1


def _value(kind, data, at):
    if kind == 0x02:
        length, = struct.unpack_from("<i", data, at)
        return data[at + 4:at + 3 + length].decode(), at + 4 + length
    if kind in (0x03, 0x04):
        return _document(data, at)
    if kind == 0x05:
        length, = struct.unpack_from("<i", data, at)
        return data[at + 5:at + 5 + length], at + 5 + length
    if kind == 0x08:
        return data[at] == 1, at + 1
    form = {0x09: "<q", 0x10: "<i", 0x12: "<Q"}[kind]
    return struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)


# --- Keys ---------------------------------------------------------------------------


def vm_key(vm_id, port):
    return {"vm_id": vm_id, "vm_port": port}


def dp_key(dp_id, port, ct_id=0):
    return {"ct_id": ct_id, "dp_id": dp_id, "dp_port": port}


def vs_key(vs_id, port):
    return {"vs_id": vs_id, "vs_port": port}


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


# --- Records of a client -------------------------------------------------------------

BEGIN, END = b"\x01", b"\x02"
REMOVE, V6, URGENT = 0x80, 0x40, 0x20
R_PORT, R_ADDR, R_ROUTE, R_NEIGH = 3, 4, 5, 6
R_RELAY, R_VLINK, R_CARRIER, R_PLANE = 8, 9, 10, 11
UNICAST, BLACKHOLE, UNREACHABLE = 1, 2, 3


def _tag(kind, remove, version=4):
    return bytes([kind | (REMOVE if remove else 0) | (V6 if version == 6 else 0)])


def _prefix(network):
    return bytes([network.prefixlen]) + \
        network.network_address.packed[:(network.prefixlen + 7) // 8]


def port_record(port, hwaddr, name=None, up=True, remove=False):
    out = _tag(R_PORT, remove) + struct.pack(">I", port)
    if not remove:
        text = (name or f"eth{port}").encode()
        out += mac(hwaddr) + struct.pack(">IBB", 1500, 3 if up else 0, len(text)) + text
    return out


def addr_record(port, text, remove=False):
    interface = ipaddress.ip_interface(text)
    return _tag(R_ADDR, remove, interface.version) + struct.pack(
        ">IB", port, interface.network.prefixlen) + interface.ip.packed


def route_record(prefix, hops=(), kind=UNICAST, remove=False, urgent=False):
    """hops: (port, gateway or None)."""
    network = ipaddress.ip_network(prefix)
    out = _tag(R_ROUTE | (URGENT if urgent else 0), remove, network.version) + \
        _prefix(network)
    if not remove:
        out += struct.pack(">BIBB", kind, 20, 188, len(hops))
        for port, gateway in hops:
            if gateway:
                gateway = ipaddress.ip_address(gateway)
                out += struct.pack(">IHB", port, 1, gateway.version) + gateway.packed
            else:
                out += struct.pack(">IHB", port, 1, 0)
    return out


def neigh_record(port, address, hwaddr, remove=False):
    address = ipaddress.ip_address(address)
    return _tag(R_NEIGH, remove, address.version) + struct.pack(">I", port) + \
        address.packed + (b"" if remove else mac(hwaddr))


# --- Records of rfserver --------------------------------------------------------------


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        form = ">" + form
        values = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return values if len(values) > 1 else values[0]

    def bytes(self, n):
        self.at += n
        return self.data[self.at - n:self.at]

    def mac(self):
        return self.bytes(6).hex(":")

    def address(self, version):
        return str(ipaddress.ip_address(self.bytes(4 if version == 4 else 16)))

    def prefix(self, version):
        plen, width = self.take("B"), 4 if version == 4 else 16
        octets = self.bytes((plen + 7) // 8)
        address = ipaddress.ip_address(octets + bytes(width - len(octets)))
        return f"{address}/{plen}"


def server_records(data):
    """(kind, remove, key, value) of each record of a BATCH."""
    r = Reader(data)
    while r.at < len(data):
        tag = r.take("B")
        kind, remove, version = tag & 0x1f, bool(tag & REMOVE), 6 if tag & V6 else 4
        if kind == 1 or kind == 2:
            yield ("begin" if kind == 1 else "end"), False, None, None
        elif kind == R_RELAY:
            ct_id, dp_id, dp_port, vs_id, vs_port = r.take("IQIQI")
            yield "relay", remove, ((ct_id, dp_id, dp_port), (vs_id, vs_port)), None
        elif kind == R_VLINK:
            yield "vlink", remove, r.take("II"), None
        elif kind == R_CARRIER:
            port, off = r.take("IB")
            yield "carrier", False, port, bool(off)
        elif kind == R_PLANE + 1:
            port = r.take("I")
            value = None if remove else (PORT_CLASSES[r.take("B")], r.mac())
            yield "port", remove, port, value
        elif kind == R_PLANE + 2:
            yield "addr", remove, r.address(version), None
        elif kind == R_PLANE + 3:
            group, hops = r.take("I"), []
            if not remove:
                _mtu, n_hops = r.take("HB")
                for _ in range(n_hops):
                    port, _weight = r.take("IH")
                    hops.append((port, r.mac(), r.mac()))
            yield "group", remove, group, tuple(hops)
        elif kind == R_PLANE + 4:
            prefix, value = r.prefix(version), None
            if not remove:
                value = FIB_VERDICTS[r.take("B")]
                if value == "group":
                    value = r.take("I")
            yield "fib", remove, prefix, value
        elif kind == R_PLANE + 5:
            macs = r.mac(), r.mac()
            yield "transit", remove, macs, None if remove else r.take("I")
        else:
            raise AssertionError(f"record kind {kind} is not one of rfserver's")


PORT_CLASSES = ["probing", "internal", "edge", "open", "blocked", "inside"]
FIB_VERDICTS = {1: "group", 2: "punt", 3: "drop"}


class Download:
    """What BEGIN ... END and changes have come to.  `complete` from the first END on;
    `all` keeps what was named before and not yet swept, as a peer must."""

    def __init__(self):
        self.begins = self.ends = 0
        self.history = []  # (kind, remove, key, value)
        self.state = {}    # (kind, key): value
        self._stale = set()

    def take(self, kind, remove, key, value):
        self.history.append((kind, remove, key, value))
        if kind == "begin":
            self.begins += 1
            self._stale = set(self.state)
        elif kind == "end":
            self.ends += 1
            for name in self._stale:
                del self.state[name]
            self._stale = set()
        elif remove:
            self.state.pop((kind, key), None)
            self._stale.discard((kind, key))
        else:
            self.state[kind, key] = value
            self._stale.discard((kind, key))

    def of(self, kind):
        return {key: value for (k, key), value in self.state.items() if k == kind}

    def removed(self, since=0):
        return [entry for entry in self.history[since:] if entry[1]]

    def __repr__(self):
        return f"<{self.begins} begins, {self.ends} ends, {self.state}>"
