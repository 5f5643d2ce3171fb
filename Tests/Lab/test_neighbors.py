"""The director finds its real servers by ARP, and is not led astray."""


import pytest
from answers import Answers
from director import ON_EVERY_DATA_PLANE, service
from frames import ARP_REPLY, ARP_REQUEST, BROADCAST, ETHERTYPE_IPV4, SYN, arp, arp_reply, ethernet, tcp
from lab import ABSENT, ASKER, DIP, STRANGER_MAC, VIP
from switch import without_broadcasts_of
from traffic import connect, spread, web as requests
from waiting import until
from wire import Wire, is_arp


def test_a_real_server_is_asked_for_in_the_hosts_own_name(lab, director):
    addresses = {server.address for server in lab.servers}
    with Wire(lab.stranger) as wire:
        director.add_web()
        requests(lab.client, 3)
        asked = wire.collect(lambda frame: frame.arp and frame.arp.target in addresses
                             and frame.source == lab.director.mac)
    assert {frame.arp.target for frame in asked} == addresses
    assert {(frame.destination, frame.arp.sender, frame.arp.sender_mac) for frame in asked} == {
        (BROADCAST, DIP, lab.director.mac)}


def test_neighbors_lists_what_was_found(lab, web):
    requests(lab.client, 3)
    found = {row["address"]: (row["mac"], row["state"]) for row in web.json("neighbors")}
    assert found == {server.address: (server.mac, "reachable") for server in lab.servers}
    text = web.lbctl("neighbors").stdout
    assert all(server.address in text and server.mac in text for server in lab.servers)


def test_the_first_syn_waits_for_a_server_that_answers_late(lab, director):
    server = lab.servers[0]
    director.lbctl("add-service", *service(), "-s", "rr")
    answers = Answers(server, ABSENT)
    director.lbctl("add-rs", *service(), "-r", f"{ABSENT}:80")
    with Wire(lab.stranger) as wire, Wire(server) as arrivals:
        wire.send(ethernet(lab.director.mac, STRANGER_MAC, ETHERTYPE_IPV4, tcp(ASKER, 10000, VIP, 80, SYN)))
        until(lambda: director.json_at("/v1/verdicts")["held"] == 1)
        with answers:
            assert len(arrivals.gather(1, lambda frame: frame.tcp and frame.ip.source == ASKER)) == 1


def test_a_server_that_appears_while_it_is_asked_for_is_found(lab, director):
    server = lab.servers[0]
    director.lbctl("add-service", *service(), "-s", "rr")
    director.lbctl("add-rs", *service(), "-r", f"{ABSENT}:80")
    log = lab.directory / "curl.log"
    curl = lab.client.start("curl", "--silent", "--max-time", 60, f"http://{VIP}/", log=log)
    until(lambda: director.json_at("/v1/verdicts")["held"] > 0)
    server.ip("address", "add", f"{ABSENT}/32", "dev", "eth0")
    try:
        assert curl.wait(70) == 0
    finally:
        server.ip("address", "delete", f"{ABSENT}/32", "dev", "eth0")
    assert director.json("neighbors")[0]["state"] == "reachable"


def test_held_frames_are_bounded_and_counted(lab, director):
    director.lbctl("add-service", *service(), "-s", "rr")
    director.lbctl("add-rs", *service(), "-r", f"{ABSENT}:80")
    with Wire(lab.stranger) as wire, Wire(lab.servers[0]) as server:
        for number in range(2000):
            wire.send(ethernet(lab.director.mac, STRANGER_MAC, ETHERTYPE_IPV4, tcp(ASKER, 10000 + number, VIP, 80, SYN)))
        with Answers(lab.servers[0], ABSENT):
            held = []

            def are_all_accounted_for():
                held.extend(server.collect(lambda frame: frame.tcp and frame.ip.source == ASKER, 0))
                dropped = director.dropped("hold_queue_full") + director.dropped("neighbor_unreachable")
                return len(held) + dropped == 2000

            until(are_all_accounted_for)
    assert 0 < len(held) < 2000


def test_a_server_that_does_not_answer_is_shown_and_logged(lab, director):
    director.lbctl("add-service", *service(), "-s", "rr")
    director.lbctl("add-rs", *service(), "-r", f"{ABSENT}:80")
    with pytest.raises(OSError):
        connect(lab.client, timeout=5)
    (row,) = director.json("neighbors")
    assert row["address"] == ABSENT and row["state"] in ("incomplete", "failed") and row.get("mac") is None
    until(lambda: ABSENT in director.output())


CLAIMS = {
    "gratuitous request": lambda lab, server: arp(
        ARP_REQUEST, STRANGER_MAC, server.address, "00:00:00:00:00:00", server.address, to=BROADCAST),
    "gratuitous reply": lambda lab, server: arp(
        ARP_REPLY, STRANGER_MAC, server.address, BROADCAST, server.address, to=BROADCAST),
    "reply that nobody asked for": lambda lab, server: arp_reply(
        STRANGER_MAC, server.address, lab.director.mac, DIP),
    "request to the director": lambda lab, server: arp(
        ARP_REQUEST, STRANGER_MAC, server.address, "00:00:00:00:00:00", DIP, to=BROADCAST),
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_an_unsolicited_claim_is_not_believed(lab, director, claim):
    server = lab.servers[0]
    director.add_web(servers=[server])
    assert requests(lab.client) == [server.name]
    with Wire(lab.stranger) as wire:
        for _ in range(3):
            wire.send(CLAIMS[claim](lab, server))
            assert requests(lab.client) == [server.name]
        assert wire.collect(lambda frame: frame.tcp and frame.destination == STRANGER_MAC, 0.1) == []
    assert [row["mac"] for row in director.json("neighbors")] == [server.mac]


def test_a_server_that_moved_to_another_mac_is_found_again(lab, director):
    server, moved = lab.servers[0], "02:00:00:00:03:99"
    director.add_web(servers=[server])
    assert requests(lab.client) == [server.name]
    server.ip("link", "set", "eth0", "address", moved)
    try:
        # As a server that comes up with a new card does: it tells. The director asks, and believes the answer.
        with Wire(server) as wire:
            wire.send(arp(ARP_REQUEST, moved, server.address, "00:00:00:00:00:00", server.address, to=BROADCAST))
        until(lambda: director.json("neighbors")[0]["mac"] == moved, what="the server's new address was not noticed")
        assert requests(lab.client) == [server.name]
    finally:
        server.ip("link", "set", "eth0", "address", server.mac)
    until(lambda: moved in director.output())


def answered(client, server):
    """Whether a request gets its answer within a second."""
    result = client.run("curl", "--silent", "--max-time", 1, f"http://{VIP}/", check=False)
    return result.stdout.split() == [server.name]


@ON_EVERY_DATA_PLANE
def test_a_server_that_moved_without_a_word_is_missed_by_what_is_sent_to_it(lab, director):
    server, moved = lab.servers[0], "02:00:00:00:03:98"
    director.add_web(servers=[server])
    assert requests(lab.client) == [server.name]
    # It asks for nobody either, which would tell as much.
    with without_broadcasts_of(lab, server.name):
        server.ip("link", "set", "eth0", "address", moved)
        try:
            server.ip("neighbor", "replace", lab.client.address, "lladdr", lab.client.mac, "dev", "eth0")
            until(lambda: answered(lab.client, server), what="the server's new address was not noticed")
        finally:
            server.ip("link", "set", "eth0", "address", server.mac)
    assert f"server {server.address} moved from {server.mac} to {moved}" in director.output()


def test_a_mac_that_the_operator_fixed_is_used_as_it_is(lab, director):
    server = lab.servers[0]
    with Wire(lab.stranger) as wire:
        director.lbctl("add-service", *service(), "-s", "rr")
        director.lbctl("add-rs", *service(), "-r", f"{ABSENT}:80", "--mac", server.mac)
        assert spread(lab.client, 3) == {server.name: 3}
        assert wire.collect(is_arp(target=ABSENT)) == [], "asked for what was given"
    (row,) = director.json("neighbors")
    assert (row["mac"], row["state"]) == (server.mac, "permanent")
