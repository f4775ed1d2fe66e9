"""What a run of these tests makes on this machine: its names, and how it is removed.

Things are noted in a manifest before they are made, as a lab does, and each process is
marked.  So a run that was interrupted or killed leaves nothing: the end of a run, the
beginning of the next one, and `python3 belongings.py` remove all that is noted.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "scripts"))

from rflab import lab as labs  # noqa: E402
from rflab.system import MARK, Instance, LabError  # noqa: E402

# Some tests need no root.
IS_ROOT = os.geteuid() == 0
# Two checkouts can test at once with RF_TEST_PREFIX; and so can the workers of one run.
OF_RUN = os.environ.get("RF_TEST_PREFIX", "" if IS_ROOT else f"u{os.geteuid()}")
PREFIX = OF_RUN + os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
KEEP = os.environ.get("RF_KEEP") == "1"  # Until the next run.
RUN = Instance(f"{'/run' if IS_ROOT else '/tmp'}/routeflow-{OF_RUN}test")


def note(kind, name):
    """Before it is made: "lab", a run directory; "netns"; "folder", for files."""
    RUN.manifest.note(kind, str(name))
    return name


def run_directory(name):
    """That of a lab, which no other worker has."""
    return note("lab", f"/run/routeflow-{PREFIX}{name}")


def _lock():
    try:
        return RUN.lock()
    except LabError:
        raise LabError("tests with the same names are running (set RF_TEST_PREFIX)")


def begin():
    """Returns what must stay referenced until the end."""
    lock = _lock()
    for line in remove():
        print(f"removed what an earlier run has left: {line}")
    RUN.dir.mkdir(exist_ok=True)
    tempfile.tempdir = note("folder", tempfile.mkdtemp(prefix="rf-tests-"))
    os.environ["TMPDIR"] = tempfile.tempdir
    os.environ[MARK] = str(RUN.dir)
    return lock


def remove():
    """All that is noted; returns what of it should not have been there any more."""
    found = []
    if not RUN.manifest.exists():
        return found
    # First what could still make something: tests, and what they have started.
    while pids := RUN.processes():
        found += [f"process {pid}: {_command(pid)}" for pid in pids]
        RUN.kill_processes(pids)
    for run_dir in RUN.manifest.names("lab"):
        if labs.down(run_dir):
            found.append(f"lab {run_dir}")
    found += [f"namespace {name}" for name in RUN.manifest.names("netns")
              if Path("/run/netns", name).exists()]
    for folder in RUN.manifest.names("folder"):
        shutil.rmtree(folder, ignore_errors=True)
    labs.down(RUN.dir)
    return found


def _command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return "has ended"


def main():
    if KEEP:
        return
    try:
        _lock_held = _lock()
        for line in remove():
            print(f"removed what was left: {line}")
    except LabError as error:
        sys.exit(f"belongings: {error}")


if __name__ == "__main__":
    main()
