"""rfclient loses no route, whatever netlink does."""

import re
import shutil
import signal

import pytest
from rfclient_setup import Container, have_programs

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


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_injected_enobufs_is_healed_by_a_dump(vm):
    trace = ("strace", "-D", "-f", "-o", "/dev/null", "-e", "trace=recvmsg",
             "-e", "inject=recvmsg:error=ENOBUFS:when=40+25")
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
