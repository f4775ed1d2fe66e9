"""This machine in the place of a lab: where its containers, RFVS and keys are.

An INI file says so, in its section [plan-container], which may be that of the daemons:

    lxc-path       /var/lib/lxc
    folder         what this program notes: /var/lib/routeflow/containers
    programs       a folder with rfclient and rfctl, seen in the containers
    bridge         the management bridge
    management     rfserver's address there and the length of the network: 10.254.0.1/24;
    first          new containers get addresses from this one of it on: 100
    server         rfserver's endpoint for containers: tcp://10.254.0.1:25555
    ovsdb          /var/run/openvswitch/db.sock
    rfvs           name of the bridge: rfvs0
    key-file       /etc/routeflow/frames.key
    curve-server   NAME of rfserver's key pair, and
    curve-allow    the list of keys that it lets in; neither: no encryption
    hello, dead    seconds, of OSPF: 1 and 4
"""

import configparser
import ipaddress
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

from .daemons import Daemons
from .lab import write_container
from .lxc import Containers
from .net import Network
from .ovs import OpenVSwitch
from .system import CHECKOUT, Instance, LabError
from .topology import Node

SECTION = "plan-container"
DEFAULTS = {"lxc-path": "/var/lib/lxc", "folder": "/var/lib/routeflow/containers",
            "ovsdb": "/var/run/openvswitch/db.sock", "rfvs": "rfvs0",
            "key-file": "/etc/routeflow/frames.key", "first": "100", "hello": "1", "dead": "4",
            "curve-server": "", "curve-allow": ""}
NEEDED = ("programs", "bridge", "management", "server")


def read(path):
    parser = configparser.ConfigParser(defaults={}, interpolation=None)
    try:
        with open(path, encoding="utf-8") as file:
            # Keys may stand before any section; they are the daemons'.
            parser.read_string("[ ]\n" + file.read(), source=str(path))
    except (OSError, configparser.Error) as error:
        raise LabError(f"{path}: {error}")
    found = dict(parser[SECTION]) if parser.has_section(SECTION) else {}
    unknown = sorted(found.keys() - DEFAULTS.keys() - set(NEEDED))
    missing = [key for key in NEEDED if not found.get(key)]
    if unknown or missing:
        raise LabError(f"{path}: [{SECTION}]: " + "; ".join(
            [f"unknown key {key}" for key in unknown] +
            [f"{key} is missing" for key in missing]))
    options = {**DEFAULTS, **found}
    if bool(options["curve-server"]) != bool(options["curve-allow"]):
        raise LabError(f"{path}: [{SECTION}]: curve-server and curve-allow go together")
    return options


class SiteDaemons(Daemons):
    """rfserver is not ours: rfctl has it read the keys again."""

    def __init__(self, instance, network, options):
        super().__init__(instance, network)
        self.site = options

    def program(self, name):
        return Path(self.site["programs"]) / name

    def _pair(self, node):
        return self.instance.dir / f"{node.vm}-key"

    def _list_without(self, node):
        lines = Path(self.site["curve-allow"]).read_text(encoding="ascii").splitlines(True)
        return [line for line in lines if line.split()[1:] != [node.vm_id]]

    def admit(self, node):
        if self.site["curve-allow"]:
            key = self.instance.run(self.program("rfctl"), "keygen",
                                    self._pair(node)).stdout.strip()
            Path(self.site["curve-allow"]).write_text(
                "".join([*self._list_without(node), f"{key} {node.vm_id}\n"]),
                encoding="ascii")

    def forbid(self, node):
        if self.site["curve-allow"]:
            Path(self.site["curve-allow"]).write_text("".join(self._list_without(node)),
                                                      encoding="ascii")
        for suffix in ("key", "secret"):
            Path(f"{self._pair(node)}.{suffix}").unlink(missing_ok=True)

    def install_keys(self, node, directory):
        files = {"frames.key": self.site["key-file"]}
        if self.site["curve-server"]:
            files.update({"rfclient.key": f"{self._pair(node)}.key",
                          "rfclient.secret": f"{self._pair(node)}.secret",
                          "rfserver.key": f"{self.site['curve-server']}.key"})
        for name, source in files.items():
            (directory / name).touch(mode=0o600)
            (directory / name).write_bytes(Path(source).read_bytes())

    def rfclient_options(self, node):
        options = {"server": self.site["server"], "vm-id": node.vm_id,
                   "key-file": "/etc/routeflow/frames.key"}
        if self.site["curve-server"]:
            options.update({"curve": "/etc/routeflow/rfclient",
                            "curve-server": "/etc/routeflow/rfserver"})
        return {"rfclient": options}


class Site:
    def __init__(self, path):
        options = read(path)
        self.instance = Instance(options["folder"])
        self.instance.netns = None  # That of whoever calls.
        (self.instance.dir / "config").mkdir(parents=True, exist_ok=True)
        self.topology = SimpleNamespace(
            routing={"protocol": "ospf", "hello": options["hello"],
                     "dead": options["dead"]}, ipv6=False, light=False, nodes=[])
        management = ipaddress.IPv4Interface(options["management"])
        self.network = Network(self.instance, self.topology, management.network)
        self.ovs = OpenVSwitch(self.instance)
        self.ovs.socket = Path(options["ovsdb"])
        self.containers = Containers(self.instance, self.network, self.ovs)
        self.containers.path = Path(options["lxc-path"])
        self.containers.bridge = options["bridge"]
        self.containers.rfvs = options["rfvs"]
        self.first_index = int(options["first"]) - 10
        self.daemons = SiteDaemons(self.instance, self.network, options)
        self.notes = self.instance.dir / "state.json"
        self.state = json.loads(self.notes.read_text(encoding="utf-8")) \
            if self.notes.exists() else {}

    def save(self, **values):
        self.state.update(values)
        temporary = self.notes.with_suffix(".new")
        temporary.write_text(json.dumps(self.state, indent=1), encoding="utf-8")
        temporary.rename(self.notes)

    def present_nodes(self, name):
        """A container that somebody made, under the name by which its rfclient goes; its
        eth0 has the vm_id as address, unless that is configured otherwise."""
        config = self.containers.path / name / "config"
        if config.exists():
            for line in config.read_text(encoding="utf-8").splitlines():
                key, _, value = line.partition("=")
                if key.strip() == "lxc.net.0.hwaddr":
                    yield Node(name, 0, 0, name, value.strip().replace(":", ""))

    def create_container(self, node):
        programs = self.instance.dir / "bin"
        if not programs.is_symlink():
            programs.symlink_to(self.daemons.program("rfctl").parent)
        shutil.copy(CHECKOUT / "lxc" / "attach-ports", self.instance.dir / "config")
        (self.instance.dir / "log").mkdir(exist_ok=True)
        write_container(self.containers, self.daemons, node)
