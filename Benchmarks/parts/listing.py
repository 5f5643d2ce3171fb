"""A listing of a million connections while frames flow: how long it takes, what memory, how long a frame waits at most."""

import statistics
import subprocess
import time

import hairpin  # noqa: F401 (knows where the lab is)
import memory
from machine import progress

import test_listing as listing
from director import Director
from lab import Lab

TITLE = "A listing of a million connections in the lab"
NOTE = """`lbctl list --connections` while one frame after the other makes its way through the same director. A round trip's
time is mostly that of the Python program that waits for it."""

LAYOUTS = {"as text": [], "as JSON": ["--json"], "one client of 16": ["--client", listing.ADDRESSES[0]]}


def longest_wait(flood, until):
    """Microseconds of the slowest of many round trips of one frame, one after the other."""
    flood.wire.socket.setblocking(True)
    packet = bytearray(listing.udp(listing.ADDRESSES[0], listing.PORTS[0], listing.VIP, 53))
    frame = listing.ethernet(flood.lab.director.mac, listing.STRANGER_MAC, listing.ETHERTYPE_IPV4, packet)
    longest = 0
    while until():
        begin = time.perf_counter()
        flood.wire.socket.send(frame)
        while flood.wire.socket.recv(2048)[12:14] != b"\x08\0":
            pass
        longest = max(longest, time.perf_counter() - begin)
    return longest * 1e6


class Listings:
    """One layout, listed again and again: how long each takes, the most memory, how long a frame waits meanwhile."""

    def __init__(self, director, flood, words):
        self.director, self.flood, self.words = director, flood, words
        self.before = listing.memory(listing.lbd(director))
        self.times, self.waits, self.daemon, self.program = [], [], 0, 0

    def run(self):
        begin = time.monotonic()
        process = listing.listing(self.director, subprocess.DEVNULL, *self.words)
        self.waits.append(longest_wait(self.flood, lambda: self.goes_on(process)))
        self.times.append(time.monotonic() - begin)

    def goes_on(self, process):
        if process.poll() is not None:
            return False
        self.daemon = max(self.daemon, listing.memory(listing.lbd(self.director)) - self.before)
        self.program = max(self.program, listing.memory(process.pid))
        return True

    def figures(self, name):
        yield figure(f"a million connections listed {name}", statistics.median(self.times), "s")
        yield figure(f"memory more of lbd meanwhile, {name}", self.daemon, "MiB")
        yield figure(f"memory of lbctl, {name}", self.program, "MiB")
        yield figure(f"longest round trip of a frame meanwhile, {name}", statistics.median(self.waits), "us")


def figure(name, value, unit):
    return {"name": name, "value": value, "unit": unit}


def run(rounds=5, quick=False):
    with Lab() as lab:
        director = Director(lab, "--probe-interval", "20").start()
        flood = listing.Flood(lab, director)
        with flood.wire:
            progress("listing: a flow after the other")
            flood.send(listing.ADDRESSES, listing.PORTS[:256] if quick else listing.PORTS)
            for _ in flood.wire.collect():
                pass
            end = time.monotonic() + (0.2 if quick else 3)
            results = [figure("longest round trip of a frame, without a listing",
                              longest_wait(flood, lambda: time.monotonic() < end), "us")]
            for name, words in LAYOUTS.items():
                progress(f"listing: {name}")
                listings = Listings(director, flood, words)
                for _ in range(rounds):
                    listings.run()
                results += listings.figures(name)
        director.stop()
    return results


def tables(results):
    return [memory.figures(results)]
