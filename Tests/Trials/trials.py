"""The trials from outside that an early lbd did not stand, once more: what came of each then, and what comes of it now.

    scripts/trials [WORD …]    those whose name has one of the words; without any, all
"""

import os
import resource
import shutil
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Lab"))

from burdens import METRICS, idle_connections, megabytes, undrained_pipe
from director import Director
from flood import pour, spoofed
from frames import (ACK, ARP_REPLY, ARP_REQUEST, ETHERTYPE_IPV4, FIN, SYN, arp_reply, arp_request, echo_request,
                    ethernet, tcp, udp)
from host import command
from lab import ASKER, BINARIES, STRANGER_MAC, VIP, Lab
from switch import features, merging, without_broadcasts_of
from threads import status
from traffic import Session, sha256
from waiting import until
from wire import Wire, is_arp

TRIALS = []


def trial(name, before):
    """Makes a function a trial: it is given the lab and a way to start directors, and gives what came of it and
    whether that is as it should be. `before` is what came of it at the time of the review."""
    def register(work):
        TRIALS.append((name, before, work))
        return work
    return register


def answered(lab, count, seconds=3):
    """How many of so many clients, one after the other, got an answer."""
    words = ("curl", "--silent", "--max-time", seconds, f"http://{VIP}/")
    return sum(lab.client.run(*words, check=False).returncode == 0 for _ in range(count))


def answers_arp(wire, target=VIP, to=None):
    more = {"to": to} if to else {}
    return wire.ask(arp_request(STRANGER_MAC, ASKER, target, **more), is_arp(ARP_REPLY, target, ASKER), 1) is not None


def answers_ping(lab, wire, vip):
    wire.send(ethernet(lab.director.mac, STRANGER_MAC, ETHERTYPE_IPV4, echo_request(ASKER, vip)))
    return wire.wait(lambda frame: frame.icmp and frame.ip.source == vip, 1) is not None


@trial("upload in super-frames with linear heads, 100 MB", "1.7 MB in 8 s")
def upload(lab, start):
    director, path = start(), lab.directory / "sent"
    director.add_web()
    path.write_bytes(os.urandom(100 << 20))
    with features(lab.client, tso="off", gso="off", sg="off"), merging(lab):
        begin = time.monotonic()
        lab.client.run("curl", "--silent", "--fail", "--max-time", 60, "--upload-file", path, f"http://{VIP}/uploads/sent")
        seconds = time.monotonic() - begin
    copies = [copy for server in lab.servers if (copy := lab.uploads(server) / "sent").exists()]
    whole = [sha256(copy) for copy in copies] == [sha256(path)]
    for file in (path, *copies):
        file.unlink()
    return f"{'whole' if whole else 'NOT whole'} in {seconds:.1f} s", whole


@trial("capture -w onto a device node, a FIFO, a symbolic link", "replaced by a file")
def capture(lab, start):
    director, place = start(), lab.directory / "nodes"
    director.add_web()
    place.mkdir()
    os.mknod(place / "device", 0o600 | 0o020000, os.makedev(1, 3))
    os.mkfifo(place / "fifo")
    (place / "target").touch()
    (place / "link").symlink_to(place / "target")
    reader = os.open(place / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    for name in ("device", "fifo", "link"):
        command("timeout", 2, BINARIES / "lbctl", "--socket", director.socket, "capture", "-w", place / name, check=False)
    os.close(reader)
    kept = [(place / "device").is_char_device(), (place / "fifo").is_fifo(), (place / "link").is_symlink()]
    shutil.rmtree(place)
    return f"{sum(kept)} of 3 are what they were", all(kept)


@trial("100,000 ordinary connections (SYN, ACK, FIN) through a table of 16,384", "new ones refused once it was full")
def ordinary(lab, start):
    director = start("--connections", 16384)
    director.add_web()
    with Wire(lab.stranger) as wire:
        pour(lab, director, wire, (tcp(spoofed(number), 1024, VIP, 80, flag)
                                   for number in range(100_000) for flag in (SYN, ACK, FIN | ACK)))
    refused = director.dropped("connection_table_full")
    good = answered(lab, 20)
    return f"{refused} refused, {good} of 20 clients answered", refused == 0 and good == 20


@trial("1,200 spoofed SYNs against a table of 1,024", "every client timed out")
def half_open(lab, start):
    director = start("--connections", 1024)
    director.add_web()
    with Wire(lab.stranger) as wire:
        pour(lab, director, wire, (tcp(spoofed(number), 1024, VIP, 80, SYN) for number in range(1200)))
    good = answered(lab, 20)
    return f"{good} of 20 clients answered", good == 20


@trial("100 VIPs where the kernel has room for a filter of few", "silence from the 73rd on, though \"owned\"")
def filters(lab, start):
    path = Path("/proc/sys/net/core/optmem_max")
    with lab.director.inside():
        before = path.read_text()
        path.write_text("20480")
    try:
        director = start()
        vips = [f"10.77.1.{number}" for number in range(1, 101)]
        for vip in vips:
            director.lbctl("add-service", "-t", f"{vip}:80")
        with Wire(lab.stranger) as wire:
            good = sum(answers_ping(lab, wire, vip) for vip in vips)
    finally:
        with lab.director.inside():
            path.write_text(before)
    return f"{good} of 100 answer a ping", good == 100


@trial("1,200 idle connections to the metrics, 1,024 descriptors", "lbctl hung, a core at 100 %")
def idle(lab, start):
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    director = start("--metrics", ":".join(map(str, METRICS)), under=("prlimit", "--nofile=1024:1024"))
    director.add_web()
    with idle_connections(lab, 1200):
        begin = time.monotonic()
        director.lbctl("list")
        seconds = time.monotonic() - begin
    return f"lbctl answered in {seconds * 1000:.0f} ms", seconds < 5


@trial("standard error that nobody reads, and a forged claim", "no ARP answer; alive 10 s after SIGTERM")
def blocked(lab, start):
    with undrained_pipe() as (_, writer):
        director = start(error=writer)
        director.add_web()
        with Wire(lab.stranger) as wire:
            for number in range(4):
                wire.send(arp_reply(f"02:00:00:00:05:{number:02x}", VIP, lab.director.mac, lab.director.address))
            good = sum(answers_arp(wire) for _ in range(5))
        begin = time.monotonic()
        director.stop(timeout=20)
        seconds = time.monotonic() - begin
    return f"{good} of 5 ARP requests answered, ended in {seconds:.1f} s", good == 5 and seconds < 10


@trial("a capture whose reader stalls, 300 MB of frames", "1.9 GB of memory")
def stalled(lab, start):
    director = start()
    director.lbctl("add-service", "-u", f"{VIP}:53")
    director.lbctl("add-rs", "-u", f"{VIP}:53", "-r", "10.77.0.201:53", "--mac", STRANGER_MAC)
    with socket.socket(socket.AF_UNIX) as reader, Wire(lab.stranger) as wire:
        reader.connect(str(director.socket))
        reader.sendall(b"GET /v1/capture HTTP/1.1\r\nHost: lbd\r\n\r\n")
        assert reader.recv(1)
        before = megabytes(director)
        pour(lab, director, wire, (udp("198.51.100.1", 4000, VIP, 53, bytes(1400)) for _ in range(200_000)))
        grown = megabytes(director) - before
    return f"{grown} MB more", grown < 100


@trial("13 starts at once at one interface", "2 left running")
def starts(lab, start):
    many = [lab.director.start(BINARIES / "lbd", "--interface", "eth0", "--state", "none", "--socket",
                               lab.directory / f"many{number}.sock", log=lab.directory / "many.log") for number in range(13)]
    until(lambda: sum(process.poll() is None for process in many) <= 1, 60)
    left = [process for process in many if process.poll() is None]
    for process in left:
        process.terminate()
        process.wait(20)
    return f"{len(left)} left running", len(left) == 1


@trial("a VIP that another station took while the link was down", "two stations answered, not a word")
def link(lab, start):
    director = start()
    lab.lan.ip("link", "set", "director", "down")
    until(lambda: "interface eth0 is down" in director.output())
    director.add_web()
    lab.lan.ip("link", "set", "director", "up")
    with Wire(lab.stranger) as wire:
        end = time.monotonic() + 10
        while time.monotonic() < end and "is answered for by" not in director.output():
            if request := wire.wait(is_arp(ARP_REQUEST, target=VIP), 0.1):
                wire.send(arp_reply(STRANGER_MAC, VIP, request.arp.sender_mac, request.arp.sender))
        told = f"VIP {VIP} is answered for by {STRANGER_MAC}" in director.output()
        silent = director.json("vips")[0]["state"] == "contested"
    return f"{'told' if told else 'NOT told'}, {'left to it' if silent else 'NOT left to it'}", told and silent


@trial("kill -9 and a start, 20 open sessions", "all of them reset")
def restart(lab, start):
    state = Path(f"/dev/shm/lbd-trials-{os.getpid()}")
    try:
        director = start("--state", state)
        director.add_web()
        sessions = [Session(lab.client) for _ in range(20)]
        names = [session.get() for session in sessions]
        director.stop(9)
        director.start()
        good = sum(session.get() == name for session, name in zip(sessions, names))
    finally:
        shutil.rmtree(state, ignore_errors=True)
    return f"{good} of 20 went on", good == 20


@trial("the MTU raised above what AF_XDP takes", "VIP announced, all traffic lost")
def mtu(lab, start):
    lab.transmits_from_xdp(True)
    hosts = (lab.director, lab.client, *lab.servers)
    try:
        director = start("--data-plane", "af-xdp")
        director.add_web()
        for host in hosts:
            host.ip("link", "set", "eth0", "mtu", 9000)
        until(lambda: director.json("vips")[0]["state"] == "released")
        with Wire(lab.stranger) as wire:
            silent = not answers_arp(wire)
    finally:
        for host in hosts:
            host.ip("link", "set", "eth0", "mtu", 1500)
        lab.transmits_from_xdp(False)
    until(lambda: director.json("vips")[0]["state"] == "owned")
    good = answered(lab, 5)
    return f"VIP {'released' if silent else 'STILL answered for'}, {good} of 5 clients after it", silent and good == 5


@trial("rights of a director that root started", "all 41 capabilities, no filter")
def rights(lab, start):
    director = start("--seccomp", "on")
    facts = status(Path(f"/proc/{director.process.pid}"))
    count, filtered = int(facts["CapPrm"], 16).bit_count(), facts["Seccomp"] == "2" and facts["NoNewPrivs"] == "1"
    return f"{count} capabilities, {'no_new_privs and seccomp' if filtered else 'NO filter'}", count < 6 and filtered


@trial("a real server whose MAC changes without a word", "25 to 31 s of loss")
def moved(lab, start):
    director, server = start(), lab.servers[0]
    director.add_web(servers=[server])
    answered(lab, 3)
    with without_broadcasts_of(lab, server.name):
        server.ip("link", "set", "eth0", "address", "02:00:00:00:03:98")
        try:
            server.ip("neighbor", "replace", lab.client.address, "lladdr", lab.client.mac, "dev", "eth0")
            begin = time.monotonic()
            while answered(lab, 1, 0.3) == 0 and time.monotonic() - begin < 40:
                pass
            seconds = time.monotonic() - begin
        finally:
            server.ip("link", "set", "eth0", "address", server.mac)
    return f"{seconds:.1f} s of loss", seconds <= 5


@trial("ARP requests addressed to another station", "answered")
def elsewhere(lab, start):
    start().add_web()
    with Wire(lab.stranger) as wire:
        lab.director.ip("link", "set", "eth0", "promisc", "on")
        try:
            wire.send(arp_request(STRANGER_MAC, ASKER, VIP, to="02:00:00:00:09:09"))
            good = wire.wait(is_arp(ARP_REPLY, VIP, ASKER), 1) is None
        finally:
            lab.director.ip("link", "set", "eth0", "promisc", "off")
    return "not answered" if good else "ANSWERED", good


def tell(name, before, work):
    """Carries a trial out in a lab of its own; whether it came out well."""
    running = []

    def start(*options, **places):
        director = Director(lab, "--probe-interval", "20", *options, **places)
        running.append(director)
        return director.start()

    with Lab() as lab:
        try:
            came, good = work(lab, start)
        except Exception as failure:  # the others are tried all the same
            came, good = f"{type(failure).__name__}: {str(failure)[:200]}", False
        for director in running:
            if director.process.poll() is None:
                director.stop()
    print(f"{'ok  ' if good else 'BAD '} {name}\n       then: {before}\n       now:  {came}", flush=True)
    return good


def main():
    chosen = [entry for entry in TRIALS if not sys.argv[1:] or any(word in entry[0] for word in sys.argv[1:])]
    if not chosen:
        sys.exit("trials: none has such a name; there are:\n  " + "\n  ".join(name for name, _, _ in TRIALS))
    begin = time.monotonic()
    bad = sum(not tell(*entry) for entry in chosen)
    print(f"trials: {len(chosen) - bad} of {len(chosen)} as they should be, {time.monotonic() - begin:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
