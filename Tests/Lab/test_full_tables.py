"""Tables that fill: what happens to clients, what is said, and that it is over when it is over."""

from pathlib import Path

import pytest
from director import ON_EVERY_DATA_PLANE, service
from flood import pour, spoofed
from frames import ACK, FIN, SYN, UDP, ipv4, tcp, udp
from lab import ABSENT, ASKER, CLIENT, VIP
from traffic import Session, UdpEcho, servers_of, web as requests
from waiting import until
from wire import Wire

# The smallest table that there can be.
ROOM = 1024
ECHO = 7


@pytest.fixture
def wire(lab):
    with Wire(lab.stranger) as wire:
        yield wire


def syns(numbers, *flags, port=80):
    """Of each of these clients a segment with each of these flags, SYN first."""
    return (tcp(spoofed(number), 1024, VIP, port, flag) for number in numbers for flag in (SYN, *flags))


def table(director, name="connections"):
    return next(row for row in director.json_at("/v1/tables") if row["name"] == name)


def metric(director, name):
    return next(float(line.split()[-1]) for line in director.get("/metrics").splitlines() if line.startswith(name))


def crowded(director):
    """The tables that are said to have too little room."""
    return {row["subject"] for row in director.json_at("/v1/findings") if row["kind"] == "table_full"}


def await_word_of(director, name, words):
    """It is found, once in the log, and beside every listing."""
    until(lambda: name in crowded(director))
    assert words in director.lbctl("list").stderr
    assert director.output().count(f"found: {words}") == 1
    until(lambda: metric(director, f'lvs_finding{{kind="table_full",vip="",subject="{name}"}}') == 1)


@ON_EVERY_DATA_PLANE
def test_every_client_gets_through_a_flood_of_half_open_connections(lab, start, wire):
    director = start("--connections", ROOM)
    director.add_web()
    for turn in range(5):
        pour(lab, director, wire, syns(range(turn * 1200, turn * 1200 + 1200)))
        assert len(requests(lab.client, 20)) == 20
    assert director.dropped("connection_table_full") == 0
    await_word_of(director, "connections", "the connection table is full or was")
    until(lambda: table(director)["entries"] > 1000)
    assert table(director)["entries"] <= table(director)["capacity"] == ROOM
    assert metric(director, 'lvs_table_evicted_total{table="connections",kind="half_open"}') > 4000
    assert metric(director, 'lvs_table_capacity{table="connections"}') == ROOM
    counts = director.connections()
    assert sum(map(sum, counts.values())) <= ROOM, "those that were ended are not counted at their servers any more"


def test_flows_of_one_datagram_make_room_and_it_is_said_when_there_is_enough_again(lab, start, wire):
    director = start("--connections", ROOM)
    director.lbctl("timeouts", 0, 0, 2)
    director.add_web()
    director.lbctl("add-service", "-u", f"{VIP}:{ECHO}")
    director.lbctl("add-rs", "-u", f"{VIP}:{ECHO}", "-r", f"{lab.servers[0].address}:{ECHO}")
    pour(lab, director, wire, (udp(spoofed(number), 1024, VIP, ECHO, b"?") for number in range(3000)))
    assert len(requests(lab.client, 5)) == 5
    assert director.dropped("connection_table_full") == 0
    await_word_of(director, "connections", "the connection table is full or was")
    assert table(director)["evicted"]["one_packet"] > 0
    until(lambda: crowded(director) == set(), 40)
    assert "no longer so: the connection table is full or was" in director.output()
    assert director.lbctl("list").stderr == ""


def test_only_established_connections_make_it_refuse_new_ones_and_they_go_on(lab, start, wire):
    director = start("--connections", ROOM)
    director.add_web(servers=lab.servers[:1])
    session = Session(lab.client)
    assert session.get() == "rs1"
    pour(lab, director, wire, syns(range(1300), ACK))
    until(lambda: director.dropped("connection_table_full") > 200)
    refused = lab.client.run("curl", "--silent", "--max-time", 1, f"http://{VIP}/", check=False)
    assert refused.returncode == 28 and session.get() == "rs1"
    await_word_of(director, "connections", "the connection table is full or was")
    # A hundred of them say that they are done.
    pour(lab, director, wire, (tcp(spoofed(number), 1024, VIP, 80, FIN | ACK) for number in range(100)))
    until(lambda: lab.client.run("curl", "--silent", "--max-time", 1, f"http://{VIP}/", check=False).stdout == "rs1\n")
    assert table(director)["evicted"]["closing"] > 0 and session.get() == "rs1"
    session.close()


def test_ordinary_connections_that_are_over_make_room(lab, start, wire):
    director = start("--connections", ROOM)
    director.add_web()
    pour(lab, director, wire, syns(range(3000), ACK, FIN | ACK))
    until(lambda: lab.client.run("curl", "--silent", "--max-time", 1, f"http://{VIP}/", check=False).returncode == 0)
    assert len(requests(lab.client, 50)) == 50
    until(lambda: table(director)["evicted"]["closing"] > 0)


def test_a_flood_of_one_workers_clients_leaves_room_for_those_of_the_other(lab, start, wire, clients):
    director = start("--connections", ROOM, "--workers", 2)
    director.add_web()
    for _ in range(3):
        pour(lab, director, wire, (tcp(spoofed(1), port, VIP, 80, SYN) for port in range(1024, 4024)))
        for address in (CLIENT, *clients):
            assert servers_of(lab, address, 10) <= {"rs1", "rs2", "rs3"}
    until(lambda: min(worker["connections"] for worker in director.json("workers")) > 0)
    assert sum(worker["connections"] for worker in director.json("workers")) <= ROOM
    rows = [line.split() for line in director.lbctl("workers").stdout.splitlines()]
    assert ["TABLE", "ENTRIES", "CAPACITY", "EVICTED", "REFUSED"] in rows
    assert [str(ROOM)] == [row[2] for row in rows if row[:1] == ["connections"]], "of the whole table"


def test_templates_of_half_open_connections_make_room_for_real_clients(lab, start, wire, clients):
    director = start("--connections", 4 * ROOM, "--templates", ROOM)
    director.add_web(options=("-p", "300"))
    for turn in range(2):
        pour(lab, director, wire, syns(range(turn * 1200, turn * 1200 + 1200)))
        chosen = [servers_of(lab, address) for address in clients]
        assert [len(names) for names in chosen] == [1, 1, 1]
    assert director.dropped("template_table_full") == 0
    assert table(director, "templates")["entries"] <= table(director, "templates")["capacity"] == ROOM
    # Now all have established connections.
    pour(lab, director, wire, syns(range(1200), ACK))
    until(lambda: director.dropped("template_table_full") > 100)
    await_word_of(director, "templates", "the table of persistence templates is full or was")
    assert [servers_of(lab, address) for address in clients[:1]] == chosen[:1]


def orphan(number):
    """A fragment, the first of whose datagram never comes."""
    return ipv4(spoofed(number), VIP, UDP, b"x" * 64, identification=number, fragment=100)


def test_fragments_without_their_first_one_are_bounded_and_hold_up_no_datagram(lab, director, wire):
    director.lbctl("add-service", "-u", f"{VIP}:{ECHO}")
    director.lbctl("add-rs", "-u", f"{VIP}:{ECHO}", "-r", f"{lab.servers[0].address}:{ECHO}")
    with UdpEcho(lab.servers[0], port=ECHO), Wire(lab.servers[0]) as server:
        pour(lab, director, wire, map(orphan, range(1000)))
        assert director.dropped("fragment_queue_full") > 500
        with lab.client.socket(2, 2) as client:
            client.settimeout(5)
            client.sendto(b"y" * 4000, (VIP, ECHO))
            assert client.recv(65536) == b"rs1 " + b"y" * 4000
        await_word_of(director, "fragments", "fragments come without the first of their datagram")
        until(lambda: director.dropped("fragment_timeout") > 200)
        # There is room again for one that comes early.
        datagram = udp(ASKER, 1024, VIP, ECHO, b"z" * 64)[20:]
        late = [ipv4(ASKER, VIP, UDP, datagram[40:], identification=5000, fragment=5),
                ipv4(ASKER, VIP, UDP, datagram[:40], identification=5000, fragment=0x2000)]
        pour(lab, director, wire, late)
        assert len(server.gather(2, lambda frame: frame.ip and frame.ip.source == ASKER)) == 2


def test_frames_that_wait_for_one_server_are_bounded_and_hold_up_no_other(lab, director, wire):
    director.add_web()
    director.lbctl("add-service", *service(port=8080), "-s", "rr")
    director.lbctl("add-rs", *service(port=8080), "-r", f"{ABSENT}:8080")
    pour(lab, director, wire, syns(range(1000), port=8080))
    assert director.dropped("hold_queue_full") > 500
    assert len(requests(lab.client, 10)) == 10
    await_word_of(director, "held", "too many frames wait for a server's Ethernet address")
    server = lab.servers[0]
    server.ip("address", "add", f"{ABSENT}/32", "dev", "eth0")
    try:
        until(lambda: lab.client.run("curl", "--silent", "--max-time", 1, f"http://{VIP}:8080/", check=False).returncode == 0)
    finally:
        server.ip("address", "delete", f"{ABSENT}/32", "dev", "eth0")


def resident(director):
    """Mebibytes of memory that the daemon has."""
    return int(Path(f"/proc/{director.process.pid}/statm").read_text().split()[1]) * 4096 / (1 << 20)


def test_memory_is_taken_as_connections_come_and_given_back_when_they_are_gone(lab, start, wire):
    director = start()
    capacity = table(director)["capacity"]
    assert capacity == table(director, "templates")["capacity"] >= 1 << 20
    assert f"room for {capacity} connections (the whole table, {capacity >> 14} MiB when it is full)" in director.output()
    director.lbctl("set", "expire_nodest_conn", 1)
    director.lbctl("add-service", "-u", f"{VIP}:{ECHO}")
    director.lbctl("add-rs", "-u", f"{VIP}:{ECHO}", "-r", f"{lab.servers[0].address}:{ECHO}")
    before, count = resident(director), 200_000
    least = 0.9 * count * 64 / (1 << 20)
    pour(lab, director, wire, (udp(spoofed(n & 0xffff), 1024 + (n >> 16), VIP, ECHO) for n in range(count)))
    until(lambda: table(director)["entries"] > 0.9 * count)
    full = resident(director)
    assert full > before + least
    director.lbctl("del-rs", "-u", f"{VIP}:{ECHO}", "-r", f"{lab.servers[0].address}:{ECHO}")
    until(lambda: table(director)["entries"] == 0)
    # Some is kept for what may come; what the ring of frames took stays.
    until(lambda: resident(director) < full - 0.75 * least, what=lambda: f"{before} {full} {resident(director)}")
