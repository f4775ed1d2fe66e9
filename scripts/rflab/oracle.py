"""The routes that an ordinary network of this shape has (RFC 2328 §16, one area).

This is what the containers' kernels are compared with; it knows nothing of OpenFlow.
Pure: a topology in, dictionaries out.
"""

import heapq


def routes(topology, down=()):
    """{node name: {network: {(gateway, interface), ...}}} without connected networks.

    `down` are links that carry nothing; their networks are unreachable.
    """
    dead = {id(port) for link in down for port in (link.a, link.b)}
    alive = [port for port in topology.ports() if id(port) not in dead]
    return {node.name: _routes_of(node, alive) for node in topology.nodes}


def _routes_of(root, ports):
    distance, hops = _shortest_paths(root, ports)
    connected = {port.address.network for port in ports if port.node is root}
    best = {}
    for port in ports:
        network = port.address.network
        if network in connected or port.node.name not in distance:
            continue
        cost = distance[port.node.name] + port.cost
        known, next_hops = best.get(network, (cost + 1, set()))
        if cost < known:
            best[network] = (cost, set(hops[port.node.name]))
        elif cost == known:
            next_hops |= hops[port.node.name]
    return {network: next_hops for network, (_, next_hops) in best.items()}


def _shortest_paths(root, ports):
    """Dijkstra that keeps all first hops of equal cost."""
    distance, hops, done = {root.name: 0}, {root.name: set()}, set()
    queue = [(0, root.name)]
    while queue:
        cost, name = heapq.heappop(queue)
        if name in done:
            continue
        done.add(name)
        for port in ports:
            if port.node.name != name or not port.peer:
                continue
            via, total = port.peer.node.name, cost + port.cost
            first = hops[name] or {(str(port.peer.address.ip), port.vm_interface)}
            if total < distance.get(via, total + 1):
                distance[via], hops[via] = total, set(first)
                heapq.heappush(queue, (total, via))
            elif total == distance[via] and via not in done:
                hops[via] |= first
    return distance, hops


def paths(topology, source, target, down=()):
    """All router sequences between two hosts: each a list of the ports entered."""
    table = routes(topology, down)
    found = []

    def follow(entered):
        node = entered[-1].node
        if node is target.port.node:
            found.append(entered)
            return
        for _, interface in table[node.name].get(target.address.network, ()):
            peer = node.port(int(interface.removeprefix("eth"))).peer
            if len(entered) <= len(topology.nodes):
                follow(entered + [peer])

    follow([source.port])
    return found
