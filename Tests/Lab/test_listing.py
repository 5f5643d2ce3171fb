"""The connection table at scale: a million rows, listed while frames flow."""

import json
import struct
import subprocess
import time
from pathlib import Path

import pytest

from director import BINARIES
from frames import ETHERTYPE_IPV4, SYN, ethernet, tcp, udp
from host import end_with_parent
from lab import STRANGER_MAC, VIP
from wire import Wire

ADDRESSES, PORTS = [f"198.51.100.{number}" for number in range(16)], range(1024, 1024 + 62_500)
HALF_OPEN = 1_000
SOURCE_PORT = 34
# Frames on their way at most: half of what the director's ring holds.
WINDOW = 2_000


class Flood:
    """Frames of many flows from the stranger, who is all of the real servers too: what is forwarded comes back."""

    def __init__(self, lab, director):
        self.lab, self.director, self.sent = lab, director, 0
        for service in (("-u", f"{VIP}:53"), ("-t", f"{VIP}:53")):
            director.lbctl("add-service", *service, "-s", "rr")
            for number in range(4):
                director.lbctl("add-rs", *service, "-r", f"10.77.0.{201 + number}:53", "--mac", STRANGER_MAC)
        self.wire = Wire(lab.stranger)
        self.before = self.arrived()

    def arrived(self):
        with self.lab.stranger.inside():
            text = Path("/proc/thread-self/net/dev").read_text()
        return int(text.split("eth0:")[1].split()[1])

    def send(self, addresses, ports, make=udp, *flags):
        """A frame of each flow. The datagrams have no checksum, so only the port differs."""
        for address in addresses:
            packet = bytearray(make(address, 0, VIP, 53, *flags))
            if make is udp:
                packet[26:28] = b"\0\0"
            frame = bytearray(ethernet(self.lab.director.mac, STRANGER_MAC, ETHERTYPE_IPV4, packet))
            for port in ports:
                struct.pack_into("!H", frame, SOURCE_PORT, port)
                self.wire.socket.send(frame)
                self.sent += 1
                if self.sent % (WINDOW // 2) == 0:
                    self.await_return(WINDOW // 2)
        self.await_return(0)

    def await_return(self, missing):
        end = time.monotonic() + 30
        while self.sent - (self.arrived() - self.before) > missing:
            assert time.monotonic() < end, f"{self.sent} frames sent, {self.arrived() - self.before} came back"
            time.sleep(0.001)


@pytest.fixture
def flood(lab, director):
    flood = Flood(lab, director)
    with flood.wire:
        yield flood


def listing(director, output, *words):
    """Starts a listing of connections; its namespace does not matter, its socket is a file."""
    return subprocess.Popen([BINARIES / "lbctl", "--socket", director.socket, "list", "--connections", *words],
                            stdout=output, preexec_fn=end_with_parent)


def count(director, *words):
    return len(director.lbctl("list", "--connections", *words).stdout.splitlines()) - 2


def memory(pid):
    """MiB that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) >> 8


def lbd(director):
    children = Path(f"/proc/{director.process.pid}/task/{director.process.pid}/children").read_text().split()
    return int((children or [director.process.pid])[0])


def test_a_million_connections_are_listed_once_each_while_frames_flow(lab, director, flood):
    flood.send(ADDRESSES, PORTS)
    flood.send(["198.51.101.1"], PORTS[:HALF_OPEN], tcp, SYN)
    before, most = flood.sent, 0
    path = lab.directory / "connections.json"
    with open(path, "w") as output:
        process = listing(director, output, "--json")
    while process.poll() is None:
        # All come back, or `send` fails.
        flood.send(ADDRESSES[flood.sent % 16:][:1], PORTS[:100])
        most = max(most, memory(process.pid) if process.poll() is None else 0)
    assert process.returncode == 0 and flood.sent - before >= 100 and most < 100
    rows = [json.loads(line)["client"] for line in open(path)]
    expected = {f"{address}:{port}" for address in ADDRESSES for port in PORTS}
    expected |= {f"198.51.101.1:{port}" for port in PORTS[:HALF_OPEN]}
    assert len(rows) == len(expected) and set(rows) == expected


def test_filters_find_what_they_say(director, flood):
    flood.send(ADDRESSES[:4], PORTS[:1_000])
    flood.send(["198.51.101.1"], PORTS[:HALF_OPEN], tcp, SYN)
    assert count(director) == 5_000
    assert count(director, "--client", "198.51.100.2") == 1_000
    assert count(director, "--client", "198.51.100.0/31") == 2_000
    assert count(director, "--client", "10.0.0.0/8") == 0
    assert count(director, "--state", "syn_recv") == 1_000
    assert count(director, "--state", "ESTABLISHED") == 0
    assert count(director, "--server", "10.77.0.202") == 1_250
    assert count(director, "--server", "10.77.0.202", "--client", "198.51.100.2", "--state", "UDP") == 250
    assert count(director, "-u", f"{VIP}:53") == 4_000
    assert count(director, "-t", f"{VIP}:53", "--server", "10.77.0.204") == 250


def test_a_listing_that_nobody_reads_fills_no_memory_and_holds_nothing_up(director, flood):
    flood.send(ADDRESSES[:4], PORTS)
    before = memory(lbd(director))
    process = listing(director, subprocess.PIPE)
    time.sleep(1)
    flood.send(ADDRESSES[:1], PORTS[:1_000])
    assert memory(lbd(director)) - before < 32 and memory(process.pid) < 64
    begin = time.monotonic()
    assert director.stop() == 0
    assert time.monotonic() - begin < 10, "lbd waits a second for readers"
    process.kill()
    process.wait()
