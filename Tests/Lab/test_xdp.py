"""`--data-plane af-xdp`: what is special about it. What it has in common with the others is tested with theirs."""

import os
import signal

import pytest
from director import Director
from frames import (ACK, ARP_REPLY, ECHO_REPLY, ETHERTYPE_IPV4, SYN, UDP, arp_request, echo_request, ethernet,
                    icmp_error, ipv4, tcp, udp)
from lab import BINARIES, OTHER_VIP, STRANGER_MAC, VIP
from traffic import connect, spread
from waiting import until
from wire import Wire, gather, is_arp
from xdp import await_another, program, programs

XDP = ("--data-plane", "af-xdp")
QUEUES, MAC, ADDRESS, ROUTER = 2, "02:00:00:00:05:01", "10.77.0.3", "10.77.0.99"


@pytest.fixture
def data_plane():
    return "af-xdp"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_program_is_gone_when_lbd_is(lab, start, how):
    director = start()
    director.add_web()
    assert len(programs(lab.director)) == 1
    director.stop(how)
    until(lambda: not programs(lab.director))


def test_it_says_how_it_is_attached(start):
    assert "AF_XDP on eth0: native mode, copying, 1 receive queue" in start().output()


def only(*capabilities):
    """Runs a program with these capabilities and no others."""
    words = ",".join(["-all", *(f"+{name}" for name in capabilities)])
    return ("setpriv", "--securebits=+noroot,+noroot_locked", f"--inh-caps={words}", f"--ambient-caps={words}",
            f"--bounding-set={words}")


def test_the_capabilities_of_the_unit_are_enough(lab, start):
    # The last one stands for LimitMEMLOCK=infinity.
    start(under=only("net_raw", "net_admin", "bpf", "ipc_lock")).add_web()
    assert spread(lab.client, 3) == {"rs1": 1, "rs2": 1, "rs3": 1}


def test_what_the_process_lacks_is_named(lab):
    assert "CAP_BPF" in refusal(lab, "eth0", under=only("net_raw", "net_admin"), way_out="systemd/lbd.service")
    little = ("prlimit", "--memlock=1048576", *only("net_raw", "net_admin", "bpf"), "--reuid=65534")
    (lab.directory / "open").mkdir(mode=0o777)
    (lab.directory / "open").chmod(0o777)
    assert "RLIMIT_MEMLOCK" in refusal(lab, "eth0", under=little, way_out="RLIMIT_MEMLOCK", socket="open/lbd.sock")
    assert "Permission denied" in refusal(lab, "eth0", under=little, way_out="run it as root")


def test_what_is_not_for_a_vip_stays_the_hosts(lab, web):
    assert lab.client.run("ping", "-c", "1", "-w", "20", lab.director.address).returncode == 0
    assert lab.client.neighbor(lab.director.address) == lab.director.mac
    with lab.director.socket() as session:
        session.bind((lab.director.address, 2222))
        session.listen()
        connect(lab.client, vip=lab.director.address, port=2222).close()


def test_generic_mode_forwards_where_nobody_sends_super_frames(lab, start):
    lab.offloads(False)
    try:
        director = start("--xdp-mode", "generic")
        director.add_web()
        assert "generic mode" in director.output()
        assert sorted(spread(lab.client, 30).values()) == [10, 10, 10]
    finally:
        lab.offloads(True)


def test_workers_without_a_queue_get_what_is_theirs_from_the_one_that_has_it(lab, start):
    director = start("--workers", "3")
    director.add_web()
    clients = [f"10.77.1.{number}" for number in range(1, 31)]
    with Wire(lab.stranger) as wire:
        arrivals = [Wire(server) for server in lab.servers]
        for client in clients:
            wire.send(ethernet(lab.director.mac, STRANGER_MAC, ETHERTYPE_IPV4, tcp(client, 6000, VIP, 80, SYN)))
        counts = counted(arrivals, len(clients))
    assert counts == [10, 10, 10]

    def have_all_worked():
        workers = director.json("workers")
        assert workers[1]["handed_over"] == 0
        return workers[0]["handed_over"] > 0 and all(worker["connections"] + worker["frames"] > 0 for worker in workers)

    until(have_all_worked)


def counted(arrivals, count):
    """How many segments came to each server, of `count` that were sent."""
    seen = gather(arrivals, count, lambda frame: frame.tcp)
    for arrival in arrivals:
        arrival.socket.close()
    return [len(frames) for frames in seen]


@pytest.fixture
def two_queues(lab):
    """A director whose two receive queues the test chooses between by sending from one processor or the other."""
    if (os.cpu_count() or 1) < QUEUES:
        pytest.skip("needs two processors: each sends to a queue of its own")
    with lab.host_with_queues("queues", MAC, ADDRESS, QUEUES) as host:
        director = Director(lab, *XDP, "--workers", str(QUEUES), "--probe-interval", "20", host=host,
                            socket=lab.directory / "queues.sock").start()
        try:
            director.add_web()
            director.lbctl("add-service", "-u", f"{VIP}:53", "-s", "rr")
            for server in lab.servers:
                director.lbctl("add-rs", "-u", f"{VIP}:53", "-r", f"{server.address}:53")
            yield director
        finally:
            assert director.stop() == 0


def send(wire, queue, packet):
    """Sends from the processor that the queue belongs to."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {queue})
    try:
        wire.send(ethernet(MAC, STRANGER_MAC, ETHERTYPE_IPV4, packet))
    finally:
        os.sched_setaffinity(0, before)


def fragments(client, size=64):
    """A datagram in two fragments."""
    datagram = udp(client, 7000, VIP, 53, b"x" * size)[20:]
    return [ipv4(client, VIP, UDP, datagram[:40], identification=7, fragment=0x2000),
            ipv4(client, VIP, UDP, datagram[40:], identification=7, fragment=5)]


def test_one_flow_its_errors_and_its_fragments_on_two_queues_reach_one_server(lab, two_queues):
    clients = [f"10.77.1.{number}" for number in range(1, 21)]
    with Wire(lab.stranger) as wire:
        arrivals = [Wire(server) for server in lab.servers]
        seen = [[] for _ in arrivals]

        def await_arrival(count):
            """Queues run beside each other: what comes second must not be sent before the first arrived."""
            for frames, more in zip(seen, gather(arrivals, count, lambda frame: frame.ip)):
                frames += more

        for client in clients:
            send(wire, 0, tcp(client, 6000, VIP, 80, SYN))
            send(wire, 0, fragments(client)[0])
        await_arrival(2 * len(clients))
        for client in clients:
            send(wire, 1, tcp(client, 6000, VIP, 80, ACK))
            send(wire, 1, fragments(client)[1])
            for queue in range(QUEUES):
                send(wire, queue, icmp_error(ROUTER, VIP, tcp(VIP, 80, client, 6000, ACK)))
        await_arrival(4 * len(clients))
        for arrival in arrivals:
            arrival.socket.close()

    def servers(wanted):
        return [number for number, frames in enumerate(seen) for frame in frames if wanted(frame)]

    for client in clients:
        flow = servers(lambda frame: frame.tcp and frame.ip.source == client)
        errors = servers(lambda frame: frame.icmp and frame.ip.source == ROUTER and client_of(frame) == client)
        assert len(flow) == 2 and len(errors) == 2 and len(set(flow + errors)) == 1, client
        parts = servers(lambda frame: frame.ip.protocol == UDP and frame.ip.source == client)
        assert len(parts) == 2 and len(set(parts)) == 1, client

    def have_both_worked():
        workers = two_queues.json("workers")
        return all(worker["frames"] > 0 for worker in workers) and sum(worker["handed_over"] for worker in workers) > 0

    until(have_both_worked)


def client_of(frame):
    """The client that an ICMP error is about: it quotes the packet that went to it."""
    return ".".join(map(str, frame.ip.payload[8 + 16:8 + 20]))


def test_scheduling_is_exact_over_two_queues(lab, two_queues):
    with Wire(lab.stranger) as wire:
        arrivals = [Wire(server) for server in lab.servers]
        for number in range(60):
            send(wire, number % QUEUES, tcp(f"10.77.2.{number + 1}", 6000, VIP, 80, SYN))
        counts = counted(arrivals, 60)
    assert counts == [20, 20, 20]


REFUSALS = [
    (["--interface", "lo", *XDP], 1, "lo"),
    (["--interface", "eth0", "--xdp-mode", "generic"], 2, "--data-plane af-xdp"),
    (["--interface", "eth0", *XDP, "--xdp-mode", "fast"], 2, "fast"),
]


@pytest.mark.parametrize("words, status, names", REFUSALS)
def test_a_wrong_command_line_is_refused_in_one_line(lab, words, status, names):
    refused = lab.director.run(BINARIES / "lbd", *words, "--socket", lab.directory / "refused.sock", check=False)
    assert refused.returncode == status and len(refused.stderr.splitlines()) == 1 and names in refused.stderr


def refusal(lab, *words, under=(), way_out="--data-plane af-packet", socket="refused.sock"):
    refused = lab.director.run(
        *under, BINARIES / "lbd", "--interface", *words, *XDP, "--socket", lab.directory / socket, check=False)
    assert refused.returncode == 1 and len(refused.stderr.splitlines()) == 1, refused.stderr
    assert way_out in refused.stderr, "the way out is named"
    return refused.stderr


def test_an_interface_whose_driver_cannot_is_refused(lab):
    lab.director.ip("link", "add", "br0", "type", "bridge")
    lab.director.ip("link", "set", "br0", "up")
    try:
        assert "br0" in refusal(lab, "br0") and "--xdp-mode generic" in refusal(lab, "br0")
    finally:
        lab.director.ip("link", "delete", "br0")


def test_a_second_program_at_the_interface_is_refused(lab, start):
    start()
    assert "another XDP program" in refusal(lab, "eth0", "--vlan", 5)


def test_frames_that_do_not_fit_are_refused(lab):
    lab.director.ip("link", "set", "eth0", "mtu", "9000")
    try:
        assert "MTU" in refusal(lab, "eth0") and "9000" in refusal(lab, "eth0")
    finally:
        lab.director.ip("link", "set", "eth0", "mtu", "1500")


def test_a_vlan_whose_tags_no_program_sees_is_refused(lab):
    assert "VLAN tags" in refusal(lab, "eth0", "--xdp-mode", "generic", "--vlan", "7", way_out="rxvlan off")


@pytest.fixture
def set_mtu(lab):
    def set_mtu(size):
        for host in (lab.director, lab.client, *lab.servers):
            host.ip("link", "set", "eth0", "mtu", size)

    yield set_mtu
    set_mtu(1500)


def test_another_mtu_is_taken_over(lab, start, set_mtu):
    director = start()
    director.add_web()
    for size in (1400, 1600):
        before = program(lab.director)
        set_mtu(size)
        await_another(lab.director, before)
        assert sorted(spread(lab.client, 30).values()) == [10, 10, 10]


def test_an_mtu_that_does_not_fit_leaves_the_vips_to_others_until_it_fits_again(lab, start, set_mtu):
    director = start()
    director.add_web()
    with Wire(lab.stranger) as wire:
        request, answer = arp_request(STRANGER_MAC, "10.77.0.50", VIP), is_arp(ARP_REPLY, VIP, "10.77.0.50")
        assert wire.ask(request, answer)
        set_mtu(9000)
        until(lambda: director.json("vips")[0]["state"] == "released")
        assert wire.ask(request, answer, 0.5) is None
        director.lbctl("add-service", "-t", f"{OTHER_VIP}:80")
        assert {vip["state"] for vip in director.json("vips")} == {"released"}
        found, = director.json("doctor", check=False)
        assert found["kind"] == "disconnected" and "9000" in found["seen"]
        set_mtu(1500)
        until(lambda: {vip["state"] for vip in director.json("vips")} == {"owned"})
        assert wire.ask(request, answer)
    assert sorted(spread(lab.client, 30).values()) == [10, 10, 10]


def answers_ping(wire, queue):
    """Whether the VIP answers one that comes in by a queue."""
    send(wire, queue, echo_request("10.77.0.50", VIP))
    return wire.wait(lambda frame: frame.icmp and frame.icmp.type == ECHO_REPLY, 0.2)


def test_another_queue_is_served(lab):
    if (os.cpu_count() or 1) < QUEUES:
        pytest.skip("needs two processors: each sends to a queue of its own")
    with lab.host_with_queues("queues", MAC, ADDRESS, QUEUES) as host:
        lab.lan.run("ethtool", "-L", "queues", "tx", "1")
        host.run("ethtool", "-L", "eth0", "rx", "1")
        director = Director(lab, *XDP, "--probe-interval", "20", host=host, socket=lab.directory / "queues.sock").start()
        try:
            director.add_web()
            before = program(host)
            host.run("ethtool", "-L", "eth0", "rx", "2")
            lab.lan.run("ethtool", "-L", "queues", "tx", "2")
            lab.sort_by_processor("queues", QUEUES)
            await_another(host, before)
            with Wire(lab.stranger) as wire:
                # It is attached before it is told of the VIPs.
                for queue in range(QUEUES):
                    until(lambda: answers_ping(wire, queue))
                arrivals = [Wire(server) for server in lab.servers]
                for number in range(30):
                    send(wire, number % QUEUES, tcp(f"10.77.3.{number + 1}", 6000, VIP, 80, SYN))
                counts = counted(arrivals, 30)
            assert counts == [10, 10, 10]
        finally:
            assert director.stop() == 0
