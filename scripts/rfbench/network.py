"""A lab for the time of a bench: what all of them share."""

import os
import shutil

from rflab import lab as labs

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
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        keep = os.environ.get("RF_BENCH_KEEP")
        if keep and (self.lab.instance.dir / "log").exists():
            shutil.copytree(self.lab.instance.dir / "log", keep, dirs_exist_ok=True)
        self.lab.instance.cpu.leave()
        down(self.run_dir)
