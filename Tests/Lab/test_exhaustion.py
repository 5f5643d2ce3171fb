"""Nothing left of something: descriptors, memory for a reader. What lbd does and says meanwhile, and that it recovers."""

import os
import resource
import socket
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from frames import ARP_REPLY, ETHERTYPE_IPV4, arp_request, ethernet, udp
from lab import STRANGER_MAC, VIP
from traffic import web as requests
from waiting import until
from wire import Wire, is_arp

METRICS = ("127.0.0.1", 9100)


def descriptors(director):
    return len(os.listdir(f"/proc/{director.process.pid}/fd"))


def processor_seconds(director):
    """The processor time that lbd has used."""
    words = Path(f"/proc/{director.process.pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def is_busy(director):
    """Whether it takes more than a fifth of a processor."""
    begin, used = time.monotonic(), processor_seconds(director)
    time.sleep(2)
    return (processor_seconds(director) - used) > (time.monotonic() - begin) / 5


@contextmanager
def idle_connections(lab, count):
    """So many connections to the metrics; a server may close them or leave them waiting, as it likes."""
    with ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(lab.director.socket(socket.AF_INET, socket.SOCK_STREAM))
            connection.setblocking(False)
            connection.connect_ex(METRICS)
        yield


@pytest.mark.parametrize("limit", [1024, 128])
def test_idle_connections_to_the_metrics_take_nothing_from_control(lab, start, limit):
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    director = start("--metrics", ":".join(map(str, METRICS)), under=("prlimit", f"--nofile={limit}:{limit}"))
    director.add_web()
    before = descriptors(director)
    with idle_connections(lab, 1200):
        until(lambda: descriptors(director) >= before + min(limit // 8, 64))
        director.lbctl("add-service", "-t", f"{VIP}:81")
        assert f"{VIP}:81" in director.listing()
        assert descriptors(director) < limit
        assert lab.director.run("curl", "--silent", "--fail", "--max-time", 10, "http://127.0.0.1:9100/metrics").stdout
        assert not is_busy(director)
        assert len(requests(lab.client, 3)) == 3
    assert "is gone" not in director.output()


def test_without_descriptors_to_spare_the_interface_is_not_taken_for_absent(lab, web):
    pid = web.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    # Those that are open stay; no other can be opened.
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        with socket.socket(socket.AF_UNIX) as waiting:
            waiting.connect(str(web.socket))
            until(lambda: "no connection for control can be accepted: Too many open files" in web.output())
            until(lambda: "interface eth0 cannot be looked at: socket: Too many open files" in web.output())
            assert not is_busy(web)
        with Wire(lab.stranger) as wire:
            assert wire.ask(arp_request(STRANGER_MAC, "10.77.0.50", VIP), is_arp(ARP_REPLY, VIP, "10.77.0.50"), 5)
        assert len(requests(lab.client, 3)) == 3
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    web.lbctl("add-service", "-t", f"{VIP}:81")
    assert "is gone" not in web.output() and "has the address" not in web.output()
    assert len(requests(lab.client, 3)) == 3


# A capture that is written to something slow


def megabytes(director):
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{director.process.pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) // 1024


def test_a_capture_that_nobody_reads_costs_bounded_memory_and_says_what_it_lost(lab, director):
    director.lbctl("add-service", "-u", f"{VIP}:53")
    director.lbctl("add-rs", "-u", f"{VIP}:53", "-r", "10.77.0.201:53", "--mac", STRANGER_MAC)
    frame = ethernet(lab.director.mac, STRANGER_MAC, ETHERTYPE_IPV4, udp("198.51.100.1", 4000, VIP, 53, bytes(1400)))
    with socket.socket(socket.AF_UNIX) as reader, Wire(lab.stranger) as wire:
        reader.connect(str(director.socket))
        reader.sendall(b"GET /v1/capture HTTP/1.1\r\nHost: lbd\r\n\r\n")
        assert reader.recv(1)
        before, forwarded = megabytes(director), director.json("verdicts")["forwarded"]
        # 200 MB, which go through before this ends.
        for number in range(150):
            for _ in range(1000):
                wire.socket.send(frame)
            until(lambda: director.json("verdicts")["forwarded"] >= forwarded + (number - 1) * 500)
        assert megabytes(director) - before < 100
    until(lambda: "a capture lost" in director.output())
