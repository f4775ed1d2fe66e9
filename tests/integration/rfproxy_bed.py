"""What the tests of rfproxy run in: real bridges of an Open vSwitch of their own, and
tests/tools/rfproxy_peer.c in the places of rfserver and rfvs.

The bridges have "dummy" ports, which need no privileges: frames are injected by
ovs-appctl, and two of them connected by a Unix socket are a link.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from bed import BUILD, SCHEMA, Tool, wait_for
from rflab.system import free_port

KEY = "00112233445566778899aabbccddeeff"


class Switches:
    """Open vSwitch with bridges a (datapath id 5) and b (6), linked by a2 - b2."""

    def __init__(self):
        self.dir = Path(tempfile.mkdtemp(prefix="rfproxy-ovs-"))
        self.env = dict(os.environ, OVS_RUNDIR=str(self.dir), OVS_LOGDIR=str(self.dir),
                        OVS_DBDIR=str(self.dir))
        self.processes = []
        self.run("ovsdb-tool", "create", self.dir / "conf.db", SCHEMA)
        self._spawn("ovsdb-server", self.dir / "conf.db",
                    f"--remote=punix:{self.dir}/db.sock",
                    f"--unixctl={self.dir}/ovsdb-server.ctl")
        wait_for("ovsdb-server", (self.dir / "db.sock").exists)
        self.vsctl("--no-wait", "init")
        self.start_vswitchd()

    def start_vswitchd(self):
        self.vswitchd = self._spawn(
            "ovs-vswitchd", f"unix:{self.dir}/db.sock", "--enable-dummy",
            "--disable-system", f"--unixctl={self.dir}/ovs-vswitchd.ctl")

    def _spawn(self, *argv):
        with open(self.dir / f"{argv[0]}.log", "ab") as log:
            process = subprocess.Popen([str(a) for a in argv] + ["-vsyslog:off"],
                                       env=self.env, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def run(self, *argv, check=True):
        done = subprocess.run([str(a) for a in argv], env=self.env, text=True, timeout=60,
                              capture_output=True, check=False)
        if check and done.returncode:
            raise AssertionError(f"{argv}: {done.stderr}")
        return done.stdout

    def vsctl(self, *argv):
        # The socket is there a moment before somebody listens.
        return self.run("ovs-vsctl", f"--db=unix:{self.dir}/db.sock", "--retry",
                        "--timeout=20", *argv)

    def ofctl(self, command, bridge, *argv, check=True):
        return self.run("ovs-ofctl", "-O", "OpenFlow13", "--no-names", "--timeout=20",
                        command, f"unix:{self.dir}/{bridge}.mgmt", *argv, check=check)

    def appctl(self, *argv):
        return self.run("ovs-appctl", "-t", self.dir / "ovs-vswitchd.ctl", *argv)

    def add_bridge(self, name, dpid, ports=3):
        argv = ["--", "add-br", name, "--", "set", "bridge", name, "datapath_type=dummy",
                "protocols=OpenFlow10,OpenFlow13", "fail-mode=secure",
                f"other-config:datapath-id={dpid:016x}",
                "other-config:disable-in-band=true"]
        for number in range(1, ports + 1):
            argv += ["--", "add-port", name, f"{name}{number}", "--", "set", "interface",
                     f"{name}{number}", "type=dummy", f"ofport_request={number}",
                     f"options:tx_pcap={self.dir}/{name}{number}.pcap"]
        self.vsctl(*argv)

    def link(self, a, b):
        path = self.dir / f"{a}-{b}.link"
        self.vsctl("set", "interface", a, f"options:pstream=punix:{path}")
        self.vsctl("set", "interface", b, f"options:stream=unix:{path}")

    def unlink(self, a, b):
        for name in (a, b):
            for option in ("pstream", "stream"):
                self.vsctl("remove", "interface", name, "options", option)

    def set_ssl(self, files, ca):
        """Private key and certificate of all bridges, and whom they trust."""
        self.vsctl("set-ssl", *files, ca)

    def controller(self, bridge, port, protocol="tcp"):
        self.vsctl("set-controller", bridge, f"{protocol}:127.0.0.1:{port}", "--", "set",
                   "controller", bridge, "max_backoff=1000",
                   "connection_mode=out-of-band")

    def clear(self, bridge):
        self.vsctl("del-controller", bridge)
        self.ofctl("del-flows", bridge)
        self.ofctl("del-groups", bridge)
        self.ofctl("del-meters", bridge)

    def flows(self, bridge):
        """{"table=0, priority=4096,ip,...": (duration, cookie, actions)}"""
        found = {}
        for line in self.ofctl("dump-flows", bridge).splitlines():
            m = re.match(r"\s*cookie=(0x[0-9a-f]+), duration=([\d.]+)s, table=(\d+), "
                         r"n_packets=\d+, n_bytes=\d+, (?:\S+_timeout=\d+, )*"
                         r"(?:reset_counts )?(priority=\S+) actions=(\S+)", line)
            if m:
                found[f"{m[3]} {m[4]}"] = (float(m[2]), int(m[1], 16), m[5])
            else:
                assert "OFPST" in line, line
        return found

    def inject(self, port, frame):
        self.appctl("netdev-dummy/receive", port, frame.hex())

    def sent(self, port):
        """All octets that left a port, in a capture file."""
        return (self.dir / f"{port}.pcap").read_bytes()

    def destroy(self):
        for process in reversed(self.processes):
            process.kill()
            process.wait()
        shutil.rmtree(self.dir)


class Peer(Tool):
    """rfserver and rfvs."""

    def __init__(self, directory):
        super().__init__(directory, "rfproxy_peer")

    def status(self, dpid):
        """The last DP_STATUS of a datapath, as a dictionary."""
        start = f"DP_STATUS dp_id={dpid:#018x} "
        for line in reversed(self.lines):
            if line.startswith(start):
                return dict(re.findall(r'(\w+)=("[^"]*"|\S+)', line))
        return {}

    def wait_status(self, dpid, seconds=15, **wanted):
        def ok():
            status = self.status(dpid)
            return all(status.get(key) == str(value) for key, value in wanted.items()) \
                and status
        return wait_for(lambda: f"{wanted}, have {self.status(dpid)}", ok, seconds)


class Bed:
    """One rfproxy, its peer, and the switches that it drives."""

    OPTIONS = ["--audit-interval", "60s", "--reconnect-grace", "2500ms",
               "--log-level", "debug"]

    def __init__(self, switches):
        self.switches = switches
        self.dir = Path(tempfile.mkdtemp(prefix="rfproxy-"))
        (self.dir / "key").write_text(KEY + "\n", encoding="ascii")
        (self.dir / "key").chmod(0o600)
        self.port = free_port()
        self.peer = Peer(self.dir)
        self.bridges = set()
        self.process = None

    def start(self, *options):
        """The daemon, and its connections to the peer."""
        since = len(self.peer.lines)
        with open(self.dir / "log", "ab") as log:
            self.process = subprocess.Popen(
                [BUILD / "bin/rfproxy", "--server", self.peer.server, "--relay",
                 self.peer.relay, "--listen", f"ptcp:{self.port}", "--key-file",
                 self.dir / "key", *self.OPTIONS, *options], stderr=log)
        self.peer.wait_line("^up rfproxy", since=since)
        self.peer.wait_line("^relay-connected", since=since)

    def kill(self, signum=signal.SIGKILL):
        self.process.send_signal(signum)
        self.process.wait()
        self.process = None

    def connect(self, bridge, **options):
        self.bridges.add(bridge)
        self.switches.controller(bridge, **{"port": self.port, **options})

    def log(self):
        return (self.dir / "log").read_text(encoding="utf-8")

    def wait_log(self, text, seconds=10):
        wait_for(lambda: f"{text!r} in the log: {self.log()[-3000:]}",
                 lambda: text in self.log(), seconds)

    def restart_peer(self):
        self.peer.destroy()
        self.peer = Peer(self.dir)

    def destroy(self):
        for bridge in self.bridges:
            self.switches.clear(bridge)
        status = None
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            status = self.process.wait(10)
        self.peer.destroy()
        log = self.log()
        shutil.rmtree(self.dir)
        assert status in (0, None), f"rfproxy ended with {status}:\n{log[-3000:]}"
