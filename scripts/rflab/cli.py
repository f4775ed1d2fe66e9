"""The command line of scripts/demo (which has installed and built by now)."""

import os
import shlex
import sys
import time

from . import lab as labs
from .labcheck import Checker, some_of
from .store import mongosh
from .system import CHECKOUT, LabError, plural
from .topology import load
from .verify import Failed, Verifier

DEFAULT_RUN = "/run/routeflow-demo"
READY_SECONDS = 60

USAGE = """scripts/demo [up|check|status|down] [--rftest1] [--ipv6]
       scripts/demo exec NAME COMMAND...   in a host or a container: exec rfvmA vtysh
       scripts/demo rfctl ARGUMENT...      scripts/demo rfctl show status
       scripts/demo link A-D down|up       pulls a cable, or puts it back"""


def say(text=""):
    print(text, flush=True)


class Progress:
    """One line a phase, with its seconds."""

    def __init__(self):
        self.start = time.monotonic()

    def phase(self, what, function):
        begun = time.monotonic()
        print(f"  {what:<28}", end="", flush=True)
        try:
            words = function()
        except BaseException:
            say("failed")
            raise
        say(f"{time.monotonic() - begun:6.2f} s   {words or ''}".rstrip())

    def total(self):
        return time.monotonic() - self.start


def up(run_dir, name, ipv6=False):
    topology = load(CHECKOUT / "config" / f"{name}.json", ipv6)
    labs.lock(run_dir)
    progress = Progress()
    say(f"{topology.name}: {topology.about}")
    if labs.is_up(run_dir):
        progress.phase("taking the old one down", lambda: labs.down(run_dir) and None)
    lab = labs.create(run_dir, topology)
    verifier = Verifier(lab)
    try:
        for what, function in lab.phases() + routing_phases(verifier):
            progress.phase(what, function)
    except LabError as error:
        raise LabError(f"{error}\n(what runs is left to be looked at: logs in {run_dir}/log;"
                       f" scripts/demo down removes it)")
    lab.mark_converged()
    say(f"Ready in {progress.total():.1f} s.")
    say()
    show(lab, verifier)
    show_next_steps(lab)
    return 0


def routing_phases(verifier):
    """(what, function) of what the daemons do by themselves, and we wait for."""
    checks = [("associations active", verifier.associations)]
    if verifier.topology.links:
        checks.append(("links, virtual links", verifier.planes))
    if verifier.topology.routing:
        checks.append(("OSPF, routes", verifier.kernel_equals_reference))
    checks.append(("all hosts reach each other", verifier.reached))
    if verifier.topology.ipv6:
        checks += [(f"both families: {what}", check)
                   for what, check in both_families(verifier.lab)]
    return [(what, lambda check=check: wait_until(verifier, check))
            for what, check in checks]


def both_families(lab):
    """(what, check) of scripts/lab, which look at IPv4 and IPv6 alike."""
    checker = Checker(lab)

    def of(function):
        def check():
            words, differences = function()
            if differences:
                raise Failed(some_of(differences))
            return words
        return check

    return [("kernel routes", of(checker.kernels)), ("flows", of(checker.switches)),
            ("pings", of(checker.pings)), ("every pair traced", of(checker.traces))]


def wait_until(verifier, check):
    """Waits as long as a new network may take, but not for a daemon that has ended."""
    daemons = verifier.lab.daemons
    deadline = time.monotonic() + READY_SECONDS
    while True:
        row = verifier.row("", check, 0)
        if row.passed:
            return row.measured
        ended = daemons.ended()
        if ended:
            raise LabError("\n".join(ended))
        if time.monotonic() > deadline:
            raise LabError(f"not within {READY_SECONDS} s: {row.measured}")
        time.sleep(0.05)


def wait_until_routed(verifier):
    for _, wait in routing_phases(verifier):
        wait()


def show(lab, verifier):
    for what in ("associations", "links") if lab.topology.links else ("associations",):
        say(lab.daemons.rfctl("show", what, check=False).stdout.rstrip())
        say()
    matrix(lab, verifier.probes.ping_all())
    hosts = lab.topology.hosts
    source, target = (hosts[1], hosts[2]) if len(hosts) > 2 else hosts[:2]
    say()
    say(f"traceroute {source.name} -> {target.name}: "
        + "  ".join(verifier.probes.traceroute(source, target)))


def matrix(lab, times):
    names = [host.name for host in lab.topology.hosts]
    say("ping, ms".ljust(10) + "".join(f"{name:>8}" for name in names))
    for a in names:
        cells = ["-" if a == b else "lost" if times[a, b] is None else f"{times[a, b]:.2f}"
                 for b in names]
        say(a.ljust(10) + "".join(f"{cell:>8}" for cell in cells))
    reached = sum(ms is not None for ms in times.values())
    say(f"{reached}/{len(times)} pairs reach each other")


def show_next_steps(lab):
    node, host = lab.topology.nodes[0], lab.topology.hosts[0]
    other = lab.topology.hosts[-1]
    lines = ["scripts/demo check", "scripts/demo rfctl show status",
             f"scripts/demo exec {host.name} ping {other.address.ip}"]
    if lab.topology.routing:
        lines.append(f"scripts/demo exec {node.vm} vtysh -c 'show ip ospf neighbor'")
    lines.append("ovs-ofctl -O OpenFlow13 dump-flows " + lab.ovs.management(node.name))
    if lab.topology.links:
        lines.append(f"scripts/demo link {lab.topology.links[-1].name} down")
    lines += [looking_into(lab.state["store"]), "scripts/demo down"]
    say()
    say("What to try next:")
    for line in lines:
        say("  " + line)
    say(f"Logs are in {lab.instance.dir}/log, and in /var/log of each container.")


def looking_into(store):
    """The command that shows the association table in the store."""
    if store.startswith("sqlite:"):
        return f"sqlite3 {store.removeprefix('sqlite:')} 'select json from rftable'"
    return f"{mongosh()} {store} --quiet --eval 'db.rftable.find()'"


def check(run_dir):
    lab = labs.Lab.opened(run_dir)
    failed = []

    def report(row):
        if not row.passed:
            failed.append(row)
        say(f"{'PASS' if row.passed else 'FAIL'}  {row.what:<41}  {row.measured}")

    verifier = Verifier(lab)
    verifier.all(report)
    if lab.topology.ipv6:
        for what, function in both_families(lab):
            report(verifier.row(f"8 both families: {what}", function, 15))
    say(f"{'FAIL' if failed else 'PASS'}: {lab.topology.name}"
        + (f", {plural(len(failed), 'check')} failed" if failed else ", all checks"))
    return 1 if failed else 0


def status(run_dir):
    lab = labs.Lab.opened(run_dir)
    say(f"{lab.topology.name} on {run_dir}, logs in {run_dir}/log, "
        f"up for {time.time() - lab.state['started']:.0f} s")
    ended = lab.daemons.ended()
    for line in ended:
        say(line)
    done = lab.daemons.rfctl("show", "status", check=False)
    say((done.stdout or done.stderr).rstrip())
    times = Verifier(lab).probes.ping_all()
    matrix(lab, times)
    return 1 if ended or done.returncode or None in times.values() else 0


def down(run_dir):
    labs.lock(run_dir)
    begun = time.monotonic()
    if labs.down(run_dir):
        say(f"Removed all that was made for {run_dir} in {time.monotonic() - begun:.1f} s.")
    else:
        say(f"Nothing is up on {run_dir}.")
    return 0


def execute(run_dir, name, command):
    lab = labs.Lab.opened(run_dir)
    for node in lab.topology.nodes:
        if name == node.vm:
            os.execvp("nsenter", [str(a) for a in lab.containers.command(node, *command)])
    for host in lab.topology.hosts:
        if name == host.name:
            os.execvp("nsenter",
                      lab.instance.inside(lab.network.host_netns(host), *command))
    raise LabError(f"no host or container {name}; there are: " + " ".join(
        [h.name for h in lab.topology.hosts] + [n.vm for n in lab.topology.nodes]))


def rfctl(run_dir, arguments):
    daemons = labs.Lab.opened(run_dir).daemons
    program = str(daemons.program("rfctl"))
    os.execv(program, [program, "--server", daemons.server, "--events", daemons.events,
                       "--config", str(daemons.config), *arguments])


def set_link(run_dir, name, state):
    lab = labs.Lab.opened(run_dir)
    link = lab.topology.link(name)
    lab.network.set_link(link, state == "up")
    say(f"link {link.name} is {state}")
    return 0


def main(arguments):
    words = list(arguments)
    options = {"--rftest1": False, "--ipv6": False}
    for option in options:
        if option in words[:3] and words[:1] != ["exec"]:
            words.remove(option)
            options[option] = True
    topology = "rftest1" if options["--rftest1"] else "rftest2"
    command, rest = (words or ["up"])[0], words[1:]
    run_dir = os.environ.get("RF_RUN", DEFAULT_RUN)
    functions = {"up": lambda: up(run_dir, topology, options["--ipv6"]),
                 "check": lambda: check(run_dir),
                 "status": lambda: status(run_dir), "down": lambda: down(run_dir),
                 "exec": lambda: execute(run_dir, rest[0], rest[1:] or ["bash"]),
                 "rfctl": lambda: rfctl(run_dir, rest),
                 "link": lambda: set_link(run_dir, *rest)}
    fits = {"exec": len(rest) >= 1, "rfctl": True,
            "link": len(rest) == 2 and rest[1:] in (["up"], ["down"])}
    if command in ("-h", "--help", "help"):
        say("usage: " + USAGE)
        return 0
    if command not in functions or not fits.get(command, not rest):
        raise LabError(f"`{shlex.join(words)}` is not a command\nusage: {USAGE}")
    if os.geteuid() != 0:
        raise LabError("this needs root: it makes network namespaces and containers")
    return functions[command]()


def run(arguments):
    try:
        return main(arguments)
    except LabError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read our output has seen enough (`scripts/demo status | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        print("\ndemo: interrupted; scripts/demo down removes what was made",
              file=sys.stderr)
        return 130
