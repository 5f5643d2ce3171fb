"""Kills lbd at random moments, again and again, under clients that come, talk, leave and are kept at one server, under
datagrams and changes; after each restart a plain model says what must be there.

    scripts/crash --times 500
"""

import argparse
import contextlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Lab"))

from director import Director, service  # noqa: E402
from lab import BINARIES, CLIENT, OTHER_VIP, VIP, Lab  # noqa: E402
from traffic import Beside, Session, UdpEcho  # noqa: E402
from waiting import until  # noqa: E402

# Where clients go: one that has its turn, one that keeps them at a server.
PLAIN, STICKY = (VIP, 80), (OTHER_VIP, 8080)
# Frames that a worker has in hand at a time: counted and not sent yet, when it is killed.
BATCH, WORKERS = 64, 2
SEEN = """
table ip seen {
  counter frames { }
  chain seen {
    type filter hook prerouting priority -300
    ip saddr %s ip daddr { %s, %s } counter name frames
  }
}
"""


class Model:
    """What the director must know of: how often clients began, and what is open."""

    def __init__(self):
        self.lock, self.begun, self.moved = threading.Lock(), {PLAIN: 0, STICKY: 0}, []
        self.requests = 0

    def began(self, where):
        with self.lock:
            self.begun[where] += 1

    def answered(self, expected, name):
        with self.lock:
            self.requests += 1
            if expected != name:
                self.moved.append(f"from {expected} to {name}")


class Clients(Beside):
    """Connections that talk all the time, of which some leave and others come in their place."""

    def __init__(self, host, model, where, count, seed):
        super().__init__()
        self.host, self.model, self.where, self.dice = host, model, where, random.Random(seed)
        self.failures, self.count = [], 0
        self.open = [self.begin() for _ in range(count)]

    def begin(self):
        session = Session(self.host, *self.where)
        self.model.began(self.where)
        return session, session.get()

    def _run(self):
        while not self._leaving.is_set() and not self.failures:
            number = self.dice.randrange(len(self.open))
            session, name = self.open[number]
            try:
                self.model.answered(name, session.get())
                self.count += 1
                if self.dice.random() < 0.3:
                    session.close()
                    self.open[number] = self.begin()
            except OSError as error:
                self.failures.append(f"{self.where}: {error!r}")


class Flows(Beside):
    """Datagrams of a few flows, which stay at the server that they began with; one without an answer is sent again."""

    def __init__(self, host, model, count=8):
        super().__init__()
        self.model, self.failures, self.count = model, [], 0
        self.flows = [[host.socket(socket.AF_INET, socket.SOCK_DGRAM), None] for _ in range(count)]
        for flow, _ in self.flows:
            flow.connect((VIP, 53))
            flow.settimeout(0.5)

    def _run(self):
        number = 0
        while not self._leaving.is_set():
            number += 1
            for entry in self.flows:
                flow, name = entry
                with contextlib.suppress(TimeoutError):
                    flow.send(b"%d" % number)
                    entry[1] = flow.recv(100).split()[0]
                    self.model.answered(name or entry[1], entry[1])
                    self.count += 1
            time.sleep(0.01)

    def __exit__(self, *_):
        super().__exit__()
        for flow, _ in self.flows:
            flow.close()


class Changes:
    """A change of a weight that is under way when lbd is killed; what the weight may be afterwards."""

    def __init__(self, director, server):
        self.director, self.server, self.may_be, self.command = director, server, {1}, None

    def begin(self, weight):
        words = [BINARIES / "lbctl", "--socket", self.director.socket, "edit-rs", *service(), "-r", f"{self.server}:80",
                 "-w", weight]
        self.may_be.add(weight)
        self.command = subprocess.Popen([str(word) for word in words], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)

    def check(self):
        """What was said to be done is done; what was not may be."""
        if self.command.wait(60) == 0:
            self.may_be = {int(self.command.args[-1])}
        row, = (server for row in self.director.json("list") if row["service"] == f"tcp:{VIP}:80"
                for server in row["servers"] if server["address"].startswith(self.server))
        assert row["weight"] in self.may_be, f"weight {row['weight']}, not of {self.may_be}"
        self.may_be = {row["weight"]}


def frames_seen(lab):
    """How many frames of the client's the servers had."""
    total = 0
    for server in lab.servers:
        words = server.run("nft", "list", "counter", "ip", "seen", "frames").stdout.split()
        total += int(words[words.index("packets") + 1])
    return total


def counted(director):
    rows = {row["service"]: row["statistics"] for row in director.json("list")}
    return {where: rows[f"tcp:{where[0]}:{where[1]}"]["connections"] for where in (PLAIN, STICKY)}, sum(
        row["packets"] for row in rows.values())


class Run:
    def __init__(self, lab, director, seed):
        self.lab, self.director, self.dice, self.model = lab, director, random.Random(seed), Model()
        self.changes, self.gaps, self.kills = Changes(director, lab.servers[0].address), [], 0

    def configure(self):
        # A client takes a port again after a minute, which is no new connection while the director has the old one.
        self.director.lbctl("timeouts", 0, 10, 0)
        self.director.add_web("wrr", weights=[1, 2, 3])
        self.director.add_web("rr", vip=OTHER_VIP, port=8080, options=("-p", "1000"))
        self.director.lbctl("add-service", "-u", f"{VIP}:53", "-s", "rr")
        for server in self.lab.servers:
            self.director.lbctl("add-rs", "-u", f"{VIP}:53", "-r", f"{server.address}:53")
            server.run("nft", "-f", "-", input=SEEN % (CLIENT, VIP, OTHER_VIP))

    def crash(self, clients):
        """Once: killed while a change is under way, and begun again."""
        # What was lost is sent again, later and later: each has to have come through before the next is lost.
        goals = [some.count + 1 + self.dice.randrange(10) for some in clients]
        until(lambda: all(some.count >= goal for some, goal in zip(clients, goals)) or failures(clients), 60)
        self.changes.begin(self.dice.randrange(1, 6))
        time.sleep(self.dice.random() * 0.02)
        assert self.director.stop(signal.SIGKILL) == -signal.SIGKILL, "it had ended by itself"
        begin = time.monotonic()
        self.director.start()
        self.gaps.append(time.monotonic() - begin)
        self.kills += 1
        self.changes.check()
        self.check(clients)

    def check(self, clients):
        """That every client goes on where it was, and that what is counted is what the model has, but for what was in
        hand when lbd was killed."""
        assert not failures(clients), failures(clients)
        assert not self.model.moved, self.model.moved
        log = self.director.output()
        assert "goes on with" in log and "damaged" not in log and "refused" not in log, log
        before = dict(self.model.begun)
        numbers, _ = counted(self.director)
        for where, number in numbers.items():
            # One is just being begun, and one may have been at each kill: counted and not there yet, or the reverse.
            least, most = before[where] - self.kills, self.model.begun[where] + 1 + self.kills
            assert least <= number <= most, f"{where}: {number} connections counted, {least} to {most} begun"


def failures(clients):
    return [failure for some in clients for failure in some.failures]


def live(run, times, seconds):
    """Until it was killed so often, or the time is over; the clients, who have left."""
    end, told = time.monotonic() + seconds, time.monotonic()
    with contextlib.ExitStack() as stack:
        for server in run.lab.servers:
            stack.enter_context(UdpEcho(server, port=53))
        clients = [Clients(run.lab.client, run.model, PLAIN, 20, 1), Clients(run.lab.client, run.model, STICKY, 10, 2),
                   Flows(run.lab.client, run.model)]
        for some in clients:
            stack.enter_context(some)
        while run.kills < times and time.monotonic() < end:
            run.crash(clients)
            if time.monotonic() - told > 30:
                told = time.monotonic()
                print(f"killed {run.kills} times, {run.model.requests} answers", flush=True)
    return clients


def report(run, clients, times):
    """What came of it, line by line; whether all of it is as it should be."""
    run.check(clients)
    connections, packets = counted(run.director)
    seen = until(lambda: (seen := frames_seen(run.lab)) == frames_seen(run.lab) and seen)
    begun, counts, in_hand = sum(run.model.begun.values()), sum(connections.values()), run.kills * WORKERS * BATCH
    gaps = sorted(run.gaps)
    print(f"killed {run.kills} times of {times}, {run.model.requests} answers, none from another server, none missing")
    print(f"connections: {begun} begun, {counts} counted ({run.kills} may have been in hand)")
    print(f"frames: {seen} at the servers, {packets} counted ({in_hand} may have been in hand)")
    print(f"until it answered again: {gaps[len(gaps) // 2] * 1000:.0f} ms, at most {gaps[-1] * 1000:.0f} ms")
    return run.kills == times and abs(counts - begun) <= run.kills and abs(packets - seen) <= in_hand


def main():
    parser = argparse.ArgumentParser(prog="scripts/crash", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=500)
    parser.add_argument("--minutes", type=float, default=20, help="when it is given up")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data-plane", default="af-packet")
    words = parser.parse_args()
    with Lab() as lab:
        state = Path(f"/dev/shm/{lab.prefix}-state")
        lab.transmits_from_xdp(words.data_plane == "af-xdp")
        director = Director(lab, "--probe-interval", "20", "--data-plane", words.data_plane, "--workers", WORKERS,
                            "--state", state)
        try:
            run = Run(lab, director.start(), words.seed)
            run.configure()
            good = report(run, live(run, words.times, 60 * words.minutes), words.times) and director.stop() == 0
        finally:
            shutil.rmtree(state, ignore_errors=True)
    print("crash: passed" if good else "crash: FAILED")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
