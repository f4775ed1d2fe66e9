"""Traffic between hosts: ping, traceroute, TCP."""

import re
import secrets
import subprocess
import time

from .system import LabError

# Sends, or receives, so many bytes over one TCP connection; prints their SHA-256.
TCP_SERVER = """
import hashlib, socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
listener = socket.create_server((sys.argv[1], 5001), family=family)
print("listening", flush=True)
peer, _ = listener.accept()
digest = hashlib.sha256()
while data := peer.recv(65536):
    digest.update(data)
peer.sendall(digest.hexdigest().encode())
"""
TCP_CLIENT = """
import hashlib, random, socket, sys
peer = socket.create_connection((sys.argv[1], 5001), timeout=30)
data = random.Random(sys.argv[2]).randbytes(int(sys.argv[3]))
peer.sendall(data)
peer.shutdown(socket.SHUT_WR)
answer = peer.recv(64, socket.MSG_WAITALL).decode()
print(answer == hashlib.sha256(data).hexdigest())
"""
PYTHON = ("/usr/bin/python3", "-I", "-c")


class Probes:
    def __init__(self, lab):
        self.instance = lab.instance
        self.network = lab.network
        self.topology = lab.topology

    def start(self, host, *argv, text=True, stdin=subprocess.DEVNULL):
        """A process in a host, with its output in pipes."""
        return subprocess.Popen(
            self.instance.inside(self.network.host_netns(host), *argv), text=text,
            env=self.instance.environment(), stdin=stdin, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)

    def ping_all(self, wait=1):
        """One ping for each ordered pair, all at once: {(source, target): ms or None}."""
        started = {(a.name, b.name): self.start(a, "ping", "-n", "-c", "1", "-W", wait,
                                                 b.address.ip)
                   for a, b in self.topology.pairs()}
        result = {}
        for pair, process in started.items():
            found = re.search(r"time=([\d.]+) ms", process.communicate()[0])
            result[pair] = float(found[1]) if found else None
        return result

    def traceroute(self, source, target):
        """Addresses hop by hop; "*" where nobody answered.

        By ICMP, which has no ports: a switch with equal-cost paths sends all probes one
        way."""
        out = self.start(source, "traceroute", "-n", "-I", "-q", "1", "-w", "2", "-m",
                         "10", target.address.ip).communicate()[0]
        return re.findall(r"^ *\d+ +(\S+)", out, re.MULTILINE)

    def tcp(self, source, target, size=10_000_000, family=4):
        """Moves `size` bytes; returns (whether they arrived intact, seconds)."""
        address = (target.address if family == 4 else target.address6).ip
        server = self.start(target, *PYTHON, TCP_SERVER, address)
        try:
            if "listening" not in server.stdout.readline():
                raise LabError("no TCP server: " + server.stderr.read().strip())
            start = time.monotonic()
            client = self.start(source, *PYTHON, TCP_CLIENT, address,
                                 secrets.token_hex(8), size)
            try:
                out, said = client.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                client.kill()
                out, said = client.communicate()
                said = said or "not done after 60 s"
            if out.strip() == "" and said:
                raise LabError(said.strip().splitlines()[-1])
            return out.strip() == "True", time.monotonic() - start
        finally:
            server.kill()
            server.communicate()

    def capture_pings(self, source, target):
        """The pcap that the target's interface takes while one ping arrives."""
        capture = self.start(target, "tcpdump", "-i", "eth0", "-n", "-p", "-U", "-Z",
                             "root", "--immediate-mode", "-w", "-", "-c", "1",
                             "icmp[icmptype] == icmp-echo", text=False)
        try:
            for line in capture.stderr:
                if b"listening on" in line:
                    break
            self.start(source, "ping", "-n", "-c", "3", "-i", "0.2", "-W", "1",
                        target.address.ip).communicate()
            return capture.communicate(timeout=2)[0]
        except subprocess.TimeoutExpired:
            return b""
        finally:
            capture.kill()
            capture.wait()
