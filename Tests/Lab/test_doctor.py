"""Each misconfiguration is built on purpose: `doctor` finds it, names who is at fault and the fix, and the fix cures it."""

import shlex
import threading
import time
from contextlib import contextmanager

import pytest
from answers import Answers
from director import service
from findings import assert_cured, doctor
from frames import ARP_REQUEST, BROADCAST, ETHERTYPE_IPV4, NO_MAC, arp, ethernet
from lab import ABSENT, OTHER_VIP, STRANGER_MAC, VIP
from traffic import web as requests
from waiting import until
from wire import Wire


def finding(director, kind, subject):
    """The one finding of this kind; nothing else may be found."""
    found = []

    def is_found():
        found[:] = doctor(director)
        return [(row["kind"], row["subject"]) for row in found] == [(kind, subject)]

    until(is_found, what=lambda: found)
    text = director.lbctl("doctor", check=False).stdout
    assert found[0]["why"] in text and found[0]["fix"] in text
    return found[0]


def run(host, line):
    """Runs a command as a fix has it."""
    host.run(*shlex.split(line))


def set_up(lab, server, vip=VIP):
    for address in (VIP, OTHER_VIP):
        server.run(*lab.real_server, "setup", "--vip", address, "--interface", "eth0")


@pytest.fixture
def watched(start):
    """A director that forgets within seconds what is not so any more, with a service."""
    director = start("--check-interval", 1)
    director.add_web()
    return director


@pytest.fixture
def server(lab):
    """A real server that is put right afterwards, whatever the test did."""
    server = lab.servers[0]
    yield server
    set_up(lab, server)
    server.ip("link", "set", "eth0", "mtu", 1500)


def arp_setting(server, name, value):
    for scope in ("all", "eth0"):
        server.sysctl(f"net.ipv4.conf.{scope}.{name}", value)


def test_a_healthy_lab_has_no_findings(lab, watched):
    assert requests(lab.client, 30)
    assert doctor(watched) == []
    assert watched.lbctl("doctor").stdout == "nothing found\n"
    assert watched.lbctl("list").stderr == ""


def test_a_server_that_answers_arp_for_the_vip_is_found_everywhere(lab, watched, server):
    arp_setting(server, "arp_ignore", 0)
    found = finding(watched, "vip_answered", server.address)
    assert found["vip"] == VIP and server.mac in found["seen"]
    assert f"lbctl real-server setup --vip {VIP}" in found["fix"] and "arp_ignore=1" in found["fix"]
    assert server.address in watched.lbctl("list").stderr
    assert f'lvs_finding{{kind="vip_answered",vip="{VIP}",subject="{server.address}"}} 1' in watched.get("/metrics")
    until(lambda: "found: " in watched.output() and f"the real server {server.address}" in watched.output())
    set_up(lab, server)
    assert_cured(watched)
    until(lambda: "no longer so: " in watched.output())
    assert watched.lbctl("list").stderr == ""


def test_a_server_that_asks_in_the_vips_name_is_found(lab, watched, server):
    arp_setting(server, "arp_announce", 0)
    server.forget_neighbors()
    requests(lab.client, 3)
    found = finding(watched, "vip_as_sender", server.address)
    assert "arp_announce=2" in found["fix"] and server.address in found["fix"]
    set_up(lab, server)
    assert_cured(watched)


def test_a_server_that_announces_the_vip_is_found(lab, watched):
    server = lab.servers[1]
    with Wire(server) as wire:
        wire.send(arp(ARP_REQUEST, server.mac, VIP, NO_MAC, VIP, to=BROADCAST))
    assert VIP in finding(watched, "vip_announced", server.address)["seen"]
    assert_cured(watched)


def test_a_stranger_that_answers_for_the_vip_is_found(lab, watched):
    with Answers(lab.stranger, VIP):
        found = finding(watched, "vip_answered", STRANGER_MAC)
        assert "proxy_arp" in found["fix"]
    assert_cured(watched)


def test_a_server_without_the_vip_is_told_from_the_others(lab, watched, server):
    server.ip("address", "delete", f"{VIP}/32", "dev", "lo")
    assert f"lbctl real-server setup --vip {VIP}" in finding(watched, "server_without_vip", server.address)["fix"]
    server.run(*lab.real_server, "setup", "--vip", VIP, "--interface", "eth0")
    assert_cured(watched)


def test_a_server_without_the_vip_that_forwards_is_found_too(lab, watched, server):
    server.ip("address", "delete", f"{VIP}/32", "dev", "lo")
    server.sysctl("net.ipv4.ip_forward", 1)
    try:
        finding(watched, "server_without_vip", server.address)
    finally:
        server.sysctl("net.ipv4.ip_forward", 0)


def test_a_port_where_nothing_listens_is_refused(lab, start):
    director = start("--check-interval", 1)
    director.add_web(servers=lab.servers[:1], port=8081)
    assert "8081" in finding(director, "server_refuses", lab.servers[0].address)["fix"]
    with lab.servers[0].socket() as listener:
        listener.bind(("0.0.0.0", 8081))
        listener.listen()
        assert_cured(director)


def test_a_port_that_is_filtered_is_told_from_one_where_nothing_listens(lab, watched, server):
    server.run("nft", "add table ip guard; add chain ip guard in { type filter hook input priority 0; }; "
               "add rule ip guard in tcp dport 80 drop")
    try:
        assert "packet filter" in finding(watched, "server_filtered", server.address)["fix"]
    finally:
        server.run("nft", "delete table ip guard")
    assert_cured(watched)


@pytest.mark.parametrize("silence", ["output", "link", "mac"])
def test_a_server_that_says_nothing_at_all_is_not_called_one_without_the_vip(lab, start, server, silence):
    director = start("--check-interval", 60)
    director.lbctl("add-service", *service(), "-s", "rr")
    mac = "02:00:00:00:0a:0a" if silence == "mac" else server.mac
    director.lbctl("add-rs", *service(), "-r", server.address, "--mac", mac)
    if silence == "output":
        server.run("nft", "add table ip guard; add chain ip guard out { type filter hook output priority 0; }; "
                   "add rule ip guard out drop")
    if silence == "link":
        server.ip("link", "set", "eth0", "down")
    try:
        found = finding(director, "server_silent", server.address)
        assert mac in found["seen"] and "lo" not in found["seen"].split() and "nft" in found["fix"]
    finally:
        server.run("nft", "delete table ip guard", check=False)
        server.ip("link", "set", "eth0", "up")
    if silence == "mac":
        director.lbctl("edit-rs", *service(), "-r", server.address, "--no-mac")
    assert_cured(director)


@pytest.mark.parametrize("rule, word", [("drop", "answers nothing to"), ("tcp dport 80 reject with tcp reset", "refuses"),
                                        ("reject", "refuses")])
def test_a_server_that_turns_one_client_alone_away_is_found(lab, watched, server, rule, word):
    server.run("nft", "add table ip guard; add chain ip guard in { type filter hook input priority 0; }; "
               f"add rule ip guard in ip saddr {lab.client.address} {rule}")
    try:
        lab.client.run("sh", "-c", f"for i in 1 2 3 4 5 6 7 8 9; do curl -s -m 4 -o /dev/null http://{VIP}/ & done; wait",
                       check=False)
        found = finding(watched, "server_unanswering", f"{server.address}:80")
        assert f"{word} client {lab.client.address}" in found["seen"], found
        assert f"--client {lab.client.address}" in found["fix"]
    finally:
        server.run("nft", "delete table ip guard")


def test_a_server_that_is_not_there_is_found(lab, watched, server):
    watched.lbctl("add-rs", *service(), "-r", f"{ABSENT}:80")
    finding(watched, "server_unresolved", ABSENT)
    server.ip("address", "add", f"{ABSENT}/32", "dev", "eth0")
    try:
        finding(watched, "server_shared", server.mac)
    finally:
        server.ip("address", "delete", f"{ABSENT}/32", "dev", "eth0")
    watched.lbctl("del-rs", *service(), "-r", f"{ABSENT}:80")
    assert_cured(watched)


def test_a_server_on_another_lan_is_found(watched):
    watched.lbctl("add-rs", *service(), "-r", "10.99.0.5:80")
    assert "share a LAN" in finding(watched, "server_elsewhere", "10.99.0.5")["why"]
    watched.lbctl("del-rs", *service(), "-r", "10.99.0.5:80")
    assert_cured(watched)


def test_a_server_whose_address_two_hosts_have_is_found(lab, watched):
    server = lab.servers[0]
    with Answers(lab.stranger, server.address):
        found = finding(watched, "server_duplicate", server.address)
        assert server.mac in found["seen"] and STRANGER_MAC in found["seen"]
        assert watched.json("neighbors")[0]["mac"] == server.mac
    assert_cured(watched)


def test_a_smaller_mtu_on_the_way_to_a_server_is_found(watched, server):
    server.ip("link", "set", "eth0", "mtu", 1400)
    found = finding(watched, "server_mtu", server.address)
    run(server, found["fix"].split(": ")[-1])
    assert_cured(watched)


def test_a_vip_on_the_directors_host_is_found_and_the_fix_is_a_command(lab, watched):
    lab.director.ip("address", "add", f"{VIP}/32", "dev", "lo")
    run(lab.director, finding(watched, "vip_on_host", "lo")["fix"])
    assert_cured(watched)


def test_forwarding_by_the_host_is_found_where_nothing_guards_it(lab, start, forwarding_host):
    guarded = start("--check-interval", 1)
    guarded.add_web()
    assert doctor(guarded) == []
    guarded.stop()
    director = start("--check-interval", 1, "--no-host-guard")
    director.add_web()
    run(lab.director, finding(director, "ip_forward", "net.ipv4.ip_forward")["fix"].split(", ")[0])
    assert_cured(director)


def test_strict_reverse_path_filtering_is_found_where_it_matters(lab, watched):
    before = {scope: lab.director.sysctl(f"net.ipv4.conf.{scope}.rp_filter") for scope in ("all", "eth0")}
    try:
        lab.director.sysctl("net.ipv4.conf.eth0.rp_filter", 1)
        assert doctor(watched) == [], "the VIP is on the interface's own network"
        watched.lbctl("add-service", "-t", "10.98.0.1:80")
        run(lab.director, finding(watched, "reverse_path_filter", "eth0")["fix"])
        assert_cured(watched)
    finally:
        for scope, value in before.items():
            lab.director.sysctl(f"net.ipv4.conf.{scope}.rp_filter", value)


@contextmanager
def flood(lab, to):
    """Frames for a station that the bridge does not know, from the client."""
    leaving = threading.Event()

    def send():
        with Wire(lab.client) as wire:
            while not leaving.is_set():
                wire.send(ethernet(to, lab.client.mac, ETHERTYPE_IPV4, bytes(60)))
                time.sleep(0.002)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        leaving.set()
        thread.join()


def test_flooding_is_found(lab, watched):
    lost = "02:00:00:00:09:09"
    with flood(lab, lost):
        assert "ageing" in finding(watched, "flooding", lost)["fix"]
    assert_cured(watched)


def test_an_uneven_spread_is_found_with_its_cause(lab, start):
    director = start("--check-interval", 1)
    director.add_web(options=("-p", "300"))
    requests(lab.client, 120)
    found = doctor(director)
    assert [row["kind"] for row in found] == ["uneven"] and "persistence" in found[0]["why"], found
    director.lbctl("zero")
    assert_cured(director)


def test_a_vip_that_was_lost_is_found(lab, watched):
    with Wire(lab.stranger) as wire:
        watched.lbctl("release", VIP)
        assert doctor(watched) == [], "given up on purpose"
        watched.lbctl("takeover", VIP)
        assert wire.collect(lambda frame: frame.arp and frame.arp.sender == VIP and frame.destination == BROADCAST)
