"""The same network without us: the routing suite on plain veth links and kernel routes.

One network namespace per node with the interfaces and the suite's files that its
container would have; one per host.  What the suite itself needs to get round a failure
is measured here, in the same run as ours.
"""

import os
import pwd

from rflab import suite
from rflab.system import Instance, run, wait_for

from .ending import down

PROGRAMS = "/usr/lib/frr"


class PlainNetwork:
    """Made on a run directory of its own, as a lab is; use it in a `with`."""

    def __init__(self, run_dir, topology):
        self.instance = Instance(run_dir)
        self.topology = topology

    def __enter__(self):
        down(self.instance.dir)
        self.instance.make_dir()
        try:
            for name in [*map(self.netns, self.topology.nodes),
                         *map(self.netns, self.topology.hosts)]:
                self._add_netns(name)
            for link in self.topology.links:
                self._add_link(self.netns(link.a.node), link.a.vm_interface,
                               self.netns(link.b.node), link.b.vm_interface)
            for host in self.topology.hosts:
                self._add_host(host)
            for node in self.topology.nodes:
                self._start_suite(node)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        down(self.instance.dir)

    def netns(self, thing):
        """The namespace of a node or a host."""
        return f"{self.instance.netns}-{thing.name}"

    def _add_netns(self, name):
        self.instance.manifest.note("netns", name)
        run(["ip", "netns", "add", name])
        self.instance.run("sysctl", "-qw", "net.ipv4.ip_forward=1",
                          "net.ipv4.conf.all.rp_filter=0",
                          "net.ipv4.conf.default.rp_filter=0",
                          "net.ipv4.fib_multipath_hash_policy=1",
                          "net.ipv6.conf.all.disable_ipv6=1", netns=name)
        run(["ip", "-n", name, "link", "set", "lo", "up"])

    def _add_link(self, netns_a, name_a, netns_b, name_b):
        # Each end must not have the other one's index as its own: the kernel then takes
        # it for a device without a peer and tells of a lost carrier up to 1 s later.
        self.serial = getattr(self, "serial", 100) + 2
        run(["ip", "-n", netns_a, "link", "add", name_a, "index", self.serial, "type",
             "veth", "peer", "name", name_b, "index", self.serial + 1, "netns", netns_b])
        for netns, name in ((netns_a, name_a), (netns_b, name_b)):
            run(["ip", "-n", netns, "link", "set", name, "up"])

    def _add_host(self, host):
        node = self.netns(host.port.node)
        self._add_link(node, host.port.vm_interface, self.netns(host), "eth0")
        run(["ip", "-n", self.netns(host), "addr", "add", host.address, "dev", "eth0"])
        run(["ip", "-n", self.netns(host), "route", "add", "default", "via",
             host.gateway])

    def _start_suite(self, node):
        files = suite.files(self.topology, node)
        directory = self.instance.dir / "config" / node.name
        directory.mkdir()
        account = pwd.getpwnam("frr")
        os.chown(directory, account.pw_uid, account.pw_gid)
        for daemon in suite.daemons(self.topology):
            config = directory / f"{daemon}.conf"
            text = files[f"{daemon}.conf"] + files.get(f"{daemon}.frr.conf", "")
            config.write_text(text.replace(f"log file /var/log/routing/{daemon}.log",
                                           f"log file {directory}/{daemon}.log"),
                              encoding="utf-8")
            os.chown(config, account.pw_uid, account.pw_gid)
            self.instance.spawn(f"{node.name}-{daemon}", f"{PROGRAMS}/{daemon}", "-f",
                                config, "-z", directory / "zserv.api", "-i",
                                directory / f"{daemon}.pid", "--vty_socket", directory,
                                "-A", "127.0.0.1", netns=self.netns(node))
            if daemon == "zebra":
                wait_for(f"zebra of {node.name}", (directory / "zserv.api").exists, 5, 0.02)

    def add_external(self, node, prefixes, via):
        """Routes of the kernel of `node`, which OSPF carries to all others."""
        self._vtysh(node, "configure terminal", "router ospf", "redistribute kernel")
        run(["ip", "-n", self.netns(node), "-batch", "-"],
            stdin="".join(f"route add {prefix} via {via}\n" for prefix in prefixes))

    def wait_external(self, link, n, timeout=30):
        """Until the near end of a link has n routes over it."""
        def there():
            have = self.routes(link.a.node).count(f"via {link.b.address.ip} ")
            return have >= n, f"{have} of {n} routes"
        wait_for("the routes over the link", there, timeout, 0.1)

    def routes(self, node):
        return run(["ip", "-n", self.netns(node), "route", "show"]).stdout

    def set_link(self, link, up):
        run(["ip", "-n", self.netns(link.a.node), "link", "set", link.a.vm_interface,
             "up" if up else "down"])

    def wait_converged(self, timeout=30):
        """Until each node routes to each host, over its direct link where it has one,
        and has all its neighbours."""
        wait_for("the plain network to converge", self._converged, timeout, 0.1)

    def _converged(self):
        for node in self.topology.nodes:
            have = self.routes(node)
            for host in self.topology.hosts:
                if not any(f"{host.address.network} {hop}" in have
                           for hop in self._best(node, host)):
                    return False, f"{node.name} has no route to {host.name}"
            wanted = sum(port.peer is not None for port in node.ports)
            if self._neighbours(node).count("Full/") != wanted:
                return False, f"{node.name} has not all its neighbours"
        return True

    def _neighbours(self, node):
        return self._vtysh(node, "show ip ospf neighbor")

    def _vtysh(self, node, *lines):
        words = [word for line in lines for word in ("-c", line)]
        return self.instance.run("vtysh", "--vty_socket",
                                 self.instance.dir / "config" / node.name, *words,
                                 netns=self.netns(node)).stdout

    def _best(self, node, host):
        if host.port.node is node:
            return [f"dev {host.port.vm_interface}"]
        direct = [port.peer for port in node.ports
                  if port.peer and port.peer.node is host.port.node]
        return ([f"via {peer.address.ip}" for peer in direct] or
                ["via", "proto ospf", "nhid"])
