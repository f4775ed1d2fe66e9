"""Ten simulated switches in a grid: links are found and lost in time, and nothing that
stays is touched when daemons and switches come and go."""

import time

import pytest

from rflab.simulated import Simulation

GRID = ["--grid", "5x2"]
N_LINKS = 13  # 4 in each of two rows, 5 between them.


@pytest.fixture
def network():
    # Switches need a second to be back after a restart of rfproxy.
    with Simulation(GRID, rfserver=["--datapath-hold", "3s"],
                    rfproxy=["--reconnect-grace", "500ms"], log_level="debug") as made:
        made.start_switches()
        made.wait("ten datapaths in sync",
                  lambda: made.real_plane()["in sync"] == 10, 20)
        made.wait(lambda: f"all links; have {sorted(made.confirmed())}",
                  lambda: made.confirmed() == made.links())
        yield made
        for name in ("rfproxy", "rfserver"):
            status = made.stop(name)
            assert status == 0, f"{name} ended with {status}:\n{made.log(name)[-3000:]}"


def test_every_link_is_confirmed_and_every_switch_in_sync(network):
    assert len(network.confirmed()) == N_LINKS
    plane = network.real_plane()
    assert (plane["datapaths"], plane["connected"], plane["links"]) == (10, 10, N_LINKS)
    counts = network.counts()
    assert counts["errors"] == 0
    assert counts["flows"] == plane["entries"] - counts["meters"]
    for dpid in range(1, 11):
        flows = [l for l in network.say(f"dump {dpid:x}") if l.startswith("flow")]
        assert any("dl_type=0x88cc" in l and "CONTROLLER" in l for l in flows), flows


def test_every_port_is_shown_with_what_it_is(network):
    ends = {end for link in network.links() for end in link}

    def classified():
        classes = {(int(p["dp_id"], 16), p["dp_port"]): p["class"]
                   for p in network.show("ports")}
        return len(classes) == 240 and all(
            name == ("internal" if key in ends else "edge")
            for key, name in classes.items())
    network.wait("240 ports, inter-switch or edge", classified, 10)


def test_a_link_that_goes_down_is_reported_within_a_second_and_comes_back(network):
    before = network.links()
    network.say("link down 3 1")
    gone = {((3, 1), (4, 2))}
    assert network.links() == before - gone
    took = network.wait("the link to be lost",
                        lambda: network.confirmed() == before - gone, 5)
    assert took < 1
    network.say("link up 3 1")
    assert network.wait("the link to be back", lambda: network.confirmed() == before) < 2


def test_a_silent_cut_is_found_by_the_probes(network):
    before = network.links()
    network.say("link cut 2 3")
    took = network.wait("the link to be lost", lambda: network.confirmed() == before
                        - {((2, 3), (7, 4))}, 6)
    assert 1 < took < 4.5  # Three seconds of silence.
    network.say("link mend 2 3")
    network.wait("the link to be back", lambda: network.confirmed() == before, 5)


def test_a_restart_of_rfproxy_changes_no_entry_and_loses_no_link(network):
    before = network.counts()
    links = network.links()
    network.stop("rfproxy")
    network.start("rfproxy")
    shown = []

    def back():
        shown.append(len(network.confirmed()))
        return network.counts()["connected"] == 10 and \
            network.real_plane()["in sync"] == 10
    network.wait("all switches in sync again", back, 15)
    deadline = time.monotonic() + 6  # Longer than what is swept takes to be swept.
    while time.monotonic() < deadline:
        shown.append(len(network.confirmed()))
        time.sleep(0.1)
    lines = network.log("rfproxy").splitlines() + network.log("rfserver").splitlines()
    assert set(shown) == {N_LINKS}, "\n".join(l for l in lines if " lost" in l)
    assert network.confirmed() == links
    after = network.counts()
    for key in ("flow_mods", "group_mods", "meter_mods", "errors"):
        assert after[key] == before[key], key
    assert after["connects"] == before["connects"] + 10


def test_a_switch_that_disappears_takes_its_links_with_it_alone(network):
    before = network.links()
    network.say("kill 8")
    rest = {link for link in before if 8 not in (link[0][0], link[1][0])}
    assert len(rest) == N_LINKS - 3
    network.wait("its links to be lost", lambda: network.confirmed() == rest, 10)
    network.wait("nine datapaths", lambda: network.real_plane()["connected"] == 9)
    network.say("revive 8")
    network.wait("its links to be back", lambda: network.confirmed() == before, 10)
    assert network.real_plane()["connected"] == 10


def test_a_switch_that_lost_its_tables_gets_them_back(network):
    before = network.counts()
    network.say("restart 5")
    network.wait("its entries", lambda: network.counts()["flows"] == before["flows"], 10)
    after = network.counts()
    assert after["flow_mods"] == before["flow_mods"] + before["flows"] // 10
    assert after["errors"] == 0


def test_a_switch_with_more_ports_than_a_message_holds_is_known_whole():
    with Simulation(["--ring", "2"], ports=1500) as network:
        network.start_switches()
        network.wait("both links", lambda: network.confirmed() == network.links(), 20)
        assert len(network.links()) == 2
        assert len(network.show("ports")) == 3000
