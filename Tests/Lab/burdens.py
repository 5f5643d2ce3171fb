"""What a bad day puts on a director: outputs that nobody drains, clients that only wait; and what it takes of memory."""

import fcntl
import os
import socket
from contextlib import ExitStack, contextmanager
from pathlib import Path

from threads import status

METRICS = ("127.0.0.1", 9100)
PIPE = 4096


@contextmanager
def undrained_pipe():
    """A full pipe that nobody reads: its reading end, and the one that is written to."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE)
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"\n" * PIPE)
    except BlockingIOError:
        os.set_blocking(writer, True)
    try:
        yield reader, writer
    finally:
        os.close(reader)
        os.close(writer)


@contextmanager
def idle_connections(lab, count):
    """So many connections to the metrics; a server may close them or leave them waiting, as it likes."""
    with ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(lab.director.socket(socket.AF_INET, socket.SOCK_STREAM))
            connection.setblocking(False)
            connection.connect_ex(METRICS)
        yield


def megabytes(director):
    """Of memory that it has."""
    return int(status(Path(f"/proc/{director.process.pid}"))["VmRSS"].split()[0]) // 1024
