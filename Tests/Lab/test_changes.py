"""Changes are in force when the command returns, and running traffic does not notice."""

import socket

import pytest
from director import service
from lab import OTHER_VIP, VIP
from traffic import Session, Traffic, connect, spread, web as requests
from waiting import until


def real_server(server, port=80):
    return ("-r", f"{server.address}:{port}")


# Under traffic


def test_adding_a_server_loses_nothing(lab, director):
    director.add_web(servers=lab.servers[:2])
    with Traffic(lab.client) as traffic:
        traffic.wait(50)
        director.lbctl("add-rs", *service(), *real_server(lab.servers[2]))
        traffic.wait(50)
    assert traffic.failures == []
    assert "rs3" in traffic.answers
    assert spread(lab.client, 9) == {"rs1": 3, "rs2": 3, "rs3": 3}


def test_editing_a_weight_or_a_scheduler_loses_nothing(lab, web):
    with Traffic(lab.client) as traffic:
        for weight in (5, 0, 1, 100, 2):
            web.lbctl("edit-rs", *service(), *real_server(lab.servers[0]), "-w", weight)
            traffic.wait(10)
        for scheduler in ("wrr", "wlc", "sh", "dh", "rr"):
            web.lbctl("edit-service", *service(), "-s", scheduler)
            traffic.wait(10)
    assert traffic.failures == []


def test_draining_a_server_loses_nothing(lab, web):
    sessions = [Session(lab.client) for _ in range(3)]
    names = [session.get() for session in sessions]
    assert sorted(names) == ["rs1", "rs2", "rs3"]
    with Traffic(lab.client) as traffic:
        traffic.wait(20)
        web.lbctl("drain-rs", *service(), *real_server(lab.servers[1]))
        traffic.wait(20)
        assert "rs2" not in requests(lab.client, 12), "drained, and yet it gets new connections"
        assert [session.get() for session in sessions] == names, "an open connection stays where it is"
    assert traffic.failures == []


def test_a_drain_can_be_undone(lab, director):
    director.add_web("wrr", weights=[3, 1, 1])
    director.lbctl("drain-rs", *service(), *real_server(lab.servers[0]))
    assert spread(lab.client, 4) == {"rs2": 2, "rs3": 2}
    director.lbctl("drain-rs", *service(), *real_server(lab.servers[0]), "--undo")
    assert spread(lab.client, 10) == {"rs1": 6, "rs2": 2, "rs3": 2}


def test_a_drained_server_can_be_removed_without_a_failure(lab, web):
    with Traffic(lab.client) as traffic:
        traffic.wait(20)
        web.lbctl("drain-rs", *service(), *real_server(lab.servers[1]))
        until(lambda: web.connections()[lab.servers[1].address][0] == 0)
        web.lbctl("del-rs", *service(), *real_server(lab.servers[1]))
        traffic.wait(20)
    assert traffic.failures == []
    assert spread(lab.client, 10) == {"rs1": 5, "rs3": 5}


def test_removing_a_server_disturbs_only_its_own_connections(lab, web):
    sessions = {session.get(): session for session in [Session(lab.client) for _ in range(3)]}
    assert sorted(sessions) == ["rs1", "rs2", "rs3"]
    web.lbctl("del-rs", *service(), *real_server(lab.servers[1]))
    assert spread(lab.client, 10) == {"rs1": 5, "rs3": 5}
    assert [sessions[name].get() for name in ("rs1", "rs3")] == ["rs1", "rs3"]
    sessions["rs2"].connection.sock.settimeout(0.5)
    with pytest.raises(TimeoutError):  # The director drops the frames of a removed server silently, as IPVS does.
        sessions["rs2"].get()


def test_connections_of_a_server_go_on_when_it_is_added_again(lab, web):
    sessions = {session.get(): session for session in [Session(lab.client) for _ in range(3)]}
    web.lbctl("del-rs", *service(), *real_server(lab.servers[1]))
    web.lbctl("add-rs", *service(), *real_server(lab.servers[1]))
    assert sessions["rs2"].get() == "rs2"
    assert web.connections()[lab.servers[1].address][0] == 1


# Services


def test_a_removed_service_refuses_while_another_keeps_the_vip(lab, web):
    web.add_web(port=8080)
    web.lbctl("del-service", *service())
    with pytest.raises(ConnectionRefusedError):
        connect(lab.client)
    assert spread(lab.client, 3, port=8080) == {"rs1": 1, "rs2": 1, "rs3": 1}


def test_two_vips_are_served_side_by_side(lab, web):
    web.add_web("wrr", weights=[3, 0, 0], vip=OTHER_VIP)
    assert spread(lab.client, 6) == {"rs1": 2, "rs2": 2, "rs3": 2}
    assert spread(lab.client, 6, vip=OTHER_VIP) == {"rs1": 6}


def test_flush_leaves_nothing(lab, web):
    web.add_web(vip=OTHER_VIP)
    web.lbctl("flush")
    assert web.listing().splitlines()[1:] == [
        "Prot LocalAddress:Port Scheduler Flags", "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn"]
    lab.client.forget_neighbors()
    with pytest.raises(OSError):
        connect(lab.client, timeout=0.5)


# What list and its relatives tell


def test_list_has_the_layout_of_ipvsadm(lab, director):
    director.add_web("wrr", weights=[1, 20, 300], options=("-p", "60", "-M", "255.255.255.0"))
    rows = [f"  -> {server.address + ':80':<28} Route   {weight:<6} {0:<10} {0:<10}"
            for server, weight in zip(lab.servers, (1, 20, 300))]
    assert director.listing() == "\n".join([
        "IP Virtual Server version 1.2.1 (size=4096)",
        "Prot LocalAddress:Port Scheduler Flags",
        "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn",
        f"TCP  {VIP}:80 wrr persistent 60 mask 255.255.255.0", *rows, ""])


def test_list_counts_active_and_inactive_connections(lab, web):
    sessions = [connect(lab.client) for _ in range(6)]
    # A connection is active with its last ACK, which nobody answers.
    until(lambda: web.connections() == {server.address: (2, 0) for server in lab.servers})
    for session in sessions:
        session.close()
    until(lambda: web.connections() == {server.address: (0, 2) for server in lab.servers})


def test_list_stats_counts_packets_and_zero_forgets_them(lab, web):
    def counts():
        line = next(line for line in web.lbctl("list", "--stats").stdout.splitlines() if line.startswith("TCP"))
        return [int(word) for word in line.split()[2:]]

    def are_zero():
        web.lbctl("zero")
        return counts() == [0] * 5

    requests(lab.client, 6)
    # What a client says last nobody answers: it may be on its way when curl has ended.
    until(lambda: counts()[1] >= 6 * 4)
    connections, packets, out_packets, received, sent = counts()
    assert connections == 6 and received > 40 * packets and (out_packets, sent) == (0, 0)
    until(are_zero)


def test_list_connections_shows_each_connection_with_its_state(lab, web):
    session = Session(lab.client)
    name = session.get()
    port = session.connection.sock.getsockname()[1]
    server = next(server for server in lab.servers if server.name == name)
    rows = [line.split() for line in web.lbctl("list", "--connections").stdout.splitlines()[2:]]
    ours = [row for row in rows if row[3] == f"{lab.client.address}:{port}"]
    assert [(row[0], row[2], row[4], row[5]) for row in ours] == [
        ("TCP", "ESTABLISHED", f"{VIP}:80", f"{server.address}:80")]


def test_json_says_the_same_as_the_listing(lab, web):
    (status,) = web.json("list")
    assert {row["address"] for row in status["servers"]} == {f"{server.address}:80" for server in lab.servers}


def test_timeouts_are_shown_and_set(lab, web):
    assert web.lbctl("timeouts").stdout.strip() == "Timeout (tcp tcpfin udp): 900 120 300"
    web.lbctl("timeouts", "0", "30", "20")
    assert web.lbctl("timeouts").stdout.strip() == "Timeout (tcp tcpfin udp): 900 30 20"


def test_a_udp_connection_expires(lab, director):
    director.lbctl("timeouts", "0", "0", "3")
    director.lbctl("add-service", "-u", f"{VIP}:7", "-s", "rr")
    director.lbctl("add-rs", "-u", f"{VIP}:7", *real_server(lab.servers[0], 7))
    with lab.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"once", (VIP, 7))
    until(lambda: len(director.lbctl("list", "--connections").stdout.splitlines()) == 3)
    until(lambda: len(director.lbctl("list", "--connections").stdout.splitlines()) == 2)
