"""The command line of scripts/bench (which has built by now)."""

import argparse
import os
import sys
import time
import traceback

from rflab.system import LabError

from . import document, ending, failover, kernel, latency, planes, punt, scale, zebra
from .results import HEADER, Results

BENCHES = {
    "bulk-kernel": kernel.bulk_kernel,
    "push": kernel.push,
    "resync": kernel.resync,
    "killed": kernel.killed,
    "single": latency.single,
    "single-busy": latency.single_busy,
    "nexthop": latency.nexthop,
    "memory": kernel.memory,
    "bulk": zebra.bulk,
    "churn": latency.churn,
    "single-zebra": zebra.single,
    "failover": failover.failover,
    "punt": punt.punt,
    "planes": planes.planes,
    "scale": scale.scale,
}


def parse(argv):
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Measures the platform beside its references. "
        "Times are shown, ratios are judged; exit status 1 when a limit is not reached.")
    parser.add_argument("name", nargs="*", metavar="NAME",
                        help="which benches: " + " ".join(BENCHES) + " (default: all)")
    parser.add_argument("--quick", action="store_true",
                        help="small sets, a smoke test: times are not judged")
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    parser.add_argument("--doc", metavar="FILE", help="write them as docs/performance.md")
    options = parser.parse_args(argv)
    unknown = [name for name in options.name if name not in BENCHES]
    if unknown:
        parser.error(f"no bench {' '.join(unknown)}; there are {' '.join(BENCHES)}")
    return options


def main(argv):
    options = parse(argv)
    ending.by_signals()
    results = Results(judge=not options.quick)
    errors = []
    begun = time.monotonic()
    os.environ["RF_STORE"] = "sqlite"  # The same on every machine.
    print(HEADER)
    seconds = []
    for name in options.name or BENCHES:
        since = time.monotonic()
        try:
            BENCHES[name](results, options.quick)
        except LabError as error:
            errors.append(name)
            print(f"{name}: {error}", flush=True)
        except Exception:  # A fault of ours; what the others have measured is not lost.
            errors.append(name)
            traceback.print_exc(file=sys.stdout)
        seconds.append(f"{name} {time.monotonic() - since:.0f}")
    print("seconds:", ", ".join(seconds))
    if options.json:
        results.write(options.json)
    if options.doc:
        document.write(results.rows, options.doc, " ".join(["scripts/bench", *argv]))
    failed = results.failed()
    print(f"{len(results.rows)} figures in {time.monotonic() - begun:.0f} s, {len(failed)} "
          f"beyond their limits, {len(errors)} benches failed"
          + (": " + " ".join(errors) if errors else ""))
    return 1 if failed or errors else 0
