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
    label of yEd, in its drawing   taken, if the node has no other
    default of a GraphML key       the value where none is given
    group, hyperedge        refused
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
MAX_LABEL = 80
NUMBER = re.compile(r"\+?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
DRAWN = "label of the drawing"
MAX_DEPTH = 100
PACKED = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"BZh": "bzip2", b"\xfd7zXZ": "xz",
          b"\x28\xb5\x2f\xfd": "zstd"}


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
    edges: list = field(default_factory=list)  # (source, target, {…}, line, directed)
    attributes: dict = field(default_factory=dict)


def load(path):
    """The Graph in a file; LabError names file, line and fault."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LabError(f"{path}: {error.strerror}")
    try:
        text = decode(data)
        if re.match(r"\s*<", text):
            raw = read_graphml(data)
        else:
            raw = read_gml(text)
        graph = build(raw)
    except MapError as error:
        raise LabError(f"{path}:{error.line}: {printable(str(error))}")
    graph.name = path.stem
    graph.notes = [f"{path.name}:{line}: {what}" if line else f"{path.name}: {what}"
                   for line, what in graph.notes]
    return graph


def decode(data):
    """The text of a file, with lines that end in "\\n"."""
    for first, packer in PACKED.items():
        if data.startswith(first):
            raise MapError(1, f"packed by {packer}; unpack it first")
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else
                           "utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def printable(text, limit=200):
    """Without what would move a terminal's cursor, and not longer than a person reads."""
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= limit else text[:limit - 3] + "..."


# ---- GML ----

GML_TOKEN = re.compile(r"""(?P<space>\s+|\#[^\n]*)
    |(?P<open>\[)|(?P<close>\])
    |(?P<text>"[^"]*")|(?P<word>[^\s\[\]"]+)""", re.VERBOSE)
GML_KEY = re.compile(r"[^\W\d_][\w.:-]*")


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


def gml_list(tokens, opened, depth=0):
    """[(key, value, line)] up to the closing bracket; a value may be such a list.

    Keys are in lower case: some programs write Node and ID."""
    items = []
    if depth > MAX_DEPTH:
        raise MapError(opened, f"more than {MAX_DEPTH} lists within each other")
    while True:
        kind, key, line = next(tokens)
        if kind == "close" and opened or kind == "end" and not opened:
            return items
        if kind == "end":
            raise MapError(opened, "the list that begins here has no end")
        if kind != "word" or not GML_KEY.fullmatch(key):
            known = opened or any(name == "graph" for name, _, _ in items)
            raise MapError(line, f"a key was expected, not {printable(key, 40)}" + (
                "" if known else "; this is neither GML nor GraphML"))
        key = key.lower()
        kind, value, _ = next(tokens)
        if kind == "open":
            items.append((key, gml_list(tokens, line, depth + 1), line))
        elif kind == "text":
            items.append((key, html.unescape(value[1:-1]), line))
        elif kind == "word":
            items.append((key, value, line))
        else:
            raise MapError(line, f"{key} has no value")


def read_gml(text):
    top = gml_list(gml_tokens(text), 0)
    graphs = [(value, line) for key, value, line in top
              if key == "graph" and isinstance(value, list)]
    if not graphs:
        raise MapError(1, "no graph [ ... ] in it; this is neither GML nor GraphML")
    if len(graphs) > 1:
        raise MapError(graphs[1][1], f"{len(graphs)} graphs where one was expected")
    items = graphs[0][0]
    raw = Raw(attributes={key: value for key, value, _ in items if isinstance(value, str)})
    directed = raw.attributes.get("directed") == "1"
    for key, value, line in items:
        fields = {k: v for k, v, _ in value if isinstance(v, str)} \
            if isinstance(value, list) else {}
        if key == "node":
            raw.nodes.append((fields.get("id"), fields, line))
        elif key == "edge":
            raw.edges.append((fields.get("source"), fields.get("target"), fields, line,
                              directed))
    return raw


# ---- GraphML ----

# Elements of yEd and yFiles that hold what a person reads beside a node.
DRAWN_LABELS = ("NodeLabel", "Label.Text")


class GraphML:
    """What the elements of a file say, one after the other."""

    def __init__(self):
        self.raw = Raw()
        self.names = {}  # Id of a key -> the attribute's name.
        self.defaults = {"node": {}, "edge": {}}
        self.owners = [{}]  # Attributes of what we are in, the innermost last.
        self.path = []  # Names of the elements we are in.
        self.key = None  # Attributes of the <key>, or id of the key of the <data>.
        self.words = ""
        self.graphs = 0
        self.directed = False
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartElementHandler, self.parser.EndElementHandler = self.start, self.end
        self.parser.CharacterDataHandler = self.text
        self.parser.EntityDeclHandler = self.entity

    def start(self, tag, attributes):
        tag = tag.rpartition(" ")[2]
        line = self.parser.CurrentLineNumber
        if not self.path and tag != "graphml":
            raise MapError(line, f"XML of another kind: {tag} where graphml was expected")
        self.path.append(tag)
        if tag in ("graph", "node", "edge", "port"):
            self.owners.append({})
        if tag == "graph":
            self.graphs += 1
            if self.graphs > 1:
                raise MapError(line, "a second graph, or one inside a node (a group)")
            self.owners[-1] = self.raw.attributes
            self.directed = attributes.get("edgedefault") == "directed"
        elif tag == "node":
            self.raw.nodes.append((attributes.get("id"), self.owners[-1], line))
        elif tag == "edge":
            directed = attributes.get("directed")
            self.raw.edges.append((
                attributes.get("source"), attributes.get("target"), self.owners[-1], line,
                self.directed if directed is None else directed in ("true", "1")))
        elif tag == "hyperedge":
            raise MapError(line, "links of more than two ends are not supported")
        elif tag == "key":
            self.key = attributes
            self.names[attributes.get("id")] = attributes.get("attr.name",
                                                              attributes.get("id"))
        elif tag == "data":
            self.key = attributes.get("key")
        if tag in ("data", "default", *DRAWN_LABELS):
            self.words = ""

    def end(self, tag):
        tag = self.path.pop()
        words = self.words.strip()
        if tag == "data":
            self.owners[-1][self.names.get(self.key, self.key)] = words
        elif tag == "default" and self.path[-1] == "key":
            name = self.names[self.key.get("id")]
            for what in self.defaults:
                if self.key.get("for", "all") in (what, "all"):
                    self.defaults[what][name] = words
        elif tag in DRAWN_LABELS and "node" in self.path and words:
            self.owners[-1].setdefault(DRAWN, words)
        if tag in ("graph", "node", "edge", "port"):
            self.owners.pop()

    def text(self, part):
        # What follows the words of a label in its element is how to draw it.
        if self.path[-1] in ("data", "default", *DRAWN_LABELS):
            self.words += part

    def entity(self, *_):
        raise MapError(self.parser.CurrentLineNumber, "entities of its own are not read")

    def read(self, data):
        try:
            self.parser.Parse(data, True)
        except expat.ExpatError as error:
            what = expat.errors.messages[error.code]
            if what == expat.errors.XML_ERROR_NO_ELEMENTS:
                what = "the file ends too soon"
            raise MapError(error.lineno, what)
        if not self.graphs:
            raise MapError(1, "this GraphML has no graph")
        for what, things in (("node", self.raw.nodes), ("edge", self.raw.edges)):
            for thing in things:
                fields = thing[-2] if what == "node" else thing[-3]
                for name, words in self.defaults[what].items():
                    fields.setdefault(name, words)
        return self.raw


def read_graphml(data):
    return GraphML().read(data)


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
        words = " ".join((attribute(fields, "label", "name", DRAWN) or ident).split())
        label = printable(words or ident, MAX_LABEL)
        if len(words) > MAX_LABEL:
            graph.notes.append((line, f"a label of {len(words)} characters is cut"))
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
    for source, target, fields, line, directed in raw.edges:
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
        if directed and seen[b, a]:
            seen[b, a] -= 1
            continue
        seen[a, b] += directed
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
    cost = float(text) if NUMBER.fullmatch(text) else 0
    if not 1 <= cost <= MAX_COST or cost != int(cost):
        raise MapError(line, f"cost {text} is none of 1..{MAX_COST}")
    return int(cost)
