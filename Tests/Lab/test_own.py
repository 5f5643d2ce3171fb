"""The VIP stays the director's for everybody on the LAN: caches, bridges, rivals, and an interface that changes."""

import time
from contextlib import nullcontext

import pytest
from answers import Answers
from director import service
from frames import ARP_REPLY, ARP_REQUEST, BROADCAST, ETHERTYPE_IPV4, NO_MAC, arp, arp_reply, arp_request, ethernet, udp
from lab import ASKER, CLIENT, DIP, OTHER_VIP, STRANGER_MAC, VIP
from switch import without_broadcasts_of
from traffic import spread, web as requests
from waiting import until
from wire import Wire, is_arp

VIRTUAL_MAC = "00:00:5e:00:01:07"


@pytest.fixture
def wire(lab):
    with Wire(lab.stranger) as wire:
        yield wire


def announcement(mac, vip=VIP):
    return arp(ARP_REQUEST, mac, vip, NO_MAC, vip, to=BROADCAST)


def owner(wire, timeout=5):
    """The station that answers for the VIP; None if nobody does in that time."""
    reply = wire.ask(arp_request(STRANGER_MAC, ASKER, VIP), is_arp(ARP_REPLY, VIP, ASKER), timeout)
    return reply.arp.sender_mac if reply else None


def is_silent(wire):
    """Whether nobody answers for the VIP."""
    return owner(wire, 0.4) is None


def await_announcements(wire):
    """Waits for all with which a VIP is taken: none of them will come later."""
    assert len(wire.gather(3, is_arp(ARP_REQUEST, sender=VIP))) == 3


def make_stale(host, mac=STRANGER_MAC, state="reachable"):
    """The host believes that the VIP is still where it was before."""
    host.ip("neighbor", "replace", VIP, "lladdr", mac, "dev", "eth0", "nud", state)


# Caches of others


def test_a_stale_arp_cache_is_corrected_by_the_announcement_at_once(lab, director):
    make_stale(lab.client)
    assert lab.client.neighbor(VIP) == STRANGER_MAC
    director.lbctl("add-service", *service())
    until(lambda: lab.client.neighbor(VIP) == lab.director.mac)


def test_a_stale_arp_cache_is_corrected_by_the_unicast_answer_where_announcements_are_filtered(lab, director):
    quick = {"delay_first_probe_time": 1, "ucast_solicit": 1, "retrans_time_ms": 100}
    before = {name: lab.client.sysctl(f"net.ipv4.neigh.eth0.{name}") for name in quick}
    servers = {server.mac: server.address for server in lab.servers}
    try:
        for name, value in quick.items():
            lab.client.sysctl(f"net.ipv4.neigh.eth0.{name}", value)
        with without_broadcasts_of(lab, "director"), Wire(lab.client) as seen:
            director.lbctl("add-service", *service(), "-s", "rr")
            for mac, address in servers.items():
                director.lbctl("add-rs", *service(), "-r", f"{address}:80", "--mac", mac)
            make_stale(lab.client, state="stale")
            assert requests(lab.client, 3) and lab.client.neighbor(VIP) == lab.director.mac
            frames = seen.collect(is_arp(sender=VIP))
        assert frames and {frame.destination for frame in frames} == {lab.client.mac}, "only unicast answers"
    finally:
        for name, value in before.items():
            lab.client.sysctl(f"net.ipv4.neigh.eth0.{name}", value)


@pytest.mark.parametrize("refresh, is_flooded", [(2, False), (0, True)])
def test_a_bridge_that_forgets_after_five_seconds_floods_only_without_the_refresh(lab, start, refresh, is_flooded):
    """The director forwards and answers nothing here: only its announcements tell the bridge where it is."""
    lab.lan.ip("link", "set", "lan", "type", "bridge", "ageing_time", 500)
    try:
        director = start("--announce-refresh", refresh, "--unclaimed", "drop", "--check-interval", 0)
        with Wire(lab.stranger) as stranger, Wire(lab.client) as client:
            director.lbctl("add-service", *service())
            await_announcements(stranger)
            end = time.monotonic() + 12
            while time.monotonic() < end:
                client.send(ethernet(lab.director.mac, lab.client.mac, ETHERTYPE_IPV4, udp(CLIENT, 4000, VIP, 81, b"?")))
                time.sleep(0.1)
            flooded = stranger.collect(lambda frame: frame.destination == lab.director.mac)
        assert bool(flooded) == is_flooded
    finally:
        lab.lan.ip("link", "set", "lan", "type", "bridge", "ageing_time", 30000)


# Rivals


def test_a_rival_is_answered_once_in_ten_seconds_and_the_vip_is_kept(lab, director, wire):
    director.add_web()
    await_announcements(wire)
    for _ in range(20):
        wire.send(announcement(STRANGER_MAC))
        time.sleep(0.02)
    answers = wire.gather(1, is_arp(ARP_REQUEST, sender=VIP))
    assert len(answers) == 1 and answers[0].arp.sender_mac == lab.director.mac
    assert owner(wire) == lab.director.mac
    assert director.json("vips")[0]["other_owner"] == STRANGER_MAC
    until(lambda: f"VIP {VIP} is answered for by {STRANGER_MAC}" in director.output())
    assert requests(lab.client, 3)


def test_a_rival_that_is_a_real_server_is_named(lab, director):
    director.add_web()
    requests(lab.client, 3)
    with Wire(lab.servers[1]) as wire:
        wire.send(announcement(lab.servers[1].mac))
    until(lambda: f"the real server {lab.servers[1].address}: its arp_ignore" in director.output())


def test_conflict_yield_gives_the_vip_up_and_takes_it_back(lab, start, wire):
    director = start("--conflict", "yield")
    director.add_web()
    wire.send(announcement(STRANGER_MAC))
    assert owner(wire) == lab.director.mac
    wire.send(announcement(STRANGER_MAC))
    until(lambda: director.json("vips")[0]["state"] == "contested")
    assert is_silent(wire)
    until(lambda: f"VIP {VIP} is left to {STRANGER_MAC}" in director.output())
    until(lambda: director.json("vips")[0]["state"] == "owned", 40)
    assert owner(wire) == lab.director.mac


@pytest.mark.parametrize("peer", [STRANGER_MAC, ASKER])
def test_the_announcement_of_a_peer_is_no_conflict(lab, start, wire, peer):
    director = start("--peer", peer)
    if peer == ASKER:
        request = wire.wait(is_arp(ARP_REQUEST, target=ASKER), 20)
        wire.send(arp_reply(STRANGER_MAC, ASKER, request.arp.sender_mac, request.arp.sender))
    director.add_web()
    await_announcements(wire)
    wire.send(announcement(STRANGER_MAC))
    until(lambda: director.json("vips")[0]["state"] == "contested")
    assert wire.collect(is_arp(ARP_REQUEST, sender=VIP), 0.5) == [], "no defense"
    assert is_silent(wire)
    director.lbctl("takeover")
    assert wire.wait(is_arp(ARP_REQUEST, sender=VIP)).arp.sender_mac == lab.director.mac
    assert owner(wire) == lab.director.mac


def test_release_keeps_quiet_until_takeover(lab, director, wire):
    director.add_web()
    assert "released" in director.lbctl("release", VIP).stdout
    assert is_silent(wire)
    director.lbctl("takeover", VIP)
    assert owner(wire) == lab.director.mac and requests(lab.client, 3)
    refused = director.lbctl("takeover", "10.77.0.199", check=False)
    assert refused.returncode == 1 and "10.77.0.199" in refused.stderr and len(refused.stderr.splitlines()) == 1


def test_one_contested_vip_does_not_hold_up_the_rest_of_a_configuration(lab, start, director, wire):
    director.add_web()
    director.add_web(vip=OTHER_VIP)
    path = lab.directory / "two.yaml"
    path.write_text(director.lbctl("save").stdout)
    assert director.stop() == 0
    with Answers(lab.stranger, VIP):
        configured = start("--config", path)
        states = {row["address"]: row for row in configured.json("vips")}
        assert states[OTHER_VIP]["state"] == "owned"
        assert (states[VIP]["state"], states[VIP]["other_owner"]) == ("contested", STRANGER_MAC)
        assert requests(lab.client, 3, vip=OTHER_VIP)
        until(lambda: f"VIP {VIP} is answered for by {STRANGER_MAC}" in configured.output())
        assert any(row["kind"] == "vip_contested" for row in configured_findings(configured))
    until(lambda: configured.json("vips")[0]["state"] == "owned", 40)
    lab.client.forget_neighbors()
    assert requests(lab.client, 3)


def test_apply_refuses_a_vip_that_a_stranger_has_and_loses_nothing(lab, director):
    director.add_web(vip=OTHER_VIP)
    saved = director.lbctl("save").stdout
    wanted = saved.replace(OTHER_VIP, VIP)
    for way in (("apply", "-f", "-"), ("restore",)):
        with Answers(lab.stranger, VIP):
            refused = director.lbctl(*way, input=wanted, check=False)
        assert refused.returncode == 1 and len(refused.stderr.splitlines()) == 1
        assert VIP in refused.stderr and STRANGER_MAC in refused.stderr
        assert director.lbctl("save").stdout == saved
        assert [(row["address"], row["state"]) for row in director.json("vips")] == [(OTHER_VIP, "owned")]
        assert requests(lab.client, 3, vip=OTHER_VIP)
    # What was refused once is no reason against it later.
    director.lbctl("restore", input=wanted)
    director.lbctl("restore", input=saved)
    director.lbctl("restore", input=wanted)
    assert [(row["address"], row["state"]) for row in director.json("vips")] == [(VIP, "owned")]


def configured_findings(director):
    import json
    return json.loads(director.lbctl("--json", "doctor", check=False).stdout)


# Floods


def test_ten_thousand_claims_a_second_are_bounded_counted_and_told_once(lab, director, wire):
    director.add_web()
    assert len(requests(lab.client, 3)) == 3
    server = lab.servers[0]
    claims = [announcement(STRANGER_MAC), announcement(STRANGER_MAC, server.address),
              arp_reply(STRANGER_MAC, server.address, lab.director.mac, DIP)]
    wire.collect(seconds=0.1)
    begin, sent = time.monotonic(), 0
    while sent < 20_000:
        for _ in range(200):
            wire.send(claims[sent % 3])
            sent += 1
        time.sleep(max(0, sent / 10_000 - (time.monotonic() - begin)))
    ours = wire.collect(lambda frame: frame.source == lab.director.mac and frame.arp, 0.5)
    assert len([frame for frame in ours if frame.arp.sender == VIP]) <= 6
    assert len(ours) < 40, "questions and defenses are few"
    assert director.dropped("disputed_claim") > sent / 10, "a busy machine loses some before they are looked at"
    assert director.json("neighbors")[0]["mac"] == server.mac
    lab.client.forget_neighbors()
    assert spread(lab.client, 9) == {"rs1": 3, "rs2": 3, "rs3": 3}
    assert director.output().count(f"VIP {VIP} is answered for by {STRANGER_MAC}") == 1
    assert len(director.output().splitlines()) < 40


# The interface


@pytest.fixture(params=[1, 2], ids=["one worker", "two workers"])
def balancing(lab, start, request):
    director = start("--workers", request.param)
    with Wire(lab.stranger) as wire:
        director.add_web()
        assert spread(lab.client, 3) == {"rs1": 1, "rs2": 1, "rs3": 1}
        await_announcements(wire)
    return director


def assert_announced_and_at_work(lab, wire, mac):
    frame = wire.wait(is_arp(ARP_REQUEST, sender=VIP), 20)
    assert frame and frame.arp.sender_mac == mac, "announced again"
    lab.client.forget_neighbors()
    assert sum(spread(lab.client, 6).values()) == 6


def test_the_interface_may_go_down_and_up(lab, balancing, wire):
    lab.director.ip("link", "set", "eth0", "down")
    until(lambda: "interface eth0 is down" in balancing.output())
    lab.director.ip("link", "set", "eth0", "up")
    assert_announced_and_at_work(lab, wire, lab.director.mac)
    until(lambda: "interface eth0 is up" in balancing.output())


def test_the_carrier_may_be_lost(lab, balancing, wire):
    lab.lan.ip("link", "set", "director", "down")
    until(lambda: "interface eth0 is down" in balancing.output())
    lab.lan.ip("link", "set", "director", "up")
    assert_announced_and_at_work(lab, wire, lab.director.mac)


@pytest.mark.parametrize("is_contested", [True, False])
def test_a_vip_that_was_added_while_the_link_was_down_is_probed_for_when_it_is_up(lab, director, wire, is_contested):
    lab.lan.ip("link", "set", "director", "down")
    until(lambda: "interface eth0 is down" in director.output())
    director.add_web()
    with Answers(lab.stranger, VIP) if is_contested else nullcontext():
        lab.lan.ip("link", "set", "director", "up")
        assert wire.wait(is_arp(ARP_REQUEST, sender="0.0.0.0", target=VIP), 5), "probed for"
        if is_contested:
            until(lambda: f"VIP {VIP} is answered for by {STRANGER_MAC}" in director.output())
            assert director.json("vips")[0]["state"] == "contested"
    until(lambda: director.json("vips")[0]["state"] == "owned", 30)
    assert sum(spread(lab.client, 6).values()) == 6


def test_a_vip_that_somebody_took_while_the_link_was_down_is_told_of(lab, balancing):
    lab.lan.ip("link", "set", "director", "down")
    until(lambda: "interface eth0 is down" in balancing.output())
    with Answers(lab.stranger, VIP):
        lab.lan.ip("link", "set", "director", "up")
        until(lambda: f"VIP {VIP} is answered for by {STRANGER_MAC}" in balancing.output())


def test_the_interface_may_get_another_mac_and_another_address(lab, balancing, wire):
    other = "02:00:00:00:02:99"
    lab.director.ip("link", "set", "eth0", "address", other)
    try:
        assert_announced_and_at_work(lab, wire, other)
        lab.director.ip("address", "delete", f"{DIP}/24", "dev", "eth0")
        lab.director.ip("address", "add", "10.77.0.3/24", "dev", "eth0")
        strangers = iter(range(61, 99))

        def is_asked_in_the_new_name():
            address = f"10.77.0.{next(strangers)}"
            balancing.lbctl("add-rs", *service(), "-r", f"{address}:80")
            return wire.wait(is_arp(target=address)).arp.sender == "10.77.0.3"

        until(is_asked_in_the_new_name)
    finally:
        lab.director.ip("address", "flush", "dev", "eth0")
        lab.director.ip("link", "set", "eth0", "address", lab.director.mac)
        lab.director.ip("address", "add", f"{DIP}/24", "dev", "eth0")


def test_the_interface_may_vanish_and_come_back(lab, balancing, wire):
    lab.director.ip("link", "delete", "eth0")
    until(lambda: "interface eth0 is gone" in balancing.output())
    try:
        time.sleep(0.3)
    finally:
        lab.director.ip("link", "add", "eth0", "address", lab.director.mac, "type", "veth",
                        "peer", "name", "director", "netns", lab.lan.namespace)
        lab.lan.ip("link", "set", "director", "master", "lan", "up")
        lab.director.ip("address", "add", f"{DIP}/24", "dev", "eth0")
        lab.director.ip("link", "set", "eth0", "up")
    assert_announced_and_at_work(lab, wire, lab.director.mac)


# The virtual station


def test_with_a_virtual_mac_the_vip_has_a_station_of_its_own(lab, start, wire):
    director = start("--virtual-mac", 7)
    director.add_web()
    servers, frames = {server.address for server in lab.servers}, []

    def have_all_been_asked():
        frames.extend(wire.collect(is_arp(), 0.05))
        return servers <= {frame.arp.target for frame in frames}

    until(have_all_been_asked)
    assert {frame.source for frame in frames if frame.arp.sender == VIP} == {VIRTUAL_MAC}
    asked = [frame for frame in frames if frame.arp.target in servers]
    assert {(frame.source, frame.arp.sender_mac, frame.arp.sender) for frame in asked} == {
        (lab.director.mac, lab.director.mac, DIP)}
    assert owner(wire) == VIRTUAL_MAC
    lab.client.forget_neighbors()
    with Wire(lab.servers[0]) as server:
        assert spread(lab.client, 6) == {"rs1": 2, "rs2": 2, "rs3": 2}
        forwarded = server.collect(lambda frame: frame.tcp and frame.ip.destination == VIP)
    assert forwarded and {frame.source for frame in forwarded} == {VIRTUAL_MAC}
    assert lab.client.neighbor(VIP) == VIRTUAL_MAC
    lab.client.run("ping", "-c", "1", "-W", "2", DIP)
    assert lab.client.neighbor(DIP) == lab.director.mac, "the host keeps its own"
    lab.client.run("ping", "-c", "1", "-W", "2", VIP)


def test_with_a_virtual_mac_the_host_that_forwards_stays_silent(lab, start, forwarding_host, wire):
    director = start("--virtual-mac", 7, "--no-host-guard")
    director.add_web()
    with Wire(lab.client) as seen:
        assert spread(lab.client, 6) == {"rs1": 2, "rs2": 2, "rs3": 2}
        assert seen.collect(lambda frame: frame.icmp) == [], "no redirects"
    assert wire.collect(is_arp(ARP_REQUEST, sender=DIP, target=VIP)) == []


def test_the_same_virtual_mac_elsewhere_is_a_peers(lab, start, wire):
    director = start("--virtual-mac", 7)
    director.add_web()
    wire.send(announcement(VIRTUAL_MAC))
    until(lambda: director.json("vips")[0]["state"] == "contested")
    director.lbctl("takeover")
    assert owner(wire) == VIRTUAL_MAC


def test_a_takeover_between_two_directors_changes_nobodys_arp_entry(lab, start):
    """Both have the VIPs' station 00:00:5e:00:01:07; only the bridge learns that it is at another port now."""
    second, address = lab.stranger, "10.77.0.3"
    second.ip("address", "add", f"{address}/24", "dev", "eth0")
    try:
        first = start("--virtual-mac", 7)
        first.add_web()
        assert spread(lab.client, 3) == {"rs1": 1, "rs2": 1, "rs3": 1}
        backup = start("--virtual-mac", 7, host=second, socket=lab.directory / "backup.sock")
        backup.lbctl("restore", input=first.lbctl("save").stdout)
        assert backup.json("vips")[0]["state"] == "contested"
        assert requests(lab.client, 3) and backup.json_at("/v1/verdicts")["forwarded"] == 0
        with Wire(lab.client, outgoing=True) as seen:
            backup.lbctl("takeover")
            until(lambda: first.json("vips")[0]["state"] == "contested")
            assert spread(lab.client, 6) == {"rs1": 2, "rs2": 2, "rs3": 2}
            asked = seen.collect(is_arp(ARP_REQUEST, sender=CLIENT, target=VIP))
        assert asked == [] and lab.client.neighbor(VIP) == VIRTUAL_MAC
        until(lambda: backup.json_at("/v1/verdicts")["forwarded"] > 0)
        assert backup.stop() == 0
        until(lambda: first.json("vips")[0]["state"] == "owned", 40)
        assert requests(lab.client, 3)
    finally:
        second.ip("address", "flush", "dev", "eth0")


def test_a_bridge_port_that_appears_later_hears_of_the_vip(packet_sockets, lab, start, wire):
    bridge = "02:00:00:00:02:b0"
    lab.director.ip("link", "add", "br0", "address", bridge, "type", "bridge", "forward_delay", "0")
    lab.director.ip("link", "set", "br0", "up")
    try:
        director = start("--interface", "br0", "--announce-refresh", 0)
        director.lbctl("add-service", *service())
        time.sleep(3)
        lab.director.ip("link", "set", "eth0", "master", "br0")
        frame = wire.wait(is_arp(ARP_REQUEST, sender=VIP), 3)
        assert frame and (frame.source, frame.arp.sender_mac) == (bridge, bridge)
        assert owner(wire) == bridge
    finally:
        lab.director.ip("link", "set", "eth0", "nomaster")
        lab.director.ip("link", "delete", "br0")
