"""Connections over the kernel's own wire: a kernel tells lbd, and lbd tells a kernel, with real HTTP."""
import signal
import subprocess

import pytest

from programs import LBCTL, LBD
from lan import RULES, VIP, inside, ip, until

SECOND, SOCKET = "director2", "/run/second.sock"
# Asks on one connection each time that a line comes in, and prints the answer.
SESSION = f"""
import http.client, sys
connection = http.client.HTTPConnection("{VIP}", 80, timeout=30)
for _ in sys.stdin:
    connection.request("GET", "/")
    print(connection.getresponse().read().decode().strip(), connection.sock.getsockname()[1], flush=True)
"""


@pytest.fixture(scope="module")
def second(lan):
    """A second director's namespace on the same bridge."""
    ip("netns", "add", SECOND)
    ip("link", "add", SECOND, "type", "veth", "peer", "name", "eth0", "netns", SECOND)
    ip("link", "set", SECOND, "master", "lan", "up")
    for words in (("link", "set", "lo", "up"), ("addr", "add", "10.77.0.3/24", "dev", "eth0"),
                  ("link", "set", "eth0", "up")):
        ip("-n", SECOND, *words)
    yield
    ip("netns", "del", SECOND)


@pytest.fixture
def lbd(second):
    """lbd on the second director, with the same service."""
    running = []

    def start(*options):
        log = open("/run/second.log", "w")
        running.append(subprocess.Popen(
            ["ip", "netns", "exec", SECOND, LBD, "--interface", "eth0", "--socket", SOCKET, "--no-host-guard",
             "--probe-interval", "50", "--sync-interface", "eth0", *options], stdout=log, stderr=log))
        until(lambda: steer("timeouts")[0] == 0, 60)
        for line in (f"add-service -t {VIP}:80 -s rr --force", f"add-rs -t {VIP}:80 -r 10.77.0.21",
                     f"add-rs -t {VIP}:80 -r 10.77.0.22"):
            status, _, error = steer(line)
            assert status == 0, error

    yield start
    for process in running:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, open("/run/second.log").read()


@pytest.fixture
def kernel(lan):
    """The kernel's director, with a sync daemon."""
    roles = []

    def start(role):
        inside("director", "ipvsadm-restore", stdin=RULES.format(vip=VIP))
        assert inside("director", "ipvsadm", "--start-daemon", role, "--mcast-interface", "eth0")[0] == 0
        roles.append(role)

    yield start
    for role in roles:
        inside("director", "ipvsadm", "--stop-daemon", role)
    inside("director", "ipvsadm", "-C")
    inside("director", "ip", "addr", "flush", "to", f"{VIP}/32")


class Session:
    """A connection of the client's that stays open."""

    def __init__(self):
        self.process = subprocess.Popen(["ip", "netns", "exec", "client", "/usr/bin/python3", "-c", SESSION],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def get(self):
        """Who answered, and the client's port."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        name, port = self.process.stdout.readline().split()
        return name, int(port)

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(30) == 0


def steer(line):
    return inside(SECOND, LBCTL, "--socket", SOCKET, *line.split())


def row(listing, port):
    """State, virtual end and server of the client's connection, as ipvsadm lists it; how long it lives is its own."""
    for line in listing.splitlines():
        words = line.split()
        if words[3:4] == [f"10.77.0.11:{port}"]:
            return words[2], words[4], words[5]
    return None


def kernels():
    return inside("director", "ipvsadm", "-Lnc")[1]


def ours():
    return inside(SECOND, LBCTL, "ipvsadm", "--plane", "userspace", "--socket", SOCKET, "-Lnc")[1]


def established():
    """A session of as many packets as the kernel tells others after, the server's name and the client's port."""
    inside("client", "ip", "neigh", "flush", "all")
    session = Session()
    name, port = session.get()
    for _ in range(3):
        session.get()
    return session, name, port


def test_what_a_kernel_tells_goes_on_through_lbd(kernel, lbd):
    inside("director", "ip", "addr", "add", f"{VIP}/32", "dev", "eth0")
    kernel("master")
    lbd("--sync", "backup", "--standby")
    session, name, port = established()
    until(lambda: row(ours(), port), 60)
    assert row(ours(), port) == row(kernels(), port) and row(ours(), port)[0] == "ESTABLISHED"
    inside("director", "ip", "addr", "del", f"{VIP}/32", "dev", "eth0")
    inside("director", "ipvsadm", "-C")
    assert steer("takeover")[0] == 0
    assert session.get() == (name, port), "it goes on"
    session.close()
    until(lambda: row(ours(), port)[0] == "FIN_WAIT")


def test_what_lbd_tells_a_kernel_has_too(kernel, lbd):
    kernel("backup")
    lbd("--sync", "master")
    until(lambda: " owned " in steer("vips")[1])
    session, _, port = established()
    until(lambda: row(kernels(), port), 60)
    assert row(kernels(), port) == row(ours(), port) and row(kernels(), port)[0] == "ESTABLISHED"
    session.close()
    until(lambda: row(kernels(), port)[0] == "FIN_WAIT", 60)
    assert row(ours(), port) == row(kernels(), port)


def test_a_kernel_reads_version_0_of_lbd(kernel, lbd):
    kernel("backup")
    lbd("--sync", "master")
    assert steer("set sync_version 0")[0] == 0
    until(lambda: " owned " in steer("vips")[1])
    session, _, port = established()
    until(lambda: row(kernels(), port), 60)
    assert row(kernels(), port) == row(ours(), port) and row(kernels(), port)[0] == "ESTABLISHED"
    session.close()


def test_several_ports_reach_a_kernel(kernel, lbd):
    inside("director", "sysctl", "-qw", "net.ipv4.vs.sync_ports=4")
    kernel("backup")
    lbd("--sync", "master")
    assert steer("set sync_ports 4")[0] == 0
    until(lambda: " owned " in steer("vips")[1])
    sessions = [established() for _ in range(8)]
    until(lambda: all(row(kernels(), port) for _, _, port in sessions), 60)
    for session, _, _ in sessions:
        session.close()
    inside("director", "sysctl", "-qw", "net.ipv4.vs.sync_ports=1")


def test_a_kernel_takes_what_is_signed(kernel, lbd):
    with open("/run/key", "w") as key:
        key.write("0123456789abcdef0123456789abcdef\n")
    kernel("backup")
    lbd("--sync", "master", "--sync-key", "/run/key")
    until(lambda: " owned " in steer("vips")[1])
    session, _, port = established()
    until(lambda: row(kernels(), port), 60)
    assert row(kernels(), port) == row(ours(), port)
    session.close()
