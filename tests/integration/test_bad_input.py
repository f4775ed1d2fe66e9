"""Bad input, named: each gets a clear, rate-limited message that names the peer and what
was expected, and everything else goes on routing.

"Goes on routing" is intruder.Undisturbed: packets between all hosts, none of them lost, the
same flows, not one of them written again, the same associations, OSPF Full.
"""

import itertools
import os
import re
import socket
import struct
import time

import pytest
from rflab import pcap
from rflab.system import wait_for
from rflab.topology import RFVS_DPID

from intruder import (BAD_REQUEST, ECHO_REPLY, ECHO_REQUEST, ERROR, HELLO, HELLO_FAILED,
                      Log, Switch, Undisturbed, all_closed, container_namespace,
                      host_namespace, key_of, lldp, lldp_of_somebody_else, mapping_frame,
                      message, now_ms, packet_socket, send_at_rate)

HANDFUL = 12  # Lines a thousand repetitions may give.
PROXY, RFVS = 6653, 6654


@pytest.fixture(scope="module", autouse=True)
def settled(verifier):
    row = verifier.row("settled", verifier.settled, 30)
    assert row.passed, row.measured


@pytest.fixture
def undisturbed(rftest2, verifier):
    """The test's body runs in it."""
    with Undisturbed(rftest2, verifier):
        yield


@pytest.fixture
def log(rftest2):
    """log(name): what that daemon writes from the beginning of the test."""
    logs = {name: Log(rftest2, name) for name in ("rfserver", "rfproxy", "rfvs")}
    return logs.__getitem__


@pytest.fixture
def bridge(rftest2):
    """bridge(dpid, controller): one more switch without ports; gone at the end."""
    ovs, made = rftest2.ovs, []

    def make(dpid, controller):
        made.append(f"bad{len(made)}")
        ovs.vsctl(*ovs._bridge(made[-1], dpid, controller))

    yield make
    for name in made:
        ovs.vsctl("--if-exists", "del-br", name)


def status(lab, *path):
    value = lab.daemons.show("status")
    for key in path:
        value = value[key]
    return value


def links(lab):
    return sorted((r["a_dp_id"], r["a_dp_port"], r["b_dp_id"], r["b_dp_port"], r["state"])
                  for r in lab.daemons.show("links"))


# ---- switches that are in the wrong place ----

@pytest.mark.parametrize("port, daemon, dpid, why", [
    ("6653", "rfproxy", 5, r"connected from 127\.0\.0\.1:\d+; ids must be unique"),
    ("6654", "rfvs", RFVS_DPID,
     r"connected from 127\.0\.0\.1:\d+; ids must be unique"),
    ("6653", "rfproxy", RFVS_DPID + 1, r"belongs to rfvs, port 6654"),
    ("6653", "rfproxy", RFVS_DPID, r"belongs to rfvs, port 6654"),
    ("6654", "rfvs", 0x99, r"belongs to rfproxy, port 6653"),
    ("6654", "rfvs", 5, r"belongs to rfproxy, port 6653")])
def test_switch_in_the_wrong_place_is_refused(undisturbed, log, bridge, port, daemon, dpid,
                                              why):
    bridge(dpid, f"tcp:127.0.0.1:{port}")
    log(daemon).wait(rf"datapath 0x{dpid:016x} from 127\.0\.0\.1:\d+ refused: .*{why}")


# ---- the mapping file ----

@pytest.fixture
def mapping(rftest2, log):
    """The mapping file; what it held before is in force again at the end."""
    path = rftest2.daemons.mapping
    before = path.read_bytes()
    yield path
    if path.read_bytes() != before:
        path.write_bytes(before)
        assert rftest2.daemons.rfctl("reload").returncode == 0
    wait_for("the mapping as before",
             lambda: status(rftest2, "mapping", "rows") == 14
             and status(rftest2, "mapping", "fault") == "none", 5)


def save(path, data, how):
    """As editors do: into the file, or a new one put in its place."""
    if how == "rename":
        new = path.with_suffix(".new")
        new.write_bytes(data)
        os.rename(new, path)
    else:
        path.write_bytes(data)


FAULTS = {
    "short line": ([b"2e0e0e0e0e0,1,0,9"], [r":16:18: found 4 fields, expected 5"]),
    "id that is not hexadecimal": (
        [b"02g0a0a0a0a0,1,0,9,1"],
        [r':16:1: found "02g0a0a0a0a0" as vm_id, expected a hexadecimal number']),
    "port twice": (
        [b"02a0a0a0a0a0,1,0,9,1"],
        [r":16:1: found vm 0x000002a0a0a0a0a0 port 1 again, .* it is in line 2"]),
    "several": (
        [b"02e0e0e0e0e0,1,0", b"02e0e0e0e0e0,x,0,zz,1", b"02e0e0e0e0e0,9,0,5,1"],
        [r":16:17: found 3 fields", r':17:14: found "x" as vm_port',
         r':17:18: found "zz" as dp_id', r":18:16: found datapath .* it is in line 2"])}


@pytest.mark.parametrize("how", ["in place", "rename"])
@pytest.mark.parametrize("faults", FAULTS)
def test_mapping_with_faults_is_not_applied(rftest2, mapping, undisturbed, log, faults,
                                            how):
    lines, wanted = FAULTS[faults]
    save(mapping, mapping.read_bytes() + b"\n".join(lines) + b"\n", how)
    for pattern in wanted:
        log("rfserver").wait(r"rfserver\.csv" + pattern)
    log("rfserver").wait(r"the mapping in force stays as it is: .*rfserver\.csv" + wanted[0])
    # Each fault once, and the first again in what the event says.
    assert len(log("rfserver").lines(r"rfserver\.csv:\d+:\d+: ")) == len(wanted) + 1
    assert "rfserver.csv:16:" in status(rftest2, "mapping", "fault")


@pytest.mark.parametrize("form", ["CR LF", "BOM"])
def test_mapping_of_other_editors_is_read(mapping, undisturbed, log, form):
    data = mapping.read_bytes()
    save(mapping, data.replace(b"\n", b"\r\n") if form == "CR LF"
         else b"\xef\xbb\xbf" + data, "in place")
    log("rfserver").wait(r"14 rows \(0 added, 0 removed, 14 unchanged\)")
    assert not log("rfserver").lines(r"rfserver\.csv:\d+")


def test_mapping_of_ten_thousand_rows_is_applied_and_taken_back(mapping, undisturbed, log):
    data = mapping.read_bytes()
    more = b"".join(b"2%011x,%d,0,%x,%d\n" % (i // 4, i % 4 + 1, 0x1000 + i // 4, i % 4 + 1)
                    for i in range(10_000 - 14))
    begun = time.monotonic()
    save(mapping, data + more, "rename")
    log("rfserver").wait(r"10000 rows \(9986 added, 0 removed, 14 unchanged\)")
    save(mapping, data, "rename")
    log("rfserver").wait(r"14 rows \(0 added, 9986 removed, 14 unchanged\)")
    assert time.monotonic() - begun < 3


def test_a_thousand_faults_do_not_flood_the_log(rftest2, mapping, undisturbed, log):
    bad = mapping.read_bytes() + b"what is this\n" * 1000
    save(mapping, bad, "in place")
    log("rfserver").wait(r"and \d+ more faults.*rfctl check")
    assert len(log("rfserver").lines(r"rfserver\.csv:\d+")) <= 32
    # The command that the message names tells them all.
    done = rftest2.daemons.rfctl("check", mapping, check=False)
    assert done.returncode == 1
    assert len(re.findall(r"rfserver\.csv:\d+:\d+: ", done.stdout + done.stderr)) == 1000


# ---- mapping frames ----

def send_mapping(lab, node, port, *frames):
    with packet_socket(container_namespace(lab, node), f"eth{port}") as sock:
        for frame in frames:
            sock.send(frame)


def test_mapping_frames_that_prove_nothing_are_refused(rftest2, undisturbed, log):
    node = rftest2.topology.node("B")
    other = rftest2.topology.node("A")
    key = key_of(rftest2)
    before = status(rftest2, "virtual plane", "forged mapping frames")
    genuine = mapping_frame(key, node.vm_id, 2, counter=1)
    bad = {"truncated": (genuine[:60], "malformed"),
           "padded": (genuine + bytes(4), "malformed"),
           "long": (genuine + bytes(1400), "malformed"),
           "forged": (mapping_frame(b"guess", node.vm_id, 2), "forged"),
           "old": (mapping_frame(key, node.vm_id, 2, time_ms=now_ms() - 60_000), "stale"),
           "replayed": (genuine, "replayed")}
    for i, (frame, verdict) in enumerate(bad.values()):
        port = 2 + i % 2
        send_mapping(rftest2, node, port, frame)
        log("rfvs").wait(rf"port {4 + port} \(rfvmB\.{port}\): mapping frame refused: "
                         + verdict + ", expected")
    # One of another container, which RFVS has seen at that container's port.
    send_mapping(rftest2, node, 3, mapping_frame(key, other.vm_id, 2, counter=1))
    log("rfvs").wait(r"port 7 \(rfvmB\.3\): mapping frame refused: replayed")
    wait_for("the counter", lambda: status(rftest2, "virtual plane", "forged mapping frames")
             == before + len(bad) + 1, 5)


def received(sock, ethertype):
    """A frame of this type that the socket has received, or None."""
    sock.setblocking(False)
    while True:
        try:
            frame = sock.recv(2048)
        except BlockingIOError:
            return None
        except OSError:
            continue  # The interface was down for a moment.
        if frame[12:14] == ethertype:
            return frame


def test_recorded_mapping_frame_proves_nothing_at_another_port(rftest2, verifier, log):
    node = rftest2.topology.node("B")
    rfvs_port = packet_socket(f"/run/netns/{rftest2.instance.netns}", "rfvmB.1")
    mapping = rftest2.daemons.mapping
    rows = mapping.read_bytes()
    with rfvs_port:
        # A row that goes and comes makes rfclient prove its port anew.
        save(mapping, rows.replace(b"02b0b0b0b0b0,1,0,6,1\n", b""), "rename")
        log("rfserver").wait(r"13 rows")
        save(mapping, rows, "rename")
        recorded = wait_for("a mapping frame", lambda: received(rfvs_port, b"\x0a\x0a"), 5)
    row = verifier.row("settled", verifier.settled, 15)
    assert row.passed, row.measured
    with Undisturbed(rftest2, verifier):
        send_mapping(rftest2, rftest2.topology.node("A"), 1, recorded)
        log("rfvs").wait(r"port 1 \(rfvmA\.1\): mapping frame refused: replayed")
        send_mapping(rftest2, node, 1, recorded)
        log("rfvs").wait(r"port 5 \(rfvmB\.1\): mapping frame refused: replayed")


def test_a_thousand_forged_mapping_frames_give_a_handful_of_lines(rftest2, undisturbed,
                                                                  log):
    before = status(rftest2, "virtual plane", "forged mapping frames")
    with packet_socket(container_namespace(rftest2, rftest2.topology.node("C")),
                       "eth1") as sock:
        send_at_rate(sock, mapping_frame(b"guess", "02c0c0c0c0c0", 1), 1000, 1)
    wait_for("them to be counted",
             lambda: status(rftest2, "virtual plane", "forged mapping frames")
             >= before + 900, 5)
    assert 0 < len(log("rfvs").lines("mapping frame refused")) <= HANDFUL


# ---- LLDP from a host ----

def recorded_probe(lab, link):
    """The last LLDP frame that the link's capture holds: of its end a, at end b."""
    data = lab.network.capture_file(lab.topology.link(link)).read_bytes()
    return [frame for _, frame in pcap.frames(data) if frame[12:14] == b"\x88\xcc"][-1]


class Host:
    """A host that sends LLDP; no link may come of it, and its port stays an edge port."""

    def __init__(self, lab, host):
        self.lab, self.port = lab, host.port
        self.sock = packet_socket(host_namespace(lab, host), "eth0")
        self.links, self.forged_before = links(lab), self.forged()
        self.at = (rf"lldp on edge port {self.port.number} \({self.port.name}\) of "
                   rf"datapath 0x{self.port.node.dpid:016x}: ")

    def forged(self):
        return status(self.lab, "real plane", "forged lldp")

    def wait_counted(self, n):
        wait_for(f"{n} more to be counted as forged",
                 lambda: (self.forged() >= self.forged_before + n, self.forged()), 5)

    def assert_no_link(self):
        assert links(self.lab) == self.links
        port = next(p for p in self.lab.daemons.show("ports")
                    if int(p["dp_id"], 16) == self.port.node.dpid
                    and p["dp_port"] == self.port.number)
        assert port["class"] == "edge", port


@pytest.fixture
def intruder(rftest2):
    """intruder(n): host n."""
    made = []

    def make(n):
        made.append(Host(rftest2, rftest2.topology.hosts[n - 1]))
        return made[-1]

    yield make
    for host in made:
        host.sock.close()
        host.assert_no_link()


def test_lldp_that_a_host_makes_up_gives_no_link(rftest2, undisturbed, log, intruder):
    host, key = intruder(1), key_of(rftest2)
    for frame, verdict in (
            (lldp(b"guess", 6, 2), "forged, expected an HMAC made with our key"),
            (lldp(key, 6, 2)[:-3] + b"\0", "forged"),
            (lldp(key, 6, 2, time_ms=now_ms() - 10_000), r"stale, .*0{15}6 port 2\)"),
            (lldp(key, 6, 2, time_ms=now_ms() + 60_000), r"stale, .*0{15}6 port 2\)")):
        host.sock.send(frame)
        log("rfproxy").wait(host.at + verdict)
    host.wait_counted(4)


@pytest.mark.parametrize("n, link", [(2, "A-B"), (3, "B-D")])
def test_lldp_of_a_link_that_a_host_repeats_gives_no_link(rftest2, undisturbed, log,
                                                          intruder, n, link):
    """Whether the link's own switch is at its port or another."""
    host = intruder(n)
    for n_sent in (1, 2, 3):
        host.sock.send(recorded_probe(rftest2, link))
        host.wait_counted(n_sent)
    log("rfproxy").wait(host.at + "(replayed|relayed|copied|stale), .* port")


def test_lldp_of_other_systems_is_no_offence(rftest2, undisturbed, log, intruder):
    host = intruder(4)
    for _ in range(10):
        host.sock.send(lldp_of_somebody_else())
    host.sock.send(lldp(b"guess", 6, 2))  # Comes after them.
    log("rfproxy").wait(host.at + "forged")
    host.wait_counted(1)
    assert host.forged() == host.forged_before + 1


def test_a_thousand_forged_lldp_frames_give_a_handful_of_lines(rftest2, undisturbed, log,
                                                               intruder):
    host, frame = intruder(4), lldp(b"guess", 6, 2)
    send_at_rate(host.sock, frame, 1000, 1)
    host.wait_counted(900)
    assert len(log("rfproxy").lines("lldp on")) <= HANDFUL


# ---- OpenFlow ----

both_ports = pytest.mark.parametrize("daemon, port", [("rfproxy", PROXY), ("rfvs", RFVS)])


@pytest.fixture(scope="module")
def stranger(rftest2):
    """stranger(port): a connection from an address that nobody else has, since messages
    are limited by address."""
    numbers = itertools.count(2)
    return lambda port: Switch(rftest2, port, f"127.0.0.{next(numbers)}")


@both_ports
def test_openflow_lengths_below_the_header_end_the_connection(stranger, undisturbed, log,
                                                              daemon, port):
    for length in range(8):
        with stranger(port) as switch:
            switch.send(struct.pack("!BBHI", 4, HELLO, length, 1))
            assert switch.expect_end()[0][:2] == (HELLO_FAILED, 0)
            if length == 0:
                log(daemon).wait(rf"{switch.name}: OFPT_HELLO with length 0, less than 8")
        with stranger(port) as switch:
            switch.say_hello()
            switch.send(struct.pack("!BBHI", 4, ECHO_REQUEST, length, 1))
            assert (BAD_REQUEST, 6) in [e[:2] for e in switch.expect_end()]
            if length == 0:
                log(daemon).wait(rf"{switch.name}: OFPT_ECHO_REQUEST with length 0, "
                                 "less than 8")


@both_ports
def test_openflow_type_unknown_is_answered_and_the_connection_stays(
        stranger, undisturbed, log, daemon, port):
    with stranger(port) as switch:
        switch.say_hello()
        switch.send(message(0xCC, b"what", xid=77))
        xid, body = switch.expect(ERROR)
        assert xid == 77 and struct.unpack_from("!HH", body) == (BAD_REQUEST, 1)
        log(daemon).wait(rf"{switch.name}: message of type 0xcc xid 0x4d of 12 octets")
        switch.send(message(ECHO_REQUEST, b"still there?", xid=78))
        assert switch.expect(ECHO_REPLY) == (78, b"still there?")


@both_ports
def test_openflow_1_0_is_refused_in_its_own_words(stranger, undisturbed, log, daemon, port):
    with stranger(port) as switch:
        switch.send(message(HELLO, version=1))
        (kind, code, text), = switch.expect_end()
        assert (kind, code) == (HELLO_FAILED, 0) and b"0x04 (OpenFlow 1.3) needed" in text
        log(daemon).wait(rf"{switch.name}: peer speaks version 0x01 at most, 0x04")


@both_ports
@pytest.mark.parametrize("garbage", [
    pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", id="HTTP"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="TLS"),
    pytest.param(bytes(64), id="zeros"), pytest.param(b"\xff" * 64, id="ones")])
def test_openflow_garbage_before_hello_is_refused(stranger, undisturbed, log, daemon, port,
                                                  garbage):
    with stranger(port) as switch:
        switch.send(garbage)
        switch.expect_end()
        log(daemon).wait(rf"{switch.name}: expected OFPT_HELLO, got octets "
                         + garbage[:4].hex(" "))


def test_openflow_handshake_octet_by_octet_works(stranger, undisturbed, log):
    with stranger(PROXY) as switch:
        switch.handshake(0xBAD, send=switch.dribble)
        log("rfproxy").wait(rf"datapath 0x0{{13}}bad connected from {switch.name}")


@both_ports
def test_a_thousand_bad_connections_give_a_handful_of_lines(rftest2, undisturbed, log,
                                                            daemon, port):
    for _ in range(1000):
        with Switch(rftest2, port) as switch:
            switch.send(b"garbage!")
            switch.expect_end()
    assert len(log(daemon).lines("connection")) <= HANDFUL


def test_openflow_connections_that_say_nothing_are_ended(rftest2, undisturbed, log):
    """More of them than rfvs keeps; who has something to say gets in all the same."""
    switches = [Switch(rftest2, port) for port in (PROXY, RFVS) for _ in range(300)]
    half = [Switch(rftest2, port) for port in (PROXY, RFVS)]
    for switch in half:
        switch.send(b"\x04\x00\x00")
    try:
        with Switch(rftest2, PROXY) as late:
            late.handshake(0xBAD1)
            log("rfproxy").wait(rf"datapath 0x0{{12}}bad1 connected from {late.name}")
        with Switch(rftest2, RFVS) as late:
            late.handshake(RFVS_DPID + 9)
            log("rfvs").wait(rf"rfvs 0x{RFVS_DPID + 9:016x} connected from {late.name}")
        assert all_closed([s.sock for s in switches + half], 14) == 602
    finally:
        for switch in switches + half:
            switch.sock.close()
    for daemon in ("rfproxy", "rfvs"):
        log(daemon).wait(r"connection from 127\.0\.0\.2:\d+: no hello from the peer within "
                         "10000 ms|connection from .* given up for a newer one")
        assert len(log(daemon).lines("connection from")) <= 2 * HANDFUL


# ---- the bus ----

def test_garbage_at_the_bus_is_named(rftest2, undisturbed, log):
    address = (str(rftest2.network.server_address), 25555)
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", os.urandom(4000), b"\xff" * 400,
                    b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(500)):
        with socket.create_connection(address, timeout=5) as sock:
            name = "%s:%d" % sock.getsockname()
            time.sleep(0.05)  # As over a network: rfserver learns of a connection first.
            sock.sendall(garbage)
        log("rfserver").wait(re.escape(name) + " ended without a message: .*ZeroMQ")


def test_a_thousand_times_garbage_at_the_bus_gives_a_handful_of_lines(rftest2, undisturbed,
                                                                      log):
    address = (str(rftest2.network.server_address), 25555)
    for _ in range(1000):
        with socket.create_connection(address, timeout=5) as sock:
            sock.sendall(b"\xff" * 400)
    assert len(log("rfserver").lines("")) <= HANDFUL


def test_second_rfclient_with_a_live_vm_id_is_refused(rftest2, undisturbed, log):
    daemons, host = rftest2.daemons, rftest2.topology.hosts[0]
    path = rftest2.instance.dir / "log" / "second.log"
    path.touch()
    second = Log(rftest2, "second")
    process = rftest2.instance.spawn(
        "second", daemons.program("rfclient"), "--server", daemons.server, "--vm-id",
        "02a0a0a0a0a0", "--key-file", daemons.key, netns=rftest2.network.host_netns(host))
    try:
        log("rfserver").wait(r"rfclient.* is refused: id 0x2a0a0a0a0a0 is in use by "
                             "rfclient@rfvmA")
        second.wait("refuses us: .* in use by rfclient@rfvmA")
    finally:
        process.kill()
        process.wait()


# ---- a host floods its gateway ----

def arp_request(source_mac, source, target):
    return (b"\xff" * 6 + source_mac + b"\x08\x06" + struct.pack("!HHBBH", 1, 0x800, 6, 4, 1)
            + source_mac + source.packed + bytes(6) + target.packed)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def echo_request(source_mac, target_mac, source, target):
    head = struct.pack("!BBHHHBB", 0x45, 0, 28, 1, 0, 64, 1)
    ends = source.packed + target.packed
    icmp = struct.pack("!BBHHH", 8, 0, 0xF7FD, 1, 1)
    return (target_mac + source_mac + b"\x08\x00" + head
            + struct.pack("!H", checksum(head + bytes(2) + ends)) + ends + icmp)


def test_host_that_floods_its_gateway_is_metered(rftest2, verifier, undisturbed, intruder):
    host, sock = rftest2.topology.hosts[0], intruder(1).sock
    mac = sock.getsockname()[4]
    gateway_mac = bytes.fromhex(host.port.mac.replace(":", ""))
    punts = lambda: status(rftest2, "real plane", "punted frames")
    for frame in (arp_request(mac, host.address.ip, host.gateway),
                  echo_request(mac, gateway_mac, host.address.ip, host.gateway)):
        before, begun = punts(), time.monotonic()
        sent = send_at_rate(sock, frame, 5000, 2)
        assert sent >= 9000
        # What is on its way arrives, and rfproxy tells of it, four times a second: more
        # than the meter admits would only now be seen, so there is nothing to wait for.
        time.sleep(1.0)
        punted = punts() - before
        seconds = time.monotonic() - begun
        # 1,000 in a second by the meter, and as many once as a burst.
        assert 500 < punted <= 1000 * (seconds + 1.5), f"{punted} of {sent} punted"
