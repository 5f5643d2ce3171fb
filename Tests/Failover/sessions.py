"""What becomes of open connections when the active of two directors is killed, with `--sync both` and with `--sync-all`
beside it: its connections are with servers in their turn, so nothing but the synchronization leads them on.

    scripts/failover sessions
"""

import argparse
import resource
import selectors
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Lab"))

from director import Director  # noqa: E402
from failover import Requests, kill  # noqa: E402
from lab import DIP, SECOND_DIP, SECOND_MAC, VIP, Lab  # noqa: E402
from sites import VIRTUAL_SERVER, Site, real_servers  # noqa: E402
from traffic import Beside, connect  # noqa: E402
from waiting import until  # noqa: E402

REQUEST = b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n"
# New ones a second until the very moment of the kill, beside those that had been open for long.
RATE = 50
PATIENCE = 30
# Of a connection's beginning its peer hears at the next look, once a second, at the latest.
LOOK = 1


class Open:
    """A connection, since when it is open, and who answered on it."""

    def __init__(self, host):
        self.socket = connect(host)
        self.begin = time.monotonic()
        self.name = None

    def ask(self):
        self.socket.settimeout(20)
        self.socket.sendall(REQUEST)
        self.name = self.take()
        return self

    def take(self):
        """Who answered; nobody where it is broken."""
        answer = b""
        while b"\r\n\r\n" not in answer or not answer.endswith(b"\n"):
            piece = self.socket.recv(65536)
            if not piece:
                return None
            answer += piece
        return answer.split()[-1].decode()


class Opener(Beside):
    """Opens connections all the time, and asks once on each."""

    def __init__(self, host):
        super().__init__()
        self.host, self.opened = host, []

    def _run(self):
        while not self._leaving.wait(1 / RATE):
            try:
                self.opened.append(Open(self.host).ask())
            except OSError:
                return  # the director is gone


def broken(connections):
    """Which of them do not go on where they were, once each is asked again."""
    left = selectors.DefaultSelector()
    lost, end = [], time.monotonic() + PATIENCE
    for connection in connections:
        try:
            connection.socket.sendall(REQUEST)
            left.register(connection.socket, selectors.EVENT_READ, connection)
        except OSError:
            lost.append(connection)
    while left.get_map() and time.monotonic() < end:
        for key, _ in left.select(1):
            left.unregister(key.fileobj)
            try:
                goes_on = key.data.take() == key.data.name
            except OSError:
                goes_on = False
            if not goes_on:
                lost.append(key.data)
    return lost + [key.data for key in left.get_map().values()]


def established(director):
    return sum(1 for line in director.get("/v1/connections").splitlines() if '"ESTABLISHED"' in line)


@contextmanager
def pair(lab, second_host, options, hasty=True):
    """Two directors under keepalived, told of each other's connections; the first has the VIP."""
    sync = ("--standby", "--sync", "both", "--sync-interface", "eth0", *options)
    services = VIRTUAL_SERVER.format(vip=VIP, port=80, scheduler="rr", more="", servers=real_servers(lab.servers))
    directors = [Director(lab, *sync, "--peer", SECOND_DIP),
                 Director(lab, *sync, "--peer", DIP, host=second_host, socket=lab.directory / "second.sock")]
    sites = []
    try:
        for number, director in enumerate(directors, 1):
            sites.append(Site(lab, director.start(), number, 200 - 50 * number, services, hasty=hasty))
            sites[-1].start()
            until(lambda: sites[0].owns, 60, sites[0].log)
        for site in sites:
            until(lambda: site.director.listing().count("->") == len(lab.servers) + 1, 60, site.log)
        yield sites
    finally:
        for host in (lab.director, second_host):
            kill(host.processes())
        for started in [*sites, *directors]:
            if started.process:
                started.process.wait()


def measure(lab, first, second, count, rate):
    """Kills the first with so many connections open and requests being made; what was broken of those that had been
    open for long and of those that had just begun, and the requests that were lost."""
    with ExitStack() as stack:
        old = [Open(lab.client).ask() for _ in range(count)]
        for connection in old:
            stack.enter_context(connection.socket)
        until(lambda: established(second.director) >= count, 60, lambda: second.director.get("/v1/sync"))
        with Requests(lab.client, rate, [(VIP, 80)]) as requests:
            with Opener(lab.client) as opener:
                until(lambda: len(opener.opened) > 3 * RATE * LOOK, 60)
                first.kill()
                killed = time.monotonic()
            until(lambda: second.owns, 60, second.log)
            for connection in opener.opened:
                stack.enter_context(connection.socket)
            lost_old, lost_new = broken(old), broken(opener.opened)
        ages = [killed - connection.begin for connection in lost_new]
        return {"old": (len(lost_old), len(old)), "new": (len(lost_new), len(opener.opened)),
                "oldest": max(ages, default=0),
                "requests": (len(requests.lost), len(requests.lost) + len(requests.answers))}


def line(words, found):
    old, new, requests = found["old"], found["new"], found["requests"]
    return (f"{words}: {old[0]} of {old[1]} open sessions broken; {new[0]} of {new[1]} that began in the last seconds, "
            f"the oldest of them {found['oldest']:.2f} s before; {requests[0]} of {requests[1]} requests lost")


def main():
    parser = argparse.ArgumentParser(prog="scripts/failover sessions", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=5000)
    parser.add_argument("--rate", type=int, default=500, help="requests a second beside them")
    parser.add_argument("--patient", action="store_true",
                        help="VRRP speaks each second only: for a machine that is busy")
    chosen = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    good = True
    with Lab() as lab, lab.host_with_queues("director2", SECOND_MAC, SECOND_DIP, 1) as second_host:
        lab.client.sysctl("net.ipv4.ip_local_port_range", "1024 65000")
        for options in ((), ("--sync-all",)):
            with pair(lab, second_host, options, not chosen.patient) as (first, second):
                found = measure(lab, first, second, chosen.sessions, chosen.rate)
            print(line(" ".join(("--sync both", *options)), found), flush=True)
            good = good and found["old"][0] == 0 and found["oldest"] <= 3 * LOOK
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
