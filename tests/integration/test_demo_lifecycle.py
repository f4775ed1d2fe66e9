"""scripts/demo as a command: up, up again, killed in the middle, down, rftest1."""

import os
import signal
import subprocess
import time
from pathlib import Path

import belongings
import pytest
from rflab import lab as labs
from rflab.ovs import OpenVSwitch
from rflab.system import run

from conftest import CHECKOUT

RUN = belongings.run_directory("life")
NAME = labs.Instance(RUN).name


@pytest.fixture(autouse=True)
def clean():
    labs.down(RUN)
    yield
    labs.down(RUN)


def demo(*arguments, env=None, **options):
    """The demo's own part, without scripts/setup and scripts/build."""
    return subprocess.Popen(
        ["/usr/bin/python3", "-I", "-B", CHECKOUT / "scripts/rflab/__main__.py", *arguments],
        env={**os.environ, "RF_RUN": RUN, **(env or {})}, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, **options)


def finish(process, timeout=120):
    output = process.communicate(timeout=timeout)[0]
    return process.returncode, output


def footprint():
    """What of a lab can be seen on this machine."""
    return {
        "namespaces": sorted(n for n in os.listdir("/run/netns") if NAME in n)
        if os.path.isdir("/run/netns") else [],
        "interfaces": sorted(n for n in os.listdir("/sys/class/net") if NAME in n),
        "processes": labs.Instance(RUN).processes(),
        "directories": [str(p) for p in Path("/run").glob(f"routeflow-{NAME}*")],
        "control groups": [str(p) for p in Path("/sys/fs/cgroup").glob(f"*/rf-{NAME}*")]
        + [str(p) for p in Path("/sys/fs/cgroup").glob(f"rf-{NAME}*")]}


NOTHING = {"namespaces": [], "interfaces": [], "processes": [], "directories": [],
           "control groups": []}


def test_down_removes_all_that_up_made():
    status, output = finish(demo("up"))
    assert status == 0, output
    assert "12/12 pairs reach each other" in output
    assert all(footprint()[key] for key in ("namespaces", "interfaces", "processes"))
    status, output = finish(demo("down"))
    assert status == 0, output
    assert footprint() == NOTHING


def test_up_on_a_running_lab_builds_it_anew():
    assert finish(demo("up", "--rftest1"))[0] == 0
    status, output = finish(demo("up", "--rftest1"))
    assert status == 0, output
    assert "taking the old one down" in output


@pytest.mark.parametrize("seconds", [0.15, 0.3, 0.5, 0.8, 1.2])
def test_down_removes_all_after_up_was_killed(seconds):
    process = demo("up")
    time.sleep(seconds)  # A moment in the middle, not something to wait for.
    process.send_signal(signal.SIGKILL)
    process.communicate()
    status, output = finish(demo("down"))
    assert status == 0, output
    assert footprint() == NOTHING


@pytest.mark.parametrize("program", ["rfserver", "rfproxy", "rfvs", "rfclient"])
def test_up_names_the_daemon_that_ended_and_its_last_words(program, tmp_path):
    build = Path(os.environ.get("RF_BUILD", CHECKOUT / "build")) / "bin"
    (tmp_path / "bin").mkdir()
    for entry in build.iterdir():
        if entry.name != program:
            (tmp_path / "bin" / entry.name).write_bytes(entry.read_bytes())
            (tmp_path / "bin" / entry.name).chmod(0o755)
    fake = tmp_path / "bin" / program
    fake.write_text("#!/bin/sh\necho 'no port is free today'\nexit 1\n", encoding="utf-8")
    fake.chmod(0o755)
    begun = time.monotonic()
    status, output = finish(demo("up", "--rftest1", env={"RF_BUILD": str(tmp_path)}))
    assert status == 1
    assert f"{program} " in output and "ended" in output, output
    assert "  no port is free today" in output, output
    assert time.monotonic() - begun < 20, "it waited for what could not come"


def test_output_may_be_cut_off_by_its_reader():
    process = demo("help")
    process.stdout.close()
    assert process.wait(timeout=10) in (0, 141)


def test_down_without_a_lab_does_nothing():
    status, output = finish(demo("down"))
    assert status == 0 and "Nothing is up" in output


def test_check_without_a_lab_says_so():
    status, output = finish(demo("check"))
    assert status == 1 and "no lab is up" in output


def test_words_that_mean_nothing_get_the_usage():
    for words in (["sideways"], ["up", "twice"], ["link", "A-D"], ["exec"]):
        status, output = finish(demo(*words))
        assert status == 1 and "usage:" in output, words


def test_namespace_that_somebody_else_made_is_left_alone():
    theirs = belongings.note("netns", labs.Instance(RUN).netns)
    run(["ip", "netns", "add", theirs])
    try:
        status, output = finish(demo("up"))
        assert status == 1 and f"{theirs} exists" in output
        finish(demo("down"))
        assert theirs in os.listdir("/run/netns")
    finally:
        run(["ip", "netns", "del", theirs])


@pytest.fixture
def other_open_vswitch():
    """Stands for the one that a machine may run.

    It has a namespace to itself, since the tap devices of a userspace datapath outlive
    their process."""
    run_dir = belongings.run_directory("other")
    labs.down(run_dir)
    instance = labs.Instance(run_dir)
    instance.make_dir()
    instance.manifest.note("netns", instance.netns)
    run(["ip", "netns", "add", instance.netns])
    switch = OpenVSwitch(instance)
    try:
        switch.start()
        switch.vsctl("add-br", "br-other", "--", "set", "bridge", "br-other",
                     "datapath_type=netdev")
        switch.ofctl("add-flow", switch.management("br-other"), "priority=7,actions=drop")
        yield switch
    finally:
        labs.down(run_dir)


def test_an_open_vswitch_of_the_machine_is_left_alone(other_open_vswitch):
    other = other_open_vswitch
    before = other.instance.processes()
    assert finish(demo("up", "--rftest1"))[0] == 0
    assert finish(demo("down"))[0] == 0
    assert other.instance.processes() == before
    assert other.vsctl("list-br").split() == ["br-other"]
    assert "priority=7" in other.ofctl("dump-flows", other.management("br-other"))
