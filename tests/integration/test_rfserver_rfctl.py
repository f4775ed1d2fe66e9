"""rfctl against rfserver: what it shows, what it says is missing, its exit statuses."""

import json
import select
import subprocess
import time

import pytest
from rfserver_setup import (A, ACTIVE, B, HEADER, MAPPING, PORTS_AT, RFCTL, Network,
                            have_programs)

pytestmark = pytest.mark.skipif(not have_programs(), reason="needs a build")

SHOWS = {"associations": 4, "links": 1, "ports": 4, "routes": 8, "neighbors": 2,
         "flows": 8, "datapaths": 2, "clients": 2}
STEPS = ["switch", "association", "link", "virtual plane", "routes", "flows"]
NUMBERS = "①②③④⑤⑥"


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """A network that routes, for tests that change nothing."""
    network = Network(tmp_path_factory.mktemp("rfctl"))
    try:
        network.converge()
        for dp in (5, 6):
            network.proxy.status(dp)
        yield network
    finally:
        network.close()


@pytest.fixture
def bare(tmp_path):
    network = Network(tmp_path)
    yield network
    network.close()


@pytest.fixture(autouse=True)
def keep_sessions(request):
    """The peers of the shared network speak between tests, too."""
    if "net" in request.fixturenames:
        request.getfixturevalue("net").bus.run(0.05)


# --- show ------------------------------------------------------------------------------


@pytest.mark.parametrize("what,n", SHOWS.items())
def test_show_as_table_and_as_json(net, what, n):
    status, out, err = net.server.rfctl("show", what)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) == 1 + n, out
    assert lines[0] == lines[0].upper()
    assert len(net.server.json("show", what)) == n


def test_show_status(net):
    status = net.server.json("show", "status")
    assert status["associations"][ACTIVE] == 4
    assert status["clients"]["in sync"] == 2
    assert status["real plane"]["links"] == 1
    assert status["real plane"]["in sync"] == 2
    assert status["real plane"]["leaks"] == 0
    assert status["virtual plane"]["virtual-link entries"] == 2
    assert status["store"]["state"] == "connected"
    _, out, _ = net.server.rfctl("show", "status")
    assert "active client-datapath association  4" in out


def test_show_events_tell_the_history_in_order(net):
    events = net.server.json("show", "events")
    texts = [event["text"] for event in events]
    assert [e["time"] for e in events] == sorted(e["time"] for e in events)
    first = next(i for i, text in enumerate(texts) if "(T5)" in text)
    assert any("connected" in text for text in texts[:first])
    assert any("is confirmed" in text for text in texts)
    kept = net.server.stored("rfevents")
    assert [event["text"] for event in kept][:len(texts)] == texts[:len(kept)]


def test_show_is_narrowed_by_vm_datapath_and_prefix(net):
    assert len(net.server.json("show", "routes", "vmA")) == 4
    assert len(net.server.json("show", "routes", "02:a0:a0:a0:a0:a0")) == 4
    assert len(net.server.json("show", "routes", "2a0a0a0a0a0", "172.31.0.0/16")) == 2
    assert len(net.server.json("show", "routes", "172.31.2.0/24")) == 2
    assert len(net.server.json("show", "flows", "6")) == 4
    assert len(net.server.json("show", "neighbors", "vmB")) == 1
    status, _, err = net.server.rfctl("show", "routes", "vmZ")
    assert status == 1 and "vmZ" in err
    status, _, err = net.server.rfctl("show", "flows", "77")
    assert status == 1 and "77" in err


def test_flows_are_installed_when_the_proxy_says_so(net):
    flows = net.server.json("show", "flows", "5", "172.31.2.0/24")
    assert [(f["prefix"], f["state"]) for f in flows] == [("172.31.2.0/24", "installed")]
    assert flows[0]["target"].startswith("group:")


def test_many_rows_come_in_parts_and_complete(bare):
    client = bare.client(A).port(1).addr(1, "10.0.0.1/24")
    client.routes([f"20.{i >> 8}.{i & 255}.0/24" for i in range(30000)],
                  [(1, "10.0.0.2")])
    bare.bus.until("all told", lambda: client.up and client.all_acked(), 20)
    routes = bare.server.json("show", "routes")
    assert len({route["prefix"] for route in routes}) == len(routes) == 30001


# --- why -------------------------------------------------------------------------------


def missing(net, *args):
    """(number and name of the step that the verdict names, the verdict); the steps
    before it are good, and the table for people says the same."""
    answer = net.server.why(*args)
    verdict = answer["verdict"]
    number = verdict[0]
    assert number in NUMBERS, verdict
    step = NUMBERS.index(number)
    assert verdict.startswith(f"{number} {STEPS[step]}: ")
    assert [s["name"] for s in answer["steps"]] == STEPS
    assert [s["ok"] for s in answer["steps"][:step]] == [True] * step, answer
    assert answer["steps"][step]["ok"] is not True
    status, out, _ = net.server.rfctl("why", *args)
    assert status == 2 and out.splitlines()[-1] == verdict
    return STEPS[step], verdict


def until_missing(net, args, step, text):
    def good():
        seen = net.server.why(*args)
        return seen["verdict"][2:].startswith(f"{step}: ") and text in seen["verdict"], seen
    net.bus.until(f"{step}: {text}", good)
    found, verdict = missing(net, *args)
    assert found == step and text in verdict


def test_why_of_a_port_that_routes(net):
    for vm in ("vmA", "02:b0:b0:b0:b0:b0", "2a0a0a0a0a0", "0x000002a0a0a0a0a0"):
        for port in (1, 2):
            answer = net.server.why(vm, port)
            assert answer["ok"] and all(s["ok"] for s in answer["steps"]), answer
    status, out, _ = net.server.rfctl("why", "vmA", 2)
    assert status == 0
    assert out.splitlines()[-1] == "nothing is missing: this port routes"
    assert [line[2] for line in out.splitlines()[:6]] == list(NUMBERS)


def test_why_of_the_switch(bare):
    until_missing(bare, ("2a0a0a0a0a0", 1), "switch", "has never connected")
    bare.proxy = bare.new_proxy().switch(5, 3)
    until_missing(bare, ("2a0a0a0a0a0", 1), "switch", "has no port 1")
    bare.proxy.switches[5][1] = None
    bare.proxy.port_down(5, 1)
    until_missing(bare, ("2a0a0a0a0a0", 1), "switch", "port 1 (s5-1) is down")
    bare.proxy.switch_gone(5, "echo timeout")
    until_missing(bare, ("2a0a0a0a0a0", 1), "switch", "is not connected: echo timeout")


def test_why_of_the_association(bare):
    bare.proxy = bare.new_proxy().switch(5, 1)
    until_missing(bare, ("2a0a0a0a0a0", 1), "association", "no client of this VM")
    bare.a = bare.client(A, name="rfclient@vmA").port(2)
    until_missing(bare, ("vmA", 1), "association", "has no port 1")
    bare.a.port(1)
    until_missing(bare, ("vmA", 1), "association", "no mapping frame was seen")
    bare.a.leave()
    until_missing(bare, ("vmA", 1), "association", "the client of this VM was lost")


def test_why_of_the_link(tmp_path):
    net = Network(tmp_path, classify_time="30s")
    try:
        net.start_peers()
        net.proxy.link(5, 2, 6, 2, up=False)
        net.until_active()
        until_missing(net, ("vmA", 1), "link", "has just come up")
        net.proxy.direction(5, 2, 6, 2)
        until_missing(net, ("vmA", 2), "link", "not confirmed in both directions")
    finally:
        net.close()


def test_why_of_the_virtual_plane(bare):
    bare.start_peers()
    bare.b.answer = bare.vs, {1: PORTS_AT[B][1]}
    until_missing(bare, ("vmA", 2), "virtual plane", "other end of the real link")
    bare.b.answer = bare.vs, PORTS_AT[B]
    bare.until_active()
    bare.vs.rfvs_gone("RFVS was stopped")
    until_missing(bare, ("vmA", 2), "virtual plane", "RFVS was stopped")


def test_why_of_the_routes(bare):
    bare.converge()
    for dp in (5, 6):
        bare.proxy.status(dp)
    bare.a.neigh_gone(2, "10.0.0.2")
    until_missing(bare, ("vmA", 2), "routes", "1 gateways do not answer")
    for prefix in ("172.31.1.0/24", "10.0.0.0/24", "172.31.2.0/24"):
        bare.a.route_gone(prefix)
    until_missing(bare, ("vmA", 2), "routes", "has no routes")


def test_why_of_the_flows(bare):
    bare.converge()
    bare.proxy.status(5, failed=3, last_error="table is full")
    until_missing(bare, ("vmA", 1), "flows", "3 entries are refused")
    bare.proxy.status(5, in_sync=False, pending=7)
    until_missing(bare, ("vmA", 1), "flows", "7 changes are under way")
    bare.proxy.status(5)
    bare.bus.until("all good", lambda: bare.server.why("vmA", 1)["ok"])


def test_why_of_a_prefix(bare):
    bare.converge()
    answer = bare.server.why("172.31.2.7")
    assert answer["ok"] and len(answer["steps"]) == 2
    answer = bare.server.why("203.0.113.0/24")
    assert not answer["ok"] and "has no route for 203.0.113.0/24" in answer["verdict"]
    assert answer["verdict"].startswith("⑤")
    bare.a.neigh_gone(2, "10.0.0.2")
    bare.bus.until("unresolved", lambda: (
        "10.0.0.2 on port 2 unresolved" in bare.server.why("172.31.2.0/24", "vmA")["verdict"],
        bare.server.why("172.31.2.0/24", "vmA")))
    bare.proxy.leave()
    bare.bus.until("no datapath", lambda: (
        bare.server.why("172.31.2.0/24", "vmB")["verdict"].startswith("⑥")))


def test_why_of_what_is_not_mapped_or_known(net):
    status, _, err = net.server.rfctl("why", "vmA", 9)
    assert status == 1 and 'add "2a0a0a0a0a0,9,CT,DP,DP_PORT"' in err
    for args in (("why",), ("why", "vmA"), ("why", "vmA", "x"), ("why", "vmQ", 1),
                 ("why", "10.0.0.0/8", "vmQ")):
        status, out, err = net.server.rfctl(*args)
        assert (status, out) == (1, ""), args
        assert err.startswith("rfctl: "), args


# --- check, watch, statuses ----------------------------------------------------------------


def test_check_says_what_a_file_would_change(net, tmp_path):
    path = tmp_path / "new.csv"
    path.write_text(MAPPING.replace("2a0a0a0a0a0,1,0,5,1", "2a0a0a0a0a0,1,0,5,7") +
                    "2c0c0c0c0c0,1,0,7,1\n")
    status, out, err = net.server.rfctl("check", path)
    assert (status, err) == (0, "")
    assert "- vm 0x000002a0a0a0a0a0 port 1: datapath 0x0000000000000005 port 1" in out
    assert "+ vm 0x000002a0a0a0a0a0 port 1: datapath 0x0000000000000005 port 7" in out
    assert "+ vm 0x000002c0c0c0c0c0 port 1: datapath 0x0000000000000007 port 1" in out
    assert "rows: 1 removed, 2 added, 3 unchanged" in out
    path.write_text(MAPPING)
    assert "rows: 0 removed, 0 added, 4 unchanged" in net.server.rfctl("check", path)[1]


def test_check_names_every_fault(net, tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text(HEADER + "1,1,0,5\nzz,1,0,5,1\n1,1,0,5,2\n1,1,0,5,3\n")
    status, out, _ = net.server.rfctl("check", path)
    assert status == 1
    for line in (2, 3, 5):
        assert f"{path}:{line}:" in out
    assert net.server.rfctl("check", tmp_path / "none.csv")[0] == 1
    assert net.server.json("show", "status")["mapping"]["fault"] == "none"


def test_exit_statuses(net, tmp_path):
    assert net.server.rfctl("show", "status")[0] == 0
    for args in ((), ("show",), ("show", "nothing"), ("nonsense",), ("--nonsense",),
                 ("--timeout=x", "show", "status")):
        status, out, err = net.server.rfctl(*args)
        assert status == 1 and not out and err, args
    nobody = f"--server=ipc://{tmp_path}/nobody"
    start = time.monotonic()
    done = subprocess.run([str(RFCTL), nobody, "--timeout=1", "show", "status"],
                          capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 3 and "nobody" in done.stderr
    assert time.monotonic() - start < 5
    path = tmp_path / "good.csv"
    path.write_text(MAPPING)
    done = subprocess.run([str(RFCTL), nobody, "--timeout=1", "check", str(path)],
                          capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0 and "nothing to compare with" in done.stdout


@pytest.mark.parametrize("as_json", [False, True])
def test_watch_prints_events_as_they_happen(bare, as_json):
    argv = [str(RFCTL), f"--events={bare.server.events}", "watch"]
    with subprocess.Popen(argv + (["--json"] if as_json else []), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as watch:
        try:
            # Each reload is an event: until the first one is seen.
            while not select.select([watch.stdout], [], [], 0.2)[0]:
                bare.server.rfctl("reload")
            bare.a = bare.client(A).port(1)
            bare.bus.until("T1", lambda: bare.server.rows())
            lines = []
            while not lines or "(T1)" not in lines[-1]:
                lines.append(watch.stdout.readline())
                assert lines[-1], lines
            if as_json:
                event = json.loads(lines[-1])
                assert event["kind"] == "association" and event["time"].endswith("Z")
            else:
                assert lines[-1].split()[1] == "association"
        finally:
            watch.terminate()
            assert watch.wait(5) == 0
