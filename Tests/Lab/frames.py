"""Frames, byte by byte: builds and parses Ethernet, 802.1Q, ARP, IPv4, TCP, UDP and ICMP.

Addresses are text (`02:00:00:00:00:01`, `192.0.2.1`); everything on the wire is in network order.
"""

import socket
import struct
from dataclasses import dataclass

BROADCAST = "ff:ff:ff:ff:ff:ff"
NO_MAC = "00:00:00:00:00:00"
ETHERTYPE_IPV4, ETHERTYPE_ARP, ETHERTYPE_VLAN = 0x0800, 0x0806, 0x8100
ICMP, TCP, UDP = 1, 6, 17
FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
ARP_REQUEST, ARP_REPLY = 1, 2
ECHO_REPLY, UNREACHABLE, REDIRECT, ECHO_REQUEST, TIME_EXCEEDED = 0, 3, 5, 8, 11


def mac_bytes(text):
    return bytes.fromhex(text.replace(":", ""))


def mac_text(data):
    return data.hex(":")


def checksum(data):
    """RFC 1071: the complement of the one's complement sum; 0 over data that holds its own right checksum."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


# Building


def ethernet(destination, source, ethertype, payload, vlan=None):
    tag = b"" if vlan is None else struct.pack("!HH", ETHERTYPE_VLAN, vlan)
    return mac_bytes(destination) + mac_bytes(source) + tag + struct.pack("!H", ethertype) + payload


def arp(operation, sender_mac, sender, target_mac, target, *, to, vlan=None):
    """A whole ARP frame, from `sender_mac` to the Ethernet address `to`."""
    body = struct.pack("!HHBBH", 1, ETHERTYPE_IPV4, 6, 4, operation)
    body += mac_bytes(sender_mac) + socket.inet_aton(sender) + mac_bytes(target_mac) + socket.inet_aton(target)
    return ethernet(to, sender_mac, ETHERTYPE_ARP, body, vlan)


def arp_request(sender_mac, sender, target, *, to=BROADCAST, vlan=None):
    return arp(ARP_REQUEST, sender_mac, sender, NO_MAC, target, to=to, vlan=vlan)


def arp_reply(sender_mac, sender, target_mac, target, *, vlan=None):
    return arp(ARP_REPLY, sender_mac, sender, target_mac, target, to=target_mac, vlan=vlan)


def ipv4(source, destination, protocol, payload, *, ttl=64, identification=0, fragment=0x4000, tos=0, options=b""):
    """`fragment`: flags and offset, of which the default is "do not"."""
    header = struct.pack(
        "!BBHHHBBH4s4s", 0x45 + len(options) // 4, tos, 20 + len(options) + len(payload), identification, fragment, ttl,
        protocol, 0, socket.inet_aton(source), socket.inet_aton(destination))
    header += options
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def _with_transport_checksum(source, destination, protocol, segment, offset):
    pseudo = socket.inet_aton(source) + socket.inet_aton(destination) + struct.pack("!BBH", 0, protocol, len(segment))
    return segment[:offset] + struct.pack("!H", checksum(pseudo + segment)) + segment[offset + 2:]


def tcp(source, source_port, destination, port, flags, *, sequence=1000, acknowledgment=0, payload=b"", **ip):
    """An IPv4 packet with a TCP segment."""
    segment = struct.pack("!HHIIBBHHH", source_port, port, sequence, acknowledgment, 5 << 4, flags, 64240, 0, 0)
    segment = _with_transport_checksum(source, destination, TCP, segment + payload, 16)
    return ipv4(source, destination, TCP, segment, **ip)


def udp(source, source_port, destination, port, payload=b"", **ip):
    """An IPv4 packet with a UDP datagram."""
    datagram = struct.pack("!HHHH", source_port, port, 8 + len(payload), 0) + payload
    return ipv4(source, destination, UDP, _with_transport_checksum(source, destination, UDP, datagram, 6), **ip)


def echo_request(source, destination, *, identifier=1, sequence=1, payload=b"lab", **ip):
    """An IPv4 packet with a ping."""
    message = struct.pack("!BBHHH", ECHO_REQUEST, 0, 0, identifier, sequence) + payload
    message = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
    return ipv4(source, destination, ICMP, message, **ip)


def icmp_error(source, destination, about, *, type=3, code=1, **ip):
    """An IPv4 packet with an error that quotes the packet `about`."""
    message = struct.pack("!BBHI", type, code, 0, 0) + about[:28]
    message = message[:2] + struct.pack("!H", checksum(message)) + message[4:]
    return ipv4(source, destination, ICMP, message, **ip)


# Parsing


@dataclass
class Arp:
    operation: int
    sender_mac: str
    sender: str
    target_mac: str
    target: str


@dataclass
class Ip:
    source: str
    destination: str
    protocol: int
    ttl: int
    header: bytes
    payload: bytes

    @property
    def is_intact(self):
        return checksum(self.header) == 0


@dataclass
class Segment:
    """TCP or UDP; a UDP datagram has no flags."""

    source_port: int
    port: int
    payload: bytes
    flags: int = 0
    sequence: int = 0
    acknowledgment: int = 0


@dataclass
class Icmp:
    type: int
    code: int
    rest: bytes
    """What follows the first 8 bytes: an echo's data, or the packet that an error speaks of."""
    is_intact: bool


@dataclass
class Frame:
    raw: bytes
    time: float
    destination: str
    source: str
    vlan: int | None
    ethertype: int
    payload: bytes
    arp: Arp | None = None
    ip: Ip | None = None
    tcp: Segment | None = None
    udp: Segment | None = None
    icmp: Icmp | None = None

    def __str__(self):
        tag = "" if self.vlan is None else f" vlan {self.vlan}"
        inner = self.arp or self.tcp or self.udp or self.icmp or f"ethertype {self.ethertype:#06x}"
        route = f" {self.ip.source} > {self.ip.destination} ttl {self.ip.ttl}" if self.ip else ""
        return f"{self.time:.3f} {self.source} > {self.destination}{tag}{route} {inner}"


def parse(raw, time=0.0):
    """Takes a frame apart; layers that are cut short stay None."""
    destination, source = mac_text(raw[:6]), mac_text(raw[6:12])
    (ethertype,), offset, vlan = struct.unpack("!H", raw[12:14]), 14, None
    if ethertype == ETHERTYPE_VLAN:
        tag, ethertype = struct.unpack("!HH", raw[14:18])
        vlan, offset = tag & 0xFFF, 18
    frame = Frame(raw, time, destination, source, vlan, ethertype, raw[offset:])
    if ethertype == ETHERTYPE_ARP and len(frame.payload) >= 28:
        frame.arp = _parse_arp(frame.payload)
    elif ethertype == ETHERTYPE_IPV4 and len(frame.payload) >= 20:
        frame.ip = _parse_ipv4(frame.payload)
        _parse_transport(frame)
    return frame


def _parse_arp(body):
    operation, sender_mac, sender, target_mac, target = struct.unpack("!H6s4s6s4s", body[6:28])
    return Arp(operation, mac_text(sender_mac), socket.inet_ntoa(sender), mac_text(target_mac),
               socket.inet_ntoa(target))


def _parse_ipv4(packet):
    length, header = struct.unpack("!H", packet[2:4])[0], (packet[0] & 0xF) * 4
    return Ip(socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20]), packet[9], packet[8], packet[:header],
              packet[header:length or len(packet)])


def _parse_transport(frame):
    protocol, data = frame.ip.protocol, frame.ip.payload
    if protocol == TCP and len(data) >= 20:
        source, port, sequence, acknowledgment, offset, flags = struct.unpack("!HHIIBB", data[:14])
        frame.tcp = Segment(source, port, data[(offset >> 4) * 4:], flags, sequence, acknowledgment)
    elif protocol == UDP and len(data) >= 8:
        source, port = struct.unpack("!HH", data[:4])
        frame.udp = Segment(source, port, data[8:])
    elif protocol == ICMP and len(data) >= 8:
        frame.icmp = Icmp(data[0], data[1], data[8:], checksum(data) == 0)
