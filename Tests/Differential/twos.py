"""Has a kernel's `twos` pick servers many times, and counts. To be run as root in the guest.

    twos.py RECORDING-FILE

Each datagram of a one-packet service is scheduled anew and leaves no connection: so the picks of one case are drawn
from one distribution. Where there is to be load, connections are made first, while the service is an ordinary one.
"""

import json
import select
import sys
import time

import packets
from kernel import Kernel

PICKS, BURST = 12_000, 100
# Weights of the servers in the order in which they are added, and the connections that each has.
CASES = [
    ([1, 1], [0, 0]), ([1, 1, 1], [0, 0, 0]), ([1, 2, 3, 4], [0, 0, 0, 0]), ([10, 0, 10, 80], [0, 0, 0, 0]),
    ([100, 1, 100, 1, 50], [0, 0, 0, 0, 0]), ([5, 5, 5, 5, 5, 5, 5], [0] * 7),
    ([1, 1], [4, 0]), ([1, 1, 1], [0, 3, 6]), ([1, 2, 3, 4], [2, 2, 2, 2]), ([1, 2, 3, 4], [1, 2, 3, 4]),
    ([10, 20, 30], [9, 1, 5]), ([7, 0, 3, 5], [1, 8, 0, 1]), ([5, 5, 5, 5, 5, 5, 5], [6, 5, 4, 3, 2, 1, 0]),
]


def definition(vip, is_one_packet):
    return {"service": f"udp:{vip}:80", "scheduler": "twos", **({"one_packet": True} if is_one_packet else {})}


def server(number, weight):
    return {"address": f"10.1.1.{number}:80", "weight": weight}


def datagram(port, vip):
    return packets.frame(packets.packet("udp", packets.endpoint(f"192.0.2.1:{port}"), packets.endpoint(f"{vip}:80")))


def load(kernel, key, vip, weights, connections):
    """Sends each server its connections, while all others weigh nothing."""
    port = 1024
    for target, count in enumerate(connections, 1):
        for number in range(1, len(weights) + 1):
            kernel.apply({"op": "updateServer", "of": key, "server": server(number, int(number == target))})
        for _ in range(count):
            port += 1
            assert kernel.send(datagram(port, vip)) == str(target)
    for number, weight in enumerate(weights, 1):
        kernel.apply({"op": "updateServer", "of": key, "server": server(number, weight)})


def burst(kernel, vip, begin):
    """The servers' numbers that a burst of datagrams was sent to."""
    answers = []
    for port in range(begin, begin + BURST):
        kernel.write(datagram(port, vip))
    end = time.monotonic() + 30
    while len(answers) < BURST:
        assert time.monotonic() < end, f"{len(answers)} of {BURST} datagrams were forwarded"
        select.select([kernel.tap], [], [], 1)
        answers += kernel.receive()
    return answers


def record(number, weights, connections):
    kernel = Kernel(4, [])
    vip, picks = f"10.1.0.{100 + number % 4}", [0] * len(weights)
    key = f"udp:{vip}:80"
    kernel.apply({"op": "addService", "service": definition(vip, False)})
    for place, weight in enumerate(weights, 1):
        kernel.apply({"op": "addServer", "of": key, "server": server(place, weight)})
    load(kernel, key, vip, weights, connections)
    counts = kernel.counts()[key]
    kernel.apply({"op": "updateService", "service": definition(vip, True)})
    for _ in range(PICKS // BURST):
        for answer in burst(kernel, vip, 20_000):
            picks[int(answer) - 1] += 1
    assert kernel.counts()[key] == counts, "the load has changed"
    print(f"twos, weights {weights}, connections {connections}: {picks}", flush=True)
    return {"weights": weights, "connections": connections, "counts": counts, "picks": picks}


def main():
    with open(sys.argv[1], "w") as output:
        json.dump([record(number, *case) for number, case in enumerate(CASES)], output)


main()
