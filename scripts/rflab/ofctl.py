"""Reads what `ovs-ofctl -O OpenFlow13 --no-names dump-flows|dump-groups` prints."""

import ipaddress
import re
from dataclasses import dataclass


ETHERNET_HEADER = 14


@dataclass(frozen=True)
class Flow:
    table: int
    priority: int
    cookie: int
    match: dict
    actions: tuple

    @property
    def network(self):
        """The destination prefix that it matches, or None."""
        value = self.match.get("nw_dst") or self.match.get("ipv6_dst")
        if self.match in ({"ip": True}, {"ipv6": True}):
            value = "::/0" if "ipv6" in self.match else "0.0.0.0/0"
        return ipaddress.ip_network(value) if value else None

    @property
    def group(self):
        """The group that it sends to, or None."""
        for action in self.actions:
            found = re.fullmatch(r"group:(\d+)|write_actions\(group:(\d+)\)", action)
            if found:
                return int(found[1] or found[2])
        return None

    @property
    def mtu(self):
        """The longest packet that it lets go that way, or None for any."""
        for action in self.actions:
            found = re.match(r"check_pkt_larger\((\d+)\)", action)
            if found:
                return int(found[1]) - ETHERNET_HEADER
        return None

    @property
    def outputs(self):
        """Ports that it names itself: numbers, or words such as FLOOD."""
        found = []
        for action in self.actions:
            word = action.removeprefix("output:").removeprefix("enqueue:")
            if word != action and not word.startswith("CONTROLLER"):
                found.append(word)
            elif action.split("(")[0].upper() in ("NORMAL", "FLOOD", "ALL", "IN_PORT",
                                                  "LOCAL", "TABLE"):
                found.append(action.split("(")[0].upper())
        return found


@dataclass(frozen=True)
class Bucket:
    eth_src: str
    eth_dst: str
    dec_ttl: bool
    output: str


@dataclass(frozen=True)
class Group:
    number: int
    kind: str
    buckets: tuple

    @property
    def hops(self):
        """The buckets that are used while no port is down."""
        return set(self.buckets[:1] if self.kind == "ff" else self.buckets)


def split_actions(text):
    """Splits at commas, but not at those inside parentheses."""
    parts, depth, start = [], 0, 0
    for i, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return tuple(part.strip() for part in parts + [text[start:]] if part.strip())


def parse_flows(text):
    return [_parse_flow(line.strip()) for line in text.splitlines() if "actions=" in line]


def _parse_flow(line):
    head, _, actions = line.partition("actions=")
    table, priority, cookie, match = 0, 32768, 0, {}
    for item in filter(None, re.split(r"[,\s]+", head)):
        key, equals, value = item.partition("=")
        if key == "table":
            table = int(value)
        elif key == "priority":
            priority = int(value)
        elif key == "cookie":
            cookie = int(value, 16)
        elif key in ("duration", "n_packets", "n_bytes", "idle_timeout", "hard_timeout",
                     "idle_age", "hard_age", "importance", "send_flow_rem",
                     "check_overlap", "reset_counts", "no_packet_counts",
                     "no_byte_counts"):
            continue
        else:
            match[key] = value if equals else True
    return Flow(table, priority, cookie, match, split_actions(actions))


def parse_groups(text):
    """{group number: Group}"""
    groups = {}
    for line in text.splitlines():
        found = re.match(r"\s*group_id=(\d+),type=([a-z_]+)(.*)", line)
        if found:
            number, kind, rest = int(found[1]), found[2], found[3]
            buckets = tuple(_parse_bucket(b) for b in rest.split(",bucket=")[1:])
            groups[number] = Group(number, kind, buckets)
    return groups


def _parse_bucket(text):
    fields, output, dec_ttl = {}, None, False
    for action in split_actions(text.partition("actions=")[2]):
        rewrite = re.fullmatch(r"set_field:([0-9a-f:]+)->eth_(src|dst)", action)
        if rewrite:
            fields[rewrite[2]] = rewrite[1]
        elif action.startswith("dec_ttl"):
            dec_ttl = True
        elif action.startswith("output:"):
            output = action.removeprefix("output:")
    return Bucket(fields.get("src"), fields.get("dst"), dec_ttl, output)
