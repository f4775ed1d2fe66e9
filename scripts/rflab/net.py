"""Namespaces, veth links, hosts, captures.

All of the lab's interfaces live in namespaces of its own but one: the host's end of the
management network, through which rfserver is reached by the containers.
"""

import ipaddress
import json
import socket
from pathlib import Path

from .system import LabError, run
from .topology import Attachment

MANAGEMENT_BRIDGE = "rfbr0"
MAX_CAPTURES = 16

# Sets or clears IFF_UP by netdevice(7), and prints when: an `ip` that has to be started
# first would blur measurements by its own milliseconds.
SET_LINK = """
import fcntl, socket, struct, sys, time
GET, SET, UP = 0x8913, 0x8914, 1
handle = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
request = struct.pack("16sh22x", sys.argv[1].encode(), 0)
flags, = struct.unpack_from("h", fcntl.ioctl(handle, GET, request), 16)
flags = flags | UP if sys.argv[2] == "1" else flags & ~UP
request = struct.pack("16sh22x", sys.argv[1].encode(), flags)
now = time.monotonic()
fcntl.ioctl(handle, SET, request)
print(now)
"""


RESERVED = {}  # Network -> a socket; its name keeps other processes away.


def _reserve(network):
    """Until this process ends: labs that come up at the same time must not meet."""
    if network not in RESERVED:
        holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            holder.bind(f"\0routeflow {network}")
        except OSError:
            holder.close()
            return False
        RESERVED[network] = holder
    return True


def pick_management_network(nodes=0):
    """The first free 10.254.N.0/24 of this machine; a larger one for many nodes."""
    used = []
    for route in json.loads(run(["ip", "-j", "-4", "route", "show", "table", "all"]).stdout
                            or "[]"):
        if route.get("dst") not in (None, "default"):
            used.append(ipaddress.IPv4Network(route["dst"], strict=False))
    plen = 24 if nodes <= 240 else 20
    for network in ipaddress.IPv4Network("10.254.0.0/16").subnets(new_prefix=plen):
        if not any(network.overlaps(other) for other in used) and _reserve(network):
            return network
    raise LabError(f"no /{plen} of 10.254.0.0/16 is free for the management network")


class Network:
    def __init__(self, instance, topology, management):
        self.instance = instance
        self.topology = topology
        self.management = ipaddress.IPv4Network(management)

    @property
    def server_address(self):
        return self.management.network_address + 1

    def vm_address(self, node):
        return self.management.network_address + 10 + node.index

    def host_netns(self, host):
        return f"{self.instance.netns}-{host.name}"

    def add_netns(self, name, ipv6=False):
        if Path("/run/netns", name).exists():
            raise LabError(f"a network namespace {name} exists, which this lab has not "
                           "made; set RF_RUN to another directory")
        self.instance.manifest.note("netns", name)
        run(["ip", "netns", "add", name])
        # Nothing but what we send may appear on a link: no IPv6 autoconfiguration.
        setting = "accept_ra=0" if ipv6 else "disable_ipv6=1"
        self.instance.run("sysctl", "-qw", f"net.ipv6.conf.all.{setting}",
                          f"net.ipv6.conf.default.{setting}", netns=name)

    def create(self):
        self.add_netns(self.instance.netns)
        for host in self.topology.hosts:
            self.add_netns(self.host_netns(host), ipv6=host.address6 is not None)
        self._management()
        for node in self.topology.legacy_nodes():
            self.add_netns(self.node_netns(node), ipv6=self.topology.ipv6)
        lines = ["link set lo up"]
        for link in self.topology.links:
            mtu = f"mtu {link.a.mtu}"
            lines.append(f"link add {self._end(link.a)} {mtu} type veth peer name "
                         f"{self._end(link.b)} {mtu}")
        for segment in self.topology.segments:
            lines += self._segment(segment)
        for a, b in self.topology.inside:
            lines.append(f"link add {a.name} type veth peer name {b.name}")
        for host in self.topology.hosts:
            lines.append(f"link add {host.port.name} type veth "
                         f"peer name eth0 netns {self.host_netns(host)}")
        # The kernel's own stack sees each frame that reaches a veth: it must not answer.
        lines += [f"link set {port.name} arp off up"
                  for port in self.topology.switch_ports()]
        lines += [f"link set {segment.interface(port)} arp off up"
                  for segment in self.topology.segments for port in segment.ports]
        self.batch(self.instance.netns, lines)
        for host in self.topology.hosts:
            self.batch(self.host_netns(host), [
                "link set lo up", "link set eth0 up", f"addr add {host.address} dev eth0",
                f"route add default via {host.gateway}"])
            if host.address6:
                self.batch(self.host_netns(host), [
                    f"addr add {host.address6} dev eth0 nodad",
                    f"route add ::/0 via {host.gateway6}"])
            # Userspace switches pass on partial checksums, and receivers drop those.
            self.instance.run("ethtool", "-K", "eth0", "tx", "off",
                              netns=self.host_netns(host))

    def node_netns(self, node):
        return f"{self.instance.netns}-{node.vm}"

    def _end(self, port):
        """For `ip link add`: a switch's port in the lab, or a router's own interface."""
        return (f"{port.vm_interface} address {port.mac} netns "
                f"{self.node_netns(port.node)}" if port.node.legacy else port.name)

    def _segment(self, segment):
        """A bridge of the kernel, which passes no LLDP; or only the cables of one that
        Open vSwitch makes (OpenVSwitch.add_plain_switches)."""
        lines = []
        if segment.bridge == "linux":
            lines = [f"link add {segment.name} type bridge forward_delay 0 mcast_snooping 0",
                     f"link set {segment.name} up"]
        for port in segment.ports:
            lines.append(f"link add {segment.interface(port)} type veth peer name "
                         f"{self._end(port)}")
            if segment.bridge == "linux":
                lines.append(f"link set {segment.interface(port)} master {segment.name}")
        return lines

    def batch(self, netns, lines):
        self.instance.run("ip", *(["-n", netns] if netns else []), "-batch", "-",
                          stdin="\n".join(lines) + "\n")

    def _management(self):
        """The bridge is in the lab; one veth leads from it to the host."""
        name, lab = self.instance.management_link, self.instance.netns
        if run(["ip", "link", "show", name], check=False).returncode == 0:
            raise LabError(f"an interface {name} exists, which this lab has not made; set "
                           "RF_RUN to another directory")
        self.batch(lab, [f"link add {MANAGEMENT_BRIDGE} type bridge forward_delay 0",
                          f"link set {MANAGEMENT_BRIDGE} up"])
        self.instance.manifest.note("link", name)
        run(["ip", "link", "add", name, "type", "veth", "peer", "name", "uplink", "netns",
             lab])
        run(["sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1"], check=False)
        run(["ip", "addr", "add", f"{self.server_address}/{self.management.prefixlen}",
             "dev", name])
        run(["ip", "link", "set", name, "up"])
        self.batch(lab, [f"link set uplink master {MANAGEMENT_BRIDGE} up"])

    def set_link(self, link, up):
        """Takes a cable down or up: one end by hand, the other loses carrier.

        Returns the moment at which the kernel was told, by time.monotonic()."""
        done = self.instance.run("/usr/bin/python3", "-I", "-c", SET_LINK, link.cable,
                                 int(up), netns=self.instance.netns)
        return float(done.stdout)

    def captured_links(self):
        """Large labs spare the machine all but some tcpdumps, spread over the links."""
        links = self.topology.switch_links() + [
            Attachment(segment.ports[0]) for segment in self.topology.segments
            if not segment.is_mixed]
        return links if len(links) <= MAX_CAPTURES else links[::-(-len(links)
                                                                  // MAX_CAPTURES) or 1]

    def capture_file(self, link):
        return self.instance.dir / "capture" / f"{link.name}.pcap"

    def start_captures(self):
        """On each real link, from before the first frame: all but the hosts' own data.

        What is left is LLDP, or a leak; so the files stay small for days.
        """
        data = " or ".join(f"ip{'6' if net.version == 6 else ''} and not proto 89 and net "
                           f"{net}" for net in self.topology.host_networks())
        for link in self.captured_links():
            self.instance.spawn(f"capture-{link.name}", "tcpdump", "-i", link.b.name, "-n",
                                "-p", "-U", "--immediate-mode", "-Z", "root",
                                "-s", "256", "-w", self.capture_file(link),
                                f"not ({data})",
                                netns=self.instance.netns)


def raise_limits(instance, neighbours):
    """All namespaces share one neighbour table, and beyond 512 entries the kernel drops
    some by force (see also lxc/attach-ports).

    The limits can be set from the machine's first network namespace only: in a container
    they do not even appear, and are left to whoever runs it."""
    for family in ("ipv4", "ipv6"):
        for number, wanted in ((3, 2 * neighbours), (2, neighbours)):
            path = Path(f"/proc/sys/net/{family}/neigh/default/gc_thresh{number}")
            if not path.exists():
                return
            wanted, old = str(wanted), path.read_text(encoding="ascii").strip()
            if int(old) < int(wanted):
                instance.manifest.note("sysctl", f"{path}={old}={wanted}")
                path.write_text(wanted, encoding="ascii")


def restore_limits(instance):
    """Those that nobody has changed since."""
    for entry in instance.manifest.names("sysctl"):
        path, old, ours = entry.split("=")
        if Path(path).read_text(encoding="ascii").strip() == ours:
            Path(path).write_text(old, encoding="ascii")


def remove(instance):
    """Removes links and namespaces that the manifest names; repeats without harm."""
    restore_limits(instance)
    for name in instance.manifest.names("link"):
        run(["ip", "link", "del", name], check=False)
    present = {line.split()[0] for line in run(["ip", "netns", "list"]).stdout.splitlines()
               if line}
    for name in instance.manifest.names("netns"):
        if name in present:
            run(["ip", "netns", "del", name])
