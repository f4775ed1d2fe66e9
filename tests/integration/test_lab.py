"""scripts/lab on real parts: small networks always, larger ones with RF_FULL=1
(scripts/test --full)."""

import os

import pytest

from rflab import graphfile, plan, shapes, topology
from rflab.labcheck import Checker
from rflab.system import CHECKOUT

MAPS = CHECKOUT / "config" / "topologies"


def full(test):
    """A large lab.  Alone: all network namespaces share the kernel's neighbour table, of
    which such a lab needs most, or raises the limits (rflab.net.raise_limits)."""
    for mark in (pytest.mark.skipif(os.environ.get("RF_FULL") != "1",
                                    reason="RF_FULL=1 runs it"),
                 pytest.mark.alone, pytest.mark.seconds(600)):
        test = mark(test)
    return test


def describe(what, **options):
    graph = shapes.parse(what) if ":" in what else graphfile.load(MAPS / f"{what}.gml")
    return topology.parse(plan.document(graph, **options))


def check_all(lab):
    results = Checker(lab).all(lambda result: print(
        f"{result.check}: {result.words} {result.differences}"))
    assert [r.check for r in results if not r.passed] == [], results


def check_with_a_link_down_and_up_again(lab):
    """The last link: every check holds without it, and with it again."""
    link = lab.topology.links[-1]
    for up in (False, True):
        lab.network.set_link(link, up)
        lab.save(down=[] if up else [link.name])
        try:
            check_all(lab)
        except AssertionError:
            lab.network.set_link(link, True)
            lab.save(down=[])
            raise


# Small, for every run.

@pytest.mark.parametrize("routing", list(plan.PROTOCOLS))
def test_each_protocol_routes_a_ring_in_both_families(lab_of, routing):
    lab = lab_of(describe("ring:4", routing=routing, ipv6=True, light=True))
    check_all(lab)
    check_with_a_link_down_and_up_again(lab)


def test_disconnected_parts_route_inside_themselves_only(lab_of, tmp_path):
    path = tmp_path / "parts.gml"
    path.write_text("graph [ node [ id 0 ] node [ id 1 ] node [ id 2 ] node [ id 3 ] "
                    "node [ id 4 ] edge [ source 0 target 1 ] edge [ source 2 target 3 ] ]")
    lab = lab_of(topology.parse(plan.document(graphfile.load(path), ipv6=True, light=True)))
    check_all(lab)
    inside = lab.containers.run(lab.topology.nodes[0], "bash", "-c", "hostname; pwd")
    assert (inside.stdout, inside.stderr) == ("rfvm1\n/\n", "")


@pytest.mark.parametrize("name", ["rftest1", "rftest2"])
def test_the_classic_networks_route_both_families(lab_of, name):
    lab = lab_of(topology.load(CHECKOUT / "config" / f"{name}.json", ipv6=True))
    check_all(lab)
    if lab.topology.links:
        check_with_a_link_down_and_up_again(lab)


# Larger.

@full
@pytest.mark.parametrize("what", ["ring:8", "fattree:4", "abilene", "nsfnet", "garr199901"])
def test_classic_networks_with_ospf_in_both_families(lab_of, what):
    lab = lab_of(describe(what, ipv6=True))
    check_all(lab)
    check_with_a_link_down_and_up_again(lab)


@full
@pytest.mark.parametrize("routing", list(plan.PROTOCOLS))
def test_abilene_with_each_protocol(lab_of, routing):
    check_all(lab_of(describe("abilene", routing=routing, ipv6=True, light=True)))


@full
def test_fifty_routers_on_this_machine(lab_of):
    check_all(lab_of(describe("grid:10x5", ipv6=True, light=True)))
