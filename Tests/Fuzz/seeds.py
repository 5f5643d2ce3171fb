"""Writes the inputs that the fuzzers begin with: one of each kind of frame, file, answer and datagram.

    python3 Tests/Fuzz/seeds.py
"""

import json
import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Lab"))

from frames import ACK, ETHERTYPE_IPV4, SYN, UDP, arp_request, echo_request, ethernet, icmp_error, ipv4, tcp, udp

DIRECTOR, CLIENT, VIP, OTHER_VIP = "02:00:00:00:00:01", "10.77.0.11", "10.77.0.100", "10.77.0.101"
SOURCE = "02:00:00:00:01:01"


def conversation(*packets, pause=1):
    frames = [ethernet(DIRECTOR, SOURCE, ETHERTYPE_IPV4, packet) for packet in packets]
    return b"".join(struct.pack("!HH", len(frame), pause) + frame for frame in frames)


def frames():
    request = b"INVITE sip:a@b SIP/2.0\r\nCall-ID: 1@x\r\n\r\n"
    reply = tcp(VIP, 80, CLIENT, 6000, ACK)
    datagram = udp(CLIENT, 7000, VIP, 53, b"x" * 64)[20:]
    yield "tcp", conversation(tcp(CLIENT, 6000, VIP, 80, SYN), tcp(CLIENT, 6000, VIP, 80, ACK, payload=b"GET"),
                              tcp(CLIENT, 6000, VIP, 80, 0x11), tcp(CLIENT, 6000, VIP, 80, 4))
    yield "ftp", conversation(tcp(CLIENT, 6000, VIP, 21, SYN), tcp(CLIENT, 6001, VIP, 2000, SYN))
    yield "udp", conversation(udp(CLIENT, 6000, VIP, 53, b"question"), udp(CLIENT, 6000, OTHER_VIP, 99, b"one"))
    yield "sip", conversation(udp(CLIENT, 5060, VIP, 5060, request))
    yield "sctp", conversation(ipv4(CLIENT, VIP, 132, struct.pack("!HHII", 6000, 9, 0, 0) + b"\1\0\0\x14" + b"\0" * 16))
    yield "ports", conversation(tcp(CLIENT, 6000, OTHER_VIP, 4000, SYN), tcp(CLIENT, 6000, OTHER_VIP, 4001, SYN))
    yield "echo", conversation(echo_request(CLIENT, VIP))
    yield "error", conversation(tcp(CLIENT, 6000, VIP, 80, SYN), icmp_error("10.77.0.99", VIP, reply))
    yield "fragments", conversation(
        ipv4(CLIENT, VIP, UDP, datagram[40:], identification=7, fragment=5),
        ipv4(CLIENT, VIP, UDP, datagram[:40], identification=7, fragment=0x2000), pause=0)
    asked = arp_request(SOURCE, CLIENT, VIP)
    yield "arp", struct.pack("!HH", len(asked), 0) + asked
    segment = struct.pack("!HHIIBBHHH", 6000, 80, 1, 0, 0x50, 2, 1000, 0, 0)
    six = struct.pack("!IHBB", 6 << 28, len(segment), 6, 64) + bytes.fromhex("20010db8" + "0" * 22 + "99") \
        + bytes.fromhex("20010db8" + "0" * 21 + "100") + segment
    frame = ethernet(DIRECTOR, SOURCE, 0x86DD, six)
    yield "ipv6", struct.pack("!HH", len(frame), 0) + frame


def bodies():
    for index, example in enumerate(sorted((HERE.parents[1] / "examples").glob("*/*.yaml"))):
        yield f"example-{index}", example.read_bytes()
    yield "changes", json.dumps([
        {"change": "addService", "service": {"service": "tcp:192.0.2.100:80", "scheduler": "rr"}},
        {"change": "addServer", "service": "tcp:192.0.2.100:80", "server": {"address": "192.0.2.11:80"}},
        {"change": "removeService", "service": "tcp:192.0.2.100:80"}]).encode()
    yield "marks", b"services: []\nmarks:\n- {destination: 192.0.2.0/24, transport: tcp, ports: 80-90, mark: 7}\n"


def netlink():
    recorded = json.loads((HERE.parent / "KernelIPVSTests/Golden/netlink.json").read_text())
    for case in recorded:
        answers = [bytes.fromhex(m["hex"]) for m in case["messages"] if m.get("cmd", "").startswith(("NEW_", "SET_"))]
        body = b"".join(struct.pack("!H", len(answer)) + answer for answer in answers)
        if body:
            yield case["case"], bytes([len(case["case"]) % 3]) + body[:4000]


def sync():
    recorded = (HERE.parent / "SyncTests/Golden/sync-v1-1.hex").read_text().strip()
    yield "kernel", bytes.fromhex(recorded)
    yield "version-0", bytes.fromhex("012a001c" + "0006afc900500050c000025b0a0100640a01010200830001")


def names():
    def answers(*records):
        body = b"\x81\x80" + struct.pack("!H", len(records)) + b"".join(
            b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(data)) + data for kind, data in records)
        return struct.pack("!H", len(body)) + body

    hosts = answers((33, b"\0\1\0\0\0\x50\1b\xc0\x0e"), (33, b"\0\1\0\7\0\x51\1c\3lan\0"), (33, b"\0\2\0\7\0\x52\0"))
    six = answers((5, b"\1x\xc0\x0c"), (28, b"\x20\1" + b"\0" * 14))
    yield "resolvers", b"\0nameserver 192.0.2.53\nsearch lan\nnameserver 2001:db8::53\n"
    yield "servers", b"\x01# three\n192.0.2.11\n192.0.2.12:80 5\n[2001:db8::1]:80 0\n"
    yield "hosts", b"\2" + hosts + answers((1, b"\xc0\0\2\1")) + six
    yield "addresses", b"\3" + answers((1, b"\xc0\0\2\1"), (1, b"\xc0\0\2\2")) + six
    yield "nobody", b"\3\0\4\x81\x83\0\0"


for kind in (frames, bodies, netlink, sync, names):
    folder = HERE / kind.__name__.capitalize() / "Corpus"
    folder.mkdir(exist_ok=True)
    for name, content in kind():
        (folder / name).write_bytes(content)
