"""What clients notice when something fails, on two directors under keepalived: requests lost, milliseconds. The table goes
to standard output, and with --write into docs/failover.md."""

import argparse
import asyncio
import os
import signal
import statistics
import sys
import threading
import time
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Lab"))

from director import Director  # noqa: E402
from frames import ARP_REQUEST  # noqa: E402
from lab import DIP, OTHER_VIP, PROJECT, SECOND_DIP, SECOND_MAC, VIP, Lab  # noqa: E402
from sites import VIRTUAL_SERVER, VRRP, Site, real_servers  # noqa: E402
from waiting import until  # noqa: E402
from wire import Wire, is_arp  # noqa: E402

PAGE = PROJECT / "docs/failover.md"
SERVICES = [(vip, port) for vip in (VIP, OTHER_VIP) for port in (80, 8080)]
SERVERS, RATE, PATIENCE, LATE = 5, 100, 3, 0.2

def virtual_servers(lab):
    """Four services with five servers each, and a sixth machine that says sorry."""
    *servers, sorry = lab.servers
    return "".join(
        VIRTUAL_SERVER.format(vip=vip, port=port, scheduler="mh", servers=real_servers(servers, port),
                              more=f"  mh-port\n  sorry_server {sorry.address} {port}")
        for vip, port in SERVICES)


class Requests:
    """A client that makes so many requests a second, each on a connection of its own, whatever becomes of the others."""

    def __init__(self, host, rate=RATE, services=SERVICES):
        self.host, self.rate, self.services = host, rate, services
        self.leaving, self.answers, self.lost = threading.Event(), [], []
        self.thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self):
        self.thread.start()
        until(lambda: len(self.answers) > self.rate)
        return self

    def __exit__(self, *_):
        self.leaving.set()
        self.thread.join()

    async def _run(self):
        begin, pending, count = time.monotonic(), set(), 0
        while not self.leaving.is_set():
            task = asyncio.create_task(self._request(*self.services[count % len(self.services)]))
            pending.add(task)
            task.add_done_callback(pending.discard)
            count += 1
            await asyncio.sleep(max(0, begin + count / self.rate - time.monotonic()))
        await asyncio.gather(*pending)

    async def _request(self, vip, port):
        begin = time.time()
        try:
            name = await asyncio.wait_for(self._exchange(vip, port), PATIENCE)
            self.answers.append((begin, time.time(), name))
        except (OSError, TimeoutError) as error:
            self.lost.append((begin, repr(error)))

    async def _exchange(self, vip, port):
        loop, connection = asyncio.get_running_loop(), self.host.socket()
        with connection:
            connection.setblocking(False)
            await loop.sock_connect(connection, (vip, port))
            await loop.sock_sendall(connection, b"GET / HTTP/1.0\r\n\r\n")
            answer = b""
            while piece := await loop.sock_recv(connection, 4096):
                answer += piece
        if b" 200 " not in answer:
            raise ConnectionError("no whole answer")
        return answer.split()[-1].decode()



# What happens: each is done to the pair and gives the moment, and a truth that ends the measurement.


class Trial:
    def __init__(self, lab, first, second):
        self.lab, self.first, self.second = lab, first, second

    def listed(self, server):
        return self.first.director.listing().count(f"{server.address}:")


def kill(processes):
    for pid in processes:
        # One may have ended by itself meanwhile.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def stop_web(server):
    kill(server.processes())


def start_web(lab, server):
    home = lab.directory / server.name
    server.start("nginx", "-p", home, "-c", home / "nginx.conf", "-e", home / "error.log", log=home / "nginx.log")


def server_fails(trial, _):
    """the web server of one of five dies (`HTTP_GET`, delay 1 s, one retry)"""
    stop_web(trial.lab.servers[0])
    return lambda: trial.listed(trial.lab.servers[0]) == 0


def server_recovers(trial, requests):
    """it is started again"""
    stop_web(trial.lab.servers[0])
    until(lambda: trial.listed(trial.lab.servers[0]) == 0)
    until_quiet(requests)
    start_web(trial.lab, trial.lab.servers[0])
    return lambda: trial.listed(trial.lab.servers[0]) == len(SERVICES)


def all_servers_fail(trial, requests):
    """all five die: the sorry server answers"""
    for server in trial.lab.servers[:SERVERS]:
        stop_web(server)
    return lambda: requests.answers[-1][2] == trial.lab.servers[SERVERS].name


def clean_stop(trial, _):
    """keepalived is stopped as its unit does (`systemctl stop keepalived`)"""
    trial.first.stop()
    return lambda: trial.second.owns


def keepalived_killed(trial, _):
    """keepalived is killed, `lbd` goes on"""
    kill(trial.first.keepalived)
    return lambda: trial.second.owns


def lbd_killed(trial, _):
    """`lbd` is killed, keepalived goes on (its `vrrp_script`: each second, twice)"""
    trial.first.director.stop(signal.SIGKILL)
    return lambda: trial.second.owns


def director_killed(trial, _):
    """the whole director is killed"""
    trial.first.kill()
    return lambda: trial.second.owns


def cable_cut(trial, _):
    """the director's cable is cut"""
    trial.lab.lan.ip("link", "set", "director", "down")
    return lambda: trial.second.owns


EVENTS = [server_fails, server_recovers, all_servers_fail, clean_stop, keepalived_killed, lbd_killed, director_killed,
          cable_cut]
# Those after which the VIPs are at the other director.
FAILOVERS = EVENTS[3:]


def until_quiet(requests):
    """Waits until no request was lost for a second, of those whose end is known."""
    begin = time.time()
    until(lambda: time.time() - max([begin, *(begin for begin, _ in requests.lost)]) > PATIENCE + 1, 60)


@contextmanager
def pair(lab, second_host):
    """Two directors under keepalived; the first has the VIPs."""
    directors = [
        Director(lab, "--standby", "--peer", SECOND_DIP),
        Director(lab, "--standby", "--peer", DIP, host=second_host, socket=lab.directory / "second.sock"),
    ]
    sites = []
    try:
        for number, director in enumerate(directors, 1):
            director.start()
            director.lbctl("set", "sloppy_tcp", "1")
            sites.append(Site(lab, director, number, 200 - 50 * number, virtual_servers(lab), hasty=True))
            sites[-1].start()
            until(lambda: sites[0].owns, what=lambda: f"{sites[0].log()}{sites[0].director.output()}")
        for site in sites:
            until(lambda: site.director.listing().count("->") == len(SERVICES) * SERVERS + 1, what=site.log)
        yield Trial(lab, *sites)
    finally:
        lab.lan.ip("link", "set", "director", "up")
        for host in (lab.director, second_host):
            kill(host.processes())
        for site in sites:
            site.process.wait()
        for director in directors:
            if director.process:
                director.process.wait()
        for server in lab.servers:
            if not server.processes():
                start_web(lab, server)
                until(lambda: lab.client.run("curl", "-s", "-o", "/dev/null", f"http://{server.address}/",
                                             check=False).returncode == 0)


def measure(lab, second_host, event):
    """One time: milliseconds until it was dealt with, until the announcement, since keepalived's decision; requests."""
    with pair(lab, second_host) as trial, Wire(lab.stranger) as wire:
        with Requests(lab.client) as requests:
            begin = time.time()
            done = event(trial, requests)
            if event is server_recovers:
                # What failed before it is another line's.
                begin = time.time()
            until(done, 60)
            dealt = time.time()
            until_quiet(requests)
        said = [frame for frame in wire.collect(lambda frame: frame.source == SECOND_MAC) if frame.time >= begin]
    announced = [frame.time for frame in said if is_arp(ARP_REQUEST, target=VIP)(frame) and frame.arp.sender == VIP]
    decided = [frame.time for frame in said if frame.ip and frame.ip.protocol == VRRP]
    answers = [answer for answer in requests.answers if answer[0] >= begin]
    found = {"dealt": (dealt - begin) * 1000, "lost": sum(start >= begin for start, _ in requests.lost),
             "late": sum(end - start > LATE for start, end, _ in answers), "gap": longest_gap(begin, answers)}
    if event in FAILOVERS:
        found["dealt"] = (announced[0] - begin) * 1000
        found["heard"] = (announced[0] - decided[0]) * 1000
    return found


def longest_gap(begin, answers):
    """The longest time from the beginning on, in milliseconds, in which no answer came."""
    times = [begin, *sorted(end for _, end, _ in answers)]
    return max(later - earlier for earlier, later in zip(times, times[1:])) * 1000


def cell(values, form="{:.0f}"):
    """The median, and the worst where it differs."""
    middle, worst = form.format(statistics.median(values)), form.format(max(values))
    return middle if middle == worst else f"{middle} ({worst})"


def row(event, runs):
    cells = [event.__doc__, *(cell([run[name] for run in runs]) for name in ("dealt", "lost", "late", "gap"))]
    return cells + [cell([run["heard"] for run in runs]) if event in FAILOVERS else "–"]


HEADER = ["what happens", "dealt with after, ms", "lost", "late", "longest without an answer, ms",
          "heard after keepalived's decision, ms"]

INTRODUCTION = """\
# Failover

What `scripts/failover` measured on {date}, each line {count} times: the median, and the worst where it differs. Two
directors under keepalived by the files of [examples/keepalived](../examples/keepalived/README.md), with {services}
services of {servers} servers each and a sorry server; all of it network namespaces of one machine with {processors}
processors. A client makes {rate} requests a second, each on a connection of its own, and tries none twice.

{table}
* **dealt with**: the server is out of the listing, or in it again; the sorry server answers; where the VIPs change
  sides, the other director's announcement is on the LAN.
* **lost**: refused, reset, or without an answer for {patience} s. **late**: answered after more than {late} ms, mostly
  since a client's kernel sends a lost SYN again after a second.
* **heard**: from the first VRRP advertisement of the other keepalived to the announcement of the VIP.

VRRP speaks every 200 ms here and gives up on a director after three of them that are missing.
"""


def table(rows):
    lines = [HEADER, ["---"] * len(HEADER), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def main():
    parser = argparse.ArgumentParser(prog="scripts/failover", description=__doc__)
    parser.add_argument("--count", type=int, default=5, help="how often each happens")
    parser.add_argument("--event", action="append", choices=[event.__name__ for event in EVENTS], help="only this one; repeatable")
    parser.add_argument("--write", action="store_true", help="write docs/failover.md")
    chosen = parser.parse_args()
    events = [event for event in EVENTS if event.__name__ in (chosen.event or [event.__name__])]
    rows = []
    with Lab(servers=SERVERS + 1) as lab, lab.host_with_queues("director2", SECOND_MAC, SECOND_DIP, 1) as second_host:
        for event in events:
            runs = [measure(lab, second_host, event) for _ in range(chosen.count)]
            rows.append(row(event, runs))
            print(" | ".join(rows[-1]), flush=True)
    text = INTRODUCTION.format(
        date=date.today(), count=chosen.count, services=len(SERVICES), servers=SERVERS, processors=os.cpu_count(),
        rate=RATE, table=table(rows), patience=PATIENCE, late=round(LATE * 1000))
    if chosen.write:
        PAGE.write_text(text)


if __name__ == "__main__":
    main()
