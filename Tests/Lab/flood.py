"""Frames of clients that nobody is, as many as it takes."""

from frames import ETHERTYPE_IPV4, ethernet
from lab import STRANGER_MAC
from waiting import until


def spoofed(number):
    """The address of a client that nobody has, of four million."""
    return f"100.{64 + (number >> 16 & 63)}.{number >> 8 & 255}.{number & 255}"


def seen(director):
    return sum(worker["frames"] + worker["ring_drops"] for worker in director.json_at("/v1/workers"))


def pour(lab, director, wire, packets):
    """Sends packets to the director, no faster than it takes them in."""
    sent, before = 0, seen(director)
    for packet in packets:
        wire.send(ethernet(lab.director.mac, STRANGER_MAC, ETHERTYPE_IPV4, packet))
        sent += 1
        if sent % 1000 == 0:
            until(lambda: seen(director) >= before + sent)
    until(lambda: seen(director) >= before + sent)
