"""Established flows that the XDP program forwards by itself: to everybody else they look as if lbd did."""

import json
import signal
import time
from contextlib import ExitStack

import captures
import pytest
from frames import ACK, BROADCAST, ETHERTYPE_IPV4, FIN, SYN, UDP, arp_request, ethernet, ipv4, tcp, udp
from host import command
from lab import BINARIES, STRANGER_MAC, VIP
from waiting import until
from wire import Wire, gather
from xdp import await_another, program

CLIENT, PORT = "10.77.1.1", 6000
# With its ninth packet a connection asks for an entry.
ASKS = 9
DATAGRAMS = ("-u", f"{VIP}:53")


@pytest.fixture(scope="module")
def data_plane():
    return "af-xdp"


@pytest.fixture
def director(lab, start):
    director = start()
    director.add_web()
    return add_datagrams(lab, director)


def add_datagrams(lab, director):
    director.lbctl("add-service", *DATAGRAMS, "-s", "rr")
    for server in lab.servers:
        director.lbctl("add-rs", *DATAGRAMS, "-r", f"{server.address}:53")
    return director


def offloaded(director):
    return sum(worker["offloaded"] for worker in director.json("workers"))


def packet(number=0, **more):
    """Number `number` of a flow's datagrams, none like another."""
    return udp(CLIENT, PORT, VIP, 53, b"number %06d" % number, **more)


def is_theirs(frame):
    return frame.ip and frame.ip.source == CLIENT


class Stage:
    """The stranger sends to the director; what arrives at which server is seen."""

    def __init__(self, lab, director):
        self.lab, self.director = lab, director

    def __enter__(self):
        with ExitStack() as stack:
            self.wire = stack.enter_context(Wire(self.lab.stranger))
            self.servers = [stack.enter_context(Wire(server)) for server in self.lab.servers]
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def send(self, *packets):
        for each in packets:
            self.wire.send(ethernet(self.lab.director.mac, STRANGER_MAC, ETHERTYPE_IPV4, each))

    def arrived(self, count):
        """By server what came from the client, once `count` packets did."""
        return gather(self.servers, count, is_theirs)

    def establish(self, *first, repeated=None, timeout=20):
        """Sends a flow's packets until the XDP program forwards them, and awaits the arrival of all; the server's
        number. Where some may be lost, `timeout` is how long the others are waited for."""
        repeated, before = repeated or packet(), offloaded(self.director)
        sent = 0

        def is_offloaded():
            nonlocal sent
            self.send(*(first if sent == 0 else ()), *[repeated] * ASKS)
            sent += ASKS + (len(first) if sent == 0 else 0)
            return offloaded(self.director) > before

        until(is_offloaded, what=self.director.output)
        (server,) = [number for number, frames in enumerate(gather(self.servers, sent, is_theirs, timeout)) if frames]
        return server

    def goes_to(self, *packets):
        """The servers that packets arrive at, all of which must."""
        self.send(*packets)
        return [number for number, frames in enumerate(self.arrived(len(packets))) for _ in frames]


@pytest.fixture
def stage(lab, director):
    with Stage(lab, director) as stage:
        yield stage


def test_it_says_that_it_does(director):
    assert "eth0: the XDP program forwards established flows by itself" in director.output()


def test_a_flow_keeps_its_server_its_hops_and_its_bytes(stage):
    server = stage.establish()
    before = offloaded(stage.director)
    sent = [packet(number) for number in range(100)]
    stage.send(*sent)
    arrived = stage.arrived(100)
    assert [len(frames) for frames in arrived] == [100 * (number == server) for number in range(3)]
    for frame, original in zip(arrived[server], sent):
        assert frame.raw[6:12] == bytes.fromhex(stage.lab.director.mac.replace(":", ""))
        assert frame.ip.is_intact and frame.ip.ttl == 63
        assert frame.raw[14 + 20:14 + len(original)] == original[20:]
    assert offloaded(stage.director) == before + 100


def test_what_the_program_forwards_is_counted_at_once(stage):
    stage.establish()
    stage.director.lbctl("zero")
    stage.goes_to(*[packet(number) for number in range(100)])
    (service,) = [one for one in stage.director.json("list") if "udp" in str(one["service"]).lower()]
    assert service["statistics"]["packets"] == 100
    assert service["statistics"]["bytes"] == 100 * len(packet())
    assert sum(server["statistics"]["packets"] for server in service["servers"]) == 100


def test_a_fin_is_seen_and_what_follows_it(stage):
    segment = tcp(CLIENT, PORT, VIP, 80, ACK)
    server = stage.establish(tcp(CLIENT, PORT, VIP, 80, SYN), repeated=segment)
    assert state(stage.director) == "ESTABLISHED"
    assert stage.goes_to(tcp(CLIENT, PORT, VIP, 80, FIN | ACK)) == [server]
    assert state(stage.director) == "FIN_WAIT"
    before = offloaded(stage.director)
    assert stage.goes_to(*[segment] * 40) == [server] * 40
    assert offloaded(stage.director) == before


def rows(director):
    """The connections, as one object each."""
    return [json.loads(line) for line in director.lbctl("--json", "list", "--connections").stdout.splitlines()]


def state(director):
    (connection,) = rows(director)
    return connection["state"]


def test_a_flow_lives_while_it_has_packets_and_no_longer(stage):
    stage.director.lbctl("timeouts", "0", "0", "2")
    stage.establish()
    end = time.monotonic() + 4
    while time.monotonic() < end:
        stage.send(packet())
        assert len(rows(stage.director)) == 1
        time.sleep(0.1)
    until(lambda: rows(stage.director) == [])
    assert set(stage.director.connections(VIP, 53).values()) == {(0, 0)}


def test_a_removed_server_gets_nothing_more_and_gets_its_flows_back(stage):
    server = stage.establish()
    endpoint = ("-r", f"{stage.lab.servers[server].address}:53")
    stage.director.lbctl("del-rs", *DATAGRAMS, *endpoint)
    stage.send(*[packet()] * 40)
    until(lambda: stage.director.dropped("dead_server") == 40)
    assert stage.arrived(0) == [[], [], []]
    stage.director.lbctl("add-rs", *DATAGRAMS, *endpoint)
    assert stage.goes_to(*[packet()] * 40) == [server] * 40


def test_a_weight_of_zero_lets_flows_go_on(stage):
    server = stage.establish()
    stage.director.lbctl("edit-rs", *DATAGRAMS, "-r", f"{stage.lab.servers[server].address}:53", "-w", "0")
    assert stage.goes_to(*[packet()] * 40) == [server] * 40


def test_flows_follow_a_server_to_another_station(stage):
    server = stage.establish()
    host, mac = stage.lab.servers[server], "02:00:00:00:03:77"
    before = host.mac
    try:
        host.ip("link", "set", "eth0", "address", mac)
        announce(host, mac)
        until(lambda: mac in stage.director.lbctl("neighbors").stdout)
        moved = offloaded(stage.director)
        stage.send(*[packet()] * 40)
        arrived = stage.arrived(40)
        assert [len(frames) for frames in arrived] == [40 * (number == server) for number in range(3)]
        assert {frame.destination for frame in arrived[server]} == {mac}
        assert stage.establish() == server and offloaded(stage.director) > moved
    finally:
        host.ip("link", "set", "eth0", "address", before)
        announce(host, before)


def announce(host, mac):
    """A gratuitous ARP, as a host sends one whose address moved."""
    with Wire(host) as wire:
        wire.send(arp_request(mac, host.address, host.address, to=BROADCAST))


def test_who_captures_sees_every_frame(stage, tmp_path):
    server = stage.establish()
    path = tmp_path / "frames.pcapng"
    capture = stage.lab.director.start(
        BINARIES / "lbctl", "--socket", stage.director.socket, "capture", "--filter", "udp", "-w", path,
        log=tmp_path / "log")
    # The file begins with the capture.
    until(path.exists)
    before = offloaded(stage.director)
    assert stage.goes_to(*[packet(number) for number in range(50)]) == [server] * 50
    assert offloaded(stage.director) == before
    until(lambda: path.read_bytes().count(b"transmit to") >= 50)
    capture.send_signal(signal.SIGTERM)
    capture.wait(20)
    command("tcpdump", "-r", path, "-w", path.with_suffix(".pcap"))
    assert len(captures.read(path.with_suffix(".pcap"))) == 50
    assert stage.establish() == server


@pytest.mark.parametrize("name,odd", [
    ("fragment", lambda: [ipv4(CLIENT, VIP, UDP, packet()[20:36], identification=9, fragment=0x2000),
                          ipv4(CLIENT, VIP, UDP, packet()[36:], identification=9, fragment=2)]),
    ("options", lambda: [ipv4(CLIENT, VIP, UDP, packet()[20:], options=b"\1\1\1\0")]),
], ids=lambda value: value if isinstance(value, str) else "")
def test_packets_that_are_not_plain_go_the_same_way(stage, name, odd):
    server = stage.establish()
    before = offloaded(stage.director)
    assert set(stage.goes_to(*odd())) == {server}
    assert offloaded(stage.director) == before


def test_the_last_hop_is_told_of(stage):
    stage.establish()
    with Wire(stage.lab.stranger) as wire:
        stage.send(packet(ttl=1))
        assert wire.wait(lambda frame: frame.icmp and frame.icmp.type == 11)
    assert stage.arrived(0) == [[], [], []]


def test_where_the_interface_cannot_transmit_the_workers_do_and_it_is_said(stage):
    server = stage.establish()
    stage.lab.transmits_from_xdp(False)
    await_words(stage.director, "eth0 cannot transmit from XDP")
    before = offloaded(stage.director)
    assert stage.goes_to(*[packet()] * 40) == [server] * 40
    assert offloaded(stage.director) == before
    stage.lab.transmits_from_xdp(True)
    assert stage.establish() == server


def await_words(director, words):
    until(lambda: words in director.output(), what=director.output)


def test_an_interface_that_comes_to_transmit_forwards_flows_that_were_there_before(lab, start):
    lab.transmits_from_xdp(False)
    director = add_datagrams(lab, start())
    with Stage(lab, director) as stage:
        assert len(set(stage.goes_to(*[packet()] * 100))) == 1
        lab.transmits_from_xdp(True)
        await_words(director, "by itself")
        stage.establish()


def test_flows_are_forwarded_by_the_program_again_when_the_rings_were_made_anew(stage):
    server, before = stage.establish(), program(stage.lab.director)
    stage.lab.director.ip("link", "set", "eth0", "mtu", "1400")
    try:
        await_another(stage.lab.director, before, lambda: stage.send(*[packet()] * 4))
        assert stage.establish(timeout=1) == server
    finally:
        stage.lab.director.ip("link", "set", "eth0", "mtu", "1500")


def test_it_can_be_switched_off(lab, start):
    director = add_datagrams(lab, start("--flow-offload", "off"))
    with Stage(lab, director) as stage:
        assert len(stage.goes_to(*[packet()] * 40)) == 40
    assert offloaded(director) == 0
    assert "by itself" not in director.output()


def test_real_connections_are_forwarded_by_the_program(lab, director):
    lab.files.joinpath("large").write_bytes(b"x" * (8 << 20))
    # What a sender leaves to its device is not for the program.
    lab.offloads(False)
    try:
        for _ in range(5):
            lab.client.run("curl", "--silent", "--fail", "-o", "/dev/null", f"http://{VIP}/files/large")
    finally:
        lab.offloads(True)
    assert offloaded(director) > 100
    until(lambda: sum(active for active, _ in director.connections().values()) == 0)
