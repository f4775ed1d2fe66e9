"""The closed plane and pass-through, the original RouteFlow's way, on the same network:
planes.

What OSPF costs until all kernels have all routes, when nothing happens, and when a link
fails: seconds, frames on the real links (captured on each of them), frames that a switch
sends to rfproxy and rfproxy to a switch.  LLDP, which is the same in both, is left out.
"""

import time

from rflab import pcap, plan, shapes
from rflab.labcheck import Checker
from rflab.topology import parse
from rflab.verify import find_key

from .network import Network

MODES = {"closed": "closed", "pass-through": "passthrough"}
COUNTERS = {"frames on links": "frames", "packet-ins": "punted frames",
            "packet-outs": "relayed out"}


class Ring(Network):
    """A ring of which rfserver was told which plane it has."""

    def __init__(self, size, mode, number):
        graph = shapes.parse(f"ring:{size}")
        super().__init__("q", number, parse(plan.document(graph, light=True)),
                         {"rfserver": {"plane": mode}})

    def start(self):
        *phases, containers = [function for _, function in self.lab.phases()]
        for function in phases:
            function()
        begun = time.monotonic()
        containers()
        self.converged = self.wait(begun)

    def wait(self, begun):
        """Seconds until all kernels have all routes; then the switches, too."""
        checker = Checker(self.lab)
        checker.wait_converged(120)
        seconds = time.monotonic() - begun
        checker.wait_installed(60)
        checker.wait_reached(60)
        return seconds

    def counters(self):
        """{name: count so far} of what COUNTERS names."""
        networks, frames = self.lab.topology.host_networks(), 0
        for link in self.lab.topology.links:
            seen = pcap.count(self.lab.network.capture_file(link).read_bytes(), networks)
            frames += sum(n for what, n in seen.items() if what not in ("LLDP", "host data"))
        status = self.lab.daemons.show("status")
        return {name: frames if key == "frames" else find_key(status, key) or 0
                for name, key in COUNTERS.items()}

    def fail_link(self):
        """Seconds until the kernels have what is left."""
        link = self.lab.topology.links[-1]
        begun = self.lab.network.set_link(link, False)
        self.lab.save(down=[link.name])
        return self.wait(begun)


def grown(after, before):
    return {name: after[name] - before[name] for name in after}


def measure(size, mode, number, idle_s):
    """{(case, metric): value}"""
    found = {}
    with Ring(size, mode, number) as network:
        start = network.counters()
        time.sleep(idle_s)
        idle = network.counters()
        found["start", "routed"] = network.converged
        found["a link down", "routed"] = network.fail_link()
        down = network.counters()
    for name in COUNTERS:
        found["start", name] = start[name]
        found["idle, 1 min", name] = grown(idle, start)[name] * 60 / idle_s
        found["a link down", name] = grown(down, idle)[name]
    return found


def planes(results, quick):
    size, rounds, idle_s = (4, 1, 2) if quick else (8, 3, 10)
    for mode, option in MODES.items():
        runs = [measure(size, option, number, idle_s) for number in range(rounds)]
        for case, metric in sorted(runs[0], key=lambda key: (key[1] != "routed", key)):
            results.add("planes", f"{mode}, {case}", metric,
                        "s" if metric == "routed" else "", [run[case, metric] for run in runs],
                        limit=0 if mode == "closed" and metric == "frames on links" else None)
