"""Directors that tell each other of their connections by the kernel's protocol: what one has the other has too."""

import json
import random
import secrets
import signal
import socket
import struct
import subprocess
from contextlib import contextmanager

import pytest
from lab import BINARIES, CLIENT, DIP, SECOND_DIP, VIP
from traffic import Session, sha256, web
from waiting import until

GROUP, PORT = "224.0.0.81", 8848
SYNC = ("--sync-interface", "eth0")
# Flags and state.
ESTABLISHED, FIN_WAIT = (0x83, 1), (0x183, 4)


@pytest.fixture
def directors(lab, second_host, request):
    """A master that has the VIP, and a backup of the same configuration that stands by."""
    start = request.getfixturevalue("start")

    def directors(master=(), backup=(), scheduler="rr", options=()):
        first = start("--sync", "master", *SYNC, "--peer", SECOND_DIP, *master)
        first.add_web(scheduler, options=options)
        second = start("--sync", "backup", *SYNC, "--peer", DIP, "--standby", *backup,
                       host=second_host, socket=lab.directory / "second.sock")
        second.lbctl("apply", "-f", "-", input=first.lbctl("save").stdout)
        return first, second

    return directors


@pytest.fixture
def backup(start):
    """A director that has the VIP and takes what others tell."""
    def backup(*options):
        director = start("--sync", "backup", *SYNC, *options)
        director.add_web()
        return director

    return backup


def rows(director):
    """Client, virtual end, server, state and whether it is a template, of each connection."""
    return sorted((row["client"], row["virtual"], row["server"], row["state"], row["is_template"])
                  for row in map(json.loads, director.get("/v1/connections").splitlines()))


def figures(director):
    return director.json_at("/v1/sync")


def multicast(host, address=CLIENT):
    sender = host.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
    return sender


def record(client, port, server, kind=ESTABLISHED, timeout=900, transport=6, virtual_port=80):
    flags, state = kind
    return struct.pack(">BBHIHHHHII4s4s4s", 0, transport, 36, flags, state, port, virtual_port, virtual_port, 0, timeout,
                       *map(socket.inet_aton, (client, VIP, server)))


def datagram(records, sync_id=0):
    body = b"".join(records)
    return struct.pack(">BBHBbH", 0, sync_id, 8 + len(body), len(records), 1, 0) + body


def send(host, *datagrams):
    with multicast(host) as sender:
        for content in datagrams:
            sender.sendto(content, (GROUP, PORT))


def test_open_connections_go_on_after_the_master_was_killed_and_the_backup_has_the_vip(lab, directors, tmp_path):
    first, second = directors()
    content = random.Random(1).randbytes(64 << 20)
    (lab.files / "synced").write_bytes(content)
    sessions = [Session(lab.client) for _ in range(6)]
    answers = [session.get() for session in sessions]
    copy = tmp_path / "copy"
    download = lab.client.start("curl", "--silent", "--show-error", "--fail", "--max-time", 120, "--limit-rate", "8M",
                                "--output", copy, f"http://{VIP}/files/synced", log=tmp_path / "curl.log")
    until(lambda: len(rows(first)) == 7 and rows(second) == rows(first))
    assert set(answers) == {"rs1", "rs2", "rs3"}
    assert first.stop(signal.SIGKILL) == -signal.SIGKILL
    second.lbctl("takeover")
    assert [session.get() for session in sessions] == answers, "each goes on to its server"
    assert download.wait(120) == 0 and copy.stat().st_size == len(content)
    assert sha256(copy) == sha256(lab.files / "synced")
    assert web(lab.client, 3)
    for session in sessions:
        session.close()
    (lab.files / "synced").unlink()


def test_the_end_of_a_connection_is_told_at_once(lab, directors):
    first, second = directors()
    session = Session(lab.client)
    session.get()
    until(lambda: [row[3] for row in rows(second)] == ["ESTABLISHED"])
    assert sum(active for active, _ in second.connections().values()) == 1
    session.close()
    until(lambda: [row[3] for row in rows(second)] == ["FIN_WAIT"])
    assert second.connections() == first.connections()


def test_templates_are_told_of_and_keep_a_client_at_its_server(lab, directors):
    first, second = directors(options=("-p", "300"))
    answers = set(web(lab.client, 4))
    assert len(answers) == 1
    until(lambda: [row for row in rows(second) if row[4]] == [row for row in rows(first) if row[4]] != [])
    first.stop(signal.SIGKILL)
    second.lbctl("takeover")
    assert set(web(lab.client, 4)) == answers


def test_what_a_peer_told_is_not_told_back(lab, second_host, start):
    first = start("--sync", "both", *SYNC, "--peer", SECOND_DIP)
    first.add_web(options=("-p", "300"))
    second = start("--sync", "both", *SYNC, "--peer", DIP, "--standby", host=second_host,
                   socket=lab.directory / "second.sock")
    second.lbctl("apply", "-f", "-", input=first.lbctl("save").stdout)
    session = Session(lab.client)
    session.get()
    until(lambda: len(rows(second)) == 2)
    before = figures(first)["sent"]["records"]
    session.get()
    session.close()
    until(lambda: figures(first)["sent"]["records"] > before and "FIN_WAIT" in [row[3] for row in rows(second)])
    assert figures(second)["sent"] == {"datagrams": 0, "records": 0, "errors": 0, "dropped": 0}
    assert figures(first)["datagrams"] == dict.fromkeys(figures(first)["datagrams"], 0)


def test_several_ports_share_the_telling(lab, directors, second_host):
    first, second = directors()
    for director in (first, second):
        director.lbctl("set", "sync_ports", "4")
        director.lbctl("set", "sync_sock_size", "65536")
    until(lambda: f":{PORT + 3:04X} " in second_host.run("cat", "/proc/net/udp").stdout)
    sessions = [Session(lab.client) for _ in range(12)]
    with socketed(lab.client, (PORT + 1, PORT + 2, PORT + 3)) as others:
        for session in sessions:
            session.get()
        for other in others:
            assert other.recv(65536)
    until(lambda: len(rows(first)) == 12 and rows(second) == rows(first))
    for session in sessions:
        session.close()


def test_version_0_tells_what_an_old_kernel_reads(lab, directors):
    first, second = directors()
    first.lbctl("set", "sync_version", "0")
    with socketed(lab.client, (PORT,)) as (old,):
        session = Session(lab.client)
        session.get()
        heard = old.recv(65536)
    assert heard[:4] == struct.pack(">BBH", 1, 0, len(heard)) and len(heard) == 28
    until(lambda: rows(second) == rows(first) != [])
    session.close()


@contextmanager
def socketed(host, ports):
    """Sockets of the group, one a port."""
    sockets = []
    for port in ports:
        listener = host.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener.bind((GROUP, port))
        listener.settimeout(30)
        listener.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                            socket.inet_aton(GROUP) + socket.inet_aton(CLIENT))
        sockets.append(listener)
    yield sockets
    for listener in sockets:
        listener.close()


def test_a_backup_of_another_sync_id_takes_nothing(lab, directors):
    _, second = directors(("--sync-id", "1"), ("--sync-id", "2"))
    Session(lab.client).get()
    until(lambda: figures(second)["datagrams"]["other_id"] > 0)
    assert rows(second) == [] and figures(second)["datagrams"]["taken"] == 0


@pytest.fixture
def key(tmp_path):
    def key(name):
        path = tmp_path / name
        path.write_text(secrets.token_hex(32) + "\n")
        return "--sync-key", path

    return key


def test_with_a_key_signed_datagrams_are_taken_once(lab, directors, key):
    secret = key("secret")
    first, second = directors(secret, secret)
    with lab.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as eavesdropper:
        eavesdropper.bind((GROUP, PORT))
        eavesdropper.settimeout(30)
        eavesdropper.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                                socket.inet_aton(GROUP) + socket.inet_aton(CLIENT))
        session = Session(lab.client)
        session.get()
        heard = eavesdropper.recv(65536)
    until(lambda: rows(second) == rows(first) != [])
    send(lab.client, heard)
    until(lambda: figures(second)["datagrams"]["replayed"] == 1)
    send(lab.client, bytes([*heard[:-1], heard[-1] ^ 1]), datagram([record(CLIENT, 1, "10.77.0.21")]))
    until(lambda: figures(second)["datagrams"]["unsigned"] == 2)
    assert rows(second) == rows(first)


def test_without_the_right_key_nothing_is_taken(lab, directors, key):
    _, second = directors(key("one"), key("another"))
    Session(lab.client).get()
    until(lambda: figures(second)["datagrams"]["unsigned"] > 0)
    assert rows(second) == []


def test_garbage_of_every_length_is_refused_and_counted(lab, backup):
    director = backup("--sync-id", "7")
    source = random.Random(2)
    valid = datagram([record(CLIENT, 1000, "10.77.0.21"), record(CLIENT, 1001, "10.77.0.22", FIN_WAIT)], 7)
    garbage = [source.randbytes(length) for length in range(1, 1473)] + [source.randbytes(65507)]
    # With a size that is right, and cut off everywhere; and with one byte that is another.
    garbage += [valid[:2] + struct.pack(">H", length) + valid[4:length] for length in range(4, len(valid))]
    garbage += [valid[:place] + bytes([valid[place] ^ source.randrange(1, 256)]) + valid[place + 1:]
                for place in range(len(valid))]
    for number in range(0, len(garbage), 100):
        send(lab.client, *garbage[number:number + 100])
        until(lambda: sum(figures(director)["datagrams"].values()) == min(number + 100, len(garbage)))
    assert figures(director)["datagrams"]["wrong_size"] >= 1473
    assert set(web(lab.client, 3)) == {"rs1", "rs2", "rs3"}


def test_invented_connections_leave_room_and_live_ones_alone(lab, backup):
    director = backup("--connections", "1024")
    session = Session(lab.client)
    answer = session.get()
    port = session.connection.sock.getsockname()[1]
    other = next(server.address for server in lab.servers if server.name != answer)
    send(lab.client, datagram([record(CLIENT, port, other)]))
    until(lambda: figures(director)["records"]["conflict"] == 1)
    assert session.get() == answer
    invented = [record(f"10.78.{number >> 8}.{number & 255}", 5000, "10.77.0.21") for number in range(1, 2001)]
    send(lab.client, *(datagram(invented[start:start + 40]) for start in range(0, 2000, 40)))
    until(lambda: figures(director)["records"]["entered"] + figures(director)["records"]["full"] == 2000)
    assert figures(director)["records"]["entered"] <= 1024 // 8 * 7
    assert set(web(lab.client, 30)) == {"rs1", "rs2", "rs3"} and session.get() == answer


@pytest.mark.parametrize("client, server, outcome", [
    ("10.77.0.11", "10.77.0.99", "unknown"), ("224.0.0.1", "10.77.0.21", "unfit"), (VIP, "10.77.0.21", "unfit"),
    ("127.0.0.1", "10.77.0.21", "unfit"), (DIP, "10.77.0.21", "unfit"),
])
def test_connections_that_cannot_be_are_counted_as_that(lab, backup, client, server, outcome):
    director = backup()
    send(lab.client, datagram([record(client, 4000, server)]))
    until(lambda: figures(director)["records"][outcome] == 1)
    assert rows(director) == []


def test_ipvsadm_starts_lists_and_stops_the_daemons(lab, director):
    def ipvsadm(*words, **options):
        return director.lbctl("ipvsadm", *words, **options)

    assert ipvsadm("-L", "--daemon").stdout == ""
    ipvsadm("--start-daemon", "backup", "--mcast-interface", "eth0", "--syncid", "3")
    ipvsadm("--start-daemon", "master", "--mcast-interface", "eth0", "--syncid", "3")
    assert ipvsadm("-L", "--daemon").stdout == (
        "master sync daemon (mcast=eth0, syncid=3)\nbackup sync daemon (mcast=eth0, syncid=3)\n")
    again = ipvsadm("--start-daemon", "master", "--mcast-interface", "eth0", check=False)
    assert again.returncode != 0 and again.stderr == "Daemon has already run\n"
    ipvsadm("--stop-daemon", "master")
    assert ipvsadm("-L", "--daemon").stdout == "backup sync daemon (mcast=eth0, syncid=3)\n"
    ipvsadm("--stop-daemon", "backup")
    nothing = ipvsadm("--stop-daemon", "backup", check=False)
    assert nothing.returncode != 0 and nothing.stderr == "No daemon is running\n"
    lost = ipvsadm("--start-daemon", "master", "--mcast-interface", "eth7", check=False)
    assert lost.returncode != 0 and "eth7" in lost.stderr and lost.stderr.count("\n") == 1


def test_debians_ipvsadm_starts_lists_and_stops_them_too(lab, director):
    def ipvsadm(*words):
        return director.lbctl("with-ipvs", "/usr/sbin/ipvsadm", *words, check=False)

    for role in ("backup", "master"):
        assert ipvsadm("--start-daemon", role, "--mcast-interface", "eth0", "--syncid", "3").returncode == 0
    listing = ipvsadm("-L", "--daemon").stdout
    assert "master sync daemon (mcast=eth0, syncid=3" in listing and "backup sync daemon (mcast=eth0, syncid=3" in listing
    for role in ("backup", "master"):
        assert ipvsadm("--stop-daemon", role).returncode == 0
        assert ipvsadm("--stop-daemon", role).returncode != 0
    assert figures(director)["daemons"] == []


@pytest.mark.parametrize("words, line", [
    (["--sync", "both"], "--sync-interface"), (["--sync-interface", "eth0"], "goes with --sync"),
    (["--sync", "master", *SYNC, "--sync-group", "10.0.0.1"], "not a multicast address"),
    (["--sync", "master", *SYNC, "--sync-maxlen", "100"], "not in 431 to 65507"),
])
def test_a_wrong_command_line_is_told_in_one_line(lab, words, line):
    done = subprocess.run([BINARIES / "lbd", "--interface", "eth0", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and line in done.stderr and done.stderr.count("\n") == 1


def test_a_key_that_is_too_short_is_refused(lab, tmp_path):
    short = tmp_path / "short"
    short.write_text("secret\n")
    done = lab.director.run(BINARIES / "lbd", "--interface", "eth0", "--socket", tmp_path / "lbd.sock", "--sync", "master",
                            *SYNC, "--sync-key", short, check=False)
    assert done.returncode == 1 and "shorter than 16 bytes" in done.stderr
