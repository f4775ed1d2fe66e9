"""The routes that an ordinary network of this shape has, from the topology alone.

OSPF and IS-IS: least cost, all next hops of equal cost (RFC 2328 §16, one area; RFC 1195).
RIP and BGP: fewest hops, or shortest AS path, which is the same where each node is an
autonomous system.  Static routes are generated from these.

This is what the containers' kernels are compared with; it knows nothing of OpenFlow.
Pure: a topology in, dictionaries out.
"""

import heapq
import ipaddress

HOP_COUNT = ("rip", "bgp")


def routes(topology, down=(), family=4):
    """{node name: {network: {(gateway, interface), ...}}} without connected networks.

    `down` are links that carry nothing; their networks are unreachable.  A gateway is
    text; for IPv6 it is link-local, but in static routes.  These lose the hops over a
    link that is down, and find no other way.
    """
    protocol = (topology.routing or {}).get("protocol")
    dead = {port for link in down for port in (link.a, link.b)}
    if protocol == "static" and dead:
        return _without(routes(topology, (), family), dead)
    alive = {node.name: [port for port in node.ports if port not in dead]
             for node in topology.nodes}
    networks = [(node, network, cost) for node in topology.nodes
                for network, cost in _networks(node, alive, family, protocol)]
    return {node.name: _routes_of(node, alive, networks, family, protocol)
            for node in topology.nodes}


def _without(table, dead):
    gone = {(port.node.name, port.vm_interface) for port in dead}
    left = {name: {network: {hop for hop in hops if (name, hop[1]) not in gone}
                   for network, hops in routes_of.items()}
            for name, routes_of in table.items()}
    return {name: {network: hops for network, hops in routes_of.items() if hops}
            for name, routes_of in left.items()}


def arrives(topology, table, source, network):
    """Whether packets get from a node to a network: True, False, or None for some."""
    def follow(node, path):
        if any(address.network == network for port in node.ports
               for address in port.addresses):
            return {True}
        hops = table[node.name].get(network, ())
        if not hops or node in path:
            return {False}
        return set().union(*(follow(entered(node, hop).node, (*path, node))
                             for hop in hops))

    found = follow(source, ())
    return found.pop() if len(found) == 1 else None


def _cost(port, protocol):
    return 1 if protocol in HOP_COUNT else port.cost


def _address(port, family):
    return port.address if family == 4 else port.address6


def _networks(node, alive, family, protocol):
    """(network, cost from the node) of the networks that a node is attached to."""
    for port in alive[node.name]:
        if _address(port, family):
            yield _address(port, family).network, _cost(port, protocol)
    for network in loopback_networks(node, family):
        yield network, 0


def loopback_networks(node, family):
    return [ipaddress.ip_network(a) for a in node.loopbacks if a.version == family]


def gateway(other, family, protocol):
    """The address of a port at the other end, as a route's next hop."""
    if family == 4:
        return str(other.address.ip)
    return str(other.address6.ip if protocol == "static" else other.link_local)


def entered(node, hop):
    """The port of another router that a next hop (gateway, interface) of a node is."""
    address, interface = hop
    for other in node.port(int(interface.removeprefix("eth"))).neighbours:
        if address in (*(str(a.ip) for a in other.addresses), str(other.link_local)):
            return other
    raise KeyError(f"{address} by {interface} of {node.name}")


def _routes_of(root, alive, networks, family, protocol):
    distance, hops = _shortest_paths(root, alive, family, protocol)
    connected = {network for node, network, _ in networks if node is root}
    best = {}
    for node, network, cost in networks:
        if network in connected or node.name not in distance:
            continue
        cost += distance[node.name]
        known, next_hops = best.get(network, (cost + 1, set()))
        if cost < known:
            best[network] = (cost, set(hops[node.name]))
        elif cost == known:
            next_hops |= hops[node.name]
    return {network: next_hops for network, (_, next_hops) in best.items()}


def _shortest_paths(root, alive, family, protocol):
    """Dijkstra that keeps all first hops of equal cost."""
    distance, hops, done = {root.name: 0}, {root.name: set()}, set()
    queue = [(0, root.name)]
    while queue:
        cost, name = heapq.heappop(queue)
        if name in done:
            continue
        done.add(name)
        for port in alive[name]:
            for other in port.neighbours:
                via, total = other.node.name, cost + _cost(port, protocol)
                if other not in alive[via]:
                    continue
                first = hops[name] or {(gateway(other, family, protocol),
                                        port.vm_interface)}
                if total < distance.get(via, total + 1):
                    distance[via], hops[via] = total, set(first)
                    heapq.heappush(queue, (total, via))
                elif total == distance[via] and via not in done:
                    hops[via] |= first
    return distance, hops


def parts(topology, down=()):
    """{node name: number of its connected part}"""
    dead = {port for link in down for port in (link.a, link.b)}
    part = {}
    for number, start in enumerate(topology.nodes):
        queue = [] if start.name in part else [start]
        for node in queue:
            part[node.name] = number
            for other in (other for port in node.ports if port not in dead
                          for other in port.neighbours if other not in dead):
                if other.node.name not in part:
                    part[other.node.name] = number
                    queue.append(other.node)
    return part


def paths(topology, source, target, down=(), family=4):
    """All router sequences between two hosts: each a list of the ports entered."""
    table = routes(topology, down, family)
    address = target.address if family == 4 else target.address6
    found = []

    def follow(path):
        node = path[-1].node
        if node is target.port.node:
            found.append(path)
            return
        for hop in table[node.name].get(address.network, ()):
            if len(path) <= len(topology.nodes):
                follow(path + [entered(node, hop)])

    follow([source.port])
    return found
