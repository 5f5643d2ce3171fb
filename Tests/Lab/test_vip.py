"""The director owns the VIP: ARP, ping, and what it says to packets that nobody wants."""

import socket
import time

import pytest
from answers import Answers
from director import service
from frames import (ACK, ARP_REPLY, ARP_REQUEST, BROADCAST, ECHO_REPLY, ETHERTYPE_IPV4, NO_MAC, RST, SYN, UNREACHABLE,
                    arp_request, echo_request, ethernet, tcp, udp)
from lab import ASKER, DIP, OTHER_VIP, STRANGER_MAC, UNUSED_ADDRESS, VIP
from traffic import connect, web as requests
from wire import Wire, is_arp


@pytest.fixture
def wire(lab):
    with Wire(lab.stranger) as wire:
        yield wire


def to_director(lab, packet):
    return ethernet(lab.director.mac, STRANGER_MAC, ETHERTYPE_IPV4, packet)


# ARP


@pytest.mark.parametrize("how", ["broadcast", "unicast"])
def test_arp_requests_for_the_vip_are_answered(lab, web, wire, how):
    to = BROADCAST if how == "broadcast" else lab.director.mac
    reply = wire.ask(arp_request(STRANGER_MAC, ASKER, VIP, to=to), is_arp(ARP_REPLY, to=STRANGER_MAC))
    assert reply and reply.source == lab.director.mac and reply.destination == STRANGER_MAC
    assert (reply.arp.sender_mac, reply.arp.sender) == (lab.director.mac, VIP)
    assert (reply.arp.target_mac, reply.arp.target) == (STRANGER_MAC, ASKER)
    assert wire.collect(is_arp(ARP_REPLY, to=STRANGER_MAC)) == [], "answered twice"


def test_a_probe_for_the_vip_is_answered(lab, web, wire):
    reply = wire.ask(arp_request(STRANGER_MAC, "0.0.0.0", VIP), is_arp(ARP_REPLY, to=STRANGER_MAC))
    assert reply and reply.arp.sender_mac == lab.director.mac


@pytest.mark.parametrize("address", [UNUSED_ADDRESS, OTHER_VIP, ASKER])
def test_arp_requests_for_other_addresses_are_not_answered(lab, web, wire, address):
    wire.send(arp_request(STRANGER_MAC, ASKER, address))
    wire.send(arp_request(STRANGER_MAC, ASKER, address, to=lab.director.mac))
    assert wire.collect(is_arp(ARP_REPLY, to=STRANGER_MAC)) == []


def test_the_hosts_own_address_is_answered_for_by_the_host_alone(lab, web, wire):
    wire.send(arp_request(STRANGER_MAC, ASKER, DIP))
    assert len(wire.gather(1, is_arp(ARP_REPLY, to=STRANGER_MAC))) == 1


def test_the_vip_is_silent_before_its_service_and_after_it(lab, director, wire):
    ask = arp_request(STRANGER_MAC, ASKER, VIP)
    assert wire.ask(ask, is_arp(ARP_REPLY, to=STRANGER_MAC), 0.3) is None
    director.lbctl("add-service", *service())
    assert wire.ask(ask, is_arp(ARP_REPLY, to=STRANGER_MAC))
    director.lbctl("del-service", *service())
    wire.collect(seconds=0.1)
    assert wire.ask(ask, is_arp(ARP_REPLY, to=STRANGER_MAC), 0.3) is None


def test_the_vip_is_probed_for_before_it_is_taken(lab, director_as_shipped, wire):
    director_as_shipped.lbctl("add-service", *service())
    # Three probes, and of each announcement a request and a reply.
    frames = wire.gather(5, is_arp(target=VIP))
    probes = [frame for frame in frames if frame.arp.sender == "0.0.0.0"]
    assert len(probes) == 3
    for probe in probes:
        assert probe.arp.operation == ARP_REQUEST and probe.destination == BROADCAST
        assert (probe.arp.sender_mac, probe.arp.target_mac) == (lab.director.mac, NO_MAC)
    gaps = [later.time - earlier.time for earlier, later in zip(probes, probes[1:])]
    assert all(0.1 < gap for gap in gaps), gaps
    announcements = [frame for frame in frames if frame.arp.sender == VIP]
    assert announcements and announcements[0].time > probes[-1].time + 0.1


def test_the_vip_is_announced_by_request_and_reply_more_than_once(lab, director_as_shipped, wire):
    director_as_shipped.lbctl("add-service", *service())
    frames = wire.gather(4, is_arp(sender=VIP, target=VIP))
    for operation in (ARP_REQUEST, ARP_REPLY):
        announcements = [frame for frame in frames if frame.arp.operation == operation]
        assert len(announcements) >= 2
        assert {(frame.destination, frame.arp.sender_mac) for frame in announcements} == {(BROADCAST, lab.director.mac)}


def test_a_second_service_at_a_vip_is_added_without_another_probe(director_as_shipped, wire):
    director_as_shipped.lbctl("add-service", *service())
    director_as_shipped.lbctl("add-service", *service(port=8080))
    assert len(wire.gather(3, is_arp(sender="0.0.0.0", target=VIP))) == 3, "the VIP was owned already"


def test_a_vip_that_another_host_answers_for_is_refused_with_its_mac(lab, director):
    with Answers(lab.stranger, VIP):
        refused = director.lbctl("add-service", *service(), check=False)
    assert refused.returncode == 1 and len(refused.stderr.splitlines()) == 1
    assert VIP in refused.stderr and STRANGER_MAC in refused.stderr
    assert VIP not in director.listing()
    with Wire(lab.stranger) as wire:
        assert wire.ask(arp_request(STRANGER_MAC, ASKER, VIP), is_arp(ARP_REPLY, to=STRANGER_MAC), 0.3) is None


def test_force_takes_a_vip_that_another_host_answers_for(lab, director):
    with Answers(lab.stranger, VIP):
        director.lbctl("add-service", *service(), "--force")
    with Wire(lab.stranger) as wire:
        reply = wire.ask(arp_request(STRANGER_MAC, ASKER, VIP), is_arp(ARP_REPLY, to=STRANGER_MAC))
        assert reply.arp.sender_mac == lab.director.mac


def test_a_vip_that_is_configured_on_the_host_is_refused(lab, director):
    lab.director.ip("address", "add", f"{VIP}/32", "dev", "lo")
    try:
        refused = director.lbctl("add-service", *service(), check=False)
    finally:
        lab.director.ip("address", "delete", f"{VIP}/32", "dev", "lo")
    assert refused.returncode == 1 and len(refused.stderr.splitlines()) == 1
    assert VIP in refused.stderr and "configured on this host" in refused.stderr
    assert VIP not in director.listing()


# Ping


@pytest.mark.parametrize("size", [0, 1, 56, 1401, 1472])
def test_the_vip_answers_ping(lab, web, wire, size):
    payload = bytes(index % 251 for index in range(size))
    request = echo_request(ASKER, VIP, identifier=7, sequence=9, payload=payload)
    reply = wire.ask(to_director(lab, request), lambda frame: frame.icmp)
    assert reply and reply.icmp.type == ECHO_REPLY and reply.icmp.is_intact and reply.ip.is_intact
    assert (reply.ip.source, reply.ip.destination, reply.source) == (VIP, ASKER, lab.director.mac)
    assert reply.icmp.rest[:size] == payload


# What nobody wants


def test_a_connection_to_a_port_without_service_is_refused(lab, web):
    with pytest.raises(ConnectionRefusedError):
        connect(lab.client, port=81)


@pytest.mark.parametrize("flags, answer", [
    (SYN, (RST | ACK, 0, 1001)), (ACK, (RST, 4711, 0)), (SYN | ACK, (RST, 4711, 0))])
def test_a_segment_that_nobody_wants_is_answered_by_a_reset(lab, web, wire, flags, answer):
    segment = tcp(ASKER, 4000, VIP, 81, flags, sequence=1000, acknowledgment=4711)
    reset = wire.ask(to_director(lab, segment), lambda frame: frame.tcp)
    assert reset and (reset.ip.source, reset.tcp.source_port, reset.tcp.port) == (VIP, 81, 4000)
    assert (reset.tcp.flags, reset.tcp.sequence, reset.tcp.acknowledgment) == answer


def test_a_reset_is_never_answered(lab, web, wire):
    assert wire.ask(to_director(lab, tcp(ASKER, 4000, VIP, 81, RST)), lambda frame: frame.tcp, 0.3) is None


def test_a_datagram_to_a_port_without_service_gets_port_unreachable(lab, web, wire):
    packet = udp(ASKER, 4000, VIP, 81, b"anyone?")
    error = wire.ask(to_director(lab, packet), lambda frame: frame.icmp)
    assert error and (error.icmp.type, error.icmp.code) == (UNREACHABLE, 3)
    assert error.ip.source == VIP and error.icmp.is_intact and error.icmp.rest.startswith(packet[:28])


def test_a_client_program_sees_port_unreachable_as_connection_refused(lab, web):
    with lab.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(20)
        client.connect((VIP, 81))
        client.send(b"anyone?")
        with pytest.raises(ConnectionRefusedError):
            client.recv(100)


def test_answers_to_what_nobody_wants_are_limited_in_rate(lab, web, wire):
    flood, begin = 8000, time.monotonic()
    for number in range(flood):
        wire.send(to_director(lab, udp(ASKER, 1024 + number, VIP, 81, b"flood")))
    answers = wire.gather(1, lambda frame: frame.icmp)
    # A thousand at once, and as many a second.
    assert 0 < len(answers) <= 1000 * (2 + time.monotonic() - begin)
    assert requests(lab.client), "the service must not suffer"


def test_unclaimed_drop_answers_nothing(lab, start, wire):
    start("--unclaimed", "drop").add_web()
    for packet in (tcp(ASKER, 4000, VIP, 81, SYN), udp(ASKER, 4000, VIP, 81, b"anyone?")):
        assert wire.ask(to_director(lab, packet), lambda frame: frame.ip, 0.3) is None
    assert requests(lab.client), "what has a service is served"
