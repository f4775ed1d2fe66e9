"""The parts of scripts/rflab that need no network: what they read and compute."""

import json
import os
import signal
import sqlite3
import struct
import subprocess
import time

import pytest
from rflab import lab as labs
from rflab import oracle, pcap, records, suite, system
from rflab.ofctl import Bucket, parse_flows, parse_groups
from rflab.streams import lost, outage
from rflab.system import Instance, LabError, environment_of, wait_for
from rflab.topology import _build, load, port_mac
from rflab.verify import find_key, mixed

from conftest import CHECKOUT


@pytest.fixture
def classic():
    return load(CHECKOUT / "config" / "rftest2.json")


# ---- topology ----

@pytest.mark.parametrize("name", ["rftest1", "rftest2"])
def test_mapping_file_joins_each_container_port_to_its_switch_port(name):
    topology = load(CHECKOUT / "config" / f"{name}.json")
    assert sorted(topology.mapping.read_text().split()) == \
        sorted(topology.mapping_text().split())


def test_classic_addresses_are_those_its_users_know(classic):
    have = {node.vm: [str(port.address) for port in node.ports] for node in classic.nodes}
    assert have == {
        "rfvmA": ["172.31.1.1/24", "10.0.0.1/24", "30.0.0.1/24", "50.0.0.1/24"],
        "rfvmB": ["172.31.2.1/24", "10.0.0.2/24", "40.0.0.2/24"],
        "rfvmC": ["172.31.3.1/24", "20.0.0.3/24", "30.0.0.3/24"],
        "rfvmD": ["172.31.4.1/24", "40.0.0.4/24", "20.0.0.4/24", "50.0.0.4/24"]}


def test_classic_networks_have_ipv6_addresses_like_those_of_ipv4():
    lab = load(CHECKOUT / "config" / "rftest2.json", ipv6=True)
    assert lab.ipv6 and load(CHECKOUT / "config" / "rftest2.json").ipv6 is False
    assert [str(port.address6) for port in lab.nodes[1].ports] == [
        "fd00:172:31:2::1/64", "fd00:10::2/64",
        "fd00:40::2/64"]
    host = lab.hosts[1]
    assert (str(host.address6), str(host.gateway6)) == (
        "fd00:172:31:2::100/64", "fd00:172:31:2::1")


def test_networks_that_would_have_the_same_ipv6_addresses_are_refused(tmp_path):
    path = tmp_path / "narrow.json"
    path.write_text(json.dumps(document(links=[
        {"ends": ["A", "B"], "subnet": "10.0.0.0/30", "addresses": ["10.0.0.1", "10.0.0.2"]},
        {"ends": ["A", "B"], "subnet": "10.0.0.4/30", "addresses": ["10.0.0.5", "10.0.0.6"]}])))
    with pytest.raises(LabError, match="10.0.0.4/30 and 10.0.0.0/30 would be one IPv6"):
        load(path, ipv6=True)


def test_classic_interfaces_have_the_classic_mac_addresses():
    assert port_mac("02a0a0a0a0a0", 3) == "02:a3:a3:a3:a3:a3"


def test_other_vm_ids_give_each_interface_a_mac_address_of_its_own():
    macs = {port_mac("02000000fff8", number) for number in range(32)}
    assert len(macs) == 32
    assert all(mac.startswith("02:00:00:00:") for mac in macs)


def document(**changes):
    node = {"name": "A", "number": 1, "dpid": "1", "vm": "vmA", "vm_id": "020000000001"}
    other = {"name": "B", "number": 2, "dpid": "2", "vm": "vmB", "vm_id": "020000000002"}
    return {"name": "x", "nodes": [node, other], "hosts": [], "links": []} | changes


def test_topology_with_an_unknown_node_is_refused():
    with pytest.raises(ValueError, match="no node Z"):
        _build(document(links=[{"ends": ["A", "Z"], "subnet": "10.0.0.0/24",
                                "addresses": ["10.0.0.1", "10.0.0.2"]}]))


def test_topology_with_two_equal_dpids_is_refused():
    both = document()
    both["nodes"][1]["dpid"] = "1"
    with pytest.raises(ValueError, match="same dpid"):
        _build(both)


def test_a_file_that_is_no_topology_is_named(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(LabError, match="x.json: 'nodes' is missing"):
        load(tmp_path / "x.json")


def test_files_for_quagga_hold_no_command_that_only_frr_has(classic):
    for node in classic.nodes:
        for name, text in suite.files(classic, node).items():
            if ".frr." not in name:
                assert "nexthop" not in text and "work-queue" not in text
                assert "min-arrival" not in text


# ---- oracle ----

def text_routes(table):
    return {str(network): sorted(hops) for network, hops in table.items()}


def test_reference_routes_of_a_are_those_worked_out_by_hand(classic):
    assert text_routes(oracle.routes(classic)["A"]) == {
        "172.31.2.0/24": [("10.0.0.2", "eth2")],
        "172.31.3.0/24": [("30.0.0.3", "eth3")],
        "172.31.4.0/24": [("50.0.0.4", "eth4")],
        "40.0.0.0/24": [("10.0.0.2", "eth2"), ("50.0.0.4", "eth4")],
        "20.0.0.0/24": [("30.0.0.3", "eth3"), ("50.0.0.4", "eth4")]}


def test_reference_routes_go_both_ways_round_when_the_diagonal_is_down(classic):
    table = text_routes(oracle.routes(classic, [classic.link("D-A")])["A"])
    assert table["172.31.4.0/24"] == [("10.0.0.2", "eth2"), ("30.0.0.3", "eth3")]
    assert "50.0.0.0/24" not in table


def test_reference_routes_follow_the_cheaper_way():
    costs = {"A-B": 50, "A-C": 10, "C-B": 10}
    nodes = [{"name": n, "number": i, "dpid": str(i), "vm": f"vm{n}",
              "vm_id": f"02000000000{i}"} for i, n in enumerate("ABC", 1)]
    links = [{"ends": name.split("-"), "subnet": f"10.0.{i}.0/24", "cost": cost}
             for i, (name, cost) in enumerate(costs.items())]
    hosts = [{"name": "h", "node": "B", "address": "192.0.2.9/24", "gateway": "192.0.2.1"}]
    topology = _build(document(nodes=nodes, links=links, hosts=hosts))
    table = text_routes(oracle.routes(topology)["A"])
    assert table["192.0.2.0/24"] == [("10.0.1.3", "eth2")]


def test_paths_between_hosts_name_the_ports_entered(classic):
    h2, h3 = classic.hosts[1], classic.hosts[2]
    found = sorted([str(port.address.ip) for port in path]
                   for path in oracle.paths(classic, h2, h3))
    assert found == [["172.31.2.1", "10.0.0.1", "30.0.0.3"],
                     ["172.31.2.1", "40.0.0.4", "20.0.0.3"]]


# ---- ovs-ofctl ----

FLOWS = """
 cookie=0x52464f01000000aa, table=0, send_flow_rem priority=100,ip,in_port=1,\
dl_dst=02:a1:a1:a1:a1:a1 actions=goto_table:1
 cookie=0x1, duration=3.1s, table=1, n_packets=0, n_bytes=0, idle_age=3, \
priority=280,ip,nw_dst=172.31.2.0/24 actions=group:7
 cookie=0x1, table=1, priority=288,ip,nw_dst=10.0.0.1 actions=meter:1,CONTROLLER:65535
 cookie=0x0, table=0, in_port=2 actions=output:5
 cookie=0x0, table=0, actions=FLOOD
"""


def test_flows_are_read_with_priority_match_and_actions():
    admit, fib, own, virtual, flood = parse_flows(FLOWS)
    assert admit.match == {"ip": True, "in_port": "1", "dl_dst": "02:a1:a1:a1:a1:a1"}
    assert (fib.table, fib.priority, str(fib.network), fib.group) == \
        (1, 280, "172.31.2.0/24", 7)
    assert str(own.network) == "10.0.0.1/32" and own.outputs == [] and own.group is None
    assert virtual.outputs == ["5"] and virtual.priority == 32768
    assert flood.outputs == ["FLOOD"]


def test_groups_are_read_with_their_buckets():
    groups = parse_groups("""OFPST_GROUP_DESC reply (OF1.3) (xid=0x2):
 group_id=1,type=indirect,bucket=actions=set_field:02:a2:a2:a2:a2:a2->eth_src,\
set_field:02:b2:b2:b2:b2:b2->eth_dst,dec_ttl,output:2
 group_id=2,type=select,bucket=bucket_id:0,weight:1,actions=output:2,\
bucket=bucket_id:1,weight:1,actions=dec_ttl,output:3
""")
    assert groups[1].buckets == (
        Bucket("02:a2:a2:a2:a2:a2", "02:b2:b2:b2:b2:b2", True, "2"),)
    assert groups[2].kind == "select"
    assert groups[2].buckets == (Bucket(None, None, False, "2"),
                                 Bucket(None, None, True, "3"))


# ---- captures ----

def pcap_of(*frames):
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for frame in frames:
        out += struct.pack("<IIII", 1, 0, len(frame), len(frame)) + frame
    return out


def ipv4(source, target, protocol, ttl=64, payload=b"\x08\x00"):
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, ttl, protocol, 0)
    return (bytes.fromhex("02b1b1b1b1b1" "02a1a1a1a1a1" "0800") + header
            + bytes(source) + bytes(target) + payload)


H1, H2, ROUTER, ALL_OSPF = (172, 31, 1, 100), (172, 31, 2, 100), (10, 0, 0, 1), (224, 0, 0, 5)


def test_frames_of_the_virtual_plane_are_told_from_host_data(classic):
    other = bytes(12) + b"\x0a\x0a" + bytes(46)
    data = pcap_of(bytes(12) + b"\x88\xcc", bytes(12) + b"\x08\x06" + bytes(28),
                   ipv4(ROUTER, ALL_OSPF, 89), ipv4(H1, H2, 6), ipv4(H1, H2, 89),
                   ipv4(ROUTER, (10, 0, 0, 2), 6), other)
    assert pcap.count(data, classic.host_networks()) == {
        "LLDP": 1, "ARP": 1, "OSPF": 2, "host data": 1,
        "IPv4 10.0.0.1 to 10.0.0.2, protocol 6": 1, "ethertype 0x0a0a": 1}


def test_a_capture_that_is_still_being_written_is_read_to_its_last_whole_frame():
    data = pcap_of(ipv4(H1, H2, 1), ipv4(H1, H2, 1))
    assert len(list(pcap.frames(data[:-3]))) == 1
    assert list(pcap.frames(b"")) == []


def test_echo_requests_are_read_with_ttl_and_mac_addresses():
    data = pcap_of(ipv4(H1, H2, 1, ttl=62), ipv4(H2, H1, 1, payload=b"\x00\x00"))
    assert list(pcap.echo_requests(data)) == [
        ("02:a1:a1:a1:a1:a1", "02:b1:b1:b1:b1:b1", 62, "172.31.1.100", "172.31.2.100")]


# ---- probes ----

def flow(*arrived, start=10.0):
    """Sent each 10 ms from `start`; `arrived` tells of each whether it did, 1 ms later."""
    return [(start + i / 100, start + i / 100 + 0.001 if there else None)
            for i, there in enumerate(arrived)]


def test_outage_ends_with_the_first_arrival_after_the_last_lost_packet():
    assert outage([flow(1, 1, 0, 0, 1, 0, 1, 1)], 10.015) == pytest.approx((46, 21))


def test_outage_of_a_pair_is_that_of_its_slowest_flow():
    flows = [flow(1, 0, 1, 1), flow(1, 0, 0, 1), flow(1, 1, 1, 1)]
    assert outage(flows, 10.005) == pytest.approx((26, 21))


def test_outage_does_not_reach_to_single_losses_of_a_busy_machine():
    late = [1] * 30
    assert outage([flow(1, 0, 0, 1, *late, 0, 1, 1)], 10.005) == pytest.approx((26, 21))
    again = outage([flow(1, 0, 0, 1, *late, 0, 0, 0, 1)], 10.005)
    assert again == pytest.approx((366, 31))


def test_outage_is_zero_when_nothing_was_lost():
    assert outage([flow(1, 1, 1)], 10.01) == (0.0, 0.0)


def test_outage_does_not_count_what_was_lost_before():
    assert outage([flow(1, 0, 0, 1, 1, 1, 1)], 10.05) == (0.0, 0.0)
    assert lost([flow(1, 0, 0, 1)]) == 2 and lost([flow(1, 0, 0, 1)], 10.015) == 1


def test_outage_never_ends_when_a_flow_does_not_arrive_any_more():
    assert outage([flow(1, 1), flow(1, *[0] * 30)], 10.005) is None
    assert outage([flow(1, 1, 1, 0)], 10.005) == (0.0, 0.0)
    assert outage([[]], 10.0) is None


def test_traceroute_over_two_equal_ways_may_mix_them():
    wanted = [["a", "b", "d"], ["a", "c", "d"]]
    assert mixed(["a", "c", "d"], wanted)
    assert not mixed(["a", "*", "d"], wanted)
    assert not mixed(["a", "d"], wanted)


# ---- the store ----

def test_bson_is_decoded_to_what_was_encoded():
    document = {"find": "rftable", "batchSize": 3, "single": True}
    assert records.decode(records.encode(document)) == document


def test_bson_of_other_types_is_decoded():
    inner = b"\x0c\0\0\0" b"\x100\0\x07\0\0\0" b"\0"
    body = (b"\x04a\0" + inner + b"\x03d\0" + inner + b"\x12n\0" + struct.pack("<q", 1 << 40)
            + b"\x09t\0" + struct.pack("<q", 5) + b"\x0az\0" + b"\x07i\0" + b"\1" * 12)
    data = struct.pack("<i", len(body) + 5) + body + b"\0"
    assert records.decode(data) == {"a": [7], "d": {"0": 7}, "n": 1 << 40, "t": 5,
                                    "z": None, "i": "01" * 12}


def test_sqlite_store_is_read_by_its_json(tmp_path):
    database = sqlite3.connect(tmp_path / "x.db")
    database.execute("create table rftable (id text, json text, doc blob)")
    database.execute("""insert into rftable values ('1', '{"vm_port": 2}', x'00')""")
    database.commit()
    assert records.read(f"sqlite:{tmp_path}/x.db", "rftable") == [{"vm_port": 2}]
    with pytest.raises(LabError, match="rflinks"):
        records.read(f"sqlite:{tmp_path}/x.db", "rflinks")


def test_counters_are_summed_wherever_they_stand():
    assert find_key({"a": [{"leaks": 1}, {"leaks": 2}], "b": {"leaks": 0}}, "leaks") == 3
    assert find_key({"a": 1}, "leaks") is None


# ---- what a lab may remove ----

def test_manifest_survives_a_writer_that_was_killed(tmp_path):
    instance = Instance(tmp_path / "x")
    instance.make_dir()
    instance.manifest.note("netns", "a")
    with open(instance.manifest.path, "a") as out:
        out.write('{"kind": "netns", "na')
    assert instance.manifest.names("netns") == ["a"]


def test_a_directory_that_no_lab_made_is_neither_used_nor_removed(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "letter").touch()
    with pytest.raises(LabError, match="was not made by a lab"):
        Instance(home).make_dir()
    assert labs.down(home) is False
    assert (home / "letter").exists()


def test_a_run_directory_whose_names_would_be_too_long_is_refused():
    with pytest.raises(LabError, match="shorter"):
        Instance("/run/routeflow-much-too-long-a-name")


def test_program_that_is_just_being_started_runs_and_one_that_has_ended_does_not(tmp_path):
    instance = Instance(tmp_path / "x")
    # Without an environment, as the kernel shows a process in the middle of an exec().
    process = subprocess.Popen(["/bin/sleep", "60"], env={})
    try:
        assert instance.runs(process.pid) and not instance.owns(process.pid)
        process.kill()
        # Not collected yet: a zombie, which has none either.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not instance.runs(process.pid)
    finally:
        process.kill()
        process.wait()
    other = subprocess.Popen(["/bin/sleep", "60"], env={"RF_LAB": "/run/another"})
    try:
        wait_for("its environment", lambda: environment_of(other.pid), 5)
        assert not instance.runs(other.pid)
    finally:
        other.kill()
        other.wait()


def test_two_commands_at_once_on_one_run_directory_are_refused(tmp_path):
    first = Instance(tmp_path / "lck").lock()
    with pytest.raises(LabError, match="another command"):
        Instance(tmp_path / "lck").lock()
    first.close()
    Instance(tmp_path / "lck").lock().close()


def test_what_takes_its_time_to_die_is_waited_for(tmp_path, monkeypatch):
    """Sixty routers on a busy machine: the last was there 3 s after its SIGKILL."""
    sent = []
    monkeypatch.setattr("os.kill", lambda pid, number: sent.append(number))
    monkeypatch.setattr(system, "alive", lambda pid: time.monotonic() < end)
    end = time.monotonic() + 0.5
    Instance(tmp_path / "x").kill_processes([99], timeout=0.1)
    assert sent == [signal.SIGTERM, signal.SIGKILL]
    monkeypatch.setattr(system, "KILL_SECONDS", 0.1)
    end = time.monotonic() + 10
    with pytest.raises(LabError, match=r"processes \[99\] do not end"):
        Instance(tmp_path / "x").kill_processes([99], timeout=0.1)
