"""Builds a RouteFlow network from a topology, and proves that it routes.

topology.py  what the network shall be (JSON file -> objects); oracle.py: its routes
system.py    processes, namespaces, the manifest of all that was made
net.py       namespaces, veth links, hosts     ovs.py   the lab's own Open vSwitch
lxc.py       containers                        suite.py routing suite files
daemons.py   rfserver, rfproxy, rfvs and their options      store.py  their database
lab.py       puts these together: up, down, state
verify.py    the checks; ofctl.py, pcap.py, probe.py, records.py and streams.py read what they
             look at
cli.py       the command line of scripts/demo

For networks of any shape (scripts/lab; docs/lab.md):
graphfile.py, shapes.py   GML, GraphML; ring:8 -> a map
plan.py                   a map -> the document that topology.py reads
protocols.py              suite files of all protocols but OSPFv2
light.py                  namespaces in the place of containers
labcheck.py, trace.py     oracle, kernels and switches compared; walks through the tables
labcli.py                 the command line of scripts/lab

Python's standard library only.  The lab never touches what it has not made itself: see
system.Manifest.
"""
