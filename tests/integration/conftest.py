"""Fixtures: labs on run directories of their own, with the code of scripts/demo.  And how
tests are run: in which order, for how long at most, and what is removed at the end."""

import contextlib
import os
import signal

import pytest
import belongings  # First: it finds the modules of scripts/.
from belongings import CHECKOUT, KEEP

from rflab import lab as labs
from rflab.cli import wait_until_routed
from rflab.labcheck import Checker
from rflab.system import LabError
from rflab.topology import load
from rflab.verify import Verifier

# Whatever MongoDB this machine has: test_demo_store.py is about those.
os.environ.setdefault("RF_STORE", "sqlite")
SECONDS = 120  # A test may take so long, unless it says @pytest.mark.seconds(N).
# These take longest: whoever tests in several processes should not end with one of them.
FIRST = ["test_operator.py", "test_bad_input.py", "test_lab.py", "test_rfserver_restarts.py",
         "test_lab_segments.py", "test_rfserver_peers.py", "test_plan.py", "test_span.py",
         "test_store.py", "test_rfproxy.py", "test_rfclient.py", "test_lab_errors.py",
         "test_demo_lifecycle.py", "test_rfvs.py", "test_tls.py", "test_rfclient_overrun.py"]
LOCK, CRASHED = pytest.StashKey(), pytest.StashKey()


# ---- how tests are run ----

@pytest.hookimpl(tryfirst=True)  # Before tmp_path is configured.
def pytest_configure(config):
    config.addinivalue_line("markers", "alone: needs the machine to itself (scripts/test)")
    config.addinivalue_line("markers", "seconds(n): how long it may take, each of setup, "
                            "call and teardown")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _interrupted)
    if not hasattr(config, "workerinput"):
        try:
            config.stash[LOCK] = belongings.begin()
            config.option.basetemp = os.path.join(os.environ["TMPDIR"], "pytest")
        except LabError as error:
            raise pytest.UsageError(str(error))


def _interrupted(*_):
    """Fixtures are left, so that what they have made is removed.  Once is enough."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # Not SIG_IGN, which programs that are started would inherit.
        signal.signal(number, lambda *_: None)
    raise KeyboardInterrupt


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    """Of pytest-xdist.  Whoever took the worker's place may not have run everything."""
    if error:
        node.config.stash[CRASHED] = True


@pytest.hookimpl(trylast=True)  # After all workers have ended.
def pytest_sessionfinish(session):
    if CRASHED in session.config.stash:
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
    if LOCK not in session.config.stash or KEEP:
        return
    left = belongings.remove()
    for line in left:
        print(f"\ntests left behind: {line}", end="")
    if left and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_collection_modifyitems(items):
    order = {name: i for i, name in enumerate(FIRST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


@contextlib.contextmanager
def limited(item):
    """A test that hangs must not hang the others."""
    mark = item.get_closest_marker("seconds")
    seconds = mark.args[0] if mark else SECONDS

    def fail(*_):
        pytest.fail(f"not within {seconds} s")

    signal.signal(signal.SIGALRM, fail)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup(item):
    with limited(item):
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    with limited(item):
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item):
    with limited(item):
        yield


# ---- fixtures ----

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

    Set RF_KEEP=1 to have them stay until the next run, to be looked at."""
    made = []

    def make(name, topology):
        run_dir = belongings.run_directory(name)
        made.append(run_dir)
        return bring_up(run_dir, topology)

    yield make
    if not KEEP:
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


def _lab_of(name):
    run_dir = belongings.run_directory(name)
    yield lambda topology: bring_up_lab(run_dir, topology)
    if not KEEP:
        labs.down(run_dir)


@pytest.fixture
def lab_of():
    """lab_of(topology): a lab for one test; a second one takes the place of the first."""
    yield from _lab_of("tlab")


@pytest.fixture(scope="module")
def lab_of_module():
    yield from _lab_of("tlabm")


@pytest.fixture(scope="session")
def rftest2(make_lab):
    """The classic network, shared by all tests that leave it as they found it."""
    return make_lab("t2", "rftest2")


@pytest.fixture(scope="session")
def verifier(rftest2):
    return Verifier(rftest2)
