"""Reads pcap files and names what is in their frames (enough for the checks)."""

import ipaddress
import struct
from collections import Counter

LLDP, IPV4, ARP, IPV6 = 0x88CC, 0x0800, 0x0806, 0x86DD
BDDP = 0x8942  # What LLDP says, as a broadcast.


def frames(data):
    """Yields (seconds, frame) of a classic pcap file; stops at a cut-off end."""
    if len(data) < 24:
        return
    for order in "<>":
        magic, = struct.unpack_from(order + "I", data)
        if magic in (0xA1B2C3D4, 0xA1B23C4D):
            break
    else:
        raise ValueError("not a pcap file")
    fraction = 1e-6 if magic == 0xA1B2C3D4 else 1e-9
    at = 24
    while at + 16 <= len(data):
        seconds, part, length, _ = struct.unpack_from(order + "IIII", data, at)
        at += 16
        if at + length > len(data):
            return
        yield seconds + part * fraction, data[at:at + length]
        at += length


def name(frame, host_networks):
    """"LLDP" (a probe of ours, broadcasts included), "host data", or what else it is."""
    if len(frame) < 14:
        return "runt"
    ethertype, = struct.unpack_from("!H", frame, 12)
    if ethertype in (LLDP, BDDP):
        return "LLDP"
    if ethertype == ARP:
        return "ARP"
    if ethertype == IPV6 and len(frame) >= 54:
        ends = (ipaddress.IPv6Address(frame[22:38]), ipaddress.IPv6Address(frame[38:54]))
        if frame[20] != 89 and any(end in network for end in ends
                                   for network in host_networks):
            return "host data"
        return f"IPv6 {ends[0]} to {ends[1]}, next header {frame[20]}"
    if ethertype != IPV4 or len(frame) < 34:
        return f"ethertype 0x{ethertype:04x}"
    if frame[23] == 89:
        return "OSPF"
    ends = (ipaddress.IPv4Address(frame[26:30]), ipaddress.IPv4Address(frame[30:34]))
    if any(end in network for end in ends for network in host_networks):
        return "host data"
    return f"IPv4 {ends[0]} to {ends[1]}, protocol {frame[23]}"


def count(data, host_networks):
    """Counter of what a capture holds."""
    return Counter(name(frame, host_networks) for _, frame in frames(data))


def echo_requests(data):
    """Yields (eth_src, eth_dst, ttl, ip_src, ip_dst) of the ICMP echo requests."""
    for _, frame in frames(data):
        if len(frame) < 35 or frame[12:14] != b"\x08\x00" or frame[23] != 1:
            continue
        if frame[14 + (frame[14] & 15) * 4] == 8:
            yield (frame[6:12].hex(":"), frame[0:6].hex(":"), frame[22],
                   str(ipaddress.IPv4Address(frame[26:30])),
                   str(ipaddress.IPv4Address(frame[30:34])))
