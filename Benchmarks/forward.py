"""How many frames a second go through each forwarder and come back.

        generator ── eth0 ═══ veth ═══ eth0 ── forwarder

The kernel makes the frames (Benchmarks/Generator) in one namespace; in the other a forwarder takes them and sends
them back out of the interface they came from; what returns is counted. The generator, and with it the kernel's
receiving, has the first processor, the forwarder the last one. All contenders take turns in each round.
"""

import os
import shutil
import signal
import statistics
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT / "Tests/Lab"))

from director import Director  # noqa: E402
from host import Host, command  # noqa: E402
from lab import sweep  # noqa: E402

TOOLS = Path(os.environ.get("LVS_BENCH_BIN", PROJECT / ".build/benchmarks/release"))
VIP, PORT, SERVERS = "198.51.100.1", 80, 4
STATION, SOURCE = "02:00:00:00:00:01", "02:00:00:00:00:c1"
FIRST, LAST = "0", str((os.cpu_count() or 1) - 1)
WARM, MEASURED = 0.7, 1.5


def mac(number):
    return f"02:00:00:00:01:{number:02x}"


def placed(processor):
    """Runs a program on one processor."""
    return ("taskset", "-c", processor)


class Hairpin:
    """The two namespaces, and what runs in them."""

    detached = False

    def __enter__(self):
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
            self._nft(self.source, "drop")
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

    def _nft(self, host, *rule):
        text = f"table netdev bench {{ chain c {{ type filter hook ingress device eth0 priority 0; {' '.join(rule)}; }}; }}"
        host.run("nft", text)

    @contextmanager
    def _running(self, host, processor, *words):
        process = host.start(*placed(processor), *words, log=self.directory / "log")
        try:
            yield process
            if process.poll() is not None:
                raise RuntimeError(f"{words[0]} ended:\n{(self.directory / 'log').read_text()}")
        finally:
            process.kill()
            process.wait()

    @contextmanager
    def ours(self):
        director = Director(self, "--connections", str(1 << 21), under=placed(LAST))
        director.start()
        try:
            service = ("-u", f"{VIP}:{PORT}")
            director.lbctl("add-service", *service, "-s", "rr")
            for number in range(SERVERS):
                director.lbctl("add-rs", *service, "-r", f"10.77.0.{21 + number}:{PORT}", "--mac", mac(number))
            yield
        finally:
            director.stop(signal.SIGKILL)

    @contextmanager
    def twin(self):
        self._nft(self.director, f"ip daddr {VIP} drop")
        try:
            with self._running(self.director, LAST, TOOLS / "forwarder", "eth0", 1 << 21, SERVERS):
                yield
        finally:
            self.director.run("nft", "delete table netdev bench")

    @contextmanager
    def nftables(self):
        servers = ", ".join(f"{number} : {mac(number)}" for number in range(SERVERS))
        self._nft(self.director, f"ip daddr {VIP} ip ttl set 63 ether saddr set {STATION} ether daddr set",
                  f"jhash ip saddr . udp sport mod {SERVERS} map {{ {servers} }} fwd to eth0")
        try:
            yield
        finally:
            self.director.run("nft", "delete table netdev bench")

    @contextmanager
    def reflection(self):
        with self._running(self.director, LAST, TOOLS / "generator", "--reflect", "eth0"), \
                self._running(self.source, LAST, TOOLS / "generator", "--sink", "eth0"):
            yield

    def returned(self):
        """Frames and the time of the count."""
        with self.source.inside():
            line = next(line for line in Path("/proc/thread-self/net/dev").read_text().splitlines() if "eth0:" in line)
        return int(line.split(":")[1].split()[1]), time.monotonic()

    def measure(self, contender, flows, length):
        """Frames a second that return."""
        with contender(self), self._running(
                self.source, FIRST, TOOLS / "generator", "eth0", flows, length, STATION):
            # Every flow is to have its connection before the count begins.
            time.sleep(WARM + flows / 400_000)
            before, begin = self.returned()
            time.sleep(MEASURED)
            after, end = self.returned()
        return (after - before) / (end - begin)


CONTENDERS = [
    ("lbd, af-packet", Hairpin.ours),
    ("C, ring and sendmmsg", Hairpin.twin),
    ("nftables netdev DSR", Hairpin.nftables),
    ("bare XDP_TX", Hairpin.reflection),
]


def run(rounds, workloads=((1, 60), (1 << 16, 60), (1 << 20, 60), (1 << 16, 1514))):
    """For each workload and contender the median rate, and ours to it: the median of the rounds' ratios."""
    results = []
    with Hairpin() as hairpin:
        for flows, length in workloads:
            rates = {name: [] for name, _ in CONTENDERS}
            for _ in range(rounds):
                for name, contender in CONTENDERS:
                    rates[name].append(hairpin.measure(contender, flows, length))
            ours = rates[CONTENDERS[0][0]]
            for name, _ in CONTENDERS:
                rate = statistics.median(rates[name])
                ratio = statistics.median(a / max(b, 1) for a, b in zip(ours, rates[name]))
                results.append({
                    "flows": flows, "length": length, "forwarder": name, "framesPerSecond": round(rate),
                    "nanosecondsPerFrame": round(1e9 / max(rate, 1)), "oursToIt": round(ratio, 3)})
    return results
