"""Routes given to zebra, as a routing daemon does: bulk, single-zebra."""

import json
import subprocess

from rflab.system import LabError, wait_for

from .bed import Bed
from .kernel import words
from .latency import SINGLE_GAP_US, add_rows, in_turns

PAIRS = {10_000: 3, 100_000: 3, 1_000_000: 1}


class Injection:
    """bench-zebra bulk, which keeps the routes in zebra until end()."""

    def __init__(self, bed, socket, n, hops):
        self.process = subprocess.Popen(
            [bed.tools / "bench-zebra", "bulk", bed.vm_netns, socket, str(n), str(hops),
             bed.lab_netns, bed.bridge], text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=bed.lab.instance.environment())
        self.result = self._read()

    def _read(self):
        line = self.process.stdout.readline()
        if not line:
            raise LabError(self.process.stderr.read().strip())
        return json.loads(line)

    def end(self):
        """Withdraws the routes."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        result = self._read()
        self.process.communicate()
        return result


def bulk(results, quick):
    for n in [10_000] if quick else list(PAIRS):
        with Bed() as bed:
            zebras = Zebras(bed)
            if n < 1_000_000:
                zebras.pair(n, 1)  # Memory, as in bulk-kernel.
            for hops in (1, 64):
                bulk_case(zebras, results, n, hops, 2 if quick else PAIRS[n])


class Zebras:
    """That of the container, and another one that nobody listens to."""

    def __init__(self, bed):
        self.bed = bed
        self.socket = bed.start_zebra()
        self.netns_alone, self.socket_alone = bed.start_zebra_alone()
        wait_for("the other zebra", self.socket_alone.exists, 10)

    def pair(self, n, hops, check=None):
        """(last barrier, last "installed", last "installed" of the other), microseconds"""
        self.bed.settle()
        alone = json.loads(self.bed.tool("zebra", "alone", self.netns_alone,
                                         self.socket_alone, n, hops))["zebra"]
        wait_for("the other kernel's table to be empty",
                 lambda: routes_in(self.bed, self.netns_alone) < 10, 120)
        self.bed.settle()
        injection = Injection(self.bed, self.socket, n, hops)
        if check:
            check(self.bed.audit())
        injection.end()
        return injection.result["total"], injection.result["zebra"], alone


def bulk_case(zebras, results, n, hops, pairs):
    case = f"{words(n)}, {hops} next hop" + ("s" if hops > 1 else "")

    def check(found):
        results.check("bulk", case, found)
    total, installed, alone = zip(*(zebras.pair(n, hops, None if i else check)
                                    for i in range(pairs)))
    results.add("bulk", case, "barrier / installed", "us", total, installed, 1.03)
    results.add("bulk", case, "barrier / zebra alone", "us", total, alone,
                1.7 if n > 10_000 else None)


def routes_in(bed, netns):
    return len(bed.lab.instance.run("nsenter", f"--net={netns}", "--", "ip", "route", "show",
                                    "proto", "bgp").stdout.splitlines())


def single(results, quick):
    with Bed() as bed:
        socket = bed.start_zebra()
        netns, bare_socket = bed.start_zebra_alone()
        wait_for("the other zebra", bare_socket.exists, 10)
        got, bare = in_turns(
            100 if quick else 1000,
            lambda n: json.loads(bed.tool("zebra", "single", bed.vm_netns, socket, n,
                                          SINGLE_GAP_US, bed.lab_netns, bed.bridge)),
            lambda n: bed.chain(netns, n, SINGLE_GAP_US, bare_socket))
        add_rows(results, "single-zebra", "route from zebra, idle", got, 1.6, None, bare)
        results.check("single-zebra", "idle", bed.audit())
