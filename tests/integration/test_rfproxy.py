"""rfproxy with real bridges of Open vSwitch: tables, reconnects, links, slow path."""

import signal
import time

import pytest

from rfproxy_bed import Bed, Switches, wait_for

A, B = 5, 6
MAC = "02:a0:00:00:00:0%d"


@pytest.fixture(scope="module")
def switches():
    made = Switches()
    made.add_bridge("a", A)
    made.add_bridge("b", B)
    made.link("a2", "b2")
    yield made
    made.destroy()


@pytest.fixture
def bed(switches):
    made = Bed(switches)
    yield made
    made.destroy()


def plane(dpid, *fib, begin=True):
    """Lines of a small full download: port 1 is an edge, port 2 a link."""
    lines = [f"port {dpid} 1 2 {MAC % 1}", f"port {dpid} 2 1 {MAC % 2}",
             f"addr {dpid} 172.31.1.1",
             f"group {dpid} 1 2,1,{MAC % 2},02:b0:00:00:00:02",
             f"group {dpid} 2 1,1,{MAC % 1},02:00:00:00:01:64 "
             f"2,3,{MAC % 2},02:b0:00:00:00:02",
             f"group {dpid} 3",
             f"fib {dpid} 172.31.1.0/24 punt", f"fib {dpid} 172.31.2.0/24 group 1",
             f"fib {dpid} 10.0.0.0/8 group 2", f"fib {dpid} 192.168.0.0/16 group 3",
             f"fib {dpid} 0.0.0.0/0 drop", f"fib {dpid} 2001:db8::/32 group 1",
             *(f"fib {dpid} {entry}" for entry in fib)]
    return [f"begin {dpid}", *lines, f"end {dpid}"] if begin else lines


def in_sync(bed, dpid=A, failed=0, **wanted):
    return bed.peer.wait_status(dpid, in_sync="true", pending=0, failed=failed, **wanted)


def settle(bed, dpid, *lines):
    """Sends the lines and waits until the switch has what they say."""
    bed.peer.say_and_wait(*lines)
    # A status is told every 250 ms when it changed, at once when the sync did.
    time.sleep(0.3)
    return in_sync(bed, dpid)


def test_the_tables_of_a_switch_become_what_rfserver_wants(bed):
    bed.start()
    bed.connect("a")
    bed.peer.wait_line('^DP_UP dp_id=0x0000000000000005 .* description="Open vSwitch')
    bed.peer.wait_line("^DP_PORT .*dp_port=1.* name=\"a1\".* up=true gone=false")
    settle(bed, A, *plane(A))
    flows = bed.switches.flows("a")
    fib = {key: value[2] for key, value in flows.items() if key.startswith("1 ")}
    group = [f"group:{0x80000000 + n}" for n in range(4)]
    assert fib == {
        "1 priority=280,ip,nw_dst=172.31.1.0/24": "meter:1,CONTROLLER:65535",
        "1 priority=280,ip,nw_dst=172.31.2.0/24": group[1],
        "1 priority=264,ip,nw_dst=10.0.0.0/8": group[2],
        "1 priority=272,ip,nw_dst=192.168.0.0/16": group[3],
        "1 priority=256,ip": "drop",
        "1 priority=288,ipv6,ipv6_dst=2001:db8::/32": group[1],
        "1 priority=512,ip,nw_ttl=1": "meter:1,CONTROLLER:65535",
        "1 priority=512,ipv6,nw_ttl=1": "meter:1,CONTROLLER:65535",
        "1 priority=0": "meter:1,CONTROLLER:65535"}
    assert flows[f"0 priority=4096,ip,in_port=1,dl_dst={MAC % 1}"][2] == "goto_table:1"
    assert flows["0 priority=8192,ip,nw_dst=172.31.1.1"][2] == "goto_table:2"
    assert flows["2 priority=256,in_port=1"][2] == "meter:32769,CONTROLLER:65535"
    assert flows["2 priority=0"][2] == "meter:3,CONTROLLER:65535"
    assert flows["0 priority=16384,arp,in_port=1"][2] == "meter:17,CONTROLLER:65535"
    assert flows["0 priority=16384,arp,in_port=2"][2] == "drop"
    assert all(cookie >> 32 == 0x52465f01 for _, cookie, _ in flows.values())
    groups = bed.switches.ofctl("dump-groups", "a")
    assert "bucket=weight:3,watch_port:" in groups
    assert "dec_ttl,output:2" in groups

    bed.peer.say_and_wait(f"-fib {A} 172.31.2.0/24", f"-group {A} 3",
                          f"fib {A} 192.168.0.0/16 group 2", f"-port {A} 1")
    wait_for("the changes", lambda: len(bed.switches.flows("a")) == len(flows) - 15)
    assert "2147483651" not in bed.switches.ofctl("dump-groups", "a")
    assert "meter=17" not in bed.switches.ofctl("dump-meters", "a")


NARROW = "1 priority=280,ip,nw_dst=172.31.2.0/24"
LONG = "4 priority=256,metadata=0x1/0x1"


def checked(mtu, group):
    return (f"check_pkt_larger({mtu + 14})->OXM_OF_METADATA[0],"
            f"write_actions(group:{0x80000000 + group}),goto_table:4")


def narrow(mtu):
    return f"group {A} 1 mtu={mtu} 2,1,{MAC % 2},02:b0:00:00:00:02"


def test_entries_of_a_group_with_an_mtu_punt_what_is_longer(bed):
    bed.start()
    bed.connect("a")
    bed.peer.wait_line("^DP_UP")
    settle(bed, A, *plane(A))
    wide = bed.switches.flows("a")
    assert LONG not in wide

    settle(bed, A, narrow(1400))
    flows = bed.switches.flows("a")
    assert flows[NARROW][2] == checked(1400, 1)
    assert flows[LONG][2] == "meter:1,CONTROLLER:65535,clear_actions"
    changed = {key for key in flows if key not in wide or flows[key][2] != wide[key][2]}
    assert changed == {NARROW, "1 priority=288,ipv6,ipv6_dst=2001:db8::/32", LONG,
                       "4 priority=0"}
    settle(bed, A, narrow(1300))
    assert bed.switches.flows("a")[NARROW][2] == checked(1300, 1)

    # What a restarted rfproxy finds is as it must be.
    before = bed.switches.flows("a")
    bed.kill()
    since = len(bed.peer.lines)
    bed.start()
    bed.peer.wait_line("^DP_UP", since=since)
    lines = plane(A)
    lines[lines.index(next(line for line in lines if line.startswith(f"group {A} 1 ")))] \
        = narrow(1300)
    settle(bed, A, *lines)
    after = bed.switches.flows("a")
    assert after.keys() == before.keys()
    assert all(after[key][0] >= before[key][0] for key in before), "installed again"

    settle(bed, A, *plane(A))
    assert {key: flow[2] for key, flow in bed.switches.flows("a").items()} == \
        {key: flow[2] for key, flow in wide.items()}


def test_a_reconnect_changes_nothing(bed):
    bed.start("--reconnect-grace", "0")
    bed.connect("a")
    bed.peer.wait_line("^DP_UP")
    settle(bed, A, *plane(A))
    changes = bed.peer.status(A)["changes"]
    before = bed.switches.flows("a")
    begun = time.monotonic()
    for _ in range(3):
        since = len(bed.peer.lines)
        bed.switches.vsctl("set", "controller", "a", "inactivity_probe=5000")
        bed.switches.appctl("bridge/reconnect", "a")
        bed.peer.wait_line("^DP_UP", since=since)
        bed.peer.wait_line("^DP_STATUS .* in_sync=true", since=since)
        # What rfserver does after a DP_UP.
        settle(bed, A, *plane(A))
    assert bed.peer.status(A)["changes"] == changes
    after = bed.switches.flows("a")
    assert after.keys() == before.keys()
    elapsed = time.monotonic() - begun
    for key, (duration, cookie, actions) in after.items():
        assert duration >= before[key][0] + elapsed - 1, f"{key} was installed again"
        assert (cookie, actions) == before[key][1:]


def test_a_short_reconnect_is_not_reported(bed):
    bed.start()
    bed.connect("a")
    bed.peer.wait_line("^DP_UP")
    settle(bed, A, *plane(A))
    since = len(bed.peer.lines)
    bed.switches.appctl("bridge/reconnect", "a")
    bed.wait_log("is back")
    in_sync(bed)
    assert not [line for line in bed.peer.lines[since:] if not line.startswith("DP_ST")]


def test_restarts_of_rfproxy_and_rfserver_change_nothing(bed):
    bed.start()
    bed.connect("a")
    bed.peer.wait_line("^DP_UP")
    settle(bed, A, *plane(A))
    before = bed.switches.flows("a")

    bed.kill()
    bed.start()
    since = len(bed.peer.lines)
    bed.peer.wait_line("^DP_UP", since=since)
    bed.peer.wait_line("^DP_STATUS .* audits=1 ", since=since)
    assert bed.switches.flows("a").keys() == before.keys(), "wiped before rfserver spoke"
    settle(bed, A, *plane(A))
    # Only the fixed entries and meters are counted when nothing is sent: none.
    assert bed.peer.status(A)["changes"] == "0"

    bed.restart_peer()
    bed.peer.wait_line("^SYNC_BEGIN")
    bed.peer.wait_line("^DP_UP")
    bed.peer.wait_line("^SYNC_END")
    bed.peer.say_and_wait(f"begin {A}", f"fib {A} 172.31.2.0/24 group 1")
    time.sleep(0.5)  # What must not happen gets the time to happen.
    assert bed.switches.flows("a").keys() == before.keys(), "deleted before END"
    settle(bed, A, *plane(A))
    assert bed.peer.status(A)["changes"] == "0"
    assert all(entry[0] > 0.5 for entry in bed.switches.flows("a").values())


def plane_with_alternate(dpid):
    """Group 1 has one, by port 3."""
    return [line + f" 3,0,{MAC % 3},02:b0:00:00:00:03"
            if line.startswith(f"group {dpid} 1 ") else line for line in plane(dpid)]


def test_a_switch_goes_over_to_the_alternate_by_itself(bed, switches):
    bed.start()
    bed.connect("a")
    bed.peer.wait_line("^DP_UP")
    settle(bed, A, *plane_with_alternate(A))
    assert "type=ff,bucket=watch_port:2," in \
        bed.switches.ofctl("dump-groups", "a", "2147483649")
    packet = (bytes.fromhex((MAC % 1).replace(":", "") + "0200000001640800") +
              bytes.fromhex("4500001c000100004011") + bytes(2) +
              bytes([172, 31, 1, 100, 172, 31, 2, 100]) + bytes(8)).ljust(60, b"\0")
    by = {port: bytes.fromhex(f"02b00000000{port}" + (MAC % port).replace(":", ""))
          for port in (2, 3)}
    switches.inject("a1", packet)
    wait_for("the packet at port 2", lambda: by[2] in switches.sent("a2"))
    assert by[3] not in switches.sent("a3")
    bed.process.send_signal(signal.SIGSTOP)
    try:
        switches.appctl("netdev-dummy/set-admin-state", "a2", "down")
        wait_for("the next packet at port 3", lambda: switches.inject("a1", packet) or
                 by[3] in switches.sent("a3"))
    finally:
        switches.appctl("netdev-dummy/set-admin-state", "a2", "up")
        bed.process.send_signal(signal.SIGCONT)


def test_an_alternate_is_read_back_and_can_be_taken_away(bed):
    bed.start()
    bed.connect("a")
    bed.peer.wait_line("^DP_UP")
    settle(bed, A, *plane_with_alternate(A))
    bed.kill()
    bed.start()
    since = len(bed.peer.lines)
    bed.peer.wait_line("^DP_UP", since=since)
    settle(bed, A, *plane_with_alternate(A))
    assert bed.peer.status(A)["changes"] == "0"
    settle(bed, A, *plane(A))
    assert bed.peer.status(A)["changes"] == "1"
    assert "type=indirect" in bed.switches.ofctl("dump-groups", "a", "2147483649")


def test_an_audit_repairs_what_somebody_else_deleted_or_altered(bed):
    bed.start("--audit-interval", "500ms")
    bed.connect("a")
    bed.peer.wait_line("^DP_UP")
    settle(bed, A, *plane(A))
    wanted = {key: value[1:] for key, value in bed.switches.flows("a").items()}
    bed.switches.ofctl("del-flows", "a", "table=1,ip,nw_dst=172.31.2.0/24")
    bed.switches.ofctl("mod-flows", "a", "table=1,ip,nw_dst=172.31.1.0/24,actions=drop")
    bed.switches.ofctl("mod-group", "a", "group_id=2147483649,type=indirect,bucket="
                       "actions=output:3")
    bed.switches.ofctl("del-flows", "a", "table=0,arp")
    bed.switches.ofctl("add-flow", "a", "cookie=0x52465f0100000005,table=1,priority=280,"
                       "ip,nw_dst=66.0.0.0/24,actions=output:1")
    wait_for(lambda: bed.switches.flows("a"),
             lambda: {key: value[1:] for key, value
                      in bed.switches.flows("a").items()} == wanted)
    wait_for("the group to be repaired", lambda: "output:2" in
             bed.switches.ofctl("dump-groups", "a", "2147483649"))
    bed.wait_log("were not as they should be; repairing")


def test_foreign_entries_survive(bed):
    bed.start("--audit-interval", "300ms")
    bed.connect("a")  # This alone flushes a bridge.
    bed.peer.wait_line("^DP_UP")
    bed.switches.ofctl("add-flow", "a", "cookie=0x99,table=0,priority=99,in_port=3,"
                       "actions=drop")
    bed.switches.ofctl("add-flow", "a", "cookie=0x99,table=1,priority=280,ip,"
                       "nw_dst=78.0.0.0/24,actions=output:1")
    bed.switches.ofctl("add-group", "a", "group_id=7,type=indirect,bucket=output:1")
    bed.switches.ofctl("add-meter", "a", "meter=70000,pktps,band=type=drop,rate=5")
    settle(bed, A, *plane(A))
    settle(bed, A, f"begin {A}", f"end {A}")
    audits = int(bed.peer.status(A)["audits"])
    wait_for("an audit more", lambda: int(bed.peer.status(A)["audits"]) > audits + 1)
    flows = bed.switches.flows("a")
    assert "1 priority=280,ip,nw_dst=78.0.0.0/24" in flows
    assert "0 priority=99,in_port=3" in flows
    assert "1 priority=280,ip,nw_dst=172.31.2.0/24" not in flows
    assert "group_id=7," in bed.switches.ofctl("dump-groups", "a")
    assert "meter=70000 " in bed.switches.ofctl("dump-meters", "a")


def test_a_download_that_was_cut_short_converges(bed):
    count = 20000
    bed.start()
    bed.connect("a")
    bed.peer.wait_line("^DP_UP")
    half = [f"begin {A}", *plane(A, begin=False), f"bulk {A} {count // 2} 1"]
    bed.peer.say(*half)
    wait_for("the download to be under way", lambda: len(bed.switches.flows("a")) > 500)
    bed.kill()
    download = [*half, f"bulk {A} {count} 1", f"end {A}"]
    bed.start()
    since = len(bed.peer.lines)
    bed.peer.wait_line("^DP_UP", since=since)
    bed.peer.say_and_wait(*download)
    wait_for("all entries", lambda: int(bed.peer.status(A)["installed"]) > count, 60)
    in_sync(bed)
    flows = bed.switches.flows("a")
    assert sum(1 for key in flows if ",nw_dst=10." in key) == count + 1
    assert int(bed.peer.status(A)["changes"]) < count, "started from nothing"


def test_links_come_and_go(bed):
    bed.start()
    bed.connect("a")
    bed.connect("b")
    for src, dst in ((A, B), (B, A)):
        bed.peer.wait_line(f"^LINK_DIR src={{.*dp_id={src:#018x} dp_port=2}} "
                           f"dst={{.*dp_id={dst:#018x} dp_port=2}} up=true")
    bed.wait_log("link up")
    since = len(bed.peer.lines)
    bed.switches.appctl("netdev-dummy/set-admin-state", "a2", "down")
    bed.peer.wait_line("^DP_PORT .*dp_port=2.* up=false", since=since, seconds=2)
    bed.peer.wait_line("^LINK_DIR .* up=false", since=since, seconds=1)
    since = len(bed.peer.lines)
    bed.switches.appctl("netdev-dummy/set-admin-state", "a2", "up")
    for src in (A, B):
        bed.peer.wait_line(f"^LINK_DIR src={{.*dp_id={src:#018x} .* up=true",
                           since=since)


def test_a_silent_cut_is_seen_by_lldp(bed, switches):
    bed.start("--lldp-interval", "200ms", "--lldp-ttl", "600ms")
    bed.connect("a")
    bed.connect("b")
    bed.wait_log("link up")
    since = len(bed.peer.lines)
    try:
        switches.unlink("a2", "b2")
        for src in (A, B):
            bed.peer.wait_line(f"^LINK_DIR src={{.*dp_id={src:#018x} .* up=false",
                               since=since, seconds=3)
        # Its ports did not go down: the counters would say so.
        assert not [x for x in bed.peer.lines[since:] if x.startswith("DP_PORT")]
    finally:
        switches.link("a2", "b2")


def test_fast_links_are_lost_within_some_hundred_milliseconds(bed, switches):
    bed.start("--fast-links", "on")
    bed.connect("a")
    bed.connect("b")
    bed.wait_log("link up")
    time.sleep(1)  # Many times what a fast link is given: it must hold, too.
    assert "link down" not in bed.log()
    since = len(bed.peer.lines)
    try:
        switches.unlink("a2", "b2")
        for src in (A, B):
            bed.peer.wait_line(f"^LINK_DIR src={{.*dp_id={src:#018x} .* up=false",
                               since=since, seconds=0.8)
    finally:
        switches.link("a2", "b2")


def test_links_survive_a_pause_of_rfproxy_itself(bed):
    bed.start("--fast-links", "on")
    bed.connect("a")
    bed.connect("b")
    bed.wait_log("link up")
    bed.process.send_signal(signal.SIGSTOP)
    time.sleep(1)  # The fault, much longer than a fast link is given.
    bed.process.send_signal(signal.SIGCONT)
    bed.wait_log("late by")
    time.sleep(0.5)  # What must not happen gets the time to happen.
    assert "link down" not in bed.log()


def test_a_lost_switch_is_reported_after_the_grace_time_and_forgotten(bed):
    bed.start("--reconnect-grace", "300ms", "--hold-time", "600ms")
    bed.connect("a")
    bed.connect("b")
    bed.wait_log("link up")
    settle(bed, A, *plane(A))
    since = len(bed.peer.lines)
    bed.switches.vsctl("del-controller", "a")
    bed.peer.wait_line("^DP_DOWN dp_id=0x0000000000000005", since=since, seconds=3)
    for src in (A, B):
        bed.peer.wait_line(f"^LINK_DIR src={{.*dp_id={src:#018x} .* up=false",
                           since=since)
    bed.wait_log("datapath 0x0000000000000005: forgotten after")
    in_sync_b = bed.peer.status(B)
    bed.connect("a")
    bed.peer.wait_line("^DP_UP dp_id=0x0000000000000005", since=since)
    settle(bed, A, *plane(A))
    assert in_sync_b["changes"] == bed.peer.status(B)["changes"]


def test_a_switch_that_lost_everything_gets_it_back(bed):
    bed.start()
    bed.connect("a")
    bed.peer.wait_line("^DP_UP")
    settle(bed, A, *plane(A))
    before = {key: value[1:] for key, value in bed.switches.flows("a").items()}
    bed.switches.vswitchd.kill()
    bed.switches.vswitchd.wait()
    bed.switches.start_vswitchd()
    bed.wait_log("is back")
    wait_for("the tables", lambda: {key: value[1:] for key, value in
                                    bed.switches.flows("a").items()} == before, 20)
    in_sync(bed)


def arp(src, n=1):
    mac = bytes.fromhex(src.replace(":", ""))
    return (b"\xff" * 6 + mac + bytes.fromhex("0806000108000604") + b"\0\1" + mac +
            bytes([172, 31, 1, 100]) + b"\0" * 6 + bytes([172, 31, 1, n])).ljust(60, b"\0")


def test_slow_path_serves_edge_ports_only(bed, switches):
    vs = 0x7266767300000001
    bed.start()
    bed.connect("a")
    bed.peer.wait_line("^relay-connected")
    bed.peer.wait_line("^DP_UP")
    settle(bed, A, *plane(A), "begin 0", f"map {A} 1 {vs} 11", f"map {A} 2 {vs} 12",
           "end 0")
    request = arp("02:00:00:00:01:64")
    bed.switches.inject("a1", request)
    bed.peer.wait_line(f"^relay {vs:#x} 11 {request.hex()}")
    bed.peer.wait_status(A, punts=1, relay_in=1, leaks=0)

    bed.switches.inject("a2", arp("02:b0:00:00:00:02"))
    bed.peer.wait_status(A, leaks=1)
    reply = arp("02:00:00:00:aa:aa")
    bed.peer.say(*(f"frame {dp} {port} {reply.hex()}" for dp, port in
                   ((A, 2), (A, 77), (77, 1), (A, 1))))
    bed.peer.wait_status(A, relay_out=1)
    wait_for("the frame on port 1", lambda: reply in switches.sent("a1"))
    for port in (2, 77):
        bed.wait_log(f"port {port}: frame of a VM refused")
    assert reply not in switches.sent("a2")
    assert not [x for x in bed.peer.lines if x.startswith("relay ") and " 12 " in x]


def test_packets_with_ttl_1_and_to_own_addresses_reach_the_vm(bed):
    vs = 0x7266767300000001
    bed.start()
    bed.connect("a")
    bed.peer.wait_line("^DP_UP")
    bed.peer.wait_line("^relay-connected")
    settle(bed, A, *plane(A), f"map {A} 1 {vs} 11")
    mac = bytes.fromhex((MAC % 1).replace(":", "") + "020000000164" + "0800")

    def packet(ttl, dst):
        header = (bytes.fromhex("4500001c00010000") + bytes([ttl, 17, 0, 0]) +
                  bytes([172, 31, 1, 100]) + bytes(dst))
        return (mac + header + bytes(8)).ljust(60, b"\0")

    for wanted, frame in enumerate((packet(1, (172, 31, 2, 100)),
                                    packet(64, (172, 31, 1, 1)),
                                    packet(64, (172, 31, 1, 77))), 1):
        bed.switches.inject("a1", frame)
        bed.peer.wait_line(f"^relay {vs:#x} 11 {frame.hex()}")
        bed.peer.wait_status(A, relay_in=wanted)
    bed.switches.inject("a1", packet(64, (172, 31, 2, 100)))
    bed.peer.wait_status(A, relay_in=3)


def test_a_refused_entry_is_named_and_the_rest_goes_on(bed):
    bed.start()
    bed.connect("a")
    bed.peer.wait_line("^DP_UP")
    # Port 0xffffff01 does not exist and cannot.
    bed.peer.say_and_wait(*plane(A)[:-1],
                          f"group {A} 9 4294967041,1,{MAC % 1},02:00:00:00:01:64",
                          f"fib {A} 99.0.0.0/8 group 9", f"end {A}")
    bed.peer.wait_line(r"^FLOW_ERROR .*what=.group 9. error=.OFPET_BAD_ACTION/")
    bed.wait_log("refuses group 9: OFPET_BAD_ACTION/OFPBAC_BAD_OUT_PORT")
    wait_for("the other entries", lambda: "1 priority=280,ip,nw_dst=172.31.2.0/24" in
             bed.switches.flows("a"))
    bed.peer.wait_status(A, in_sync="false", failed=1)
    settle(bed, A, f"-fib {A} 99.0.0.0/8", f"-group {A} 9")
