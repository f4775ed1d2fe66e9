"""rfserver: somebody goes away and comes back.  Nothing is removed before its hold time
is over, and END is not said before everything is known."""

import signal

import pytest
from rfserver_setup import (A, ASSOCIATED, B, IDLE_CLIENT, IDLE_DATAPATH,
                            PORTS_AT, VS_ID, Network, active_rows, have_programs)

pytestmark = pytest.mark.skipif(not have_programs(), reason="needs a build")


@pytest.fixture
def make(tmp_path):
    made = []

    def make_network(**options):
        made.append(Network(tmp_path, **options))
        return made[-1].converge()

    yield make_network
    for network in made:
        network.close()


def mark(net):
    """Where the histories of what the planes were told stand."""
    return {d: len(d.history) for d in downloads(net)}


def downloads(net):
    return [*net.proxy.planes.values(), net.proxy.relays, net.vs.wiring]


def changes(net, marks):
    """What was told since, of all planes."""
    return [entry for d in downloads(net) for entry in d.history[marks.get(d, 0):]]


def removals(net, marks):
    return [entry for entry in changes(net, marks) if entry[1]] + \
        [entry for entry in changes(net, marks) if entry[0] == "carrier" and entry[3]]


def states(net):
    """What each plane has: {plane: {(kind, key, value)}}."""
    named = {**net.proxy.planes, "relays": net.proxy.relays, "rfvs": net.vs.wiring}
    return {name: {(*key, value) for key, value in d.state.items()}
            for name, d in named.items()}


def until_states(net, wanted):
    def good():
        now = states(net)
        return now == wanted, {name: now[name] ^ wanted[name] for name in now}
    net.bus.until("every plane is as it was; the difference is", good)


def silent(net, peers, seconds):
    """Time passes; nobody is told anything new."""
    marks = mark(net)
    net.bus.run(seconds)
    assert changes(net, marks) == [], f"{peers} went away, and the planes were told"


def only_rows(rows):
    return {keys: state for keys, state in active_rows().items() if keys[0][0] in rows}


# --- Peers -----------------------------------------------------------------------------


def test_client_lost_its_flows_stay_until_the_hold_time_is_over(make):
    net = make(hold_time="4s")
    net.a.leave()
    silent(net, "a client", 3)
    net.until_rows(active_rows())
    idle = {(None, (5, port), None): IDLE_DATAPATH for port in (1, 2)}
    net.until_rows({**only_rows([B]), **idle})
    net.bus.until("flows leave", lambda: (net.proxy.plane(5).state == {},
                                          net.proxy.plane(5)))
    net.bus.until("its link leaves", lambda: (net.vs.vlinks() == set(), net.vs.wiring))
    net.bus.until("its relays leave", lambda: net.vs.relays() == {(6, 1): 3})
    assert net.proxy.plane(6).removed() == []
    net.until_log("stays away: its hold time is over")
    net.a = net.client(A, name="rfclient@vmA").port(1, 2)
    net.a.answer = net.vs, PORTS_AT[A]
    net.until_active()


def test_client_back_in_time_changes_nothing_but_what_changed(make):
    net = make(hold_time="60s")
    net.a.vanish()
    net.a.reconnects = False
    net.bus.run(0.5)
    marks = mark(net)
    del net.a.records["route", "172.31.2.0/24"]
    net.a.route("203.0.113.0/24", [(2, "10.0.0.2")])
    net.a.reconnects = True
    net.a.restart()
    net.bus.until("new route", lambda: "203.0.113.0/24" in net.proxy.plane(5).of("fib"))
    net.bus.until("old route", lambda: "172.31.2.0/24" not in net.proxy.plane(5).of("fib"))
    net.bus.run(0.5)
    assert [(kind, remove, key) for kind, remove, key, _ in changes(net, marks)] in (
        [("fib", False, "203.0.113.0/24"), ("fib", True, "172.31.2.0/24")],
        [("fib", True, "172.31.2.0/24"), ("fib", False, "203.0.113.0/24")])
    net.until_rows(active_rows())


def test_client_that_reports_half_and_is_lost_again_loses_nothing(make):
    net = make()
    net.a.vanish()
    marks = mark(net)
    net.a.reports = False   # BEGIN, but no END.
    net.a.records = {("port", 1): net.a.records["port", 1]}
    net.a.restart()
    net.a.when_up()
    net.bus.until("half a report is acknowledged", net.a.all_acked)
    net.a.vanish()
    net.a.reconnects = False
    net.bus.until("A is lost", lambda: net.server.json("show", "clients")[0]["state"] ==
                  "lost, its flows stay")
    net.bus.run(0.5)
    assert removals(net, marks) == []


def test_proxy_lost_and_back_downloads_the_same_again(make):
    net = make()
    before = states(net)
    marks = mark(net)
    net.proxy.restart()
    net.bus.until("END of both datapaths", lambda: (
        all(net.proxy.plane(dp).ends == 2 for dp in (5, 6)), net.proxy.planes))
    net.bus.until("END of relays", lambda: net.proxy.relays.ends == 2)
    net.bus.run(0.5)
    until_states(net, before)
    assert removals(net, marks) == []
    assert net.vs.wiring.begins == 1, "rfvs was not concerned"
    net.until_rows(active_rows())


def test_proxy_away_for_the_hold_time_gives_its_ports_up(make):
    net = make(hold_time="3s")
    net.proxy.leave()
    net.bus.run(2)
    net.until_rows(active_rows())
    net.until_rows({((vm, port), None, None): IDLE_CLIENT
                    for vm in (A, B) for port in (1, 2)})
    net.bus.until("RFVS is without links", lambda: (
        net.vs.vlinks() == set() and net.vs.without_carrier() == {1, 2, 3, 4},
        net.vs.wiring))
    net.proxy.reconnects = True
    net.proxy.link(5, 2, 6, 2)
    net.proxy.restart()
    net.until_active()
    net.bus.until("as before", lambda: (
        net.vs.vlinks() == {(2, 4), (4, 2)} and not net.vs.without_carrier(),
        net.vs.wiring))


def test_restarted_proxy_waits_for_its_switches_and_links_stay(make):
    """A new rfproxy process: its switches come one after the other, and their links must
    be heard anew."""
    net = make(datapath_hold="8s")
    marks = mark(net)
    switches, links = net.proxy.switches, net.proxy.links
    net.proxy.switches, net.proxy.links = {}, []
    net.proxy.restart()
    net.bus.run(2)
    net.proxy.switch(5, *switches[5])
    net.bus.run(3)   # The proxy itself has been there for more than 4 s.
    net.proxy.switch(6, *switches[6])
    net.bus.run(1)
    assert removals(net, marks) == []
    net.proxy.links = []
    for link in links:
        net.proxy.direction(*link)
    net.bus.run(5)
    assert removals(net, marks) == []
    assert net.vs.vlinks() == {(2, 4), (4, 2)}


def test_link_that_a_restarted_proxy_does_not_hear_again_is_lost(make):
    net = make()
    net.proxy.links = []
    net.proxy.restart()
    net.bus.until("the link is lost", lambda: (
        net.vs.vlinks() == set() and net.vs.without_carrier() == {2, 4}, net.vs.wiring))
    net.until_rows(active_rows())


@pytest.mark.parametrize("how", ["process", "connection"])
def test_rfvs_lost_and_back(make, how):
    net = make()
    before = states(net)
    marks = mark(net)
    if how == "process":
        net.vs.restart()
    else:
        net.vs.rfvs_gone()
        net.bus.run(0.5)
        net.vs.rfvs(1, 2, 3, 4)
    net.bus.until("a second download", lambda: (net.vs.wiring.ends == 2, net.vs.wiring))
    net.bus.run(0.3)
    until_states(net, before)
    assert removals(net, marks) == []
    net.until_rows(active_rows())


def test_rfvs_away_for_the_hold_time_and_back(make):
    net = make(hold_time="3s")
    net.proxy.port_down(5, 2)    # Leaves a port without carrier.
    net.bus.until("carrier", lambda: net.vs.without_carrier() == {2, 4})
    net.vs.leave()
    rows = {((A, 1), (5, 1), None): ASSOCIATED, ((A, 2), None, None): IDLE_CLIENT,
            ((B, 1), (6, 1), None): ASSOCIATED, ((B, 2), (6, 2), None): ASSOCIATED}
    net.until_rows(rows)
    assert net.proxy.plane(5).of("port") == {}
    net.vs = net.new_vs().rfvs(1, 2, 3, 4)
    for client in (net.a, net.b):
        client.answer = net.vs, PORTS_AT[client.id]
    net.proxy.port_up(5, 2)
    net.proxy.link(5, 2, 6, 2)
    net.until_active()
    net.bus.until("as before", lambda: (
        net.vs.vlinks() == {(2, 4), (4, 2)} and not net.vs.without_carrier(),
        net.vs.wiring))


def test_switch_back_within_its_hold_time_loses_nothing(make):
    net = make(datapath_hold="5s")
    before = states(net)
    marks = mark(net)
    ports = net.proxy.switch_gone(5)
    net.bus.run(1)
    assert changes(net, marks) == []
    net.until_rows(active_rows())
    net.proxy.switch(5, *ports)
    net.bus.until("END", lambda: net.proxy.plane(5).ends == 2)
    net.bus.run(0.5)
    assert removals(net, marks) == []
    until_states(net, before)


def test_switch_that_stays_away_gives_its_ports_up(make):
    net = make(datapath_hold="1s")
    net.proxy.switch_gone(5)
    net.until_rows({**only_rows([B]), ((A, 1), None, None): IDLE_CLIENT,
                    ((A, 2), None, None): IDLE_CLIENT})
    net.bus.until("the link leaves", lambda: (
        net.vs.vlinks() == set() and net.vs.without_carrier() == {1, 2, 4},
        net.vs.wiring))


def test_port_that_went_while_the_switch_was_away(make):
    net = make(datapath_hold="5s")
    net.proxy.switch_gone(5)
    net.proxy.switch(5, 1)
    net.until_rows({keys: state for keys, state in active_rows().items()
                    if keys[0] != (A, 2)} | {((A, 2), None, None): IDLE_CLIENT})
    net.bus.until("its flows leave", lambda: set(net.proxy.plane(5).of("port")) == {1})


# --- rfserver --------------------------------------------------------------------------


def test_rfserver_killed_and_restarted_says_the_same_again(make):
    net = make()
    before = states(net)
    marks = mark(net)
    net.server.kill()
    net.server.start()
    net.bus.until("END of both datapaths", lambda: (
        all(net.proxy.plane(dp).ends == 2 for dp in (5, 6)), net.proxy.planes))
    net.bus.until("END of rfvs and relays", lambda: (
        net.vs.wiring.ends == 2 and net.proxy.relays.ends == 2, net.vs.wiring))
    net.until_rows(active_rows())
    until_states(net, before)     # Group ids included.
    assert removals(net, marks) == []
    classes = [value for kind, _, key, value in changes(net, marks) if kind == "port"]
    assert {c for c, _ in classes} == {"edge", "internal"}, "a port was probing again"
    edges = [key for kind, _, key, _ in changes(net, marks)
             if kind == "relay" and key[0][2] == 2]
    assert len(edges) == 2, "an inter-switch port was taken for an edge port"


def test_restarted_rfserver_says_no_end_before_all_is_known(make):
    """The switches and rfvs come back first, then one client, then the other."""
    net = make()
    before = states(net)
    net.server.kill()
    for client in (net.a, net.b):
        client.vanish()
        client.reconnects = False
        client.answer = None
    net.vs.mapped = {}       # rfvs was restarted, too: mapping frames are needed.
    net.server.start()
    net.bus.until("BEGIN of both datapaths", lambda: (
        all(net.proxy.plane(dp).begins == 2 for dp in (5, 6)), net.proxy.planes))
    net.bus.run(3)
    assert [d.ends for d in downloads(net)] == [1, 1, 1, 1]
    net.a.reconnects = True
    net.bus.until("A has reported", lambda: net.a.up and net.a.all_acked())
    net.bus.run(1)
    assert net.proxy.plane(5).ends == 1, "A's ports are not active"
    for port in (1, 2):
        net.vs.seen(A, port, PORTS_AT[A][port])
    net.bus.until("END of switch 5", lambda: net.proxy.plane(5).ends == 2)
    net.bus.run(1)
    assert net.proxy.plane(6).ends == 1, "B has not reported"
    assert net.vs.wiring.ends == 1 and net.proxy.relays.ends == 1
    net.b.reconnects = True
    net.b.answer = net.vs, PORTS_AT[B]
    net.bus.until("END of all", lambda: ([d.ends for d in downloads(net)] == [2] * 4,
                                         [d.ends for d in downloads(net)]))
    until_states(net, before)


def test_restarted_rfserver_says_no_end_while_ports_are_being_reported(make):
    net = make()
    net.server.kill()
    net.proxy.reconnects = False
    net.proxy.vanish()
    net.server.start()
    net.bus.until("both clients", lambda: net.a.up and net.b.up)
    net.proxy.on_up = lambda: [
        net.proxy.send("SYNC_BEGIN"),
        net.proxy.send("DP_UP", dp_id=5, ct_id=0, n_tables=1, peer="", description="")]
    net.proxy.restart()
    net.bus.until("BEGIN", lambda: net.proxy.plane(5).begins == 2)
    net.bus.run(1.5)
    assert net.proxy.plane(5).ends == 1, "its ports have not been reported"


def test_restarted_rfserver_ends_at_the_hold_time_though_a_client_stays_away(make):
    net = make(hold_time="4s")
    net.server.kill()
    net.b.leave()
    net.server.start()
    net.bus.until("END of switch 5", lambda: net.proxy.plane(5).ends == 2, 3)
    net.bus.run(1.5)
    assert net.proxy.plane(6).ends == 1
    assert net.proxy.plane(6).of("fib") != {}
    net.bus.until("END of switch 6", lambda: net.proxy.plane(6).ends == 2)
    assert net.proxy.plane(6).state == {}


def test_ports_without_carrier_are_found_again_after_a_restart(make):
    """The containers behind them cannot send mapping frames: rfvs remembers."""
    net = make()
    net.proxy.link(5, 2, 6, 2, up=False)
    net.bus.until("no carrier", lambda: net.vs.without_carrier() == {2, 4})
    net.server.kill()
    net.server.start()
    net.until_active()
    net.bus.until("END of all", lambda: ([d.ends for d in downloads(net)] == [2] * 4,
                                         [d.ends for d in downloads(net)]))


def test_rfserver_stopped_in_order_and_started_again(make):
    net = make()
    marks = mark(net)
    assert net.server.kill(signal.SIGTERM) == 0
    net.server.start()
    net.bus.until("END of all", lambda: ([d.ends for d in downloads(net)] == [2] * 4,
                                         [d.ends for d in downloads(net)]))
    assert removals(net, marks) == []
    net.until_active()
    assert {d["vs_id"] for d in net.server.stored("rftable")} == {f"0x{VS_ID:016x}"}
