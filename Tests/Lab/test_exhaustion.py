"""Nothing left of something, or nothing that can be relied on: descriptors, memory, room in the kernel, ports, the time.
What lbd does and says meanwhile, and that it recovers."""

import os
import resource
import signal
import socket
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from burdens import METRICS, idle_connections, megabytes
from flood import pour, spoofed
from frames import ARP_REPLY, ETHERTYPE_IPV4, SYN, arp_request, ethernet, tcp, udp
from host import command
from lab import BINARIES, STRANGER_MAC, VIP
from traffic import Session, web as requests
from waiting import until
from wire import Wire, is_arp

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


# Memory


@contextmanager
def no_more_memory(director, more):
    """It may map so many bytes more than it has mapped."""
    pid = director.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_AS)
    mapped = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()
    resource.prlimit(pid, resource.RLIMIT_AS, (mapped + more, limits[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_AS, limits)


def test_when_no_more_memory_can_be_mapped_connections_and_changes_go_on(lab, web):
    """The tables' room was set aside at the start; requests take what there is in small pieces."""
    session = Session(lab.client)
    server = session.get()
    with no_more_memory(web, 16 << 20), Wire(lab.stranger) as wire:
        pour(lab, web, wire, (tcp(spoofed(number), 1024, VIP, 80, SYN) for number in range(400_000)))
        # Not all that were sent: some are lost where frames come faster than they are taken in.
        until(lambda: web.json_at("/v1/tables")[0]["entries"] > 300_000)
        assert session.get() == server
        assert len(requests(lab.client, 20)) == 20
        web.lbctl("edit-rs", "-t", f"{VIP}:80", "-r", f"{lab.servers[0].address}:80", "-w", 2)
        assert f"{VIP}:80" in web.listing()
    assert session.get() == server


def test_without_memory_for_its_tables_it_does_not_start_and_says_so(lab):
    done = lab.director.run("prlimit", f"--as={300 << 20}", BINARIES / "lbd", "--interface", "eth0", "--state", "none",
                            "--socket", lab.directory / "poor.sock", "--connections", 100_000_000, check=False)
    assert done.returncode == 1 and "memory" in done.stderr and done.stderr.count("\n") == 1


# Room in the kernel


@contextmanager
def kernel_setting(host, key, value):
    before = host.sysctl(key)
    host.sysctl(key, value)
    try:
        yield
    finally:
        host.sysctl(key, before)


def test_a_filter_that_the_kernel_has_no_room_for_becomes_a_wider_one_and_is_told_of(lab, start):
    with kernel_setting(lab.director, "net.core.optmem_max", 4096):
        director = start()
        vips = [f"10.77.1.{number}" for number in range(1, 81)]
        for vip in vips:
            director.lbctl("add-service", "-t", f"{vip}:80")
        director.add_web()
        with Wire(lab.stranger) as wire:
            for vip in vips:
                assert wire.ask(arp_request(STRANGER_MAC, "10.77.0.50", vip), is_arp(ARP_REPLY, vip, "10.77.0.50")), vip
        assert len(requests(lab.client, 6)) == 6
        assert "net.core.optmem_max" in director.output()


def test_more_netlink_messages_than_wait_for_it_do_not_hide_what_comes_after(lab, web):
    """While it stands still, more happens to addresses than a socket keeps."""
    batch = lab.directory / "addresses"
    web.process.send_signal(signal.SIGSTOP)
    try:
        for word in ("add", "del"):
            batch.write_text("".join(f"address {word} 10.78.{number >> 8}.{number & 255}/32 dev lo\n"
                                     for number in range(5000)))
            lab.director.run("ip", "-batch", batch)
    finally:
        web.process.send_signal(signal.SIGCONT)
    assert len(requests(lab.client, 3)) == 3
    lab.lan.ip("link", "set", "director", "down")
    until(lambda: "interface eth0 is down" in web.output())
    lab.lan.ip("link", "set", "director", "up")
    until(lambda: web.json("vips")[0]["state"] == "owned")
    assert len(requests(lab.client, 3)) == 3


def test_a_check_for_which_no_port_is_left_says_nothing_about_the_server(lab, web):
    with kernel_setting(lab.director, "net.ipv4.ip_local_port_range", "61000 61001"), ExitStack() as stack:
        for port in (61000, 61001):
            taken = stack.enter_context(lab.director.socket(socket.AF_INET, socket.SOCK_STREAM))
            taken.bind(("0.0.0.0", port))
        web.lbctl("add-check", "-t", f"{VIP}:80", "--type", "tcp", "--via", "rip", "--interval", "200ms", "--fall", 1)

        def counts():
            servers = web.json("list", "--health", "-t", f"{VIP}:80")[0]["servers"]
            return [server["checks"][0]["counts"] for server in servers]

        until(lambda: all(count["unclear"] > 2 for count in counts()))
        assert all(count["bad"] == 0 for count in counts())
        assert len(requests(lab.client, 6)) == 6


# Time


@pytest.fixture(scope="module")
def clock(lab):
    """A file that says by how many seconds the clock of the day is wrong, and how a program is started that believes it."""
    library, file = lab.directory / "clock.so", lab.directory / "clock"
    command("cc", "-shared", "-fPIC", "-o", library, Path(__file__).with_name("clock.c"))
    return file, ("env", f"LD_PRELOAD={library}", f"CLOCK_JUMP={file}")


@pytest.mark.parametrize("jump", [172_800, -172_800])
def test_a_clock_of_the_day_that_is_set_ends_nothing(lab, start, clock, jump):
    file, believing = clock
    file.write_text("0")
    director = start(seccomp="on", under=believing)
    director.add_web()
    director.lbctl("add-check", "-t", f"{VIP}:80", "--type", "tcp", "--interval", "200ms")
    session = Session(lab.client)
    server = session.get()
    file.write_text(str(jump))
    director.lbctl("edit-rs", "-t", f"{VIP}:80", "-r", f"{lab.servers[0].address}:80", "-w", 2)
    days = {line[:10] for line in director.output().splitlines() if line[:2] == "20"}
    assert len(days) > 1, f"it noticed, or the test shows nothing: {days}"
    for _ in range(3):
        assert session.get() == server
        assert len(requests(lab.client, 6)) == 6
    assert director.json("vips")[0]["state"] == "owned"
    assert sum(active for active, _ in director.connections().values()) >= 1
    servers = director.json("list", "--health", "-t", f"{VIP}:80")[0]["servers"]
    assert {server["state"] for server in servers} == {"up"}
