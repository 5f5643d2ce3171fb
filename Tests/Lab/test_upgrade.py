"""Another lbd goes on: started again by a service manager that keeps its sockets, or taking over from the one that runs."""

import os
import shutil
import signal
import socket
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
from director import BINARIES, ON_EVERY_DATA_PLANE, service
from lab import VIP
from manager import Manager
from test_lifecycle import disturbances
from test_offload import Stage, add_datagrams, is_theirs, packet
from test_state import Sessions, place, state
from traffic import Beside, Session, spread
from waiting import until
from wire import SO_RCVBUFFORCE, Wire, gather

pytestmark = ON_EVERY_DATA_PLANE

PORT = 5353
# Frames that a worker has in hand at a time, which come again when it is killed.
BATCH = 64


def pin(lab):
    """The client knows for good where the VIP is."""
    lab.client.ip("neighbor", "replace", VIP, "lladdr", lab.director.mac, "dev", "eth0", "nud", "permanent")


class Stream(Beside):
    """Numbered datagrams of several clients, a few hundred a second, and what the servers hear of them."""

    def __init__(self, lab, clients=12):
        super().__init__()
        self.stack, self.sent, self.heard, self.clients = ExitStack(), 0, {}, []
        self.times, self.receivers = [], []
        for _ in range(clients):
            client = self.stack.enter_context(lab.client.socket(socket.AF_INET, socket.SOCK_DGRAM))
            client.connect((VIP, PORT))
            client.setblocking(False)
            self.clients.append(client)
        for server in lab.servers:
            receiver = self.stack.enter_context(server.socket(socket.AF_INET, socket.SOCK_DGRAM))
            receiver.bind((VIP, PORT))
            receiver.setblocking(False)
            # What waited comes all at once.
            receiver.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
            self.receivers.append(receiver)

    def serve(self, director, lab):
        director.lbctl("add-service", "-u", f"{VIP}:{PORT}", "-s", "rr")
        for server in lab.servers:
            director.lbctl("add-rs", "-u", f"{VIP}:{PORT}", "-r", f"{server.address}:{PORT}")
        until(lambda: all(row["mac"] for row in director.json("neighbors")))
        # While nobody answers its ARP, a client whose entry ends just then would keep its frames to itself.
        pin(lab)
        self.stack.callback(lab.client.ip, "neighbor", "del", VIP, "dev", "eth0")

    def _run(self):
        while not self._leaving.is_set():
            for client in self.clients:
                client.send(b"%d" % self.sent)
            self.sent += 1
            self.collect()
            time.sleep(0.02)

    def collect(self):
        """Takes in what the servers heard; how much there is of it."""
        for number, receiver in enumerate(self.receivers):
            while True:
                try:
                    text, sender = receiver.recvfrom(100)
                except BlockingIOError:
                    break
                self.heard.setdefault(sender[1], []).append((number, int(text)))
                self.times.append(time.monotonic())
        return sum(len({number for _, number in flow}) for flow in self.heard.values())

    def __exit__(self, *_):
        super().__exit__()
        self.stack.close()

    def end(self):
        """Sends no more, and waits until nothing comes any more: lost, again, out of order."""
        self._leaving.set()
        self._thread.join()
        wanted, end = len(self.clients) * self.sent, time.monotonic() + 5
        while self.collect() < wanted and time.monotonic() < end:
            time.sleep(0.02)
        again, mixed = 0, 0
        for flow in self.heard.values():
            assert len({server for server, _ in flow}) == 1, "a flow moved to another server"
            numbers = [number for _, number in flow]
            again += sum(count - 1 for count in Counter(numbers).values())
            first = list(dict.fromkeys(numbers))
            mixed += sum(a > b for a, b in zip(first, first[1:]))
        gap = max(b - a for a, b in zip(self.times, self.times[1:]))
        lost = wanted - self.collect()
        print(f"{wanted} datagrams: {lost} lost, {again} twice, {mixed} out of order, longest gap {gap * 1000:.0f} ms")
        return lost, again, mixed


@pytest.fixture
def manager(lab):
    manager = Manager(lab.directory / "manager.sock")
    yield manager
    manager.close()


@pytest.fixture
def stream(lab):
    return Stream(lab)


def lines(director, word):
    return [line for line in director.output().splitlines() if word in line]


# A service manager keeps the sockets


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("workers", [1, 3])
def test_frames_that_come_while_there_is_no_director_wait_for_the_next(packet_sockets, lab, start, state, manager, stream,
                                                                        how, workers):
    director = start("--state", state, "--workers", workers, under=manager.words())
    stream.serve(director, lab)
    assert len(manager.hear()) == workers
    with stream:
        for _ in range(3):
            before = stream.sent
            until(lambda: stream.sent > before + 5)
            assert director.stop(how) in (0, -how)
            before = stream.sent
            until(lambda: stream.sent > before + 5)
            manager.start(director)
            assert "goes on with the sockets" in director.output()
        lost, again, mixed = stream.end()
    assert lost == 0 and mixed == 0
    assert again <= (3 * workers * BATCH if how == signal.SIGKILL else 0)


def test_as_many_frames_wait_as_fit_into_the_ring_and_none_comes_out_of_order(packet_sockets, lab, start, state, manager):
    director = add_datagrams(lab, start("--state", state, under=manager.words()))
    until(lambda: all(row["mac"] for row in director.json("neighbors")))
    with Stage(lab, director) as stage:
        assert stage.goes_to(packet(0))
        director.stop(signal.SIGKILL)
        stage.send(*[packet(number) for number in range(6000)])
        manager.start(director)
        arrived, = [frames for frames in stage.arrived(4096) if frames]
        assert [frame.ip.payload[-6:] for frame in arrived] == [b"%06d" % number for number in range(4096)]
        assert stage.goes_to(packet(0))


def test_sockets_without_the_state_that_they_belong_to_are_given_up(packet_sockets, lab, start, state, manager):
    director = start("--state", state, under=manager.words())
    director.add_web()
    before, = manager.hear().values()
    before = os.fstat(before).st_ino
    director.stop(signal.SIGKILL)
    shutil.rmtree(place(state))
    manager.start(director)
    assert len(lines(director, "is not used: there is no state")) == 1
    after, = manager.hear().values()
    assert os.fstat(after).st_ino != before
    director.add_web()
    assert spread(lab.client, 3) == {"rs1": 1, "rs2": 1, "rs3": 1}


def stranger_of(kind, lab):
    """Something that is none of lbd's sockets."""
    if kind == "a file":
        return os.open("/dev/null", os.O_RDWR)
    with lab.director.inside():
        if kind == "no packet socket":
            return socket.socket(socket.AF_INET, socket.SOCK_DGRAM).detach()
        packet = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        packet.bind(("lo" if kind == "another interface" else "eth0", 0x0800 if kind == "other frames" else 3))
        return packet.detach()


@pytest.mark.parametrize("kind, reason", [
    ("a file", "no packet socket"), ("no packet socket", "no packet socket"), ("another interface", "another interface"),
    ("other frames", "other frames"), ("no ring", "ring is laid out otherwise"),
])
def test_what_is_none_of_its_sockets_is_closed_with_one_line(packet_sockets, lab, start, state, manager, kind, reason):
    director = start("--state", state, under=manager.words())
    director.add_web()
    name, = manager.hear()
    director.stop(signal.SIGKILL)
    manager.drop(name)
    manager.stored[name] = stranger_of(kind, lab)
    manager.stored["of-no-use"] = os.open("/dev/null", os.O_RDONLY)
    manager.start(director)
    assert len(lines(director, reason)) == 1 and len(lines(director, "is not used")) == 2
    assert set(manager.hear()) == {name}
    assert spread(lab.client, 3) == {"rs1": 1, "rs2": 1, "rs3": 1}


def test_another_number_of_workers_opens_new_sockets(packet_sockets, lab, start, state, manager):
    director = start("--state", state, "--workers", 3, under=manager.words())
    director.add_web()
    session = Session(lab.client)
    name = session.get()
    director.stop(signal.SIGKILL)
    director.options = (*director.options, "--workers", 2)
    manager.start(director)
    assert len(lines(director, "it belongs to other options")) == 1 and len(manager.hear()) == 2
    assert session.get() == name
    assert spread(lab.client, 3) == {"rs1": 1, "rs2": 1, "rs3": 1}


# The lease of the guard


def is_guarded(host):
    return "expires" in host.run("nft", "list", "ruleset").stdout


def ask(lab, client):
    """A packet for the VIP that the director's host would have something to say about."""
    with lab.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"?", (VIP, PORT))
    return disturbances(lab, client.collect())


def test_the_guard_outlives_a_director_that_dies_by_the_lease_and_no_longer(packet_sockets, lab, start, forwarding_host):
    director = start("--orphan-lease", 3)
    director.add_web()
    assert spread(lab.client, 3)
    pin(lab)
    try:
        with Wire(lab.client) as client:
            director.stop(signal.SIGKILL)
            begin = time.monotonic()
            said = ask(lab, client)
            assert said == [] or time.monotonic() - begin > 3, "the host itself took part"
            until(lambda: not is_guarded(lab.director))
            until(lambda: ask(lab, client))
    finally:
        lab.client.ip("neighbor", "del", VIP, "dev", "eth0")


def test_the_lease_is_renewed_and_a_guard_that_somebody_took_away_is_put_back(lab, start):
    director = start("--orphan-lease", 3)
    director.add_web()
    end = time.monotonic() + 5
    while time.monotonic() < end:
        assert is_guarded(lab.director)
    lab.director.run("nft", "flush", "ruleset")
    until(lambda: is_guarded(lab.director) and VIP in lab.director.run("nft", "list", "ruleset").stdout)


# Flows that the XDP program forwards by itself


@pytest.fixture
def offloading(data_plane, lab, start, state, manager):
    """A director whose XDP program forwards flows, kept by a service manager."""
    if data_plane != "af-xdp":
        pytest.skip(f"{data_plane}: the kernel forwards nothing by itself")
    return add_datagrams(lab, start("--state", state, "--orphan-lease", 3, under=manager.words()))


def test_flows_of_the_xdp_program_go_on_without_a_director_until_the_lease_is_over(lab, offloading, manager):
    with Stage(lab, offloading) as stage:
        server = stage.establish()
        assert list(manager.hear()) == ["xdp-native"]
        offloading.stop(signal.SIGKILL)
        begin = time.monotonic()
        stage.send(*[packet(number) for number in range(50)])
        if time.monotonic() - begin < 2:
            assert [len(frames) for frames in stage.arrived(50)] == [50 * (number == server) for number in range(3)]

        def is_over():
            stage.send(packet())
            return not any(gather(stage.servers, 1, is_theirs, 0.3))

        until(is_over)
        manager.start(offloading)
        assert "goes on with the link" in offloading.output()
        assert stage.establish() == server


class Datagrams(Beside):
    """One flow's datagrams, all the time."""

    def __init__(self, stage):
        super().__init__()
        self.stage, self.count = stage, 0

    def _run(self):
        while not self._leaving.is_set():
            self.stage.send(packet(self.count))
            self.count += 1
            time.sleep(0.005)


def test_flows_of_the_xdp_program_lose_nothing_when_another_takes_over(lab, offloading):
    with Stage(lab, offloading) as stage:
        server = stage.establish()
        with Datagrams(stage) as datagrams:
            replace(offloading)
            before = datagrams.count
            until(lambda: datagrams.count > before + 20)
        arrived = stage.arrived(datagrams.count)
        payloads = [frame.ip.payload[-6:] for frame in arrived[server]]
        assert payloads == [b"%06d" % number for number in range(datagrams.count)]


# Taking over


def replace(director, *options):
    """Has another lbd take over from the one that runs."""
    old = director.process
    director.options = (*director.options, *options, "--replace")
    director.start()
    assert old.wait(20) == 0
    until(lambda: director.lbctl("list", check=False).returncode == 0)
    assert director.process.poll() is None


@pytest.mark.parametrize("workers", [1, 3])
def test_an_lbd_takes_over_from_the_one_that_runs(lab, start, state, data_plane, stream, workers):
    director = start("--state", state, "--workers", workers)
    director.add_web()
    stream.serve(director, lab)
    saved = director.lbctl("save").stdout
    with stream, Sessions(lab.client) as sessions:
        for _ in range(3):
            before = (stream.sent, sessions.count)
            until(lambda: stream.sent > before[0] + 5 and sessions.count > before[1] + 5 or sessions.failures)
            replace(director)
            assert sessions.failures == []
            assert director.lbctl("save").stdout == saved
        lost, again, mixed = stream.end()
    assert sessions.failures == []
    assert mixed == 0 and again == 0
    if data_plane == "af-packet":
        assert lost == 0


def test_one_that_keeps_no_state_is_taken_over_with_a_line_about_what_is_lost(lab, start):
    director = start()
    director.add_web()
    replace(director)
    assert len(lines(director, "kept no state")) == 1
    assert director.json("list") == []
    director.add_web()
    assert spread(lab.client, 3) == {"rs1": 1, "rs2": 1, "rs3": 1}


def refused(lab, director, *options, under=()):
    """What lbd says that may not take over; the one that runs goes on."""
    ended = lab.director.run(*under, BINARIES / "lbd", "--socket", director.socket, "--replace", *options, check=False)
    assert ended.returncode == 1 and len(ended.stderr.splitlines()) == 1, ended.stderr
    assert spread(lab.client, 3) == {"rs1": 1, "rs2": 1, "rs3": 1}
    return ended.stderr


def test_who_may_not_take_over_is_told_why_and_the_one_that_runs_goes_on(packet_sockets, lab, web, tmp_path):
    lab.director.ip("link", "add", "eth9", "type", "veth", "peer", "name", "eth9-peer")
    try:
        assert "it has interface eth0, not eth9" in refused(lab, web, "--interface", "eth9")
    finally:
        lab.director.ip("link", "del", "eth9")
    assert "it has interface eth0, not eth0.7" in refused(lab, web, "--interface", "eth0", "--vlan", "7")
    caps = "-all,+net_raw,+net_admin"
    nobody = ("setpriv", "--reuid", "65534", "--clear-groups", f"--inh-caps={caps}", f"--ambient-caps={caps}")
    assert "Permission denied" in refused(lab, web, "--interface", "eth0", under=nobody)
    elsewhere = lab.director.run(BINARIES / "lbd", "--interface", "eth0", "--socket", tmp_path / "none.sock", "--replace",
                                 check=False)
    assert elsewhere.returncode == 1 and "no lbd can be taken over from" in elsewhere.stderr
    assert len(elsewhere.stderr.splitlines()) == 1


@pytest.mark.parametrize("said, answer", [
    (b"lbd-handover 99\nwhatever", b"refused: it hands over by version 1 of the protocol, not by 99"),
    (b"lbd-handover one", b""), (b"GET / HTTP/1.1\r\n\r\n", b""), (b"lbd-handover 1\n\xff\nvlan: 70000", b""),
])
def test_who_speaks_otherwise_takes_nothing_over(lab, web, said, answer):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asker:
        asker.settimeout(10)
        asker.connect(str(web.socket.with_suffix(".handover.sock")))
        asker.send(said)
        assert asker.recv(1000)[:len(answer) or None] == answer
    assert spread(lab.client, 3) == {"rs1": 1, "rs2": 1, "rs3": 1}
    assert Path(web.socket.with_suffix(".handover.sock")).stat().st_mode & 0o777 == 0o600
