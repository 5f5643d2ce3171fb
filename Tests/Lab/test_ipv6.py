"""IPv6: the director answers neighbour solicitations for the VIP and finds real servers by them."""

import ipaddress
import socket
import struct

import pytest
from director import ON_EVERY_DATA_PLANE
from frames import checksum, ethernet, mac_bytes, mac_text
from lab import STRANGER_MAC
from waiting import until
from wire import Wire

VIP, DIP, CLIENT, ASKER = "fd77::100", "fd77::2", "fd77::11", "fd77::50"
ETHERTYPE_IPV6, ICMPV6 = 0x86DD, 58
SOLICITATION, ADVERTISEMENT, REPORT = 135, 136, 143
ALL_NODES = "ff02::1"

pytestmark = ON_EVERY_DATA_PLANE


def packed(address):
    return ipaddress.IPv6Address(address).packed


def solicited_node(address):
    return str(ipaddress.IPv6Address(packed("ff02::1:ff00:0")[:13] + packed(address)[13:]))


def group_mac(address):
    return mac_text(b"\x33\x33" + packed(address)[12:])


def icmpv6(source, destination, message, hops=255, damage=0):
    pseudo = packed(source) + packed(destination) + struct.pack("!II", len(message), ICMPV6)
    total = checksum(pseudo + message) ^ damage
    message = message[:2] + struct.pack("!H", total) + message[4:]
    return struct.pack("!IHBB", 6 << 28, len(message), ICMPV6, hops) + packed(source) + packed(destination) + message


def option(kind, mac):
    return bytes([kind, 1]) + mac_bytes(mac)


def solicitation(target, source=ASKER, mac=STRANGER_MAC, to=None, options=None, **ip):
    """A frame; to the group of the target, or to a station."""
    if options is None:
        options = option(1, mac) if source != "::" else b""
    message = struct.pack("!BBHI", SOLICITATION, 0, 0, 0) + packed(target) + options
    destination = target if to else solicited_node(target)
    return ethernet(to or group_mac(destination), mac, ETHERTYPE_IPV6, icmpv6(source, destination, message, **ip))


def advertisement(target, mac=STRANGER_MAC, destination=ALL_NODES, to=None, flags=0x20000000):
    message = struct.pack("!BBHI", ADVERTISEMENT, 0, 0, flags) + packed(target) + option(2, mac)
    return ethernet(to or group_mac(destination), mac, ETHERTYPE_IPV6, icmpv6(target, destination, message))


class Message:
    """What a frame of neighbour discovery says; `kind` is None for any other frame."""

    def __init__(self, frame):
        self.kind, body = None, frame.payload
        if frame.ethertype != ETHERTYPE_IPV6 or len(body) < 48:
            return
        self.source, self.destination = (str(ipaddress.IPv6Address(body[at:at + 16])) for at in (8, 24))
        if body[6] == 0:
            self.kind = body[48]
        elif body[6] == ICMPV6 and len(body) >= 64:
            self.kind, self.flags = body[40], struct.unpack("!I", body[44:48])[0]
            self.target = str(ipaddress.IPv6Address(body[48:64]))
            self.mac = mac_text(body[66:72]) if len(body) >= 72 else None
            pseudo = body[8:40] + struct.pack("!II", len(body) - 40, ICMPV6)
            self.is_intact = checksum(pseudo + body[40:]) == 0 and body[7] == 255


def is_ndp(kind, target=VIP, sender=None):
    def wanted(frame):
        message = Message(frame)
        return message.kind == kind and message.target == target and sender in (None, frame.source)
    return wanted


@pytest.fixture(scope="module")
def lab6(lab):
    """The lab's hosts with IPv6 addresses; the real servers have the VIP on lo."""
    hosts = [(lab.client, CLIENT), (lab.director, DIP)]
    hosts += [(server, f"fd77::{21 + number}") for number, server in enumerate(lab.servers)]
    for host, address in hosts:
        for key in ("all", "default", "eth0", "lo"):
            host.sysctl(f"net.ipv6.conf.{key}.disable_ipv6", 0)
        host.ip("address", "add", f"{address}/64", "dev", "eth0", "nodad")
    listeners = []
    for server in lab.servers:
        server.run(*lab.real_server, "setup", "--vip", VIP, "--interface", "eth0")
        listeners.append(server.start("/usr/bin/python3", "-c", f"""
import hashlib, http.server, socket
class Name(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"{server.name}\\n")
    def do_PUT(self):
        digest, left = hashlib.sha256(), int(self.headers["Content-Length"])
        self.send_response_only(100); self.end_headers()
        while left: content = self.rfile.read1(left); digest.update(content); left -= len(content)
        self.send_response(200); self.end_headers(); self.wfile.write(b"{server.name} %s\\n" % digest.hexdigest().encode())
    def log_message(self, *_): pass
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
Server(("{VIP}", 80), Name).serve_forever()
""", log=lab.directory / "v6.log"))
    for server in lab.servers:
        until(lambda: listens(server))
    yield lab
    for listener in listeners:
        listener.kill()
    for server in lab.servers:
        server.run(*lab.real_server, "teardown", "--vip", VIP, "--interface", "eth0")
    for host, address in hosts:
        host.ip("address", "delete", f"{address}/64", "dev", "eth0")
        for key in ("all", "default", "eth0", "lo"):
            host.sysctl(f"net.ipv6.conf.{key}.disable_ipv6", 1)


def listens(server):
    with server.socket(socket.AF_INET6) as attempt:
        return attempt.connect_ex((VIP, 80)) == 0


def await_announcements(wire):
    """Waits for all with which a VIP is taken: none of them will come later."""
    assert len(wire.gather(3, is_ndp(ADVERTISEMENT))) == 3


@pytest.fixture
def wire(lab6):
    with Wire(lab6.stranger) as wire:
        yield wire


def add_web(director, lab):
    director.lbctl("add-service", "-t", f"[{VIP}]:80", "-s", "rr")
    for number in range(len(lab.servers)):
        director.lbctl("add-rs", "-t", f"[{VIP}]:80", "-r", f"[fd77::{21 + number}]:80")


def test_requests_over_ipv6_are_balanced(lab6, director):
    add_web(director, lab6)
    names = [lab6.client.run("curl", "-6", "--silent", "--max-time", 20, f"http://[{VIP}]/").stdout.strip() for _ in range(6)]
    assert sorted(names) == ["rs1", "rs1", "rs2", "rs2", "rs3", "rs3"]
    found = {row["address"]: (row["mac"], row["state"]) for row in director.json("neighbors")}
    assert found == {f"fd77::{21 + number}": (server.mac, "reachable") for number, server in enumerate(lab6.servers)}
    assert director.lbctl("doctor").stdout == "nothing found\n"


@pytest.mark.parametrize("how", ["group", "unicast"])
def test_solicitations_for_the_vip_are_answered(lab6, director, wire, how):
    add_web(director, lab6)
    reply = wire.ask(solicitation(VIP, to=lab6.director.mac if how == "unicast" else None),
                     lambda frame: is_ndp(ADVERTISEMENT)(frame) and Message(frame).destination != ALL_NODES)
    message = Message(reply)
    assert (reply.source, reply.destination, message.mac) == (lab6.director.mac, STRANGER_MAC, lab6.director.mac)
    assert (message.source, message.destination, message.is_intact) == (VIP, ASKER, True)
    assert message.flags == 0x60000000, "solicited, override"


def test_a_probe_for_the_vip_is_answered_to_all_nodes(lab6, director, wire):
    add_web(director, lab6)
    await_announcements(wire)
    reply = wire.ask(solicitation(VIP, source="::"), is_ndp(ADVERTISEMENT))
    message = Message(reply)
    assert (message.destination, message.flags, message.is_intact) == (ALL_NODES, 0x20000000, True)


def test_the_vip_is_probed_for_joined_and_announced(lab6, director_as_shipped, wire):
    director_as_shipped.lbctl("add-service", "-t", f"[{VIP}]:80")
    frames = []

    def is_announced_twice():
        frames.extend(wire.collect(seconds=0.05))
        return sum(map(is_ndp(ADVERTISEMENT), frames)) >= 2

    until(is_announced_twice)
    messages = [Message(frame) for frame in frames if frame.source == lab6.director.mac]
    probes = [message for message in messages if message.kind == SOLICITATION and message.target == VIP]
    assert len(probes) == 3 and {(probe.source, probe.destination, probe.mac) for probe in probes} == {
        ("::", solicited_node(VIP), None)}
    announced = [message for message in messages if message.kind == ADVERTISEMENT and message.target == VIP]
    assert all(message.is_intact and message.destination == ALL_NODES for message in announced)
    assert any(message.kind == REPORT for message in messages), "switches that snoop are told of the group"
    members = lab6.director.ip("maddress", "show", "dev", "eth0").stdout
    assert group_mac(solicited_node(VIP)) in members
    director_as_shipped.lbctl("del-service", "-t", f"[{VIP}]:80")
    until(lambda: group_mac(solicited_node(VIP)) not in lab6.director.ip("maddress", "show", "dev", "eth0").stdout)


def test_a_vip_that_another_host_has_is_refused_with_its_mac(lab6, director):
    lab6.client.ip("address", "add", f"{VIP}/128", "dev", "eth0", "nodad")
    try:
        refused = director.lbctl("add-service", "-t", f"[{VIP}]:80", check=False)
    finally:
        lab6.client.ip("address", "delete", f"{VIP}/128", "dev", "eth0")
    assert refused.returncode == 1 and VIP in refused.stderr and lab6.client.mac in refused.stderr


def test_an_unsolicited_advertisement_is_not_believed_and_the_vip_is_defended(lab6, director, wire):
    add_web(director, lab6)
    lab6.client.run("curl", "-6", "--silent", "--max-time", 20, f"http://[{VIP}]/")
    await_announcements(wire)
    wire.send(advertisement("fd77::21"))
    wire.send(advertisement(VIP))
    assert wire.wait(is_ndp(ADVERTISEMENT, sender=lab6.director.mac)), "defended"
    assert {row["address"]: row["mac"] for row in director.json("neighbors")}["fd77::21"] == lab6.servers[0].mac
    until(lambda: director.dropped("disputed_claim") >= 2)


@pytest.mark.parametrize("bad", [
    dict(hops=254), dict(hops=64), dict(damage=1), dict(options=bytes([1, 0, 0, 0, 0, 0, 0, 0])),
    dict(options=bytes([1, 200]) + bytes(6)), dict(options=option(1, "33:33:00:00:00:01")), dict(options=bytes([1]))])
def test_a_solicitation_with_a_lie_is_counted_and_not_answered(lab6, director, wire, bad):
    add_web(director, lab6)
    before = director.dropped("bad_ndp")
    wire.send(solicitation(VIP, **bad))
    until(lambda: director.dropped("bad_ndp") == before + 1)
    assert wire.collect(lambda frame: is_ndp(ADVERTISEMENT)(frame) and frame.destination == STRANGER_MAC) == []
