"""Networks that a word describes: ring:8, line:5, grid:4x3, fattree:4.

The fat-tree of k ports a switch (Al-Fares, Loukissas, Vahdat: A Scalable, Commodity Data
Center Network Architecture, 2008): k pods of k/2 edge and k/2 aggregation switches, and
(k/2)² core switches.
"""

import re

from .graphfile import Graph, Place, Span
from .system import LabError

SHAPES = "ring:N (3...), line:N (1...), grid:WxH, fattree:K (even)"


def is_shape(text):
    return bool(re.match(r"(ring|line|grid|fattree):", text))


def parse(text):
    kind, _, size = text.partition(":")
    found = re.fullmatch(r"(\d{1,4})x(\d{1,4})" if kind == "grid" else r"(\d{1,4})", size)
    numbers = [int(n) for n in found.groups()] if found else []
    smallest = {"ring": 3, "line": 1, "grid": 1, "fattree": 2}[kind]
    if not numbers or min(numbers) < smallest or kind == "fattree" and numbers[0] % 2:
        raise LabError(f"{text}: there are {SHAPES}")
    graph = {"ring": ring, "line": line, "grid": grid, "fattree": fattree}[kind](*numbers)
    graph.name = text.replace(":", "-")
    return graph


def _graph(labels, pairs):
    return Graph("", [Place(label) for label in labels],
                 [Span(a, b) for a, b in pairs])


def ring(n):
    return _graph([f"r{i + 1}" for i in range(n)], [(i, (i + 1) % n) for i in range(n)])


def line(n):
    return _graph([f"r{i + 1}" for i in range(n)], [(i, i + 1) for i in range(n - 1)])


def grid(width, height):
    at = {(x, y): y * width + x for y in range(height) for x in range(width)}
    pairs = [(at[x, y], at[nx, ny]) for x, y in at
             for nx, ny in ((x + 1, y), (x, y + 1)) if (nx, ny) in at]
    return _graph([f"r{x + 1}.{y + 1}" for x, y in at], pairs)


def fattree(k):
    half = k // 2
    core = [f"core{i + 1}" for i in range(half * half)]
    pods = [f"{kind}{pod + 1}.{i + 1}" for pod in range(k) for kind in ("agg", "edge")
            for i in range(half)]
    labels = core + pods
    at = {label: number for number, label in enumerate(labels)}
    pairs = []
    for pod in range(1, k + 1):
        for i in range(half):
            aggregation = at[f"agg{pod}.{i + 1}"]
            pairs += [(i * half + j, aggregation) for j in range(half)]
            pairs += [(aggregation, at[f"edge{pod}.{j + 1}"]) for j in range(half)]
    return _graph(labels, pairs)
