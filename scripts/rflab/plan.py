"""From a map to a lab: numbers, names and addresses of all its parts.

Node N of the map is switch nN (dpid N), container rfvmN and host hN.  Its addresses can
be read without a table:

    host network of node N   172.16.N.0/24, fd00:172:N::/64      router .1, ::1; host .100
    link L                   10.0.L.0/30, fd00:10:L::/64         ends .1 and .2
    loopback of node N       192.168.0.N/32, fd00:192:N::1/128   iBGP only
    segment (plain switch)   10.0.L.0/24, fd00:10:L::/64         ends .1, .2, ... in order;
                             L goes on after the last link

N and L are decimal in both families; beyond 255 they carry into the octet before.  What
comes out is the document that topology.load() reads, so a person may edit it and bring
it up again.  Pure.
"""

import ipaddress

from .system import LabError, plural
from .topology import DEFAULT_COST

PROTOCOLS = {"ospf": "OSPF", "isis": "IS-IS", "rip": "RIP", "bgp": "eBGP",
             "ibgp": "iBGP over OSPF", "static": "static routes"}
MAX_NODES = 3000
RIP_INFINITY = 16


def document(graph, routing="ospf", ipv6=False, light=False):
    """The topology document of a lab for this map."""
    if len(graph.places) > MAX_NODES or len(graph.spans) > 20 * MAX_NODES:
        raise LabError(f"{graph.name}: more than {MAX_NODES} nodes, or too many links")
    if routing == "rip" and _diameter(graph) >= RIP_INFINITY - 1:
        raise LabError(f"{graph.name}: RIP reaches {RIP_INFINITY - 2} hops, and this "
                       "network is wider")
    about = (f"{len(graph.places)} nodes, {len(graph.spans)} links, "
             + (f"{plural(len(graph.hubs), 'segment')}, " if graph.hubs else "") +
             f"{PROTOCOLS[routing]}, {'IPv4 and IPv6' if ipv6 else 'IPv4'}")
    numbers = range(1, len(graph.places) + 1)
    return {
        "name": graph.name, "about": about, "light": light, "ipv6": ipv6,
        "routing": {"protocol": routing, **_timers(graph)},
        "nodes": [_node(n, place, routing, ipv6)
                  for n, place in zip(numbers, graph.places)],
        "hosts": [_host(n, ipv6) for n, place in zip(numbers, graph.places)
                  if place.host],
        "links": [_link(number, span, ipv6) for number, span in enumerate(graph.spans, 1)],
        "segments": [_segment(number, len(graph.spans) + number, hub, ipv6)
                     for number, hub in enumerate(graph.hubs, 1)]}


def _timers(graph):
    """Seconds.  Short, as links fail by losing carrier, but not so short that many
    routers on few processors lose each other while they start."""
    return {"hello": 1, "dead": 4} if len(graph.places) <= 20 else {"hello": 2, "dead": 15}


def _diameter(graph):
    neighbours = graph.neighbours()
    widest = 0
    for start in range(len(graph.places)):
        distance, queue = {start: 0}, [start]
        for here in queue:
            for other in neighbours[here] - distance.keys():
                distance[other] = distance[here] + 1
                queue.append(other)
        widest = max(widest, distance[queue[-1]])
    return widest


def _subnet(first, number, plen):
    """The number-th network above `first`, a /24 apart."""
    return ipaddress.IPv4Network((int(first) + number * 256, plen))


def _subnet6(kind, number):
    # In decimal, as a person counts: node 12 is :12:, though that reads as hexadecimal.
    return ipaddress.IPv6Network(f"fd00:{kind}:{number // 10000}:{number % 10000}::/64"
                                 if number > 9999 else f"fd00:{kind}:{number}::/64")


def _node(n, place, routing, ipv6):
    node = {"name": f"n{n}", "label": place.label, "number": n, "dpid": f"{n:#x}",
            "vm": f"rfvm{n}", "vm_id": f"02{n:06x}0000"}
    if place.legacy:
        node["legacy"] = True
    if routing == "ibgp":
        node["loopback"] = str(ipaddress.IPv4Address("192.168.0.0") + n)
        if ipv6:
            node["loopback6"] = str(_subnet6(192, n)[1])
    return node


def _host(n, ipv6):
    network = _subnet(ipaddress.IPv4Address("172.16.0.0"), n, 24)
    host = {"name": f"h{n}", "node": f"n{n}", "address": f"{network[100]}/24",
            "gateway": str(network[1])}
    if ipv6:
        network6 = _subnet6(172, n)
        host["address6"] = f"{network6[0x100]}/64"
        host["gateway6"] = str(network6[1])
    return host


def _link(number, span, ipv6):
    network = _subnet(ipaddress.IPv4Address("10.0.0.0"), number, 30)
    link = {"ends": [f"n{span.a + 1}", f"n{span.b + 1}"], "subnet": str(network),
            "addresses": [str(network[1]), str(network[2])],
            "cost": span.cost or DEFAULT_COST}
    if ipv6:
        network6 = _subnet6(10, number)
        link["subnet6"] = str(network6)
        link["addresses6"] = [str(network6[1]), str(network6[2])]
    return link


def _segment(number, network_number, hub, ipv6):
    network = _subnet(ipaddress.IPv4Address("10.0.0.0"), network_number, 24)
    count = range(1, len(hub.ends) + 1)
    segment = {"name": f"b{number}", "label": hub.label, "bridge": hub.bridge,
               "ends": [f"n{place + 1}" for place, _ in hub.ends], "subnet": str(network),
               "addresses": [str(network[n]) for n in count],
               "costs": [cost or DEFAULT_COST for _, cost in hub.ends]}
    if ipv6:
        network6 = _subnet6(10, network_number)
        segment["subnet6"] = str(network6)
        segment["addresses6"] = [str(network6[n]) for n in count]
    return segment
