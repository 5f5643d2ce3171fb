"""The lab stands on its own: what the other tests take for granted."""

import pytest
from frames import ARP_REPLY, SYN, arp_request, checksum, echo_request, ethernet, parse, tcp, udp
from lab import ASKER, STRANGER_MAC, VIP
from traffic import web
from wire import Wire, is_arp


def test_every_real_server_answers_at_its_own_address(lab):
    for server in lab.servers:
        assert web(lab.client, 2, vip=server.address) == [server.name, server.name]


def test_real_servers_keep_quiet_about_the_vip(lab):
    with Wire(lab.stranger) as wire:
        assert wire.ask(arp_request(STRANGER_MAC, ASKER, lab.servers[0].address), is_arp(ARP_REPLY))
        wire.send(arp_request(STRANGER_MAC, ASKER, VIP))
        assert wire.collect(is_arp(ARP_REPLY)) == []


def test_a_wire_shows_the_tag_that_the_kernel_takes_off(lab):
    with Wire(lab.stranger) as stranger, Wire(lab.client) as client:
        sent = arp_request(STRANGER_MAC, ASKER, VIP, vlan=7)
        stranger.send(sent)
        seen = client.wait(is_arp(target=VIP))
        assert seen.vlan == 7 and seen.raw == sent


@pytest.mark.parametrize("packet", [
    tcp(ASKER, 1234, VIP, 80, SYN, payload=b"odd"), udp(ASKER, 1234, VIP, 53, b"payload"), echo_request(ASKER, VIP)])
def test_built_packets_have_right_checksums(packet):
    ip = parse(ethernet(STRANGER_MAC, STRANGER_MAC, 0x0800, packet)).ip
    assert ip.is_intact
    pseudo = packet[12:20] + bytes([0, ip.protocol]) + len(ip.payload).to_bytes(2, "big")
    assert checksum(ip.payload if ip.protocol == 1 else pseudo + ip.payload) == 0
