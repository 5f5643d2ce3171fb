"""Frames to the director, built byte by byte, and what frames from it mean. IPv4 and IPv6."""

import ipaddress
import struct

DIRECTOR, CLIENT = bytes.fromhex("020000000001"), bytes.fromhex("0200000000c1")
SERVERS = bytes.fromhex("0200000001")
ICMP, TCP, UDP, FRAGMENT, ICMPV6, SCTP = 1, 6, 17, 44, 58, 132
DONT_FRAGMENT, MORE_FRAGMENTS = 0x4000, 0x2000
NUMBERS = {"tcp": TCP, "udp": UDP, "sctp": SCTP}
FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16}


def endpoint(text):
    """`192.0.2.1:80` or `[2001:db8::1]:80` as address and port."""
    host, port = text.rsplit(":", 1)
    return ipaddress.ip_address(host.strip("[]")), int(port)


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def crc32c(data):
    """SCTP's checksum (RFC 9260, appendix A)."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def summed(source, destination, protocol, payload, place):
    """`payload` with its checksum at `place`, over the pseudo-header too."""
    pseudo = source.packed + destination.packed + struct.pack("!II", len(payload), protocol)
    return payload[:place] + struct.pack("!H", checksum(pseudo + payload)) + payload[place + 2:]


def ip(source, destination, protocol, payload, ttl=64, flags=0, identification=1):
    """`flags` with the offset as the IPv4 header has them."""
    if source.version == 6:
        return struct.pack("!IHBB", 6 << 28, len(payload), protocol, ttl) + source.packed + destination.packed + payload
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), identification, flags, ttl, protocol, 0, source.packed,
                         destination.packed)
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def packet(transport, source, destination, flags="", chunk=0, ttl=64, payload=b"", whole=False):
    """An IP packet of a flow between two (address, port). `whole`: not to be cut on its way."""
    (client, client_port), (address, port) = source, destination
    ports = struct.pack("!HH", client_port, port)
    if transport == "tcp":
        bits = sum(FLAGS[letter] for letter in flags)
        body = summed(client, address, TCP, ports + struct.pack("!IIBBHHH", 1, 2, 0x50, bits, 0x2000, 0, 0) + payload, 16)
    elif transport == "udp":
        payload = payload or bytes([1, 2, 3, 4])
        body = summed(client, address, UDP, ports + struct.pack("!HH", 8 + len(payload), 0) + payload, 6)
    else:
        body = ports + struct.pack("!IIBBH", 1, 0, chunk, 0, 4 + len(payload)) + payload
        body = body[:8] + struct.pack("<I", crc32c(body)) + body[12:]
    return ip(client, address, NUMBERS[transport], body, ttl, DONT_FRAGMENT if whole else 0)


def fragments(packet, identification, count):
    """The fragments of an IP packet: so many, all but the last of 32 bytes."""
    v4 = packet[0] >> 4 == 4
    source, destination = (ipaddress.ip_address(part) for part in (
        (packet[12:16], packet[16:20]) if v4 else (packet[8:24], packet[24:40])))
    protocol, ttl, data = (packet[9], packet[8], packet[20:]) if v4 else (packet[6], packet[7], packet[40:])
    pieces = []
    for number in range(count):
        last = number == count - 1
        piece = data[32 * number:] if last else data[32 * number:32 * number + 32]
        if v4:
            pieces.append(ip(source, destination, protocol, piece, ttl, 4 * number | (0 if last else MORE_FRAGMENTS),
                             identification))
        else:
            header = struct.pack("!BBHI", protocol, 0, 32 * number | (0 if last else 1), identification)
            pieces.append(ip(source, destination, FRAGMENT, header + piece, ttl))
    return pieces


def error(router, destination, kind, code, about):
    """An ICMP error from `router` about the packet `about`."""
    message = struct.pack("!BBHI", kind, code, 0, 0) + about
    if router.version == 4:
        return ip(router, destination, ICMP, message[:2] + struct.pack("!H", checksum(message)) + message[4:])
    return ip(router, destination, ICMPV6, summed(router, destination, ICMPV6, message, 2))


def frame(packet):
    return DIRECTOR + CLIENT + (b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd") + packet


def meaning(frame):
    """A server's number, `rst`, `icmp TYPE/CODE from ADDRESS`; None for a frame that is no answer to a client's."""
    target, body = frame[:6], frame[14:]
    if target[:5] == SERVERS:
        return str(target[5])
    if target != CLIENT or frame[12:14] not in (b"\x08\x00", b"\x86\xdd"):
        return None
    v4 = body[0] >> 4 == 4
    protocol, transport = (body[9], body[4 * (body[0] & 15):]) if v4 else (body[6], body[40:])
    source = ipaddress.ip_address(body[12:16] if v4 else body[8:24])
    if protocol == TCP:
        return "rst" if transport[13] & FLAGS["R"] else f"tcp flags {transport[13]}"
    if protocol in (ICMP, ICMPV6):
        return f"icmp {transport[0]}/{transport[1]} from {source}"
    return f"protocol {protocol} from {source}"
