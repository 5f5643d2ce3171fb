"""A DNS server that a test has its way with, over UDP and TCP."""

import socket
import struct
import threading
from contextlib import contextmanager

A, CNAME, AAAA, SRV = 1, 5, 28, 33
SERVFAIL, NXDOMAIN = 2, 3
# RFC 1035, section 4.2.1.
LONGEST_DATAGRAM = 512


def encoded(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def address(text):
    """The type and data of an address record."""
    return (AAAA, socket.inet_pton(socket.AF_INET6, text)) if ":" in text else (A, socket.inet_aton(text))


class Names:
    def __init__(self, host, ip, port):
        self.address = f"{ip}:{port}"
        # By name: (type, data, TTL) of each record. One that is not here there is not.
        self.records = {}
        # What it says to everything: None for what there is, a response code, or "nothing".
        self.mood = None
        self.asked = []
        self.streams = 0
        self.sockets = [host.socket(socket.AF_INET, kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)]
        for each in self.sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            each.bind((ip, port))
        self.sockets[1].listen()
        self.threads = [threading.Thread(target=self.datagrams), threading.Thread(target=self.connections)]
        for thread in self.threads:
            thread.start()

    def name(self, name, *addresses, ttl=1):
        """Has a name these addresses, and asks nobody to believe that for long."""
        self.records[name] = [(*address(each), ttl) for each in addresses]

    def hosts(self, name, *hosts, ttl=1):
        """Has a name SRV records: (priority, weight, port, target)."""
        self.records[name] = [(SRV, struct.pack("!HHH", *numbers) + encoded(target), ttl) for *numbers, target in hosts]

    def answer(self, query):
        if self.mood == "nothing":
            return None
        place, labels = 12, []
        while query[place]:
            labels.append(query[place + 1:place + 1 + query[place]].decode())
            place += 1 + query[place]
        name, (kind,) = ".".join(labels), struct.unpack("!H", query[place + 1:place + 3])
        self.asked.append((name, kind))
        code = self.mood or (0 if name in self.records else NXDOMAIN)
        records = [] if code else [each for each in self.records[name] if each[0] in (kind, CNAME)]
        data = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", each[0], 1, each[2], len(each[1])) + each[1] for each in records)
        return query[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(records), 0, 0) + query[12:place + 5] + data

    def datagrams(self):
        while True:
            query, client = self.sockets[0].recvfrom(4096)
            if not query:
                return
            answer = self.answer(query)
            if answer and len(answer) > LONGEST_DATAGRAM:
                answer = answer[:2] + bytes([answer[2] | 2]) + answer[3:6] + b"\0\0" + answer[8:len(query)]
            if answer:
                self.sockets[0].sendto(answer, client)

    def connections(self):
        while True:
            try:
                connection, _ = self.sockets[1].accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                try:
                    (length,) = struct.unpack("!H", connection.recv(2, socket.MSG_WAITALL))
                    answer = self.answer(connection.recv(length, socket.MSG_WAITALL))
                    self.streams += 1
                    if answer:
                        connection.sendall(struct.pack("!H", len(answer)) + answer)
                except (OSError, struct.error):
                    # A client that goes away is answered no more.
                    continue

    def close(self):
        ip, port = self.sockets[0].getsockname()
        self.sockets[0].sendto(b"", (ip, port))
        self.sockets[1].shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(10)
        for each in self.sockets:
            each.close()


@contextmanager
def names(host, ip, port=5353):
    server = Names(host, ip, port)
    try:
        yield server
    finally:
        server.close()
