"""Containers: one small root of our own each, with the host's /usr bound read-only."""

import os
import pwd
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import suite
from .net import MANAGEMENT_BRIDGE
from .system import CHECKOUT, MARK, LabError
from .topology import RFVS_BRIDGE

DIRECTORIES = ("usr", "opt/routeflow", "proc", "sys", "dev", "tmp", "run", "root",
               "etc/routeflow", "etc/alternatives", "etc/frr", "etc/quagga", "etc/pam.d",
               "var/tmp", "var/log/routing", "var/lib")
COPIED = ("nsswitch.conf", "ld.so.cache", "ld.so.conf", "iproute2", "services",
          "protocols", "localtime")
ACCOUNTS = ("root", "daemon", "nobody", "frr", "frrvty", "quagga", "quaggavty", "nogroup",
            "sshd")


class Containers:
    def __init__(self, instance, network, ovs):
        self.instance = instance
        self.network = network
        self.ovs = ovs
        self.topology = network.topology
        self.path = instance.dir / "lxc"
        self.bridge = MANAGEMENT_BRIDGE
        self.rfvs = RFVS_BRIDGE

    def rootfs(self, node):
        return self.path / node.vm / "rootfs"

    def create(self, node):
        """Writes the container's root and configuration."""
        root = self.rootfs(node)
        for name in DIRECTORIES:
            (root / name).mkdir(parents=True, exist_ok=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            (root / name).symlink_to(f"usr/{name}")
        (root / "var/run").symlink_to("/run")
        for name in COPIED:
            source = Path("/etc", name)
            if source.is_dir():
                shutil.copytree(source, root / "etc" / name, symlinks=True,
                                dirs_exist_ok=True)
            elif source.exists():
                shutil.copy(source, root / "etc" / name)
        for name in ("passwd", "group"):
            lines = Path("/etc", name).read_text(encoding="utf-8").splitlines(True)
            (root / "etc" / name).write_text(
                "".join(l for l in lines if l.split(":")[0] in ACCOUNTS), encoding="utf-8")
        (root / "etc/hostname").write_text(node.vm + "\n", encoding="utf-8")
        (root / "etc/pam.d/frr").write_text("auth sufficient pam_permit.so\n"
                                            "account sufficient pam_permit.so\n",
                                            encoding="utf-8")
        shutil.copy(CHECKOUT / "lxc/init", root / "etc/routeflow/init")
        files = suite.files(self.topology, node)
        for directory, user in (("frr", "frr"), ("quagga", "quagga")):
            for name, text in files.items():
                if directory == "quagga" and "frr" in name:
                    continue
                self._suite_file(root / "etc" / directory / name, text, user)
        (root / "etc/routeflow/daemons").write_text(
            " ".join(suite.daemons(self.topology)) + "\n", encoding="utf-8")
        self.instance.manifest.note("cgroup", self.cgroup(node))
        (self.path / node.vm / "config").write_text(self.config(node), encoding="utf-8")

    @staticmethod
    def _suite_file(path, text, user):
        path.write_text(text, encoding="utf-8")
        path.chmod(0o640)
        try:
            account = pwd.getpwnam(user)
        except KeyError:
            return
        os.chown(path, account.pw_uid, account.pw_gid)
        os.chown(path.parent, account.pw_uid, account.pw_gid)

    def cgroup(self, node):
        return f"rf-{self.instance.name}-{node.vm}"

    def interface(self, port):
        """The lines of a container's configuration about one port."""
        prefix = f"lxc.net.{port.number}"
        lines = [f"{prefix}.type = veth", f"{prefix}.name = {port.vm_interface}",
                 f"{prefix}.veth.pair = {port.rfvs_interface}",
                 f"{prefix}.hwaddr = {port.mac}", f"{prefix}.mtu = {port.mtu}"]
        if not self.topology.routing:
            lines += [f"{prefix}.ipv{a.version}.address = {a}" for a in port.addresses]
        return lines

    def config(self, node):
        interfaces, ports = [], []
        for port in node.ports:
            interfaces += self.interface(port)
            ports.append(f"{port.rfvs_interface}:{node.rfvs_base + port.number}")
        management = self.network.management
        values = {
            "VM": node.vm, "ROOTFS": self.rootfs(node), "CGROUP": self.cgroup(node),
            "MARK": f"{MARK}={self.instance.dir}", "BIN": self.instance.dir / "bin",
            "NO_IPV6": 0 if self.topology.ipv6 else 1, "BRIDGE": self.bridge,
            "ETH0_MAC": bytes.fromhex(node.vm_id).hex(":"),
            "ETH0_ADDRESS": f"{self.network.vm_address(node)}/{management.prefixlen}",
            "INTERFACES": "\n".join(interfaces),
            "HOOK": self.instance.dir / "config" / "attach-ports",
            "OVSDB": self.ovs.socket, "RFVS": self.rfvs,
            "RFVS_PORTS": " ".join(ports)}
        text = (CHECKOUT / "lxc/rfvm.conf.in").read_text(encoding="utf-8")
        for key, value in values.items():
            text = text.replace(f"@{key}@", str(value))
        return text

    def start_all(self, nodes):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self.start, nodes))

    def start(self, node):
        log = self.instance.dir / "log" / f"lxc-{node.vm}.log"
        try:
            self.instance.run("lxc-start", "-P", self.path, "-n", node.vm, "-d", "-l",
                              "INFO", "-o", log, netns=self.instance.netns)
            self.instance.cpu.adopt(self.cgroup(node))
        except LabError:
            lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
            errors = [line for line in lines if " ERROR " in line]
            raise LabError(f"container {node.vm} does not start, see {log}\n" +
                           "\n".join(errors[-5:]))

    def stop(self, node, kill=False):
        self.instance.run("lxc-stop", "-P", self.path, "-n", node.vm,
                          *(["-k"] if kill else ["-t", "5"]), check=False,
                          netns=self.instance.netns)

    def destroy(self, node):
        """Ends it for good; its folder and its ports of RFVS are left."""
        self.stop(node, kill=True)

    def plug(self, node, ports, rfvs_port):
        """Interfaces more for a container that runs; rfvs_port(port) is a number."""
        pid = self.instance.run("lxc-info", "-P", self.path, "-n", node.vm, "-p", "-H",
                                netns=self.instance.netns).stdout.strip()
        self._plug_into(pid, ports, rfvs_port)

    def _plug_into(self, netns, ports, rfvs_port):
        self.network.batch(self.instance.netns, [
            line for port in ports for line in (
                f"link add {port.rfvs_interface} type veth peer name {port.vm_interface} "
                f"address {port.mac} netns {netns}",
                f"link set {port.rfvs_interface} arp off up")])
        self.ovs.add_ports(self.rfvs, [(port.rfvs_interface, rfvs_port(port))
                                         for port in ports])

    def command(self, node, *argv):
        """The command line that runs argv inside a container."""
        return self.instance.inside(self.instance.netns, "lxc-attach", "-P", self.path,
                                    "-n", node.vm, "--clear-env", "--", *argv)

    def run(self, node, *argv, **options):
        return self.instance.run(*self.command(node, *argv), **options)
