"""What must work with every driver and data plane, from the LAN's side: each check is a function of a `Trial`.

A check returns None, or a remark for the table; what does not hold is an AssertionError or an error of a program. A check
that the card or the plane has no part in raises `NotApplicable`."""

import os
import re
import struct
import time
from contextlib import contextmanager

from director import service
from frames import ACK, ETHERTYPE_IPV4, SYN, ethernet, tcp, udp
from ipv6 import ADVERTISEMENT, is_ndp, solicitation
from lab import STRANGER_MAC, VIP
from traffic import sha256, spread
from waiting import until
from wire import Wire, gather
from guest import GuestDirector, Refused

VIRTUAL_MAC = "00:00:5e:00:01:07"
ASKER, SERVER, VLAN = "10.77.0.50", "10.77.0.70", 7
VIP6 = "fd77::a:b100"
QUEUES = 2


class NotApplicable(Exception):
    """Why a check says nothing about this card or plane."""


class Trial:
    """A card in its guest with one data plane."""

    def __init__(self, lab, card, plane, size):
        self.lab, self.card, self.plane, self.size = lab, card, plane, size
        self.guest = lab.director

    @contextmanager
    def director(self, *options, web=True):
        """A director that must live until the block is left, and end in order. Without the doctor, for whose looks the
        card lets everything in."""
        self.lab.client.forget_neighbors()
        director = GuestDirector(self.lab, "--check-interval", 0, *self.plane.options, *options).start()
        try:
            if web:
                director.add_web()
            yield director
            assert director.process.poll() is None, f"lbd ended: {director.output()[-500:]}"
        finally:
            if director.process.poll() is None:
                director.stop()

    def balances(self, requests=6):
        answers = spread(self.lab.client, requests)
        assert answers == {"rs1": requests // 2, "rs2": requests // 2}, f"answered: {dict(answers)}"

    def is_served(self):
        return self.lab.client.run("curl", "--silent", "--max-time", 2, f"http://{VIP}/", check=False).returncode == 0

    def set_mtu(self, size):
        """Until frames flow again: many cards begin anew with another MTU."""
        self.guest.ip("link", "set", "eth0", "mtu", size)
        self.lab.client.ip("route", "flush", "cache")
        until(self.is_served, 60, f"nothing is forwarded after the MTU became {size}")

    def has(self, feature):
        return f"{feature}: on" in self.guest.run("ethtool", "-k", "eth0").stdout

    def received(self):
        return int(self.guest.run("cat", "/sys/class/net/eth0/statistics/rx_packets").stdout)

    def received_by_queue(self):
        counters = self.guest.run("ethtool", "-S", "eth0").stdout
        return [int(count) for count in re.findall(r"rx_?(?:queue_)?\d+_packets: (\d+)", counters)]

    def how_it_is_let_in(self, wire, stray, pattern, name):
        """Whether the card has been told of an address or lets all in, and whether it keeps a stray frame out."""
        shown = re.search(pattern, self.guest.ip("-details", "link", "show", "eth0").stdout)[1]
        before, count = self.received(), 50
        for _ in range(count):
            wire.send(stray)
        until(self.is_served)
        keeps_out = self.received() - before < count
        return name if int(shown) else "its filter" if keeps_out else "its filter, which keeps nothing out"

    def curl(self, *words):
        self.lab.client.run("curl", "--silent", "--show-error", "--fail", "--max-time", 120, *words, timeout=130)

    def upload(self, size):
        """Sends a file up; it must arrive as it is."""
        path = self.lab.directory / "up"
        path.write_bytes(os.urandom(1 << 20) * (size >> 20))
        begin = time.monotonic()
        self.curl("--upload-file", path, f"http://{VIP}/uploads/up")
        seconds = time.monotonic() - begin
        (stored,) = [copy for server in self.lab.servers if (copy := self.lab.uploads(server) / "up").exists()]
        same = sha256(stored) == sha256(path)
        stored.unlink()
        assert same, "what arrived is not what was sent"
        return f"{size / seconds / (1 << 20):.0f} MiB/s"


def http(trial):
    """HTTP spread"""
    with trial.director() as director:
        trial.balances(12)
        return director.said_of_plane()


def download(trial):
    """down"""
    path, copy = trial.lab.files / "big", trial.lab.directory / "copy"
    path.write_bytes(os.urandom(1 << 20) * (trial.size >> 20))
    with trial.director():
        trial.curl("--output", copy, f"http://{VIP}/files/big")
    assert sha256(copy) == sha256(path), "what arrived is not what was sent"


def upload(trial):
    """up"""
    with trial.director():
        return trial.upload(trial.size)


def vlan(trial):
    """VLAN"""
    try:
        tagged(trial)
    except Refused as refusal:
        # No program sees the tags: they must stay in the frames.
        assert "rxvlan off" in str(refusal), refusal
        trial.guest.run("ethtool", "-K", "eth0", "rxvlan", "off")
        try:
            tagged(trial)
        finally:
            trial.guest.run("ethtool", "-K", "eth0", "rxvlan", "on")
        return "with rxvlan off"
    return "stripped by the card" if trial.has("rx-vlan-offload") else "in the frame"


def tagged(trial):
    """A tagged frame goes on with its whole tag, and of no other VLAN; without --vlan none does that has a tag."""
    lab, tag = trial.lab, VLAN | 5 << 13

    def send(wire, port, vlan):
        wire.send(ethernet(lab.director.mac, STRANGER_MAC, ETHERTYPE_IPV4, tcp(ASKER, port, VIP, 80, SYN), vlan))

    def is_theirs(frame):
        return frame.tcp and frame.ip.source == ASKER

    with Wire(lab.stranger) as client, Wire(lab.servers[0]) as server:
        for options, served in ((("--vlan", VLAN), tag), ((), None)):
            with trial.director(*options, web=False) as director:
                director.lbctl("add-service", *service(), "-s", "rr")
                director.lbctl("add-rs", *service(), "-r", f"{SERVER}:80", "--mac", lab.servers[0].mac)
                for port, other in enumerate((8, 0x1007 if served is None else None), 4000):
                    send(client, port, other)
                send(client, 4002, served)
                frames = server.gather(1, is_theirs, 10)
            ports = [frame.tcp.source_port for frame in frames]
            assert ports, f"a frame with tag {served} is not forwarded"
            assert ports == [4002], f"of tag {served}, 8 and another these went on: {ports}"
            expected = b"" if served is None else struct.pack("!HH", 0x8100, served)
            assert frames[0].raw[12:].startswith(expected + b"\x08\x00"), f"the tag became {frames[0].raw[12:16].hex()}"


def mtu(trial):
    """MTU change"""
    with trial.director():
        trial.balances()
        try:
            trial.set_mtu(1400)
            trial.upload(4 << 20)
        finally:
            trial.set_mtu(1500)
        trial.upload(4 << 20)


def link(trial):
    """link down, up"""
    with trial.director() as director:
        trial.balances()
        for take, restore in ((lambda: trial.guest.ip("link", "set", "eth0", "down"),
                               lambda: trial.guest.ip("link", "set", "eth0", "up")),
                              (lambda: trial.guest.set_carrier(False), lambda: trial.guest.set_carrier(True))):
            downs = director.output().count("interface eth0 is down")
            try:
                take()
                until(lambda: director.output().count("interface eth0 is down") > downs, 30, "its end is not noticed")
            finally:
                restore()
            until(trial.is_served, 60, "nothing is forwarded after it came up again")
            trial.balances()


def queues(trial):
    """two queues"""
    lab, guest = trial.lab, trial.guest
    if len(guest.run("sh", "-c", "echo /sys/class/net/eth0/queues/rx-*").stdout.split()) < QUEUES:
        raise NotApplicable("one receive queue")
    clients = [f"10.77.1.{number}" for number in range(1, 41)]
    with trial.director("--workers", QUEUES), Wire(lab.stranger) as wire:
        # Both servers' addresses are known before the flows come.
        trial.balances()
        arrivals, before = [Wire(server) for server in lab.servers], trial.received_by_queue()
        flows = []
        for flags in (SYN, ACK):
            for client in clients:
                wire.send(ethernet(lab.director.mac, STRANGER_MAC, ETHERTYPE_IPV4, tcp(client, 6000, VIP, 80, flags)))
            seen = gather(arrivals, len(clients), lambda frame: frame.tcp and frame.ip.source in clients)
            flows.append([{frame.ip.source for frame in frames} for frames in seen])
        for arrival in arrivals:
            arrival.socket.close()
        assert sorted(map(len, flows[0])) == [20, 20], f"{list(map(len, flows[0]))} connections of 40"
        assert flows[0] == flows[1], "a flow went to two servers"
        received = [now - then for now, then in zip(trial.received_by_queue(), before)]
        assert all(received), f"frames by queue: {received}"


def virtual_mac(trial):
    """virtual MAC"""
    lab = trial.lab
    with trial.director("--virtual-mac", 7), Wire(lab.stranger) as wire:
        trial.balances()
        assert lab.client.neighbor(VIP) == VIRTUAL_MAC
        # The same to nobody's station shows whether the card keeps anything out.
        stray = ethernet("02:00:00:00:09:77", STRANGER_MAC, ETHERTYPE_IPV4, udp(ASKER, 4000, VIP, 80))
        return trial.how_it_is_let_in(wire, stray, r"promiscuity (\d+)", "promiscuous")


def solicited_node(trial):
    """NDP group"""
    with trial.director() as director, Wire(trial.lab.stranger) as wire:
        director.lbctl("add-service", "-t", f"[{VIP6}]:80", "-s", "rr")
        reply = wire.ask(solicitation(VIP6), lambda frame: is_ndp(ADVERTISEMENT, VIP6)(frame)
                         and frame.destination == STRANGER_MAC)
        assert reply, "a solicitation for the VIP is not answered"
        return trial.how_it_is_let_in(wire, solicitation("fd77::c:d200"), r"allmulti (\d+)", "all groups")


CHECKS = (http, download, upload, vlan, mtu, link, queues, virtual_mac, solicited_node)
