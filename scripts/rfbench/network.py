"""A lab for the time of a bench: what all of them share."""

import os
import shutil
import sys
import tempfile

from rflab import lab as labs
from rflab.system import LabError

from .ending import down


class Network:
    """A context; `options` are those of daemons, beside the lab's own: {program: {...}}."""

    def __init__(self, letter, number, topology, options=None):
        self.run_dir = f"/run/rf{letter}{os.getpid() % 100000}{number}"
        self.lab = labs.create(self.run_dir, topology)
        theirs = self.lab.daemons.options

        def with_ours(store):
            programs = theirs(store)
            for name, ours in (options or {}).items():
                programs[name].update(ours)
            return programs

        self.lab.daemons.options = with_ours

    def start(self):
        for _, function in self.lab.phases():
            function()
        # What measures waits no longer than what is measured.
        self.lab.instance.cpu.enter()

    def __enter__(self):
        try:
            self.start()
        except BaseException as error:
            self.__exit__(type(error), error)
            raise
        return self

    def _keep(self, folder):
        """All logs, those of the containers too, and what rfserver says."""
        shutil.copytree(self.lab.instance.dir / "log", folder, dirs_exist_ok=True)
        for log in (self.lab.instance.dir / "lxc").glob("*/rootfs/var/log/*.log"):
            shutil.copy(log, f"{folder}/{log.parts[-5]}-{log.name}")
        for what in ("status", "datapaths"):
            done = self.lab.daemons.rfctl("show", what, check=False)
            with open(f"{folder}/show-{what}", "w", encoding="utf-8") as out:
                out.write(done.stdout + done.stderr)

    def __exit__(self, _, error=None, *__):
        keep = os.environ.get("RF_BENCH_KEEP")
        if not keep and isinstance(error, LabError):
            keep = tempfile.mkdtemp(prefix="routeflow-bench-")
            print(f"The logs of what failed are kept in {keep}", file=sys.stderr)
        if keep and (self.lab.instance.dir / "log").exists():
            self._keep(keep)
        self.lab.instance.cpu.leave()
        down(self.run_dir)
