"""Walks packets through the real flow tables, from switch to switch.

`ofproto/trace` says what the tables of one switch do with a packet; where it leaves, the
topology tells which switch gets it next.  So every pair of hosts can be proven in
milliseconds, without sending anything.
"""

import json
import re
import socket
from dataclasses import dataclass, field

from . import oracle
from .system import LabError

MAX_HOPS = 64
STEP = re.compile(r"^\s+(?:set_field:(\S+)->eth_(src|dst)|(dec_ttl)"
                  r"|output:(\S+)|(CONTROLLER)\S*|(drop))\s*$", re.MULTILINE)


class UnixCtl:
    """The control socket of ovs-vswitchd, as ovs-appctl uses it (JSON-RPC)."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        try:
            self.socket.connect(str(path))
        except OSError as error:
            raise LabError(f"{path}: {error.strerror}")
        self.decoder = json.JSONDecoder()

    def close(self):
        self.socket.close()

    def call(self, method, *params):
        self.socket.sendall(json.dumps(
            {"id": 0, "method": method, "params": params}).encode())
        text = ""
        while True:
            part = self.socket.recv(1 << 20)
            if not part:
                raise LabError("ovs-vswitchd closed its control socket")
            text += part.decode()
            try:
                reply, _ = self.decoder.raw_decode(text)
                break
            except ValueError:
                continue
        if reply.get("error"):
            raise LabError(f"{method} {params}: {reply['error']}")
        return reply["result"]


@dataclass
class Step:
    """What one switch does with a packet."""

    output: str = None
    eth_src: str = None
    eth_dst: str = None
    ttl_decrements: int = 0
    punted: bool = False


def parse(text):
    step = Step()
    for address, which, dec_ttl, output, controller, _ in STEP.findall(
            text.partition("\nFinal flow")[0]
            if "recirc" not in text else text):
        if which:
            setattr(step, f"eth_{which}", address)
        elif dec_ttl:
            step.ttl_decrements += 1
        elif output and step.output:
            raise LabError(f"a packet leaves twice, by {step.output} and {output}")
        elif output:
            step.output = output
        elif controller:
            step.punted = True
    return step


@dataclass
class Walk:
    """Where a packet went."""

    ports: list = field(default_factory=list)  # Entered, one a router.
    arrived: bool = False
    why: str = ""  # It did not arrive.


class Walker:
    """Up to this many hosts, every pair is traced at every switch.  In larger networks
    what enters a switch by one port for one host is traced once, whatever its source:
    our tables do not look at that."""

    EVERY_SOURCE = 20

    def __init__(self, lab, wanted):
        self.topology = lab.topology
        self.wanted = wanted  # Routes, for what legacy routers do.
        self.ctl = UnixCtl(lab.ovs.dir / "ovs-vswitchd.ctl")
        self.steps = None if len(self.topology.hosts) <= self.EVERY_SOURCE else {}

    def close(self):
        self.ctl.close()

    def walk(self, source, target, family, entropy=1):
        """The way of a UDP packet from one host to another."""
        walk = Walk()
        port, ttl, eth_src = source.port, 64, "02:00:00:00:00:01"
        while True:
            walk.ports.append(port)
            if port.node.legacy and len(walk.ports) <= MAX_HOPS:
                port, eth_src = self._legacy(port.node, target, family, entropy)
                ttl -= 1
                if port is None:
                    walk.why = f"{walk.ports[-1].node.title} has no route"
                    return walk
                continue
            if len(walk.ports) > MAX_HOPS:
                walk.why = "loops: " + " ".join(p.node.name for p in walk.ports[-8:])
                return walk
            step, out = self._through(source, target, family, port, eth_src, ttl, entropy)
            if step.output is None:
                walk.why = (f"{port.node.title} "
                            f"{'punts' if step.punted else 'drops'} it")
                return walk
            if step.ttl_decrements != 1 or out is None or step.eth_src != out.mac:
                walk.why = f"{port.node.title} sends it as {step}"
                return walk
            if out is target.port:
                walk.arrived = True
                return walk
            there = next((p for p in out.neighbours if p.mac == step.eth_dst), None)
            if there is None:
                walk.why = (f"{port.node.title} sends it by port {out.number} to "
                            f"{step.eth_dst}")
                return walk
            port, ttl, eth_src = there, ttl - 1, step.eth_src

    def _legacy(self, node, target, family, entropy):
        """(the port entered next, the MAC address it comes from): by its routes, which
        were compared with the kernel's."""
        network = (target.address if family == 4 else target.address6).network
        hops = sorted(self.wanted[node.name].get(network, ()))
        if not hops:
            return None, None
        hop = hops[entropy % len(hops)]
        return oracle.entered(node, hop), node.port(
            int(hop[1].removeprefix("eth"))).mac

    def _through(self, source, target, family, port, eth_src, ttl, entropy):
        """(what the router does with it, the port by which it leaves or None): over all
        of its switches, if it has more than one."""
        def trace(at, switch, src, dst, left):
            return parse(self.ctl.call("ofproto/trace", switch.name, self._packet(
                source, target, family, at, src, dst, left, entropy)))

        def through():
            step = trace(port, port.switch, eth_src, port.mac, ttl)
            switch, output, crossed = port.switch, step.output, 0
            while output and output.isdigit():
                inside = switch.inside_port(int(output))
                if inside is None:
                    out = port.node.port(int(output))
                    return step, out if out.switch is switch else None
                switch, crossed = inside.peer.switch, crossed + 1
                onward = trace(inside.peer, switch, step.eth_src, step.eth_dst,
                               ttl - step.ttl_decrements)
                output = onward.output
                if crossed > MAX_HOPS or onward != Step(output=output):
                    return onward, None
            return step, None

        key = (port, target, family)
        if self.steps is None:
            return through()
        if key not in self.steps:
            self.steps[key] = through()
        return self.steps[key]

    @staticmethod
    def _packet(source, target, family, port, eth_src, eth_dst, ttl, entropy):
        if family == 4:
            addresses = f"udp,nw_src={source.address.ip},nw_dst={target.address.ip}"
        else:
            addresses = (f"udp6,ipv6_src={source.address6.ip},"
                         f"ipv6_dst={target.address6.ip}")
        return (f"in_port={port.number},dl_src={eth_src},dl_dst={eth_dst},{addresses},"
                f"nw_ttl={ttl},udp_src={1024 + entropy % 60000},udp_dst=4789,"
                f"dp_hash={entropy}")
