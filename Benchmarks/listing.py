"""A listing of a million connections while frames flow: how long it takes, what memory, how long a frame waits at most."""

import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Tests/Lab"))

import test_listing as listing  # noqa: E402
from director import Director  # noqa: E402
from lab import Lab  # noqa: E402

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


def run(rounds):
    results = []

    def add(name, value, unit, **more):
        results.append({"name": name, "value": value, "unit": unit, **more})

    with Lab() as lab:
        director = Director(lab, "--probe-interval", "20").start()
        flood = listing.Flood(lab, director)
        with flood.wire:
            flood.send(listing.ADDRESSES, listing.PORTS)
            for _ in flood.wire.collect():
                pass
            before = listing.memory(listing.lbd(director))
            end = time.monotonic() + 3
            add("longest round trip of a frame, without a listing", longest_wait(flood, lambda: time.monotonic() < end), "us")
            for name, words in LAYOUTS.items():
                times, memory, waits = [], [0, 0], []
                for _ in range(rounds):
                    begin = time.monotonic()
                    process = listing.listing(director, subprocess.DEVNULL, *words)

                    def goes_on():
                        if process.poll() is not None:
                            return False
                        memory[:] = [max(memory[0], listing.memory(listing.lbd(director)) - before),
                                     max(memory[1], listing.memory(process.pid))]
                        return True
                    waits.append(longest_wait(flood, goes_on))
                    times.append(time.monotonic() - begin)
                add(f"a million connections listed {name}", sorted(times)[rounds // 2], "s")
                add(f"memory more of lbd meanwhile, {name}", memory[0], "MiB")
                add(f"memory of lbctl, {name}", memory[1], "MiB")
                add(f"longest round trip of a frame meanwhile, {name}", sorted(waits)[rounds // 2], "us")
        director.stop()
    return results
