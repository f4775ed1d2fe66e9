"""A network of simulated switches: rfserver, rfproxy and ofsim, without root."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from .system import CHECKOUT, LabError, free_port

KEY = "00112233445566778899aabbccddeeff"


def parse_counts(line):
    """"a=1 b=2" -> {"a": 1, "b": 2}"""
    return {key: int(value) for key, value in (w.split("=") for w in line.split())}


class Simulation:
    """Context manager.  `topology`: options of ofsim, ["--grid", "5x2"].  The daemons
    are told `rfserver` and `rfproxy`, lists of further options."""

    def __init__(self, topology, ports=24, rfserver=(), rfproxy=(), log_level="warning",
                 mapping="vm_id,vm_port,ct_id,dp_id,dp_port\n"):
        self.build = Path(os.environ.get("RF_BUILD", CHECKOUT / "build"))
        self.dir = Path(tempfile.mkdtemp(prefix="rfsim-"))
        self.port = free_port()
        self.topology = [*topology, "--ports", str(ports)]
        self.processes = {}
        self.options = {
            "rfserver": ["--listen", self.endpoint("server"), "--events",
                         self.endpoint("events"), "--mapping", self.dir / "rfserver.csv",
                         "--store", f"sqlite:{self.dir}/store.db", *rfserver],
            "rfproxy": ["--server", self.endpoint("server"), "--relay",
                        self.endpoint("relay"), "--listen", f"ptcp:{self.port}",
                        "--key-file", self.dir / "lldp.key", *rfproxy],
        }
        for options in self.options.values():
            options += ["--config", self.dir / "routeflow.conf", "--log-level", log_level]
        self._write("routeflow.conf", "")
        self._write("rfserver.csv", mapping)
        self._write("lldp.key", KEY + "\n").chmod(0o600)

    def _write(self, name, text):
        path = self.dir / name
        path.write_text(text, encoding="ascii")
        return path

    def endpoint(self, name):
        return f"ipc://{self.dir}/{name}"

    def __enter__(self):
        try:
            self.start("rfserver")
            self.start("rfproxy")
            self.wait("rfserver and rfproxy", self._ready, 10)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for name in ("ofsim", "rfproxy", "rfserver"):
            self.stop(name)
        shutil.rmtree(self.dir, ignore_errors=True)

    def _ready(self):
        try:
            return self.real_plane()["controllers"] == 1
        except LabError:
            return False

    # ---- processes ----

    def start(self, name):
        with open(self.dir / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                [str(a) for a in [self.build / "bin" / name, *self.options[name]]],
                stderr=log, stdin=subprocess.DEVNULL)

    def start_switches(self):
        """All of them are switched on."""
        self.processes["ofsim"] = subprocess.Popen(
            [str(self.build / "bench" / "bench-ofsim"), "--connect",
             f"tcp:127.0.0.1:{self.port}", *self.topology],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def stop(self, name, with_signal=signal.SIGTERM):
        """Ends a process; returns its status, None if it was not there."""
        process = self.processes.pop(name, None)
        if not process:
            return None
        if name == "ofsim":
            process.stdin.close()
        else:
            process.send_signal(with_signal)
        try:
            return process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def pid(self, name):
        return self.processes[name].pid

    def log(self, name):
        return (self.dir / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def rss(self, name):
        """Octets."""
        status = Path(f"/proc/{self.pid(name)}/status").read_text(encoding="ascii")
        line = next(l for l in status.splitlines() if l.startswith("VmRSS"))
        return int(line.split()[1]) * 1024

    def cpu(self, name):
        """CPU seconds so far."""
        fields = Path(f"/proc/{self.pid(name)}/stat").read_text(encoding="ascii")
        user, system = fields.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    # ---- switches ----

    def say(self, command):
        """A command for ofsim; returns the lines of its answer."""
        ofsim = self.processes["ofsim"]
        ofsim.stdin.write(command + "\n")
        ofsim.stdin.flush()
        lines = []
        while True:
            line = ofsim.stdout.readline().rstrip("\n")
            if line == "ok":
                return lines
            if not line or line.startswith("error"):
                raise LabError(f"ofsim: {command}: {line or 'it has ended'}")
            lines.append(line)

    def counts(self):
        return parse_counts(self.say("counts")[0])

    def links(self):
        """{((dpid, port), (dpid, port)), ...}, the lesser end first, that are up."""
        found = set()
        for line in self.say("links"):
            a, a_port, b, b_port, state = line.split()
            if state == "up":
                found.add(tuple(sorted([(int(a, 16), int(a_port)),
                                        (int(b, 16), int(b_port))])))
        return found

    # ---- rfserver ----

    def rfctl_argv(self, *argv):
        return [str(self.build / "bin" / "rfctl"), "--server", self.endpoint("server"),
                "--json", *argv]

    @staticmethod
    def parse(text):
        return json.loads(text)

    def rfctl(self, *argv, timeout=30):
        done = subprocess.run(self.rfctl_argv(*argv), capture_output=True, text=True,
                              timeout=timeout, check=False)
        if done.returncode:
            raise LabError(f"rfctl {' '.join(argv)}: {done.stderr}")
        return self.parse(done.stdout)

    def show(self, what):
        return self.rfctl("show", what)

    def real_plane(self):
        return self.show("status")["real plane"]

    def confirmed(self):
        """The links that rfserver knows in both directions, as links()."""
        return {tuple(sorted([(int(l["a_dp_id"], 16), l["a_dp_port"]),
                              (int(l["b_dp_id"], 16), l["b_dp_port"])]))
                for l in self.show("links") if l["state"] == "confirmed"}

    def wait(self, what, condition, seconds=10):
        """Polls until condition() is true, and returns how long that took."""
        begun = time.monotonic()
        while not condition():
            if time.monotonic() - begun > seconds:
                raise LabError(f"not within {seconds} s: {what() if callable(what) else what}")
            time.sleep(0.02)
        return time.monotonic() - begun
