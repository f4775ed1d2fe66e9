"""scripts/bench that is told to end while its network is up."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import belongings
import pytest
from rflab.system import Instance, wait_for

BENCH = Path(__file__).resolve().parents[2] / "scripts/rfbench/__main__.py"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_bench_that_is_told_to_end_removes_its_network(number):
    bench = subprocess.Popen([sys.executable, "-I", "-B", BENCH, "--quick", "memory"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    lab = Instance(belongings.note("lab", f"/run/rfb{bench.pid % 100000}"))
    try:
        # The lab's own processes, and a container.
        wait_for("its network", lambda: (len(lab.processes()) > 8, lab.processes()), 20)
        bench.send_signal(number)
        _, errors = bench.communicate(timeout=20)
    finally:
        bench.kill()
    assert bench.returncode == 128 + number
    assert "Traceback" not in errors
    assert not lab.processes()
    assert not lab.dir.exists()
    assert lab.netns not in os.listdir("/run/netns")
