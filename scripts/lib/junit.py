"""Adds up JUnit files: prints "PASSED FAILED SKIPPED", then a line for each test that
failed or was skipped, with why it was.

A ctest program that uses libcheck counts as its checks ("100%: Checks: 7, Failures: 0,
Errors: 0"); one that crashed before it could tell counts as one failure.
"""

import re
import sys
import xml.etree.ElementTree as ElementTree

passed = failed = skipped = 0
names = []
for path in sys.argv[1:]:
    for case in ElementTree.parse(path).iter("testcase"):
        name = f"{case.get('classname')}: {case.get('name')}"
        if case.find("skipped") is not None:
            skipped += 1
            why = case.find("skipped").get("message") or "no reason given"
            names.append(f"SKIPPED {name}: {why}")
            continue
        bad = case.find("failure") is not None or case.find("error") is not None
        output = case.findtext("system-out") or ""
        checks = re.findall(r"Checks: (\d+), Failures: (\d+), Errors: (\d+)", output)
        total = sum(int(c[0]) for c in checks) if checks else 1
        wrong = sum(int(c[1]) + int(c[2]) for c in checks)
        if bad and not wrong:
            wrong = 1
            total += bool(checks)
        passed += total - wrong
        failed += wrong
        if wrong:
            names.append(f"FAILED {name}")
print(passed, failed, skipped)
for name in names:
    print(name)
