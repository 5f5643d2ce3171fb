"""The round trip of a datagram: direct, through each data plane, and through nftables."""

import statistics
import time
from contextlib import contextmanager, nullcontext
from pathlib import Path

from hairpin import FIRST, LAST, TOOLS, Unavailable, direct_routing, ingress, last_words, placed
from hairpin import VIP as LOAD_VIP
from machine import progress

from director import Director  # noqa: E402 (of the lab, whose place hairpin knows)
from lab import STRANGER_MAC, VIP, Lab

TITLE = "The round trip of a datagram in the lab"
NOTE = """A client asks a server's echo over a switch, once every quarter of a millisecond; the answer comes straight
back. Under load a generator sends other frames through the same director, half as many as `lbd` with af-packet could
carry over this switch; when the client is ready to run it gives way. Medians of the rounds' percentiles; `of nftables`
is the median of the rounds' ratios."""

PLANES = ("af-packet", "af-xdp")
PORT, FLOWS, LENGTH = 7, 1 << 16, 60
PERCENTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
DIRECT, NFTABLES = "direct", "nftables netdev DSR"


class Switched:
    """The lab with one real server, and a stranger on the switch who loads the director."""

    def __init__(self, lab):
        self.lab, (self.server,) = lab, lab.servers
        self.log = lab.directory / "bench.log"
        lab.client.ip("neighbor", "replace", VIP, "lladdr", lab.director.mac, "dev", "eth0", "nud", "permanent")
        # A veth that aggregates has its own polling, which frames of an XDP program need at their far end.
        lab.transmits_from_xdp(True, "stranger")
        lab.transmits_from_xdp(True)
        lab.stranger.run("nft", ingress("drop"))
        for address in (self.server.address, VIP):
            self.server.start(TOOLS / "roundtrip", "echo", address, PORT, log=self.log)

    @contextmanager
    def direct(self):
        self.lab.director.run("nft", ingress(f"ip daddr {LOAD_VIP} drop"))
        try:
            yield self.server.address
        finally:
            self.lab.director.run("nft", "delete table netdev bench")

    @contextmanager
    def ours(self, plane):
        director = Director(self.lab, "--data-plane", plane, "--probe-interval", "20", under=placed(LAST))
        try:
            director.start()
        except RuntimeError:
            director.stop()
            raise Unavailable(last_words(director)) from None
        try:
            for vip, port, server, mac in ((VIP, PORT, self.server.address, self.server.mac),
                                           (LOAD_VIP, 80, "10.77.0.31", STRANGER_MAC)):
                director.lbctl("add-service", "-u", f"{vip}:{port}", "-s", "rr")
                director.lbctl("add-rs", "-u", f"{vip}:{port}", "-r", f"{server}:{port}", "--mac", mac)
            yield VIP
        finally:
            director.stop()

    @contextmanager
    def nftables(self):
        rules = "; ".join(direct_routing(vip, self.lab.director.mac, [mac])
                          for vip, mac in ((VIP, self.server.mac), (LOAD_VIP, STRANGER_MAC)))
        self.lab.director.run("nft", ingress(rules))
        try:
            yield VIP
        finally:
            self.lab.director.run("nft", "delete table netdev bench")

    @contextmanager
    def load(self, rate=None):
        pace = ("--rate", rate) if rate else ()
        process = self.lab.stranger.start(
            "chrt", "--idle", "0", *placed(FIRST), TOOLS / "generator", *pace, "eth0", FLOWS, LENGTH,
            self.lab.director.mac, log=self.log)
        try:
            time.sleep(0.5)
            if process.poll() is not None:
                raise RuntimeError(self.log.read_text())
            yield
        finally:
            process.kill()
            process.wait()

    def traffic(self):
        """Frames of the load that came back and that were sent, and the time."""
        with self.lab.stranger.inside():
            lines = Path("/proc/thread-self/net/dev").read_text().splitlines()
        words = next(line for line in lines if "eth0:" in line).split(":")[1].split()
        return int(words[1]), int(words[9]), time.monotonic()

    def saturation(self, seconds):
        """Frames a second that come back of as many as can be made."""
        with self.load():
            before = self.traffic()
            time.sleep(seconds)
            return rates(before, self.traffic())[0]

    def ask(self, address, count):
        """Microseconds of each answer, and how many never came."""
        words = self.lab.client.run(TOOLS / "roundtrip", "ask", address, PORT, count, 250).stdout.split()
        times = sorted(int(word) / 1000 for word in words if word != "lost")
        return times, len(words) - len(times)


def run(rounds=5, quick=False):
    count = 300 if quick else 4000
    with Lab(servers=1) as lab:
        switched = Switched(lab)
        contenders = {DIRECT: switched.direct, **{f"lbd, {plane}": lambda plane=plane: switched.ours(plane)
                                                 for plane in PLANES}, NFTABLES: switched.nftables}
        progress("latency: what af-packet carries over the switch")
        with switched.ours(PLANES[0]):
            saturation = switched.saturation(0.3 if quick else 2)
        measured = {name: {0: [], 1: []} for name in contenders}
        refusals = {}
        for number in range(rounds):
            for name, contender in contenders.items():
                progress(f"latency: round {number + 1} of {rounds}: {name}")
                if name in refusals:
                    continue
                try:
                    with contender() as address:
                        for loaded, found in measured[name].items():
                            found.append(round_trips(switched, address, count, loaded * saturation / 2))
                except Unavailable as refusal:
                    refusals[name] = str(refusal)
    return [row for loaded in (0, 1) for row in rows(measured, refusals, loaded)]


def rates(before, after):
    """Frames a second between two looks: that came back, that were sent."""
    return [(after[n] - before[n]) / (after[2] - before[2]) for n in (0, 1)]


def round_trips(switched, address, count, rate):
    """One round: percentiles, losses, and the frames a second that were offered and came back meanwhile."""
    with switched.load(round(rate)) if rate else nullcontext():
        switched.ask(address, 100)
        before = switched.traffic()
        times, lost = switched.ask(address, count)
        carried, offered = rates(before, switched.traffic())
    if not times:
        raise Unavailable("no answer came")
    return {"lost": lost, "offered": offered, "carried": carried,
            **{name: times[min(int(share * len(times)), len(times) - 1)] for name, share in PERCENTILES.items()}}


def rows(measured, refusals, loaded):
    for name, by_load in measured.items():
        row, found = {"path": name, "load": "half" if loaded else "idle"}, by_load[loaded]
        if not found:
            yield row | {"unavailable": refusals.get(name, "")}
            continue
        row |= {key: round(statistics.median(one[key] for one in found), 1) for key in PERCENTILES}
        row["toNFTables"] = {key: round(statistics.median(a[key] / b[key] for a, b in zip(
            found, measured[NFTABLES][loaded])), 3) for key in PERCENTILES}
        row["lost"] = sum(one["lost"] for one in found)
        if loaded:
            row |= {key: round(statistics.median(one[key] for one in found)) for key in ("offered", "carried")}
        yield row


def tables(results):
    head = ["p50 of nftables", "p99 of nftables", "load", "path", "p50, us", "p99, us", "p99.9, us", "no answer",
            "load offered, frames/s", "carried"]
    lines = []
    for row in results:
        if "unavailable" in row:
            lines.append(["", "", row["load"], row["path"], f"not available: {row['unavailable']}", *[""] * 5])
            continue
        ratios = [f"{row['toNFTables'][key]:.2f}" for key in ("p50", "p99")]
        lines.append([*ratios, row["load"], row["path"], *(row[key] for key in PERCENTILES), row["lost"],
                      row.get("offered", ""), "" if row["path"] == DIRECT else row.get("carried", "")])
    return [(head, lines)]


def aims(results):
    at = {(row["path"], row["load"]): row for row in results}
    for plane in PLANES:
        half = at.get((f"lbd, {plane}", "half"), {})
        yield (f"{plane}: p99 of the round trip at half load, to nftables DSR's", half.get("toNFTables", {}).get("p99"),
               "<=", 1.2, WAKING)
    idle, direct = (at.get((path, "idle"), {}).get("p50") for path in (f"lbd, {PLANES[0]}", DIRECT))
    added = round(idle - direct, 1) if idle and direct else None
    yield "added to the median round trip by an idle director with af-packet, us", added, "<=", 150, ""


WAKING = """nftables forwards a frame where the kernel receives it; `lbd` is another thread, which has to be woken
  when it slept and shares its processor with the client and the echo."""
