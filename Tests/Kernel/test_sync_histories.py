"""Histories that nobody thought of: a master and a backup, one of them a kernel, have the same connections in the end.

The master is told to tell of every packet. LVS_SYNC_STEPS is how many packets a history has (400)."""
import os
import random
import socket
import struct

import pytest

from lan import VIP, inside, ip, until
from test_sync import SECOND, kernel, kernels, lbd, ours, second, steer  # noqa: F401

STEPS = int(os.environ.get("LVS_SYNC_STEPS", "400"))
ROUNDS = 10
SYN, ACK, FIN, RST = 2, 16, 1, 4
# What peers are told of; a connection that is younger is nobody's business yet.
TOLD = {"ESTABLISHED", "FIN_WAIT", "CLOSE", "CLOSE_WAIT", "TIME_WAIT"}
# Seconds that a kernel lets a datagram wait (two), a look of lbd's (one), and what listings round.
LATE = 4


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def segment(client, flags):
    """An IPv4 packet of a client that there is not, so that nobody answers for it."""
    address, port = client
    source, target = socket.inet_aton(address), socket.inet_aton(VIP)
    tcp = struct.pack(">HHIIBBHHH", port, 80, 1, 1, 0x50, flags, 1000, 0, 0)
    pseudo = source + target + struct.pack(">BBH", 0, 6, len(tcp))
    tcp = tcp[:16] + struct.pack(">H", checksum(pseudo + tcp)) + tcp[18:]
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, source, target)
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + tcp


# Sends the packets that come in, each as a line of hexadecimal digits, to a station.
SENDER = """
import socket, sys
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("eth0", 0x0800))
for line in sys.stdin:
    out.send(bytes.fromhex(line))
"""


def send(station, packets):
    mine = inside("client", "cat", "/sys/class/net/eth0/address")[1].strip()
    header = bytes.fromhex((station + mine).replace(":", "")) + b"\x08\x00"
    lines = "".join((header + packet).hex() + "\n" for packet in packets)
    assert inside("client", "/usr/bin/python3", "-c", SENDER, stdin=lines)[0] == 0


def rows(listing):
    """State, server and seconds left by the client."""
    found = {}
    for line in listing.splitlines():
        words = line.split()
        if words[:1] == ["TCP"] and words[3].startswith("10.77.0."):
            minutes, seconds = words[1].split(":")
            found[words[3]] = (words[2], words[5], int(minutes) * 60 + int(seconds))
    return found


def differences(master, backup):
    """Of what the master tells, what the backup has otherwise. What ends soon may have ended at one of them."""
    wrong = {}
    for client, (state, server, left) in master.items():
        other = backup.get(client)
        if state not in TOLD or left <= 2 * LATE:
            continue
        if other is None or other[:2] != (state, server) or abs(other[2] - left) > LATE:
            wrong[client] = ((state, server, left), other)
    return wrong


def live(station, master, backup, seed):
    source = random.Random(seed)
    clients = [(f"10.77.0.{source.randrange(150, 200)}", source.randrange(1024, 65536)) for _ in range(STEPS // 8 + 20)]
    compared = 0
    for number in range(ROUNDS):
        packets = []
        for _ in range(STEPS // ROUNDS):
            flags = source.choices((SYN, ACK, FIN | ACK, RST), (35, 50, 12, 3))[0]
            packets.append(segment(source.choice(clients), flags))
        send(station, packets)
        until(lambda: differences(rows(master()), rows(backup())) == {}, 60,
              lambda: f"round {number}: {differences(rows(master()), rows(backup()))}")
        compared += sum(state in TOLD for state, _, _ in rows(master()).values())
    print(f"{STEPS} packets of {len(clients)} clients, {compared} rows compared")
    assert compared > STEPS // 20


@pytest.mark.parametrize("seed", [1, 2])
def test_lbd_has_what_a_kernel_tells(kernel, lbd, seed):  # noqa: F811
    ip("-n", "director", "addr", "add", f"{VIP}/32", "dev", "eth0")
    inside("director", "sysctl", "-qw", "net.ipv4.vs.sync_threshold=0 1")
    kernel("master")
    lbd("--sync", "backup", "--standby")
    station = inside("director", "cat", "/sys/class/net/eth0/address")[1].strip()
    try:
        live(station, kernels, ours, seed)
    finally:
        inside("director", "sysctl", "-qw", "net.ipv4.vs.sync_threshold=3 50")


@pytest.mark.parametrize("seed", [3, 4])
def test_a_kernel_has_what_lbd_tells(kernel, lbd, seed):  # noqa: F811
    kernel("backup")
    lbd("--sync", "master")
    assert steer("set sync_threshold 0")[0] == steer("set sync_period 1")[0] == 0
    until(lambda: " owned " in steer("vips")[1])
    station = inside(SECOND, "cat", "/sys/class/net/eth0/address")[1].strip()
    live(station, ours, kernels, seed)
