"""Files of the routing suite in one container, in the classic form of one per daemon.

zebra.conf and ospfd.conf hold only commands that Quagga and FRR share.  What FRR alone
has is in NAME.frr.conf, which lxc/init appends for FRR.  Other protocols: protocols.py.
"""

from . import protocols

# Protocol -> its daemons for IPv4, and those that IPv6 needs beside them.
DAEMONS = {"ospf": (["ospfd"], ["ospf6d"]), "isis": (["isisd"], []),
           "rip": (["ripd"], ["ripngd"]), "bgp": (["bgpd"], []),
           "ibgp": (["ospfd", "bgpd"], ["ospf6d"]), "static": (["staticd"], [])}


def daemons(topology):
    """Names of the suite's daemons, in the order of their start."""
    if not topology.routing:
        return []
    names, more = DAEMONS[topology.routing["protocol"]]
    return ["zebra", *names, *(more if topology.ipv6 else [])]


def files(topology, node):
    """File name -> text."""
    if not topology.routing:
        return {}
    found = {"zebra.conf": _zebra(node), "zebra.frr.conf": _zebra_frr(),
             "vtysh.conf": "no service integrated-vtysh-config\n"}
    for daemon in daemons(topology)[1:]:
        if daemon == "ospfd":
            found["ospfd.conf"] = _ospfd(node, topology.routing)
            found["ospfd.frr.conf"] = _ospfd_frr(node)
        else:
            ibgp = topology.routing["protocol"] == "ibgp" and daemon == "bgpd"
            function = protocols.ibgpd if ibgp else getattr(protocols, daemon)
            found[f"{daemon}.conf"] = function(topology, node)
    return found


def _text(lines):
    return "\n".join(lines) + "\n"


def _zebra(node):
    lines = [f"hostname {node.vm}", "log file /var/log/routing/zebra.log", "!",
             *zebra_interfaces(node.ports)]
    if node.loopbacks:
        lines.append("interface lo")
        lines += [f" {_word(a)} address {a}/{a.max_prefixlen}" for a in node.loopbacks]
        lines.append("!")
    return _text(lines)


def zebra_interfaces(ports):
    lines = []
    for port in ports:
        lines.append(f"interface {port.vm_interface}")
        lines += [f" {_word(a)} address {a}" for a in port.addresses] + ["!"]
    return lines


def _word(address):
    return "ip" if address.version == 4 else "ipv6"


def _zebra_frr():
    # Without nexthop objects ECMP survives a link flap; without the work queue's hold
    # a route reaches the kernel 10 ms earlier.
    return _text(["no zebra nexthop kernel enable", "zebra work-queue 0"])


def _ospfd(node, routing):
    lines = [f"hostname {node.vm}", "log file /var/log/routing/ospfd.log", "!",
             *ospfd_interfaces(node.ports, routing)]
    # With BGP above it, OSPF leaves the hosts' networks to BGP.
    ibgp = routing["protocol"] == "ibgp"
    ports = [port for port in node.ports if port.neighbours or not ibgp]
    lines += ["router ospf", f" ospf router-id {protocols.router_id(node)}",
              " timers throttle spf 0 1 500", *ospfd_networks(ports)]
    lines += [f" network {a}/32 area 0" for a in node.loopbacks if a.version == 4]
    return _text(lines + ["!"])


def ospfd_interfaces(ports, routing):
    lines = []
    for port in ports:
        lines.append(f"interface {port.vm_interface}")
        if port.peer:
            lines.append(" ip ospf network point-to-point")
        if port.neighbours:
            lines += [f" ip ospf hello-interval {routing['hello']}",
                      f" ip ospf dead-interval {routing['dead']}"]
        lines += [f" ip ospf cost {port.cost}", "!"]
    return lines


def ospfd_networks(ports):
    passive = [port for port in ports if not port.neighbours]
    return [f" passive-interface {port.vm_interface}" for port in passive] + [
        f" network {port.address.network} area 0" for port in ports]


def _ospfd_frr(node):
    # A new LSA goes out and is taken at once, not after the 5 s of MinLSInterval.
    lines = []
    for port in node.ports:
        if port.neighbours:
            lines += [f"interface {port.vm_interface}", " ip ospf retransmit-interval 1",
                      "!"]
    return _text(lines + ["router ospf", " timers throttle lsa all 0",
                          " timers lsa min-arrival 0", "!"])
