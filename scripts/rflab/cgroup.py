"""Control groups: one for the processes of a lab; LXC makes the others.

Where each session has its share of the processors (kernel.sched_autogroup_enabled), or
each container, a daemon waits for 100 ms behind others that are busy: the share of a
group is split over the processors by where it was busy itself.  In one group all wait for
milliseconds.  Without the controller, or the right to use it, nothing changes.
"""

import os
from contextlib import suppress
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
WEIGHT = 4  # As many sessions.
ROUNDS = 5  # While some are moved, others may be born.


class CpuGroup:
    """Made by create(); before, and where it cannot be made, nobody is added."""

    def __init__(self, name, manifest):
        self.name = name
        self.manifest = manifest
        self.before = None  # Where this process was listed.

    def create(self):
        self.manifest.note("cgroup", self.name)
        with suppress(OSError):
            if (ROOT / "cpu/cpu.shares").exists():
                self._make("cpu", "cpu.shares", 1024)
            elif "cpu" in (ROOT / "cgroup.subtree_control").read_text().split():
                self._make("", "cpu.weight", 100)

    def _make(self, hierarchy, file, default):
        path = ROOT / hierarchy / self.name
        path.mkdir(exist_ok=True)
        (path / file).write_text(f"{default * WEIGHT}\n", encoding="ascii")

    def _members(self):
        """The file that lists them, or None."""
        for hierarchy in ("cpu", ""):
            procs = ROOT / hierarchy / self.name / "cgroup.procs"
            if procs.exists():
                return procs
        return None

    def add(self, pid):
        """A process with all its threads, and what it will start."""
        procs = self._members()
        with suppress(OSError):  # It has ended, or is not ours to move.
            if procs:
                procs.write_text(f"{pid}\n", encoding="ascii")

    def adopt(self, cgroup):
        """All processes of a container, where it is in a group for each controller: a
        unified one accounts for all that a container has."""
        for _ in range(ROUNDS):
            pids = [pid for procs in (ROOT / "cpu" / cgroup).glob("**/cgroup.procs")
                    for pid in procs.read_text(encoding="ascii").split()]
            for pid in pids:
                self.add(pid)
            if not pids:
                break

    def enter(self):
        """This process too, until leave()."""
        procs = self._members()
        if procs:
            top = procs.parent.parent
            for line in Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines():
                _, controllers, path = line.split(":", 2)
                if "cpu" in controllers.split(",") if top != ROOT else not controllers:
                    self.before = top / path.lstrip("/") / "cgroup.procs"
            self.add(os.getpid())

    def leave(self):
        with suppress(OSError):
            if self.before:
                self.before.write_text(f"{os.getpid()}\n", encoding="ascii")


def remove_cgroups(instance):
    """Empty control groups stay behind when LXC's monitor was killed."""
    for name in instance.manifest.names("cgroup"):
        remove_cgroup(name)


def remove_cgroup(name):
    for top in [*ROOT.glob(f"{name}*"), *ROOT.glob(f"*/{name}*")]:
        for directory, _, _ in os.walk(top, topdown=False):
            with suppress(OSError):
                os.rmdir(directory)
