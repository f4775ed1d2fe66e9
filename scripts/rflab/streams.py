"""Steady traffic between all hosts, to see to the millisecond when it was interrupted."""

import json
import subprocess
from pathlib import Path

from .system import LabError

# A flow of which nothing arrived for so long at its end is dead, in seconds.
DEAD = 0.25
AGENT = Path(__file__).resolve().with_name("stream_agent.py")


class Streams:
    """UDP packets between all pairs: `with Streams(probes) as s: ...; s.stop()`.

    At 2 ms between 12 pairs a userspace switch is busy for half a core.  Who asks only
    whether anything is lost takes a longer interval, or a loaded machine loses packets in
    the buffers of a switch that does not get its turn.
    """

    INTERVAL_MS = 2
    FLOWS = 2

    def __init__(self, probes, interval_ms=None):
        self.probes = probes
        self.interval_ms = interval_ms or self.INTERVAL_MS
        self.agents = {}

    def __enter__(self):
        hosts = self.probes.topology.hosts
        for host in hosts:
            self.agents[host.name] = self.probes.start(
                host, "/usr/bin/python3", "-I", "-B", AGENT, host.address.ip,
                self.interval_ms, self.FLOWS,
                *(other.address.ip for other in hosts if other is not host),
                stdin=subprocess.PIPE)
        # Nobody sends before everybody listens.
        for name, agent in self.agents.items():
            if not agent.stdout.readline():
                raise LabError(f"{name}: {agent.stderr.read().strip()}")
        for agent in self.agents.values():
            agent.stdin.write("go\n")
            agent.stdin.flush()
        return self

    def __exit__(self, *_):
        for agent in self.agents.values():
            agent.kill()
            agent.wait()
            for pipe in (agent.stdin, agent.stdout, agent.stderr):
                pipe.close()

    def stop(self):
        """{(source, target): [flow, ...]}; a flow is [(sent, arrived or None), ...]."""
        for agent in self.agents.values():
            agent.stdin.close()
        said = {}
        for name, agent in self.agents.items():
            text = agent.stdout.read()
            if not text:
                raise LabError(f"{name} sends nothing: {agent.stderr.read().strip()}")
            said[name] = json.loads(text)
        result = {}
        for source, target in self.probes.topology.pairs():
            flows = []
            for number in range(self.FLOWS):
                sent = said[source.name]["sent"][f"{target.address.ip} {number}"]
                seen = said[target.name]["seen"].get(f"{source.address.ip} {number}", [])
                arrived = dict(seen)
                flows.append([(when, arrived.get(i)) for i, when in enumerate(sent)])
            result[source.name, target.name] = flows
        return result


def lost(flows, since=0.0):
    """How many packets of a pair's flows were sent at or after `since` and lost."""
    return sum(arrived is None and sent >= since for flow in flows
               for sent, arrived in flow)


def outage(flows, cut):
    """(restored, gap) in milliseconds, after something was cut off at `cut`.

    `restored` is from `cut` to the first arrival after the last interruption, `gap` the
    longest time between sending a lost packet and the next arrival; each of the slowest
    flow of a pair.  (0, 0) when none was lost, None when a flow does not arrive any more.

    An interruption begins near the cut or takes three packets at least: what a busy
    machine loses one by one, seconds later, is lost() but no part of the outage.
    """
    restored = gap = 0.0
    for flow in flows:
        # One that was under way at the cut was sent a moment earlier.
        after = [(sent, arrived) for sent, arrived in flow if sent >= cut - 0.02]
        if not any(arrived for sent, arrived in after if sent > after[-1][0] - DEAD):
            return None
        for first, count, end in _losses(after):
            gap = max(gap, (end - first) * 1000)
            if count >= 3 or first < cut + 0.1:
                restored = max(restored, (end - cut) * 1000)
    return restored, gap


def _losses(flow):
    """(when the first was sent, how many, next arrival) of each row of lost packets."""
    first, count = None, 0
    for sent, arrived in flow:
        if arrived is None:
            first, count = (first if count else sent), count + 1
        elif count:
            yield first, count, arrived
            count = 0
