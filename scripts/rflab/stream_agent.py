"""Runs in a host: sends numbered UDP packets to the others at a steady pace, and notes
which of theirs arrive when.

    stream_agent.py OWN_ADDRESS INTERVAL_MS FLOWS ADDRESS...

Each address gets FLOWS flows, from as many source ports, so that equal-cost paths are
all used.  Moments are CLOCK_MONOTONIC, which all network namespaces share.  When its
standard input ends it stops sending, listens a little longer, and prints JSON:
{"sent": {"ADDRESS FLOW": [seconds, ...]}, "seen": {"ADDRESS FLOW": [[number, seconds], ...]}}
"""

import json
import select
import socket
import struct
import sys
import time

PORT = 5002
LINGER = 0.3
FORMAT = struct.Struct("!II")


def main(own, interval_ms, flows, *others):
    interval, flows = float(interval_ms) / 1000, int(flows)
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    receiver.setblocking(False)
    receiver.bind((own, PORT))
    senders = []
    for other in others:
        for flow in range(flows):
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sender.setblocking(False)
            sender.bind((own, PORT + 1 + flow))
            sender.connect((other, PORT))
            senders.append((sender, flow, []))
    seen = {}

    def receive():
        try:
            while True:
                data, (address, _) = receiver.recvfrom(64)
                number, flow = FORMAT.unpack(data[:8])
                seen.setdefault(f"{address} {flow}", []).append(
                    (number, time.monotonic()))
        except BlockingIOError:
            pass
        except OSError:
            pass  # An ICMP error of a router; the packet counts as lost.

    def send():
        for sender, flow, sent in senders:
            now = time.monotonic()
            try:
                sender.send(FORMAT.pack(len(sent), flow))
            except OSError:
                pass  # Likewise: sent, and lost.
            sent.append(now)

    waiting = [receiver, sys.stdin]
    due, end = time.monotonic(), None
    while end is None or time.monotonic() < end:
        wait = max(0, (due if end is None else end) - time.monotonic())
        ready = select.select(waiting, [], [], wait)[0]
        receive()
        if sys.stdin in ready:
            waiting, end = [receiver], time.monotonic() + LINGER
        now = time.monotonic()
        if end is None and now >= due:
            send()
            # Turns that were missed are left out, not made up for in a burst.
            due = max(due + interval, now)
    json.dump({"sent": {f"{s.getpeername()[0]} {flow}": sent for s, flow, sent in senders},
               "seen": seen}, sys.stdout)


main(*sys.argv[1:])
