"""Packets that no proper client sends, and what a kernel with IPVS makes of them. To be run as root in the guest.

    oddities.py RECORDING-FILE

Damaged ones, ones whose headers lie, options and extension headers, sources that cannot be. Each goes to a VIP with one
server for TCP and UDP, none for TCP port 81, and no service for other ports.
"""

import ipaddress
import json
import struct
import sys

import packets
from kernel import Kernel

HOSTS = {4: ("192.0.2.1", "10.1.0.100", "10.1.0.101", "10.1.0.1", "10.1.1.1"),
         6: ("2001:db8::1", "fd00:1::100", "fd00:1::101", "fd00:1::1", "fd00:1::1:1")}
SERVED, EMPTY, UNSERVED, DNS = 80, 81, 99, 53
CHECKSUM = {packets.ICMP: 2, packets.ICMPV6: 2, packets.TCP: 16, packets.UDP: 6}
OPTIONS = {"no operations": "01010101", "a recorded route": "070b04000000000000000000", "a timestamp": "440c05000000000000000000",
           "a router alert": "94040000", "an unknown option": "9e040000"}
EXTENSIONS = {"a hop-by-hop header": (0, "00010400000000"), "destination options": (60, "00010400000000"),
              "a spent routing header": (43, "00000000000000"), "a fragment header of a whole packet": (44, "00000000000009")}


def changed(packet, place, value):
    return packet[:place] + value + packet[place + len(value):]


class Oddities:
    """The packets of one family, each with a name."""

    def __init__(self, family):
        self.family, self.header = family, 20 if family == 4 else 40
        self.client, self.vip, self.other, self.own, self.server = map(ipaddress.ip_address, HOSTS[family])
        self.port = 1000

    def packet(self, transport, port, flags="S", source=None, **how):
        self.port += 1
        return packets.packet(transport, (source or self.client, self.port), (self.vip, port), flags, **how)

    def echo(self, source=None):
        source = source or self.client
        number, kind = (packets.ICMP, 8) if self.family == 4 else (packets.ICMPV6, 128)
        message = struct.pack("!BBHHH", kind, 0, 0, 7, 1) + b"abcdefgh"
        if self.family == 4:
            message = changed(message, 2, struct.pack("!H", packets.checksum(message)))
        else:
            message = packets.summed(source, self.vip, number, message, 2)
        return packets.ip(source, self.vip, number, message)

    def error(self):
        """A router's, about an answer of the server's to the first client."""
        router = ipaddress.ip_address("203.0.113.1" if self.family == 4 else "2001:db8:9::1")
        answer = packets.packet("tcp", (self.vip, SERVED), (self.client, 1001), "SA")
        return packets.error(router, self.vip, *((3, 1) if self.family == 4 else (1, 3)), answer)

    def damaged(self, packet):
        place = self.header + CHECKSUM[packet[9 if self.family == 4 else 6]]
        return changed(packet, place, bytes([packet[place] ^ 0x55]))

    def all(self):
        yield from self.checksums()
        yield from self.lengths()
        yield from self.sources()
        yield from self.extras()

    def checksums(self):
        for words, change in (("right", lambda packet: packet), ("wrong", self.damaged)):
            yield f"a {words} checksum to a service", change(self.packet("tcp", SERVED))
            yield f"a {words} checksum to a service without servers", change(self.packet("tcp", EMPTY))
            yield f"a {words} checksum that no service wants", change(self.packet("tcp", UNSERVED))
            yield f"a datagram with a {words} checksum to a service", change(self.packet("udp", DNS))
            yield f"a datagram with a {words} checksum that no service wants", change(self.packet("udp", UNSERVED))
            yield f"a {words} checksum on the last hop", change(self.packet("tcp", SERVED, ttl=1))
            yield f"a {words} checksum of a packet that is too big", change(
                self.packet("tcp", SERVED, payload=bytes(1600), whole=True))
            yield f"a ping with a {words} checksum", change(self.echo())
            yield f"an error with a {words} checksum about a flow that is known", change(self.error())
        none = self.header + CHECKSUM[packets.UDP]
        yield "a datagram without a checksum to a service", changed(self.packet("udp", DNS), none, bytes(2))
        yield "a datagram without a checksum that no service wants", changed(self.packet("udp", UNSERVED), none, bytes(2))
        if self.family == 4:
            yield "a wrong header checksum", changed(self.packet("tcp", SERVED), 10, b"\x12\x34")
        yield "a protocol that nobody knows", packets.ip(self.client, self.vip, 47, bytes(8))

    def lengths(self):
        for words in (0, 4, 5, 6, 15):
            for port, where in ((SERVED, "to a service"), (EMPTY, "to a service without servers"),
                                (UNSERVED, "that no service wants")):
                packet = changed(self.packet("tcp", port), self.header + 12, bytes([words << 4]))
                body = packets.summed(self.client, self.vip, packets.TCP, changed(packet[self.header:], 16, bytes(2)), 16)
                yield f"a TCP header that says {words} words of 5 {where}", packet[:self.header] + body
        for length in (0, 7, 8, 11, 13, 65535):
            for port, where in ((DNS, "to a service"), (UNSERVED, "that no service wants")):
                packet = changed(self.packet("udp", port), self.header + 4, struct.pack("!HH", length, 0))
                yield f"a datagram that says {length} bytes of 12 {where}", packet
        for length in (0, 4, 8, 13, 19):
            yield f"{length} bytes of TCP", packets.ip(
                self.client, self.vip, packets.TCP, self.packet("tcp", SERVED)[self.header:self.header + length])
        for length in (0, 4, 7):
            yield f"{length} bytes of UDP", packets.ip(
                self.client, self.vip, packets.UDP, self.packet("udp", DNS)[self.header:self.header + length])

    def sources(self):
        for words, source in (("the VIP", self.vip), ("another VIP", self.other), ("the director", self.own)):
            yield f"a SYN from {words} to a service", self.packet("tcp", SERVED, source=source)
            yield f"a SYN from {words} that no service wants", self.packet("tcp", UNSERVED, source=source)
            yield f"a ping from {words}", self.echo(source)

    def extras(self):
        if self.family == 4:
            for words, option in OPTIONS.items():
                for name, packet in (("a ping", self.echo()), ("a SYN", self.packet("tcp", SERVED))):
                    yield f"{name} with {words}", self.with_options(packet, bytes.fromhex(option))
        else:
            for words, (number, rest) in EXTENSIONS.items():
                for name, packet in (("a ping", self.echo()), ("a SYN", self.packet("tcp", SERVED))):
                    extension = bytes([packet[6]]) + bytes.fromhex(rest)
                    yield f"{name} with {words}", packets.ip(self.client, self.vip, number, extension + packet[40:])

    def with_options(self, packet, options):
        options += bytes(-len(options) % 4)
        packet = packets.ip(self.client, self.vip, packet[9], options + packet[20:])
        header = changed(changed(packet[:20 + len(options)], 0, bytes([0x45 + len(options) // 4])), 10, bytes(2))
        return changed(header, 10, struct.pack("!H", packets.checksum(header))) + packet[len(header):]


def record(family):
    kernel, odd = Kernel(family, []), Oddities(family)
    end = (lambda host, port: f"{host}:{port}") if family == 4 else (lambda host, port: f"[{host}]:{port}")
    for transport, port in (("tcp", SERVED), ("tcp", EMPTY), ("udp", DNS)):
        key = f"{transport}:{end(odd.vip, port)}"
        kernel.apply({"op": "addService", "service": {"service": key, "scheduler": "rr"}})
        if port != EMPTY:
            kernel.apply({"op": "addServer", "of": key, "server": {"address": end(odd.server, port)}})
    return [{"name": f"{name}, IPv{family}", "frame": packets.frame(packet).hex(), "out": kernel.send(packets.frame(packet))}
            for name, packet in odd.all()]


def main():
    with open(sys.argv[1], "w") as output:
        json.dump(record(4) + record(6), output, indent=0)


main()
