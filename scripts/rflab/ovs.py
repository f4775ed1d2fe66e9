"""The lab's own Open vSwitch, in the namespace of the lab.

Both processes, their database and sockets live in the run directory: one that the
machine already runs is neither used nor noticed.  The real switches and RFVS are
bridges of one process; they share nothing but its memory.
"""

from contextlib import suppress
from pathlib import Path

from .system import LabError, wait_for
from .topology import RFVS_BRIDGE, RFVS_DPID

OPTIONS = ("--no-chdir", "--detach", "--no-self-confinement", "--log-file",
           "-vconsole:off", "-vsyslog:off", "-vfile:info")
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"

# The own start script of Open vSwitch has -10.  Here all switches of a network are one
# process on the machine of all the others: it shall get a processor when it has work, and
# leave one to them.
NICENESS = "-4"


class OpenVSwitch:
    def __init__(self, instance):
        self.instance = instance
        self.dir = instance.dir / "ovs"
        self.socket = self.dir / "db.sock"
        self.netns = instance.netns

    def start(self):
        run = self.instance.run
        database = self.dir / "conf.db"
        run("ovsdb-tool", "create", database, SCHEMA)
        run("ovsdb-server", database, f"--remote=punix:{self.socket}",
            f"--pidfile={self.dir}/ovsdb-server.pid",
            f"--unixctl={self.dir}/ovsdb-server.ctl", *OPTIONS, netns=self.netns)
        self.vsctl("--no-wait", "init")
        self.start_vswitchd()

    def start_vswitchd(self):
        """Also after a crash: the bridges are in the database, their entries are not.

        No tunnels here: without their routes a lost link is one table less to read.
        """
        self.instance.run("nice", "-n", NICENESS, "ovs-vswitchd", f"unix:{self.socket}",
                          "--disable-system-route",
                          f"--pidfile={self.dir}/ovs-vswitchd.pid",
                          f"--unixctl={self.dir}/ovs-vswitchd.ctl", *OPTIONS,
                          netns=self.netns)
        pid = (self.dir / "ovs-vswitchd.pid").read_text(encoding="ascii").strip()
        self.instance.cpu.add(pid)
        # Where sessions share the processors evenly, a process's own niceness is moot.
        with suppress(OSError):  # No such thing here, or not ours to decide.
            Path(f"/proc/{pid}/autogroup").write_text(NICENESS, encoding="ascii")

    def vsctl(self, *argv, check=True):
        return self.instance.run("ovs-vsctl", f"--db=unix:{self.socket}", "--timeout=20",
                                 *argv, check=check).stdout

    def ofctl(self, *argv, check=True):
        return self.instance.run("ovs-ofctl", "-O", "OpenFlow13", "--timeout=20", *argv,
                                 check=check).stdout

    def management(self, bridge):
        """What ovs-ofctl takes in the place of a bridge name."""
        return f"unix:{self.dir}/{bridge}.mgmt"

    @staticmethod
    def _bridge(name, dpid, controller):
        """OVS forwards as an ordinary learning switch unless told to be secure."""
        return ["--", "add-br", name, "--", "set", "bridge", name, "datapath_type=netdev",
                "protocols=OpenFlow10,OpenFlow13", "fail-mode=secure",
                f"other-config:datapath-id={dpid:016x}",
                "other-config:disable-in-band=true",
                "--", "set-controller", name, controller,
                "--", "set", "controller", name, "max_backoff=1000",
                "connection_mode=out-of-band"]

    @staticmethod
    def _port(bridge, name, number):
        return ["--", "add-port", bridge, name, "--", "set", "interface", name,
                f"ofport_request={number}"]

    def add_switches(self, topology, controller):
        argv = []
        for switch in topology.switches():
            argv += self._bridge(switch.name, switch.dpid, controller)
        for port in topology.switch_ports():
            argv += self._port(port.switch.name, port.name, port.number)
        self.vsctl(*argv)

    def add_plain_switches(self, topology):
        """They learn addresses, pass no LLDP, and have no controller."""
        argv = []
        for segment in topology.segments:
            if segment.bridge == "ovs":
                argv += ["--", "add-br", segment.name, "--", "set", "bridge", segment.name,
                         "datapath_type=netdev", "fail-mode=standalone"]
                for port in segment.ports:
                    argv += ["--", "add-port", segment.name, segment.interface(port)]
        if argv:
            self.vsctl(*argv)

    def add_ports(self, bridge, ports):
        self.vsctl(*(word for name, number in ports
                     for word in self._port(bridge, name, number)))

    def add_rfvs(self, controller):
        """Its ports come and go with the containers: lxc/attach-ports."""
        self.vsctl(*self._bridge(RFVS_BRIDGE, RFVS_DPID, controller))

    def check_ports(self, topology):
        """Every port has the number that the mapping relies on."""
        wanted = {p.name: p.number for p in topology.switch_ports()}
        wanted.update({p.rfvs_interface: p.node.rfvs_base + p.number
                       for p in topology.ports()})

        def numbered():
            table = self.vsctl("--format=csv", "--no-headings", "--columns=name,ofport",
                               "list", "interface")
            have = dict(line.split(",") for line in table.split())
            wrong = [f"{name} is {have.get(name)}, not {number}"
                     for name, number in wanted.items() if have.get(name) != str(number)]
            return not wrong, "; ".join(wrong)

        wait_for("the ports of the switches", numbered, 10)

    def controllers_connected(self):
        table = self.vsctl("--format=csv", "--no-headings", "--columns=is_connected",
                           "list", "controller")
        return table.split().count("true")

    def require(self):
        if not self.socket.exists():
            raise LabError("the lab is not up (scripts/demo up)")
