"""A route of a protocol that brings few goes before the many of another, all the way from
the container's kernel to the switch: told by the order of entries, not by the clock."""

import os
import re
import signal
import subprocess

from rflab.system import wait_for

BULK = 20_000  # Written within the 6 s that a switch may be silent, on a busy machine too.
SAMPLE = "20.76.0.0/14"  # The last of them, and the two below.
FIRST_OF_SAMPLE = 76 << 8
ADDED, REMOVED = "20.79.1.0/24", "20.79.2.0/24"
VIA = "via 172.31.2.2 dev eth2"


def bulk_prefix(i):
    return f"20.{i >> 8}.{i & 255}.0/24"


class Switch:
    """The one of rftest1, with whoever feeds it."""

    def __init__(self, lab):
        self.lab = lab
        self.bridge = lab.ovs.management(lab.topology.nodes[0].name)
        self.vswitchd = int((lab.ovs.dir / "ovs-vswitchd.pid").read_text(encoding="ascii"))
        self.rfclient = lab.instance.process_named("rfclient")
        self.events_file = lab.instance.dir / "events"

    def ip(self, *lines):
        """Into the container's kernel, in this order."""
        self.lab.instance.run("nsenter", f"--net=/proc/{self.rfclient}/ns/net", "ip",
                              "-batch", "-", stdin="".join(f"{line}\n" for line in lines))

    def signal(self, number):
        os.kill(self.vswitchd, number)

    def ages(self):
        """{prefix: seconds} of the FIB entries."""
        text = self.lab.ovs.ofctl("--no-names", "dump-flows", self.bridge, "table=1")
        return {m[2] if "/" in m[2] else f"{m[2]}/32": float(m[1]) for m in re.finditer(
            r"duration=([\d.]+)s, table=1,.* priority=\d+,ip,nw_dst=([\d./]+) ", text)}

    def wait_for(self, what, condition, seconds=60):
        """`condition` of ages(), which are returned."""
        found = {}

        def look():
            found.update(ages=self.ages())
            return condition(found["ages"]), f"{len(found['ages'])} entries"
        wait_for(what, look, seconds, 0.1)
        return found["ages"]

    def monitor(self):
        """What happens to the sample from now on: the process that writes events()."""
        with open(self.events_file, "wb") as out:
            monitor = subprocess.Popen(
                ["stdbuf", "-oL", "ovs-ofctl", "-O", "OpenFlow10", "--timeout=60", "monitor",
                 self.bridge, f"watch:!actions,table=1,ip,nw_dst={SAMPLE}"],
                env=self.lab.instance.environment(), stdout=out, stderr=out)
        wait_for("the monitor to tell what is there", self.events, 10)
        return monitor

    def events(self):
        """[(kind, prefix)]"""
        return re.findall(r"event=(\w+) .*nw_dst=(20\.[\d./]+)",
                          self.events_file.read_text(encoding="ascii"))


def test_a_route_of_another_protocol_overtakes_a_download(make_lab):
    switch = Switch(make_lab("urgent", "rftest1"))
    switch.ip(f"route add {REMOVED} {VIA} proto ospf")
    switch.wait_for("a route", lambda ages: REMOVED in ages)
    monitor = switch.monitor()
    try:
        # So that all of it is known before the switch takes any.
        switch.signal(signal.SIGSTOP)
        try:
            switch.ip(*(f"route add {bulk_prefix(i)} {VIA} proto bgp" for i in range(BULK)))
            switch.ip(f"route add {ADDED} {VIA} proto ospf",
                      f"route del {REMOVED} {VIA} proto ospf")
        finally:
            switch.signal(signal.SIGCONT)
        ages = switch.wait_for(
            "all of it in the switch",
            lambda ages: sum(p.startswith("20.") for p in ages) == BULK + 1)
    finally:
        monitor.terminate()
        monitor.wait()
    log = (switch.lab.instance.dir / "log/rfproxy.log").read_text(encoding="utf-8")
    assert log.count(" connected from ") == 1, "the switch was silent for too long"
    events = switch.events()[1:]

    later = sum(p.startswith("20.") and age < ages[ADDED] for p, age in ages.items())
    assert later > BULK // 2, f"{later} of {BULK} entries are later"
    # A removal has no age; but of the last of the download most come behind it (not those
    # that are urgent themselves: the slower they are written, the more).
    last = [("ADDED", bulk_prefix(i)) for i in range(FIRST_OF_SAMPLE, BULK)]
    ours = [("ADDED", ADDED), ("DELETED", REMOVED)]
    assert sorted(events) == sorted(last + ours)
    for event in ours:
        assert events.index(event) < len(last) // 2, events[:len(last)]
