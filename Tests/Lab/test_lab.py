"""The lab stands on its own: what the other tests take for granted."""

import pytest
from frames import ARP_REPLY, SYN, arp_request, checksum, echo_request, ethernet, parse, tcp, udp
from lab import STRANGER_MAC, VIP
from traffic import web
from wire import Wire, is_arp

ASKER = "10.77.0.50"


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


def test_real_server_script_finds_what_is_missing(lab):
    server, script = lab.servers[0], lab.real_server
    ready = server.run(script, "check", "--vip", VIP, "--interface", "eth0")
    assert ready.stdout == f"ready: {VIP} is on lo, and eth0 keeps quiet about it\n"
    missing = lab.client.run(script, "check", "--vip", VIP, "--interface", "eth0", check=False)
    assert missing.returncode == 1
    assert missing.stdout.splitlines() == [
        f"{VIP} is not on lo (ip address add {VIP}/32 dev lo)", "arp_ignore is 0 on eth0, and must be 1",
        "arp_announce is 0 on eth0, and must be 2"]


def test_real_server_script_undoes_what_it_did(lab):
    host, arguments = lab.client, ("--vip", VIP, "--interface", "eth0")
    before = host.ip("address", "show").stdout
    host.run(lab.real_server, "setup", *arguments)
    assert host.run(lab.real_server, "check", *arguments).returncode == 0
    host.run(lab.real_server, "teardown", *arguments)
    assert host.ip("address", "show").stdout == before
    assert host.sysctl("net.ipv4.conf.eth0.arp_ignore") == host.sysctl("net.ipv4.conf.all.arp_announce") == "0"


def test_real_server_script_only_prints_when_dry(lab):
    dry = lab.client.run(lab.real_server, "setup", "--vip", VIP, "--interface", "eth0", "--dry-run")
    assert dry.stdout.splitlines() == [
        "sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2",
        "sysctl -qw net.ipv4.conf.eth0.arp_ignore=1 net.ipv4.conf.eth0.arp_announce=2",
        f"ip address add {VIP}/32 dev lo"]
    assert VIP not in lab.client.ip("address", "show").stdout
