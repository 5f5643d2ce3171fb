"""IPv6: the director answers neighbor solicitations for the VIP and finds real servers by them."""


import pytest
from director import ON_EVERY_DATA_PLANE
from ipv6 import (ADVERTISEMENT, ALL_NODES, ASKER, REPORT, SOLICITATION, VIP, Message, add_web, advertisement,
                  group_mac, is_ndp, option, solicitation, solicited_node)
from lab import STRANGER_MAC
from waiting import until
from wire import Wire

pytestmark = ON_EVERY_DATA_PLANE


def await_announcements(wire):
    """Waits for all with which a VIP is taken: none of them will come later."""
    assert len(wire.gather(3, is_ndp(ADVERTISEMENT))) == 3


@pytest.fixture
def wire(lab6):
    with Wire(lab6.stranger) as wire:
        yield wire


def test_requests_over_ipv6_are_balanced(lab6, director):
    add_web(director, lab6)
    names = [lab6.client.run("curl", "-6", "--silent", "--max-time", 20, f"http://[{VIP}]/").stdout.strip() for _ in range(6)]
    assert sorted(names) == ["rs1", "rs1", "rs2", "rs2", "rs3", "rs3"]
    found = {row["address"]: (row["mac"], row["state"]) for row in director.json("neighbors")}
    assert found == {f"fd77::{21 + number}": (server.mac, "reachable") for number, server in enumerate(lab6.servers)}
    assert director.lbctl("doctor").stdout == "nothing found\n"


@pytest.mark.parametrize("check", [("http",), ("tcp",), ("icmp",)], ids=lambda check: check[0])
def test_a_check_asks_for_the_vip_at_each_server_over_ipv6(lab6, director, check):
    service = ("-t", f"[{VIP}]:80")
    add_web(director, lab6)
    director.lbctl("add-check", *service, "--type", *check, "--interval", "200ms", "--timeout", "500ms", "--flap-limit", 0)

    def states():
        servers = director.json("list", "--health", *service)[0]["servers"]
        assert {each["checks"][0]["via"] for each in servers} == {"vip"}
        return [each["state"] for each in servers]

    until(lambda: states() == ["up", "up", "up"], 30, lambda: director.lbctl("list", "--health").stdout)
    lab6.servers[0].ip("address", "del", f"{VIP}/128", "dev", "lo")
    try:
        until(lambda: states() == ["down", "up", "up"], 30, lambda: director.lbctl("list", "--health").stdout)
    finally:
        lab6.servers[0].ip("address", "add", f"{VIP}/128", "dev", "lo")
    until(lambda: states() == ["up", "up", "up"], 30, lambda: director.lbctl("list", "--health").stdout)


@pytest.mark.parametrize("how", ["group", "unicast"])
def test_solicitations_for_the_vip_are_answered(lab6, director, wire, how):
    add_web(director, lab6)
    reply = wire.ask(solicitation(VIP, to=lab6.director.mac if how == "unicast" else None),
                     lambda frame: is_ndp(ADVERTISEMENT)(frame) and Message(frame).destination != ALL_NODES)
    message = Message(reply)
    assert (reply.source, reply.destination, message.mac) == (lab6.director.mac, STRANGER_MAC, lab6.director.mac)
    assert (message.source, message.destination, message.is_intact) == (VIP, ASKER, True)
    assert message.flags == 0x60000000, "solicited, override"


def test_a_probe_for_the_vip_is_answered_to_all_nodes(lab6, director, wire):
    add_web(director, lab6)
    await_announcements(wire)
    reply = wire.ask(solicitation(VIP, source="::"), is_ndp(ADVERTISEMENT))
    message = Message(reply)
    assert (message.destination, message.flags, message.is_intact) == (ALL_NODES, 0x20000000, True)


def test_the_vip_is_probed_for_joined_and_announced(lab6, director_as_shipped, wire):
    director_as_shipped.lbctl("add-service", "-t", f"[{VIP}]:80")
    frames = []

    def is_announced_twice():
        frames.extend(wire.collect(seconds=0.05))
        return sum(map(is_ndp(ADVERTISEMENT), frames)) >= 2

    until(is_announced_twice)
    messages = [Message(frame) for frame in frames if frame.source == lab6.director.mac]
    probes = [message for message in messages if message.kind == SOLICITATION and message.target == VIP]
    assert len(probes) == 3 and {(probe.source, probe.destination, probe.mac) for probe in probes} == {
        ("::", solicited_node(VIP), None)}
    announced = [message for message in messages if message.kind == ADVERTISEMENT and message.target == VIP]
    assert all(message.is_intact and message.destination == ALL_NODES for message in announced)
    assert any(message.kind == REPORT for message in messages), "switches that snoop are told of the group"
    members = lab6.director.ip("maddress", "show", "dev", "eth0").stdout
    assert group_mac(solicited_node(VIP)) in members
    director_as_shipped.lbctl("del-service", "-t", f"[{VIP}]:80")
    until(lambda: group_mac(solicited_node(VIP)) not in lab6.director.ip("maddress", "show", "dev", "eth0").stdout)


def test_a_vip_that_another_host_has_is_refused_with_its_mac(lab6, director):
    lab6.client.ip("address", "add", f"{VIP}/128", "dev", "eth0", "nodad")
    try:
        refused = director.lbctl("add-service", "-t", f"[{VIP}]:80", check=False)
    finally:
        lab6.client.ip("address", "delete", f"{VIP}/128", "dev", "eth0")
    assert refused.returncode == 1 and VIP in refused.stderr and lab6.client.mac in refused.stderr


def test_an_unsolicited_advertisement_is_not_believed_and_the_vip_is_defended(lab6, director, wire):
    add_web(director, lab6)
    lab6.client.run("curl", "-6", "--silent", "--max-time", 20, f"http://[{VIP}]/")
    await_announcements(wire)
    wire.send(advertisement("fd77::21"))
    wire.send(advertisement(VIP))
    assert wire.wait(is_ndp(ADVERTISEMENT, sender=lab6.director.mac)), "defended"
    assert {row["address"]: row["mac"] for row in director.json("neighbors")}["fd77::21"] == lab6.servers[0].mac
    until(lambda: director.dropped("disputed_claim") >= 2)


@pytest.mark.parametrize("bad", [
    dict(hops=254), dict(hops=64), dict(damage=1), dict(options=bytes([1, 0, 0, 0, 0, 0, 0, 0])),
    dict(options=bytes([1, 200]) + bytes(6)), dict(options=option(1, "33:33:00:00:00:01")), dict(options=bytes([1]))])
def test_a_solicitation_with_a_lie_is_counted_and_not_answered(lab6, director, wire, bad):
    add_web(director, lab6)
    before = director.dropped("bad_ndp")
    wire.send(solicitation(VIP, **bad))
    until(lambda: director.dropped("bad_ndp") == before + 1)
    assert wire.collect(lambda frame: is_ndp(ADVERTISEMENT)(frame) and frame.destination == STRANGER_MAC) == []
