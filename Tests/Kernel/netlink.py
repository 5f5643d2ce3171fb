"""Counts the requests that reach the kernel's IPVS, as `nlmon` sees them."""
import collections
import socket
import struct
import subprocess

NAMES = {1: "NEW_SERVICE", 2: "SET_SERVICE", 3: "DEL_SERVICE", 4: "GET_SERVICE", 5: "NEW_DEST", 6: "SET_DEST",
         7: "DEL_DEST", 8: "GET_DEST", 16: "ZERO", 17: "FLUSH"}
REQUEST = 0x1


class Messages:
    """Changes that were asked for while this was entered, by command; and from how many ports."""

    def __enter__(self):
        subprocess.run(["ip", "link", "add", "nlmon0", "type", "nlmon"], check=True)
        subprocess.run(["ip", "link", "set", "nlmon0", "up"], check=True)
        self.family = int(subprocess.run(
            ["genl", "ctrl", "get", "name", "IPVS"], capture_output=True, text=True, check=True,
        ).stdout.split("ID: 0x")[1].split()[0], 16)
        self.tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
        self.tap.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        self.tap.bind(("nlmon0", 0))
        self.tap.setblocking(False)
        self.counts, self.ports = collections.Counter(), set()
        return self

    def take(self):
        """Reads what has come so far; returns the changes among it, by command, and starts anew."""
        while True:
            try:
                data = self.tap.recv(1 << 17)
            except BlockingIOError:
                break
            while len(data) >= 16:
                length, kind, flags, _, port = struct.unpack("=IHHII", data[:16])
                if kind == self.family and flags & REQUEST and length >= 20:
                    self.counts[NAMES.get(data[16], str(data[16]))] += 1
                data = data[(length + 3) & ~3:] if length >= 16 else b""
        counts, self.counts = self.counts, collections.Counter()
        return {name: count for name, count in counts.items() if not name.startswith("GET") and name in NAMES.values()}

    def __exit__(self, *_):
        self.tap.close()
        subprocess.run(["ip", "link", "del", "nlmon0"], check=True)
