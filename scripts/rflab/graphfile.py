"""Reads a network's map: GML and GraphML as the Internet Topology Zoo has them.

Real maps hold what a router network cannot, or what names cannot.  Each case is handled
and told as a note that names the line, or refused with an error that does:

    parallel links          kept, each is a link
    self-loop               left out, noted
    directed, both ways     one link (a directed map draws each direction)
    duplicate label         both kept; the later gets "#2", noted
    node without label      its id is its label
    node without links      kept, with its host alone, noted
    disconnected parts      kept; hosts reach each other within their part, noted
    node of kind "l2"       a plain switch: what it joins is one segment (bridge "ovs": an
                            Open vSwitch, else one of the kernel); several that are linked
                            are one; a second link of the same router to it is left out
    node of kind "legacy"   a router that is no OpenFlow switch, without a host
    id missing or twice, link to a node that is not there, cost out of range, no node,
    text that is not of the format: refused

Pure but for load(); knows nothing of switches and addresses.
"""

import html
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from .system import LabError

MAX_COST = 65535


@dataclass
class Place:
    """A node of the map."""

    label: str
    line: int = 0
    host: bool = True
    id: str = ""
    legacy: bool = False


@dataclass
class Span:
    """A link of the map, between two indices of Graph.places."""

    a: int
    b: int
    cost: int = None
    line: int = 0


@dataclass
class Hub:
    """A plain switch, and what is plugged into it: (index of Graph.places, cost)."""

    label: str
    line: int = 0
    bridge: str = "linux"
    ends: list = field(default_factory=list)


@dataclass
class Graph:
    name: str
    places: list = field(default_factory=list)
    spans: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    hubs: list = field(default_factory=list)

    def neighbours(self):
        """For each place the set of those that it reaches in one step."""
        found = [set() for _ in self.places]
        pairs = [(span.a, span.b) for span in self.spans]
        for hub in self.hubs:
            ends = [end for end, _ in hub.ends]
            pairs += [(a, b) for a in ends for b in ends if a < b]
        for a, b in pairs:
            found[a].add(b)
            found[b].add(a)
        return found

    def parts(self):
        """The connected parts, each a sorted list of indices; the largest first."""
        neighbours = self.neighbours()
        parts, seen = [], set()
        for start in range(len(self.places)):
            if start in seen:
                continue
            part, queue = {start}, [start]
            while queue:
                for other in neighbours[queue.pop()] - part:
                    part.add(other)
                    queue.append(other)
            seen |= part
            parts.append(sorted(part))
        return sorted(parts, key=lambda part: (-len(part), part))


class MapError(Exception):
    """What is wrong, and in which line."""

    def __init__(self, line, what):
        super().__init__(what)
        self.line = line


@dataclass
class Raw:
    """What both formats come down to, before it is looked at."""

    nodes: list = field(default_factory=list)  # (id, {attribute: text}, line)
    edges: list = field(default_factory=list)  # (source, target, {…}, line)
    attributes: dict = field(default_factory=dict)
    directed: bool = False


def load(path):
    """The Graph in a file; LabError names file, line and fault."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LabError(f"{path}: {error.strerror}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    try:
        if re.match(r"\s*<", text):
            raw = read_graphml(data)
        else:
            raw = read_gml(text)
        graph = build(raw)
    except MapError as error:
        raise LabError(f"{path}:{error.line}: {error}")
    graph.name = path.stem
    graph.notes = [f"{path.name}:{line}: {what}" if line else f"{path.name}: {what}"
                   for line, what in graph.notes]
    return graph


# ---- GML ----

GML_TOKEN = re.compile(r"""(?P<space>\s+|\#[^\n]*)
    |(?P<open>\[)|(?P<close>\])
    |(?P<text>"[^"]*")|(?P<word>[^\s\[\]"]+)""", re.VERBOSE)


def gml_tokens(text):
    at, line = 0, 1
    while at < len(text):
        found = GML_TOKEN.match(text, at)
        if not found:
            raise MapError(line, "a text that begins here has no end")
        if found.lastgroup != "space":
            yield found.lastgroup, found[0], line
        line += found[0].count("\n")
        at = found.end()
    yield "end", "", line


def gml_list(tokens, opened):
    """[(key, value, line)] up to the closing bracket; a value may be such a list."""
    items = []
    while True:
        kind, key, line = next(tokens)
        if kind == "close" and opened or kind == "end" and not opened:
            return items
        if kind == "end":
            raise MapError(opened, "the list that begins here has no end")
        if kind != "word" or not key[0].isalpha():
            raise MapError(line, f"a key was expected, not {key}")
        kind, value, _ = next(tokens)
        if kind == "open":
            items.append((key, gml_list(tokens, line), line))
        elif kind == "text":
            items.append((key, html.unescape(value[1:-1]), line))
        elif kind == "word":
            items.append((key, value, line))
        else:
            raise MapError(line, f"{key} has no value")


def read_gml(text):
    top = gml_list(gml_tokens(text), 0)
    graphs = [(value, line) for key, value, line in top if key.lower() == "graph"]
    if len(graphs) != 1 or not isinstance(graphs[0][0], list):
        raise MapError(graphs[1][1] if len(graphs) > 1 else 1,
                       f"{len(graphs)} graphs where one was expected")
    raw = Raw()
    for key, value, line in graphs[0][0]:
        if isinstance(value, str):
            raw.attributes[key] = value
            continue
        fields = {k: v for k, v, _ in value if isinstance(v, str)}
        if key == "node":
            raw.nodes.append((fields.get("id"), fields, line))
        elif key == "edge":
            raw.edges.append((fields.get("source"), fields.get("target"), fields, line))
    raw.directed = raw.attributes.get("directed") == "1"
    return raw


# ---- GraphML ----

def read_graphml(data):
    raw, names = Raw(), {}
    graphs, element, key, words = 0, None, None, ""
    parser = expat.ParserCreate(namespace_separator=" ")

    def start(tag, attributes):
        nonlocal graphs, element, key, words
        tag = tag.rpartition(" ")[2]
        line = parser.CurrentLineNumber
        if tag == "graph":
            graphs += 1
            if graphs > 1:
                raise MapError(line, "a second graph, or one inside a node")
            raw.directed = attributes.get("edgedefault") == "directed"
        elif tag == "key":
            names[attributes.get("id")] = attributes.get("attr.name",
                                                         attributes.get("id"))
        elif tag == "node":
            element = {}
            raw.nodes.append((attributes.get("id"), element, line))
        elif tag == "edge":
            element = {}
            raw.edges.append((attributes.get("source"), attributes.get("target"),
                              element, line))
        elif tag == "hyperedge":
            raise MapError(line, "links of more than two ends are not supported")
        elif tag == "data":
            key, words = names.get(attributes.get("key"), attributes.get("key")), ""

    def end(tag):
        nonlocal element, key
        tag = tag.rpartition(" ")[2]
        if tag in ("node", "edge"):
            element = None
        elif tag == "data" and key is not None:
            (raw.attributes if element is None else element)[key] = words.strip()
            key = None

    def text(part):
        nonlocal words
        words += part

    def refuse(*_):
        raise MapError(parser.CurrentLineNumber, "entities of its own are not read")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.EntityDeclHandler = text, refuse
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise MapError(error.lineno, expat.errors.messages[error.code])
    if not graphs:
        raise MapError(1, "XML, but no GraphML: it has no graph")
    return raw


# ---- both ----

def attribute(fields, *names):
    """The value of the first of these attributes, whatever their case."""
    lower = {key.lower(): value for key, value in fields.items()}
    return next((lower[name] for name in names if lower.get(name)), None)


def build(raw):
    graph = Graph("")
    index = _places(graph, raw.nodes)
    _spans(graph, raw, index)
    _check_hubs(graph)
    linked = graph.neighbours()
    for number, place in enumerate(graph.places):
        if not linked[number] and len(graph.places) > 1:
            graph.notes.append((place.line, f'"{place.label}" has no links'))
    parts = [part for part in graph.parts() if len(part) > 1]
    if len(parts) > 1:
        graph.notes.append((0, "disconnected parts of " + ", ".join(
            str(len(part)) for part in parts)
            + " nodes; hosts reach each other within their part"))
    return graph


def _places(graph, nodes):
    if not nodes:
        raise MapError(1, "the graph has no nodes")
    if all(_kind(fields) == "l2" for _, fields, _ in nodes):
        raise MapError(1, "the graph has no routers")
    index, lines, labels = {}, {}, {}
    for ident, fields, line in nodes:
        if ident is None:
            raise MapError(line, "a node has no id")
        if ident in index:
            raise MapError(line, f"a second node with id {ident}; the first is in line "
                           f"{lines[ident]}")
        label = " ".join((attribute(fields, "label", "name") or ident).split())
        number = labels[label] = labels.get(label, 0) + 1
        if number > 1:
            first, label = label, f"{label}#{number}"
            while label in labels:
                label += "'"
            labels[label] = 1
            graph.notes.append((line, f'a node with the label "{first}" again; it is '
                                f'"{label}" here'))
        lines[ident] = line
        kind = _kind(fields)
        if kind == "l2":
            index[ident] = Hub(label, line, attribute(fields, "bridge") or "linux")
            if index[ident].bridge not in ("linux", "ovs"):
                raise MapError(line, f"bridge {index[ident].bridge} is none of linux, ovs")
            graph.hubs.append(index[ident])
            continue
        if kind not in ("router", "legacy"):
            graph.notes.append((line, f'kind "{kind}" of "{label}" is not known here: a '
                                "router like the others"))
        index[ident] = len(graph.places)
        legacy = kind == "legacy"
        graph.places.append(Place(label, line, not legacy, ident, legacy))
    return index


def _kind(fields):
    return (attribute(fields, "kind") or "router").lower()


def _spans(graph, raw, index):
    seen = Counter()  # Directed links whose way back was not met yet.
    for source, target, fields, line in raw.edges:
        for end, what in ((source, "source"), (target, "target")):
            if end is None:
                raise MapError(line, f"a link has no {what}")
            if end not in index:
                raise MapError(line, f"a link to node {end}, which is not there")
        a, b = index[source], index[target]
        if a == b:
            label = (a if isinstance(a, Hub) else graph.places[a]).label
            graph.notes.append((line, f'a link from "{label}" to itself is left out'))
            continue
        if isinstance(a, Hub) or isinstance(b, Hub):
            _plug(graph, index, (a, b), _cost(fields, line), line)
            continue
        if raw.directed and seen[b, a]:
            seen[b, a] -= 1
            continue
        seen[a, b] += 1
        graph.spans.append(Span(a, b, _cost(fields, line), line))


def _plug(graph, index, ends, cost, line):
    """A link of which one end, or both, is a plain switch."""
    a, b = ends if isinstance(ends[0], Hub) else ends[::-1]
    if isinstance(b, Hub):  # Together they are one.
        graph.hubs.remove(b)
        for end, its_cost in b.ends:
            _plug(graph, index, (a, end), its_cost, line)
        for ident, what in index.items():
            if what is b:
                index[ident] = a
    elif any(end == b for end, _ in a.ends):
        graph.notes.append((line, f'a link of "{graph.places[b].label}" to "{a.label}" '
                            "again is left out"))
    else:
        a.ends.append((b, cost))


def _check_hubs(graph):
    for hub in graph.hubs:
        if len(hub.ends) < 2:
            raise MapError(hub.line, f'"{hub.label}" is a plain switch, and joins '
                           f"{len(hub.ends)} routers where two at least were expected")


def _cost(fields, line):
    text = attribute(fields, "cost", "metric")
    if text is None:
        return None
    try:
        cost = float(text)
    except ValueError:
        cost = 0
    if cost != int(cost) or not 1 <= cost <= MAX_COST:
        raise MapError(line, f"cost {text} is none of 1..{MAX_COST}")
    return int(cost)
