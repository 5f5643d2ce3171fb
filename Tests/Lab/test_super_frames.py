"""Super-frames that the director's interface merges itself (GRO), however the kernel lays them out.

A sender without scatter-gather puts each packet into one piece of memory. Merged, the first packet lies in the linear
part of the super-frame, payload and all, as it does with many drivers of real NICs. What packet sockets hand over says
how long that part is, and nothing of where the headers end.
"""

import os
import socket
import struct
import threading
from contextlib import contextmanager

import pytest
from ipv6 import VIP as VIP6, add_web
from lab import VIP
from switch import features, merging
from traffic import UdpEcho, sha256
from wire import ETH_P_ALL, SOL_PACKET, SO_RCVBUFFORCE

SIZE, SEGMENT = 20 << 20, 1000
PACKET_VNET_HDR, HEADERS = 15, 128

pytestmark = pytest.mark.usefixtures("packet_sockets")


class Metadata:
    """Counts the super-frames for a host that have payload in their linear part, while it is entered."""

    def __init__(self, host):
        self.socket = host.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 20)
        self.socket.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        self.socket.settimeout(0.05)
        self.linear, self.done = 0, threading.Event()
        with host.inside():
            self.socket.bind(("eth0", ETH_P_ALL))
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()
        self.socket.close()

    def run(self):
        while not self.done.is_set():
            try:
                _, kind, linear, segment, _, _ = struct.unpack("@BBHHHH", self.socket.recv(64)[:10])
            except TimeoutError:
                continue
            self.linear += kind != 0 and segment != 0 and linear > HEADERS


@pytest.fixture
def file(lab):
    path = lab.directory / "sent"
    path.write_bytes(os.urandom(SIZE))
    yield path
    path.unlink()


@pytest.fixture
def plain_client(lab):
    """A client that sends each packet in one piece."""
    with features(lab.client, tso="off", gso="off", sg="off"):
        yield lab.client


@contextmanager
def checksums_by_device(host, state):
    """Whether a host leaves checksums to its interface."""
    host.run("ethtool", "-K", "eth0", "tx", state)
    try:
        yield
    finally:
        host.run("ethtool", "-K", "eth0", "tx", "on")


def upload(client, path, vip):
    return client.run("curl", "--silent", "--show-error", "--fail", "--max-time", 40, "--upload-file", path,
                      f"http://{vip}/uploads/sent", timeout=50).stdout


def test_an_upload_in_linear_super_frames_arrives_whole(lab, plain_client, file, web):
    with merging(lab), Metadata(lab.director) as seen:
        upload(plain_client, file, VIP)
    stored = [copy for server in lab.servers if (copy := lab.uploads(server) / "sent").exists()]
    assert [sha256(copy) for copy in stored] == [sha256(file)]
    stored[0].unlink()
    assert seen.linear > 0, "no super-frame was laid out so: the test shows nothing"
    assert web.dropped("packet_too_big") == 0 and web.dropped("transmit_failed") == 0


def test_an_upload_in_linear_super_frames_arrives_whole_over_ipv6(lab6, plain_client, file, director):
    add_web(director, lab6)
    with merging(lab6), Metadata(lab6.director) as seen:
        answer = upload(plain_client, file, f"[{VIP6}]")
    assert answer.split()[1] == sha256(file)
    assert seen.linear > 0, "no super-frame was laid out so: the test shows nothing"
    assert director.dropped("packet_too_big") == 0 and director.dropped("transmit_failed") == 0


@pytest.mark.parametrize("checksums", ["on", "off"], ids=["checksums left undone", "checksums complete"])
@pytest.mark.parametrize("how", ["rx_udp_gro_forwarding", "rx_gro_list"])
def test_merged_datagrams_arrive_one_by_one(lab, plain_client, director, how, checksums):
    director.lbctl("add-service", "-u", f"{VIP}:7", "-s", "rr")
    director.lbctl("add-rs", "-u", f"{VIP}:7", "-r", f"{lab.servers[0].address}:7")
    sent = [number.to_bytes(4, "big") * (SEGMENT // 4) for number in range(2000)]
    answers = []
    with UdpEcho(lab.servers[0]), plain_client.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((VIP, 7))
        client.settimeout(5)
        with checksums_by_device(plain_client, checksums), merging(lab, **{how: "on"}), Metadata(lab.director) as seen:
            for start in range(0, len(sent), 20):
                for datagram in sent[start:start + 20]:
                    client.send(datagram)
                answers += [client.recv(2048) for _ in range(20)]
    assert sorted(answers) == sorted(b"rs1 " + datagram for datagram in sent)
    assert seen.linear > 0, "no super-frame was laid out so: the test shows nothing"
    assert director.dropped("packet_too_big") == 0 and director.dropped("transmit_failed") == 0
