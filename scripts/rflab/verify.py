"""The seven proofs of `scripts/demo check`.

Each check looks at real parts (kernels, switches, captures, the store, rfctl) and gives
a Row: what it is, whether it holds, and what was measured.  A check of something that
may still be on its way is repeated until its time is up.
"""

import json
import time
from dataclasses import dataclass

from . import oracle, pcap, records
from .ofctl import Bucket, parse_flows, parse_groups
from .probe import Probes
from .streams import Streams, lost, outage
from .system import LabError, plural, wait_for
from .topology import RFVS_BRIDGE

ACTIVE = "active client-datapath association"
FIB_TABLE = 1
QUIET_SECONDS = 15


class Failed(Exception):
    """What was seen instead of what must hold."""


@dataclass
class Row:
    what: str
    passed: bool
    measured: str


def some(items, limit=4):
    items = [str(item) for item in items]
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return "; ".join(items[:limit]) + more


def pairs(names):
    return some(f"{a}->{b}" for a, b in names)


class Verifier:
    def __init__(self, lab):
        self.lab = lab
        self.topology = lab.topology
        self.probes = Probes(lab)

    # ---- what the parts say ----

    def kernel(self, node, *argv):
        return json.loads(self.lab.containers.run(node, "ip", "-j", *argv).stdout or "[]")

    def kernel_routes(self, node):
        """{network text: {(gateway, interface)}} of the routes that a protocol made."""
        found = {}
        for route in self.kernel(node, "-4", "route", "show", "table", "main"):
            if route.get("protocol") == "kernel" or route.get("type", "unicast") != "unicast":
                continue
            hops = route.get("nexthops") or [route]
            found[route["dst"]] = {(hop.get("gateway"), hop["dev"]) for hop in hops
                                   if not {"dead", "linkdown"} & set(hop.get("flags", ()))}
        return found

    def flows(self, bridge):
        return parse_flows(self.lab.ovs.ofctl("--no-names", "--no-stats", "dump-flows",
                                              self.lab.ovs.management(bridge)))

    def groups(self, bridge):
        return parse_groups(self.lab.ovs.ofctl("--no-names", "dump-groups",
                                               self.lab.ovs.management(bridge)))

    # ---- 1: associations ----

    def associations(self):
        wanted = {(p.node.vm_id, p.number, p.switch.dpid, p.number) for p in
                  self.topology.ports()}
        for source, rows in (("rfctl", self.lab.daemons.show("associations")),
                             ("store", records.read(self.lab.state["store"], "rftable"))):
            rows = as_rows(rows)
            active = {(f"{int(r['vm_id'], 16):012x}", int(r["vm_port"]),
                       int(r["dp_id"], 16), int(r["dp_port"]))
                      for r in rows if r.get("state") == ACTIVE}
            if active != wanted or len(rows) != len(wanted):
                states = sorted({str(r.get("state")) for r in rows})
                raise Failed(f"{source}: {len(active)} of {len(wanted)} rows active "
                             f"({len(rows)} rows: {', '.join(states)})")
        return f"{len(wanted)} rows active, in rfctl and in the store"

    # ---- 2: links and virtual links ----

    def links(self, down=()):
        wanted = set()
        for a, b in [(link.a, link.b) for link in self.topology.switch_links()
                     if link not in down] + self.topology.inside:
            wanted |= {(a.switch.dpid, a.number, b.switch.dpid, b.number),
                       (b.switch.dpid, b.number, a.switch.dpid, a.number)}
        found = set()
        for row in as_rows(self.lab.daemons.show("links")):
            found |= link_directions(row)
        if found != wanted:
            raise Failed(f"missing {sorted(wanted - found)}, "
                         f"too many {sorted(found - wanted)}")
        segments = self.segments(down)
        return f"{len(wanted) // 2} links, {len(wanted)} directions" + (
            f"; {segments}" if segments else "")

    def members(self, down=()):
        """{segment: its ports that are up}, of those that the plane closes."""
        dead = {cable.a for cable in down}
        found = {segment: [port for port in segment.ports if port not in dead]
                 for segment in self.topology.segments if not segment.is_mixed}
        return {segment: ports for segment, ports in found.items() if len(ports) > 1}

    def segments(self, down=()):
        wanted = sorted(sorted((port.switch.dpid, port.number) for port in ports)
                        for ports in self.members(down).values())
        found = {}
        for row in as_rows(self.lab.daemons.show("links")):
            if "segment" in row and row["virtual"] == "installed":
                found.setdefault(row["segment"], []).append(
                    (int(row["a_dp_id"], 16), row["a_dp_port"]))
        if sorted(map(sorted, found.values())) != wanted:
            raise Failed(f"segments {sorted(found.values())}, wanted {wanted}")
        return f"{plural(len(wanted), 'segment')} of {sum(map(len, wanted))} ports" \
            if self.topology.segments else ""

    def virtual_links(self, down=()):
        wanted = set()
        groups = [(link.a, link.b) for link in self.topology.switch_links()
                  if link not in down] + list(self.members(down).values())
        for ports in groups:
            numbers = [port.node.rfvs_base + port.number for port in ports]
            wanted |= {(a, b) for a in numbers for b in numbers if a != b}
        found, odd = set(), []
        for flow in self.flows(RFVS_BRIDGE):
            if not flow.outputs:
                continue
            if "in_port" in flow.match and all(map(str.isdigit, flow.outputs)):
                found |= {(int(flow.match["in_port"]), int(to)) for to in flow.outputs}
            else:
                odd.append(f"{flow.match} -> {flow.outputs}")
        if odd:
            raise Failed("entries that are no virtual link: " + some(odd))
        if found != wanted:
            raise Failed(f"missing {sorted(wanted - found)}, "
                         f"too many {sorted(found - wanted)}")
        for switch in self.topology.switches():
            for flow in self.flows(switch.name):
                if any(not port.isdigit() for port in flow.outputs):
                    raise Failed(f"switch {switch.name} floods: {flow.outputs}")
        return f"{plural(len({a for a, _ in found}), 'virtual-link entry')}"

    def planes(self):
        return f"{self.links()}; {self.virtual_links()}"

    # ---- 3: OSPF and the kernels ----

    def adjacencies(self, down=()):
        total = 0
        for node in self.topology.nodes:
            text = self.lab.containers.run(node, "vtysh", "-c",
                                           "show ip ospf neighbor json").stdout
            wanted = {(str(port.peer.address.ip), port.vm_interface)
                      for port in node.ports if port.peer and not
                      any(port in (link.a, link.b) for link in down)}
            full = set()
            for entries in json.loads(text)["neighbors"].values():
                full |= {(e.get("ifaceAddress") or e.get("address"),
                          e["ifaceName"].split(":")[0])
                         for e in entries if (e.get("nbrState") or e["state"])
                         .startswith("Full")}
            if full != wanted:
                raise Failed(f"{node.vm}: Full {sorted(full)}, wanted {sorted(wanted)}")
            total += len(full)
        return f"{total} adjacencies Full"

    def kernel_equals_reference(self, down=()):
        count = multipath = 0
        for name, wanted in oracle.routes(self.topology, down).items():
            node = self.topology.node(name)
            wanted = {str(network): hops for network, hops in wanted.items()}
            have = self.kernel_routes(node)
            if have != wanted:
                wrong = [f"{net}: {sorted(have.get(net, ()))} not "
                         f"{sorted(wanted.get(net, ()))}"
                         for net in sorted(have.keys() | wanted.keys())
                         if have.get(net) != wanted.get(net)]
                raise Failed(f"{node.vm}: " + some(wrong))
            count += len(wanted)
            multipath += sum(len(hops) > 1 for hops in wanted.values())
        if not count:
            return "connected networks only"
        return f"{plural(count, 'route')} as computed, {multipath} of them multipath"

    # ---- 4: the switches ----

    def fib_equals_kernel(self):
        routes, single, neighbours, groups = (
            sum(column) for column in zip(*map(self._fib_of, self.topology.nodes)))
        return (plural(routes, "route") + (f" ({single} ECMP by one hop)" if single else "")
                + f" and {plural(neighbours, 'neighbour')} by {plural(groups, 'group')} on "
                + plural(len(self.topology.nodes), "switch"))

    def _fib_of(self, node):
        """Counts of (routes, those of them by one hop of several, neighbours, groups)."""
        flows = [f for f in self.flows(node.name) if f.table == FIB_TABLE]
        groups = self.groups(node.name)
        routes = self.kernel_routes(node)
        macs = {entry["dst"]: entry["lladdr"]
                for entry in self.kernel(node, "-4", "neigh") if entry.get("lladdr")}
        connected = [port.address.network for port in node.ports]
        seen, priorities, single = {}, {}, 0
        for flow in flows:
            if flow.outputs:
                raise Failed(f"{node.name}: {flow.match} outputs without a group")
            if flow.network is None or flow.network.version == 6:
                continue
            if priorities.setdefault(flow.network.prefixlen, flow.priority) \
                    != flow.priority:
                raise Failed(f"{node.name}: /{flow.network.prefixlen} has two priorities")
            if flow.group is None:
                continue
            network = str(flow.network)
            if network in seen:
                raise Failed(f"{node.name}: two flows for {network}")
            seen[network] = flow
            if flow.group not in groups:
                raise Failed(f"{node.name}: {network} has no group {flow.group}")
            buckets = groups[flow.group].hops
            if network in routes:
                wanted = {self._bucket(node, device, macs.get(gateway))
                          for gateway, device in routes[network]}
                if len(wanted) > 1 and len(buckets) == 1 and buckets < wanted:
                    single += 1
                elif buckets != wanted:
                    raise Failed(f"{node.name}: {network}: {buckets}, wanted {wanted}")
            elif not any(flow.network.subnet_of(net) for net in connected) \
                    or len(buckets) != 1 or not self._is_neighbour(node, flow.network,
                                                                   buckets, macs):
                raise Failed(f"{node.name}: a flow for {network}, which is no route")
        if routes.keys() - seen.keys():
            raise Failed(f"{node.name}: no flow for {sorted(routes.keys() - seen.keys())}")
        ordered = [priority for _, priority in sorted(priorities.items())]
        if ordered != sorted(set(ordered)):
            raise Failed(f"{node.name}: priorities do not grow with length: {priorities}")
        return len(routes), single, len(seen) - len(routes), len(groups)

    @staticmethod
    def _bucket(node, device, mac):
        port = node.port(int(device.removeprefix("eth")))
        return Bucket(port.mac, mac, True, str(port.number))

    def _is_neighbour(self, node, network, buckets, macs):
        if network.prefixlen != network.max_prefixlen:
            return False
        mac = macs.get(str(network.network_address))
        port = next(p for p in node.ports if network.subnet_of(p.address.network))
        return buckets == {self._bucket(node, port.vm_interface, mac)}

    def ttl_and_macs(self):
        seen = []
        for source, target in self.topology.pairs():
            if source is not self.topology.hosts[0] and len(self.topology.hosts) > 2:
                continue  # One source; all pairs would only take longer.
            routers = {len(path) for path in
                       oracle.paths(self.topology, source, target)}
            echoes = list(pcap.echo_requests(self.probes.capture_pings(source, target)))
            if not echoes:
                raise Failed(f"{target.name} sees no echo request of {source.name}")
            eth_src, _, ttl, *_ = echoes[0]
            if 64 - ttl not in routers:
                raise Failed(f"{source.name}->{target.name}: TTL {ttl} after "
                             f"{sorted(routers)} routers")
            if eth_src != target.port.mac:
                raise Failed(f"{source.name}->{target.name}: from {eth_src}, not from "
                             f"the router {target.port.mac}")
            seen.append(f"{source.name}->{target.name} TTL {ttl}")
        return ", ".join(seen) + "; the router's MAC"

    # ---- 5: traffic ----

    def reached(self):
        result = self.probes.ping_all(wait=2)
        lost = [pair for pair, ms in result.items() if ms is None]
        if lost:
            raise Failed(f"{len(result) - len(lost)} of {len(result)} pairs; lost "
                         + pairs(lost))
        return f"{len(result)} of {len(result)} pairs"

    def pings(self):
        words = self.reached()
        slowest = max(self.probes.ping_all(wait=2).values())
        return f"{words}, at most {slowest:.1f} ms"

    def traceroutes(self):
        for source, target in self.topology.pairs():
            wanted = [[str(port.address.ip) for port in path] + [str(target.address.ip)]
                      for path in oracle.paths(self.topology, source, target)]
            have = self.probes.traceroute(source, target)
            if have not in wanted and not mixed(have, wanted):
                raise Failed(f"{source.name}->{target.name}: {' '.join(have)}; wanted "
                             + " or ".join(" ".join(path) for path in wanted))
        return f"{len(self.topology.pairs())} pairs, each hop answers in its own name"

    def tcp(self):
        hosts = self.topology.hosts
        source, target = (hosts[1], hosts[2]) if len(hosts) > 2 else hosts[:2]
        intact, seconds = self.probes.tcp(source, target)
        if not intact:
            raise Failed("the bytes that arrived are others")
        return f"10 MB {source.name}->{target.name} intact in {seconds:.1f} s"

    # ---- 6: silence on the real links ----

    def silence(self):
        converged = self.lab.state.get("converged")
        if converged:
            time.sleep(max(0, converged + QUIET_SECONDS - time.time()))
        lldp, leaks = 0, []
        for link in self.topology.links:
            data = self.lab.network.capture_file(link).read_bytes()
            seen = pcap.count(data, self.topology.host_networks())
            if not seen["LLDP"]:
                raise Failed(f"{link.name}: not even LLDP in its capture")
            lldp += seen.pop("LLDP")
            seen.pop("host data", None)
            leaks += [f"{link.name}: {count} {name}" for name, count in seen.items()]
        if leaks:
            raise Failed(some(leaks))
        since = time.time() - self.lab.state["started"]
        return f"in {since:.0f} s only {lldp} LLDP frames and host data"

    def leak_counter(self):
        status = self.lab.daemons.show("status")
        value = find_key(status, "leaks")
        if value is None:
            raise Failed("rfctl show status has no leak counter")
        if value != 0:
            raise Failed(f"rfctl counts {value} leaked frames")
        return "0 leaked frames"

    # ---- 7: a link fails and comes back ----

    def carrier(self, port):
        link, = self.kernel(port.node, "link", "show", "dev", port.vm_interface)
        return "LOWER_UP" in link["flags"]

    def settled(self, down=()):
        """All that must hold with these links down; raises Failed with what does not."""
        self.links(down)
        self.virtual_links(down)
        for link in self.topology.links:
            for port in (link.a, link.b):
                if self.carrier(port) == (link in down):
                    raise Failed(f"{port.node.vm} {port.vm_interface}: carrier is "
                                 + ("up" if link in down else "down"))
        self.adjacencies(down)
        self.kernel_equals_reference(down)
        self.fib_equals_kernel()
        self.reached()

    def failover(self, name=None):
        """Rows of taking a link down and putting it back."""
        link = self.topology.link(name) if name else self.topology.links[-1]
        rows = []
        for up, what in ((False, "down"), (True, "up")):
            with Streams(self.probes) as streams:
                time.sleep(1.0)  # Beside which losses stand out as the failure's.
                cut = self.lab.network.set_link(link, up)
                row = self.row(f"7 link {link.name} {what}: routed anew",
                               lambda: self.settled(() if up else (link,)), 20)
                settled = time.monotonic() - cut
                flows = streams.stop()
            if row.passed:
                row.measured = f"RFVS pair, carrier, OSPF, switches in {settled:.1f} s"
            rows += [row, self._outage_row(link, what, flows, cut)]
            if not up and not row.passed:
                self.lab.network.set_link(link, True)
                break
        return rows

    @staticmethod
    def _outage_row(link, what, flows, cut):
        title = f"7 link {link.name} {what}: last pair restored"
        outages = {pair: outage(flows[pair], cut) for pair in flows}
        dead = [pair for pair, ms in outages.items() if ms is None]
        if dead:
            return Row(title, False, "nothing arrives any more: " + pairs(dead))
        gone = {pair: lost(seen, cut - 0.02) for pair, seen in flows.items()}
        if not any(gone.values()):
            return Row(title, True, f"0 ms: none of {len(flows)} pairs lost a packet")
        restored, pair = max((ms[0], pair) for pair, ms in outages.items())
        hit = sum(count > 0 for count in gone.values())
        return Row(title, True, f"{restored:.0f} ms ({'->'.join(pair)}); longest gap "
                   f"{max(ms[1] for ms in outages.values()):.0f} ms; {hit} of {len(flows)} "
                   f"pairs lost {plural(sum(gone.values()), 'packet')}")

    # ---- all of them ----

    def row(self, what, check, timeout):
        """Repeats a check until it holds or the time is up."""
        words = ""

        def holds():
            nonlocal words
            try:
                words = check() or ""
                return True
            except KeyError as error:
                words = f"{error} is missing"
            except (Failed, LabError, ValueError) as error:
                words = str(error)
            return False

        try:
            return Row(what, wait_for(what, holds, timeout, 0.1), words)
        except LabError:
            return Row(what, False, words)

    def checks(self):
        """(title, check, seconds that it may take)"""
        rows = [("1 associations active, in rfctl and store", self.associations, 15)]
        if self.topology.links:
            rows += [("2 links confirmed in both directions", self.links, 10)]
        rows += [("2 RFVS: virtual links only, no flood", self.virtual_links, 10)]
        if self.topology.routing:
            rows += [("3 OSPF adjacencies Full", self.adjacencies, 15)]
        rows += [("3 kernel routes as in a plain network", self.kernel_equals_reference, 15),
                 ("4 switch tables equal kernel routes", self.fib_equals_kernel, 10),
                 ("4 TTL and MAC addresses at the far host", self.ttl_and_macs, 5),
                 ("5 ping between all hosts", self.pings, 15),
                 ("5 traceroute shows each router", self.traceroutes, 30),
                 ("5 TCP", self.tcp, 0)]
        if self.topology.links:
            rows += [("6 nothing virtual on the real links", self.silence, 0)]
        return rows + [("6 leak counter", self.leak_counter, 5)]

    def all(self, report):
        """Runs every check; hands each Row to `report`; True if all hold."""
        passed = True

        def hand_over(row):
            nonlocal passed
            passed = passed and row.passed
            report(row)

        for title, check, timeout in self.checks():
            hand_over(self.row(title, check, timeout))
        if self.topology.links:
            for row in self.failover():
                hand_over(row)
            hand_over(self.row("7 still nothing virtual on the real links",
                               self.silence, 0))
            hand_over(self.row("7 leak counter", self.leak_counter, 0))
        return passed


def mixed(have, wanted):
    """Whether each hop is on some path: ECMP may send each probe another way."""
    return any(len(path) == len(have) for path in wanted) and all(
        any(len(path) == len(have) and path[i] == hop for path in wanted)
        for i, hop in enumerate(have))


def as_rows(document):
    """rfctl gives a list, or a document whose one list it is."""
    if isinstance(document, list):
        return document
    return next((value for value in document.values() if isinstance(value, list)), [])


def find_key(document, key):
    """The sum of all numbers under this key, however deep; None if there is none."""
    found = []

    def walk(value):
        if isinstance(value, dict):
            for name, inner in value.items():
                if name == key and isinstance(inner, (int, float)):
                    found.append(inner)
                else:
                    walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(document)
    return sum(found) if found else None


def link_directions(row):
    """{(dp, port, dp, port)} of one row of `rfctl show links --json`; none of a member of
    a segment."""
    if "segment" in row:
        return set()
    a = (int(row["a_dp_id"], 16), row["a_dp_port"])
    b = (int(row["b_dp_id"], 16), row["b_dp_port"])
    return {ends for ends, seen in ((a + b, row["a_to_b"]), (b + a, row["b_to_a"])) if seen}
