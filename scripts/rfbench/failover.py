"""A link is cut under 1000 datagrams a second: failover."""

import datetime
import json
import os
import signal
import statistics
from contextlib import contextmanager
from pathlib import Path

from rflab.system import CHECKOUT, run, wait_for
from rflab.topology import load

from .network import Network
from .plain import PlainNetwork

LIMIT_MS = 5000
MANY = 1000  # Prefixes.
P95_LIMIT = 15  # ms
BESIDE_PLAIN = 5  # ms more than the suite alone
SILENT_LIMIT = 200  # ms
REPAIR_LIMIT = 5  # ms after the switch has said that the port is down
BESIDE_SWITCH = 1.5  # Times what the switch's own groups need, with nobody behind them.

# All that is sent out of either end is lost, and neither end's switch can know.
SILENT_CUT = """table netdev cut {{
    chain a {{ type filter hook egress device "{0}" priority 0; policy drop; }}
    chain b {{ type filter hook egress device "{1}" priority 0; policy drop; }}
}}
"""


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * p / 100))]


def tool(name):
    return Path(os.environ.get("RF_BUILD", CHECKOUT / "build")) / "bench" / f"bench-{name}"


def gap(instance, hosts, command, target=None):
    """Runs bench-udpgap between two (netns, address); the gaps of both ways in ms."""
    (netns_a, a), (netns_b, b) = hosts
    done = instance.run(tool("udpgap"), f"/run/netns/{netns_a}", a, f"/run/netns/{netns_b}",
                        target or b, LIMIT_MS, *command, timeout=60)
    return json.loads(done.stdout)


def gaps_of(got):
    """Both ways, ms."""
    return [got[way]["gap"] / 1000 for way in ("ab", "ba")]


class Ring(Network):
    """rftest2 with h1 at one end of the link A-D and h4 at the other."""

    def __init__(self, number, **options):
        super().__init__("o", number, load(CHECKOUT / "config" / "rftest2.json"), options)
        self.topology = self.lab.topology
        self.link = self.topology.link("A-D")
        self.ends = [(self.lab.network.host_netns(h), str(h.address.ip))
                     for h in (self.topology.hosts[0], self.topology.hosts[3])]

    def start(self):
        super().start()
        self.wait_settled()
        wait_for("the hosts to reach each other", self._reachable, 30)

    def status(self):
        return self.lab.daemons.show("status")

    def _settled(self):
        clients = self.status()["clients"]
        links = self.lab.daemons.show("links")
        states = [dp["state"] for dp in self.lab.daemons.show("datapaths")]
        installed = [link for link in links if link["virtual"] == "installed"]
        seen = (f"{len(installed)} links, {states}, {clients['routes']} routes, "
                f"{clients['alternates for lost links']} alternates")
        return (len(installed) == len(self.topology.links) and
                set(states) == {"in sync"} and self._routed() and
                clients["looking for alternates"] == "no"), seen

    def _reachable(self):
        """Ports must have been classed first: an edge is one that heard no LLDP."""
        (netns, _), (_, address) = self.ends
        done = self.lab.instance.run("ping", "-c1", "-W1", address, netns=netns, check=False)
        return done.returncode == 0, done.stdout.strip()

    def _routed(self):
        """Both ends route to each other over the link itself."""
        for port in (self.link.a, self.link.b):
            other = next(p.host for p in port.peer.node.ports if p.host)
            out = self.lab.containers.run(port.node, "ip", "route", "show",
                                          str(other.address.network)).stdout
            if f"via {port.peer.address.ip}" not in out or "linkdown" in out:
                return False
        return True

    def wait_settled(self, timeout=120):
        wait_for("the network to settle", self._settled, timeout, 0.2)

    def cut(self, command, target=None):
        return gap(self.lab.instance, self.ends, command, target)

    @contextmanager
    def nobody_behind(self):
        """The switches are left to themselves: rfproxy is there, but says nothing."""
        pid = self.lab.daemons.pid("rfproxy")
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def link_down(self):
        return ["ip", "-n", self.lab.instance.netns, "link", "set", self.link.a.name, "down"]

    def restore(self):
        self.lab.network.set_link(self.link, True)
        self.wait_settled()

    def port_down_ms(self, got):
        """Wall clock, ms, when rfproxy heard of the lost port first; of a log, whose times
        are cut to whole ms: on average it was half of one later."""
        text = (self.lab.instance.dir / "log" / "rfproxy.log").read_text(encoding="utf-8")
        times = [log_ms(line) for line in text.splitlines()
                 if "is down" in line and " port " in line]
        return min(t for t in times if t >= got["cut"] / 1000 - 1) + 0.5

    # ---- more prefixes behind the link ----

    def add_prefixes(self, n):
        """n prefixes behind h4, in the kernel of every container; the address to ping."""
        d = self.link.b.node
        host = next(p.host for p in d.ports if p.host)
        for node in self.topology.nodes:
            if node is d:
                via = f"via {host.address.ip}"
            else:
                port = next(p for p in node.ports if p.peer and p.peer.node is d)
                via = f"via {port.peer.address.ip}"
            lines = "".join(f"route replace {prefix(i)} {via}\n" for i in range(n))
            self.lab.containers.run(node, "sh", "-c", "cat >/run/routes", stdin=lines)
            self.lab.containers.run(node, "ip", "-batch", "/run/routes", timeout=120)
        address = add_target(self.lab.network.host_netns(host), n)
        wait_for("the routes in rfserver",
                 lambda: self.status()["clients"]["routes"] >= 4 * n, 60, 0.2)
        self.wait_settled()
        return address


def prefix(i):
    return f"{60 + (i >> 16)}.{i >> 8 & 255}.{i & 255}.0/24"


def add_target(netns, n):
    """An address in the last of n prefixes, at the host there."""
    address = prefix(n - 1).replace(".0/24", ".1")
    run(["ip", "-n", netns, "addr", "add", f"{address}/32", "dev", "eth0"])
    return address


def log_ms(line):
    """The wall clock of a line of a log, ms since 1970."""
    stamp = datetime.datetime.fromisoformat(line.split()[0].replace("Z", "+00:00"))
    return stamp.timestamp() * 1000


def plain_gaps(rounds, rounds_many):
    """The suite alone on veth links: ([ms], the near end and the far end of each cut;
    the same to one of MANY prefixes behind the far end, which OSPF has as external)."""
    topology = load(CHECKOUT / "config" / "rftest2.json")
    link = topology.link("A-D")
    few, many = [], []
    with PlainNetwork(f"/run/rfp{os.getpid() % 100000}r", topology) as plain:
        plain.wait_converged()
        near, far = topology.hosts[0], topology.hosts[3]
        ends = [(plain.netns(h), str(h.address.ip)) for h in (near, far)]

        def cut(target=None):
            got = gap(plain.instance, ends, ["ip", "-n", plain.netns(link.a.node), "link",
                                             "set", link.a.vm_interface, "down"], target)
            plain.set_link(link, True)
            plain.wait_converged()
            return gaps_of(got)

        for _ in range(rounds):
            few += cut()
        if not rounds_many:
            return few, many
        plain.add_external(link.b.node, map(prefix, range(MANY)), far.address.ip)
        target = add_target(plain.netns(far), MANY)
        for _ in range(rounds_many):
            plain.wait_external(link, MANY)
            many.append(cut(target)[0])
    return few, many


def port_down(results, quick):
    rounds = 1 if quick else 10
    plain, plain_many = plain_gaps(rounds, 0 if quick else rounds // 2)
    with Ring("d") as ring:
        for n in (MANY,) if quick else (0, MANY, 100 * MANY):
            target = ring.add_prefixes(n) if n else None
            gaps, after, switch = [], [], []
            # With many, the alternates are complete again only after some ten seconds.
            for _ in range(min(rounds, 3) if n > MANY else rounds):
                if not quick:
                    with ring.nobody_behind():
                        switch += gaps_of(ring.cut(ring.link_down(), target))
                    ring.restore()
                got = ring.cut(ring.link_down(), target)
                gaps += gaps_of(got)
                heard = ring.port_down_ms(got)
                after += [(got["cut"] + got[way]["first"] + got[way]["gap"]) / 1000 - heard
                          for way in ("ab", "ba")]
                ring.restore()
            case = f"port down, {n or 1} prefix" + ("es" if n else "")
            results.add("failover", case, "gap", "ms", gaps,
                        limit=statistics.median(plain) + BESIDE_PLAIN)
            results.note("failover", case, "gap p95", "ms", percentile(gaps, 95), P95_LIMIT)
            results.add("failover", case, "after port-status", "ms", after,
                        limit=REPAIR_LIMIT)
            if switch:
                results.add("failover", case, "gap / the switch alone", "ms", gaps, switch,
                            BESIDE_SWITCH)
    results.add("failover", "the suite alone", "gap", "ms", plain)
    if plain_many:
        results.add("failover", f"the suite alone, {MANY} prefixes", "gap", "ms", plain_many)


def silent(results, quick):
    rounds = 1 if quick else 6
    with Ring("s", rfproxy={"fast-links": "on"}) as ring:
        path = ring.lab.instance.dir / "cut.nft"
        path.write_text(SILENT_CUT.format(ring.link.a.name, ring.link.b.name),
                        encoding="ascii")
        inside = ring.lab.instance.inside
        netns = ring.lab.instance.netns
        gaps = []
        for _ in range(rounds):
            gaps += gaps_of(ring.cut(inside(netns, "nft", "-f", path)))
            ring.lab.instance.run("nft", "delete", "table", "netdev", "cut", netns=netns)
            ring.wait_settled()
        results.add("failover", "silent cut, fast links", "gap", "ms", gaps,
                    judged=percentile(gaps, 95), limit=SILENT_LIMIT)


def failover(results, quick):
    port_down(results, quick)
    silent(results, quick)
