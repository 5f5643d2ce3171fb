"""A raw socket on a host's interface: sees every frame that passes it, sends any."""

import errno
import select
import socket
import struct
import time

from frames import ETHERTYPE_ARP, ETHERTYPE_VLAN, parse

ETH_P_ALL = 3
SOL_PACKET, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = 263, 8, 23
SO_RCVBUFFORCE, SO_TIMESTAMPNS = 33, 35
TP_STATUS_VLAN_VALID = 1 << 4


class Wire:
    """Frames in the order in which they were seen, from the moment this object is made.

    Without `outgoing` it sees what arrives at the host; with it also what the host sends.
    """

    def __init__(self, host, *, outgoing=False):
        self.host = host
        self.socket = host.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 0 if outgoing else 1)
        with host.inside():
            self.socket.bind(("eth0", ETH_P_ALL))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, frame):
        """Again, for a while, where the interface has no room: on a busy machine its other end has not taken enough."""
        end = time.monotonic() + 20
        while True:
            try:
                return self.socket.send(frame)
            except OSError as error:
                if error.errno != errno.ENOBUFS or time.monotonic() > end:
                    raise
            time.sleep(0.001)

    def next(self, timeout):
        """The next frame, or None when none came in `timeout` seconds."""
        if not select.select([self.socket], [], [], max(0, timeout))[0]:
            return None
        raw, ancillary, _, _ = self.socket.recvmsg(65536, 256)
        stamp = time.time()
        for level, kind, data in ancillary:
            if level == SOL_PACKET and kind == PACKET_AUXDATA:
                raw = _with_tag(raw, data)
            elif kind == SO_TIMESTAMPNS:
                seconds, nanoseconds = struct.unpack("@qq", data)
                stamp = seconds + nanoseconds / 1e9
        return parse(raw, stamp)

    def wait(self, wanted, timeout=5.0):
        """The first frame for which `wanted` is true; None when none came in time."""
        end = time.monotonic() + timeout
        while (frame := self.next(end - time.monotonic())) is not None:
            if wanted(frame):
                return frame
        return None

    def collect(self, wanted=lambda frame: True, seconds=0.3):
        """All frames for which `wanted` is true: what was seen so far and what comes within `seconds`."""
        end, frames = time.monotonic() + seconds, []
        while (frame := self.next(end - time.monotonic())) is not None:
            if wanted(frame):
                frames.append(frame)
        return frames

    def gather(self, count, wanted=lambda frame: True, timeout=20):
        """As `gather` of several wires."""
        return gather([self], count, wanted, timeout)[0]

    def ask(self, request, wanted, timeout=5.0):
        """Sends a frame and waits for its answer."""
        self.send(request)
        return self.wait(wanted, timeout)


def gather(wires, count, wanted=lambda frame: True, timeout=20):
    """By wire, all frames for which `wanted` is true: waits for `count` on all of them together, then as long as a
    frame too many needs to show. Fewer if the rest did not come in `timeout` seconds."""
    end, seen = time.monotonic() + timeout, [[] for _ in wires]
    while sum(map(len, seen)) < count and time.monotonic() < end:
        select.select([wire.socket for wire in wires], [], [], 0.05)
        for wire, frames in zip(wires, seen):
            frames += wire.collect(wanted, 0)
    for wire, frames in zip(wires, seen):
        frames += wire.collect(wanted, 0.1)
    return seen


def _with_tag(raw, auxdata):
    """The kernel takes the outer 802.1Q tag off and hands it over beside the frame: put it back."""
    status, _, _, _, _, tci, _ = struct.unpack("@IIIHHHH", auxdata)
    if not status & TP_STATUS_VLAN_VALID:
        return raw
    return raw[:12] + struct.pack("!HH", ETHERTYPE_VLAN, tci) + raw[12:]


def is_arp(operation=None, sender=None, target=None, to=None):
    """A condition for `wait` and its like. Announcements are replies too: an answer is one `to` the station that asked."""
    def wanted(frame):
        return (frame.ethertype == ETHERTYPE_ARP and frame.arp is not None
                and operation in (None, frame.arp.operation) and to in (None, frame.destination)
                and sender in (None, frame.arp.sender) and target in (None, frame.arp.target))
    return wanted
