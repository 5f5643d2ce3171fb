"""Has a kernel live through edits of connection thresholds. To be run as root in the guest.

    thresholds.py RECORDING-FILE

Each case is a service with one server: connections are opened, thresholds edited, half of the connections end, and more
of both follows. What a connection met, and what was left of them in between, is written down.
"""

import json
import os
import random
import sys
import time

import packets
from kernel import Kernel

CASES, TIMEOUT, REFRESH, AFTER = 150, 8, 5, 10.5
VIP, SERVER = "10.1.0.100", "10.1.1.1"


def steps(draw):
    result = []
    for _ in range(draw.randint(2, 7)):
        upper = draw.choice([0, 1, 2, 3, 4, 5, 6, 8])
        edit = {"op": "edit", "upper": upper, "lower": draw.randint(0, upper)}
        result.append(edit if draw.random() < 0.4 else {"op": "open"})
    return result


class Case:
    """One service with its server, its steps before and after half of its connections ended."""

    def __init__(self, kernel, number):
        draw = random.Random(number)
        self.kernel, self.port, self.opened = kernel, 1000 + number, []
        self.before, self.after, self.left = steps(draw), steps(draw), 0
        self.key = f"udp:{VIP}:{self.port}"
        kernel.apply({"op": "addService", "service": {"service": self.key, "scheduler": "rr"}})
        kernel.apply({"op": "addServer", "of": self.key, "server": self.server(0, 0)})

    def server(self, upper, lower):
        return {"address": f"{SERVER}:{self.port}", "upper_threshold": upper, "lower_threshold": lower}

    def send(self, port):
        ends = packets.endpoint(f"192.0.2.1:{port}"), packets.endpoint(f"{VIP}:{self.port}")
        return self.kernel.send(packets.frame(packets.packet("udp", *ends)))

    def live(self, steps):
        for step in steps:
            if step["op"] == "edit":
                self.kernel.apply({"op": "updateServer", "of": self.key, "server": self.server(step["upper"], step["lower"])})
                continue
            port = 2000 + len(self.opened)
            step["out"] = self.send(port)
            self.opened.append(port if step["out"] == "1" else None)

    def refresh(self):
        """Every second connection that there is goes on."""
        for port in [port for port in self.opened if port][::2]:
            assert self.send(port) == "1"


def main():
    kernel = Kernel(4, [])
    kernel.apply({"op": "timeouts", "tcp": 0, "tcpFin": 0, "udp": TIMEOUT})
    cases = [Case(kernel, number) for number in range(CASES)]
    begin = time.monotonic()
    for case in cases:
        case.live(case.before)
    time.sleep(begin + REFRESH - time.monotonic())
    for case in cases:
        case.refresh()
    time.sleep(begin + AFTER - time.monotonic())
    for key, servers in kernel.counts().items():
        cases[int(key.rsplit(":", 1)[1]) - 1000].left = int(servers[0].split()[3])
    for case in cases:
        assert case.left == len([port for port in case.opened if port][::2]), "this machine is too busy to wait by the clock"
        case.live(case.after)
    with open(sys.argv[1], "w") as output:
        recorded = [{"before": case.before, "left": case.left, "after": case.after} for case in cases]
        json.dump({"kernel": os.uname().release, "cases": recorded}, output)


main()
