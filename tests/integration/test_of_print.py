"""Every message that lib/of encodes is accepted by Open vSwitch's own decoder.

The vectors of tests/vectors/of are what lib/of's unit tests prove it to encode, octet by
octet; here `ovs-ofctl ofp-print` reads the same octets and must find no fault.  Needs
neither root nor a running switch."""

import pathlib
import re
import shutil
import subprocess

import pytest

VECTORS = pathlib.Path(__file__).resolve().parent.parent / "vectors" / "of"
OCTETS = re.compile(r"[0-9a-f]{2}( [0-9a-f]{2})*")

pytestmark = pytest.mark.skipif(shutil.which("ovs-ofctl") is None,
                                reason="ovs-ofctl is not installed")


def read_vectors(name):
    """Yields (line number, octets, text) of each vector."""
    octets = bytearray()
    lines = (VECTORS / f"{name}.txt").read_text().splitlines()
    for number, line in enumerate(lines, 1):
        if not line or line.startswith("#"):
            continue
        if OCTETS.fullmatch(line):
            octets += bytes.fromhex(line)
        else:
            yield number, bytes(octets), line
            octets.clear()


CASES = [pytest.param(octets, text, id=f"{name}.txt:{number}")
         for name in ("controller", "switch")
         for number, octets, text in read_vectors(name)]
FLOW_MODS = [case for case in CASES if "OFPT_FLOW_MOD" in case.values[1]]


def ofp_print(octets):
    run = subprocess.run(["ovs-ofctl", "ofp-print", "-"], input=octets.hex(" ") + "\n",
                         capture_output=True, text=True, timeout=20)
    return run.returncode, run.stdout + run.stderr


# Open vSwitch calls some types by the names of OpenFlow 1.0, or by what is inside.
def expected_name(text):
    if text.startswith("OFPT_MULTIPART_REQUEST"):
        return r"OFPST_\w+ request"
    if text.startswith("OFPT_MULTIPART_REPLY"):
        return r"OFPST_\w+ reply"
    if text.startswith("OFPT_EXPERIMENTER"):
        return r"(ONFT|NXT)_\w+"
    return text.split()[0]


@pytest.mark.parametrize("octets, text", CASES)
def test_open_vswitch_accepts_what_we_encode(octets, text):
    status, output = ofp_print(octets)
    xid = re.search(r"xid=0x[0-9a-f]+", text).group()
    assert status == 0, output
    assert re.match(expected_name(text), output), output
    assert xid in output
    assert "***" not in output and "WARN" not in output, output


@pytest.mark.parametrize("octets, text", FLOW_MODS)
def test_open_vswitch_reads_the_same_actions_as_we_do(octets, text):
    _, output = ofp_print(octets)
    assert text.partition("actions=")[2] == output.strip().partition("actions=")[2]


@pytest.mark.parametrize("octets, text", FLOW_MODS)
def test_open_vswitch_reads_the_same_priority_and_match_as_we_do(octets, text):
    def key(line):
        words = re.search(r"priority=\S+", line).group()
        # The two ways to write "no VLAN tag".
        return sorted(words.replace("vlan_tci=0x0000/0x1fff", "vlan_vid=0x0000").split(","))

    _, output = ofp_print(octets)
    assert key(text) == key(output)
