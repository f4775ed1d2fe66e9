"""What the tests of rfvs run in: a real RFVS (a bridge of an Open vSwitch of their own),
interfaces of "containers" in network namespaces, and tests/tools/rfvs_peer.c in the
places of rfserver and rfproxy.

Open vSwitch and rfvs live in one namespace, each container interface in another.
"""

import ctypes
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import belongings
from bed import BUILD, SCHEMA, Tool, wait_for

KEY = "rfvs test key 16+"  # As octets; the key file has them in hexadecimal.
VS = 0x7266767300000001
PORT = 6654
CLONE_NEWNET = 0x40000000
PACKET_OUTGOING = 4


def run(*argv, check=True, env=None):
    done = subprocess.run([str(a) for a in argv], env=env, text=True, timeout=60,
                          capture_output=True, check=False)
    if check and done.returncode:
        raise AssertionError(f"{argv}: {done.stderr}")
    return done.stdout


def in_netns(netns, make):
    """What make() returns in another namespace; a thread of its own goes there."""
    made = []

    def go():
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/run/netns/{netns}", "rb") as ns:
            if libc.setns(ns.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        made.append(make())

    thread = threading.Thread(target=go)
    thread.start()
    thread.join()
    return made[0]


def packet_socket(interface):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sock.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)  # SO_RCVBUFFORCE
    sock.bind((interface, 0))
    return sock


class Interface:
    """eth1 of a container: the far end of port N of RFVS."""

    def __init__(self, prefix, number):
        self.netns = f"{prefix}-{number}"
        self.port = f"{prefix[:10]}.{number}"
        self.number = number
        belongings.note("netns", self.netns)
        run("ip", "netns", "add", self.netns)
        run("ip", "netns", "exec", self.netns, "sysctl", "-qw",
            "net.ipv6.conf.all.disable_ipv6=1")
        run("ip", "link", "add", "eth1", "netns", self.netns, "type", "veth",
            "peer", "name", self.port, "netns", f"{prefix}-0")
        run("ip", "-n", self.netns, "link", "set", "eth1", "up")
        run("ip", "-n", f"{prefix}-0", "link", "set", self.port, "arp", "off", "up")
        self.socket = in_netns(self.netns, lambda: packet_socket("eth1"))

    def has_carrier(self):
        return "LOWER_UP" in run("ip", "-n", self.netns, "link", "show", "eth1")

    def send(self, frame):
        self.socket.send(frame)

    def received(self, seconds=0.0, wanted=1):
        """Frames that came in, waiting until there are `wanted` of them."""
        frames, deadline = [], time.monotonic() + seconds
        while True:
            left = max(0, deadline - time.monotonic()) if len(frames) < wanted else 0
            if not select.select([self.socket], [], [], left)[0]:
                return frames
            frame, address = self.socket.recvfrom(65536)
            if address[2] != PACKET_OUTGOING:
                frames.append(frame)


class Rfvs:
    """Open vSwitch with the bridge, and four container interfaces."""

    def __init__(self, ports=4):
        self.dir = Path(tempfile.mkdtemp(prefix="rfvs-ovs-"))
        self.prefix = f"rv{os.getpid() % 100000}"
        self.netns = f"{self.prefix}-0"
        self.env = dict(os.environ, OVS_RUNDIR=str(self.dir), OVS_LOGDIR=str(self.dir),
                        OVS_DBDIR=str(self.dir))
        self.processes = []
        belongings.note("netns", self.netns)
        run("ip", "netns", "add", self.netns)
        run("ip", "-n", self.netns, "link", "set", "lo", "up")
        run("ip", "netns", "exec", self.netns, "sysctl", "-qw",
            "net.ipv6.conf.all.disable_ipv6=1")
        run("ovsdb-tool", "create", self.dir / "conf.db", SCHEMA, env=self.env)
        self._spawn("ovsdb-server", self.dir / "conf.db",
                    f"--remote=punix:{self.dir}/db.sock",
                    f"--unixctl={self.dir}/ovsdb-server.ctl")
        wait_for("ovsdb-server", (self.dir / "db.sock").exists)
        self.vsctl("--no-wait", "init")
        self.start_vswitchd()
        self.add_bridge("rfvs0", VS)
        self.interfaces = {}
        for number in range(1, ports + 1):
            self.add_interface(number)

    def _spawn(self, *argv):
        with open(self.dir / f"{argv[0]}.log", "ab") as log:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self.netns, *(str(a) for a in argv),
                 "-vsyslog:off"], env=self.env, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def start_vswitchd(self):
        self.vswitchd = self._spawn("ovs-vswitchd", f"unix:{self.dir}/db.sock",
                                    "--disable-system",
                                    f"--unixctl={self.dir}/ovs-vswitchd.ctl")

    def open(self):
        """A connection to rfvs from inside its namespace."""
        sock = in_netns(self.netns, lambda: socket.socket(socket.AF_INET))
        sock.settimeout(10)
        sock.connect(("127.0.0.1", PORT))
        return sock

    def kill_vswitchd(self):
        self.vswitchd.kill()
        self.vswitchd.wait()

    def vsctl(self, *argv):
        # The socket is there a moment before somebody listens.
        return run("ovs-vsctl", f"--db=unix:{self.dir}/db.sock", "--retry", "--timeout=20",
                   *argv, env=self.env)

    def ofctl(self, command, *argv, bridge="rfvs0"):
        return run("ovs-ofctl", "-O", "OpenFlow13", "--no-names", "--timeout=20", command,
                   f"unix:{self.dir}/{bridge}.mgmt", *argv, env=self.env)

    def add_bridge(self, name, dpid, fail_mode="secure"):
        self.vsctl("--", "add-br", name, "--", "set", "bridge", name,
                   "datapath_type=netdev", "protocols=OpenFlow10,OpenFlow13",
                   f"fail-mode={fail_mode}", f"other-config:datapath-id={dpid:016x}",
                   "other-config:disable-in-band=true")

    def add_interface(self, number):
        interface = self.interfaces[number] = Interface(self.prefix, number)
        self.vsctl("--", "add-port", "rfvs0", interface.port, "--", "set", "interface",
                   interface.port, f"ofport_request={number}")

    def connect(self, bridge="rfvs0", protocol="tcp"):
        self.vsctl("set-controller", bridge, f"{protocol}:127.0.0.1:{PORT}", "--", "set",
                   "controller", bridge, "max_backoff=1000",
                   "connection_mode=out-of-band")

    def clear(self):
        """As after add_bridge, for the next test."""
        self.vsctl("del-controller", "rfvs0")
        self.ofctl("del-flows")
        for number, interface in self.interfaces.items():
            self.ofctl("mod-port", str(number), "up")
            wait_for(f"carrier of {number}", interface.has_carrier)
            interface.received()

    def flows(self):
        """{"priority=16384,in_port=1": (duration, cookie, actions)}"""
        found = {}
        for line in self.ofctl("dump-flows").splitlines():
            m = re.match(r"\s*cookie=(0x[0-9a-f]+), duration=([\d.]+)s, table=0, "
                         r"n_packets=\d+, n_bytes=\d+, (?:\S+_timeout=\d+, )*"
                         r"(priority=\S+) actions=(\S+)", line)
            if m:
                found[m[3]] = (float(m[2]), int(m[1], 16), m[4])
            else:
                assert "OFPST" in line, line
        return found

    def links(self):
        """{(from, to, ...)} of the entries whose actions are plain outputs."""
        return {(int(match.split("in_port=")[1]), *(
                    int(output.split(":")[1]) for output in actions.split(",")))
                for match, (_, _, actions) in self.flows().items()
                if re.fullmatch(r"output:\d+(,output:\d+)*", actions)}

    def destroy(self):
        for process in reversed(self.processes):
            process.kill()
            process.wait()
        for netns in (self.netns, *(i.netns for i in self.interfaces.values())):
            run("ip", "netns", "del", netns, check=False)
        shutil.rmtree(self.dir)


class Peer(Tool):
    """rfserver and rfproxy."""

    send = Tool.say_and_wait

    def __init__(self, directory):
        super().__init__(directory, "rfvs_peer", KEY)

    def ask(self, command, pattern):
        since = len(self.lines)
        self.say(command)
        return re.search(pattern, self.wait_line(pattern, since=since))[1]

    def mapping(self, vm_id, vm_port, age=0):
        return bytes.fromhex(self.ask(f"mapping {vm_id} {vm_port} {age}",
                                      "^mapping (.*)"))

    def status(self):
        """The last VS_STATUS, as a dictionary of numbers."""
        for line in reversed(self.lines):
            if line.startswith("VS_STATUS "):
                return {k: int(v, 0) for k, v in re.findall(r"(\w+)=(\w+)", line)}
        return {}

    def wait_status(self, **wanted):
        return wait_for(lambda: f"{wanted}, have {self.status()}",
                        lambda: wanted.items() <= self.status().items())


class Bed:
    """One rfvs, its peer, and the RFVS that it drives."""

    def __init__(self, rfvs):
        self.rfvs = rfvs
        self.dir = Path(tempfile.mkdtemp(prefix="rfvs-"))
        (self.dir / "key").write_text(KEY.encode().hex() + "\n", encoding="ascii")
        (self.dir / "key").chmod(0o600)
        self.peer = Peer(self.dir)
        self.process = None
        self.tidy = []  # What a test wants undone.

    def start(self, *options, wait=True):
        """The daemon, and its sessions with rfserver and rfproxy."""
        since = len(self.peer.lines)
        with open(self.dir / "log", "ab") as log:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", self.rfvs.netns, BUILD / "bin/rfvs", "--server",
                 self.peer.server, "--relay", self.peer.relay, "--key-file",
                 self.dir / "key", "--log-level", "debug", *options], stderr=log)
        if wait:
            self.peer.wait_line("^up rfvs", since=since)
            self.wait_log("rfproxy is there")

    def up(self, *records):
        """Everything: daemon, RFVS connected, and a full download."""
        self.start()
        self.connect()
        self.peer.send(f"begin {VS}", *records, f"end {VS}")

    def connect(self):
        self.rfvs.connect()
        self.peer.wait_line("^VS_STATUS")

    def kill(self, signum=signal.SIGKILL):
        self.process.send_signal(signum)
        status = self.process.wait(10)
        self.process = None
        return status

    def log(self):
        return (self.dir / "log").read_text(encoding="utf-8")

    def wait_log(self, text, seconds=10, count=1):
        wait_for(lambda: f"{text!r} in the log: {self.log()[-3000:]}",
                 lambda: self.log().count(text) >= count, seconds)

    def wait_links(self, *links, seconds=10):
        wait_for(lambda: f"{links}, have {self.rfvs.flows()}",
                 lambda: self.rfvs.links() == set(links), seconds)

    def destroy(self):
        self.rfvs.clear()
        for undo in self.tidy:
            undo()
        status = self.kill(signal.SIGTERM) if self.process else None
        self.peer.destroy()
        log = self.log()
        shutil.rmtree(self.dir)
        assert status in (0, None), f"rfvs ended with {status}:\n{log[-3000:]}"
