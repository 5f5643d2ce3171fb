"""What the director tells: metrics, logs, captures."""

import re
import signal

import captures
import pytest
from director import BINARIES
from frames import ETHERTYPE_IPV4, SYN, TCP, echo_request, ethernet, ipv4, tcp, udp
from host import command
from lab import DIP, STRANGER_MAC, VIP
from traffic import web as requests
from waiting import until
from wire import Wire

SAMPLE = re.compile(r'^[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [0-9.e+-]+$')


def samples(text):
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line[0] != "#"}


# Metrics


def test_metrics_count_what_was_forwarded(lab, web):
    assert len(requests(lab.client, 6)) == 6
    # What a client says last nobody answers: it may be on its way when curl has ended.
    until(lambda: web.json_at("/v1/verdicts")["forwarded"] >= 24)
    text = web.get("/metrics")
    assert all(SAMPLE.match(line) for line in text.splitlines() if not line.startswith("#"))
    values = samples(text)
    assert values[f'lvs_service_connections_total{{service="tcp:{VIP}:80"}}'] == 6
    assert values['lvs_frames_total{verdict="forwarded"}'] >= 24
    for server in lab.servers:
        labels = f'{{service="tcp:{VIP}:80",server="{server.address}:80"}}'
        assert values["lvs_server_connections_total" + labels] == 2
        assert values["lvs_server_resolved" + labels] == 1


def changed(packet, position, value):
    return packet[:position] + bytes([value]) + packet[position + 1:]


SYN_PACKET, DATAGRAM = tcp("10.77.0.50", 4000, VIP, 80, SYN), udp("10.77.0.50", 4000, VIP, 80, b"data")
DROPS = {
    "bad_ip_header": changed(SYN_PACKET, 0, 0x44),
    "bad_ip_length": DATAGRAM[:24],
    "truncated_transport": ipv4("10.77.0.50", VIP, TCP, SYN_PACKET[20:39]),
    "bad_transport_header": changed(tcp("10.77.0.50", 4000, VIP, 81, SYN), 32, 0x40),
    "bad_checksum": changed(DATAGRAM, 30, 7),
    "bad_source": tcp(DIP, 4000, VIP, 80, SYN),
    "unclaimed_protocol": changed(echo_request("10.77.0.50", VIP), 20, 13),  # a timestamp request
}


@pytest.mark.parametrize("reason", DROPS)
def test_every_drop_is_counted_under_its_reason(lab, web, reason):
    def dropped():
        return samples(web.get("/metrics"))[f'lvs_dropped_frames_total{{reason="{reason}"}}']

    before = dropped()
    with Wire(lab.stranger) as wire:
        for _ in range(3):
            wire.send(ethernet(lab.director.mac, STRANGER_MAC, ETHERTYPE_IPV4, DROPS[reason]))
    until(lambda: dropped() - before == 3)


def test_metrics_are_served_over_tcp_too(lab, start):
    director = start("--metrics", "127.0.0.1:9100")
    director.add_web()
    text = lab.director.run("curl", "--silent", "--fail", "http://127.0.0.1:9100/metrics").stdout
    assert samples(text).keys() == samples(director.get("/metrics")).keys()
    refused = lab.director.run("curl", "--silent", "--fail", "http://127.0.0.1:9100/v1/services", check=False)
    assert refused.returncode == 22, "only metrics may be had without the socket's permission"


# Logs


def test_the_log_tells_what_an_operator_needs(lab, web):
    requests(lab.client, 3)
    words = {VIP, *(server.address for server in lab.servers), *(server.mac for server in lab.servers)}
    until(lambda: all(word in web.output() for word in words), what=web.output)


# Captures


def test_a_capture_shows_requests_and_what_became_of_them(lab, web):
    path = lab.directory / "running.pcapng"
    path.unlink(missing_ok=True)
    capture = lab.director.start(BINARIES / "lbctl", "--socket", web.socket, "capture", "--filter", "tcp port 80",
                                 "-w", path, log=lab.directory / "capture.log")
    # The file begins with the capture.
    until(path.exists)
    assert len(requests(lab.client, 3)) == 3
    # Verdicts are the frames' comments in pcapng, which tcpdump reads, and writes without them.
    until(lambda: all(f"transmit to {server.mac}".encode() in path.read_bytes() for server in lab.servers))
    # Not SIGINT: where the tests run in the background of a shell, their children ignore that.
    capture.send_signal(signal.SIGTERM)
    assert capture.wait(20) in (0, -signal.SIGTERM)
    command("tcpdump", "-r", path, "-w", path.with_suffix(".pcap"))
    frames = [frame for frame in captures.read(path.with_suffix(".pcap")) if frame.tcp]
    assert sum(frame.tcp.flags == SYN and frame.destination == lab.director.mac for frame in frames) == 3
    assert {frame.ip.destination for frame in frames} == {VIP}
