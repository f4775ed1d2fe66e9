"""The store on a real MongoDB server, and what people see of it from outside.

The tests of lib/store proper are compiled (tests/unit/store); here they run a second time
against a server that scripts/mongo starts, which is killed and emptied in the middle.
RF_BUILD names another build directory than build/.
"""

import json
import os
import pathlib
import shlex
import sqlite3
import subprocess

import pytest
from rflab.system import free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("RF_BUILD", ROOT / "build")).resolve()
SUITE = BUILD / "tests" / "store_test_store"
MONGO = ROOT / "scripts" / "mongo"
NOTHING_THERE = 3  # Exit status of scripts/mongo


def run(*command, **env):
    return subprocess.run([str(word) for word in command], env={**os.environ, **env},
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=180)


def run_suite(**env):
    """The compiled tests; what they print is what a failure shows."""
    result = run(SUITE, **env)
    assert result.returncode == 0, result.stdout


class Server:
    def __init__(self, directory):
        self.directory = directory
        self.port = free_port()
        self.uri = f"mongodb://127.0.0.1:{self.port}"

    def start(self):
        result = run(MONGO, "start", "--port", self.port, "--dir", self.directory)
        assert result.returncode == 0, result.stdout

    def stop(self):
        run(MONGO, "stop", "--dir", self.directory)

    def restart_command(self):
        """Kills the server like a power cut, loses its data, starts it again."""
        directory = shlex.quote(str(self.directory))
        return (f"pid=$(cat {directory}/mongo.pid) && kill -9 $pid && "
                f"while grep -qs . /proc/$pid/cmdline; do sleep 0.02; done; "
                f"rm -rf {directory}/data && {shlex.quote(str(MONGO))} start "
                f"--port {self.port} --dir {directory} >&2")

    def shell(self, script):
        """What `script` evaluates to in mongosh, as Python."""
        result = run(MONGO, "shell", "--quiet", "--port", self.port, "--eval",
                     f"EJSON.stringify({script})")
        if result.returncode == NOTHING_THERE:
            pytest.skip(result.stdout.strip())
        assert result.returncode == 0, result.stdout
        return json.loads(result.stdout)


@pytest.fixture
def server(tmp_path):
    which = run(MONGO, "which")
    if which.returncode == NOTHING_THERE:
        pytest.skip(which.stdout.strip())
    server = Server(tmp_path / "mongo")
    server.start()
    yield server
    server.stop()


def test_suite_passes_on_mongodb_and_documents_return_to_an_emptied_server(server):
    run_suite(RF_TEST_MONGODB=server.uri, RF_TEST_RESTART=server.restart_command())

    # Nothing but what the last test of the suite wrote after the kill can be there.
    names = [d["name"] for d in server.shell("db.adminCommand({listDatabases: 1})")["databases"]]
    ours = [name for name in names if name.startswith("rftest_")]
    assert len(ours) == 1 and ours[0].startswith("rftest_emptied_"), names
    sister = f"db.getSiblingDB({ours[0]!r})"
    assert server.shell(f"{sister}.rftable.find().toArray()") == [{"_id": "b", "n": 2}]
    assert server.shell(f"{sister}.rfevents.countDocuments({{}})") == 101


def test_mongosh_shows_string_ids_plain_numbers_and_dates(server):
    run_suite(RF_TEST_MONGODB=server.uri)
    script = ("db.adminCommand({listDatabases: 1}).databases.map(d => d.name)"
              ".filter(n => n.startsWith('rftest_types'))"
              ".map(n => db.getSiblingDB(n).rfdatapaths.findOne())")
    assert server.shell(script) == [{
        "_id": "0x99", "port": 3, "bytes": 1 << 40,
        "t": {"$date": "2023-11-14T22:13:20.123Z"}}]


def test_sqlite_file_shows_json(tmp_path):
    run_suite(RF_TEST_DIR=str(tmp_path))
    with sqlite3.connect(tmp_path / "types.db") as db:
        (text,), = db.execute("select json from rfdatapaths")
    assert json.loads(text) == {
        "_id": "0x99", "port": 3, "bytes": 1 << 40,
        "t": {"$date": "2023-11-14T22:13:20.123Z"}}


def test_two_servers_of_one_directory_or_one_port_are_refused(server, tmp_path):
    again = run(MONGO, "start", "--port", free_port(), "--dir", server.directory)
    assert again.returncode == 1 and "runs there already" in again.stdout, again.stdout
    other = run(MONGO, "start", "--port", server.port, "--dir", tmp_path / "other")
    assert other.returncode == 1 and "is in use" in other.stdout, other.stdout


def test_server_listens_on_loopback_only(server):
    listeners = run("ss", "-Hltn", "sport", "=", f":{server.port}").stdout.split("\n")
    addresses = [line.split()[3] for line in listeners if line]
    assert addresses == [f"127.0.0.1:{server.port}"]
