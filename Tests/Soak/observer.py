"""Looks at every frame that reaches a real server, and knows which ones may."""

import select

from lab import CLIENT, DIP, OTHER_VIP, VIP
from traffic import Beside
from wire import Wire

SERVICES = {(VIP, 80), (VIP, 53), (OTHER_VIP, 8080)}


class Observer(Beside):
    """Counts what it sees from entering to leaving. A frame for a VIP is wrong unless the director sent it to this very
    server, for a service that there is, with one hop less than the client gave it and a header that is intact."""

    def __init__(self, lab, director):
        super().__init__()
        self.director_mac = lab.director.mac
        self.wires = [(Wire(server), server) for server in lab.servers]
        self.seen, self.wrong = 0, []

    def __exit__(self, *_):
        super().__exit__(*_)
        for wire, _ in self.wires:
            wire.socket.close()

    def _run(self):
        while not self._leaving.is_set():
            select.select([wire.socket for wire, _ in self.wires], [], [], 0.1)
            for wire, server in self.wires:
                while (frame := wire.next(0)) is not None:
                    self.look(frame, server)

    def look(self, frame, server):
        if frame.ip is None or frame.ip.destination not in (VIP, OTHER_VIP):
            return
        # Flooded by the switch to all of its ports, while it does not know one: not meant for this server.
        if frame.destination not in (server.mac, "ff:ff:ff:ff:ff:ff"):
            return
        self.seen += 1
        if not self.is_right(frame, server) and len(self.wrong) < 1_000:
            self.wrong.append(f"at {server.name}: {frame}")

    def is_right(self, frame, server):
        if frame.destination != server.mac or frame.source != self.director_mac or not frame.ip.is_intact:
            return False
        if frame.ip.source == DIP:
            return frame.ip.ttl == 1  # the doctor's questions to a server, which no router passes on
        segment = frame.tcp or frame.udp
        if segment is not None:
            return (frame.ip.source == CLIENT and frame.ip.ttl == 63
                    and (frame.ip.destination, segment.port) in SERVICES)
        return frame.icmp is not None
