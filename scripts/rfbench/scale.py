"""Many switches: simulated ones (bench/ofsim), from ten to a thousand with 24 ports
each; and the four of rftest2, all daemons at rest."""

import os
import signal
import time
from pathlib import Path

from rflab import lab as labs
from rflab.simulated import Simulation
from rflab.system import CHECKOUT, LabError, wait_for
from rflab.topology import load

from .ending import down
from .scale_vms import scale_vms

# Name, how many, options of ofsim; in each group the second is the reference of the
# third.
GROUPS = [
    ("grid", [(10, ["--grid", "5x2"]), (100, ["--grid", "10x10"]),
              (1000, ["--grid", "40x25"])]),
    ("fat tree", [(20, ["--fat-tree", "4"]), (80, ["--fat-tree", "8"]),
                  (720, ["--fat-tree", "24"])]),
]
DAEMONS = ("rfproxy", "rfserver")
FLAT = 1.5  # Cost per datapath, many against few.
IDLE_PERCENT = 0.5
RSS_MAX = 1024


def scale(results, quick):
    """The bench, called by scripts/bench."""
    for name, sizes in GROUPS[:1] if quick else GROUPS:
        before = None
        for n, topology in sizes[:2] if quick else sizes:
            before = network(results, name, n, topology, 1 if quick else 20, before)
    few = scale_vms(results, 100, ["--grid", "10x10"], None)
    if not quick:
        scale_vms(results, 1000, ["--grid", "40x25"], few)
    idle(results, 1 if quick else 20)


def network(results, name, n, topology, idle_s, fewer):
    """One network; returns its costs per datapath, `fewer` are those of the last one."""
    case = f"{n} datapaths, {name}"

    def note(metric, unit, value, limit=None):
        results.note("scale", case, metric, unit, value, limit)

    with Simulation(topology) as sim:
        cpu = {d: cpu_s(sim.pid(d)) for d in DAEMONS}
        rss = {d: sim.rss(d) for d in DAEMONS}
        begun = time.monotonic()
        sim.start_switches()
        links = sim.links()
        ports = sim.counts()["ports"]
        seen = start_up(sim, n, len(links), begun)
        for what in ("connected", "in sync", "links"):
            note(f"all {what}", "s", seen[what])
        start = {d: cpu_s(sim.pid(d)) - cpu[d] for d in DAEMONS}
        note("CPU rfproxy until all these", "ms/dp", start["rfproxy"] * 1000 / n)
        sim.wait("every port classified", lambda: classified(sim, n * ports), 20)
        # Judged is all that rfproxy does until here: it probes each port several times,
        # as often with few datapaths as with many.  rfserver only answers what is asked.
        start["rfproxy"] = cpu_s(sim.pid("rfproxy")) - cpu["rfproxy"]
        check_tables(sim, n, links)
        results.check("scale", case, f"{len(links)} links, {n * ports} ports, all tables")
        for what in ("links", "ports", "datapaths"):
            note(f"rfctl show {what}", "ms", shown_ms(sim, what))
        note("a link down, until told", "s", link_down(sim, links), 1)
        rest = at_rest({d: sim.pid(d) for d in DAEMONS}, idle_s)
        cost = {}
        for d in DAEMONS:
            cost[f"start-up CPU {d}"] = "ms/dp", start[d] * 1000 / n, FLAT
            cost[f"idle CPU {d}"] = "us/s/dp", rest[d] * 1e4 / n, FLAT
            cost[f"RSS {d}"] = "kB/dp", (sim.rss(d) - rss[d]) / 1024 / n, FLAT
            note(f"idle CPU {d}", "%", rest[d])
        for metric, (unit, value, limit) in cost.items():
            if fewer and n >= 500:
                results.add("scale", case, metric, unit, [value], [fewer[metric][1]], limit)
            else:
                note(metric, unit, value)
        note("RSS rfproxy at most", "kB/dp", cost["RSS rfproxy"][1], RSS_MAX)
        restart(sim, note, n, links)
    return cost


def start_up(sim, n, n_links, begun):
    """Seconds until all are connected, in sync, and their links confirmed."""
    wanted = {"connected": n, "in sync": n, "links": n_links}
    seen = {}

    def look():
        plane = sim.real_plane()
        for what, count in wanted.items():
            if plane[what] == count:
                seen.setdefault(what, time.monotonic() - begun)
        return len(seen) == len(wanted)

    sim.wait(lambda: f"{wanted}, have {sim.real_plane()}", look, 60)
    return seen


def classified(sim, n_ports):
    ports = sim.show("ports")
    return len(ports) == n_ports and all(p["class"] in ("edge", "internal") for p in ports)


def check_tables(sim, n, links):
    """What rfserver knows is what there is, and what rfproxy installed is in the tables;
    raises if not.  Counts are told with a delay of a quarter of a second."""
    def equal():
        counts, plane = sim.counts(), sim.real_plane()
        entries = counts["flows"] + counts["groups"] + counts["meters"]
        return entries == plane["entries"] and plane["in sync"] == n

    sim.wait(lambda: f"the switches have {sim.counts()}, rfserver thinks "
             f"{sim.real_plane()}", equal, 5)
    if sim.confirmed() != links:
        raise LabError(f"links differ: {sorted(sim.confirmed() ^ links)[:5]}")
    if sim.counts()["errors"]:
        raise LabError(f"requests were refused: {sim.counts()}")


def shown_ms(sim, what):
    begun = time.monotonic()
    sim.show(what)
    return (time.monotonic() - begun) * 1000


def link_down(sim, links):
    (dpid, port), _ = sorted(links)[len(links) // 2]
    sim.say(f"link down {dpid:x} {port}")
    took = sim.wait("a link down", lambda: sim.real_plane()["links"] == len(links) - 1)
    sim.say(f"link up {dpid:x} {port}")
    sim.wait("the link back", lambda: sim.real_plane()["links"] == len(links))
    return took


def restart(sim, note, n, links):
    """rfproxy is killed and comes back: nothing may change in a switch."""
    before = sim.counts()
    sim.stop("rfproxy", signal.SIGKILL)
    begun = time.monotonic()
    sim.start("rfproxy")
    sim.wait(lambda: f"in sync, have {sim.real_plane()}",
             lambda: sim.counts()["connects"] >= before["connects"] + n and
             sim.real_plane()["in sync"] == n, 60)
    note("rfproxy restart, in sync", "s", time.monotonic() - begun)
    after = sim.counts()
    note("flow changes by it", "", sum(after[key] - before[key] for key in (
        "flow_mods", "group_mods", "meter_mods")), 0)
    check_tables(sim, n, links)


def idle(results, seconds):
    """The whole platform with four switches and four containers, at rest."""
    run_dir = f"/run/rfi{os.getpid()}"
    lab = labs.create(run_dir, load(CHECKOUT / "config" / "rftest2.json"))
    try:
        for _, phase in lab.phases():
            phase()
        pids = {name: lab.daemons.pid(name) for name in ("rfserver", "rfproxy", "rfvs")}
        clients = lab.instance.processes_named("rfclient")
        pids.update({f"rfclient {i + 1}": pid for i, pid in enumerate(clients)})
        wait_for("the start to be over, to which only the CPU time is a witness",
                 lambda: rested(pids), 30, 0)
        for name, percent in at_rest(pids, seconds).items():
            results.note("scale", "4 datapaths, rftest2", f"idle CPU {name}", "%", percent,
                         IDLE_PERCENT)
    finally:
        down(run_dir)


def rested(pids):
    """What is judged, over two seconds and thus no more than a first sign of it."""
    used = at_rest(pids, 2)
    return max(used.values()) < IDLE_PERCENT, str(used)


def cpu_s(pid):
    """CPU seconds so far, of all threads; to the nanosecond, unlike /proc/PID/stat."""
    return sum(int(path.read_text(encoding="ascii").split()[0])
               for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def at_rest(pids, seconds):
    """{name: per cent of a CPU}"""
    before = {name: cpu_s(pid) for name, pid in pids.items()}
    begun = time.monotonic()
    time.sleep(seconds)  # The interval over which it is measured.
    took = time.monotonic() - begun
    return {name: (cpu_s(pid) - before[name]) * 100 / took for name, pid in pids.items()}
