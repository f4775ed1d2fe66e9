"""Sets of routes, written straight into the container's kernel: bulk-kernel, push,
resync, memory."""

import re

from rflab.system import LabError, wait_for

from .bed import Bed

# Set size: how many pairs, with how many bundles; and what may be at most raw and bundle.
BULK = {10_000: (5, 0, 3.0, None), 100_000: (5, 2, 1.8, 1.0), 1_000_000: (2, 1, 1.4, 0.9)}


def words(n):
    return f"{n // 1_000_000} M" if n >= 1_000_000 else f"{n // 1000} k"


def sizes(quick):
    return [10_000] if quick else list(BULK)


def warm_up(bed, n):
    """Memory that nobody had before has its price, above all where a virtual machine's
    host must find it, and differently for each who comes: all have theirs after this."""
    bed.raw(n, 1)
    bed.route("bulk", "add", 0, n, 1)
    bed.route("bulk", "delete", 0, n, 1)


def bulk_kernel(results, quick):
    for n in sizes(quick):
        with Bed() as bed:
            warm_up(bed, n)
            for hops in (1, 64):
                bulk_kernel_case(bed, results, n, hops, quick)


def bulk_kernel_case(bed, results, n, hops, quick):
    pairs, bundles, limit_raw, limit_bundle = BULK[n]
    if quick:
        pairs, bundles = 2, 0
    if hops > 1 and n == 1_000_000:
        pairs = 1
    case = f"{words(n)}, {hops} next hop" + ("s" if hops > 1 else "")
    total, kernel, raw, bundle = [], [], [], []
    for i in range(pairs):
        raw.append(bed.raw(n, hops))
        before = bed.cpu()
        got = bed.route("bulk", "add", 0, n, hops)
        if i == 0:
            used = {name: after - before[name] for name, after in bed.cpu().items()}
            used["reference"] = bed.raw_cpu
            results.check("bulk-kernel", case, bed.audit())
        total.append(got["total"])
        kernel.append(got["kernel"])
        bed.route("bulk", "delete", 0, n, hops)
        # In the last pairs: both switches have warm memory then.
        if i >= pairs - bundles and hops == 1:
            bundle.append(bed.bundle(n, hops))
    results.add("bulk-kernel", case, "to the last barrier", "us", total, raw, limit_raw)
    results.add("bulk-kernel", case, "kernel has them all", "us", kernel)
    if bundle:
        results.add("bulk-kernel", case, "against --bundle", "us", total[-len(bundle):],
                    bundle, limit_bundle)
    for name, seconds in used.items():
        results.note("bulk-kernel", case, f"CPU {name}", "us", seconds * 1e6 / n)


def push(results, quick):
    """rfserver has the set; a new rfproxy is there; an empty switch connects."""
    for n in sizes(quick):
        pairs, bundles = (2, 0) if quick else (BULK[n][0], max(1, BULK[n][1]))
        with Bed() as bed:
            case = f"{words(n)}, 1 next hop"
            bed.raw(n, 1)
            bed.route("bulk", "add", 0, n, 1)
            total, raw, bundle = [], [], []
            for i in range(pairs):
                raw.append(bed.raw(n, 1))
                if i >= pairs - bundles:
                    bundle.append(bed.bundle(n, 1))
                entries = bed.entries()
                bed.disconnect()
                bed.kill_proxy()
                bed.start_proxy()
                bed.settle()  # rfproxy has heard what rfserver knows.
                total.append(bed.route("connect", entries, bed.lab.ovs.socket,
                                       bed.node.name)["total"])
                if i == 0:
                    bed.wait_in_sync()
                    results.check("push", case, bed.audit())
            results.add("push", case, "to the last barrier", "us", total, raw, 1.3)
            if bundle:
                results.add("push", case, "against --bundle", "us", total[-len(bundle):],
                            bundle, 1.0)


IN_SYNC = re.compile(r"in sync after (\d+) changes in (\d+) ms")


def resync(results, quick):
    """Everything is in place and right, and rfproxy restarts."""
    n = 100_000 if quick else 1_000_000
    with Bed() as bed:
        case = f"{words(n)} in place"
        bed.route("bulk", "add", 0, n, 1)
        times, dumps, changes = [], [], []
        for _ in range(2 if quick else 3):
            dumps.append(bed.ofsend("dump", bed.bridge))
            bed.kill_proxy()
            seen = len(bed.proxy_log())
            bed.start_proxy()
            wait_for("in sync", lambda: IN_SYNC.search(bed.proxy_log()[seen:]), 60)
            found = IN_SYNC.search(bed.proxy_log()[seen:])
            changes.append(int(found[1]))
            times.append(int(found[2]) * 1000)
        results.check("resync", case, bed.audit())
        results.add("resync", case, "connected to in sync", "us", times, dumps, 2.0)
        results.add("resync", case, "flow changes", "", changes, limit=0)


def memory(results, quick):
    n = 100_000 if quick else 1_000_000
    limits = {"rfclient": 64, "rfserver": 200, "rfproxy": 150, "ovs-vswitchd": None}
    with Bed() as bed:
        before = {name: bed.rss(name) for name in limits}
        bed.route("bulk", "add", 0, n, 64)
        for name, limit in limits.items():
            results.note("memory", f"{words(n)}, 64 next hops", f"RSS {name}", "B/rt",
                         (bed.rss(name) - before[name]) / n, limit)
        results.check("memory", words(n), bed.audit())


def killed(results, quick):
    """rfproxy is killed in the middle of a download; the tables must end equal."""
    n = 10_000 if quick else 1_000_000
    with Bed() as bed:
        import threading
        got = {}
        adding = threading.Thread(
            target=lambda: got.update(bed.route("bulk", "add", 0, n, 64)))
        adding.start()
        wait_for("half of the table", lambda: bed.entries() > n // 2, 60, 0.005)
        bed.kill_proxy()
        bed.start_proxy()
        adding.join()
        if not got:
            raise LabError("the table did not become complete after rfproxy was killed")
        bed.wait_in_sync()
        results.check("killed", f"{words(n)}, at 50 %", bed.audit())
        results.note("killed", f"{words(n)}, at 50 %", "to the last barrier", "us",
                     got["total"])
