"""Processes, network namespaces, and the manifest of all that a lab has made.

A thing is written into the manifest *before* it is made, so that `down` finds it even
after a kill -9.  Processes need no entry: each one that the lab starts, containers
included, carries RF_LAB=<run directory> in its environment, and that mark survives a
fork that nobody lived to write down.
"""

import fcntl
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from .cgroup import CpuGroup

MARK = "RF_LAB"
KILL_SECONDS = 30
CHECKOUT = Path(__file__).resolve().parents[2]


class LabError(Exception):
    """Something that the person at the keyboard should read as one line."""


def run(argv, check=True, stdin=None, env=None, timeout=60):
    """Runs a command to its end; returns the CompletedProcess with text output."""
    argv = [str(a) for a in argv]
    try:
        done = subprocess.run(argv, input=stdin or "", capture_output=True, text=True,
                              env=env, timeout=timeout)
    except FileNotFoundError:
        raise LabError(f"{argv[0]} is not installed (scripts/setup installs it)")
    except subprocess.TimeoutExpired:
        raise LabError(f"`{' '.join(argv)}` did not end within {timeout} s")
    if check and done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        raise LabError(f"`{' '.join(argv)}` failed ({done.returncode}): {said}")
    return done


def wait_for(what, condition, timeout, interval=0.05):
    """Polls `condition` until it returns something true, and returns that.

    The condition may return (False, "what was seen") to have it in the error.
    """
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        seen = ""
        if isinstance(result, tuple):
            result, seen = result
        if result:
            return result
        if time.monotonic() >= deadline:
            raise LabError(f"waited {timeout} s for {what}" + (f": {seen}" if seen else ""))
        time.sleep(interval)


def free_port():
    """Of 127.0.0.1, and below those that the kernel takes for outgoing connections: it
    will still be free when somebody listens there."""
    kernel = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
    low = max(int(kernel.split()[0]), 12_000)
    while True:
        port = random.randrange(low - 10_000, low)
        with socket.socket() as attempt:
            try:
                attempt.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


def plural(count, noun):
    if noun.endswith("entry") and count != 1:
        return f"{count} {noun[:-1]}ies"
    return f"{count} {noun}" + ("" if count == 1 else "es" if noun.endswith("ch") else "s")


def last_line(path):
    """The last line of a log, or "" when there is none."""
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line for line in reversed(lines) if line.strip()), "")


class Manifest:
    """JSON lines: {"kind": "netns"|"link"|"cgroup"|"database"|"sysctl", "name": ...}."""

    def __init__(self, path):
        self.path = Path(path)

    def exists(self):
        return self.path.exists()

    def note(self, kind, name):
        with open(self.path, "a", encoding="utf-8") as out:
            out.write(json.dumps({"kind": kind, "name": name}) + "\n")

    def names(self, kind):
        if not self.path.exists():
            return []
        found = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # The writer was killed in the middle of its last line.
            if entry.get("kind") == kind:
                found.append(entry["name"])
        return found


class Instance:
    """Names and paths of one lab; everything it owns is derived from its run directory."""

    def __init__(self, run_dir):
        self.dir = Path(os.path.abspath(run_dir))
        self.name = self.dir.name.removeprefix("routeflow-")
        self.manifest = Manifest(self.dir / "manifest")
        self.cpu = CpuGroup(f"rf-{self.name}.cpu", self.manifest)
        self.netns = f"rf-{self.name}"
        self.management_link = f"rfm-{self.name}"
        if not self.name.replace("-", "").replace("_", "").isalnum():
            raise LabError(f"{self.dir}: the last part may hold letters, digits, - and _")
        if len(self.management_link) > 15 or len(str(self.dir)) > 80:
            raise LabError(f"{self.dir}: give a shorter run directory in RF_RUN "
                           "(11 characters in its last part, 80 in all)")

    def lock(self):
        """One `up` or `down` at a time; returns the file that must stay open."""
        os.makedirs("/run/lock", exist_ok=True)
        lock = open(f"/run/lock/routeflow-{self.name}.lock", "w", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise LabError(f"another command is at work on {self.dir}")
        return lock

    def make_dir(self):
        if self.dir.exists() and any(self.dir.iterdir()) and not self.manifest.exists():
            raise LabError(f"{self.dir} exists and was not made by a lab; set RF_RUN to "
                           "another directory")
        self.dir.mkdir(parents=True, exist_ok=True)
        self.manifest.note("dir", str(self.dir))
        self.dir.chmod(0o755)
        for sub in ("log", "config", "ovs", "lxc", "keys", "capture", "pid", "store"):
            (self.dir / sub).mkdir(exist_ok=True)
        (self.dir / "keys").chmod(0o700)

    def environment(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("OVS_", "LXC_"))}
        ovs = str(self.dir / "ovs")
        env.update({MARK: str(self.dir), "LC_ALL": "C.UTF-8",
                    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                    "OVS_RUNDIR": ovs, "OVS_LOGDIR": str(self.dir / "log"),
                    "OVS_DBDIR": ovs, "OVS_SYSCONFDIR": ovs})
        return env

    def inside(self, netns, *argv):
        """The command line that runs argv in a network namespace, and only that."""
        if not netns:
            return [*map(str, argv)]
        return ["nsenter", f"--net=/run/netns/{netns}", "--", *map(str, argv)]

    def run(self, *argv, netns=None, **options):
        """Runs a command to its end in a namespace of the lab (default: the host's)."""
        if netns:
            argv = self.inside(netns, *argv)
        return run(argv, env=self.environment(), **options)

    def spawn(self, name, *argv, netns=None):
        """Starts a process in the background; its output goes to log/NAME.log."""
        if netns:
            argv = self.inside(netns, *argv)
        with open(self.dir / "log" / f"{name}.log", "ab") as log:
            process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log, cwd="/",
                                       env=self.environment(), start_new_session=True)
        (self.dir / "pid" / name).write_text(f"{process.pid}\n", encoding="utf-8")
        return process

    def owns(self, pid):
        """Whether this process lives and bears this lab's mark."""
        return self._is_marked(environment_of(pid))

    def _is_marked(self, environment):
        return f"{MARK}={self.dir}".encode() in environment.split(b"\0")

    def runs(self, pid):
        """Whether a process that we have started lives.  While it becomes another program
        (nsenter does), the kernel shows no environment, for long on a busy machine."""
        environment = environment_of(pid)
        return self._is_marked(environment) if environment else alive(pid)

    def processes(self):
        """Pids of all living processes that bear this lab's mark."""
        pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
        return [pid for pid in pids if pid != os.getpid() and self.owns(pid)]

    def processes_named(self, name):
        """Those of them that run a program."""
        return [pid for pid in self.processes() if name_of(pid) == name]

    def process_named(self, name):
        """One of them."""
        for pid in self.processes_named(name):
            return pid
        raise LabError(f"no {name} runs in the lab")

    def kill_process(self, pid, number):
        """Sends a signal that ends a process of this lab, and waits for its end."""
        if not self.owns(pid):
            raise LabError(f"process {pid} is none of this lab")
        os.kill(pid, number)
        wait_for(f"the end of process {pid}", lambda: not alive(pid), 5, 0.01)

    def kill_processes(self, pids, timeout=3.0):
        """SIGTERM, then SIGKILL to those that stay; returns when all are gone.

        Nothing outlives SIGKILL, but the end of many routers may take a busy machine
        its time."""
        pids = set(pids)
        for number, patience in ((signal.SIGTERM, timeout), (signal.SIGKILL, KILL_SECONDS)):
            for pid in pids:
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass
            deadline = time.monotonic() + patience
            while pids and time.monotonic() < deadline:
                pids = {pid for pid in pids if alive(pid)}
                time.sleep(0.02)
            if not pids:
                return
        raise LabError(f"processes {sorted(pids)} do not end")

    def remove_dir(self):
        if self.manifest.exists():
            # The manifest goes last, so that a killed `down` can be repeated.
            for entry in self.dir.iterdir():
                if entry == self.manifest.path:
                    continue
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()
            shutil.rmtree(self.dir)


def environment_of(pid):
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def name_of(pid):
    """Of the program that a process runs, up to 15 characters; "" of one that is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def alive(pid):
    """Whether a process runs; one that only waits for its parent does not.

    A killed process' first thread may have ended while others still hold its sockets.
    Our own children are collected on the way."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        threads = len(os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return False
    return threads > 1 or stat.rpartition(")")[2].split()[0] not in "ZX"
