"""The same routers without LXC: a network namespace, and a root of its own for files.

The files, lxc/init, the suite and rfclient are those of a container; what is missing are
control groups and limits of capabilities.  One call each makes all interfaces and all
ports of RFVS, so that fifty routers start in seconds.
"""

from .lxc import Containers
from .net import MANAGEMENT_BRIDGE
from .system import LabError
from .topology import RFVS_BRIDGE

SYSCTLS = {"net/ipv4/ip_forward": 1, "net/ipv4/conf/all/rp_filter": 0,
           "net/ipv4/conf/default/rp_filter": 0, "net/ipv4/icmp_ratemask": 0,
           "net/ipv4/icmp_errors_use_inbound_ifaddr": 1,
           "net/ipv4/fib_multipath_hash_policy": 1, "net/ipv4/igmp_max_memberships": 4096}
SYSCTLS6 = {"net/ipv6/conf/all/forwarding": 1, "net/ipv6/fib_multipath_hash_policy": 1,
            "net/ipv6/icmp/ratelimit": 0}
# A root as lxc/rfvm.conf.in gives it to a container.
ENTER = """
set -eu
cd "$1"
mount --bind /usr usr
mount --bind /etc/alternatives etc/alternatives
mount --bind "$2" opt/routeflow
mount --rbind /dev dev
mount -t proc proc proc
for directory in run tmp var/tmp; do mount -t tmpfs tmpfs $directory; done
hostname "$4"
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$3" container=light \
    chroot . /bin/bash /etc/routeflow/init
"""


class LightContainers(Containers):
    def netns(self, node):
        return self.network.node_netns(node)

    def config(self, node):
        return "# A network namespace: see rflab/light.py\n"

    def start_all(self, nodes):
        for node in nodes:
            self.network.add_netns(self.netns(node), ipv6=self.topology.ipv6)
        self.network.batch(self.instance.netns, [
            line for node in nodes for line in self._links(node)])
        self._plug(nodes)
        for node in nodes:
            self._prepare(node)
            self._enter(node)

    def _links(self, node):
        ns, mac = self.netns(node), bytes.fromhex(node.vm_id).hex(":")
        yield (f"link add {node.vm}.0 type veth peer name eth0 address {mac} netns {ns}")
        yield f"link set {node.vm}.0 master {MANAGEMENT_BRIDGE} up"
        for port in node.ports:
            mtu = f"mtu {port.mtu}"
            yield (f"link add {port.rfvs_interface} {mtu} type veth peer name "
                   f"{port.vm_interface} {mtu} address {port.mac} netns {ns}")
            yield f"link set {port.rfvs_interface} arp off up"

    def _plug(self, nodes):
        self.ovs.add_ports(RFVS_BRIDGE, [(port.rfvs_interface, node.rfvs_base + port.number)
                                         for node in nodes for port in node.ports])

    def _prepare(self, node):
        lines = ["link set lo up", *self._management(node)]
        if not self.topology.routing:
            lines += [f"addr add {address} dev {port.vm_interface}"
                      + (" nodad" if address.version == 6 else "")
                      for port in node.ports for address in port.addresses]
        self.network.batch(self.netns(node), lines)
        values = {**SYSCTLS, **(SYSCTLS6 if self.topology.ipv6 else {})}
        script = [f"echo {value} >/proc/sys/{name}" for name, value in values.items()]
        # See lxc/attach-ports for the reasons of these.
        script.append("for path in /proc/sys/net/ipv[46]/neigh/*/gc_stale_time; do "
                      "echo 1000000 >$path; done")
        script += [f"ethtool -K {port.vm_interface} tx off >/dev/null"
                   for port in node.ports]
        self.instance.run("sh", "-ec", "\n".join(script), netns=self.netns(node))

    def _management(self, node):
        address = f"{self.network.vm_address(node)}/{self.network.management.prefixlen}"
        return [f"addr add {address} dev eth0", "link set eth0 up"]

    def _enter(self, node):
        self.instance.spawn(node.vm, "unshare", "--mount", "--uts", "--pid", "--fork",
                            "--kill-child", "--propagation", "private", "sh", "-c", ENTER,
                            "enter", self.rootfs(node), self.instance.dir / "bin",
                            f"RF_LAB={self.instance.dir}", node.vm,
                            netns=self.netns(node))

    def _init_pid(self, node):
        """The first process of the router, seen from outside."""
        pid = (self.instance.dir / "pid" / node.vm).read_text(encoding="ascii").strip()
        try:
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
                return int(children.read().split()[0])
        except (OSError, IndexError):
            raise LabError(f"router {node.vm} does not run, see "
                           f"{self.instance.dir}/log/{node.vm}.log")

    def start(self, node):
        self._enter(node)

    def stop(self, node, kill=False):
        pid = int((self.instance.dir / "pid" / node.vm).read_text(encoding="ascii"))
        self.instance.kill_processes([pid])

    def destroy(self, node):
        if (self.instance.dir / "pid" / node.vm).exists():
            self.stop(node)
        self.instance.run("ip", "netns", "del", self.netns(node), check=False)

    def plug(self, node, ports, rfvs_port):
        self._plug_into(self.netns(node), ports, rfvs_port)

    def command(self, node, *argv):
        """The command line that runs argv in such a router."""
        return ["nsenter", "-t", str(self._init_pid(node)), "--net", "--mount", "--pid",
                "--uts", "--root", "--wdns=/", "--", *map(str, argv)]


class LegacyRouters(LightContainers):
    """Routers that are not ours: the same suite, at the real network itself, without
    rfclient (which lxc/init starts if it has a configuration)."""

    def start_all(self, nodes):
        for node in nodes:
            self._prepare(node)
            self._enter(node)

    def _management(self, node):
        return []


class Routers:
    """Containers and legacy routers together, as one of the two."""

    def __init__(self, containers, legacy):
        self.containers = containers
        self.legacy = legacy

    def _of(self, node):
        return self.legacy if node.legacy else self.containers

    def start_all(self, nodes):
        self.containers.start_all([node for node in nodes if not node.legacy])
        self.legacy.start_all([node for node in nodes if node.legacy])

    def rootfs(self, node):
        return self._of(node).rootfs(node)

    def create(self, node):
        self._of(node).create(node)

    def start(self, node):
        self._of(node).start(node)

    def stop(self, node, kill=False):
        self._of(node).stop(node, kill)

    def command(self, node, *argv):
        return self._of(node).command(node, *argv)

    def run(self, node, *argv, **options):
        return self._of(node).run(node, *argv, **options)
