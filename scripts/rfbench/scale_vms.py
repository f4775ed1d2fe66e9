"""The whole of rfserver's work for many VMs: simulated switches (bench/ofsim), one VM
for each with routes, all ports associated and active, all links virtual links.  The
clients and rfvs are the scripted peers of the integration tests."""

import subprocess
import sys
import time

from rflab.simulated import Simulation
from rflab.system import CHECKOUT, LabError

sys.path.append(str(CHECKOUT / "tests" / "integration"))

import rfpeer  # noqa: E402
import zmq  # noqa: E402

VS_ID = 0x7266767300000001
PORTS = 24
ROUTES = 50
HEADER = "vm_id,vm_port,ct_id,dp_id,dp_port\n"


class Vs(rfpeer.Vs):
    """Remembers what has to be there, and no history of how it came."""

    def seen(self, vm_id, vm_port, port):
        if self.up and self.has_carrier(port):
            self.mapped[port] = vm_id, vm_port
            self._seen(vm_id, vm_port, port)

    def on_record(self, batch_id, kind, remove, key, value):
        super().on_record(batch_id, kind, remove, key, value)
        self.wiring.history.clear()


def vm_id(i):
    return 0x02a000000000 + i


def make_client(bus, endpoint, vs, i):
    client = rfpeer.Client(bus, endpoint, vm_id(i))
    client.reconnects = False
    client.answer = vs, {p: (i - 1) * PORTS + p for p in range(1, PORTS + 1)}
    for port in range(1, PORTS + 1):
        net = (i * PORTS + port) % 65536
        client.records["port", port] = rfpeer.port_record(port, client.hwaddr(port))
        client.records["addr", port] = rfpeer.addr_record(
            port, f"10.{net >> 8}.{net & 255}.1/30")
    for k in range(ROUTES):
        net = (i * ROUTES + k) % 65536
        prefix = f"100.{net >> 8}.{net & 255}.0/24"
        client.records["route", prefix] = rfpeer.route_record(prefix, [(1, "10.0.0.9")])


def scale_vms(results, n, topology, fewer):
    """Returns the cost per datapath; `fewer` is that of a smaller network."""
    case = f"{n} VMs, grid"
    rows = "".join(f"{vm_id(i):x},{p},0,{i:x},{p}\n" for i in range(1, n + 1)
                   for p in range(1, PORTS + 1))
    bus = rfpeer.Bus()
    bus.context.set(zmq.MAX_SOCKETS, 2 * n + 100)
    with Simulation(topology, mapping=HEADER + rows) as sim:
        sim.start_switches()
        n_links = len(sim.links())
        sim.wait("all switches", lambda: sim.real_plane()["connected"] == n, 30)
        cpu = sim.cpu("rfserver")
        begun = time.monotonic()
        try:
            endpoint = sim.endpoint("server")
            vs = Vs(bus, endpoint, VS_ID).rfvs(*range(1, n * PORTS + 1))
            for i in range(1, n + 1):
                make_client(bus, endpoint, vs, i)
            settle(sim, bus, n, n_links)
        finally:
            bus.close()
        results.note("scale", case, "all active, installed", "s", time.monotonic() - begun)
        cost = (sim.cpu("rfserver") - cpu) * 1000 / n
        check_flows(sim, n)
        results.check("scale", case, f"{n * PORTS} associations, {2 * n_links} virtual "
                      f"links, {sim.counts()['flows']} flow entries")
        results.add("scale", case, "CPU rfserver", "ms/dp", [cost],
                    [fewer] if fewer else None, 2 if fewer else None)
    return cost


def settle(sim, bus, n, n_links):
    """Runs the peers until everything is as it must be."""
    deadline = time.monotonic() + 120
    while True:
        status = status_of(sim, bus)
        seen = (status["associations"]["active client-datapath association"],
                status["virtual plane"]["virtual-link entries"],
                status["real plane"]["in sync"])
        if seen == (n * PORTS, 2 * n_links, n):
            return
        if time.monotonic() > deadline:
            raise LabError(f"active, virtual links, in sync: {seen}")
        bus.run(0.5)


def status_of(sim, bus):
    """`rfctl show status` while the peers go on."""
    with subprocess.Popen(sim.rfctl_argv("show", "status"), stdout=subprocess.PIPE,
                          text=True) as rfctl:
        while rfctl.poll() is None:
            bus.run(0.02)
        return sim.parse(rfctl.stdout.read())


def check_flows(sim, n):
    """Every switch has its routes; raises if not."""
    for dpid in (1, n):
        routes = [l for l in sim.say(f"dump {dpid:x}")
                  if l.startswith("flow table=1 ") and "nw_dst=100." in l]
        if len(routes) != ROUTES:
            raise LabError(f"datapath {dpid:x} has {len(routes)} routes, not {ROUTES}")
    if sim.counts()["errors"]:
        raise LabError(f"requests were refused: {sim.counts()}")
