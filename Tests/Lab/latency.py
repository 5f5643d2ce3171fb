"""What an idle director adds to a round trip.

A datagram goes to a real server's echo and comes back, once to the server's own address, once through the VIP;
the two take turns, a millisecond apart, so that both see the same machine. Prints medians in microseconds.
"""

import multiprocessing
import socket
import statistics
import sys
import time

from director import Director
from lab import VIP, Lab

PORT = 7


def echo(server):
    """Runs in a process of its own: the measuring one must not wait for Python's lock."""
    with server.socket(socket.AF_INET, socket.SOCK_DGRAM) as direct, \
            server.socket(socket.AF_INET, socket.SOCK_DGRAM) as virtual:
        direct.bind((server.address, PORT))
        virtual.bind((VIP, PORT))
        while True:
            for listener in (direct, virtual):
                data, client = listener.recvfrom(2048)
                listener.sendto(data, client)


def connected(client, address):
    connection = client.socket(socket.AF_INET, socket.SOCK_DGRAM)
    connection.settimeout(5)
    connection.connect((address, PORT))
    return connection


def round_trip(connection):
    begin = time.perf_counter_ns()
    connection.send(b"x" * 64)
    connection.recv(2048)
    return (time.perf_counter_ns() - begin) / 1000


def measure(rounds):
    """The median round trips, direct and through the director."""
    with Lab(servers=1) as lab:
        director, (server,) = Director(lab).start(), lab.servers
        director.lbctl("add-service", "-u", f"{VIP}:{PORT}", "-s", "rr")
        director.lbctl("add-rs", "-u", f"{VIP}:{PORT}", "-r", f"{server.address}:{PORT}")
        multiprocessing.Process(target=echo, args=(server,), daemon=True).start()
        time.sleep(0.2)
        paths = [connected(lab.client, server.address), connected(lab.client, VIP)]
        times = [[], []]
        for _ in range(rounds):
            for path, measured in zip(paths, times):
                measured.append(round_trip(path))
                time.sleep(0.001)
        director.stop()
    return map(statistics.median, times)


def main(rounds):
    direct, through = measure(rounds)
    print(f"median round trip of {rounds}: direct {direct:.1f} us, through the director {through:.1f} us, "
          f"added {through - direct:.1f} us")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
