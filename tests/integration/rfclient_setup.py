"""What the tests of rfclient share: a network namespace that plays the container, one
that plays its neighbours, rfclient in the first, and a peer that plays rfserver."""

import contextlib
import ipaddress
import json
import os
import queue
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import belongings
from belongings import CHECKOUT
BUILD = Path(os.environ.get("RF_BUILD", CHECKOUT / "build"))
RFCLIENT = BUILD / "bin" / "rfclient"
PEER = BUILD / "tests" / "rfclient_peer"
VM_ID = "0x000002a0a0a0a0a0"
KEY = "00112233445566778899aabbccddeeff"


def run(*argv, check=True, stdin=None):
    argv = [str(arg) for arg in argv]
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


def wait_until(what, condition, seconds=10, interval=0.02):
    """Polls condition() until it returns (True, ...); shows what it said last if not."""
    deadline = time.monotonic() + seconds
    while True:
        good, seen = condition()
        if good:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}\nseen: {seen}")
        time.sleep(interval)


class Peer:
    """rfserver's part: keeps what rfclient told, as dictionaries."""

    def __init__(self, endpoint):
        self.process = subprocess.Popen([str(PEER), endpoint], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.lines = []
        self.syncs = 0
        self.ups = []
        self._clear()
        self.staging = None
        self.queue = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _clear(self):
        self.ports, self.addrs, self.neighs, self.routes = {}, set(), {}, {}

    def _read(self):
        for line in self.process.stdout:
            self.queue.put(line.rstrip("\n"))

    def poll(self):
        while True:
            try:
                line = self.queue.get_nowait()
            except queue.Empty:
                return
            self.lines.append(line)
            self._apply(line.split(" "))

    def _apply(self, words):
        kind, rest = words[0], words[1:]
        if kind == "up":
            self.ups.append(rest)
        elif kind == "begin":
            self._clear()
        elif kind == "end":
            self.syncs += 1
        elif kind == "port":
            self.ports[int(rest[0])] = rest[1:]
        elif kind == "-port":
            del self.ports[int(rest[0])]
        elif kind == "addr":
            self.addrs.add((int(rest[0]), rest[1]))
        elif kind == "-addr":
            self.addrs.remove((int(rest[0]), rest[1]))
        elif kind == "neigh":
            self.neighs[int(rest[0]), rest[1]] = rest[2]
        elif kind == "-neigh":
            del self.neighs[int(rest[0]), rest[1]]
        elif kind == "route":
            self.routes[rest[0]] = (rest[1], int(rest[2]), tuple(rest[4:]))
        elif kind == "-route":
            del self.routes[rest[0]]
        elif kind != "down":
            raise AssertionError("rfclient_peer: " + " ".join(words))

    def config(self, port, mapping, active):
        self.process.stdin.write(f"config {port} {int(mapping)} {int(active)}\n")
        self.process.stdin.flush()

    def stop(self):
        self.process.stdin.close()
        self.process.wait(5)


class Container:
    """Two namespaces, joined by eth1 .. ethN; eth0 is for management."""

    def __init__(self, directory, ports=3):
        self.dir = directory
        tag = f"rfc{os.getpid() % 100000:x}"
        self.ns, self.other = f"{tag}-vm", f"{tag}-nb"
        self.endpoint = f"ipc://{directory}/server"
        self.log = directory / "rfclient.log"
        self.client = None
        self.peer = None
        self.remove()
        for ns in (self.ns, self.other):
            belongings.note("netns", ns)
            run("ip", "netns", "add", ns)
            run("ip", "-n", ns, "link", "set", "lo", "up")
        for port in range(ports):
            self.add_port(port)

    def add_port(self, port):
        run("ip", "-n", self.ns, "link", "add", f"eth{port}",
            "address", f"02:a0:00:00:00:{port:02x}", "type", "veth",
            "peer", "name", f"eth{port}", "netns", self.other)
        run("ip", "-n", self.other, "link", "set", f"eth{port}",
            "address", f"02:b0:00:00:00:{port:02x}", "up")
        self.ip(f"link set eth{port} up")
        self.ip(f"addr add 10.0.{port}.1/24 dev eth{port}")
        self.ip(f"-6 addr add 2001:db8:{port}::1/64 dev eth{port} nodad")
        self.neighbour(f"addr add 10.0.{port}.2/24 dev eth{port}")
        self.neighbour(f"-6 addr add 2001:db8:{port}::2/64 dev eth{port} nodad")

    def ip(self, command, check=True):
        return run("ip", "-n", self.ns, *command.split(), check=check)

    def neighbour(self, command):
        return run("ip", "-n", self.other, *command.split())

    def batch(self, commands):
        run("ip", "-n", self.ns, "-batch", "-", stdin="\n".join(commands) + "\n")

    def start_peer(self):
        self.peer = Peer(self.endpoint)
        return self.peer

    def start_client(self, *options, wrapper=()):
        key = self.dir / "key"
        key.touch(mode=0o600)
        key.write_text(KEY + "\n", encoding="ascii")
        with self.log.open("a", encoding="utf-8") as log:
            self.client = subprocess.Popen(
                ["ip", "netns", "exec", self.ns, *wrapper, str(RFCLIENT),
                 "--server", self.endpoint, "--vm-id", VM_ID, "--key-file", str(key),
                 *options], stdout=log, stderr=log)

    def start(self, *options, wrapper=()):
        """Both, up to the end of the first report."""
        self.start_peer()
        self.start_client(*options, wrapper=wrapper)
        self.wait("the first full report", lambda peer: (peer.syncs > 0, peer.lines))
        return self.peer

    def wait(self, what, condition, seconds=10):
        def poll():
            self.peer.poll()
            if self.client and self.client.poll() is not None:
                raise AssertionError(f"rfclient ended: {self.log_text()}")
            return condition(self.peer)
        try:
            return wait_until(what, poll, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\nlog:\n{self.log_text()}") from None

    def log_text(self):
        return self.log.read_text(encoding="utf-8")

    # What rfserver should know, from ip(8).

    def usable(self):
        """Port numbers by interface name, of those that are up."""
        links = json.loads(self.ip("-j link show"))
        return {link["ifname"]: int(link["ifname"][3:]) for link in links
                if link["ifname"].startswith("eth") and link["ifname"] != "eth0"
                and "LOWER_UP" in link["flags"] and "UP" in link["flags"]}

    def kernel_routes(self):
        ports, routes = self.usable(), {}
        for family in ("-4", "-6"):
            for entry in json.loads(self.ip(f"-j {family} -d route show table main")):
                prefix, route = expected_route(entry, family, ports)
                if route and (prefix not in routes or route[1] < routes[prefix][1]):
                    routes[prefix] = route
        return routes

    def wait_equal(self, seconds=10):
        """Until the peer's routes are the kernel's, and the kernel's did not change."""
        def equal(peer):
            kernel = self.kernel_routes()
            return peer.routes == kernel, difference(peer.routes, kernel)
        self.wait("told routes equal the kernel's", equal, seconds)

    def remove(self):
        if self.client and self.client.poll() is None:
            self.client.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.client.wait(5)
            if self.client.poll() is None:
                self.client.kill()
                self.client.wait()
        if self.peer:
            self.peer.stop()
        for ns in (self.ns, self.other):
            if Path("/run/netns", ns).exists():
                run("ip", "netns", "del", ns)


def expected_route(entry, family, ports):
    """(prefix, (kind, metric, hops)) as rfclient_peer prints it; None: not to be told."""
    width = 32 if family == "-4" else 128
    everything = "0.0.0.0/0" if family == "-4" else "::/0"
    prefix = everything if entry["dst"] == "default" else entry["dst"]
    if "/" not in prefix:
        prefix += f"/{width}"
    network = ipaddress.ip_network(prefix)
    if (family == "-6" and network.prefixlen and network.network_address.is_link_local
            or network.is_multicast):
        return prefix, None
    metric = entry.get("metric", 0)
    kind = entry.get("type", "unicast")
    if kind != "unicast":
        return prefix, ("blackhole" if kind == "blackhole" else "unreachable", metric, ())
    hops = []
    for hop in entry.get("nexthops", [entry]):
        if hop.get("dev") in ports and not {"dead", "linkdown"} & set(hop["flags"]):
            via = hop.get("gateway") or hop.get("via", {}).get("host", "-")
            hops.append((ports[hop["dev"]], via, hop.get("weight", 1)))
    hops.sort(key=lambda h: (h[0], h[1] != "-" and ipaddress.ip_address(h[1]).packed))
    told = tuple(f"{port},{via},{weight}" for port, via, weight in hops)
    return prefix, ("unicast", metric, told) if told else None


def difference(told, kernel):
    missing = {p: r for p, r in kernel.items() if p not in told}
    stale = {p: r for p, r in told.items() if p not in kernel}
    other = {p: (told[p], r) for p, r in kernel.items() if p in told and told[p] != r}
    return (f"{len(missing)} missing, {len(stale)} stale, {len(other)} different: "
            f"missing {list(missing.items())[:5]}, stale {list(stale.items())[:5]}, "
            f"different (told, kernel) {list(other.items())[:5]}")


def have_programs():
    return (os.geteuid() == 0 and RFCLIENT.exists() and PEER.exists()
            and shutil.which("ip") is not None)
