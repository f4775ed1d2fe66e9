"""OpenFlow over TLS: real bridges of Open vSwitch with certificates of ovs-pki, and peers
that have none, the wrong one, or no manners."""

import os
import random
import re
import signal
import socket
import ssl
import subprocess
import time
from contextlib import suppress

import pytest

from pki import Pki
from rflab.system import free_port
from rfproxy_bed import BUILD, Bed, Switches, wait_for
from rfproxy_switch import FakeSwitch, message

A, B = 5, 6
DPID = "dpid-%016x"


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    made = Pki(tmp_path_factory.mktemp("pki"))
    made.sign(DPID % A)
    return made


@pytest.fixture(scope="module")
def switches():
    made = Switches()
    made.add_bridge("a", A)
    made.add_bridge("b", B)
    yield made
    made.destroy()


@pytest.fixture
def bed(switches):
    made = Bed(switches)
    yield made
    made.destroy()


def start(bed, pki, *options):
    bed.start("--listen", f"pssl:{bed.port}", *pki.options(), *options)


def connect_a(bed, pki):
    bed.switches.set_ssl(pki.files(DPID % A), pki.ca("controller"))
    bed.connect("a", protocol="ssl")
    bed.peer.wait_line(f'^DP_UP dp_id={A:#018x} .* peer="ssl:127.0.0.1:')


@pytest.fixture
def beside(bed, pki):
    """With one good switch, which must stay as it is."""
    start(bed, pki)
    connect_a(bed, pki)
    yield bed
    assert "(ssl:127.0.0.1:" not in bed.log(), "the good switch was lost"
    assert bed.process.poll() is None


def descriptors(bed):
    """What rfproxy has open, without the numbers that tell one socket from another."""
    folder, found = f"/proc/{bed.process.pid}/fd", []
    for fd in os.listdir(folder):
        with suppress(FileNotFoundError):  # Closed meanwhile.
            found.append(re.sub(r"\d+", "N", os.readlink(f"{folder}/{fd}")))
    return sorted(found)


def test_a_switch_is_driven_over_tls_and_another_over_tcp(bed, pki):
    plain = free_port()
    bed.start("--listen", f"pssl:{bed.port},ptcp:{plain}", *pki.options())
    connect_a(bed, pki)
    bed.connect("b", port=plain)
    bed.peer.wait_line(f'^DP_UP dp_id={B:#018x} .* peer="127.0.0.1:')
    for dpid, bridge in ((A, "a"), (B, "b")):
        bed.peer.say_and_wait(f"begin {dpid}", f"port {dpid} 1 2 02:a0:00:00:00:01",
                              f"fib {dpid} 10.9.0.0/16 drop", f"end {dpid}")
        wait_for("the entry", lambda bridge=bridge: "1 priority=272,ip,nw_dst=10.9.0.0/16"
                 in bed.switches.flows(bridge))
        bed.peer.wait_status(dpid, in_sync="true")


def test_one_certificate_may_name_several_datapaths(bed, pki):
    files = pki.sign_names("both", DPID % A, DPID % B)
    start(bed, pki)
    bed.switches.set_ssl(files, pki.ca("controller"))
    for dpid, bridge in ((A, "a"), (B, "b")):
        bed.connect(bridge, protocol="ssl")
        bed.peer.wait_line(f"^DP_UP dp_id={dpid:#018x}")


def test_a_certificate_of_another_datapath_is_refused(beside, pki):
    beside.connect("b", protocol="ssl")
    beside.wait_log(f"datapath {B:#018x} from ssl:127.0.0.1:")
    beside.wait_log(f'refused: its certificate names "{DPID % A} id:')
    beside.wait_log(f'expected "{DPID % B}"')
    for _ in range(20):
        assert FakeSwitch(beside.port, B, context=pki.context(DPID % A)).closed.wait(5)
    assert beside.log().count("refused: its certificate") <= 6, "not rate-limited"
    assert not [x for x in beside.peer.lines if x.startswith(f"DP_UP dp_id={B:#018x}")]


def refused(bed, context, reason):
    with socket.create_connection(("127.0.0.1", bed.port)) as plain:
        try:
            with context.wrap_socket(plain) as s:
                s.settimeout(5)
                while s.recv(4096):
                    pass
        except (ssl.SSLError, ConnectionError):
            pass
    bed.wait_log(f": {reason}")


def test_certificates_that_do_not_hold_are_refused(beside, pki):
    pki.sign_expired("expired")
    pki.sign("otherca", "controller")
    refused(beside, pki.context(),
            "TLS handshake: peer did not return a certificate")
    refused(beside, pki.context("expired"),
            "its certificate is not accepted: certificate has expired")
    refused(beside, pki.context("otherca"),
            "its certificate is not accepted: self-signed certificate in certificate chain")


def test_tls_before_1_2_is_refused(beside, pki):
    context = pki.context(DPID % A, ssl.TLSVersion.TLSv1_1)
    context.set_ciphers("ALL:@SECLEVEL=0")
    refused(beside, context, "TLS handshake: unsupported protocol")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_switch_may_speak_tls(bed, pki, version):
    start(bed, pki)
    switch = FakeSwitch(bed.port, A, context=pki.context(DPID % A, version))
    bed.peer.wait_line(f"^DP_UP dp_id={A:#018x}")
    switch.close()


def test_open_vswitch_told_tcp_is_named_with_what_to_do(beside):
    beside.connect("b", protocol="tcp")
    beside.wait_log("this is no TLS; expected ssl: and not tcp: at the peer")


def test_garbage_ends_only_its_own_connection(beside, pki):
    rng = random.Random(1)
    hello = bytes.fromhex("160301020001 0001fc0303") + rng.randbytes(507)
    for octets in (b"", b"\x16", message(0), b"GET / HTTP/1.1\r\n\r\n", bytes(5000),
                   hello, hello[:100], *(rng.randbytes(n) for n in range(1, 200, 7)),
                   *(b"\x16\x03\x01" + rng.randbytes(n) for n in range(1, 200, 7))):
        with socket.create_connection(("127.0.0.1", beside.port)) as s:
            s.settimeout(5)
            try:
                s.sendall(octets)
                s.shutdown(socket.SHUT_WR)
                while s.recv(65536):
                    pass
            except ConnectionError:
                pass
    # After a handshake that was good.
    with socket.create_connection(("127.0.0.1", beside.port)) as plain, \
            pki.context(DPID % A).wrap_socket(plain) as s:
        s.recv(8)
        plain_fd = socket.socket(fileno=os.dup(s.fileno()))
        plain_fd.sendall(rng.randbytes(100))
        s.settimeout(5)
        try:
            while s.recv(65536):
                pass
        except (ssl.SSLError, ConnectionError):
            pass
        plain_fd.close()
    beside.peer.say_and_wait(f"begin {A}", f"port {A} 1 2 02:a0:00:00:00:01",
                             f"fib {A} 10.7.0.0/16 drop", f"end {A}")
    wait_for("a change", lambda: "1 priority=272,ip,nw_dst=10.7.0.0/16" in
             beside.switches.flows("a"))


def test_half_a_handshake_takes_ten_seconds_and_no_descriptor(beside):
    before = descriptors(beside)
    idle = [socket.create_connection(("127.0.0.1", beside.port)) for _ in range(200)]
    for s in idle[::2]:
        s.sendall(b"\x16\x03\x01\x01\x00\x01\x00")
    wait_for("them to be accepted",
             lambda: len(descriptors(beside)) == len(before) + len(idle))
    beside.wait_log(": the TLS handshake takes too long", 15)
    wait_for("their end", lambda: descriptors(beside) == before)
    for s in idle:
        s.close()


def test_the_allow_file_binds_fingerprints(bed, pki, tmp_path):
    pki.sign("plainname")
    allow = tmp_path / "allow"
    allow.write_text(f"# two bridges of one Open vSwitch\n"
                     f"{pki.fingerprint('plainname')} {A:x} {B:x}\n", encoding="ascii")
    start(bed, pki, "--tls-allow", allow)
    bed.switches.set_ssl(pki.files("plainname"), pki.ca("controller"))
    for dpid, bridge in ((A, "a"), (B, "b")):
        bed.connect(bridge, protocol="ssl")
        bed.peer.wait_line(f"^DP_UP dp_id={dpid:#018x}")
    # The list alone counts, not a name.
    assert FakeSwitch(bed.port, 7, context=pki.context(DPID % A)).closed.wait(5)
    fingerprint = pki.fingerprint(DPID % A).replace(":", "").lower()
    bed.wait_log(f'the file of --tls-allow does not have "{fingerprint} 7"')

    # A fault in it leaves what was; who is taken from it is thrown out.
    allow.write_text(f"{pki.fingerprint('plainname')}\n", encoding="ascii")
    bed.process.send_signal(signal.SIGHUP)
    bed.wait_log(f"{allow}:1: expected a datapath id after the fingerprint; what was in "
                 "force stays")
    allow.write_text(f"{pki.fingerprint('plainname')} {A:x}\n", encoding="ascii")
    bed.process.send_signal(signal.SIGHUP)
    bed.wait_log(f"datapath {B:#018x} (ssl:127.0.0.1:")
    assert f"datapath {A:#018x} (ssl:" not in bed.log()


def test_a_new_certificate_is_used_after_sighup(bed, pki, tmp_path):
    key, cert = tmp_path / "key", tmp_path / "cert"
    for path, old in zip((key, cert), pki.controller):
        path.write_bytes(old.read_bytes())
        path.chmod(0o600)
    bed.start("--listen", f"pssl:{bed.port}", "--certificate", cert, "--private-key", key,
              "--ca-cert", pki.ca("switch"))

    def shown():
        with socket.create_connection(("127.0.0.1", bed.port)) as plain, \
                pki.context(DPID % A).wrap_socket(plain) as s:
            return s.getpeercert()["subject"]

    assert "rfproxy id:" in str(shown())
    for path, new in zip((key, cert), pki.sign("newproxy", "controller")):
        path.write_bytes(new.read_bytes())
    bed.process.send_signal(signal.SIGHUP)
    wait_for("the new one", lambda: "newproxy id:" in str(shown()))


@pytest.mark.parametrize("options,fault", [
    (["--listen", "pssl:0"], "cannot listen at pssl:0: options certificate, private-key "
                             "and ca-cert are not set"),
    (["--certificate", "x"], "options certificate, private-key and ca-cert: expected all"),
    (["--tls-allow", "x"], "options certificate, private-key and ca-cert: expected all"),
    (["--certificate", "/x", "--private-key", "/x", "--ca-cert", "/x"],
     "/x: expected our certificate: No such file or directory")])
@pytest.mark.parametrize("program", ["rfproxy", "rfvs"])
def test_faults_in_the_options_are_named(program, options, fault, tmp_path):
    (tmp_path / "key").write_text("00" * 32, encoding="ascii")
    (tmp_path / "key").chmod(0o600)
    done = subprocess.run([BUILD / f"bin/{program}", "--key-file", tmp_path / "key",
                           "--server", f"ipc://{tmp_path}/s", "--relay",
                           f"ipc://{tmp_path}/r", *options],
                          capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 1
    assert fault in done.stderr


def download(bed, dpid, count):
    """Has a switch get this many flows, and waits until it has confirmed them."""
    bed.peer.say_and_wait(f"begin {dpid}", f"port {dpid} 1 2 02:a0:00:00:00:01",
                          f"group {dpid} 1 1,1,02:a0:00:00:00:01,02:00:00:00:01:64",
                          f"bulk {dpid} {count} 1", f"end {dpid}")
    wait_for(lambda: bed.peer.status(dpid),
             lambda: int(bed.peer.status(dpid).get("installed", 0)) > count, 15)
    bed.peer.wait_status(dpid, in_sync="true", failed=0)


def test_100000_flows_arrive(bed, pki):
    start(bed, pki)
    connect_a(bed, pki)
    before = descriptors(bed)
    download(bed, A, 100000)
    assert sum(",nw_dst=10." in key for key in bed.switches.flows("a")) == 100000
    assert descriptors(bed) == before


def test_a_switch_that_reads_slowly_gets_all(bed, pki):
    class Slow(FakeSwitch):
        handled = 0

        def _handle(self, kind, xid, raw):
            self.handled += 1
            if self.handled % 2000 == 0:
                time.sleep(0.05)  # So that the buffers of the sockets are full.
            super()._handle(kind, xid, raw)

    start(bed, pki)
    slow = Slow(bed.port, A, context=pki.context(DPID % A))
    bed.peer.wait_line(f"^DP_UP dp_id={A:#018x}")
    download(bed, A, 20000)
    assert len(slow.flows) > 20000
    slow.close()
