"""What `scripts/lab check` compares, on any topology and in both families.

Three things for every node, each found by itself: what the oracle computes from the
topology alone, the kernel's routes in the container, the flows and groups in the switch.
Then reachability: every pair of hosts by walking the real tables (trace.py), a sample by
ping.  And that the virtual plane leaked nothing onto the real links.

A check returns words for people, and differences; none means that it holds.
"""

import ipaddress
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field

from . import oracle, pcap, suite
from .ofctl import Bucket, parse_flows, parse_groups
from .system import LabError, plural, wait_for
from .trace import Walker
from .verify import ACTIVE, FIB_TABLE, Failed, Verifier, as_rows, find_key

READ = """ip -j -4 route show table main; echo; echo @
ip -j -6 route show table main; echo; echo @
ip -j neigh show; echo"""
PINGS_AT_ONCE = 40
STUCK_SECONDS = 20


@dataclass
class Result:
    check: str
    passed: bool = False
    words: str = ""
    differences: list = field(default_factory=list)
    seconds: float = 0


@dataclass
class Kernel:
    """Routes and neighbours of one container."""

    routes: dict  # {network: {(gateway, interface)}}, without the kernel's own
    neighbours: dict  # {(address, interface): MAC}

    @classmethod
    def parse(cls, text):
        routes4, routes6, neighbours = (json.loads(part.strip() or "[]")
                                        for part in text.split("@"))
        routes = {}
        for route, everything in [(r, "0.0.0.0/0") for r in routes4] + [
                (r, "::/0") for r in routes6]:
            if route.get("protocol") == "kernel" or route.get("type", "unicast") != "unicast":
                continue
            network = ipaddress.ip_network(
                everything if route["dst"] == "default" else route["dst"])
            routes[network] = {(hop.get("gateway"), hop["dev"])
                               for hop in route.get("nexthops") or [route]
                               if not {"dead", "linkdown"} & set(hop.get("flags", ()))}
        return cls(routes, {(n["dst"], n["dev"]): n["lladdr"] for n in neighbours
                            if n.get("lladdr") and n.get("dev")})


class Checker:
    def __init__(self, lab):
        self.lab = lab
        self.topology = lab.topology
        self.families = (4, 6) if self.topology.ipv6 else (4,)
        self.verifier = Verifier(lab)
        # Cables that were pulled on purpose (scripts/lab link).
        self.down = [cable for cable in self.topology.cables()
                     if cable.name in lab.state.get("down", ())]
        self.wanted = self.expected()
        self.part = oracle.parts(self.topology, self.down)
        self.link_networks = {address.network for cable in self.topology.cables()
                              for address in cable.a.addresses}

    def expected(self):
        """{node name: {network: {(gateway, interface)}}} of all families."""
        merged = {node.name: {} for node in self.topology.nodes}
        for family in self.families:
            for name, routes in oracle.routes(self.topology, self.down, family).items():
                merged[name].update(routes)
        return merged

    # ---- what is there ----

    def kernel(self, node):
        return Kernel.parse(self.lab.containers.run(node, "sh", "-c", READ).stdout)

    def tables(self, switch):
        """(flows of the FIB, groups) of a switch."""
        bridge = self.lab.ovs.management(switch.name)
        flows = parse_flows(self.lab.ovs.ofctl("--no-names", "--no-stats", "dump-flows",
                                               bridge, f"table={FIB_TABLE}"))
        return flows, parse_groups(self.lab.ovs.ofctl("--no-names", "dump-groups", bridge))

    def is_down(self, port):
        return any(port in (link.a, link.b) for link in self.down)

    def associations(self):
        rows = {(int(row["vm_id"], 16), row["vm_port"]): row
                for row in as_rows(self.lab.daemons.show("associations"))
                if row.get("vm_id")}
        differences = []
        for port in self.topology.ports():
            row = rows.get((int(port.node.vm_id, 16), port.number), {})
            active = row.get("state") == ACTIVE and (
                int(row["dp_id"], 16), row["dp_port"]) == (port.switch.dpid, port.number)
            if active == self.is_down(port):
                differences.append(f"{port.node.title} {port.vm_interface}: "
                                   f"{row.get('state', 'no row')}")
        down = sum(map(self.is_down, self.topology.ports()))
        return f"{len(self.topology.ports()) - down} active", differences

    # ---- kernels against the oracle ----

    def kernel_differences(self, node, kernel, spread=()):
        """`spread` are networks that some kernel has learned."""
        wanted = self.wanted[node.name]
        return [f"{node.title}: {network}: kernel has {words(kernel.routes.get(network))}, "
                f"the oracle {words(wanted.get(network))}"
                for network in sorted(kernel.routes.keys() | wanted.keys(), key=str)
                if kernel.routes.get(network) != wanted.get(network)
                and not self._ospf6d(kernel.routes, wanted, network, spread)]

    def _ospf6d(self, routes, wanted, network, spread=()):
        """Whether this is one of three faults of ospf6d (FRR 8.4), seen in its own tables.

        It hands on to a node's children the next hops that it knew at the time, and some
        more of equal cost may be found later (in fattree:4).  And the network of a link,
        which two routers name, may keep next hops to the farther of them, or be kept when
        neither names it any more (after a link was down, in Nsfnet and in a ring).  Or it
        is not there, while other routers have it, for as long as nothing changes (after
        a neighbour had no processor for the dead interval, in BtNorthAmerica: ospf6d has
        a best route, and zebra an older, inactive one)."""
        if network.version != 6 or "ospf6d" not in suite.daemons(self.topology):
            return False
        if not routes.get(network):
            return network in self.link_networks and network in spread
        return network in self.link_networks or routes[network] < wanted.get(network, set())

    def kernels(self):
        differences, count, multipath, faults = [], 0, 0, 0
        found = self._each(self.kernel)
        spread = {network for _, kernel in found for network in kernel.routes}
        for node, kernel in found:
            wanted = self.wanted[node.name]
            differences += self.kernel_differences(node, kernel, spread)
            count += len(kernel.routes)
            multipath += sum(len(hops) > 1 for hops in kernel.routes.values())
            faults += sum(kernel.routes.get(network) != wanted.get(network)
                          and self._ospf6d(kernel.routes, wanted, network, spread)
                          for network in kernel.routes.keys() | wanted.keys())
        return f"{count} routes in {len(self.topology.nodes)} kernels, {multipath} of " \
            "them over several next hops" + (
                f"; for {faults} ospf6d is wrong" if faults else ""), differences

    def _each(self, function, nodes=None):
        nodes = nodes or self.topology.nodes
        with ThreadPoolExecutor(4) as pool:
            return list(zip(nodes, pool.map(function, nodes)))

    # ---- switches against kernels ----

    def node_differences(self, node):
        """(differences, flows, groups)"""
        kernel = self.kernel(node)
        found = [self.switch_differences(node, switch, kernel) for switch in node.switches]
        differences, flows, groups = zip(*found)
        return [d for some in differences for d in some], sum(flows), sum(groups)

    def switch_differences(self, node, switch, kernel):
        flows, groups = self.tables(switch)
        differences, seen = [], {}
        title = node.title if switch.name == node.name else switch.name

        def differs(what):
            differences.append(f"{title}: {what}")

        for flow in flows:
            if flow.network is None:
                continue
            if flow.network in seen:
                differs(f"two flows for {flow.network}")
            seen[flow.network] = flow
        used = {flow.group for flow in flows if flow.group is not None}
        for number in groups.keys() - used:
            differs(f"group {number} is used by no flow")
        connected = [a.network for port in node.ports for a in port.addresses
                     if not self.is_down(port)]
        for network, flow in seen.items():
            if network in kernel.routes:
                wanted = {self._bucket(node, switch, hop, kernel)
                          for hop in kernel.routes[network]}
            elif network in connected and network.prefixlen < network.max_prefixlen:
                wanted = None
            else:
                wanted = self._neighbour(node, switch, network, kernel)
                if wanted is None:
                    differs(f"a flow for {network}, which is no route")
                    continue
            if wanted is None:
                if flow.group is not None or not any(
                        action.startswith("CONTROLLER") for action in flow.actions):
                    differs(f"{network} is connected, but its flow does {flow.actions}")
            elif flow.group not in groups:
                differs(f"{network}: its flow does {flow.actions}")
            elif flow.mtu != self._mtu(node, switch, wanted):
                differs(f"{network}: lets packets of {flow.mtu or 'any'} octets go, not "
                        f"of {self._mtu(node, switch, wanted) or 'any'}")
            elif groups[flow.group].hops != wanted:
                differs(f"{network}: group {flow.group} has "
                        f"{words(map(hop_of, groups[flow.group].hops))}, the kernel "
                        f"{words(map(hop_of, wanted))}")
        for network in kernel.routes.keys() - seen.keys():
            differs(f"no flow for {network}")
        for network in connected:
            if network not in seen:
                differs(f"no flow for {network}, which is connected")
        return differences, len(flows), len(groups)

    @staticmethod
    def _bucket(node, switch, hop, kernel):
        gateway, interface = hop
        port = node.port(int(interface.removeprefix("eth")))
        out = port if port.switch is switch else switch.towards(port.switch)
        return Bucket(port.mac, kernel.neighbours.get((gateway, interface)), True,
                      str(out.number))

    @staticmethod
    def _mtu(node, switch, buckets):
        """What fits out of these ports, if other ports of the node let in more."""
        macs = {bucket.eth_src for bucket in buckets}
        mtu = min(port.mtu for port in node.ports if port.mac in macs)
        return mtu if mtu < node.widest else None

    def _neighbour(self, node, switch, network, kernel):
        """The buckets of a host entry, if that is what this is."""
        if network.prefixlen != network.max_prefixlen:
            return None
        for port in node.ports:
            address = str(network.network_address)
            if (address, port.vm_interface) in kernel.neighbours and any(
                    network.subnet_of(a.network) for a in port.addresses
                    if a.version == network.version):
                return {self._bucket(node, switch, (address, port.vm_interface), kernel)}
        return None

    def switches(self):
        differences, flows, groups = [], 0, 0
        for _, (differs, n_flows, n_groups) in self._each(
                self.node_differences, self.topology.vm_nodes()):
            differences += differs
            flows += n_flows
            groups += n_groups
        return (f"{plural(flows, 'FIB flow')} and {plural(groups, 'group')} in "
                f"{plural(len(self.topology.switches()), 'switch')}"), differences

    # ---- reachability ----

    def joined(self, a, b):
        """Whether a packet from a to b must arrive; None if some do and some do not."""
        if (self.topology.routing or {}).get("protocol") == "static" and self.down:
            return oracle.arrives(self.topology, self.wanted, a.port.node,
                                  b.address.network)
        return self.part[a.port.node.name] == self.part[b.port.node.name]

    def traces(self):
        walker, differences, reached, apart = Walker(self.lab, self.wanted), [], 0, 0
        try:
            for family in self.families:
                for number, (a, b) in enumerate(self.topology.pairs()):
                    walk = walker.walk(a, b, family, number + 1)
                    reached += walk.arrived
                    apart += self.joined(a, b) is False
                    wrong = self._walk_differs(a, b, family, walk)
                    if wrong:
                        differences.append(f"{a.name}->{b.name} IPv{family}: {wrong}")
        finally:
            walker.close()
        return (f"{reached} packets arrive"
                + (f", {apart} rightly do not" if apart else "")), differences

    def _walk_differs(self, a, b, family, walk):
        if not self.joined(a, b):
            return "arrives, though no route leads there" \
                if walk.arrived and self.joined(a, b) is False else None
        if not walk.arrived:
            return walk.why
        network = (b.address if family == 4 else b.address6).network
        for here, there in zip(walk.ports, walk.ports[1:]):
            node = here.node
            if not any(oracle.entered(node, hop) is there
                       for hop in self.wanted[node.name].get(network, ())):
                return f"{node.title} sends it to {there.node.title}, a detour"
        return None

    def sample(self):
        """Each host with its next one, and with one half the list away."""
        hosts = self.topology.hosts
        steps = sorted({1, len(hosts) // 2} - {0}) if len(hosts) > 1 else []
        found = {(a.name, b.name): (a, b) for step in steps
                 for a, b in zip(hosts, hosts[step:] + hosts[:step])
                 if a is not b and self.joined(a, b) and self.joined(b, a)}
        return list(found.values())

    def pings(self, wait=2):
        jobs = [(a, b, family) for family in self.families for a, b in self.sample()]
        lost = []
        for at in range(0, len(jobs), PINGS_AT_ONCE):
            lost += self._ping(jobs[at:at + PINGS_AT_ONCE], wait)
        differences = [f"{a.name}->{b.name} IPv{family}: no reply" for a, b, family in lost]
        return f"{len(jobs) - len(lost)} of {len(jobs)} pings answered", differences

    def _ping(self, jobs, wait):
        started = []
        for a, b, family in jobs:
            target = (b.address if family == 4 else b.address6).ip
            started.append(self.verifier.probes.start(
                a, "ping", "-n", "-c", "1", "-W", wait, target))
        lost = []
        for job, process in zip(jobs, started):
            process.communicate()
            if process.returncode != 0:
                lost.append(job)
        return lost

    # ---- the closed plane ----

    def silence(self):
        status = self.lab.daemons.show("status")
        leaks, differences = find_key(status, "leaks"), []
        if leaks:
            differences.append(f"rfctl counts {leaks} leaked frames")
        captured, networks = 0, self.topology.host_networks()
        for link in self.lab.network.captured_links():
            seen = pcap.count(self.lab.network.capture_file(link).read_bytes(), networks)
            captured += 1
            seen.pop("LLDP", None)
            seen.pop("host data", None)
            differences += [f"{link.name}: {n} frames {what}" for what, n in seen.items()]
        return f"{leaks} leaked frames counted by the switches; {captured} links " \
            "captured since the start", differences

    # ---- all ----

    def checks(self):
        """(title, function, seconds that it may take to become true)"""
        def of(check, *arguments):
            return lambda: (check(*arguments), [])

        return [("associations are active", self.associations, 20),
                ("links are seen from both ends", of(self.verifier.links, self.down), 15),
                ("RFVS joins these links only",
                 of(self.verifier.virtual_links, self.down), 15),
                ("kernel routes equal the oracle's", self.kernels, 30),
                ("pings, a sample", self.pings, 30),
                ("flows and groups equal kernel routes", self.switches, 15),
                ("every pair by the tables", self.traces, 10),
                ("nothing leaked onto real links", self.silence, 0)]

    def run(self, title, function, timeout):
        """Repeats a check until it holds or the time is up."""
        begun, result = time.monotonic(), Result(title)

        def holds():
            try:
                result.words, result.differences = function()
            except KeyError as error:
                result.differences = [f"{error} is missing"]
            except (Failed, LabError, ValueError) as error:
                result.differences = [str(error)]
            return not result.differences

        try:
            result.passed = bool(wait_for(title, holds, timeout, 0.3))
        except LabError:
            pass
        result.seconds = round(time.monotonic() - begun, 2)
        return result

    def all(self, report):
        results = []
        for check in self.checks():
            results.append(self.run(*check))
            report(results[-1])
        return results

    # ---- bringing up ----

    def wait_converged(self, timeout):
        """Until every kernel has the oracle's routes; nodes that have are left alone.

        Where nothing more comes, all are looked at together: a fault of ospf6d is known
        as such by what other routers have."""
        waiting = list(self.topology.nodes)
        progress = time.monotonic()

        def converged():
            nonlocal progress
            if time.monotonic() - progress > STUCK_SECONDS:
                found, differences = self.kernels()
                if not differences:
                    return found
                progress = time.monotonic()
            while waiting:
                differences = self.kernel_differences(waiting[0], self.kernel(waiting[0]))
                if differences:
                    seen = f"{len(waiting)} nodes are not done; {differences[0]}"
                    waiting.append(waiting.pop(0))
                    return False, seen
                waiting.pop(0)
                progress = time.monotonic()
            return f"{sum(map(len, self.wanted.values()))} routes"

        # Looking must not slow down what it looks at.
        return wait_for("the kernels to have all routes", converged, timeout,
                        max(0.1, 0.01 * len(waiting)))

    def wait_installed(self, timeout):
        result = self.run("flows", self.switches, timeout)
        if not result.passed:
            raise LabError(f"flows and groups: {some_of(result.differences)}")
        return result.words

    def wait_reached(self, timeout):
        result = self.run("pings", self.pings, timeout)
        if not result.passed:
            raise LabError(f"pings: {some_of(result.differences)}")
        return result.words


def words(hops):
    return ", ".join(sorted(f"{gateway or 'on link'} by {interface}"
                            for gateway, interface in hops)) if hops else "nothing"


def hop_of(bucket):
    return bucket.eth_dst, f"port {bucket.output}"


def some_of(differences, limit=3):
    more = f" and {len(differences) - limit} more" if len(differences) > limit else ""
    return "; ".join(differences[:limit]) + more


def as_json(lab, results):
    return json.dumps({"topology": lab.topology.name, "about": lab.topology.about,
                       "nodes": len(lab.topology.nodes), "links": len(lab.topology.links),
                       "passed": all(r.passed for r in results),
                       "checks": [asdict(r) for r in results]}, indent=1) + "\n"
