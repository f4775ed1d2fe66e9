"""Settings of single links, for any map: `scripts/lab up FILE --links SETTINGS`.

A CSV file whose first line names the columns; " #" begins a comment:

    node,node,index,cost,mtu
    n1,n2,,50,1400          # a node is n1, its container rfvm1, or its label
    Chicago,Denver,2,,1280  # of parallel links the second; without it, all of them
    Rio#2,"Lima, Peru",,7,  # a "#" inside a word is part of it; a "," wants quotes

`cost` is what OSPF and IS-IS add up, 1..65535; `mtu` is what fits through the link, in
octets.  What is left empty stays as it is, and so does each link that is not named.
Later lines win.  All faults are told at once, each as file:line:column.
"""

import copy
import re
from pathlib import Path

from . import graphfile
from .system import LabError

COLUMNS = ("node", "node", "index", "cost", "mtu")
LIMITS = {"index": (1, 64), "cost": (1, 65535), "mtu": (576, 9000)}
IPV6_MIN_MTU = 1280  # RFC 8200, 5.
QUOTED = r'"((?:[^"]|"")*)"'
COMMENT = re.compile(rf"({QUOTED})|(?:^|(?<=\s))#.*")
FIELD = re.compile(rf"(?P<blanks>\s*)(?:{QUOTED}\s*|([^,]*))(,|$)")


def apply(path, topology):
    """The topology's document with what the file says of its links."""
    try:
        text = graphfile.decode(Path(path).read_bytes())
    except OSError as error:
        raise LabError(f"{path}: {error.strerror}")
    except graphfile.MapError as error:
        raise LabError(f"{path}:{error.line}: {error}")
    document, faults = settle(text, topology)
    if faults:
        raise LabError("\n".join(f"{path}:{line}:{column}: {what}"
                                 for line, column, what in faults))
    return document


def settle(text, topology):
    """(document, [(line, column, what is wrong)])"""
    reader = _Reader(topology)
    for number, line in enumerate(text.splitlines(), 1):
        fields = _fields(line)
        if any(word for word, _ in fields):
            reader.line(number, fields)
    if not reader.columns:
        reader.fault(1, 1, f"a first line was expected: {','.join(COLUMNS)}")
    return reader.document, reader.faults


def _fields(line):
    """[(text, column)]"""
    line = COMMENT.sub(lambda found: found[1] or "", line)
    found, at, more = [], 0, ","
    while more:
        field = FIELD.match(line, at)
        _, quoted, bare, more = field.groups()
        found.append((bare.strip() if quoted is None else quoted.replace('""', '"'),
                      field.end("blanks") + 1))
        at = field.end()
    return found


class _Reader:
    def __init__(self, topology):
        self.topology = topology
        self.document = copy.deepcopy(topology.document)
        self.faults = []
        self.columns = None
        self.nodes = topology.nodes_by_word()

    def fault(self, line, column, what):
        self.faults.append((line, column, what))

    def line(self, number, fields):
        if self.columns is None:
            self._head(number, fields)
            return
        if len(fields) != len(self.columns):
            column = fields[-1][1] if len(fields) < len(self.columns) \
                else fields[len(self.columns)][1]
            self.fault(number, column, f"{len(fields)} fields where the first line has "
                       f"{len(self.columns)}")
            return
        ends = [self._node(number, *field) for field in fields[:2]]
        values = {name: self._number(number, name, *field)
                  for name, field in zip(self.columns[2:], fields[2:])}
        if None not in ends:
            self._set(number, fields, ends, values)

    def _head(self, number, fields):
        self.columns = names = [word.lower() for word, _ in fields]
        if names[:2] != ["node", "node"]:
            self.fault(number, 1, f"the first line names the columns, node,node and some "
                       f"of {','.join(COLUMNS[2:])}")
        for at, (word, column) in enumerate(fields[2:], 2):
            if names[at] not in COLUMNS[2:] or names[at] in names[2:at]:
                self.fault(number, column, f"column {word} is unknown, or there twice")

    def _node(self, number, word, column):
        node = self.nodes.get(word)
        if node is None:
            self.fault(number, column, f'there is no node "{word}"')
        return node

    def _number(self, number, name, word, column):
        if not word or name not in LIMITS:
            return None
        least, most = LIMITS[name]
        if name == "mtu" and self.topology.ipv6:
            least = IPV6_MIN_MTU
        if not word.isascii() or not word.isdigit() or not least <= int(word) <= most:
            self.fault(number, column, f"{name} {word} is none of {least}..{most}")
            return None
        return int(word)

    def _set(self, number, fields, ends, values):
        index, links = values.pop("index", None), [
            (place, link) for place, link in enumerate(self.topology.links)
            if {link.a.node, link.b.node} == set(ends)]
        chosen = [place for place, link in links if index in (None, link.serial)]
        if not chosen:
            column = fields[self.columns.index("index")][1] if index and links \
                else fields[1][1]
            self.fault(number, column, f"there is no link {fields[0][0]}-{fields[1][0]}"
                       + (f" number {index}" if index and links else ""))
        for place in chosen:
            self.document["links"][place].update(
                {name: value for name, value in values.items() if value is not None})
