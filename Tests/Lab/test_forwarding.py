"""Frames reach the real servers, and answers go straight back to the client."""

import itertools
import socket
from collections import Counter

import pytest
from director import ON_EVERY_DATA_PLANE, service
from frames import ETHERTYPE_IPV4, SYN, TIME_EXCEEDED, ethernet, parse, tcp, udp
from lab import ASKER, STRANGER_MAC, VIP
from traffic import Traffic, UdpEcho, connect, spread, web as requests
from waiting import until
from wire import Wire

ports = itertools.count(20000)

pytestmark = ON_EVERY_DATA_PLANE


# Spread


def test_rr_spreads_requests_evenly(lab, web):
    assert spread(lab.client, 30) == {"rs1": 10, "rs2": 10, "rs3": 10}


def test_wrr_spreads_requests_by_weight(lab, director):
    director.add_web("wrr", weights=[1, 2, 3])
    assert spread(lab.client, 30) == {"rs1": 5, "rs2": 10, "rs3": 15}


def test_wlc_looks_at_the_connections_that_are_open(lab, director):
    director.add_web("wlc")
    sessions = [connect(lab.client) for _ in range(6)]
    # A connection is active with its last ACK, which nobody answers.
    until(lambda: [active for active, _ in director.connections().values()] == [2, 2, 2])
    for session in sessions:
        session.close()


@pytest.mark.parametrize("scheduler", ["sh", "dh"])
def test_hashing_schedulers_keep_a_client_on_one_server(lab, director, scheduler):
    director.add_web(scheduler)
    assert len(spread(lab.client, 10)) == 1


def test_a_server_of_weight_zero_gets_no_new_connection(lab, director):
    director.add_web(weights=[1, 0, 1])
    assert spread(lab.client, 10) == {"rs1": 5, "rs3": 5}


def test_a_service_without_server_refuses(lab, director):
    director.lbctl("add-service", *service(), "-s", "rr")
    with pytest.raises(ConnectionRefusedError):
        connect(lab.client)


def test_rr_is_exact_over_two_workers(lab, start):
    start("--workers", "2").add_web()
    clients = [f"10.77.0.{number}" for number in range(12, 18)]
    for address in clients:
        lab.client.ip("address", "add", f"{address}/24", "dev", "eth0")
    try:
        answers = Counter()
        for address in clients:
            answers += Counter(lab.client.run(
                "curl", "--silent", "--max-time", 20, "--interface", address, "--header", "Connection: close",
                f"http://{VIP}/?[1-5]").stdout.split())
    finally:
        for address in clients:
            lab.client.ip("address", "delete", f"{address}/24", "dev", "eth0")
    assert answers == {"rs1": 10, "rs2": 10, "rs3": 10}


# The way back


def test_replies_do_not_pass_the_director(lab, packet_sockets, web):
    lab.client.run("curl", "--silent", f"http://{VIP}/")
    with Wire(lab.director, outgoing=True) as director, Wire(lab.client) as client:
        assert len(requests(lab.client, 10)) == 10
        seen = director.collect(lambda frame: frame.tcp)
        replies = client.collect(lambda frame: frame.tcp)
    assert {frame.ip.destination for frame in seen} == {VIP}, "something but requests passed the director"
    assert {frame.ip.source for frame in replies} == {VIP}
    assert {frame.source for frame in replies} == {server.mac for server in lab.servers}


# Each frame


@pytest.fixture
def single(lab, director):
    """A director with services on TCP and UDP port 80 that have one real server."""
    director.add_web(servers=lab.servers[:1])
    director.lbctl("add-service", "-u", f"{VIP}:80", "-s", "rr")
    director.lbctl("add-rs", "-u", f"{VIP}:80", "-r", f"{lab.servers[0].address}:80", "-g")
    requests(lab.client)
    return director


def forwarded(lab, packet, padding=b""):
    """What arrives at the first real server of a packet that the stranger sent to the VIP."""
    sent = ethernet(lab.director.mac, STRANGER_MAC, ETHERTYPE_IPV4, packet) + padding
    with Wire(lab.servers[0]) as server, Wire(lab.stranger) as stranger:
        stranger.send(sent)
        arrived = server.wait(lambda frame: frame.ip and frame.ip.source == ASKER)
    return parse(sent), arrived


PACKETS = {
    "a SYN": (tcp(ASKER, 30000, VIP, 80, SYN), b""),
    "a padded SYN": (tcp(ASKER, 30001, VIP, 80, SYN), b"\0" * 6),
    "a padding of other bytes": (tcp(ASKER, 30002, VIP, 80, SYN), b"\xa5" * 6),
    "odd header fields": (tcp(ASKER, 30003, VIP, 80, SYN, identification=0xBEEF, tos=0x2A, ttl=255), b""),
    "IP options": (tcp(ASKER, 30004, VIP, 80, SYN, options=b"\x01\x01\x01\x00"), b""),
    "a datagram": (udp(ASKER, 30005, VIP, 80, b"odd payload"), b""),
    "an empty datagram": (udp(ASKER, 30006, VIP, 80), b""),
    "a full datagram": (udp(ASKER, 30007, VIP, 80, b"x" * 1472), b""),
}


@pytest.mark.parametrize("name", PACKETS)
def test_only_the_macs_and_the_ttl_of_a_frame_change(lab, single, name):
    sent, arrived = forwarded(lab, *PACKETS[name])
    assert arrived, "nothing arrived"
    assert (arrived.destination, arrived.source) == (lab.servers[0].mac, lab.director.mac)
    assert arrived.ip.ttl == sent.ip.ttl - 1 and arrived.ip.is_intact
    # All but MACs (0…11), TTL (22) and header checksum (24, 25).
    for part in (slice(12, 22), slice(23, 24), slice(26, None)):
        assert arrived.raw[part] == sent.raw[part]


def test_ttl_2_is_forwarded_with_ttl_1(lab, single):
    _, arrived = forwarded(lab, tcp(ASKER, next(ports), VIP, 80, SYN, ttl=2))
    assert arrived.ip.ttl == 1 and arrived.ip.is_intact


def test_ttl_1_gets_time_exceeded(lab, single):
    packet = tcp(ASKER, next(ports), VIP, 80, SYN, ttl=1)
    with Wire(lab.servers[0]) as server, Wire(lab.stranger) as stranger:
        error = stranger.ask(ethernet(lab.director.mac, STRANGER_MAC, ETHERTYPE_IPV4, packet), lambda frame: frame.icmp)
        assert error and (error.icmp.type, error.icmp.code) == (TIME_EXCEEDED, 0)
        assert error.icmp.is_intact and error.icmp.rest[:28] == packet[:28]
        assert server.collect(lambda frame: frame.ip and frame.ip.source == ASKER) == []


def test_a_frame_that_is_not_for_the_vip_is_left_to_the_host(lab, single):
    with pytest.raises(ConnectionRefusedError):
        connect(lab.client, lab.director.address, 9)  # The host's own stack says so.


# UDP


def test_udp_is_spread_and_answered_from_the_vip(lab, director):
    director.lbctl("add-service", "-u", f"{VIP}:7", "-s", "rr")
    for server in lab.servers:
        director.lbctl("add-rs", "-u", f"{VIP}:7", "-r", f"{server.address}:7", "-g")
    answers = Counter()
    with UdpEcho(lab.servers[0]), UdpEcho(lab.servers[1]), UdpEcho(lab.servers[2]):
        for _ in range(9):
            with lab.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(20)
                client.connect((VIP, 7))  # From here on only datagrams from the VIP are received.
                names = set()
                for text in (b"one", b"two", b"three"):
                    client.send(text)
                    name, _, echo = client.recv(100).partition(b" ")
                    assert echo == text
                    names.add(name.decode())
                assert len(names) == 1, "one client socket is one connection"
                answers += Counter(names)
    assert answers == {"rs1": 3, "rs2": 3, "rs3": 3}


# Noise


def test_garbage_on_the_wire_does_no_harm(lab, web):
    seeds = [packet for packet, _ in PACKETS.values()]
    with Wire(lab.stranger) as stranger, Traffic(lab.client) as traffic:
        state = 1
        for number in range(20000):
            state = state * 6364136223846793005 + 1442695040888963407 & 0xFFFFFFFFFFFFFFFF
            frame = bytearray(ethernet(lab.director.mac, STRANGER_MAC, ETHERTYPE_IPV4, seeds[number % len(seeds)]))
            for shift in range(0, 48, 16):
                frame[12 + (state >> shift) % 30] = state >> (shift + 8) & 0xFF
            stranger.send(bytes(frame[:14 + (state >> 50) % len(frame)]))
        traffic.wait(10)
    assert traffic.failures == []
