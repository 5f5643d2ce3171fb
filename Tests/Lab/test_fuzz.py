"""Whatever bytes a stranger sends, on every data plane: lbd lives, says what it dropped, and serves everybody else."""

import random
import time

from director import ON_EVERY_DATA_PLANE
from frames import ACK, ETHERTYPE_IPV4, SYN, UDP, echo_request, ethernet, icmp_error, ipv4, tcp, udp
from lab import STRANGER_MAC, VIP
from traffic import spread
from wire import Wire

pytestmark = ON_EVERY_DATA_PLANE
FRAMES = 20_000


def whole(client):
    """A frame's worth of each kind, of which the others are made."""
    reply = tcp(VIP, 80, client, 6000, ACK)
    datagram = udp(client, 7000, VIP, 53, b"x" * 64)[20:]
    return [tcp(client, 6000, VIP, 80, SYN), tcp(client, 6000, VIP, 80, ACK, payload=b"GET"),
            udp(client, 6000, VIP, 53, b"question"), echo_request(client, VIP), icmp_error("10.77.0.99", VIP, reply),
            ipv4(client, VIP, UDP, datagram[:40], identification=7, fragment=0x2000),
            ipv4(client, VIP, UDP, datagram[40:], identification=7, fragment=5), ipv4(client, VIP, 132, b"\0" * 16)]


def damaged(dice, packet):
    """Some bits the other way round, and sometimes an end that is missing."""
    frame = bytearray(packet)
    for _ in range(dice.randint(1, 4)):
        frame[dice.randrange(min(len(frame), 60))] ^= 1 << dice.randrange(8)
    return bytes(frame[:dice.randint(1, len(frame))] if dice.random() < 0.2 else frame)


def test_damaged_frames_harm_nobody(lab, web):
    web.lbctl("add-service", "-u", f"{VIP}:53", "-s", "rr")
    web.lbctl("add-rs", "-u", f"{VIP}:53", "-r", f"{lab.servers[0].address}:53")
    dice = random.Random(7)
    with Wire(lab.stranger) as wire:
        for number in range(FRAMES):
            packet = dice.choice(whole(f"10.77.1.{number % 250 + 1}"))
            tag = dice.choice([None] * 9 + [dice.randrange(4096)])
            wire.send(ethernet(lab.director.mac, STRANGER_MAC, ETHERTYPE_IPV4, damaged(dice, packet), vlan=tag))
            if number % 500 == 0:
                time.sleep(0.01)
    assert sorted(spread(lab.client, 30).values()) == [10, 10, 10]
    dropped = web.json_at("/v1/verdicts")["dropped"]
    assert dropped["bad_ip_header"] > FRAMES / 20
    assert sum(1 for count in dropped.values() if count > 0) > 5
