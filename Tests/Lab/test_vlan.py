"""`--vlan 7`: the director lives on one VLAN of a trunk port.

Kernels without 8021q exist, so both ends are raw sockets: the stranger is the client, a real server without
an address of its own on the VLAN answers ARP by hand.
"""

import pytest
from director import ON_EVERY_DATA_PLANE, service
from frames import (ACK, ARP_REPLY, ARP_REQUEST, ECHO_REPLY, ETHERTYPE_IPV4, RST, SYN, arp_reply, arp_request,
                    echo_request, ethernet, parse, tcp)
from lab import DIP, STRANGER_MAC, VIP
from wire import Wire, is_arp

ASKER, SERVER, VLAN = "10.77.0.50", "10.77.0.70", 7

pytestmark = ON_EVERY_DATA_PLANE


@pytest.fixture
def trunk(lab, start):
    director = start("--vlan", str(VLAN))
    director.lbctl("add-service", *service(), "-s", "rr")
    director.lbctl("add-rs", *service(), "-r", f"{SERVER}:80", "-g")
    return director


@pytest.fixture
def client(lab):
    with Wire(lab.stranger) as wire:
        yield wire


@pytest.fixture
def server(lab):
    with Wire(lab.servers[0]) as wire:
        yield wire


def to_director(lab, packet, vlan=VLAN):
    return ethernet(lab.director.mac, STRANGER_MAC, ETHERTYPE_IPV4, packet, vlan)


def test_arp_is_answered_on_the_vlan_alone(lab, trunk, client):
    reply = client.ask(arp_request(STRANGER_MAC, ASKER, VIP, vlan=VLAN), is_arp(ARP_REPLY, to=STRANGER_MAC))
    assert reply and reply.vlan == VLAN and (reply.arp.sender, reply.arp.sender_mac) == (VIP, lab.director.mac)
    for other in (None, 8):
        request = arp_request(STRANGER_MAC, ASKER, VIP, vlan=other)
        assert client.ask(request, is_arp(ARP_REPLY, to=STRANGER_MAC), 0.3) is None


def test_the_card_is_made_to_let_in_a_vlan_that_nobody_told_it_of(lab, start):
    start("--vlan", str(VLAN), "--check-interval", 0)
    assert "promiscuity 1" in lab.director.ip("-details", "link", "show", "eth0").stdout


def test_the_vip_answers_ping_on_the_vlan(lab, trunk, client):
    reply = client.ask(to_director(lab, echo_request(ASKER, VIP)), lambda frame: frame.icmp)
    assert reply and reply.vlan == VLAN and reply.icmp.type == ECHO_REPLY


def test_a_tagged_frame_is_forwarded_with_its_tag(lab, trunk, client, server):
    mac = lab.servers[0].mac
    client.send(to_director(lab, tcp(ASKER, 4000, VIP, 80, SYN)))
    request = server.wait(is_arp(ARP_REQUEST, target=SERVER))
    assert request and request.vlan == VLAN and request.arp.sender == DIP
    server.send(arp_reply(mac, SERVER, request.arp.sender_mac, DIP, vlan=VLAN))
    # The first one was held while the server was being found, the second is not.
    for flags in (SYN, ACK):
        sent = to_director(lab, tcp(ASKER, 4000, VIP, 80, flags))
        if flags == ACK:
            client.send(sent)
        arrived = server.wait(lambda frame: frame.tcp and frame.ip.source == ASKER)
        assert arrived and (arrived.destination, arrived.source) == (mac, lab.director.mac)
        assert arrived.vlan == VLAN and arrived.raw[12:18] == sent[12:18]
        assert arrived.ip.ttl == 63 and arrived.tcp == parse(sent).tcp


def test_the_whole_tag_is_kept(lab, trunk, client, server):
    mac, priority = lab.servers[0].mac, 5 << 13
    client.send(to_director(lab, tcp(ASKER, 4001, VIP, 80, SYN), VLAN | priority))
    request = server.wait(is_arp(ARP_REQUEST, target=SERVER))
    server.send(arp_reply(mac, SERVER, request.arp.sender_mac, DIP, vlan=VLAN))
    arrived = server.wait(lambda frame: frame.tcp and frame.ip.source == ASKER)
    assert arrived and arrived.raw[12:16] == bytes([0x81, 0x00, 0xA0, VLAN])


@pytest.mark.parametrize("vlan", [None, 8])
def test_frames_of_other_vlans_are_left_alone(lab, trunk, client, server, vlan):
    client.send(to_director(lab, tcp(ASKER, 4002, VIP, 80, SYN), vlan))
    client.send(to_director(lab, tcp(ASKER, 4003, VIP, 81, SYN), vlan))
    assert server.collect(lambda frame: frame.tcp, 0.3) == []
    assert client.collect(lambda frame: frame.tcp and frame.tcp.flags & RST, 0) == []
