"""The classic network on real parts: what `scripts/demo check` proves, each a test.

Tests share one lab.  Each leaves it as it found it, whatever its result.
"""

import os
import select
import subprocess

import pytest
from rflab.system import CHECKOUT

CHECKS = ["associations", "links", "virtual_links", "adjacencies",
          "kernel_equals_reference", "pings", "fib_equals_kernel", "ttl_and_macs",
          "traceroutes", "tcp", "silence", "leak_counter"]


@pytest.mark.parametrize("name", CHECKS)
def test_demo_check(verifier, name):
    title, check, timeout = next(c for c in verifier.checks() if c[1].__name__ == name)
    row = verifier.row(title, check, timeout)
    print(row.measured)
    assert row.passed, f"{row.what}: {row.measured}"


def test_every_check_is_tested(verifier):
    assert sorted(check.__name__ for _, check, _ in verifier.checks()) == sorted(CHECKS)


def test_rfctl_watch_of_the_demo_shows_its_events(rftest2):
    rfctl = [CHECKOUT / "scripts/demo", "rfctl"]
    env = {**os.environ, "RF_RUN": str(rftest2.instance.dir)}
    with subprocess.Popen([*rfctl, "watch"], env=env, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as watch:
        try:
            for _ in range(20):  # Each reload is an event; the first come too early.
                subprocess.run([*rfctl, "reload"], env=env, check=True, timeout=5,
                               capture_output=True)
                if select.select([watch.stdout], [], [], 0.2)[0]:
                    break
            else:
                pytest.fail("no event of 20")
            assert watch.stdout.readline().split()[1] == "mapping"
        finally:
            watch.terminate()


@pytest.mark.parametrize("link", ["A-D", "A-B"])
def test_link_failure_is_routed_around_and_its_return_restores_all(verifier, link):
    rows = verifier.failover(link)
    for row in rows:
        print(f"{row.what}: {row.measured}")
    assert all(row.passed for row in rows), rows
    # Still silent, and all of it as before.
    for check in (verifier.settled, verifier.silence, verifier.leak_counter):
        row = verifier.row(check.__name__, check, 15)
        assert row.passed, row
