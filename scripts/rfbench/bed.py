"""What the benches run in: the fewest parts that route.

One switch and one container (topology rftest1 without its hosts' traffic), rfserver,
rfproxy, rfvs, and beside them a second Open vSwitch, in which the references run: both
have had the same number of entries at any time, so that neither has warmer memory.
"""

import json
import os
import shutil
import signal
from pathlib import Path

from rflab.ovs import OpenVSwitch
from rflab.system import CHECKOUT, LabError, run, wait_for
from rflab.topology import load

from .network import Network


HOPS = 64
IDLE_EVERY, IDLE_SECONDS = 0.2, 0.02
ACTIVE = "active client-datapath association"


class Reference(OpenVSwitch):
    """The switch alone, with one bridge."""

    def __init__(self, instance):
        super().__init__(instance)
        self.dir = instance.dir / "ref"
        self.socket = self.dir / "db.sock"
        self.netns = f"{instance.netns}-ref"

    def start(self):
        # Userspace datapaths of two processes cannot share a namespace.
        self.dir.mkdir()
        self.instance.manifest.note("netns", self.netns)
        run(["ip", "netns", "add", self.netns])
        super().start()
        # As many bridges and ports as the lab's: Open vSwitch copies its picture of
        # them each time that its main loop has seen a changed table.
        argv, links = [], []
        for bridge in ("R", "V"):
            argv += ["--", "add-br", bridge, "--", "set", "bridge", bridge,
                     "datapath_type=netdev", "protocols=OpenFlow10,OpenFlow13",
                     "fail-mode=secure", "other-config:disable-in-band=true"]
            for number in (1, 2):
                port = f"{bridge}.{number}"
                links += [f"link add {port} type veth peer name {port}p",
                          f"link set {port} arp off up", f"link set {port}p arp off up"]
                argv += self._port(bridge, port, number)
        self.instance.run("ip", "-n", self.netns, "-batch", "-",
                          stdin="\n".join(links) + "\n")
        self.vsctl(*argv)


class Bed(Network):
    def __init__(self):
        super().__init__("b", "", load(CHECKOUT / "config" / "rftest1.json"))
        self.tools = Path(os.environ.get("RF_BUILD", CHECKOUT / "build")) / "bench"
        self.node = self.lab.topology.nodes[0]
        self.reference = Reference(self.lab.instance)
        self.bridge = self.lab.ovs.management(self.node.name)
        self.raw_cpu = 0  # Of the reference, in seconds, at the last raw().
        self.bridge_ref = self.lab.ovs.management("R")  # By OVS_RUNDIR, for both.

    def start(self):
        super().start()
        self.reference.start()
        wait_for("the associations", self._active, 30)
        self.route("setup", HOPS)
        wait_for("neighbours in the switch", lambda: self.entries() >= HOPS, 10)
        # Ports are classed after some seconds of listening for LLDP; edges have more
        # entries than others.
        wait_for("edge ports", lambda: self.entries(0) >= 10 * len(self.node.ports), 20)
        self.wait_in_sync()

    def _active(self):
        rows = self.lab.daemons.show("associations")
        states = [row["state"] for row in rows]
        return states == [ACTIVE] * len(self.node.ports), str(states)

    # ---- what is there ----

    def pid(self, name):
        """rfclient, rfserver, rfproxy, rfvs, zebra; ovs-vswitchd, of the lab or `ref`."""
        if name in ("ovs-vswitchd", "reference"):
            directory = self.lab.ovs.dir if name == "ovs-vswitchd" else self.reference.dir
            return int((directory / "ovs-vswitchd.pid").read_text(encoding="ascii"))
        if name in ("rfclient", "zebra"):
            return self.lab.instance.process_named(name)
        return self.lab.daemons.pid(name)

    def rss(self, name):
        """Octets."""
        status = Path(f"/proc/{self.pid(name)}/status").read_text(encoding="ascii")
        line = next(l for l in status.splitlines() if l.startswith("VmRSS"))
        return int(line.split()[1]) * 1024

    def cpu(self):
        """{process: CPU seconds so far}"""
        return {name: self._cpu(self.pid(name))
                for name in ("rfclient", "rfserver", "rfproxy", "ovs-vswitchd",
                             "reference")}

    @staticmethod
    def _cpu(pid):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2]
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def settle(self):
        """Waits until nobody here works any more.

        Open vSwitch is still freeing, for seconds and on a processor of its own, what it
        answered long ago to have deleted: who is measured meanwhile has one less.
        """
        before = {}

        def idle():
            nonlocal before
            last, before = before, self.cpu()
            used = sum(before.values()) - sum(last.values())
            return last and used <= IDLE_SECONDS, f"{used:.2f} s of CPU in {IDLE_EVERY} s"
        wait_for("the switches and daemons to be idle", idle, 120, IDLE_EVERY)

    # ---- tools ----

    @property
    def vm_netns(self):
        return f"/proc/{self.pid('rfclient')}/ns/net"

    @property
    def lab_netns(self):
        return f"/run/netns/{self.lab.instance.netns}"

    def tool(self, name, *argv, **options):
        return self.lab.instance.run(self.tools / f"bench-{name}", *argv, timeout=300,
                                     **options).stdout

    def route(self, *argv):
        """bench-route: {"kernel": us, "total": us, ...}"""
        return json.loads(self.tool("route", self.lab_netns, self.vm_netns, self.bridge,
                                    *argv))

    def ofsend(self, *argv):
        """bench-ofsend: its first number."""
        return int(self.tool("ofsend", *argv).split()[0])

    def entries(self, table=1):
        return self.ofsend("count", self.bridge, table)

    def audit(self):
        """The switch holds what the kernel says; raises if not."""
        done = self.lab.instance.run(self.tools / "bench-audit", self.vm_netns, self.bridge,
                                     check=False, timeout=120)
        if done.returncode:
            raise LabError(f"the switch differs from the kernel:\n{done.stdout}"
                           f"{done.stderr}")
        return done.stdout.strip()

    def datapath(self):
        return self.lab.daemons.show("datapaths")[0]

    def wait_in_sync(self, timeout=60):
        def in_sync():
            state = self.datapath()["state"]
            return state == "in sync", state
        wait_for("the switch to be in sync", in_sync, timeout)

    # ---- zebra ----

    def start_zebra(self):
        """In the container; returns its socket, as seen from here."""
        self.zebra_config(self.lab.containers.rootfs(self.node) / "etc/frr/zebra.conf")
        self.lab.containers.run(
            self.node, "/usr/lib/frr/zebra", "-d", "-f", "/etc/frr/zebra.conf", "-A",
            "127.0.0.1", "-i", "/run/frr/zebra.pid", "-z", "/run/frr/zserv.api")
        # Not started by the container, it would have another share of the processors.
        self.lab.instance.cpu.add(self.pid("zebra"))
        return f"/proc/{self.pid('zebra')}/root/run/frr/zserv.api"

    @staticmethod
    def zebra_config(path):
        path.write_text("no zebra nexthop kernel enable\nzebra work-queue 0\n",
                        encoding="ascii")
        shutil.chown(path, "frr", "frr")

    def start_zebra_alone(self):
        """Nobody listening; (namespace, socket)."""
        instance = self.lab.instance
        netns = self.plain_netns("zeb")
        directory = instance.dir / "zebra"
        directory.mkdir()
        shutil.chown(directory, "frr", "frr")
        self.zebra_config(directory / "zebra.conf")
        instance.run("/usr/lib/frr/zebra", "-d", "-f", directory / "zebra.conf", "-P", "0",
                     "-i", directory / "zebra.pid", "-z", directory / "zserv.api",
                     "--vty_socket", directory, netns=Path(netns).name)
        return netns, directory / "zserv.api"

    # ---- references ----

    def plain_netns(self, suffix):
        """A namespace with the container's interfaces and addresses, and nobody in it."""
        name = f"{self.lab.instance.netns}-{suffix}"
        self.lab.instance.manifest.note("netns", name)
        run(["ip", "netns", "add", name])
        lines = ["link set lo up"]
        for i in (1, 2):
            lines += [f"link add eth{i} type veth peer name peer{i}",
                      f"addr add 172.31.{i}.1/24 dev eth{i}", f"link set eth{i} up",
                      f"link set peer{i} up"]
        self.lab.instance.run("ip", "-n", name, "-batch", "-", stdin="\n".join(lines) + "\n")
        return f"/run/netns/{name}"

    def chain(self, netns, rounds, gap_us, *zebra):
        """The times of `route("single", ...)` through nothing but the bare parts."""
        return json.loads(self.tool("chain", netns, self.bridge_ref, rounds, gap_us, *zebra))

    def raw(self, n, hops):
        """Microseconds that the switch alone needs for the same entries."""
        self.settle()
        before = self.cpu()["reference"]
        us = self.ofsend("send", self.bridge_ref, n, hops)
        self.raw_cpu = self.cpu()["reference"] - before
        self.ofsend("delete", self.bridge_ref)
        self.settle()
        return us

    def bundle(self, n, hops):
        """The same by `ovs-ofctl --bundle`, microseconds."""
        text = self.tool("ofsend", "text", n, hops)
        path = self.lab.instance.dir / f"flows-{n}-{hops}"
        path.write_text(text, encoding="ascii")
        self.ofsend("groups", self.bridge_ref, n, hops)
        self.settle()
        begun = os.times().elapsed
        self.lab.instance.run("ovs-ofctl", "-O", "OpenFlow13", "--bundle", "add-flows",
                              self.bridge_ref, path, timeout=120)
        us = (os.times().elapsed - begun) * 1e6
        self.ofsend("delete", self.bridge_ref)
        self.settle()
        path.unlink()
        return us

    # ---- disturbances ----

    def disconnect(self):
        """The switch forgets its controller and all entries."""
        self.lab.ovs.vsctl("del-controller", self.node.name)
        self.ofsend("delete", self.bridge)

    def connect(self):
        self.lab.ovs.vsctl("set-controller", self.node.name, "tcp:127.0.0.1:6653", "--",
                           "set", "controller", self.node.name, "max_backoff=1000",
                           "connection_mode=out-of-band")

    def kill_proxy(self):
        self.lab.daemons.kill("rfproxy")

    def start_proxy(self):
        self.lab.daemons.start_one("rfproxy")

    def stop_proxy(self):
        self.lab.instance.kill_process(self.pid("rfproxy"), signal.SIGTERM)

    def proxy_log(self):
        return (self.lab.instance.dir / "log" / "rfproxy.log").read_text(encoding="utf-8")
