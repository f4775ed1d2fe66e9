"""rfclient against a real kernel: what the container has is what rfserver is told."""

import hashlib
import hmac
import shutil
import subprocess
import time

import pytest
from rfclient_setup import KEY, RFCLIENT, VM_ID, Container, have_programs, run

pytestmark = pytest.mark.skipif(not have_programs(),
                                reason="needs root, ip(8) and a build")


@pytest.fixture
def vm(tmp_path):
    container = Container(tmp_path)
    yield container
    container.remove()


def test_first_report_is_complete_and_ordered(vm):
    vm.ip("route add 10.99.0.0/16 via 10.0.1.2")
    peer = vm.start()
    assert peer.ups[0][0] == VM_ID
    assert peer.ups[0][1].startswith("rfclient@")
    kinds = [line.split()[0] for line in peer.lines
             if line.split()[0] not in ("up", "down")]
    assert kinds[0] == "begin"
    report = kinds[1:kinds.index("end")]
    order = ["port", "addr", "neigh", "route"]
    assert report == sorted(report, key=order.index)
    assert set(report) >= {"port", "addr", "route"}
    assert peer.ports[1] == ["eth1", "02:a0:00:00:00:01", "1500", "up", "carrier"]
    assert set(peer.ports) == {1, 2}
    assert {(1, "10.0.1.1/24"), (2, "2001:db8:2::1/64")} <= peer.addrs
    vm.wait_equal()
    assert "10.99.0.0/16" in peer.routes


def test_management_interface_is_not_told(vm):
    vm.ip("route add default via 10.0.0.2")
    vm.ip("route add 10.77.0.0/16 via 10.0.0.2")
    peer = vm.start()
    vm.ip("route add default via 10.0.1.2 metric 50")
    vm.wait("the default route over a port", lambda p: (
        p.routes.get("0.0.0.0/0") == ("unicast", 50, ("1,10.0.1.2,1",)), p.routes))
    assert not [route for route in peer.routes if route.startswith(("10.77.", "10.0.0."))]
    assert not [addr for port, addr in peer.addrs if addr.startswith("10.0.0.")]
    assert not [line for line in peer.lines if "eth0" in line]


def test_every_change_of_routes_is_told(vm):
    vm.start()
    vm.ip("route add 10.1.0.0/16 via 10.0.1.2")
    vm.ip("route add 10.1.2.3/32 dev eth2")
    vm.ip("route add default via 10.0.2.2 proto 188")
    vm.ip("route add blackhole 10.3.0.0/16")
    vm.ip("route add unreachable 10.4.0.0/16")
    vm.ip("route add prohibit 10.5.0.0/16")
    vm.ip("route add 10.6.0.0/16 nexthop via 10.0.1.2 weight 3 nexthop via 10.0.2.2")
    vm.ip("route add 10.7.0.0/16 via inet6 2001:db8:1::2")
    vm.ip("route add 10.8.0.0/16 via 10.0.1.2 table 100")
    vm.wait_equal()
    assert vm.peer.routes["10.6.0.0/16"] == (
        "unicast", 0, ("1,10.0.1.2,3", "2,10.0.2.2,1"))
    assert vm.peer.routes["10.7.0.0/16"] == ("unicast", 0, ("1,2001:db8:1::2,1",))
    assert vm.peer.routes["10.3.0.0/16"] == ("blackhole", 0, ())
    vm.ip("route replace 10.1.0.0/16 via 10.0.2.2")
    vm.ip("route replace blackhole 10.6.0.0/16")
    vm.ip("route replace 10.3.0.0/16 via 10.0.1.2")
    vm.wait_equal()
    vm.ip("route del 10.1.0.0/16")
    vm.ip("route del unreachable 10.4.0.0/16")
    vm.wait_equal()
    vm.ip("route flush proto 3")
    vm.wait_equal()


def test_best_metric_is_told_and_the_next_one_when_it_goes(vm):
    peer = vm.start()
    for metric, gateway in ((30, "10.0.1.2"), (10, "10.0.2.2"), (20, "10.0.1.9")):
        vm.ip(f"route add 10.1.0.0/16 via {gateway} metric {metric}")
    vm.wait_equal()
    for metric in (10, 20):
        vm.ip(f"route del 10.1.0.0/16 metric {metric}")
        vm.wait_equal()
    assert peer.routes["10.1.0.0/16"][1] == 30
    vm.ip("route del 10.1.0.0/16")
    vm.wait_equal()


def test_routes_queued_behind_one_of_the_same_metric_come_to_light(vm):
    vm.start()
    vm.ip("route add 10.1.0.0/16 via 10.0.1.2")
    vm.ip("route append 10.1.0.0/16 via 10.0.2.2")
    vm.ip("route append 10.1.0.0/16 via 10.0.1.9")
    vm.ip("route prepend 10.1.0.0/16 via 10.0.2.9")
    first = ("unicast", 0, ("2,10.0.2.9,1",))
    vm.wait("the first of them", lambda p: (p.routes.get("10.1.0.0/16") == first, p.routes))
    for gateway, following in (("10.0.2.9", "1,10.0.1.2,1"), ("10.0.1.2", "2,10.0.2.2,1"),
                               ("10.0.2.2", "1,10.0.1.9,1")):
        vm.ip(f"route del 10.1.0.0/16 via {gateway}")
        vm.wait(f"the one behind {gateway}", lambda p, hop=following: (
            p.routes.get("10.1.0.0/16") == ("unicast", 0, (hop,)), p.routes))
    vm.wait_equal()


def test_ipv6_routes_change_by_delete_and_new(vm):
    vm.start()
    vm.ip("-6 route add 2001:db8:10::/48 via 2001:db8:1::2")
    vm.ip("-6 route add default via fe80::1 dev eth2 metric 5")
    vm.ip("-6 route add blackhole 2001:db8:12::/48")
    vm.wait_equal()
    vm.ip("-6 route del 2001:db8:10::/48")
    vm.ip("-6 route add 2001:db8:10::/48 via 2001:db8:2::2")
    vm.wait_equal()
    assert vm.peer.routes["2001:db8:10::/48"][2] == ("2,2001:db8:2::2,1",)
    vm.ip("-6 route append 2001:db8:10::/48 via 2001:db8:1::2")
    vm.wait_equal()
    assert len(vm.peer.routes["2001:db8:10::/48"][2]) == 2
    vm.ip("-6 route del 2001:db8:10::/48 via 2001:db8:2::2")
    vm.wait_equal()
    vm.ip("-6 route replace 2001:db8:10::/48 "
          "nexthop via 2001:db8:1::2 nexthop via 2001:db8:2::2")
    vm.wait_equal()
    vm.ip("-6 route del 2001:db8:10::/48")
    vm.wait_equal()


def test_routes_that_the_kernel_drops_in_silence_leave(vm):
    vm.start()
    vm.ip("route add 10.1.0.0/16 via 10.0.1.2")
    vm.ip("route add 10.2.0.0/16 nexthop via 10.0.1.2 nexthop via 10.0.2.2")
    vm.ip("nexthop add id 7 via 10.0.2.2 dev eth2")
    vm.ip("route add 10.7.0.0/16 nhid 7")
    vm.ip("addr add 10.44.0.1/24 dev eth2")
    vm.ip("route add 10.8.0.0/16 via 10.0.2.2 src 10.44.0.1")
    vm.ip("-6 route add 2001:db8:10::/48 via 2001:db8:1::2")
    vm.wait_equal()
    vm.ip("addr del 10.44.0.1/24 dev eth2")
    vm.wait_equal()
    vm.ip("nexthop del id 7")
    vm.wait_equal()
    assert "10.7.0.0/16" not in vm.peer.routes
    vm.ip("link set eth1 down")
    vm.wait_equal()
    assert vm.peer.ports[1][3:] == ["down", "no-carrier"]
    assert vm.peer.routes["10.2.0.0/16"][2] == ("2,10.0.2.2,1",)
    vm.ip("link set eth1 up")
    vm.wait_equal()
    assert "10.0.1.0/24" in vm.peer.routes


def test_carrier_loss_is_told_and_routes_stay(vm):
    vm.start()
    vm.ip("route add 10.1.0.0/16 via 10.0.1.2")
    vm.ip("route add 10.2.0.0/16 nexthop via 10.0.1.2 nexthop via 10.0.2.2")
    vm.wait_equal()
    told = len(vm.peer.lines)
    vm.neighbour("link set eth1 down")
    vm.wait("the port without carrier",
            lambda p: (p.ports[1][3:] == ["up", "no-carrier"], p.ports))
    time.sleep(0.5)  # Dumps follow, in which the kernel's hops are marked linkdown.
    vm.neighbour("link set eth1 up")
    vm.wait("the port with carrier",
            lambda p: (p.ports[1][3:] == ["up", "carrier"], p.ports))
    vm.wait_equal()
    assert "10.1.0.0/16" in vm.peer.routes
    assert not [line for line in vm.peer.lines[told:] if "10.1.0.0" in line]
    vm.neighbour("link set eth1 down")
    vm.wait("the port without carrier again",
            lambda p: (p.ports[1][3:] == ["up", "no-carrier"], p.ports))
    vm.ip("route del 10.1.0.0/16")
    vm.wait("10.1.0.0/16 to leave", lambda p: ("10.1.0.0/16" not in p.routes, p.routes))


def test_interfaces_are_plugged_and_unplugged(vm):
    peer = vm.start()
    vm.add_port(7)
    vm.ip("route add 10.7.0.0/16 via 10.0.7.2")
    vm.wait("port 7", lambda p: (7 in p.ports and (7, "10.0.7.1/24") in p.addrs, p.ports))
    vm.wait_equal()
    vm.ip("link del eth7")
    vm.wait("port 7 to leave", lambda p: (
        7 not in p.ports and not [a for a in p.addrs if a[0] == 7], (p.ports, p.addrs)))
    vm.wait_equal()
    vm.add_port(7)
    vm.wait("port 7 again", lambda p: (7 in p.ports, p.ports))
    vm.ip("link set eth7 down")
    vm.ip("link set eth7 name eth8")
    vm.ip("link set eth8 address 02:a0:00:00:00:88 mtu 1400 up")
    vm.wait("port 8 in place of 7", lambda p: (
        7 not in p.ports and p.ports.get(8) ==
        ["eth8", "02:a0:00:00:00:88", "1400", "up", "carrier"], p.ports))
    vm.wait("its address", lambda p: ((8, "10.0.7.1/24") in p.addrs, p.addrs))
    vm.wait_equal()
    assert "port 8 (eth8)" in vm.log_text()
    assert peer.syncs == 1


def test_gateway_is_resolved_without_traffic(vm):
    vm.start()
    vm.ip("route add 10.1.0.0/16 via 10.0.1.2")
    vm.ip("-6 route add 2001:db8:10::/48 via 2001:db8:2::2")
    vm.wait("both gateways", lambda p: (
        p.neighs.get((1, "10.0.1.2")) == "02:b0:00:00:00:01"
        and p.neighs.get((2, "2001:db8:2::2")) == "02:b0:00:00:00:02", p.neighs))


def test_gateway_that_appears_late_is_found(vm):
    vm.start()
    vm.ip("route add 10.1.0.0/16 via 10.0.1.50")
    vm.wait("the kernel to be asked", lambda p: (
        "10.0.1.50" in vm.ip("neigh show dev eth1"), vm.ip("neigh show")))
    vm.neighbour("addr add 10.0.1.50/24 dev eth1")
    vm.wait("the gateway", lambda p: ((1, "10.0.1.50") in p.neighs, p.neighs), 15)


def test_neighbour_that_moves_or_vanishes_is_told(vm):
    vm.start("--validate", "1s")
    vm.ip("route add 10.1.0.0/16 via 10.0.1.2")
    known = (1, "10.0.1.2")
    vm.wait("the gateway", lambda p: (known in p.neighs, p.neighs))
    vm.neighbour("link set eth1 address 02:b0:00:00:00:77")
    vm.ip("neigh change 10.0.1.2 dev eth1 nud stale")
    vm.wait("its new address", lambda p: (
        p.neighs.get(known) == "02:b0:00:00:00:77", p.neighs), 15)
    vm.neighbour("addr del 10.0.1.2/24 dev eth1")
    vm.ip("neigh change 10.0.1.2 dev eth1 nud stale")
    vm.wait("it to be forgotten", lambda p: (known not in p.neighs, p.neighs), 15)
    vm.ip("neigh replace 10.0.1.9 dev eth1 lladdr 02:b0:00:00:00:09 nud permanent")
    vm.wait("one by hand", lambda p: ((1, "10.0.1.9") in p.neighs, p.neighs))
    vm.ip("neigh del 10.0.1.9 dev eth1")
    vm.wait("its removal", lambda p: ((1, "10.0.1.9") not in p.neighs, p.neighs))


@pytest.mark.parametrize("port, address, far", [
    (1, "10.0.1.2", "addr del 10.0.1.2/24 dev eth1"),
    (2, "2001:db8:2::2", "-6 addr del 2001:db8:2::2/64 dev eth2")])
def test_neighbour_that_the_kernel_forgets_stays_while_it_answers(vm, port, address, far):
    known, entry = (port, address), f"{address} dev eth{port}"
    vm.start()
    vm.ip(f"neigh replace {entry} lladdr 02:b0:00:00:00:{port:02x} nud stale")
    vm.wait("the neighbour", lambda p: (known in p.neighs, p.neighs))
    for forget in ("neigh del " + entry, f"neigh flush dev eth{port}") * 3:
        vm.ip(forget)
        vm.wait("it to have answered",
                lambda p: ("REACHABLE" in vm.ip("neigh show " + entry), p.lines))
    assert not [line for line in vm.peer.lines if line.startswith("-neigh")]

    vm.neighbour(far)
    vm.ip("neigh del " + entry)
    vm.wait("it to be lost", lambda p: (known not in p.neighs, p.neighs))


def test_restarted_server_gets_everything_again(vm):
    vm.start()
    vm.ip("route add 10.1.0.0/16 via 10.0.1.2")
    vm.wait_equal()
    vm.peer.stop()
    vm.ip("route add 10.2.0.0/16 via 10.0.1.2")
    vm.ip("route del 10.1.0.0/16")
    vm.start_peer()
    vm.wait("a second full report", lambda p: (p.syncs == 1, p.lines))
    vm.wait_equal()
    assert set(vm.peer.ports) == {1, 2}
    assert vm.log_text().count("is up") == 2


def capture(vm, interface, count):
    """tcpdump of so many mapping frames, listening when this returns."""
    tcpdump = subprocess.Popen(
        ["ip", "netns", "exec", vm.other, "tcpdump", "-i", interface, "-c", str(count),
         "--immediate-mode", "-U", "-w", str(vm.dir / "pcap"), "ether", "proto", "0x0a0a"],
        stderr=subprocess.PIPE, text=True)
    line = tcpdump.stderr.readline()
    while line and "listening" not in line:
        line = tcpdump.stderr.readline()
    return tcpdump


def frames_of(path):
    data, frames, at = path.read_bytes(), [], 24
    while at + 16 <= len(data):
        length = int.from_bytes(data[at + 8:at + 12], "little")
        frames.append(data[at + 16:at + 16 + length])
        at += 16 + length
    return frames


@pytest.mark.skipif(not shutil.which("tcpdump"), reason="needs tcpdump")
def test_mapping_frames_are_sent_until_the_port_is_active(vm):
    peer = vm.start()
    tcpdump = capture(vm, "eth2", 3)
    peer.config(2, True, False)
    tcpdump.wait(5)
    peer.config(2, False, True)
    frames = frames_of(vm.dir / "pcap")
    assert len(frames) == 3
    for frame in frames:
        assert frame[6:12].hex(":") == "02:a0:00:00:00:02"
        assert frame[0] & 1
        assert f"0x{frame[20:28].hex()}" == VM_ID
        assert int.from_bytes(frame[28:32], "big") == 2
        digest = hmac.new(bytes.fromhex(KEY), frame[:48], hashlib.sha256).digest()
        assert frame[48:64] == digest[:16]
    counters = [int.from_bytes(frame[40:48], "big") for frame in frames]
    assert counters == sorted(set(counters))
    vm.wait("the port to be active",
            lambda p: ("port 2: rfserver says active" in vm.log_text(), ""))
    silent = capture(vm, "eth2", 1)
    with pytest.raises(subprocess.TimeoutExpired):
        silent.wait(1.5)
    silent.terminate()
    silent.wait()


def test_runs_with_two_capabilities_only(vm):
    vm.start()
    status = run("cat", f"/proc/{vm.client.pid}/status")
    caps = {line.split(":")[0]: int(line.split()[1], 16)
            for line in status.splitlines() if line.startswith("Cap")}
    net_admin, net_raw = 1 << 12, 1 << 13
    assert caps["CapEff"] == caps["CapPrm"] == caps["CapBnd"] == net_admin | net_raw


@pytest.mark.parametrize("options, complaint", [
    (["--interfaces", "eth"], "option interfaces"),
    (["--vm-id", "xyz"], "option vm-id"),
    (["--key-file", "/nonexistent"], "key file /nonexistent"),
    (["--key-file", "/proc/version"], "key file /proc/version"),
    (["--probes", "0"], "option probes"),
    (["--validate", "soon"], "option validate"),
    (["--curve", "x"], "options curve and curve-server"),
])
def test_wrong_options_are_refused_with_their_name(tmp_path, options, complaint):
    key = tmp_path / "key"
    key.write_text(KEY, encoding="ascii")
    done = subprocess.run([str(RFCLIENT), "--vm-id", VM_ID, "--key-file", str(key), *options],
                          capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode != 0
    assert complaint in done.stderr
