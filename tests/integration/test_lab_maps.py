"""What scripts/lab reads: maps in GML and GraphML, as many programs write them.
No root is needed."""

import pytest

from mapfile import load, refusal
from rflab import graphfile
from rflab.system import CHECKOUT, LabError

ZOO = """# A comment
Creator "somebody"
graph [
  directed 0
  DateModifier "="
  node_default [
  ]
  node [
    id 0
    label "S&#227;o Paulo"
    Longitude -46.6
    Internal 1
  ]
  node [ id 1 label "Rio" ]
  node [ id 2 label "Rio" ]
  node [ id 3 label "" hyperedge 1 ]
  node [ id 4 label "Alone" ]
  edge [ source 0 target 1 LinkLabel "1 Gbit/s" ]
  edge [ source 0 target 1 ]
  edge [ source 1 target 1 ]
  edge [ source 2 target 3 cost 7 ]
]
"""


def test_gml_oddities_of_the_zoo_are_kept_or_noted_with_their_line(tmp_path):
    graph = load(tmp_path, ZOO)
    assert [p.label for p in graph.places] == ["São Paulo", "Rio", "Rio#2", "3", "Alone"]
    assert [(s.a, s.b, s.cost) for s in graph.spans] == [(0, 1, None), (0, 1, None),
                                                         (2, 3, 7)]
    assert graph.notes == [
        'map.gml:15: a node with the label "Rio" again; it is "Rio#2" here',
        'map.gml:20: a link from "Rio" to itself is left out',
        'map.gml:17: "Alone" has no links',
        "map.gml: disconnected parts of 2, 2 nodes; hosts reach each other within their part"]


@pytest.mark.parametrize("text, said", [
    ("graph [ node [ id 0 ] edge [ source 0 target 9 ] ]",
     "map.gml:1: a link to node 9, which is not there"),
    ("graph [\n node [ id 0 ]\n node [ id 0 ]\n]",
     "map.gml:3: a second node with id 0; the first is in line 2"),
    ("graph [\n node [ label \"x\" ]\n]", "map.gml:2: a node has no id"),
    ("graph [\n\n]", "map.gml:1: the graph has no nodes"),
    ("graph [\n node [ id 0 \n", "map.gml:2: the list that begins here has no end"),
    ("graph [\n node [ id 0 label \"x ]\n]\n",
     "map.gml:2: a text that begins here has no end"),
    ("graph [ node [ id 0 ] ]\n graph [ ]", "map.gml:2: 2 graphs where one was expected"),
    ("\n5 6", "map.gml:2: a key was expected, not 5; this is neither GML nor GraphML"),
    ("graph [ node [ id 0 ] ]\n]", "map.gml:2: a key was expected, not ]"),
    ("graph [\n node [ id 0 label \"\\\"x\\\"\" ] ]",
     "map.gml:2: a key was expected, not x\\"),
    ("hello", "map.gml:1: hello has no value"),
    ("\x89PNG\x1b[2J", "map.gml:1: a key was expected, not ?PNG?; this is neither GML nor "
     "GraphML"),
    ("strict graph {\n a -- b }", "map.gml:1: a key was expected, not {; this is neither GML "
     "nor GraphML"),
    ("", "map.gml:1: no graph [ ... ] in it; this is neither GML nor GraphML"),
    ("graph 5", "map.gml:1: no graph [ ... ] in it; this is neither GML nor GraphML"),
    ("graph " + "[ a " * 5000, "map.gml:1: more than 100 lists within each other"),
    (b"\x1f\x8b\x08\x00", "map.gml:1: packed by gzip; unpack it first"),
    ("graph [ node [ id 0 ] node [ id 1 ]\n edge [ source 0 target 1 cost 0 ] ]",
     "map.gml:2: cost 0 is none of 1..65535"),
    ("graph [ node [ id 0 ]\n edge [ source 0 ] ]", "map.gml:2: a link has no target"),
])
def test_gml_that_is_no_network_is_refused_with_its_line(tmp_path, text, said):
    assert refusal(tmp_path, text) == said


@pytest.mark.parametrize("cost", ["0", "65536", "2.5", "-3", "inf", "+INF", "NAN", "1e400",
                                  "1_0", ".", "ten"])
def test_a_cost_that_ospf_cannot_have_is_refused(tmp_path, cost):
    assert refusal(tmp_path, "graph [ node [ id 0 ] node [ id 1 ]\n"
                   f"edge [ source 0 target 1 cost {cost} ] ]") == \
        f"map.gml:2: cost {cost} is none of 1..65535"


@pytest.mark.parametrize("cost, number", [("1.0E2", 100), ("7.", 7), ("+5", 5)])
def test_costs_as_programs_write_them(tmp_path, cost, number):
    assert load(tmp_path, "graph [ node [ id 0 ] node [ id 1 ] edge [ source 0 target 1 "
                f"cost {cost} ] ]").spans[0].cost == number


TRIANGLE = """# Made by hand
graph [
  node [ id 0 label "Ä" ]
  node [ id -1 label b ]
  Node [ ID "x" ]
  edge [ source 0 target -1 ]
  EDGE [ Source -1 Target "x" ]
  edge [ source 0 target 9 ]
]
"""


@pytest.mark.parametrize("change", [
    lambda text: text.encode(),
    lambda text: b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode(),
    lambda text: text.replace("\n", "\r").encode(),
    lambda text: text.replace(" ", "\t").encode("utf-16"),
    lambda text: text.encode("latin-1")])
def test_gml_in_any_encoding_with_any_line_ends(tmp_path, change):
    assert refusal(tmp_path, change(TRIANGLE)) == \
        "map.gml:8: a link to node 9, which is not there"
    graph = load(tmp_path, change(TRIANGLE.replace("target 9", "target x")))
    assert [place.label for place in graph.places] == ["Ä", "b", "x"]
    assert [(span.a, span.b) for span in graph.spans] == [(0, 1), (1, 2), (0, 2)]


def test_labels_move_no_cursor_and_fit_on_a_line(tmp_path):
    graph = load(tmp_path, 'graph [ node [ id 0 label "a\tb\n c\x1b[2J" ]\n'
                 f'node [ id 1 label "{"x" * 300}" ] node [ id 2 label "  " ] ]')
    assert [place.label for place in graph.places] == ["a b c?[2J", "x" * 77 + "...", "2"]
    assert graph.notes[0] == "map.gml:3: a label of 300 characters is cut"


# As yEd 3 and yEd Live draw a node, with what does not matter left out.
YED = """<graphml xmlns="http://graphml.graphdrawing.org/xmlns" xmlns:y="urn:y">
  <key for="node" id="d6" yfiles.type="nodegraphics"/>
  <key for="all" id="d7" attr.name="label"/>
  <key for="edge" id="d8" attr.name="cost"><default>7</default></key>
  <graph edgedefault="directed" id="G">
    <node id="n0"><data key="d6"><y:ShapeNode>
      <y:NodeLabel>Core
Zürich<y:LabelModel>no word</y:LabelModel></y:NodeLabel>
      <y:NodeLabel>a second one</y:NodeLabel></y:ShapeNode></data></node>
    <node id="n1"><data key="d6"><y:Label><y:Label.Text><![CDATA[<b>]]></y:Label.Text>
      </y:Label></data><port name="p"><data key="d7">a port</data></port></node>
    <node id="n2"><data key="d7">given</data>
      <data key="d6"><y:NodeLabel>drawn</y:NodeLabel></data></node>
    <edge source="n0" target="n1" sourceport="p"/>
    <edge source="n1" target="n0"/>
    <edge source="n1" target="n2" directed="false"><data key="d8">9</data></edge>
    <edge source="n2" target="n1" directed="false"/>
  </graph>
</graphml>
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_graphml_of_yed_has_its_labels_defaults_and_directions(tmp_path, encoding):
    graph = load(tmp_path, YED.encode(encoding), "map.graphml")
    assert [place.label for place in graph.places] == ["Core Zürich", "<b>", "given"]
    assert [(span.a, span.b, span.cost) for span in graph.spans] == [
        (0, 1, 7), (1, 2, 9), (2, 1, 7)]


GRAPHML = """<?xml version="1.0" encoding="utf-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key attr.name="label" attr.type="string" for="node" id="d33" />
  <key attr.name="LinkLabel" attr.type="string" for="edge" id="d34" />
  <graph edgedefault="undirected">
    <data key="d0">x</data>
    <node id="0"><data key="d33">Wien</data></node>
    <node id="1"><data key="d33">Graz &amp; more</data></node>
    <edge source="0" target="1"><data key="d34">10G</data></edge>
    <edge source="1" target="0"/>
  </graph>
</graphml>
"""


def test_graphml_nodes_and_parallel_links(tmp_path):
    graph = load(tmp_path, GRAPHML, "map.graphml")
    assert [p.label for p in graph.places] == ["Wien", "Graz & more"]
    assert [(s.a, s.b) for s in graph.spans] == [(0, 1), (1, 0)]
    assert graph.notes == []


def test_a_directed_map_draws_each_link_twice(tmp_path):
    both = GRAPHML.replace("undirected", "directed")
    assert len(load(tmp_path, both, "map.graphml").spans) == 1
    twice = "graph [ directed 1 node [ id 0 ] node [ id 1 ] " + \
        "edge [ source 0 target 1 ] " * 2 + "edge [ source 1 target 0 ] " * 2 + "]"
    assert len(load(tmp_path, twice).spans) == 2


@pytest.mark.parametrize("change, said", [
    (("</graph>", ""), "map.graphml:12: mismatched tag"),
    (("</graph>\n</graphml>\n", ""), "map.graphml:11: the file ends too soon"),
    (("<edge source=\"1\" target=\"0\"/>", "<hyperedge/>"),
     "map.graphml:10: links of more than two ends are not supported"),
    (("</node>", "<graph/></node>"),
     "map.graphml:7: a second graph, or one inside a node (a group)"),
    (("graphml xmlns", "gexf xmlns"),
     "map.graphml:2: XML of another kind: gexf where graphml was expected"),
    (('target="0"', 'target="7"'), "map.graphml:10: a link to node 7, which is not there"),
    (("graph ", "tree "), "map.graphml:11: mismatched tag"),
    (("<?xml version=\"1.0\" encoding=\"utf-8\"?>",
      '<!DOCTYPE a [<!ENTITY b "c">]>'), "map.graphml:1: entities of its own are not read"),
])
def test_graphml_that_is_no_network_is_refused_with_its_line(tmp_path, change, said):
    assert refusal(tmp_path, GRAPHML.replace(*change), "map.graphml") == said


def test_text_in_latin1_and_missing_files(tmp_path):
    text = 'graph [ node [ id 0 label "Köln" ] ]'.encode("latin-1")
    assert load(tmp_path, text).places[0].label == "Köln"
    with pytest.raises(LabError, match="No such file"):
        graphfile.load(tmp_path / "none.gml")
    with pytest.raises(LabError, match="Is a directory"):
        graphfile.load(tmp_path)


@pytest.mark.parametrize("name, nodes, links", [
    ("abilene", 11, 14), ("nsfnet", 13, 15), ("garr199901", 16, 18)])
def test_the_maps_of_the_project(name, nodes, links):
    graph = graphfile.load(CHECKOUT / f"config/topologies/{name}.gml")
    assert (len(graph.places), len(graph.spans)) == (nodes, links)
    assert len(graph.parts()) == 1 and not graph.notes
