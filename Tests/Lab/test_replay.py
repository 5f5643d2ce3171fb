"""`lbd --replay`: a capture goes through the director's pipe as live frames do."""

import captures
import pytest
from director import BINARIES
from frames import (ACK, BROADCAST, ETHERTYPE_IPV4, FIN, RST, SYN, arp_reply, arp_request, echo_request, ethernet, tcp,
                    udp)
from host import command
from lab import VIP

DIRECTOR_MAC, CLIENT_MAC, OTHER_MAC = "02:00:00:00:02:01", "02:00:00:00:01:01", "02:00:00:00:05:01"
VIRTUAL_MAC = "00:00:5e:00:01:07"
SERVERS = ["02:00:00:00:03:01", "02:00:00:00:03:02"]
CLIENT, DIP = "10.77.0.11", "10.77.0.2"
CONFIGURATION = f"""\
services:
- service: tcp:{VIP}:80
  scheduler: rr
  servers:
  - {{address: '10.77.0.21:80', mac: '{SERVERS[0]}'}}
  - {{address: '10.77.0.22:80', mac: '{SERVERS[1]}'}}
"""


def ip(packet, *, source=CLIENT_MAC, to=DIRECTOR_MAC):
    return ethernet(to, source, ETHERTYPE_IPV4, packet)


def connections(to=DIRECTOR_MAC):
    """Four connections from four ports: SYN, ACK, FIN each, and a datagram that nobody wants."""
    segments = [tcp(CLIENT, 5000 + number % 4, VIP, 80, (SYN, ACK, FIN | ACK)[number // 4]) for number in range(12)]
    return [ip(packet, to=to) for packet in [*segments, udp(CLIENT, 5000, VIP, 81)]]


@pytest.fixture
def replay(lab):
    """Replays frames; what was written, and what was said."""
    def replay(frames, *options, configuration=CONFIGURATION, **how):
        recorded, written, file = (lab.directory / name for name in ("in.pcap", "out.pcap", "replay.yaml"))
        captures.write(recorded, [(1000 + number / 8, frame) for number, frame in enumerate(frames)])
        file.write_text(configuration)
        written.unlink(missing_ok=True)
        result = command(BINARIES / "lbd", "--replay", recorded, "--write", written, "--config", file, *options, **how)
        return captures.read(written) if result.returncode == 0 else [], result

    return replay


def test_a_replay_goes_through_the_same_pipe(replay):
    written, result = replay(connections())
    frames = [frame for frame in written if frame.tcp]
    assert len(frames) == 12 and {frame.ip.ttl for frame in frames} == {63}
    servers = {}
    for frame in frames:
        servers.setdefault(frame.tcp.source_port, set()).add(frame.destination)
    # rr from the newest server on; each connection stays where it began.
    first, second = {SERVERS[1]}, {SERVERS[0]}
    assert [servers[port] for port in range(5000, 5004)] == [first, second, first, second]
    assert result.stdout.splitlines() == [
        f"as {DIRECTOR_MAC}, which most frames for the VIPs go to", "12 forwarded", "1 answered", "0 passed", "0 held"]


def test_two_replays_write_the_same_bytes(lab, replay):
    assert len(replay(connections())[0]) == 13, "the unreachable datagram is answered as well"
    first = (lab.directory / "out.pcap").read_bytes()
    replay(connections())
    assert (lab.directory / "out.pcap").read_bytes() == first


def test_a_capture_taken_on_a_director_is_forwarded_once(replay):
    """It has each frame twice, before and behind the director, and what is others'."""
    forwarded = [ip(tcp(CLIENT, 5000, VIP, 80, flags, ttl=63), source=DIRECTOR_MAC, to=SERVERS[1]) for flags in (SYN, ACK)]
    frames = [
        arp_request(CLIENT_MAC, CLIENT, VIP), arp_reply(DIRECTOR_MAC, VIP, CLIENT_MAC, CLIENT),
        ip(tcp(CLIENT, 5000, VIP, 80, SYN)), forwarded[0], ip(tcp(CLIENT, 5000, VIP, 80, ACK)), forwarded[1],
        *[ip(tcp(CLIENT, 6000 + number, VIP, 80, SYN), to=OTHER_MAC) for number in range(8)],
        ip(echo_request(CLIENT, VIP), to=BROADCAST), ip(udp(CLIENT, 5000, VIP, 81), to=BROADCAST),
    ]
    written, result = replay(frames)
    assert [(frame.source, frame.destination, frame.ip.ttl, frame.tcp.flags) for frame in written if frame.ip] == [
        (DIRECTOR_MAC, SERVERS[1], 63, SYN), (DIRECTOR_MAC, SERVERS[1], 63, ACK)]
    assert [frame.arp.sender for frame in written if frame.arp] == [VIP]
    assert result.stdout.splitlines()[0] == f"as {DIRECTOR_MAC}, which says that the VIPs are there"


def test_a_replay_plays_the_station_that_it_is_given(replay):
    frames = connections() + connections(to=OTHER_MAC)[:4]
    written, result = replay(frames, "--mac", OTHER_MAC)
    assert [frame.source for frame in written] == [OTHER_MAC] * 4
    assert result.stdout.splitlines()[:2] == [f"as {OTHER_MAC}", "4 forwarded"]


def test_servers_are_found_by_their_answers_to_either_station(replay):
    unknown = CONFIGURATION.replace(f", mac: '{SERVERS[0]}'", "").replace(f", mac: '{SERVERS[1]}'", "")
    answers = [arp_reply(mac, f"10.77.0.2{number}", DIRECTOR_MAC, DIP) for number, mac in enumerate(SERVERS, 1)]
    frames = answers + connections(to=VIRTUAL_MAC)[:4]
    written, _ = replay(frames, "--mac", VIRTUAL_MAC, "--mac", DIRECTOR_MAC, configuration=unknown)
    assert [(frame.source, frame.destination) for frame in written] == [
        (VIRTUAL_MAC, SERVERS[number]) for number in (1, 0, 1, 0)]


def test_a_replay_marks_packets(replay):
    marked = CONFIGURATION.replace(f"tcp:{VIP}:80", "fwmark:7").replace(":80'", ":0'") + f"""\
marks:
- {{destination: {VIP}/32, transport: tcp, ports: 80-81, mark: 7}}
"""
    packets = [tcp(CLIENT, 5000 + port, VIP, port, SYN) for port in (80, 81, 82)]
    written, _ = replay([ip(packet) for packet in packets], configuration=marked)
    assert [(frame.tcp.port, frame.destination) for frame in written if frame.tcp.flags == SYN] == [
        (80, SERVERS[1]), (81, SERVERS[0])]
    assert [frame.tcp.source_port for frame in written if frame.tcp.flags & RST] == [82]


@pytest.mark.parametrize("options, status, words", [
    ((), 1, "name the director's station with --mac"),
    (("--mac", BROADCAST), 2, f"{BROADCAST} is no station's"),
    (("--mac", DIRECTOR_MAC, "--mac", OTHER_MAC, "--mac", CLIENT_MAC), 2, "two stations at most"),
])
def test_a_replay_without_a_station_is_refused_in_one_line(replay, options, status, words):
    _, result = replay([ip(tcp(CLIENT, 5000, "10.77.0.9", 80, SYN))], *options, check=False)
    assert result.returncode == status and words in result.stderr and result.stderr.count("\n") == 1
