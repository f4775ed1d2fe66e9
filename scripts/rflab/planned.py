"""What `rfctl plan` proposes of one container: shown, made, taken back.

A proposal says of a container whether it is to be created, and which of its ports are
new (rfctl/plan.h). A new container is made by the code that makes those of a lab, of its
kind.  One that is there gets more interfaces while it runs, and a block at the end of
each of its files, so that they are there after a restart, too; to take it back is to
remove block and interface.
"""

import difflib
import ipaddress
import json
import shutil
import sys
from pathlib import Path

from . import lab as labs
from . import suite
from .cgroup import remove_cgroup
from .site import Site
from .system import LabError
from .topology import Node, Port, Switch, port_mac


def port_of(node, p):
    """The port of a topology that a port of a proposal would be.  Of its peer only
    matters that there is one."""
    dpid = int(p["datapath"]["dp_id"], 16)
    port = Port(node, Switch(f"s{dpid:x}", dpid), p["vm_port"],
                ipaddress.IPv4Interface(p["address"]), port_mac(node.vm_id, p["vm_port"]))
    if "link_to" in p:
        port.peer = port
    return port


class Planned:
    def __init__(self, lab, document, file):
        self.lab = lab
        self.document = document
        self.file = str(file)  # One for each time that it is applied.
        self.containers = lab.containers
        if (lab.topology.routing or {}).get("protocol") != "ospf":
            raise LabError("containers are made for OSPF only, and this lab has "
                           f"{lab.topology.routing}")
        self.node = self._new_node() if document["create"] else self._present_node()
        # Only what is new of them matters of those of a container that is there.
        self.ports = [port_of(self.node, p) for p in document["ports"]]
        self.new_interfaces = [port for port, p in zip(self.ports, document["ports"])
                               if p["new_interface"]]
        self.new_addresses = [port for port, p in zip(self.ports, document["ports"])
                              if p["new_address"]]
        if document["create"]:
            self.node.ports = self.ports

    # Which node.

    def _planned(self):
        """Containers that were made of proposals: {name: {vm_id, index, rfvs_base}}."""
        return self.lab.state.get("planned", {})

    def _new_node(self):
        name = self.document["name"]
        known = self._planned().get(name) or {
            "vm_id": self.document["vm_id"], "index": self._free_index(),
            "rfvs_base": self._free_rfvs_base()}
        return Node(name, 0, 0, name, known["vm_id"], index=known["index"],
                    rfvs_base=known["rfvs_base"],
                    loopbacks=[ipaddress.IPv4Address(self.document["router_id"])])

    def _present_node(self):
        for node in self.lab.present_nodes(self.document["name"]):
            if int(node.vm_id, 16) == int(self.document["vm_id"], 16):
                return node
        for name, known in self._planned().items():
            if known["vm_id"] == self.document["vm_id"]:
                return Node(name, 0, 0, name, **known)
        raise LabError(f"there is no container {self.document['name']} with vm_id "
                       f"{self.document['vm_id']}")

    def _free_index(self):
        used = [known["index"] for known in self._planned().values()]
        first = self.lab.first_index
        return next(i for i in range(first, first + 1000) if i not in used)

    def _free_rfvs_base(self):
        table = self.lab.ovs.vsctl("--format=csv", "--no-headings", "--columns=ofport",
                                   "list", "interface").split()
        return max([int(n) for n in table if n.isdigit() and int(n) < 60000], default=0)

    def _remember(self, keep):
        planned = dict(self._planned())
        planned.pop(self.node.vm, None)
        if keep:
            planned[self.node.vm] = {"vm_id": self.node.vm_id, "index": self.node.index,
                                     "rfvs_base": self.node.rfvs_base}
        self.lab.save(planned=planned)

    # Files: path -> what is to be there, or to be added at the end.

    def _etc(self):
        return self.containers.rootfs(self.node) / "etc"

    def _config(self):
        return self.containers.path / self.node.vm / "config"

    def new_files(self):
        files = {self._etc() / "frr" / name: text
                 for name, text in suite.files(self.lab.topology, self.node).items()}
        files[self._config()] = self.containers.config(self.node)
        return files

    def added_blocks(self):
        zebra = suite.zebra_interfaces(self.new_addresses)
        ospfd = []
        if self.new_addresses:
            ospfd = [*suite.ospfd_interfaces(self.new_addresses,
                                             self.lab.topology.routing), "router ospf",
                     *suite.ospfd_networks(self.new_addresses), "!"]
        blocks = {self._etc() / suite_name / name: lines
                  for suite_name in ("frr", "quagga")
                  for name, lines in (("zebra.conf", zebra), ("ospfd.conf", ospfd),
                                      ("frr.conf", zebra + ospfd))}
        if not self.lab.topology.light and self.new_interfaces:
            blocks[self._config()] = self._config_block()
        return {path: "".join(f"{line}\n" for line in lines)
                for path, lines in blocks.items() if lines and path.exists()}

    def _config_block(self):
        """The interfaces, and the hook that plugs them in: its words are those of the
        hook that is there."""
        hook = next(line for line in self._config().read_text(encoding="utf-8").split("\n")
                    if line.startswith("lxc.hook.start-host"))
        hook = " ".join(word for word in hook.split(" ") if ":" not in word)
        lines = []
        for port in self.new_interfaces:
            lines += self.containers.interface(port)
        pairs = [f"{port.rfvs_interface}:{self._rfvs_port(port)}"
                 for port in self.new_interfaces]
        return [*lines, " ".join([hook, *pairs])]

    def _rfvs_port(self, port):
        """Any number would do: mapping frames tell which it is.  It is to be the same
        each time this is asked."""
        return 60000 + self.node.index * 256 % 5000 + port.number % 256

    def show(self):
        if self.document["create"]:
            for path, text in self.new_files().items():
                self._diff("/dev/null", path, "", text)
        else:
            for path, text in self.added_blocks().items():
                old = path.read_text(encoding="utf-8")
                self._diff(path, path, old, old + text)

    @staticmethod
    def _diff(before, after, old, new):
        sys.stdout.writelines(difflib.unified_diff(
            old.splitlines(True), new.splitlines(True), str(before), str(after)))

    # A new container.

    def _require_no_container(self):
        if (self.containers.path / self.node.vm).exists():
            raise LabError(f"a container {self.node.vm} exists already, in "
                           f"{self.containers.path}")

    def create(self):
        self._remember(True)
        self.lab.daemons.admit(self.node)
        self.lab.create_container(self.node)
        self.containers.start_all([self.node])

    def remove(self):
        folder = self.containers.path / self.node.vm
        if folder.exists():
            self.containers.destroy(self.node)
            shutil.rmtree(folder)
        self._unplug(self.node.ports)
        remove_cgroup(self.containers.cgroup(self.node))
        self.lab.daemons.forbid(self.node)
        self._remember(False)

    def _unplug(self, ports):
        argv = []
        for port in ports:
            argv += ["--", "--if-exists", "del-port", self.containers.rfvs, port.rfvs_interface]
        if argv:
            self.lab.ovs.vsctl(*argv)

    # A container that is there.

    def _inside(self, *argv, check=True):
        return self.containers.run(self.node, *argv, check=check)

    def _vtysh(self, lines, check=True):
        """Commands to a suite that runs; it would not read its files again."""
        words = [word for line in lines if line != "!" for word in ("-c", line.strip())]
        if words:
            self._inside("vtysh", "-c", "configure terminal", *words, check=check)

    def _require_no_interfaces(self):
        there = self.lab.ovs.vsctl("list-ports", self.containers.rfvs).split()
        for port in self.new_interfaces:
            if port.rfvs_interface in there:
                raise LabError(f"{self.containers.rfvs} has a port {port.rfvs_interface} "
                               "already")

    def extend(self):
        for path, text in self.added_blocks().items():
            with open(path, "a", encoding="utf-8") as out:
                out.write(text)
        self.containers.plug(self.node, self.new_interfaces, self._rfvs_port)
        for port in self.new_interfaces:
            name = port.vm_interface
            self._inside("sh", "-c", f"ethtool -K {name} tx off >/dev/null; "
                         f"echo 1000000 >/proc/sys/net/ipv4/neigh/{name}/gc_stale_time; "
                         f"for i in accept_dad dad_transmits accept_ra; do "
                         f"echo 0 >/proc/sys/net/ipv6/conf/{name}/$i; done 2>/dev/null; "
                         f"ip link set {name} up")
        self._vtysh(suite.zebra_interfaces(self.new_addresses))
        if self.new_addresses:
            self._vtysh([*suite.ospfd_interfaces(self.new_addresses,
                                                 self.lab.topology.routing),
                         "router ospf", *suite.ospfd_networks(self.new_addresses)])

    def reduce(self):
        for path, text in self.added_blocks().items():
            old = path.read_text(encoding="utf-8")
            before, _, after = old.rpartition(text)  # Others may be behind it.
            if text in old:
                path.write_text(before + after, encoding="utf-8")
        for port in self.new_addresses:
            self._forget(["router ospf", f"no network {port.address.network} area 0",
                          *([] if port.peer
                            else [f"no passive-interface {port.vm_interface}"]),
                          f"interface {port.vm_interface}", f"no ip address {port.address}"])
        self._unplug(self.new_interfaces)
        for port in self.new_interfaces:
            self.lab.instance.run("ip", "link", "del", port.rfvs_interface, check=False,
                                  netns=self.lab.instance.netns)
            self._forget([f"no interface {port.vm_interface}"])

    def _forget(self, lines):
        """A suite that does not run has nothing to forget."""
        try:
            self._vtysh(lines, check=False)
        except LabError:
            pass

    # Once each.

    def _note(self, keep):
        made = [file for file in self.lab.state.get("made", []) if file != self.file]
        self.lab.save(made=made + [self.file] if keep else made)

    def make(self):
        if self.document["create"]:
            self._require_no_container()
        else:
            self._require_no_interfaces()
        self._note(True)
        (self.create if self.document["create"] else self.extend)()

    def unmake(self):
        if self.file in self.lab.state.get("made", []):  # Else it is somebody else's.
            (self.remove if self.document["create"] else self.reduce)()
            self._note(False)


def run(words):
    try:
        if len(words) != 4 or words[0] not in ("--lab", "--site") \
                or words[2] not in ("show", "make", "unmake"):
            raise LabError("usage: plan-container --lab FOLDER|--site FILE "
                           "show|make|unmake FILE")
        document = json.loads(Path(words[3]).read_text(encoding="utf-8"))
        where = labs.Lab.opened(words[1]) if words[0] == "--lab" else Site(words[1])
        getattr(Planned(where, document, words[3]), words[2])()
        return 0
    except LabError as error:
        print(f"plan-container: {error}", file=sys.stderr)
        return 1
