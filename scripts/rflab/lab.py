"""A whole lab: brings a topology up on a run directory, and takes it down again."""

import json
import time

from . import net
from .cgroup import remove_cgroups
from .daemons import PROXY_CONTROLLER, RFVS_CONTROLLER, Daemons, config_text
from .light import LegacyRouters, LightContainers, Routers
from .lxc import Containers
from .net import Network
from .ovs import OpenVSwitch
from .store import choose_store, drop_database
from .system import Instance, LabError, plural
from .topology import load


LOCKS = []  # Open files; a lock ends with its file.


class Lab:
    def __init__(self, instance, topology, management):
        self.instance = instance
        self.topology = topology
        self.network = Network(instance, topology, management)
        self.ovs = OpenVSwitch(instance)
        self.containers = (LightContainers if topology.light else Containers)(
            instance, self.network, self.ovs)
        if topology.legacy_nodes():
            self.containers = Routers(self.containers, LegacyRouters(
                instance, self.network, self.ovs))
        self.daemons = Daemons(instance, self.network)
        self.state = {}
        self.first_index = len(topology.nodes)  # Of a container that is made later.

    @classmethod
    def opened(cls, run_dir):
        """The lab that is up on a run directory."""
        instance = Instance(run_dir)
        try:
            state = json.loads((instance.dir / "state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise LabError(f"no lab is up on {instance.dir} (scripts/lab up, or "
                           "scripts/demo up)")
        lab = cls(instance, load(instance.dir / "config" / "topology.json"),
                  state["management"])
        lab.state = state
        return lab

    def present_nodes(self, name):
        """Those of the topology, of which one may be meant."""
        return self.topology.nodes

    def save(self, **values):
        self.state.update(values)
        temporary = self.instance.dir / "state.new"
        temporary.write_text(json.dumps(self.state, indent=1), encoding="utf-8")
        temporary.rename(self.instance.dir / "state.json")

    def mark_converged(self):
        """From now on all hosts reach each other (see Verifier.silence)."""
        self.save(converged=time.time())

    def phases(self):
        """(what, function) in order; each returns words to print, or None."""
        return [("namespaces, links, hosts", self._network),
                ("Open vSwitch", self._open_vswitch),
                ("rfserver, rfproxy, rfvs", self._daemons),
                ("switches and RFVS", self._switches),
                ("containers", self._containers)]

    def _network(self):
        (self.instance.dir / "config" / "topology.json").write_text(
            json.dumps(self.topology.document, indent=1) + "\n", encoding="utf-8")
        self.daemons.prepare()
        net.raise_limits(self.instance, 4 * len(self.topology.ports()))
        self.network.create()
        self.network.start_captures()
        return ", ".join(plural(len(things), noun) for things, noun in
                         ((self.topology.switches(), "switch"), (self.topology.links, "link"),
                          (self.topology.segments, "segment"),
                          (self.topology.legacy_nodes(), "legacy router"),
                          (self.topology.hosts, "host")) if things or noun == "link")

    def _open_vswitch(self):
        self.instance.cpu.create()
        self.ovs.start()

    def _daemons(self):
        store = choose_store(self.instance)
        self.save(management=str(self.network.management), store=store,
                  started=time.time())
        self.daemons.configure(store)
        self.daemons.start()
        return f"store {store}"

    def _switches(self):
        self.ovs.add_rfvs(RFVS_CONTROLLER)
        self.ovs.add_switches(self.topology, PROXY_CONTROLLER)
        self.ovs.add_plain_switches(self.topology)

    def create_container(self, node):
        write_container(self.containers, self.daemons, node)

    def _containers(self):
        for node in self.topology.nodes:
            if node.legacy:
                self.containers.create(node)
            else:
                self.create_container(node)
        self.containers.start_all(self.topology.nodes)
        self.ovs.check_ports(self.topology)
        names = [node.vm for node in self.topology.nodes]
        return " ".join(names if len(names) < 5 else [*names[:3], "...", names[-1]])


def write_container(containers, daemons, node):
    """All files of a container, which can then be started."""
    containers.create(node)
    files = containers.rootfs(node) / "etc/routeflow"
    (files / "routeflow.conf").write_text(
        config_text(daemons.rfclient_options(node)), encoding="utf-8")
    daemons.install_keys(node, files)


def create(run_dir, topology):
    """A new lab on a run directory that holds none; the caller runs its phases()."""
    instance = Instance(run_dir)
    if instance.manifest.exists():
        raise LabError(f"{instance.dir} holds a lab already")
    management = net.pick_management_network(len(topology.nodes))
    instance.make_dir()
    return Lab(instance, topology, management)


def is_up(run_dir):
    return Instance(run_dir).manifest.exists()


def lock(run_dir):
    """Until this process ends, no other brings a lab up or down there."""
    LOCKS.append(Instance(run_dir).lock())


def down(run_dir):
    """Removes all that a lab has made, however far it came; True if there was any."""
    instance = Instance(run_dir)
    if not instance.manifest.exists():
        return False
    # Marked processes include those of the containers: killing LXC's monitor and the
    # container's first process ends each container.
    while pids := instance.processes():
        instance.kill_processes(pids)
    for uri in instance.manifest.names("database"):
        drop_database(uri)
    net.remove(instance)
    remove_cgroups(instance)
    instance.remove_dir()
    return True
