"""What a full virtual server does beyond plain TCP and UDP: marks, fragments, one packet at a time, settings."""

import json
import socket
from contextlib import ExitStack

import pytest

from director import ON_EVERY_DATA_PLANE, service
from frames import ETHERTYPE_IPV4, SYN, UDP, ethernet, ipv4, tcp, udp
from lab import STRANGER_MAC, VIP
from traffic import UdpEcho, web as requests
from waiting import until
from wire import Wire

IP_MTU_DISCOVER, IP_PMTUDISC_DONT, IP_PMTUDISC_DO = 10, 0, 2

RULE = ("--dst", VIP, "--proto", "tcp", "--dport", "80-8080", "--set", "7")

pytestmark = ON_EVERY_DATA_PLANE


def add_servers(director, *service):
    for server in director.lab.servers:
        director.lbctl("add-rs", *service, "-r", server.address, "-g")


def udp_names(lab, count, size=4):
    """Who answered datagrams of one socket."""
    with ExitStack() as stack:
        for server in lab.servers:
            stack.enter_context(UdpEcho(server))
        client = stack.enter_context(lab.client.socket(socket.AF_INET, socket.SOCK_DGRAM))
        client.settimeout(20)
        names = []
        for number in range(count):
            data = bytes([number]) * size
            client.sendto(data, (VIP, 7))
            name, echoed = client.recvfrom(65536)[0].split(b" ", 1)
            assert echoed == data
            names.append(name.decode())
        return names


def test_a_mark_groups_the_ports_of_its_rule(lab, director):
    director.lbctl("mark", "add", *RULE)
    director.lbctl("add-service", "-f", "7", "-s", "rr", "-p", "300")
    add_servers(director, "-f", "7")
    names = {requests(lab.client, port=port)[0] for port in (80, 8080, 80, 8080)}
    assert len(names) == 1, "one client keeps its server over all ports of the mark"
    assert "FWM  7 rr persistent 300" in director.listing()
    director.lbctl("mark", "del", *RULE)
    assert VIP not in director.lbctl("vips").stdout, "no rule, no VIP"


def test_marks_are_saved_and_restored(director):
    director.lbctl("mark", "add", *RULE)
    saved = director.lbctl("save").stdout
    assert director.json("mark", "list") == [
        {"destination": f"{VIP}/32", "mark": 7, "ports": "80-8080", "transport": "tcp"}]
    director.lbctl("mark", "flush")
    director.lbctl("restore", input=saved)
    assert director.lbctl("save").stdout == saved


def test_a_mark_of_too_many_addresses_is_refused(director):
    refused = director.lbctl("mark", "add", "--dst", "10.0.0.0/8", "--set", "1", check=False)
    assert refused.returncode == 2 and "10.0.0.0/8" in refused.stderr


@pytest.mark.parametrize("size", [1400, 4000, 60000])
def test_datagrams_in_fragments_arrive_whole(lab, director, size):
    director.lbctl("add-service", "-u", f"{VIP}:7", "-s", "rr")
    add_servers(director, "-u", f"{VIP}:7")
    assert len(set(udp_names(lab, 5, size))) == 1, "one flow, one server"


def test_fragments_that_overlap_go_no_further_and_are_counted(lab, director):
    director.lbctl("add-service", "-u", f"{VIP}:7", "-s", "rr")
    director.lbctl("add-rs", "-u", f"{VIP}:7", "-r", lab.servers[0].address, "-g")
    datagram = udp("10.77.0.50", 4000, VIP, 7, bytes(92))[20:]

    def fragment(start, end, identification):
        field = start // 8 | (0x2000 if end < len(datagram) else 0)
        packet = ipv4("10.77.0.50", VIP, UDP, datagram[start:end], identification=identification, fragment=field)
        return ethernet(lab.director.mac, STRANGER_MAC, ETHERTYPE_IPV4, packet)

    reasons = {"fragment_overlap": 2, "fragment_duplicate": 1, "fragment_tiny": 1}
    before = {reason: director.dropped(reason) for reason in reasons}
    with Wire(lab.stranger) as stranger, Wire(lab.servers[0]) as server:
        for piece in [(0, 32, 1), (24, 64, 1), (64, 100, 1), (0, 32, 2), (0, 32, 2), (32, 100, 2), (0, 0, 3)]:
            stranger.send(fragment(*piece))
        arrived = server.gather(3, lambda frame: frame.ip and frame.ip.destination == VIP)
        until(lambda: {reason: director.dropped(reason) - before[reason] for reason in reasons} == reasons)
    assert [(frame.ip.header[5], len(frame.ip.payload)) for frame in arrived] == [(1, 32), (2, 32), (2, 68)]


@pytest.fixture
def long_datagram(lab):
    """A veth takes in four bytes more than it sends, room for a tag: so a packet can come that is too long to go on."""
    lab.client.ip("link", "set", "eth0", "mtu", 1504)
    yield bytes(number % 251 for number in range(1504 - 28))
    lab.client.ip("link", "set", "eth0", "mtu", 1500)


def test_a_datagram_that_is_too_long_is_cut_or_answered_with_the_mtu(lab, director, long_datagram):
    director.lbctl("add-service", "-u", f"{VIP}:7", "-s", "rr")
    director.lbctl("add-rs", "-u", f"{VIP}:7", "-r", lab.servers[0].address, "-g")
    with UdpEcho(lab.servers[0]), Wire(lab.servers[0]) as wire, \
            lab.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(20)
        client.connect((VIP, 7))
        client.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)
        client.send(long_datagram)
        assert client.recv(65536) == lab.servers[0].name.encode() + b" " + long_datagram
        pieces = wire.gather(2, lambda frame: frame.ip and frame.ip.destination == VIP)
        assert [len(frame.ip.payload) for frame in pieces] == [1480, 4]
        client.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
        client.send(long_datagram)
        with pytest.raises(OSError, match="too long"):
            client.recv(65536)
        client.send(long_datagram[:1500 - 28])
        assert client.recv(65536).endswith(long_datagram[:1500 - 28])
    lab.client.ip("route", "flush", "cache")


def test_one_packet_scheduling_spreads_the_datagrams_of_one_socket(lab, director):
    director.lbctl("add-service", "-u", f"{VIP}:7", "-s", "rr", "-o")
    add_servers(director, "-u", f"{VIP}:7")
    names = udp_names(lab, 9)
    assert sorted(names.count(server.name) for server in lab.servers) == [3, 3, 3]


def test_a_refused_mark_leaves_no_vip(lab, director):
    director.lbctl("add-service", "-f", "3")
    refused = director.lbctl("mark", "add", "--dst", "10.77.0.0/29", "--set", "3", check=False)
    assert refused.returncode == 1 and lab.director.address in refused.stderr
    assert director.json("vips") == []


def test_a_defense_is_up_when_its_setting_returns(lab, web):
    with Wire(lab.stranger) as wire:
        for mode, state in [("3", "SYNACK"), ("0", "SYN_RECV")]:
            web.lbctl("set", "secure_tcp", mode)
            client = f"10.77.1.{mode}"
            wire.send(ethernet(lab.director.mac, STRANGER_MAC, ETHERTYPE_IPV4, tcp(client, 6000, VIP, 80, SYN)))
            row = until(lambda: web.lbctl("--json", "list", "--connections", "--client", f"{client}/32").stdout)
            assert json.loads(row)["state"] == state


def test_the_total_outlives_the_services(lab, web):
    def counts():
        return web.json("list", "--total")["statistics"]

    def are_zero():
        web.lbctl("zero")
        return counts() == {key: 0 for key in before}

    requests(lab.client, 6)
    before = counts()
    assert before["connections"] == 6 and before["packets"] > 12 and before["bytes"] > 6 * 100
    service_counts = web.json("list")[0]["statistics"]
    web.lbctl("del-service", *service())
    assert counts()["connections"] == 6
    assert [before[key] for key in ("connections", "packets", "bytes")] <= [
        service_counts[key] for key in ("connections", "packets", "bytes")]
    assert web.lbctl("list", "--total").stdout.split()[:5] == ["CONNECTIONS", "PACKETS", "IN", "BYTES", "IN"]
    # What a client says last nobody answers: it may be on its way still.
    until(are_zero)


def test_what_is_no_single_hosts_address_is_refused(lab, web):
    for words in [("add-service", "-t", "10.77.0.255:80"), ("add-rs", *service(), "-r", "10.77.0.255"),
                  ("add-rs", *service(), "-r", "10.77.0.9", "--mac", lab.director.mac)]:
        refused = web.lbctl(*words, check=False)
        assert refused.returncode == 1 and len(refused.stderr.splitlines()) == 1, words


def test_settings_are_named_as_the_sysctls_and_checked(director):
    assert director.lbctl("get", "conn_reuse_mode").stdout == "1\n"
    director.lbctl("set", "conn_reuse_mode", "0")
    assert director.lbctl("get", "conn_reuse_mode").stdout == "0\n"
    for key, value in [("conn_reuse_mode", "9"), ("mh_table_size", "1000"), ("nothing", "1"), ("drop_entry", "4")]:
        refused = director.lbctl("set", key, value, check=False)
        assert refused.returncode == 1 and key in refused.stderr and refused.stderr.count("\n") == 1
