"""A web server on a real server of the lab that can be made to misbehave in every way that a check should notice."""

import socket
import ssl
import threading
from collections import Counter
from contextlib import contextmanager, suppress

from lab import PROJECT

CERTIFICATES = PROJECT / "Tests/HealthTests/Certificates"
TLS_NAME = "www.example.org"
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"
ERROR = b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
HUGE = b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n"


class Moody:
    """Listens at all addresses of a host, from entering to leaving. What it does with a connection is its `mood`:

    good     answers        mute     takes the request and says nothing     dribble  one byte, and then for a minute none
    error    status 500     endless  a header without end                   huge     a body of 1 GB, as fast as it is read
    loop     redirects to itself                                            garbage  bytes that are neither HTTP nor TLS
    """

    def __init__(self, host, port, certificate=None):
        self.host, self.port, self.certificate = host, port, certificate
        self.mood = "good"
        # Who came, and where to: addresses.
        self.visits = Counter()
        self.listener, self.context, self.visitors, self._ends = None, None, [], threading.Event()

    def __enter__(self):
        if self.certificate:
            self.present(self.certificate)
        self.listen()
        return self

    def __exit__(self, *_):
        self._ends.set()
        self.hang_up()

    def present(self, certificate):
        """Shows another certificate from now on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATES / f"{certificate}.pem", CERTIFICATES / "server.key")
        self.context = context

    def listen(self, backlog=128, accepts=True):
        self.listener = self.host.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("", self.port))
        self.listener.listen(backlog)
        if accepts:
            threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def hang_up(self):
        """Listens no more."""
        for visitor in [*self.visitors, self.listener]:
            # A shutdown wakes the thread that accepts; the queue's sockets have nothing to shut.
            with suppress(OSError):
                visitor.shutdown(socket.SHUT_RDWR)
            visitor.close()
        self.visitors = []

    def crowd(self):
        """Goes on listening with a queue that is full and that nobody takes from."""
        self.hang_up()
        self.listen(backlog=0, accepts=False)
        for _ in range(4):
            visitor = self.host.socket(socket.AF_INET, socket.SOCK_STREAM)
            visitor.setblocking(False)
            visitor.connect_ex(("127.0.0.1", self.port))
            self.visitors.append(visitor)

    def _accept(self, listener):
        # A listener that was closed ends its thread.
        with suppress(OSError):
            while True:
                connection, (visitor, _) = listener.accept()
                self.visits[visitor, connection.getsockname()[0]] += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        # Whoever checks hangs up when it pleases.
        with suppress(OSError), connection:
            connection.settimeout(120)
            if self.mood == "garbage":
                connection.sendall(b"\x00\xffgarbage\r\n" * 1000)
                return
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
            if connection.recv(65536):
                self._answer(connection)
            # Without the reset, which is a client's trouble: what it says after that is waited for.
            connection.settimeout(1)
            while connection.recv(65536):
                pass

    def _answer(self, connection):
        match self.mood:
            case "good": connection.sendall(GOOD)
            case "error": connection.sendall(ERROR)
            case "loop": connection.sendall(b"HTTP/1.1 301 Moved\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")
            case "mute": self._ends.wait(60)
            case "dribble":
                connection.sendall(b"H")
                self._ends.wait(60)
            case "endless":
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                self._pour(connection, b"X-Header: " + b"x" * 1000 + b"\r\n")
            case "huge":
                connection.sendall(HUGE)
                self._pour(connection, b"x" * 65536)

    def _pour(self, connection, what):
        while not self._ends.is_set():
            connection.sendall(what)


@contextmanager
def moody(hosts, port, certificate=None):
    """A moody server on each of the hosts."""
    servers = [Moody(host, port, certificate) for host in hosts]
    try:
        yield [server.__enter__() for server in servers]
    finally:
        for server in servers:
            if server.listener:
                server.__exit__()

