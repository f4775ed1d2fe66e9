"""The command line of scripts/lab (which has built by now)."""

import argparse
import os
import sys
import time
from pathlib import Path

from . import cli, graphfile, linkfile, oracle, plan, shapes
from . import lab as labs
from .labcheck import Checker, as_json, some_of
from .system import LabError, name_of, plural
from .topology import load, parse

DEFAULT_RUN = "/run/routeflow-lab"
# A router with its switch and host; docs/lab.md.
NODE_MB = {"bgp": 40, "ibgp": 60}
DEFAULT_NODE_MB = 26
NODES_A_PROCESSOR = 40  # 80 came up on two (docs/lab.md).
MAX_HOPS = 64  # VM_MAX_HOPS of core/vm.h.

EPILOG = f"""FILE is a map in GML or GraphML, or a topology in JSON (config/rftest2.json;
or one that a lab made, edited).  Or one of: {shapes.SHAPES}.
RF_RUN names the folder of the lab, {DEFAULT_RUN}; each folder is a lab of its own."""


def parser():
    top = argparse.ArgumentParser(
        prog="scripts/lab", epilog=EPILOG, description="Brings up an emulated network of "
        "any shape, routed by the platform, and compares it with what must be there.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="bring a network up", epilog=EPILOG)
    up.add_argument("file", metavar="FILE")
    up.add_argument("--routing", choices=plan.PROTOCOLS,
                    help="ospf, unless the file says it")
    up.add_argument("--ipv6", action="store_true", help="IPv6 beside IPv4")
    up.add_argument("--links", metavar="FILE",
                    help="cost and MTU of single links, CSV: node,node,index,cost,mtu")
    up.add_argument("--light", action="store_true",
                    help="network namespaces in the place of LXC containers")
    up.add_argument("--no-wait", action="store_true",
                    help="return when all is started, before it routes")
    check = commands.add_parser("check", help="compare oracle, kernels and switches")
    check.add_argument("--json", metavar="FILE", help="write the results there; - is stdout")
    commands.add_parser("status", help="what is up")
    commands.add_parser("down", help="remove it")
    execute = commands.add_parser("exec", help="a command in a host (h3) or router (n3)")
    execute.add_argument("name")
    execute.add_argument("argv", nargs=argparse.REMAINDER)
    rfctl = commands.add_parser("rfctl", help="rfctl of this lab")
    rfctl.add_argument("argv", nargs=argparse.REMAINDER)
    link = commands.add_parser("link", help="pull a cable (n1-n2), or put it back")
    link.add_argument("name")
    link.add_argument("state", choices=("up", "down"))
    return top


def read(arguments):
    """(topology, notes) of what `up` was given."""
    text = arguments.file
    if text.endswith(".json"):
        topology, notes = load(text, arguments.ipv6), []
        if arguments.routing:
            raise LabError(f"{text}: a topology in JSON says its routing itself; edit "
                           '"protocol" there')
        topology.light |= arguments.light
        topology.document["light"] = topology.light
    else:
        graph = shapes.parse(text) if shapes.is_shape(text) else graphfile.load(text)
        topology = parse(plan.document(graph, arguments.routing or "ospf",
                                       arguments.ipv6, arguments.light))
        notes = graph.notes
    if arguments.links:
        mapping = topology.mapping
        topology = parse(linkfile.apply(arguments.links, topology))
        topology.mapping = mapping
    return topology, notes


def require_memory(topology):
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            free = int(line.split()[1]) // 1024
    wanted = len(topology.nodes) * NODE_MB.get(
        (topology.routing or {}).get("protocol"), DEFAULT_NODE_MB)
    if wanted > free:
        raise LabError(f"{topology.name}: {len(topology.nodes)} nodes take about {wanted} "
                       f"MB, and {free} MB are free")


def notes_of_machine(topology):
    """What a person should know before it is made."""
    processors = len(os.sched_getaffinity(0))
    if len(topology.nodes) <= NODES_A_PROCESSOR * processors:
        return []
    return [f"{len(topology.nodes)} routers on {plural(processors, 'processor')}: this takes "
            f"minutes, or does not converge; {NODES_A_PROCESSOR} a processor were tried"]


def require_hops(topology):
    """The suite would find more ways than the platform takes from it, and so `check`
    would never hold."""
    for name, routes in oracle.routes(topology).items():
        for network, hops in routes.items():
            if len(hops) > MAX_HOPS:
                raise LabError(f"{topology.name}: {topology.node(name).title} has "
                               f"{len(hops)} ways of equal cost to {network}, and "
                               f"{MAX_HOPS} are the most that are used")


def up(run_dir, arguments):
    topology, notes = read(arguments)
    for note in notes + notes_of_machine(topology):
        cli.say(f"note: {note}")
    require_memory(topology)
    require_hops(topology)
    labs.lock(run_dir)
    progress = cli.Progress()
    cli.say(f"{topology.name}: {topology.about}")
    if labs.is_up(run_dir):
        progress.phase("taking the old one down", lambda: labs.down(run_dir) and None)
    lab = labs.create(run_dir, topology)
    try:
        for what, function in lab.phases():
            progress.phase(what, function)
        if not arguments.no_wait and topology.routing:
            wait(lab, progress)
    except LabError as error:
        raise LabError(f"{error}\n(what runs is left to be looked at: logs in {run_dir}/log;"
                       " scripts/lab down removes it)")
    lab.mark_converged()
    cli.say(f"Up in {progress.total():.1f} s, in {run_dir}: mapping, keys and options in "
            "config and keys, routers in lxc.")
    return 0


def wait(lab, progress):
    checker = Checker(lab)
    seconds = 60 + 2 * len(lab.topology.nodes)
    for what, function in (("kernels have all routes", checker.wait_converged),
                           ("switches have all flows", checker.wait_installed),
                           ("hosts reach each other", checker.wait_reached)):
        progress.phase(what, lambda: function(seconds))


def check(run_dir, arguments):
    lab = labs.Lab.opened(run_dir)
    out = sys.stderr if arguments.json == "-" else sys.stdout
    if arguments.json not in (None, "-"):
        Path(arguments.json).write_text("", encoding="utf-8")  # Fails now, or never.

    def report(result):
        print(f"{'PASS' if result.passed else 'FAIL'}  {result.check:<40} "
              f"{result.seconds:6.2f} s  "
              f"{result.words if result.passed else some_of(result.differences)}",
              file=out, flush=True)

    results = Checker(lab).all(report)
    if arguments.json == "-":
        sys.stdout.write(as_json(lab, results))
    elif arguments.json:
        Path(arguments.json).write_text(as_json(lab, results), encoding="utf-8")
    failed = sum(not result.passed for result in results)
    print(f"{'FAIL' if failed else 'PASS'}: {lab.topology.name}, {lab.topology.about}"
          + (f"; {failed} checks fail" if failed else ""), file=out)
    return 1 if failed else 0


def status(run_dir):
    lab = labs.Lab.opened(run_dir)
    cli.say(f"{lab.topology.name}: {lab.topology.about}; {run_dir}, up for "
            f"{time.time() - lab.state['started']:.0f} s")
    for line in sorted(memory(lab).items(), key=lambda item: -item[1]):
        cli.say(f"  {line[0]:<14} {line[1]:8.1f} MB")
    done = lab.daemons.rfctl("show", "status", check=False)
    cli.say((done.stdout or done.stderr).rstrip())
    return done.returncode


def memory(lab):
    """{program: MB, proportional set size} of all processes of this lab."""
    found = {}
    for pid in lab.instance.processes():
        try:
            name = name_of(pid)
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text(
                    encoding="ascii").splitlines():
                if line.startswith("Pss:"):
                    found[name] = found.get(name, 0) + int(line.split()[1]) / 1024
        except OSError:
            continue
    return found


def execute(run_dir, name, argv):
    lab = labs.Lab.opened(run_dir)
    hosts = {host.name: host for host in lab.topology.hosts}
    nodes = lab.topology.nodes_by_word()
    argv = argv or ["bash"]
    if name in hosts:
        line = lab.instance.inside(lab.network.host_netns(hosts[name]), *argv)
    elif name in nodes:
        line = lab.containers.command(nodes[name], *argv)
    else:
        raise LabError(f"no host or router {name}; hosts are {ends(hosts)}, routers "
                       f"{ends([node.name for node in lab.topology.nodes])}, and what "
                       "the map calls them")
    os.execvp(line[0], [str(word) for word in line])


def ends(names):
    """Of many names."""
    names = list(names)
    return " ".join(names if len(names) < 5 else [names[0], "...", names[-1]])


def set_link(run_dir, name, state):
    """Remembered, so that `check` knows what to expect."""
    lab = labs.Lab.opened(run_dir)
    link = lab.topology.link(name)
    lab.network.set_link(link, state == "up")
    down = set(lab.state.get("down", ())) - {link.name}
    lab.save(down=sorted(down | ({link.name} if state == "down" else set())))
    cli.say(f"link {link.name} is {state}")
    return 0


def main(words):
    arguments = parser().parse_args(words)
    run_dir = os.environ.get("RF_RUN", DEFAULT_RUN)
    if os.geteuid() != 0:
        raise LabError("this needs root: it makes network namespaces and containers")
    return {"up": lambda: up(run_dir, arguments), "check": lambda: check(run_dir, arguments),
            "status": lambda: status(run_dir), "down": lambda: cli.down(run_dir),
            "exec": lambda: execute(run_dir, arguments.name, arguments.argv),
            "rfctl": lambda: cli.rfctl(run_dir, arguments.argv),
            "link": lambda: set_link(run_dir, arguments.name, arguments.state),
            }[arguments.command]()


def run(words):
    try:
        return main(words)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read our output has seen enough (`scripts/lab status | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        print(f"lab: {error.filename or 'the system says'}: {error.strerror}",
              file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nlab: interrupted; scripts/lab down removes what was made", file=sys.stderr)
        return 130
