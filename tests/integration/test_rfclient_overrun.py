"""rfclient loses no route, whatever netlink does."""

import random
import re
import shutil
import signal

import pytest
from rfclient_setup import Container, have_programs, run

pytestmark = pytest.mark.skipif(not have_programs(),
                                reason="needs root, ip(8) and a build")


@pytest.fixture
def vm(tmp_path):
    container = Container(tmp_path)
    yield container
    container.remove()


def routes(n, how="add", gateway="10.0.1.2"):
    via = "" if how == "del" else f" via {gateway}"
    return [f"route {how} 20.{i >> 8 & 255}.{i & 255}.0/24{via}" for i in range(n)]


def overruns(vm):
    return max([0] + [int(n) for n in re.findall(r"netlink overrun (\d+)", vm.log_text())])


def test_burst_through_a_tiny_buffer_ends_equal(vm):
    vm.start("--netlink-buffer", "4096")
    vm.client.send_signal(signal.SIGSTOP)  # A busy machine: half of it is not read.
    vm.batch(routes(20000)[:10000])
    vm.client.send_signal(signal.SIGCONT)
    vm.batch(routes(20000)[10000:])
    vm.wait_equal(30)
    assert len(vm.peer.routes) > 20000
    assert overruns(vm) > 0
    assert "recovered from netlink overrun" in vm.log_text()
    vm.batch(routes(10000, "replace", "10.0.2.2"))
    vm.batch(routes(20000, "del")[15000:])
    vm.wait_equal(30)
    vm.ip("route flush proto 3")
    vm.wait_equal(30)


def test_burst_fits_the_default_buffer(vm):
    vm.start()
    vm.batch(routes(20000))
    vm.wait_equal(30)
    assert overruns(vm) == 0


def test_interior_protocols_overtake_what_waits_in_the_socket(vm):
    vm.start()
    vm.client.send_signal(signal.SIGSTOP)
    vm.batch([f"{line} proto bgp" for line in routes(5000)])
    vm.batch([f"route add 30.0.{i}.0/24 via 10.0.1.2 proto ospf" for i in range(20)]
             + [f"route add 2001:db8:30:{i}::/64 via 2001:db8:1::2 proto isis"
                for i in range(20)])
    vm.batch(["route replace 30.0.0.0/24 via 10.0.2.2 proto ospf"])
    vm.client.send_signal(signal.SIGCONT)
    vm.wait_equal(30)
    told = [line.split()[1] for line in vm.peer.lines if line.startswith("route ")]
    bulk = [at for at, prefix in enumerate(told) if prefix.startswith("20.")]
    ours = [at for at, prefix in enumerate(told) if prefix.startswith(("30.", "2001:db8:30:"))]
    assert len(bulk) == 5000 and len(ours) == 40
    assert ours[-1] < bulk[2500], "not before most of the others"


def test_prefixes_of_which_two_protocols_dispute_end_as_in_the_kernel(vm):
    vm.start("--netlink-buffer", str(8 << 20))
    dice = random.Random(7)
    present = set()
    for _ in range(5):
        lines = []
        for _ in range(3000):
            i, protocol = dice.randrange(100), dice.choice(("bgp", "ospf"))
            prefix = f"20.0.{i}.0/24"
            if i in present and dice.random() < 0.3:
                lines.append(f"route del {prefix}")
                present.remove(i)
            else:
                lines.append(f"route replace {prefix} via 10.0.{dice.choice((1, 2))}.2 "
                             f"proto {protocol}")
                present.add(i)
        vm.client.send_signal(signal.SIGSTOP)
        vm.batch(lines[:1500])
        vm.client.send_signal(signal.SIGCONT)
        vm.batch(lines[1500:])
        vm.wait_equal(30)
    assert overruns(vm) == 0


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_injected_enobufs_is_healed_by_a_dump(vm):
    trace = ("strace", "-D", "-f", "-o", "/dev/null", "-e", "trace=recvmmsg",
             "-e", "inject=recvmmsg:error=ENOBUFS:when=40+25")
    vm.start(wrapper=trace)
    for i in range(100):
        vm.ip(f"route add 20.0.{i}.0/24 via 10.0.1.2")
        if i % 3 == 0:
            vm.ip(f"route del 20.0.{i}.0/24")
    vm.wait_equal(30)
    assert overruns(vm) > 0
    assert "refused" not in vm.log_text()


def test_stopped_client_catches_up(vm):
    vm.start("--netlink-buffer", "65536")
    vm.client.send_signal(signal.SIGSTOP)
    vm.batch(routes(5000))
    vm.ip("link set eth2 down")
    vm.ip("link set eth2 name eth5")
    vm.ip("link set eth5 up")
    vm.ip("addr add 10.0.55.1/24 dev eth5")
    vm.ip("neigh add 10.0.1.77 dev eth1 lladdr 02:b0:00:00:00:77 nud permanent")
    vm.client.send_signal(signal.SIGCONT)
    vm.wait_equal(30)
    vm.wait("everything else", lambda p: (
        set(p.ports) == {1, 5} and (5, "10.0.55.1/24") in p.addrs
        and not [a for a in p.addrs if a[0] == 2] and (1, "10.0.1.77") in p.neighs,
        (p.ports, p.addrs, p.neighs)), 30)


def random_change(rng, calm):
    """An ip(8) command; many of them fail, as they would for a routing suite.  Calm: of
    routes only, so that events alone must do, without the dumps that others cause."""
    port, metric = rng.randint(1, 2), rng.choice(("", "metric 10", "metric 20"))
    net, last = rng.randint(0, 5), rng.randint(2, 5)
    v4 = f"10.{100 + net}.0.0/16"
    v6 = f"2001:db8:{100 + net}::/48"
    hops4 = " ".join(f"nexthop via 10.0.{n}.{last} dev eth{n}" for n in (1, 2))
    hops6 = " ".join(f"nexthop via 2001:db8:{n}::{last} dev eth{n}" for n in (1, 2))
    add = rng.choice(("add", "add", "replace", "append", "prepend"))
    changes = (
        f"route {add} {v4} via 10.0.{port}.{last} {metric}",
        f"route {add} {v4} via 10.0.{port}.{last} {metric}",
        f"route {add} {v4} {metric} {hops4}",
        f"route {add} blackhole {v4} {metric}",
        f"route del {v4} {metric}",
        f"route del {v4} {metric}",
        f"route del {v4} via 10.0.{port}.{last}",
        f"-6 route {add} {v6} via 2001:db8:{port}::{last} {metric}",
        f"-6 route {add} {v6} {metric} {hops6}",
        f"-6 route {add} {v6} dev eth{port} {metric}",
        f"-6 route {add} unreachable {v6} {metric}",
        f"-6 route del {v6} {metric}",
        f"-6 route del {v6} via 2001:db8:{port}::{last}",
    )
    others = (
        f"route {add} {v4} {metric} nhid {port}",
        f"nexthop replace id {port} via 10.0.{port}.{last} dev eth{port}",
        f"nexthop del id {port}",
        f"addr add 10.0.{port}.77/24 dev eth{port}",
        f"addr del 10.0.{port}.77/24 dev eth{port}",
        f"link set eth{port} down",
        f"link set eth{port} up",
        f"link set eth{port} up",
    )
    return rng.choice(changes if calm else changes + others)


@pytest.mark.parametrize("calm", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_random_changes_end_equal(vm, seed, calm):
    rng = random.Random(seed)
    vm.start()
    for _ in range(8):
        for _ in range(6):
            commands = [random_change(rng, calm) for _ in range(rng.randint(1, 25))]
            for command in commands:
                family = ["-6"] if command.startswith("-6 ") else []
                run("ip", "-n", vm.ns, *family, *command.removeprefix("-6 ").split(),
                    check=False)
        vm.wait_equal()
