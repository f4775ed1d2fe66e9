"""What the network shall be: nodes (a switch with its container), links, hosts.

A topology file is JSON:

    name, about     words
    mapping         the mapping file beside it (vm_id,vm_port,ct_id,dp_id,dp_port);
                    without it the mapping follows from the ports, eth N = port N
    routing         {"protocol": "ospf", "hello": 1, "dead": 4} or null (addresses only)
    ipv6            true: both families; then hosts have address6 and gateway6, links
                    subnet6 and addresses6
    light           true: network namespaces in the place of containers
    nodes           name, number (host part of its link addresses), dpid, vm, vm_id;
                    optional label (words), loopback, loopback6, and switches: [{name,
                    dpid}] if more than one are this one router; hosts and links may
                    then name the switch at which they are
    inside          links between the switches of one node: [switch, switch]
    hosts           name, node, address (with /plen), gateway (the container's address)
    links           ends [node, node], subnet, optional cost (10), mtu (1500) and
                    addresses [a, b]
    segments        what plain switches join: name, bridge (linux or ovs), ends [node, ...],
                    subnet, addresses [...], optional costs [...], subnet6, addresses6

A node with "legacy": true is a router that is no OpenFlow switch; it has no dpid.

Ports are numbered in document order from 1, a node's hosts before its links, so that
port N of a switch, ethN of its container and port N in the mapping are one and the same;
the ports of inside links, which no container has, from 101.
"""

import ipaddress
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from .system import LabError

RFVS_DPID = 0x7266767300000000
RFVS_BRIDGE = "dp0"
DEFAULT_COST = 10
DEFAULT_MTU = 1500
MAX_TOLD = 30
# What becomes part of paths, interfaces, and commands of ip.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.]*")


@dataclass(eq=False)  # One is equal to itself only.
class Switch:
    """Usually the only one of its node, and then of the same name."""

    name: str
    dpid: int
    inside_ports: list = field(default_factory=list, repr=False)

    def inside_port(self, number):
        return next((p for p in self.inside_ports if p.number == number), None)

    def towards(self, other):
        """The inside port on the shortest way to another switch of the node; of several
        the lowest."""
        seen = {self}
        queue = [(port, port) for port in self.inside_ports]
        for first, here in queue:
            there = here.peer.switch
            if there is other:
                return first
            if there not in seen:
                seen.add(there)
                queue += [(first, port) for port in there.inside_ports]
        return None


@dataclass(eq=False)  # One is equal to itself only.
class InsidePort:
    """An end of an inside link."""

    switch: Switch
    number: int
    peer: "InsidePort" = field(default=None, repr=False)

    @property
    def name(self):
        return f"{self.switch.name}.{self.number}"

    @property
    def mac(self):
        """For the file only: nothing is ever sent from it."""
        return (0x0215 << 32 | (self.switch.dpid & 0xFFFFFF) << 8 |
                self.number & 0xFF).to_bytes(6).hex(":")


@dataclass(eq=False)  # One is equal to itself only.
class Port:
    """One port of a switch and, under the same number, one interface of its container."""

    node: "Node" = field(repr=False)
    switch: Switch
    number: int
    address: ipaddress.IPv4Interface  # The container's.
    mac: str
    cost: int = DEFAULT_COST
    peer: "Port" = field(default=None, repr=False)  # The other end of an inter-switch link.
    host: "Host" = field(default=None, repr=False)
    address6: ipaddress.IPv6Interface = None
    mtu: int = DEFAULT_MTU
    segment: "Segment" = field(default=None, repr=False)

    @property
    def neighbours(self):
        """The ports of routers that it meets."""
        return [self.peer] if self.peer else [
            port for port in (self.segment.ports if self.segment else ())
            if port is not self]

    @property
    def is_external(self):
        """By the mapping file: others than switches are on its segment, too."""
        return self.segment is not None and self.segment.is_mixed

    @property
    def addresses(self):
        return [address for address in (self.address, self.address6) if address]

    @property
    def link_local(self):
        """What the kernel makes of the MAC address (RFC 4291, appendix A)."""
        mac = bytes.fromhex(self.mac.replace(":", ""))
        return ipaddress.IPv6Address(bytes.fromhex("fe80000000000000") + bytes(
            [mac[0] ^ 2, mac[1], mac[2], 0xFF, 0xFE, *mac[3:]]))

    @property
    def name(self):
        """The switch's interface, in the namespace of the lab."""
        return f"{(self.switch or self.node).name}.{self.number}"

    @property
    def vm_interface(self):
        return f"eth{self.number}"

    @property
    def rfvs_interface(self):
        return f"{self.node.vm}.{self.number}"


@dataclass(eq=False)  # One is equal to itself only.
class Node:
    name: str
    number: int
    dpid: int
    vm: str
    vm_id: str  # 12 hex digits
    ports: list = field(default_factory=list)
    index: int = 0  # Among the lab's containers: its management address.
    rfvs_base: int = 0  # Port N of this node is port rfvs_base + N of RFVS.
    label: str = ""
    loopbacks: list = field(default_factory=list)  # Addresses; at most one a family.
    switches: list = field(default_factory=list)
    legacy: bool = False  # A router of its own kind: no switch, no container.

    @property
    def title(self):
        """For people: "n3 (Chicago)"."""
        return f"{self.name} ({self.label})" if self.label else self.name

    def port(self, number):
        return self.ports[number - 1]

    @property
    def widest(self):
        """The largest MTU of its ports."""
        return max((port.mtu for port in self.ports), default=DEFAULT_MTU)


@dataclass(eq=False)  # One is equal to itself only.
class Host:
    name: str
    port: Port
    address: ipaddress.IPv4Interface
    gateway: ipaddress.IPv4Address
    address6: ipaddress.IPv6Interface = None
    gateway6: ipaddress.IPv6Address = None

    @property
    def addresses(self):
        return [address for address in (self.address, self.address6) if address]


@dataclass(eq=False)  # One is equal to itself only.
class Link:
    a: Port
    b: Port
    serial: int = 1  # Of parallel links: the second is 2.

    @property
    def name(self):
        return self._between(self.a.node.name, self.b.node.name)

    def _between(self, a, b):
        return f"{a}-{b}" + (f".{self.serial}" if self.serial > 1 else "")

    @property
    def names(self):
        """Whichever way round it is written; by the labels last."""
        a, b = self.a.node, self.b.node
        return [self.name, self._between(b.name, a.name),
                self._between(a.label, b.label), self._between(b.label, a.label)]

    @property
    def is_legacy(self):
        """Not between two switches."""
        return self.a.node.legacy or self.b.node.legacy

    @property
    def cable(self):
        """The interface to be pulled, in the namespace of the lab."""
        if self.a.node.legacy and self.b.node.legacy:
            raise LabError(f"link {self.name} is not the lab's: both ends are legacy routers")
        return (self.b if self.a.node.legacy else self.a).name


@dataclass(eq=False)  # One is equal to itself only.
class Segment:
    """A plain switch, and what it joins."""

    name: str
    bridge: str  # "linux" or "ovs"
    ports: list = field(default_factory=list)

    @property
    def is_mixed(self):
        return any(port.node.legacy for port in self.ports)

    def interface(self, port):
        """The bridge's end of a port's cable."""
        return f"{self.name}.{self.ports.index(port) + 1}"


@dataclass(eq=False)  # One is equal to itself only.
class Attachment:
    """A cable between a port and a segment; can be pulled as a link can."""

    a: Port

    @property
    def b(self):
        return self.a

    @property
    def name(self):
        return f"{self.a.node.name}-{self.a.segment.name}"

    @property
    def names(self):
        here, there = self.a.node, self.a.segment.name
        return [self.name, f"{there}-{here.name}", f"{here.label}-{there}",
                f"{there}-{here.label}"]

    @property
    def cable(self):
        return self.a.segment.interface(self.a) if self.a.node.legacy else self.a.name


@dataclass
class Topology:
    name: str
    about: str
    routing: dict
    nodes: list
    hosts: list
    links: list
    mapping: Path = None
    document: dict = None
    ipv6: bool = False
    light: bool = False
    inside: list = field(default_factory=list)  # (InsidePort, InsidePort)
    segments: list = field(default_factory=list)

    def vm_nodes(self):
        """Those with switch and container."""
        return [node for node in self.nodes if not node.legacy]

    def legacy_nodes(self):
        return [node for node in self.nodes if node.legacy]

    def ports(self):
        """Those of switches."""
        return [port for node in self.vm_nodes() for port in node.ports]

    def switch_links(self):
        """Those that the switches' controllers are to find."""
        return [link for link in self.links if not link.is_legacy]

    def attachments(self):
        return [Attachment(port) for segment in self.segments for port in segment.ports]

    def cables(self):
        return self.links + self.attachments()

    def switches(self):
        return [switch for node in self.nodes for switch in node.switches]

    def switch_ports(self):
        """Those of inside links, too."""
        return self.ports() + [end for ends in self.inside for end in ends]

    def node(self, name):
        return next(node for node in self.nodes if node.name == name)

    def nodes_by_word(self):
        """{name, container or label: node}; no label stands for another node's name."""
        return {word: node for words in ("label", "vm", "name") for node in self.nodes
                for word in [getattr(node, words)] if word}

    def link(self, name):
        """Finds "A-D", whichever way round it is written."""
        for number in range(4):
            for cable in self.cables():
                if name == cable.names[number]:
                    return cable
        names = [cable.name for cable in self.cables()]
        raise LabError(f"no link {name}; there are: " + " ".join(names[:MAX_TOLD]) + (
            f" and {len(names) - MAX_TOLD} more" if len(names) > MAX_TOLD else ""))

    def host_networks(self):
        return [address.network for host in self.hosts for address in host.addresses]

    def pairs(self):
        return [(a, b) for a in self.hosts for b in self.hosts if a is not b]

    def mapping_text(self):
        """The mapping file that joins ethN of each container to port N of its switch."""
        classes = any(p.is_external for p in self.ports())
        rows = [f"{p.node.vm_id},{p.number},0,{p.switch.dpid:x},{p.number}"
                + ("," + "external" * p.is_external if classes else "")
                for p in self.ports()]
        return "\n".join(["vm_id,vm_port,ct_id,dp_id,dp_port" + ",class" * classes]
                         + rows) + "\n"

    def inside_text(self):
        """The file of inter-switch links inside routers."""
        vm_ids = {switch: node.vm_id for node in self.nodes for switch in node.switches}
        rows = [f"{vm_ids[a.switch]},0,{a.switch.dpid:x},{a.number},{a.mac},"
                f"0,{b.switch.dpid:x},{b.number},{b.mac}" for a, b in self.inside]
        return "\n".join(["vm_id,ct_id,dp_id,dp_port,eth_addr,rem_ct,rem_id,rem_port,"
                          "rem_eth_addr"] + rows) + "\n"


def port_mac(vm_id, number):
    """02a0a0a0a0a0 has eth3 = 02:a3:a3:a3:a3:a3, as in the classic containers."""
    octets = bytes.fromhex(vm_id)
    if len(set(octets[1:])) == 1 and octets[1] & 0x0F == 0 and 0 < number < 16:
        octets = octets[:1] + bytes([octets[1] | number]) * 5
    else:
        octets = octets[:4] + ((octets[4] << 8 | octets[5]) + number & 0xFFFF).to_bytes(2)
    return octets.hex(":")


def parse(document):
    """The topology that a document describes; it need not come from a file."""
    topology = _build(document)
    topology.document = document
    return topology


def load(path, ipv6=False):
    """Reads a topology file; LabError names what is wrong with it.

    With ipv6, what has no IPv6 addresses gets some."""
    path = Path(path)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        topology = parse(document)
        if ipv6 and not topology.ipv6:
            topology = parse(_with_ipv6(document, topology))
    except OSError as error:
        raise LabError(f"{path}: {error.strerror}")
    except json.JSONDecodeError as error:
        raise LabError(f"{path}:{error.lineno}:{error.colno}: {error.msg}")
    except ValueError as error:
        raise LabError(f"{path}: {error}")
    except KeyError as error:
        raise LabError(f"{path}: {error} is missing; this is no topology of a lab")
    except (TypeError, AttributeError, IndexError, RecursionError) as error:
        raise LabError(f"{path}: this is no topology of a lab: {error}")
    if document.get("mapping"):
        topology.mapping = path.parent / document["mapping"]
    return topology


def _with_ipv6(document, topology):
    """172.31.2.100/24 is fd00:172:31:2::100/64 as well: read in decimal."""
    networks = {}

    def also(interface):
        octets = str(interface.ip).split(".")
        first = str(interface.network.network_address).split(".")
        prefix = "fd00:" + ":".join(first[:3])
        if networks.setdefault(prefix, interface.network) != interface.network:
            raise ValueError(f"{interface.network} and {networks[prefix]} would be one "
                             "IPv6 network: give addresses of your own")
        return f"{ipaddress.IPv6Address(f'{prefix}::{octets[3]}')}/64"

    hosts = [h | {"address6": also(host.address),
                  "gateway6": also(host.port.address).partition("/")[0]}
             for h, host in zip(document["hosts"], topology.hosts)]
    links = []
    for l, link in zip(document["links"], topology.links):
        ends = [also(port.address) for port in (link.a, link.b)]
        links.append(l | {"subnet6": str(ipaddress.IPv6Interface(ends[0]).network),
                          "addresses6": [end.partition("/")[0] for end in ends]})
    return document | {"ipv6": True, "hosts": hosts, "links": links}


def _build(document):
    nodes = [_node(n) for n in document["nodes"]]
    for kind in ("name", "vm", "vm_id"):
        if len({getattr(node, kind) for node in nodes}) != len(nodes):
            raise ValueError(f"two nodes have the same {kind}")
    switches = [switch for node in nodes for switch in node.switches]
    for name in [name for node in nodes for name in (node.name, node.vm)] + [
            part["name"] for part in (*document["hosts"], *document.get("segments", []))]:
        if not NAME.fullmatch(name):
            raise ValueError(f'the name "{name}" has more than letters, digits, . and _')
    for kind in ("name", "dpid"):
        if len({getattr(switch, kind) for switch in switches}) != len(switches):
            raise ValueError(f"two switches have the same {kind}")
    by_name = {switch.name: node for node in nodes for switch in node.switches}
    by_name.update({node.name: node for node in nodes if node.legacy})
    switch_of = {switch.name: switch for switch in switches}

    def add_port(node_name, address, cost=DEFAULT_COST):
        if node_name not in by_name:
            raise ValueError(f"there is no node {node_name}")
        node = by_name[node_name]
        number = len(node.ports) + 1
        port = Port(node, switch_of.get(node_name), number, address,
                    port_mac(node.vm_id, number), cost)
        if max(len(port.name), len(port.rfvs_interface)) > 15:
            raise ValueError(f"{port.rfvs_interface}: interface names have 15 characters")
        node.ports.append(port)
        return port

    hosts = []
    for h in document["hosts"]:
        host = _host(h)
        host.port = add_port(h["node"], ipaddress.IPv4Interface(
            (host.gateway, host.address.network.prefixlen)))
        host.port.host = host
        if host.address6:
            host.port.address6 = ipaddress.IPv6Interface(
                (host.gateway6, host.address6.network.prefixlen))
        hosts.append(host)
    links, parallel = [], {}
    for l in document["links"]:
        subnet = ipaddress.IPv4Network(l["subnet"])
        addresses = l.get("addresses") or [
            subnet.network_address + by_name[end].number for end in l["ends"]]
        a, b = (add_port(end, ipaddress.IPv4Interface((str(address), subnet.prefixlen)),
                         l.get("cost", DEFAULT_COST))
                for end, address in zip(l["ends"], addresses))
        if l.get("subnet6"):
            plen = ipaddress.IPv6Network(l["subnet6"]).prefixlen
            a.address6, b.address6 = (ipaddress.IPv6Interface((address, plen))
                                      for address in l["addresses6"])
        a.peer, b.peer = b, a
        a.mtu = b.mtu = int(l.get("mtu", DEFAULT_MTU))
        ends = frozenset(l["ends"])
        parallel[ends] = parallel.get(ends, 0) + 1
        links.append(Link(a, b, parallel[ends]))
    segments = _segments(document, add_port)
    base = 0
    for index, node in enumerate(nodes):
        node.index = index
        node.rfvs_base = base
        base += 0 if node.legacy else len(node.ports)
    return Topology(document["name"], document.get("about", ""), document.get("routing"),
                    nodes, hosts, links, ipv6=bool(document.get("ipv6")),
                    light=bool(document.get("light")),
                    inside=_inside(document, by_name, switch_of), segments=segments)


def _segments(document, add_port):
    segments = []
    for s in document.get("segments", []):
        segment = Segment(s["name"], s.get("bridge", "linux"))
        plen = ipaddress.IPv4Network(s["subnet"]).prefixlen
        costs = s.get("costs") or [DEFAULT_COST] * len(s["ends"])
        for number, end in enumerate(s["ends"]):
            port = add_port(end, ipaddress.IPv4Interface((s["addresses"][number], plen)),
                            costs[number])
            if s.get("subnet6"):
                port.address6 = ipaddress.IPv6Interface(
                    (s["addresses6"][number], ipaddress.IPv6Network(s["subnet6"]).prefixlen))
            port.segment = segment
            segment.ports.append(port)
        segments.append(segment)
    return segments


def _inside(document, by_name, switch_of):
    links = []
    for names in document.get("inside", []):
        a, b = (switch_of[name] for name in names)
        if by_name[a.name] is not by_name[b.name]:
            raise ValueError(f"{a.name} and {b.name} are not of one node: no inside link")
        ends = []
        for switch in (a, b):
            ends.append(InsidePort(switch, 101 + len(switch.inside_ports)))
            switch.inside_ports.append(ends[-1])
        ends[0].peer, ends[1].peer = ends[1], ends[0]
        links.append(tuple(ends))
    return links


def _node(n):
    loopbacks = [ipaddress.ip_address(n[key]) for key in ("loopback", "loopback6")
                 if n.get(key)]
    legacy = bool(n.get("legacy"))
    switches = [] if legacy else [Switch(s["name"], int(s["dpid"], 16))
                                  for s in n.get("switches", [n])]
    return Node(n["name"], int(n["number"]), 0 if legacy else switches[0].dpid, n["vm"],
                n["vm_id"], label=n.get("label", ""), loopbacks=loopbacks,
                switches=switches, legacy=legacy)


def _host(h):
    host = Host(h["name"], None, ipaddress.IPv4Interface(h["address"]),
                ipaddress.IPv4Address(h["gateway"]))
    if h.get("address6"):
        host.address6 = ipaddress.IPv6Interface(h["address6"])
        host.gateway6 = ipaddress.IPv6Address(h["gateway6"])
    return host
