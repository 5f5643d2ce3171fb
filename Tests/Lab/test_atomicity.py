"""A configuration is in force at one moment, for all workers and all services, and no connection is lost over it."""

import bisect
import http.client
import json
import os
import socket
import threading
import time

import pytest

from director import ON_EVERY_DATA_PLANE
from frames import ETHERTYPE_IPV4, SYN, ethernet, tcp
from lab import OTHER_VIP, STRANGER_MAC, VIP
from waiting import until
from wire import Wire

FLIPS = int(os.environ.get("LVS_FLIPS", 200))
# Frames on their way at most: few, so that none is lost for want of room.
WINDOW = 100
SERVICES = [(VIP, 80), (VIP, 443), (OTHER_VIP, 80)]
SETS = [range(1, 4), range(4, 7)]


def mac(number):
    """The station that stands for a server. It is nobody's, so the bridge brings its frames to everybody."""
    return f"02:00:00:00:0a:{number:02x}"


def configuration(servers, scheduler):
    return {"services": [
        {"service": f"tcp:{vip}:{port}", "scheduler": scheduler,
         "servers": [{"address": f"10.77.0.{200 + number}", "mac": mac(number)} for number in servers]}
        for vip, port in SERVICES]}


class Steering(http.client.HTTPConnection):
    """`apply` without a process for each."""

    def __init__(self, path):
        super().__init__("lbd")
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)

    def apply(self, wanted):
        self.request("PUT", "/v1/configuration", json.dumps(wanted))
        answer = self.getresponse()
        assert (answer.status, "changes" in json.loads(answer.read())) == (200, True)


class Flow:
    """SYNs of ever new clients to all services in turn, and the servers that they are sent to."""

    def __init__(self, lab):
        self.lab, self.wire = lab, Wire(lab.stranger)
        self.sent, self.arrived, self.lost, self.leaving = {}, {}, 0, threading.Event()
        self.threads = [threading.Thread(target=run) for run in (self.send, self.receive)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.leaving.set()
        for thread in self.threads:
            thread.join()
        self.wire.socket.close()

    def send(self):
        number = 0
        while not self.leaving.is_set():
            if len(self.sent) - len(self.arrived) - self.lost >= WINDOW:
                self.wait()
                continue
            vip, port = SERVICES[number % len(SERVICES)]
            client, source = f"198.51.{100 + number % 7}.{1 + number // 60_000}", 1_024 + number % 60_000
            frame = ethernet(self.lab.director.mac, STRANGER_MAC, ETHERTYPE_IPV4, tcp(client, source, vip, port, SYN))
            self.sent[client, source] = time.time()
            self.wire.send(frame)
            number += 1

    def wait(self):
        """Until one arrives. Where none does for a second, those that are on their way are lost."""
        count, end = len(self.arrived), time.monotonic() + 1
        while len(self.arrived) == count and not self.leaving.is_set():
            if time.monotonic() > end:
                self.lost = len(self.sent) - count
                return
            time.sleep(0.001)

    def receive(self):
        """Goes on until all that was sent has come, or nothing comes any more."""
        while not self.leaving.is_set() or len(self.arrived) < len(self.sent):
            frame = self.wire.next(2)
            if frame is None:
                return
            if frame.tcp and frame.source == self.lab.director.mac and (frame.ip.source, frame.tcp.source_port) in self.sent:
                server = int(frame.destination[-2:], 16) if frame.destination.startswith("02:00:00:00:0a:") else None
                self.arrived[frame.ip.source, frame.tcp.source_port] = (frame.time, server)


@ON_EVERY_DATA_PLANE
@pytest.mark.parametrize("scheduler", ["rr", "mh"])
def test_every_connection_goes_to_the_configuration_of_its_moment(lab, start, scheduler):
    director = start("--workers", "2", "--check-interval", "0")
    steering = Steering(director.socket)
    steering.apply(configuration(SETS[0], scheduler))
    commands = []
    with Flow(lab) as flow:
        until(lambda: len(flow.arrived) > WINDOW)
        for flip in range(1, FLIPS + 1):
            begin = time.time()
            steering.apply(configuration(SETS[flip % 2], scheduler))
            commands.append((begin, time.time()))
            # Some are scheduled between any two.
            count = len(flow.arrived)
            until(lambda: len(flow.arrived) > count + 10)
    # Between two hosts a busy machine may lose a frame, where another lab floods it; the director loses none.
    verdicts = director.json_at("/v1/verdicts")["dropped"]
    dropped = {reason: count for reason, count in verdicts.items() if count and reason != "transmit_failed"}
    lost = len(flow.sent) - len(flow.arrived)
    assert lost == 0 or dropped == {}, f"{lost} of {len(flow.sent)}"
    assert all(server is not None for _, server in flow.arrived.values())
    workers = director.json("workers")
    assert all(worker["connections"] > FLIPS and worker["ring_drops"] == 0 for worker in workers), workers
    connections = sorted((flow.sent[key], *arrival) for key, arrival in flow.arrived.items())
    for flip, (begin, end) in enumerate(commands):
        after = commands[flip + 1][0] if flip + 1 < len(commands) else float("inf")
        before = commands[flip - 1][1] if flip else 0
        old, new = SETS[flip % 2], SETS[(flip + 1) % 2]
        range_of_time = bisect.bisect(connections, (before,)), bisect.bisect(connections, (after,))
        near = [row for row in connections[slice(*range_of_time)] if row[1] < after]
        assert all(server in old for _, arrived, server in near if arrived < begin)
        assert all(server in new for sent, _, server in near if sent > end)
        # Whoever was sent after somebody had come to the new servers goes to the new ones, whatever its service.
        first = min((arrived for _, arrived, server in near if server in new), default=float("inf"))
        late = [row for row in near if row[2] in old and row[0] > first]
        assert late == [], f"flip {flip}: {late} after {first}"
