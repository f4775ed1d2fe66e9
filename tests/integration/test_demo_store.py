"""The demo with a MongoDB server: rftest2 whose store is FerretDB (or an installed mongod),
as scripts/mongo finds it.  Without one the tests are skipped, and say what is missing."""

import os

import belongings
import pytest
from rflab import lab as labs
from rflab import records, store
from rflab.system import Instance, free_port, run
from rflab.verify import Verifier

from conftest import bring_up

RUN = belongings.run_directory("ts")
DATABASE = f"rf-{Instance(RUN).name}"


@pytest.fixture(autouse=True)
def mongo(monkeypatch):
    """As on a machine with an installed server, and none that runs."""
    which = run([store.MONGO, "which"], check=False)
    if which.returncode != 0:
        pytest.skip(which.stderr.strip())
    monkeypatch.delenv("RF_STORE")
    monkeypatch.setattr(store, "SERVER", ("127.0.0.1", free_port()))
    yield
    labs.down(RUN)


@pytest.fixture
def running_server(tmp_path):
    """One that the machine runs already, and is none of the lab's."""
    run([store.MONGO, "start", "--port", store.SERVER[1], "--dir", tmp_path],
        env={**os.environ})
    yield f"mongodb://{store.SERVER[0]}:{store.SERVER[1]}"
    run([store.MONGO, "stop", "--dir", tmp_path])


def test_associations_of_rftest2_are_active_in_mongodb():
    lab = bring_up(RUN, "rftest2")
    uri = lab.state["store"]
    assert uri.startswith("mongodb://127.0.0.1:") and uri.endswith("/routeflow")
    row = Verifier(lab).row("associations", Verifier(lab).associations, 15)
    assert row.passed, row.measured
    rows = records.read(uri, "rftable")
    assert len(rows) == 14
    assert {row["state"] for row in rows} == {"active client-datapath association"}
    assert all(isinstance(row[key], int) for row in rows
               for key in ("vm_port", "ct_id", "dp_port", "vs_port"))
    labs.down(RUN)
    assert not Instance(RUN).processes()


def test_mongosh_reads_the_table_well():
    if run([store.MONGO, "which", "--shell"], check=False).returncode != 0:
        pytest.skip("there is no mongosh: scripts/mongo install")
    lab = bring_up(RUN, "rftest1")
    said = run([store.MONGO, "shell", lab.state["store"], "--quiet", "--eval",
                "db.rftable.find()"], env=lab.instance.environment()).stdout
    assert said.count("state: 'active client-datapath association'") == 2, said
    assert "dp_id: '0x0000000000000099'" in said
    assert "dp_port: 1," in said and "Long(" not in said and "ISODate(" in said


def test_lab_uses_a_running_server_and_removes_only_its_own_database(running_server):
    theirs = f"{running_server}/{DATABASE}"
    answer = records.ask(theirs, {"create": "precious"})
    assert answer["ok"]
    lab = bring_up(RUN, "rftest1")
    uri = lab.state["store"]
    assert uri == f"{running_server}/{DATABASE}-2"
    assert len(records.read(uri, "rftable")) == 2
    labs.down(RUN)
    assert records.collections(uri) == []
    assert records.collections(theirs) == ["precious"]


def test_rf_store_decides(monkeypatch, running_server):
    instance = Instance(RUN)
    monkeypatch.setenv("RF_STORE", "sqlite")
    assert store.choose_store(instance) == f"sqlite:{RUN}/store/routeflow.db"
    monkeypatch.setenv("RF_STORE", "mongodb://db.example.net/here")
    assert store.choose_store(instance) == "mongodb://db.example.net/here"
