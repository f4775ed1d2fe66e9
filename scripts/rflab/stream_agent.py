"""Runs in a host: sends numbered UDP packets to the others at a steady pace, and notes
which of theirs arrive when.

    stream_agent.py OWN_ADDRESS INTERVAL_MS FLOWS ADDRESS...

Each address gets a packet each INTERVAL_MS, of FLOWS flows in turn: they have ports of
their own, so that equal-cost paths are all used.  Moments are CLOCK_MONOTONIC, which all network namespaces share.  It says "ready",
begins with the first line on standard input, stops sending when that ends, listens a
little longer, and prints JSON:
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


def bound(address, port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    sock.setblocking(False)
    sock.bind((address, port))
    return sock


def main(own, interval_ms, flows, *others):
    interval, flows = float(interval_ms) / 1000, int(flows)
    receiver = bound(own, PORT)
    senders = [bound(own, PORT + 1 + flow) for flow in range(flows)]
    streams = [(other, flow, []) for other in others for flow in range(flows)]
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

    def send(turn):
        for other, flow, sent in streams:
            if flow != turn % flows:
                continue
            now = time.monotonic()
            try:
                senders[flow].sendto(FORMAT.pack(len(sent), flow), (other, PORT))
            except OSError:
                pass  # It counts as lost.
            sent.append(now)

    print("ready", flush=True)
    sys.stdin.readline()
    waiting = [receiver, sys.stdin]
    due, end, turn = time.monotonic(), None, 0
    while end is None or time.monotonic() < end:
        wait = max(0, (due if end is None else end) - time.monotonic())
        ready = select.select(waiting, [], [], wait)[0]
        receive()
        if sys.stdin in ready:
            waiting, end = [receiver], time.monotonic() + LINGER
        now = time.monotonic()
        if end is None and now >= due:
            send(turn)
            turn += 1
            # Turns that were missed are left out, not made up for in a burst.
            due = max(due + interval, now)
    json.dump({"sent": {f"{other} {flow}": sent for other, flow, sent in streams},
               "seen": seen}, sys.stdout)


main(*sys.argv[1:])
