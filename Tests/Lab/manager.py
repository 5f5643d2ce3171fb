"""A stand-in for the service manager: hears what lbd tells it, keeps descriptors, and starts it with them."""

import os
import socket
import sys

# Gives a program descriptors as a service manager does (sd_listen_fds(3)): from number 3 on, with their names.
PASS = """
import fcntl, os, sys
names, numbers, words = sys.argv[1], [int(number) for number in sys.argv[2].split(",") if number], sys.argv[3:]
for place, number in enumerate([fcntl.fcntl(number, fcntl.F_DUPFD, 100) for number in numbers]):
    os.dup2(number, 3 + place)
os.execvpe(words[0], words, {**os.environ, "LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(numbers)),
                             "LISTEN_FDNAMES": names})
"""


class Manager:
    """Has a store for descriptors, by name (sd_pid_notify_with_fds(3))."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind(str(path))
        self.stored = {}

    def hear(self):
        """Takes in what was said so far; what is stored."""
        while True:
            try:
                text, descriptors, _, _ = socket.recv_fds(self.socket, 4096, 4)
            except BlockingIOError:
                return self.stored
            said = dict(line.split("=", 1) for line in text.decode().splitlines())
            if "FDSTOREREMOVE" in said:
                self.drop(said["FDNAME"])
            if "FDSTORE" in said:
                assert said["FDPOLL"] == "0", "a packet socket is readable, or has an error, without being of no use"
                self.drop(said["FDNAME"])
                self.stored[said["FDNAME"]], = descriptors

    def drop(self, name):
        if name in self.stored:
            os.close(self.stored.pop(name))

    def words(self):
        """The words before lbd's with which it starts as the manager's, with what is stored."""
        stored = self.hear()
        return ("env", f"NOTIFY_SOCKET={self.path}", sys.executable, "-c", PASS, ":".join(stored),
                ",".join(map(str, stored.values())))

    def start(self, director):
        director.descriptors, director.under = tuple(self.hear().values()), self.words()
        director.start()
        director.was_ended = False

    def close(self):
        for name in list(self.stored):
            self.drop(name)
        self.socket.close()
        self.path.unlink()
