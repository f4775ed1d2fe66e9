"""rfctl plan against rfserver, with a script that makes nothing: what is proposed, which
files change, and what is left when something goes wrong.  With containers: test_plan.py."""

import json
import os
import subprocess

import pytest
from rfserver_setup import MAPPING, RFCTL, Network, Server, have_programs

pytestmark = pytest.mark.skipif(not have_programs(), reason="needs a build")

ROWS = ("# rfa7, by rfctl plan\n"
        "060000070000,1,0,7,1\n"
        "060000070000,2,0,7,2\n")


class Machine:
    """rfserver with a network, and rfctl with a configuration and a script of its own."""

    def __init__(self, folder, **options):
        self.folder = folder
        self.script, self.calls = folder / "script", folder / "calls"
        self.config, self.plans = folder / "rfctl.conf", folder / "plans"
        self.config.write_text(f"[rfctl]\nplan-script = {self.script}\n"
                               f"plan-dir = {self.plans}\n")
        self.net = Network(folder, mapping_auto=True, **options)
        self.server, self.mapping = self.net.server, self.net.server.mapping
        self.do()

    def do(self, make="", unmake="", show=""):
        """What the script does; it keeps a record of its calls."""
        self.script.write_text(
            f"#!/bin/sh\necho $1 $(basename $2 .json) >>{self.calls}\n"
            f"case $1 in\nmake) :; {make}\n;;\nunmake) :; {unmake}\n;;\n"
            f"show) :; {show}\n;;\nesac\n")
        self.script.chmod(0o755)
        self.calls.write_text("")

    def called(self):
        return self.calls.read_text().splitlines()

    def plan(self, *words):
        self.net.bus.run(0.05)
        return self.server.rfctl("--config", self.config, "plan", *words)

    def until_proposed(self, *names):
        """Until exactly these containers are proposed."""
        def good():
            _, out, err = self.plan("--json")
            found = json.loads(out or '{"routers": []}')
            seen = [r["name"] for r in found["routers"]]
            return seen == list(names), (seen[:9], err[-3000:])
        self.net.bus.until(f"{len(names)} containers in the plan", good, 10)
        return json.loads(self.plan("--json")[1])

    def backups(self):
        return sorted(p.name for p in self.folder.glob("rfserver.csv?*"))


@pytest.fixture
def machine(tmp_path):
    made = Machine(tmp_path)
    try:
        made.net.converge()
        made.net.proxy.switch(7, 1, 2)
        made.until_proposed("rfa7")
        yield made
    finally:
        made.net.close()


def test_nothing_to_propose_is_said_and_good(machine):
    machine.net.proxy.switch_gone(7)
    machine.until_proposed()
    assert machine.plan() == (0, "nothing to propose\n", "")
    assert machine.plan("--apply") == (0, "nothing to propose\n", "")
    found = json.loads(machine.plan("--json")[1])
    assert (found["routers"], found["rows"], found["notes"]) == ([], "", "")
    assert machine.called() == [] and machine.backups() == []


def test_plan_shows_rows_as_a_diff_and_what_the_script_says(machine):
    machine.do(show='grep -o \'"name": "rfa7"\' $2')
    status, out, err = machine.plan()
    assert (status, err) == (0, "")
    last = "".join(f" {line}\n" for line in MAPPING.splitlines()[-3:])
    diff = (f"--- {machine.mapping}\n+++ {machine.mapping}\n@@ -3,3 +3,6 @@\n" + last
            + "".join(f"+{line}\n" for line in ROWS.splitlines()))
    assert out.startswith(diff), out
    assert "# new container rfa7, vm_id 060000070000, router id 192.168.128.1\n" in out
    assert '"name": "rfa7"\n' in out
    assert machine.called() == ["show " + machine.called()[0].split()[1]]
    # A patch that `patch` takes.
    patched = machine.folder / "patched.csv"
    patched.write_bytes(machine.mapping.read_bytes())
    subprocess.run(["patch", "-s", str(patched)], input=diff.encode(), check=True)
    assert patched.read_text() == MAPPING + ROWS


def test_apply_and_revert_two_steps_deep(machine):
    inode, mode = os.stat(machine.mapping).st_ino, 0o640
    machine.mapping.chmod(mode)
    status, out, err = machine.plan("--apply")
    assert (status, err) == (0, ""), err
    assert machine.mapping.read_text() == MAPPING + ROWS
    assert os.stat(machine.mapping).st_ino != inode, "it was not replaced at once"
    assert os.stat(machine.mapping).st_mode & 0o777 == mode
    assert machine.backups() == ["rfserver.csv.~1~"]
    assert (machine.folder / "rfserver.csv.~1~").read_text() == MAPPING
    assert f"{len(MAPPING.splitlines()) + 1} rows in force" in machine.server.rfctl("reload")[1]

    machine.net.proxy.switch(8, 1)
    machine.until_proposed("rfa8")
    assert machine.plan("--apply")[0] == 0
    both = machine.mapping.read_text()
    assert both == MAPPING + ROWS + "# rfa8, by rfctl plan\n060000080000,1,0,8,1\n"
    assert machine.backups() == ["rfserver.csv.~1~", "rfserver.csv.~2~"]

    assert machine.plan("--revert")[0] == 0
    assert machine.mapping.read_text() == MAPPING + ROWS
    assert machine.plan("--revert")[0] == 0
    assert machine.mapping.read_text() == MAPPING
    assert machine.called() == ["make 0000-rfa7", "make 0000-rfa8", "unmake 0000-rfa8",
                                "unmake 0000-rfa7"]
    assert machine.backups() == [] and list(machine.plans.iterdir()) == []
    status, out, err = machine.plan("--revert")
    assert status == 1 and "nothing that was applied" in err
    machine.until_proposed("rfa7", "rfa8")


def test_revert_leaves_what_others_changed_since(machine):
    machine.plan("--apply")
    text = machine.mapping.read_text()
    machine.mapping.write_text("# mine\n" + text.replace("060000070000,2,0,7,2\n", "")
                               + "02cccccccccc,1,0,9,1\r\n")
    status, out, _ = machine.plan("--revert")
    assert status == 0
    assert "had been taken out before:\n060000070000,2,0,7,2\n" in out
    assert machine.mapping.read_bytes() == (
        "# mine\n" + MAPPING + "02cccccccccc,1,0,9,1\r\n").encode()


def test_script_that_fails_leaves_nothing_behind(machine):
    machine.do(make="echo no such bridge >&2; exit 3")
    status, _, err = machine.plan("--apply")
    assert status == 1
    assert "no such bridge" in err and "nothing was applied" in err
    assert machine.called() == ["make 0000-rfa7", "unmake 0000-rfa7"]
    assert machine.mapping.read_text() == MAPPING and machine.backups() == []
    assert list(machine.plans.iterdir()) == []
    assert machine.plan("--revert")[0] == 1


def test_script_that_cannot_undo_is_asked_again_by_revert(machine):
    machine.plan("--apply")
    machine.do(unmake="exit 1")
    assert machine.plan("--revert")[0] == 1
    assert machine.mapping.read_text() == MAPPING, "the rows leave first"
    machine.do()
    assert machine.plan("--revert")[0] == 0
    assert machine.called() == ["unmake 0000-rfa7"]
    assert list(machine.plans.iterdir()) == []


def test_file_that_changes_while_containers_are_made_is_not_overwritten(machine):
    machine.do(make=f"echo '# somebody' >>{machine.mapping}")
    status, _, err = machine.plan("--apply")
    assert status == 1 and "has changed meanwhile" in err
    assert machine.mapping.read_text() == MAPPING + "# somebody\n"
    assert machine.called() == ["make 0000-rfa7", "unmake 0000-rfa7"]
    assert machine.backups() == []


def test_file_that_rfserver_has_not_read_is_not_touched(machine):
    # A link to another folder: changes there are not noticed by themselves.
    target = machine.folder / "elsewhere" / "mapping"
    target.parent.mkdir()
    target.write_text(MAPPING)
    machine.mapping.unlink()
    machine.mapping.symlink_to(target)
    for text, said in ((MAPPING + "nonsense\n", "rfserver.csv:6:9: "),
                       (MAPPING.replace("2a0a0a0a0a0,1", "2a0a0a0a0a0,5"),
                        "is not what rfserver has read")):
        target.write_text(text)
        status, _, err = machine.plan("--apply")
        assert status == 1 and said in err, err
        assert target.read_text() == text and machine.called() == []
    target.write_text("# a comment is no change\n" + MAPPING)
    assert machine.plan("--apply")[0] == 0
    assert machine.mapping.is_symlink()
    assert target.read_text() == "# a comment is no change\n" + MAPPING + ROWS


def test_plan_that_is_out_of_date_is_refused(machine):
    looked_at = machine.until_proposed("rfa7")["plan"]
    machine.net.proxy.switch(8, 1)
    now = machine.until_proposed("rfa7", "rfa8")["plan"]
    status, _, err = machine.plan("--apply", looked_at)
    assert status == 1 and f"proposed now, which is {now}" in err
    assert machine.mapping.read_text() == MAPPING
    assert machine.plan("--apply", now)[0] == 0


def test_two_at_once_do_not_meet(machine):
    machine.do(make=f"{RFCTL} --server {machine.server.endpoint} --config "
                    f"{machine.config} plan --apply 2>{machine.folder}/second")
    machine.plan("--apply")
    assert "another rfctl is at work" in (machine.folder / "second").read_text()


def test_without_a_script_nothing_is_applied(machine):
    machine.config.write_text(f"[rfctl]\nplan-dir = {machine.plans}\n")
    assert machine.plan()[0] == 0
    status, _, err = machine.plan("--apply")
    assert status == 1 and "plan-script" in err
    assert machine.server.rfctl("--config", "/nonexistent", "plan")[0] == 1
    machine.config.write_text("[rfctl]\nplan-scirpt = x\n")
    status, _, err = machine.plan()
    assert status == 1 and f"{machine.config}:2: unknown key" in err


def test_pool_that_is_used_up_is_named(tmp_path):
    machine = Machine(tmp_path, mapping_auto_hosts="172.24.0.0/24:24")
    try:
        machine.net.converge()
        machine.net.proxy.switch(7, 1, 2)

        def named():
            status, _, err = machine.plan()
            return status == 1 and "option mapping-auto-hosts: 172.24.0.0/24:24: used up" \
                in err, (status, err)
        machine.net.bus.until("the pool to be named", named, 10)
        assert machine.plan("--apply")[0] == 1 and machine.mapping.read_text() == MAPPING
    finally:
        machine.net.close()


def test_option_off_proposes_nothing(tmp_path):
    network = Network(tmp_path)
    try:
        status, _, err = network.server.rfctl("plan")
        assert status == 1 and "option mapping-auto of rfserver is off" in err
    finally:
        network.close()


@pytest.mark.parametrize("option,value,said", [
    ("mapping_auto_links", "10.0.0.0/16:32", "option mapping-auto-links: \"10.0.0.0/16:32\""),
    ("mapping_auto_hosts", "10.128.1.0/24", "expected networks that do not overlap")])
def test_bad_pools_are_refused_at_the_start(tmp_path, option, value, said):
    server = Server(tmp_path, **{option: value})
    server.start(wait=False)
    assert server.process.wait(10) != 0
    assert said in server.log()


def test_thousand_switches_are_one_plan(tmp_path):
    """More than one answer holds."""
    machine = Machine(tmp_path, mapping_auto_hosts="172.16.0.0/12:24")
    dp_ids = range(0x100, 0x100 + 1000)
    try:
        machine.net.converge()
        for dp_id in dp_ids:
            machine.net.proxy.switch(dp_id, 1, 2)
        machine.until_proposed(*[f"rfa{dp_id:x}" for dp_id in dp_ids])

        def complete():
            ports = [port for router in json.loads(machine.plan("--json")[1])["routers"]
                     for port in router["ports"]]
            return len({port["address"] for port in ports}) == 2000, len(ports)
        machine.net.bus.until("two host networks each", complete, 20)
    finally:
        machine.net.close()
