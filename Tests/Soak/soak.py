"""A long run in the lab: everything that may happen to a director happens at once, for hours, and what it takes from
the machine must not grow, nor may a frame appear that should not.

    scripts/soak --hours 1
"""

import argparse
import os
import random
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Lab"))

from director import Director, service
from lab import BINARIES, OTHER_VIP, VIP, Lab
from observer import Observer
from traffic import Beside, UdpEcho, spread

# What is taken in the first minutes may grow: caches and tables find their size.
WARM_UP, INTERVAL = 300, 10
# What a growth of an hour would be is told; more than this is a failure. Memory in KiB.
LIMITS = {"rss": 4096, "descriptors": 4, "threads": 2}


class Chore(Beside):
    """One thing that is done again and again; what goes wrong is counted and kept."""

    def __init__(self, name, work, pause):
        super().__init__()
        self.name, self.work, self.pause = name, work, pause
        self.count, self.failures = 0, []

    def _run(self):
        while not self._leaving.wait(self.pause):
            try:
                self.work()
                self.count += 1
            except Exception as failure:  # whatever it is, the run goes on and it is told at the end
                self.failures.append(f"{time.strftime('%H:%M:%S')} {self.name}: {failure}"[:300])


class Chores:
    """What operators, clients and abusers do to one director."""

    def __init__(self, lab, director, seed):
        self.lab, self.director, self.dice = lab, director, random.Random(seed)
        self.flaps = 0

    def requests(self):
        answers = spread(self.lab.client, 20)
        assert sum(answers.values()) == 20, answers

    def churn(self):
        """Connections that are opened and closed, some left open, and datagrams of new flows."""
        with self.lab.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as flow:
            for _ in range(200):
                flow.sendto(b"x" * 18, (VIP, 53))
        left = []
        for _ in range(50):
            connection = self.lab.client.socket(socket.AF_INET, socket.SOCK_STREAM)
            connection.settimeout(5)
            connection.connect((VIP, 80))
            left.append(connection)
        for connection in left:
            connection.close()

    def changes(self):
        """A server comes and goes, weights move, a whole service appears and is gone."""
        name = service(OTHER_VIP, 8080)
        self.director.lbctl("add-service", *name, "-s", self.dice.choice(["rr", "wlc", "mh", "sh"]))
        for server in self.lab.servers:
            self.director.lbctl("add-rs", *name, "-r", f"{server.address}:8080", "-w", self.dice.randint(1, 9))
        for server in self.lab.servers:
            self.director.lbctl("edit-rs", *name, "-r", f"{server.address}:8080", "-w", self.dice.randint(0, 9))
        self.director.lbctl("del-service", *name)

    def captures(self):
        """A capture that is read, and one whose reader goes away."""
        words = ["ip", "netns", "exec", self.lab.director.namespace, BINARIES / "lbctl", "--socket",
                 self.director.socket, "capture", "-w", "-"]
        reader = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        time.sleep(self.dice.random())
        if self.dice.random() < 0.5:
            os.read(reader.stdout.fileno(), 4096)
        reader.stdout.close()
        reader.terminate()
        reader.wait(10)

    def abuse(self):
        """Requests that are none, that are cut off, and connections that say nothing."""
        for body in (b"", b"GET", b"\0" * 100, b"POST /v1/changes HTTP/1.1\r\nContent-Length: 9\r\n\r\n{]",
                     b"GET /v1/connections HTTP/1.1\r\nHost: x\r\n\r\n"):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stranger:
                stranger.settimeout(2)
                stranger.connect(str(self.director.socket))
                stranger.sendall(body)

    def listings(self):
        for words in (["list"], ["list", "--stats"], ["list", "--connections"], ["neighbors"], ["vips"]):
            self.director.lbctl(*words, timeout=60)
        # Findings are no failure: another chore has a service come and go.
        assert self.director.lbctl("doctor", check=False, timeout=60).returncode in (0, 1)

    def flap(self):
        """The interface goes down for a moment and comes back."""
        self.flaps += 1
        self.lab.director.ip("link", "set", "eth0", "down")
        self.lab.director.ip("link", "set", "eth0", "up")

    def all(self, seconds):
        return [Chore("requests", self.requests, 0.2), Chore("churn", self.churn, 1), Chore("changes", self.changes, 2),
                Chore("captures", self.captures, 3), Chore("abuse", self.abuse, 1), Chore("listings", self.listings, 15),
                Chore("flap", self.flap, min(120, seconds / 5))]


class Figures:
    """What a process takes, over time."""

    def __init__(self, pid):
        self.pid, self.samples = pid, []

    def take(self):
        status = dict(line.split(":", 1) for line in Path(f"/proc/{self.pid}/status").read_text().splitlines())
        self.samples.append((time.monotonic(), {
            "rss": int(status["VmRSS"].split()[0]), "threads": int(status["Threads"]),
            "descriptors": len(os.listdir(f"/proc/{self.pid}/fd"))}))

    def slope(self, name):
        """What a figure grows by in an hour, by least squares."""
        begin = self.samples[0][0]
        points = [(at - begin, sample[name]) for at, sample in self.samples if at - begin >= WARM_UP]
        if len(points) < 3:
            return 0.0
        middle, level = (sum(column) / len(points) for column in zip(*points))
        spread_of_time = sum((at - middle) ** 2 for at, _ in points)
        return 3600 * sum((at - middle) * (value - level) for at, value in points) / spread_of_time

    def line(self):
        return ", ".join(f"{name} {value}" for name, value in self.samples[-1][1].items())


def is_consistent(director):
    """Whether what is counted over all is what is counted for each server."""
    total = director.json("list", "--total")
    servers = [server for service in director.json("list") for server in service["servers"]]
    counted = sum(server["statistics"]["connections"] for server in servers)
    return total["statistics"]["connections"] >= counted


def run(lab, director, hours, seed):
    chores, figures = Chores(lab, director, seed), Figures(director.process.pid)
    tasks, end, told = chores.all(hours * 3600), time.monotonic() + hours * 3600, 0
    with Observer(lab, director) as observer:
        for task in tasks:
            task.__enter__()
        try:
            while time.monotonic() < end and director.process.poll() is None:
                figures.take()
                if time.monotonic() - told > 60:
                    told = time.monotonic()
                    print(f"{(end - told) / 60:.0f} min left: {figures.line()}, {observer.seen} frames seen, "
                          f"{len(observer.wrong)} wrong", flush=True)
                time.sleep(INTERVAL)
        finally:
            for task in tasks:
                task.__exit__()
    return tasks, figures, observer


def report(director, tasks, figures, observer):
    """What came of it, line by line; whether all of it is as it should be."""
    # While the interface is down, or is being found again, requests may fail: that is what a flap is.
    allowed = {"requests": 3, "churn": 3, "changes": 0, "captures": 0, "abuse": 0, "listings": 1, "flap": 0}
    flaps = next(task.count for task in tasks if task.name == "flap") + 1
    good = True
    for task in tasks:
        limit = allowed[task.name] * flaps
        good = good and len(task.failures) <= limit and task.count > 0
        print(f"{task.name}: {task.count} times, {len(task.failures)} failed ({limit} may)")
        for failure in task.failures[:5]:
            print(f"    {failure}")
    for name, limit in LIMITS.items():
        slope = figures.slope(name)
        good = good and slope <= limit
        print(f"{name}: {figures.samples[0][1][name]} at first, {figures.samples[-1][1][name]} at last, "
              f"{slope:+.1f} in an hour ({limit} may)")
    print(f"frames: {observer.seen} seen at the real servers, {len(observer.wrong)} wrong")
    for frame in observer.wrong[:5]:
        print(f"    {frame}")
    consistent = is_consistent(director)
    print(f"counters: {'consistent' if consistent else 'NOT consistent'}")
    return good and consistent and not observer.wrong and director.process.poll() is None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data-plane", default="af-packet")
    words = parser.parse_args()
    with Lab() as lab:
        lab.transmits_from_xdp(words.data_plane == "af-xdp")
        director = Director(lab, "--probe-interval", "20", "--data-plane", words.data_plane, "--workers", "2").start()
        director.add_web()
        director.lbctl("add-service", "-u", f"{VIP}:53", "-s", "rr")
        for server in lab.servers:
            director.lbctl("add-rs", "-u", f"{VIP}:53", "-r", f"{server.address}:53")
        with ExitStack() as echoes:
            for server in lab.servers:
                echoes.enter_context(UdpEcho(server, port=53))
            good = report(director, *run(lab, director, words.hours, words.seed))
        ended = director.stop()
    good = good and ended == 0
    print("soak: passed" if good else "soak: FAILED")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
