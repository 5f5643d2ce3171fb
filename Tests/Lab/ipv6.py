"""IPv6 in the lab: addresses, frames of neighbor discovery, and hosts that speak it."""

import ipaddress
import socket
import struct
from contextlib import contextmanager

from frames import checksum, ethernet, mac_bytes, mac_text
from lab import STRANGER_MAC
from waiting import until

VIP, DIP, CLIENT, ASKER = "fd77::100", "fd77::2", "fd77::11", "fd77::50"
ETHERTYPE_IPV6, ICMPV6 = 0x86DD, 58
SOLICITATION, ADVERTISEMENT, REPORT = 135, 136, 143
ALL_NODES = "ff02::1"


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
    """What a frame of neighbor discovery says; `kind` is None for any other frame."""

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


@contextmanager
def with_ipv6(lab):
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


def add_web(director, lab):
    director.lbctl("add-service", "-t", f"[{VIP}]:80", "-s", "rr")
    for number in range(len(lab.servers)):
        director.lbctl("add-rs", "-t", f"[{VIP}]:80", "-r", f"[fd77::{21 + number}]:80")
