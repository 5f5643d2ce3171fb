"""Directors that tell each other all (`--sync-all`): one that joins late asks, one that dies takes nothing along."""

import contextlib
import resource
import secrets
import signal
import socket
import struct

import pytest
from lab import CLIENT, DIP, SECOND_DIP, VIP
from sites import VIRTUAL_SERVER, Site, real_servers
from traffic import Session, connect
from waiting import until

GROUP, PORT = "224.0.0.81", 8848
ALL = ("--sync-interface", "eth0", "--sync-all")
# An empty datagram with the name of what directors say beside the kernel's protocol, and where to begin.
OFFER = struct.pack(">BBHBbH4sII", 0, 0, 20, 0, 1, 0, b"lbd1", 0, 1)
END = struct.pack(">BBHBbH4sII", 0, 0, 20, 0, 1, 0, b"lbd1", 0xFFFFFFFF, 0)
REQUEST = b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n"


def figures(director):
    return director.json_at("/v1/sync")


def open_connections(director):
    return sum(1 for line in director.get("/v1/connections").splitlines() if '"ESTABLISHED"' in line)


@pytest.fixture
def start_here(second_host, request):
    """Starts directors, which end before their hosts are gone."""
    return request.getfixturevalue("start")


@pytest.fixture
def join(lab, second_host, start_here):
    """A director that joins one that runs, and stands by."""
    def join(first, *options):
        second = start_here("--sync", "both", *ALL, "--peer", DIP, "--standby", *options, host=second_host,
                       socket=lab.directory / "second.sock")
        second.lbctl("apply", "-f", "-", input=first.lbctl("save").stdout)
        return second

    return join


@pytest.fixture
def first(start_here):
    def first(*options):
        director = start_here("--sync", "both", *ALL, "--peer", SECOND_DIP, *options)
        director.add_web()
        return director

    return first


@contextlib.contextmanager
def many(host, count):
    """So many connections of a client, each of which has asked once; who answered each."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connect(host)) for _ in range(count)]
        yield connections, [ask(connection) for connection in connections]


def ask(connection):
    """All that a server answers, whose name is in it."""
    connection.sendall(REQUEST)
    answer = b""
    while b"\r\n\r\n" not in answer or not answer.endswith(b"\n"):
        piece = connection.recv(65536)
        assert piece, "it was closed"
        answer += piece
    return answer.split(b"\r\n\r\n", 1)[1]


def test_a_director_that_joins_late_goes_on_with_every_connection(lab, first, join):
    one = first()
    with many(lab.client, 2000) as (connections, answers):
        assert len(set(answers)) == 3
        until(lambda: open_connections(one) == 2000)
        two = join(one)
        until(lambda: open_connections(two) == 2000, 60, lambda: str(figures(two)))
        # A stream is counted when its end is told, which is after its last connection.
        until(lambda: figures(one)["streams"]["answered"] >= 1 and figures(two)["streams"]["taken"] >= 1)
        assert one.stop(signal.SIGKILL) == -signal.SIGKILL
        two.lbctl("takeover")
        assert [ask(connection) for connection in connections] == answers


def test_what_begins_later_is_told_of_at_once_and_not_only_by_its_third_packet(lab, first, join):
    one = first()
    two = join(one)
    until(lambda: figures(two)["streams"]["taken"] == 1)
    with connect(lab.client) as quiet:
        until(lambda: open_connections(two) == 1)
        assert one.stop(signal.SIGKILL) == -signal.SIGKILL
        two.lbctl("takeover")
        assert ask(quiet).strip() in (b"rs1", b"rs2", b"rs3")


def test_who_comes_back_learns_what_the_other_one_went_on_with(lab, first, join, start_here):
    one = first()
    session = Session(lab.client)
    answer = session.get()
    two = join(one)
    until(lambda: open_connections(two) == 1)
    assert one.stop(signal.SIGKILL) == -signal.SIGKILL
    two.lbctl("takeover")
    back = start_here("--sync", "both", *ALL, "--peer", SECOND_DIP, "--standby")
    back.lbctl("apply", "-f", "-", input=two.lbctl("save").stdout)
    until(lambda: open_connections(back) == 1)
    assert session.get() == answer
    session.close()


def test_open_sessions_outlive_the_director_that_keepalived_had_made_the_active_one(lab, second_host, start_here):
    """`scripts/failover sessions` measures it with 5,000 of them, beside 500 requests a second."""
    web = VIRTUAL_SERVER.format(vip=VIP, port=80, scheduler="rr", more="", servers=real_servers(lab.servers))
    one = start_here("--standby", "--sync", "both", *ALL, "--peer", SECOND_DIP)
    two = start_here("--standby", "--sync", "both", *ALL, "--peer", DIP, host=second_host,
                     socket=lab.directory / "second.sock")
    sites = [Site(lab, one, 1, 150, web), Site(lab, two, 2, 100, web)]
    try:
        for site in sites:
            site.start()
            until(lambda: sites[0].owns, 60, sites[0].log)
        for site in sites:
            until(lambda: site.director.listing().count("->") == len(lab.servers) + 1, 60, site.log)
        with many(lab.client, 300) as (connections, answers):
            assert len(set(answers)) == 3
            until(lambda: open_connections(two) == 300, what=lambda: str(figures(two)))
            sites[0].kill()
            until(lambda: sites[1].owns, 60, sites[1].log)
            assert [ask(connection) for connection in connections] == answers
    finally:
        for site in sites:
            if site.process and site.process.poll() is None:
                site.process.terminate()
                site.process.wait(30)


def test_with_a_key_only_who_has_it_is_answered(lab, first, join, tmp_path):
    keys = []
    for name in ("right", "wrong"):
        (tmp_path / name).write_text(secrets.token_hex(32) + "\n")
        keys.append(("--sync-key", tmp_path / name))
    one = first(*keys[0])
    session = Session(lab.client)
    session.get()
    until(lambda: open_connections(one) == 1)
    two = join(one, *keys[1])
    until(lambda: figures(two)["datagrams"]["unsigned"] > 0)
    with asking(lab.client, DIP) as stranger:
        stranger.sendall(OFFER)
        assert stranger.recv(1) == b"", "sent away"
    assert figures(one)["streams"]["answered"] == 0 and open_connections(two) == 0
    two.stop()
    two = join(one, *keys[0])
    until(lambda: open_connections(two) == 1)
    session.close()


@contextlib.contextmanager
def asking(host, address):
    with host.socket(socket.AF_INET, socket.SOCK_STREAM) as stranger:
        stranger.settimeout(30)
        stranger.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
        stranger.connect((address, PORT))
        yield stranger


def test_strangers_that_ask_nonsense_nothing_or_too_often_hold_nobody_up(lab, first, join):
    one = first()
    with connect(lab.client) as quiet, contextlib.ExitStack() as stack:
        ask(quiet)
        for nonsense in (b"\xff" * 100, b"\0\0\0\1", OFFER[:8] + b"xxxx" + OFFER[12:], b"GET / HTTP/1.1\r\n\r\n"):
            with asking(lab.client, DIP) as stranger:
                stranger.sendall(nonsense)
                with contextlib.suppress(ConnectionResetError):
                    assert stranger.recv(1) == b""
        until(lambda: figures(one)["streams"]["refused"] == 4)
        # As many as are answered at a time ask and read nothing, or say nothing at all: more are sent away.
        for _ in range(6):
            stack.enter_context(asking(lab.client, DIP))
        until(lambda: figures(one)["streams"]["refused"] >= 6)
        two = join(one)
        until(lambda: open_connections(two) == 1, 60, lambda: str(figures(one)))
        assert ask(quiet)


def test_who_has_passed_a_router_is_not_let_in(lab, first):
    first()
    with lab.client.socket(socket.AF_INET, socket.SOCK_STREAM) as far:
        far.settimeout(2)
        far.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 64)
        with pytest.raises(TimeoutError):
            far.connect((DIP, PORT))


@pytest.mark.parametrize("lie, outcome", [
    (b"\xff" * 64, "refused"), (OFFER[:10], "failed"), (b"\0\0\xff\xff" + b"\0" * 3000, "failed"),
    (struct.pack(">BBHBbH", 0, 0, 44, 9, 1, 0) + b"\0" * 36, "refused"), (b"", "failed"),
    (END, "taken"), (struct.pack(">BBHBbH4sII", 0, 0, 20, 0, 1, 0, b"lbd1", 7, 9), "failed"),
])
def test_a_master_that_lies_is_left(lab, first, lie, outcome):
    one = first()
    with lab.client.socket(socket.AF_INET, socket.SOCK_STREAM) as liar, multicast(lab.client) as sender:
        liar.settimeout(30)
        liar.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        liar.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
        liar.bind((CLIENT, PORT))
        liar.listen()
        sender.sendto(OFFER, (GROUP, PORT))
        peer, _ = liar.accept()
        with peer:
            assert peer.recv(100) == OFFER
            peer.sendall(lie)
            peer.shutdown(socket.SHUT_WR)
            until(lambda: figures(one)["streams"][outcome] == 1, what=lambda: str(figures(one)))
    assert open_connections(one) == 0
    with connect(lab.client) as connection:
        assert ask(connection)


@contextlib.contextmanager
def multicast(host):
    with host.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(CLIENT))
        yield sender
