"""What clients do: requests, transfers, traffic that runs while something else happens."""

import hashlib
import http.client
import socket
import threading
import time
from collections import Counter

from lab import VIP


def web(host, count=1, *, vip=VIP, port=80, timeout=20):
    """The names of the real servers that answered `count` requests of curl, each on a connection of its own."""
    result = host.run("curl", "--silent", "--show-error", "--fail-early", "--max-time", timeout,
                      "--header", "Connection: close", f"http://{vip}:{port}/?[1-{count}]", check=False, timeout=count * timeout + 5)
    assert result.returncode == 0, f"curl: {result.stderr}"
    return result.stdout.split()


def spread(host, count, **where):
    return Counter(web(host, count, **where))


def connect(host, vip=VIP, port=80, timeout=20, source_port=0):
    connection = host.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    connection.bind(("", source_port))
    connection.connect((vip, port))
    return connection


def servers_of(lab, address, count=4):
    """The names of all real servers that answered requests from one client address."""
    result = lab.client.run("curl", "--silent", "--max-time", 20, "--interface", address,
                            "--header", "Connection: close", f"http://{VIP}/?[1-{count}]")
    assert len(result.stdout.split()) == count
    return set(result.stdout.split())


class Session:
    """One HTTP connection that stays open for request after request."""

    def __init__(self, host, vip=VIP, port=80):
        self.connection = http.client.HTTPConnection(vip, port)
        self.connection.sock = connect(host, vip, port)

    def get(self):
        """The name of the server that answered."""
        self.connection.request("GET", "/")
        return self.connection.getresponse().read().decode().strip()

    def close(self):
        self.connection.close()


class Beside:
    """Runs on a thread of its own, from entering to leaving."""

    def __init__(self):
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._leaving.set()
        self._thread.join()


class Traffic(Beside):
    """Connections made one after the other, from entering to leaving: who answered, and what failed."""

    def __init__(self, host, vip=VIP, port=80):
        super().__init__()
        self.host, self.vip, self.port = host, vip, port
        self.answers, self.failures = [], []

    def _run(self):
        while not self._leaving.is_set():
            try:
                session = Session(self.host, self.vip, self.port)
                self.answers.append(session.get())
                session.close()
            except OSError as error:
                self.failures.append(f"{time.time():.3f} {error!r}")

    def wait(self, count, timeout=60):
        """Waits for `count` more answers."""
        target, end = len(self.answers) + count, time.monotonic() + timeout
        while len(self.answers) < target:
            assert time.monotonic() < end, f"no traffic: {self.failures[-3:]}"
            time.sleep(0.005)


class UdpEcho(Beside):
    """Answers every datagram to the VIP on a real server with the server's name before it."""

    def __init__(self, server, vip=VIP, port=7):
        super().__init__()
        self.name = server.name.encode()
        self.socket = server.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((vip, port))
        self.socket.settimeout(0.05)

    def __exit__(self, *_):
        super().__exit__(*_)
        self.socket.close()

    def _run(self):
        while not self._leaving.is_set():
            try:
                data, client = self.socket.recvfrom(65536)
                self.socket.sendto(self.name + b" " + data, client)
            except TimeoutError:
                continue


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
