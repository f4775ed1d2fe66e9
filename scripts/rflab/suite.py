"""Files of the routing suite in one container, in the classic form of one per daemon.

zebra.conf and ospfd.conf hold only commands that Quagga and FRR share.  What FRR alone
has is in NAME.frr.conf, which lxc/init appends for FRR.
"""


def daemons(topology):
    """Names of the suite's daemons, in the order of their start."""
    if not topology.routing:
        return []
    return {"ospf": ["zebra", "ospfd"]}[topology.routing["protocol"]]


def files(topology, node):
    """File name -> text."""
    if not topology.routing:
        return {}
    return {
        "zebra.conf": _zebra(node),
        "zebra.frr.conf": _zebra_frr(),
        "ospfd.conf": _ospfd(node, topology.routing),
        "ospfd.frr.conf": _ospfd_frr(node),
        "vtysh.conf": "no service integrated-vtysh-config\n",
    }


def _text(lines):
    return "\n".join(lines) + "\n"


def _zebra(node):
    lines = [f"hostname {node.vm}", "log file /var/log/routing/zebra.log", "!"]
    for port in node.ports:
        lines += [f"interface {port.vm_interface}", f" ip address {port.address}", "!"]
    return _text(lines)


def _zebra_frr():
    # Without nexthop objects ECMP survives a link flap; without the work queue's hold
    # a route reaches the kernel 10 ms earlier.
    return _text(["no zebra nexthop kernel enable", "zebra work-queue 0"])


def _ospfd(node, routing):
    lines = [f"hostname {node.vm}", "log file /var/log/routing/ospfd.log", "!"]
    for port in node.ports:
        lines.append(f"interface {port.vm_interface}")
        if port.peer:
            lines += [" ip ospf network point-to-point",
                      f" ip ospf hello-interval {routing['hello']}",
                      f" ip ospf dead-interval {routing['dead']}"]
        lines += [f" ip ospf cost {port.cost}", "!"]
    lines += ["router ospf", f" ospf router-id {node.ports[0].address.ip}",
              " timers throttle spf 0 20 500"]
    lines += [f" passive-interface {port.vm_interface}" for port in node.ports
              if not port.peer]
    lines += [f" network {port.address.network} area 0" for port in node.ports]
    return _text(lines + ["!"])


def _ospfd_frr(node):
    # A new LSA goes out and is taken at once, not after the 5 s of MinLSInterval.
    lines = []
    for port in node.ports:
        if port.peer:
            lines += [f"interface {port.vm_interface}", " ip ospf retransmit-interval 1",
                      "!"]
    return _text(lines + ["router ospf", " timers throttle lsa all 0",
                          " timers lsa min-arrival 0", "!"])
