"""Frames that go into a forwarder and come back to where they were made.

        generator ── eth0 ═══ veth ═══ eth0 ── forwarder

The kernel makes the frames (Benchmarks/Tools/Generator) in one namespace; in the other a forwarder takes them and sends
them back out of the interface they came from; what returns is counted. The generator, and with it the kernel's
receiving, has the first processor, the forwarder the last one.
"""

import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "Tests/Lab"))

from director import Director  # noqa: E402
from host import Host  # noqa: E402
from lab import sweep  # noqa: E402

TOOLS = Path(os.environ.get("LVS_BENCH_BIN", PROJECT / ".build/benchmarks/release"))
VIP, PORT, SERVERS = "198.51.100.1", 80, 4
STATION, SOURCE = "02:00:00:00:00:01", "02:00:00:00:00:c1"
FIRST, LAST = "0", str((os.cpu_count() or 1) - 1)
# Connections for the largest set of flows.
ROOM = 1 << 21


class Unavailable(Exception):
    """Why a contender cannot be measured here."""


def placed(processor):
    """Runs a program on one processor."""
    return ("taskset", "-c", processor)


def mac(number):
    return f"02:00:00:00:01:{number:02x}"


def ingress(rule):
    """An nftables program at an interface's way in."""
    return f"table netdev bench {{ chain c {{ type filter hook ingress device eth0 priority 0; {rule}; }}; }}"


def direct_routing(vip, station, servers):
    """Direct routing by nftables alone: a server by the hash of the client's address and port."""
    choice = ", ".join(f"{number} : {server}" for number, server in enumerate(servers))
    return (f"ip daddr {vip} ip ttl set 63 ether saddr set {station} ether daddr set jhash ip saddr . udp sport "
            f"mod {len(servers)} map {{ {choice} }} fwd to eth0")


def last_words(director):
    """Why lbd did not start."""
    return (director.output().strip().splitlines() or ["lbd did not start"])[-1]


class Hairpin:
    """The two namespaces, and what runs in them."""

    detached = False
    # What the generator and the forwarder are started by.
    generating, forwarding = placed(FIRST), placed(LAST)

    def __enter__(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _: sys.exit(128 + number))
        sweep()
        prefix = f"lvs-{os.getpid()}"
        self.directory = Path(tempfile.mkdtemp(prefix=f"{prefix}-"))
        self.hosts = []
        try:
            self.source, self.director = (self._host(f"{prefix}-{name}") for name in ("source", "director"))
            self.source.ip("link", "add", "eth0", "address", SOURCE, "type", "veth",
                           "peer", "name", "eth0", "address", STATION, "netns", self.director.namespace)
            self.director.ip("address", "add", "10.77.0.2/24", "dev", "eth0")
            for host in self.hosts:
                # A veth that aggregates has its own polling, which frames of an XDP program need at their far end.
                host.ip("link", "set", "eth0", "up")
                host.run("ethtool", "-K", "eth0", "gro", "on")
            # What returns is for servers that are not there: it ends here.
            self.source.run("nft", ingress("drop"))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for host in self.hosts:
            host.destroy()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _host(self, name):
        host = Host(name, name)
        self.hosts.append(host)
        return host

    @contextmanager
    def _running(self, host, under, *words):
        log = self.directory / "log"
        log.unlink(missing_ok=True)
        process = host.start(*under, *words, log=log)
        try:
            time.sleep(0.1)
            if process.poll() is None:
                yield process
            if process.poll() is not None:
                raise Unavailable(f"{Path(words[0]).name} ended: {log.read_text().strip()}")
        finally:
            process.kill()
            process.wait()

    @contextmanager
    def _filtered(self, rule):
        self.director.run("nft", ingress(rule))
        try:
            yield
        finally:
            self.director.run("nft", "delete table netdev bench")

    # The contenders: forwarding while the context lasts.

    @contextmanager
    def ours(self, plane, *options):
        director = Director(
            self, "--data-plane", plane, "--probe-interval", "20", *options, under=self.forwarding)
        try:
            director.start()
        except RuntimeError:
            director.stop(signal.SIGKILL)
            raise Unavailable(last_words(director)) from None
        try:
            service = ("-u", f"{VIP}:{PORT}")
            director.lbctl("add-service", *service, "-s", "rr")
            for number in range(SERVERS):
                director.lbctl("add-rs", *service, "-r", f"10.77.0.{21 + number}:{PORT}", "--mac", mac(number))
            yield director
        finally:
            # In order: what guards the VIP from the host outlives one that was killed, and would stop the next contender.
            director.stop()

    @contextmanager
    def twin(self, kind, room=ROOM):
        forwarder = self._running(self.director, self.forwarding, TOOLS / "forwarder", kind, "eth0", room, SERVERS)
        if kind == "xdp":
            with forwarder:
                yield
        else:
            with self._filtered(f"ip daddr {VIP} drop"), forwarder:
                yield

    @contextmanager
    def nftables(self, processor=None):
        """Where the frames are received, or on another processor to which the kernel hands them (RPS)."""
        mask = f"{1 << int(processor):x}" if processor else "0"
        self._steer(mask)
        try:
            with self._filtered(direct_routing(VIP, STATION, [mac(number) for number in range(SERVERS)])):
                yield
        finally:
            self._steer("0")

    def _steer(self, mask):
        self.director.run("sh", "-c", f"echo {mask} > /sys/class/net/eth0/queues/rx-0/rps_cpus")

    @contextmanager
    def reflection(self):
        with self._running(self.director, self.forwarding, TOOLS / "generator", "--reflect", "eth0"), \
                self._running(self.source, self.forwarding, TOOLS / "generator", "--sink", "eth0"):
            yield

    # What is measured.

    def returned(self):
        """Frames that came back so far."""
        with self.source.inside():
            line = next(line for line in Path("/proc/thread-self/net/dev").read_text().splitlines() if "eth0:" in line)
        return int(line.split(":")[1].split()[1])

    def _generator(self, flows, length, *options):
        return TOOLS / "generator", *options, "eth0", flows, length, STATION

    def saturation(self, flows, length, seconds, warm, *options, count=None):
        """How many frames a second return, or what else `count` counts, when as many are offered as can be made."""
        count = count or self.returned
        with self._running(self.source, self.generating, *self._generator(flows, length, *options)):
            time.sleep(warm)
            before, begin = count(), time.monotonic()
            time.sleep(seconds)
            return (count() - before) / (time.monotonic() - begin)

    def trial(self, flows, length, rate, seconds):
        """Offers a rate for some time: frames sent, frames that did not return, frames a second that were sent."""
        before = self.returned()
        output = self.source.run(
            *self.generating, *self._generator(flows, length, "--rate", rate, "--seconds", seconds)).stdout
        time.sleep(0.1)
        sent, took = int(output.split()[0]), float(output.split()[1])
        # More than was sent can return: a neighbor's question.
        return sent, max(0, sent - (self.returned() - before)), sent / took
