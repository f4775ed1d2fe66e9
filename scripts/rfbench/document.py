"""docs/performance.md, from the figures of one run."""

import os
import platform
import re
from pathlib import Path

from rflab.system import run

from .results import number

INTRODUCTION = """# Performance

Written by `scripts/bench --doc docs/performance.md`, from figures that were measured in
one run on one machine, each side by side with its reference.  Compare ratios, not
seconds: a limit is for the ratio where there is one, else for the median (or the p99,
which has a line of its own).

* The parts: one Open vSwitch bridge, one container, rfserver, rfproxy, rfvs, rfclient, as
  `scripts/demo --rftest1` brings them up, and 64 neighbours.
* The switch alone: `bench-ofsend` sends the same flow entries to a second Open vSwitch
  with as many bridges and ports, encoded before the clock starts, one barrier at the end.
* Before anything is timed all wait until no process works any more: Open vSwitch frees for
  seconds, on a processor of its own, what it answered at once to have deleted.
* Each download of that size is done once before, by both, and not counted (but for 1 M
  by zebra): memory that the machine's host must find first costs some 10 us a page.
* Open vSwitch has niceness -4 (its own start script gives it -10), the lab's and the other,
  rfclient -5, as FRR's own unit gives FRR; and all, with what measures them, are in one
  control group for the processor where there is such a controller.
* The prefixes have the lengths of the Internet's table.  All are given them in no order;
  rfproxy hands them on by address where thousands wait, the references as they come.
* The end of a download is the last barrier reply, overheard between rfproxy and the switch.
* After each bench the switch is compared with the container's kernel by a program that
  shares nothing with the daemons but the OpenFlow codec.
"""

ABOUT = {
    "bulk-kernel": "Routes written into the container's kernel in batches of 200; beside "
                   "the switch alone, and `ovs-ofctl --bundle`.",
    "push": "rfserver has the set, rfproxy is new, an empty switch connects.",
    "resync": "All is in place and right, rfproxy restarts; beside a bare dump of the flow "
              "table.",
    "killed": "rfproxy is killed in the middle of a download.",
    "single": "One kernel route, from the write to the barrier reply, on an idle system; beside "
              "`bench-chain`, three processes that only hand on: netlink, ZeroMQ, ZeroMQ, "
              "flow-mod and barrier. The limit is that of the two when the target was set, 220 "
              "µs to 158.",
    "single-busy": "The same with a full table; and one OSPF route each 2 ms, added, then "
                   "changed, then removed, while 100 k BGP routes come, and while they leave. "
                   "There each has a prefix of its own, and counts from the moment at which "
                   "it was written, whatever became of those before.",
    "nexthop": "The MAC address of a next hop changes, and its address.",
    "memory": "Resident memory for each route.",
    "bulk": "Routes given to zebra by its API; beside zebra's own last notice, and another "
            "zebra that nobody listens to.",
    "single-zebra": "One route given to zebra; beside the bare chain behind another zebra.",
    "failover": "The link A-D of rftest2 is cut under 1000 datagrams a second each way, h1 to "
                "h4, which are counted by their time of sending; beside the suite alone on "
                "veth links, also with 1000 prefixes behind h4 that OSPF has as external, "
                "and beside the switches alone, which move the traffic by their groups "
                "while rfproxy is stopped.  What these need is Open vSwitch's own: a lost "
                "interface makes its revalidators run at once, with nothing changed yet, "
                "and they do not run again within 5 ms.  `after port-status`: from "
                "rfproxy's notice of the port.  The silent cut drops all frames of the "
                "link, and no port is down.",
    "punt": "ICMP echo of the gateway, and frames to and from the container, through both "
            "switches, rfproxy and rfvs; beside `bench-relay`, two processes between two "
            "bridges that only hand on (the limit is that of a single route).  Hellos are "
            "echoes each 10 ms, both ways.",
    "planes": "A ring of 8 with OSPF, closed and as pass-through (`plane = passthrough`): from "
              "started containers until all kernels have all routes; frames on all links but "
              "LLDP, and what switches and rfproxy send each other of the routers' own frames, "
              "until then and until hosts reach each other, while nothing happens, and while a "
              "link fails, which in pass-through OSPF notices as the container's carrier "
              "goes, or by its dead interval.",
    "churn": "Updates as BGP sends them, most of which say what is known, at full speed.",
}


def machine():
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    switch = run(["ovs-vswitchd", "--version"]).stdout.splitlines()[0]
    load = os.getloadavg()
    return (f"{os.cpu_count()} CPUs ({cpu[1] if cpu else platform.machine()}), "
            f"Linux {platform.release()}, {switch}; load average at the end "
            f"{load[0]:.1f}, {load[2]:.1f}")


def write(rows, path, command):
    lines = [INTRODUCTION, f"Machine: {machine()}.", "", f"Command: `{command}`.", ""]
    for bench in dict.fromkeys(row["bench"] for row in rows):
        lines += [f"## {bench}", "", ABOUT.get(bench, ""), "",
                  "| case | metric | unit | min | median | max | reference | ratio | limit "
                  "| |", "|---|---|---|---:|---:|---:|---:|---:|---:|---|"]
        for row in rows:
            if row["bench"] == bench:
                ok = {True: "yes", False: "**no**", None: ""}[row["ok"]]
                cells = [row["case"], row["metric"], row["unit"]] + [
                    number(row[key]) for key in ("min", "median", "max", "reference",
                                                 "ratio", "limit")] + [ok]
                lines.append("| " + " | ".join(cells) + " |")
        lines.append("")
    Path(path).write_text("\n".join(lines), encoding="utf-8")

