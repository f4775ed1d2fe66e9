"""Fixtures: labs on run directories of their own, with the code of scripts/demo."""

import os
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PREFIX = os.environ.get("RF_TEST_PREFIX", "")  # Two checkouts can test at once with it.
# Whatever MongoDB this machine has: test_demo_store.py is about those.
os.environ.setdefault("RF_STORE", "sqlite")
sys.path.insert(0, str(CHECKOUT / "scripts"))

from rflab import lab as labs  # noqa: E402
from rflab.cli import wait_until_routed  # noqa: E402
from rflab.labcheck import Checker  # noqa: E402
from rflab.topology import load  # noqa: E402
from rflab.verify import Verifier  # noqa: E402


def bring_up(run_dir, topology):
    """A lab that routes; `topology` is a name in config/ or a Topology."""
    if isinstance(topology, str):
        topology = load(CHECKOUT / "config" / f"{topology}.json")
    labs.down(run_dir)
    lab = labs.create(run_dir, topology)
    for _, phase in lab.phases():
        phase()
    wait_until_routed(Verifier(lab))
    lab.mark_converged()
    return lab


@pytest.fixture(scope="session")
def make_lab():
    """make_lab(name, topology): a lab on a run directory of its own, removed at the end.

    Set RF_KEEP=1 to have them stay, to be looked at."""
    made = []

    def make(name, topology):
        run_dir = f"/run/routeflow-{PREFIX}{name}"
        made.append(run_dir)
        return bring_up(run_dir, topology)

    yield make
    if os.environ.get("RF_KEEP") != "1":
        for run_dir in made:
            labs.down(run_dir)


def bring_up_lab(run_dir, topology):
    """As scripts/lab does: until kernels, switches and hosts agree."""
    labs.down(run_dir)
    lab = labs.create(run_dir, topology)
    for _, phase in lab.phases():
        phase()
    checker, seconds = Checker(lab), 60 + 3 * len(topology.nodes)
    checker.wait_converged(seconds)
    checker.wait_installed(seconds)
    checker.wait_reached(seconds)
    lab.mark_converged()
    return lab


def _lab_of(run_dir):
    yield lambda topology: bring_up_lab(run_dir, topology)
    if os.environ.get("RF_KEEP") != "1":
        labs.down(run_dir)


@pytest.fixture
def lab_of():
    """lab_of(topology): a lab for one test; a second one takes the place of the first."""
    yield from _lab_of(f"/run/routeflow-{PREFIX}tlab")


@pytest.fixture(scope="module")
def lab_of_module():
    yield from _lab_of(f"/run/routeflow-{PREFIX}tlabm")


@pytest.fixture(scope="session")
def rftest2(make_lab):
    """The classic network, shared by all tests that leave it as they found it."""
    return make_lab("t2", "rftest2")


@pytest.fixture(scope="session")
def verifier(rftest2):
    return Verifier(rftest2)
