"""A run of tests, in a run of tests: however it ends, nothing is left of what it made."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import belongings
import pytest
from rflab.system import Instance, alive, wait_for

HERE = Path(__file__).resolve().parent
INNER = """
import subprocess, time
import belongings, pytest

@pytest.mark.seconds({seconds})
def test_that_leaves_things(tmp_path):
    name = belongings.note("netns", "{netns}")
    subprocess.run(["ip", "netns", "add", name], check=True)
    process = subprocess.Popen(["sleep", "1000"], stdout=subprocess.DEVNULL)
    with open("{made}.new", "w") as made:
        made.write(f"{{process.pid}} {{tmp_path}}")
    subprocess.run(["mv", "{made}.new", "{made}"], check=True)
    time.sleep({sleep})

def test_that_comes_after():
    pass
"""


class Inner:
    """The run inside, with names of its own."""

    def __init__(self, folder, *options, seconds=60, sleep=50):
        prefix = belongings.PREFIX + "i"
        self.run = Instance(f"/run/routeflow-{prefix}test")
        self.netns, self.made = f"{prefix}-left", folder / "made"
        (folder / "test_inner.py").write_text(INNER.format(
            netns=self.netns, made=self.made, seconds=seconds, sleep=sleep))
        self.env = {**os.environ, "RF_TEST_PREFIX": prefix, "PYTHONPATH": str(HERE)}
        self.env.pop("PYTEST_XDIST_WORKER", None)
        self.env.pop("RF_KEEP", None)
        self.process = subprocess.Popen(
            [sys.executable, "-B", "-m", "pytest", "-q", "-p", "conftest", "-p",
             "no:cacheprovider", *options, "test_inner.py"], cwd=folder, env=self.env,
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        wait_for("the things to be made", self.made.exists, 20)
        pid, self.path = self.made.read_text().split(maxsplit=1)
        self.pid = int(pid)

    def end(self):
        """Exit status and output."""
        output = self.process.communicate(timeout=40)[0]
        return self.process.returncode, output

    def left(self):
        return [what for what, there in {
            "namespace": Path("/run/netns", self.netns).exists(),
            "process": alive(self.pid), "folder": Path(self.path).exists(),
            "notes": self.run.dir.exists()}.items() if there]


@pytest.fixture
def inner(tmp_path):
    """inner(options...) of pytest; what is left is removed by the outer run."""
    made = []

    def make(*options, **times):
        made.append(Inner(tmp_path, *options, **times))
        belongings.note("netns", made[-1].netns)
        return made[-1]

    yield make
    for run in made:
        run.process.kill()
        run.process.wait()


@pytest.mark.parametrize("number, options", [
    (signal.SIGTERM, []), (signal.SIGINT, []), (signal.SIGTERM, ["-n", "2"])])
def test_run_that_is_told_to_end_removes_what_it_made(inner, number, options):
    run = inner(*options)
    assert run.left() == ["namespace", "process", "folder", "notes"]
    run.process.send_signal(number)
    status, output = run.end()
    assert status == pytest.ExitCode.INTERRUPTED, output
    assert run.left() == []


@pytest.mark.parametrize("options", [[], ["-n", "2"]])
def test_after_a_run_that_was_killed_all_is_removed(inner, options):
    run = inner(*options)
    run.process.kill()
    run.end()
    assert "namespace" in run.left() and "process" in run.left()
    done = subprocess.run([sys.executable, "-B", HERE / "belongings.py"], env=run.env,
                          text=True, capture_output=True, check=True)
    assert f"removed what was left: namespace {run.netns}" in done.stdout, done
    assert run.left() == []


def test_test_that_hangs_fails_and_the_others_run(inner):
    run = inner(seconds=1)
    status, output = run.end()
    assert status == pytest.ExitCode.TESTS_FAILED
    assert "not within 1 s" in output and "1 failed, 1 passed" in output, output
    assert run.left() == []


def test_tests_that_leave_something_have_failed(inner):
    run = inner(sleep=0)
    status, output = run.end()
    assert "2 passed" in output and status == pytest.ExitCode.TESTS_FAILED, output
    assert f"tests left behind: process {run.pid}: sleep 1000" in output, output
    assert f"tests left behind: namespace {run.netns}" in output, output
    assert run.left() == []


def test_two_runs_of_the_same_names_are_refused(inner):
    run = inner()
    again = subprocess.run([sys.executable, "-B", "-m", "pytest", "-p", "conftest",
                            "--collect-only", HERE / "test_of_print.py"], env=run.env,
                           text=True, capture_output=True, check=False)
    assert again.returncode == pytest.ExitCode.USAGE_ERROR
    assert "set RF_TEST_PREFIX" in again.stderr, again
    assert "process" in run.left(), "the other run was disturbed"
    run.process.terminate()
    run.end()
