"""rfserver: the transitions T1 to T13 of the association table (DESIGN 3), each by the
messages that cause it; the table of rfctl and that of the store are equal all along."""

import pytest
from rfserver_setup import (A, ACTIVE, ASSOCIATED, B, HEADER, IDLE_CLIENT, IDLE_DATAPATH,
                            VS_ID, Network, have_programs)

pytestmark = pytest.mark.skipif(not have_programs(), reason="needs a build")


@pytest.fixture
def net(tmp_path):
    network = Network(tmp_path)
    try:
        network.vs = network.new_vs().rfvs(1, 2, 3, 4).when_up()
        network.proxy = network.new_proxy().when_up()
        yield network
    finally:
        network.close()


def idle_client(port=1, vm=A):
    return {((vm, port), None, None): IDLE_CLIENT}


def idle_datapath(port=1, dp=5):
    return {(None, (dp, port), None): IDLE_DATAPATH}


def associated(port=1):
    return {((A, port), (5, port), None): ASSOCIATED}


def active(port=1, at=1):
    return {((A, port), (5, port), (VS_ID, at)): ACTIVE}


def make_active(net, port=1):
    """A client with one port whose row is active, and its switch."""
    net.proxy.switch(5, port)
    net.a = net.client(A).port(port)
    net.a.answer = net.vs, {port: port}
    net.until_rows(active(port))


def transitions(net, since=0):
    """The numbers of the events of the log, in order."""
    lines = [line for line in net.server.log().splitlines() if " (T" in line]
    return [line.rsplit("(", 1)[1].rstrip(")") for line in lines[since:]]


def test_t1_client_port_without_its_datapath_port_is_idle(net):
    net.a = net.client(A).port(1, 7)  # Port 7 is in no row of the mapping.
    net.until_rows({**idle_client(1), **idle_client(7)})
    assert transitions(net) == ["T1", "T1"]


def test_t2_datapath_port_without_its_client_port_is_idle(net):
    net.proxy.switch(5, 1).switch(99, 1)  # 99 is in no row of the mapping.
    net.until_rows({**idle_datapath(1), **idle_datapath(1, dp=99)})
    assert transitions(net) == ["T2", "T2"]


def test_t3_datapath_port_of_an_idle_client_associates_and_asks(net):
    net.a = net.client(A).port(1)
    net.until_rows(idle_client())
    net.proxy.switch(5, 1)
    net.until_rows(associated())
    assert net.a.configs == [(1, True, False)]
    assert transitions(net) == ["T1", "T3"]


def test_t4_client_port_of_an_idle_datapath_port_associates_and_asks(net):
    net.proxy.switch(5, 1)
    net.until_rows(idle_datapath())
    net.a = net.client(A).port(1)
    net.until_rows(associated())
    assert net.a.configs == [(1, True, False)]
    assert transitions(net) == ["T2", "T4"]


def test_t5_mapping_frame_activates_and_ends_the_asking(net):
    net.proxy.switch(5, 1)
    net.a = net.client(A).port(1)
    net.until_rows(associated())
    net.vs.seen(A, 1, 1)
    net.until_rows(active())
    net.bus.until("port configuration", lambda: (
        net.a.configs == [(1, True, False), (1, False, True)], net.a.configs))
    assert transitions(net) == ["T2", "T4", "T5"]


@pytest.mark.parametrize("how", ["down", "gone"])
def test_t6_datapath_port_down_or_gone_leaves_an_idle_client(net, how):
    make_active(net)
    (net.proxy.port_down if how == "down" else net.proxy.port_gone)(5, 1)
    net.until_rows(idle_client())
    assert net.a.port_config[1] == (False, False)
    assert transitions(net)[-1] == "T6"


def test_t6_of_an_association_that_was_not_active(net):
    net.proxy.switch(5, 1)
    net.a = net.client(A).port(1)
    net.until_rows(associated())
    net.proxy.port_down(5, 1)
    net.until_rows(idle_client())
    net.proxy.port_up(5, 1)
    net.until_rows(associated())
    assert transitions(net) == ["T2", "T4", "T6", "T3"]


def test_t7_idle_datapath_port_that_goes_leaves_nothing(net):
    net.proxy.switch(5, 1)
    net.until_rows(idle_datapath())
    net.proxy.port_down(5, 1)
    net.until_rows({})
    assert transitions(net) == ["T2", "T7"]


def test_t8_interface_removed_leaves_an_idle_datapath_port(net):
    make_active(net)
    net.a.port_gone(1)
    net.until_rows(idle_datapath())
    assert transitions(net)[-1] == "T8"


def test_t9_idle_client_port_that_goes_leaves_nothing(net):
    net.a = net.client(A).port(1)
    net.until_rows(idle_client())
    net.a.port_gone(1)
    net.until_rows({})
    assert transitions(net) == ["T1", "T9"]


def test_t10_rfvs_port_gone_asks_for_mapping_frames_again(net):
    make_active(net)
    net.a.answer = None
    asked = len(net.a.configs)
    net.vs.port_gone(1)
    net.until_rows(associated())
    assert net.a.configs[asked:] == [(1, True, False)]
    net.vs.port(1)
    net.vs.seen(A, 1, 1)
    net.until_rows(active())
    assert transitions(net)[-2:] == ["T10", "T5"]


def test_t11_mapping_frame_from_another_rfvs_port_moves_the_row(net):
    make_active(net)
    net.vs.seen(A, 1, 3)
    net.until_rows(active(at=3))
    assert transitions(net)[-1] == "T11"
    net.bus.until("the relay moves", lambda: (
        [key for key in net.proxy.relays.of("relay")] == [((0, 5, 1), (VS_ID, 3))],
        net.proxy.relays))


def test_t12_mapping_row_added_and_removed(net):
    net.proxy.switch(9, 1)
    net.a = net.client(A).port(1)
    net.a.answer = net.vs, {1: 1}
    net.until_rows({**idle_client(), **idle_datapath(1, dp=9)})
    net.server.mapping.write_text(HEADER + "2a0a0a0a0a0,1,0,9,1\n")
    net.until_rows({((A, 1), (9, 1), (VS_ID, 1)): ACTIVE})
    net.server.mapping.write_text(HEADER)
    net.until_rows({**idle_client(), **idle_datapath(1, dp=9)})
    assert net.a.port_config[1] == (False, False)
    assert "T12" in transitions(net)


def test_t13_client_that_comes_back_keeps_its_row_and_is_told_again(net):
    make_active(net)
    since = net.server.stored("rftable")[0]["since"]
    net.a.vanish()
    net.a.restart()
    net.a.configs.clear()
    net.bus.until("port configuration", lambda: (
        net.a.configs == [(1, False, True)], net.a.configs))
    net.until_rows(active())
    assert net.server.stored("rftable")[0]["since"] == since
    assert transitions(net) == ["T2", "T4", "T5"]


def test_refused_patterns_change_nothing_and_are_logged(net):
    make_active(net)
    net.b = net.client(B).port(1)
    net.proxy.switch(6, 1)
    both = {**active(), ((B, 1), (6, 1), None): ASSOCIATED}
    net.until_rows(both)
    net.vs.seen(B, 1, 1)  # Where A is.
    net.until_log("expected one container at an RFVS port")
    net.vs.seen(B, 1, 77)  # Which RFVS does not have.
    net.until_log("which has no such port")
    net.until_rows(both)


def test_mapping_frame_that_comes_early_is_not_lost(net):
    """rfvs reports what it knows at once, clients and switches come when they come; a
    port without carrier could not say it again."""
    net.vs.seen(A, 1, 1)
    net.until_log("is kept until its ports are associated")
    net.proxy.switch(5, 1)
    net.a = net.client(A).port(1)
    net.until_rows(active())


def test_early_mapping_frame_is_forgotten_with_its_rfvs_port(net):
    net.vs.seen(A, 1, 1)
    net.until_log("is kept until its ports are associated")
    net.vs.port_gone(1)
    net.vs.port(1)
    net.proxy.switch(5, 1)
    net.a = net.client(A).port(1)
    net.until_rows(associated())
