"""Frames to and from the routers themselves: punt."""

import json
import os
import subprocess
import threading
from pathlib import Path

from rflab.system import CHECKOUT, LabError, run, wait_for
from rflab.topology import load

from .bed import Reference
from .network import Network


BARE_LIMIT = 1.4  # Times the bare way, as of a single route.
RATE = 30_000  # frames a second
HELLO_US = 10_000
HELLO_LIMIT = 20_000  # us
BFD_DEAD = 150_000  # us: 50 ms x 3


class Slow(Network):
    """rftest1: one switch, one container, two hosts."""

    def __init__(self, number, **rfproxy):
        super().__init__("pu", number, load(CHECKOUT / "config" / "rftest1.json"),
                         {"rfproxy": rfproxy})
        self.node = self.lab.topology.nodes[0]
        self.hosts = self.lab.topology.hosts
        self.tools = Path(os.environ.get("RF_BUILD", CHECKOUT / "build")) / "bench"

    def start(self):
        super().start()
        for host in self.hosts:
            wait_for(f"the gateway of {host.name}", lambda h=host: self._answers(h), 30)

    def tool(self, name, *argv):
        return json.loads(self.lab.instance.run(self.tools / f"bench-{name}", *argv,
                                                timeout=300).stdout)

    def netns(self, host):
        return f"/run/netns/{self.lab.network.host_netns(host)}"

    @property
    def vm_netns(self):
        return f"/proc/{self.lab.instance.process_named('rfclient')}/ns/net"

    def echo(self, host, count, interval_us):
        return self.tool("echo", self.netns(host), host.gateway, count, interval_us)

    def _answers(self, host):
        return self.echo(host, 1, 0)["received"] == 1

    def cpu(self):
        """{process: CPU seconds so far}"""
        pids = {name: self.lab.daemons.pid(name) for name in ("rfproxy", "rfvs")}
        pids["ovs-vswitchd"] = int((self.lab.ovs.dir / "ovs-vswitchd.pid").read_text())
        return {name: cpu_seconds(pid) for name, pid in pids.items()}


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Bare:
    """The same way with nothing on it: a host and a gateway at two bridges of another
    Open vSwitch, and bench-relay between them.  A context."""

    def __init__(self, lab):
        self.instance = lab.lab.instance
        self.reference = Reference(self.instance)
        self.lab = lab
        self.relay = None

    def __enter__(self):
        self.reference.start()
        for name, port, address in (("host", "R.1p", "172.31.1.100/24"),
                                    ("gate", "V.1p", "172.31.1.1/24")):
            netns = f"{self.instance.netns}-{name}"
            self.instance.manifest.note("netns", netns)
            run(["ip", "netns", "add", netns])
            run(["ip", "-n", self.reference.netns, "link", "set", port, "netns", netns])
            run(["ip", "-n", netns, "-batch", "-"],
                stdin=f"link set {port} arp on up\naddr add {address} dev {port}\n")
        bridges = map(self.lab.lab.ovs.management, ("R", "V"))  # OVS_RUNDIR is for both.
        self.relay = subprocess.Popen(
            [self.lab.tools / "bench-relay", *bridges], text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env=self.instance.environment())
        if not self.relay.stdout.readline():
            raise LabError("bench-relay has ended")
        wait_for("the bare gateway", lambda: self.echo(1, 0)["received"] == 1, 10)
        return self

    def echo(self, count, interval_us):
        return self.lab.tool("echo", f"/run/netns/{self.instance.netns}-host",
                             "172.31.1.1", count, interval_us)

    def __exit__(self, *_):
        if self.relay:
            self.relay.communicate()


def gateway(results, quick):
    with Slow("g", **{"punt-rate": 200_000}) as lab, Bare(lab) as bare:
        host, count = lab.hosts[0], 200 if quick else 1000
        for name, pause in (("idle", 2000), ("back to back", 0)):
            rounds = [(lab.echo(host, count, pause), bare.echo(count, pause))
                      for _ in range(1 if quick else 5)]
            results.note("punt", f"gateway ping, {name}", "lost", "frames",
                         sum(got["sent"] - got["received"] for got, _ in rounds))
            results.add("punt", f"gateway ping, {name}", "p50", "us",
                        [got["p50"] for got, _ in rounds],
                        [got["p50"] for _, got in rounds], BARE_LIMIT)
            results.add("punt", f"gateway ping, {name}", "p99", "us",
                        [got["p99"] for got, _ in rounds],
                        [got["p99"] for _, got in rounds])


def rate(results, quick):
    ms = 500 if quick else 3000
    with Slow("r", **{"punt-rate": 200_000}) as lab:
        host = lab.hosts[0]
        there = (lab.netns(host), host.address.ip)
        here = (lab.vm_netns, host.gateway)
        for case, (source, target) in (("host to router", (there, here)),
                                       ("router to host", (here, there))):
            before = lab.cpu()
            got = [lab.tool("udprate", *source, *target, RATE, ms)
                   for _ in range(1 if quick else 3)]
            after = lab.cpu()
            frames = sum(g["received"] for g in got) or 1
            results.add("punt", f"{case}, {RATE}/s", "lost", "frames",
                        [g["sent"] - g["received"] for g in got], limit=0)
            for name in before:
                results.note("punt", f"{case}, {RATE}/s", f"CPU of {name}", "us/frame",
                             (after[name] - before[name]) / frames * 1e6)


def beside(lab, work, count):
    """Echoes of the second host while `work` runs in a thread again and again."""
    stop = threading.Event()
    errors = []

    def loop():
        try:
            while not stop.is_set():
                work()
        except LabError as error:
            errors.append(error)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        got = lab.echo(lab.hosts[1], count, HELLO_US)
    finally:
        stop.set()
        thread.join()
    if errors:
        raise errors[0]
    return got


def add_hellos(results, case, got):
    results.note("punt", case, "hello p99", "us", got["p99"], HELLO_LIMIT)
    results.note("punt", case, "longest silence", "us", got["gap"], BFD_DEAD)
    results.note("punt", case, "lost", "frames", got["sent"] - got["received"])


def hellos(results, quick):
    """Both ways of an echo each 10 ms; a hello needs but one."""
    n = 10_000 if quick else 100_000
    count = 200 if quick else 1000
    with Slow("h") as lab:
        add_hellos(results, "idle", lab.echo(lab.hosts[1], count, HELLO_US))
        host = lab.hosts[0]
        routes = "".join(f"route add {60 + (i >> 16)}.{i >> 8 & 255}.{i & 255}.0/24 via "
                         f"{host.address.ip}\n" for i in range(n))
        for name, text in (("add", routes), ("del", routes.replace(" add ", " del "))):
            lab.lab.containers.run(lab.node, "sh", "-c", f"cat >/run/{name}", stdin=text)

        def download():
            for name in ("add", "del"):
                lab.lab.containers.run(lab.node, "ip", "-batch", f"/run/{name}", timeout=120)

        add_hellos(results, f"{n} routes to and fro", beside(lab, download, count))
        flood = (lab.netns(host), host.address.ip, "-")
        add_hellos(results, "a host floods its gateway", beside(lab, lambda: lab.tool(
            "udprate", *flood, host.gateway, 50_000, 500), count))
        add_hellos(results, "a host floods the other one's gateway", beside(
            lab, lambda: lab.tool("udprate", *flood, lab.hosts[1].gateway, 50_000, 500),
            count))


def punt(results, quick):
    gateway(results, quick)
    rate(results, quick)
    hellos(results, quick)
