"""Files of the routing suite for each protocol but OSPFv2, which is in suite.py.

Each function gives the text of one daemon's file for one node.  Timers are short, as the
lab's links are, and updates go out at once.  Only FRR reads these (8.4 was tried).
"""

from . import oracle

FIRST_AS = 4_200_000_000  # Private (RFC 6996).
IBGP_AS = 65000


def text(node, daemon, lines):
    return "\n".join([f"hostname {node.vm}", f"log file /var/log/routing/{daemon}.log", "!",
                      *lines]) + "\n"


def router_id(node):
    return node.loopbacks[0] if node.loopbacks else node.ports[0].address.ip


def ospf6d(topology, node):
    routing, lines = topology.routing, []
    for port in node.ports:
        if not port.neighbours and routing["protocol"] == "ibgp":
            continue
        lines += [f"interface {port.vm_interface}", " ipv6 ospf6 area 0.0.0.0",
                  f" ipv6 ospf6 cost {port.cost}"]
        lines += [" ipv6 ospf6 network point-to-point"] if port.peer else []
        lines += [f" ipv6 ospf6 hello-interval {routing['hello']}",
                  f" ipv6 ospf6 dead-interval {routing['dead']}",
                  " ipv6 ospf6 retransmit-interval 1"] if port.neighbours \
            else [" ipv6 ospf6 passive"]
        lines.append("!")
    if node.loopbacks:
        lines += ["interface lo", " ipv6 ospf6 area 0.0.0.0", "!"]
    return text(node, "ospf6d", lines + [
        "router ospf6", f" ospf6 router-id {router_id(node)}",
        " timers throttle spf 0 1 500", " timers lsa min-arrival 0", "!"])


def isisd(topology, node):
    number = f"{node.number:012d}"
    # isisd leaves out interfaces that its longest LSP does not fit into.
    narrowest = min(port.mtu for port in topology.ports()) if topology.links else 1500
    lines = ["router isis lab", " lsp-gen-interval 1",
             *([f" lsp-mtu {narrowest - 3}"] if narrowest < 1500 else []),
             f" net 49.0001.{number[:4]}.{number[4:8]}.{number[8:]}.00",
             " is-type level-2-only", " metric-style wide",
             " spf-delay-ietf init-delay 20 short-delay 100 long-delay 500 holddown 1000 "
             "time-to-learn 500", "!"]
    for port in node.ports:
        lines += [f"interface {port.vm_interface}", " ip router isis lab"]
        lines += [" ipv6 router isis lab"] if topology.ipv6 else []
        lines += [" isis network point-to-point"] if port.peer else []
        lines += [f" isis hello-interval {topology.routing['hello']}",
                  " isis hello-multiplier 4", " isis circuit-type level-2-only"] \
            if port.neighbours else [" isis passive"]
        lines += [f" isis metric {port.cost}", "!"]
    return text(node, "isisd", lines)


def ripd(topology, node, name="rip"):
    lines = [f"router {name}"] + ([" version 2"] if name == "rip" else [])
    lines += [" allow-ecmp", " timers basic 5 15 10"]
    for port in node.ports:
        lines.append(f" network {port.vm_interface}")
        if not port.neighbours:
            lines.append(f" passive-interface {port.vm_interface}")
    return text(node, f"{name}d", lines + ["!"])


def ripngd(topology, node):
    return ripd(topology, node, "ripng")


def bgpd(topology, node):
    """External BGP on every link: each node is an autonomous system of its own."""
    neighbours, families = [], {"ipv4": [], "ipv6": []}
    for port in node.ports:
        for peer in port.neighbours:
            remote = FIRST_AS + peer.node.number
            for address in peer.addresses:
                neighbours += _neighbour(topology, address.ip, remote)
                families[f"ipv{address.version}"] += [f"neighbor {address.ip} activate"]
        for address in port.addresses:
            families[f"ipv{address.version}"] += [f"network {address.network}"]
    return text(node, "bgpd", _bgp(node, FIRST_AS + node.number, neighbours, families))


def ibgpd(topology, node):
    """Internal BGP between all loopbacks; OSPF knows the way to these."""
    neighbours, families = [], {"ipv4": [], "ipv6": []}
    for peer in topology.nodes:
        for own, address in zip(node.loopbacks, peer.loopbacks):
            if peer is not node:
                neighbours += _neighbour(topology, address, IBGP_AS)
                neighbours.append(f" neighbor {address} update-source {own}")
                families[f"ipv{address.version}"] += [f"neighbor {address} activate",
                                                      f"neighbor {address} next-hop-self"]
    for port in node.ports:
        if port.host:
            for address in port.addresses:
                families[f"ipv{address.version}"] += [f"network {address.network}"]
    return text(node, "bgpd", _bgp(node, IBGP_AS, neighbours, families))


def _neighbour(topology, address, remote_as):
    hello, dead = topology.routing["hello"], topology.routing["dead"]
    return [f" neighbor {address} remote-as {remote_as}",
            f" neighbor {address} timers {hello} {dead}",
            f" neighbor {address} timers connect 1",
            f" neighbor {address} advertisement-interval 0"]


def _bgp(node, own_as, neighbours, families):
    lines = [f"router bgp {own_as}", f" bgp router-id {router_id(node)}",
             " no bgp default ipv4-unicast", " no bgp ebgp-requires-policy",
             " bgp bestpath as-path multipath-relax", *neighbours]
    for family, words in families.items():
        if words:
            lines += [f" address-family {family} unicast",
                      *(f"  {word}" for word in words),
                      "  maximum-paths 64", "  maximum-paths ibgp 64",
                      " exit-address-family"]
    return lines + ["!"]


def staticd(topology, node):
    """The routes that the oracle would expect of OSPF."""
    lines = []
    for family in (4, 6) if topology.ipv6 else (4,):
        word = "ip" if family == 4 else "ipv6"
        for network, hops in oracle.routes(topology, family=family)[node.name].items():
            lines += [f"{word} route {network} {gateway} {interface}"
                      for gateway, interface in sorted(hops)]
    return text(node, "staticd", lines)
