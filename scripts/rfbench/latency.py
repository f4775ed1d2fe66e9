"""One change at a time: single, single-busy, nexthop."""

import threading

from rflab.system import LabError

from .bed import Bed
from .kernel import words

STEPS = ("add", "change", "delete")


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * p / 100))]


def add_rows(results, bench, case, got, p50=None, p99=None, references=None):
    """`p50` is a limit for the ratio of the medians, `p99` one in microseconds."""
    for step in STEPS:
        values = got[step]
        results.add(bench, f"{case}, {step}", "p50", "us", values,
                    references and references[step], limit=p50)
        results.note(bench, f"{case}, {step}", "p99", "us", percentile(values, 99), p99)


SINGLE_TURNS, SINGLE_GAP_US = 5, 2000
PACED_ROUNDS, PACED_GAP_US = 150, 2000  # Three steps, a second: as long as 100 k need.


def in_turns(rounds, ours, reference):
    """The same number of rounds of both, in turns: machines have moods."""
    got, bare = ({step: [] for step in STEPS} for _ in range(2))
    for _ in range(SINGLE_TURNS):
        for into, measure in ((bare, reference), (got, ours)):
            for step, values in measure(rounds // SINGLE_TURNS).items():
                into[step] += values
    return got, bare


def single(results, quick):
    """Beside a bare chain of the same parts, which does nothing but hand on."""
    with Bed() as bed:
        netns = bed.plain_netns("chain")
        got, bare = in_turns(200 if quick else 1000,
                             lambda n: bed.route("single", n, SINGLE_GAP_US),
                             lambda n: bed.chain(netns, n, SINGLE_GAP_US))
        add_rows(results, "single", "kernel route, idle", got, 1.4, 1000, bare)
        results.check("single", "idle", bed.audit())


def single_busy(results, quick):
    """Idle with many in place, one after the other; and while many come, or go, at a
    steady pace: each is late by all that keeps it waiting, those before it included."""
    n = 10_000 if quick else 1_000_000
    with Bed() as bed:
        bed.route("bulk", "add", 0, n, 64)
        got = bed.route("single", 200 if quick else 1000, 2000)
        add_rows(results, "single-busy", f"{words(n)} in place", got, None, 5000)
        results.check("single-busy", f"{words(n)} in place", bed.audit())
    n, turns = (10_000, 2) if quick else (100_000, 10)
    with Bed() as bed:
        download, removal = {}, {}
        for _ in range(turns):
            beside_flood(bed, "add", n, download)
            bed.settle()
            beside_flood(bed, "delete", n, removal)
            bed.settle()
        for case, got, limit in ((f"OSPF's during BGP's {words(n)}", download, 20000),
                                 (f"while BGP's {words(n)} leave", removal, None)):
            add_rows(results, "single-busy", case, got, None, limit)
            results.note("single-busy", case, "written late, p99", "us",
                         percentile(got["late"], 99))
        bed.wait_in_sync()
        results.check("single-busy", f"OSPF's during BGP's {words(n)}", bed.audit())


def beside_flood(bed, op, n, into):
    """Some hundred changes, which take as long as the flood; all their times."""
    failed = []

    def flood():
        try:
            bed.route("flood", op, n, 64)
        except LabError as error:
            failed.append(error)

    busy = threading.Thread(target=flood)
    busy.start()
    try:
        got = bed.route("paced", PACED_ROUNDS, PACED_GAP_US)
    finally:
        busy.join()
    if failed:
        raise failed[0]
    for step, values in got.items():
        into.setdefault(step, []).extend(values)


def nexthop(results, quick):
    """The MAC address of a neighbour changes, which n prefixes use; then its address."""
    one = None
    for n in ([1, 10_000] if quick else [1, 1000, 100_000, 1_000_000]):
        with Bed() as bed:
            case = f"{n} prefix" + ("es" if n > 1 else "")
            bed.route("bulk", "add", 0, n, 1)
            got = [bed.route("neigh", 0, salt) for salt in range(1, 12)]
            times = [g["total"] for g in got]
            mods = max(g["flow_mods"] + g["group_mods"] for g in got)
            results.check("nexthop", case, bed.audit())
            one = one or times
            # The same median beside each: the cases are not measured side by side.
            middle = sorted(one)[len(one) // 2]
            results.add("nexthop", f"{case}, MAC", "to the barrier", "us", times,
                        [middle] * len(times), 1.5)
            # One for the group, one for the host entry's group.
            results.note("nexthop", f"{case}, MAC", "messages", "", mods, 2)
            if n >= 1000:
                raw = bed.raw(n, 1)
                got = bed.route("change", 0, n, 1, 1)
                results.check("nexthop", case, bed.audit())
                results.add("nexthop", f"{case}, address", "to the last barrier", "us",
                            [got["total"]], [raw])
                results.note("nexthop", f"{case}, address", "flow-mods", "",
                             got["flow_mods"], n)


def churn(results, quick):
    """A day of BGP updates at full speed; a sentinel route tells the lag."""
    n, ops = (10_000, 100_000) if quick else (100_000, 1_390_000)
    with Bed() as bed:
        case = f"{ops} updates of {words(n)}"
        bed.route("bulk", "add", 0, n, 64)
        before, got = bed.rss("rfserver") + bed.rss("rfproxy") + bed.rss("rfclient"), {}
        replay = threading.Thread(
            target=lambda: got.update(bed.route("churn", n, ops, 64)))
        replay.start()
        lags, rounds = [], 0
        while replay.is_alive():
            for values in bed.route("single", 5, 20_000).values():
                lags += values
            rounds += 5
        replay.join()
        after = bed.rss("rfserver") + bed.rss("rfproxy") + bed.rss("rfclient")
        results.note("churn", case, "updates a second", "/s", ops / got["kernel"] * 1e6)
        results.add("churn", case, "lag p50", "us", lags)
        results.note("churn", case, "lag p99", "us", percentile(lags, 99), 1_000_000)
        # Besides the sentinel's own three a round.
        results.add("churn", case, "flow-mods / changes", "",
                    [max(got["flow_mods"] - 3 * rounds, 0)], [got["changes"]], 1.0)
        results.note("churn", case, "memory grows", "MB", (after - before) / 1e6, 8)
        bed.wait_in_sync()
        results.check("churn", case, bed.audit())
