"""Starting, ending, being killed: nothing is left behind. And the host's own stack, which is kept quiet."""

import os
import signal
import socket
import time
from collections import Counter
from contextlib import ExitStack

import pytest
from director import BINARIES
from frames import ARP_REPLY, REDIRECT, UNREACHABLE, arp_request
from host import command
from lab import STRANGER_MAC, VIP
from traffic import spread, web as requests
from waiting import until
from wire import Wire, is_arp


def traces(lab):
    """What a director may leave in its host: filters, addresses, links, routes."""
    host = lab.director
    filters = host.run("nft", "list", "ruleset").stdout
    return filters, host.ip("address").stdout, host.ip("link").stdout, host.ip("route", "show", "table", "all").stdout


def test_an_ordinary_end_leaves_nothing_behind(lab, start):
    before = traces(lab)
    director = start()
    director.add_web()
    requests(lab.client, 3)
    assert director.stop() == 0
    assert traces(lab) == before
    assert not director.socket.exists()
    with Wire(lab.stranger) as wire:
        assert wire.ask(arp_request(STRANGER_MAC, "10.77.0.50", VIP), is_arp(ARP_REPLY, to=STRANGER_MAC), 0.3) is None


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_both_ways_to_end_it_are_quick(start, how):
    director = start()
    director.add_web()
    begin = time.monotonic()
    assert director.stop(how) == 0
    assert time.monotonic() - begin < 5


def test_a_kill_leaves_no_guard_for_longer_than_its_lease_and_no_address(lab, start):
    before = traces(lab)
    director = start("--orphan-lease", 3)
    director.add_web()
    director.stop(signal.SIGKILL)
    until(lambda: "expires" not in traces(lab)[0])
    assert traces(lab)[1:] == before[1:]
    assert start().stop() == 0
    assert traces(lab) == before


def test_the_socket_of_a_killed_director_is_replaced(lab, start):
    killed = start()
    killed.stop(signal.SIGKILL)
    assert killed.socket.exists()
    start().add_web()
    assert requests(lab.client)


def test_a_second_director_on_the_same_socket_is_refused(lab, web):
    second = lab.director.run(BINARIES / "lbd", "--interface", "eth0", "--socket", web.socket, check=False)
    assert second.returncode == 1 and str(web.socket) in second.stderr and len(second.stderr.splitlines()) == 1
    assert spread(lab.client, 3) == {"rs1": 1, "rs2": 1, "rs3": 1}


def start_another(lab, name, *options):
    """What another lbd on the director's host says, which must not come up; it has a socket of its own."""
    refused = lab.director.run(BINARIES / "lbd", "--interface", "eth0", "--socket", lab.directory / name, *options,
                               check=False, timeout=10)
    assert refused.returncode == 1 and len(refused.stderr.splitlines()) == 1
    return refused.stderr


def test_a_second_director_at_the_same_interface_is_refused_by_name(lab, web):
    said = start_another(lab, "other.sock")
    assert "eth0" in said and f"pid {web.process.pid}" in said and str(web.socket) in said
    lab.director.ip("link", "property", "add", "dev", "eth0", "altname", "uplink")
    try:
        refused = lab.director.run(BINARIES / "lbd", "--interface", "uplink", "--socket", lab.directory / "other.sock",
                                   check=False, timeout=10)
        assert refused.returncode == 1 and f"pid {web.process.pid}" in refused.stderr
    finally:
        lab.director.ip("link", "property", "del", "dev", "eth0", "altname", "uplink")
    web.process.send_signal(signal.SIGSTOP)
    try:
        assert f"process {web.process.pid} of user {os.getuid()}" in start_another(lab, "other.sock")
    finally:
        web.process.send_signal(signal.SIGCONT)
    assert spread(lab.client, 3) == {"rs1": 1, "rs2": 1, "rs3": 1}


def test_a_vlan_of_the_interface_is_another_place(packet_sockets, lab, web, start):
    start("--vlan", 5, socket=lab.directory / "vlan.sock", host=lab.director)
    assert "eth0.5" in start_another(lab, "other.sock", "--vlan", "5")


@pytest.mark.parametrize("sockets", [1, 13])
def test_of_many_directors_started_at_once_exactly_one_is_left(lab, sockets):
    log = lab.directory / "many.log"
    with ExitStack() as stack:
        many = [lab.director.start(BINARIES / "lbd", "--interface", "eth0", "--state", "none", "--socket",
                                   lab.directory / f"many{number % sockets}.sock", log=log) for number in range(13)]
        for process in many:
            stack.callback(process.wait)
            stack.callback(process.kill)
        end = time.monotonic() + 60
        while sum(process.poll() is None for process in many) > 1:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert sorted(process.poll() for process in many if process.poll() is not None) == [1] * 12
        left, = (number for number, process in enumerate(many) if process.poll() is None)
        while command(BINARIES / "lbctl", "--socket", lab.directory / f"many{left % sockets}.sock", "list",
                      check=False).returncode != 0:
            assert many[left].poll() is None and time.monotonic() < end
            time.sleep(0.05)
        many[left].terminate()
        assert many[left].wait(10) == 0
    assert [path.name for path in lab.directory.glob("many*.sock*")] == []


def test_a_file_that_is_no_socket_is_not_replaced(lab):
    path = lab.directory / "precious"
    path.write_text("keep me")
    refused = lab.director.run(BINARIES / "lbd", "--interface", "eth0", "--socket", path, check=False)
    assert refused.returncode == 1 and str(path) in refused.stderr
    assert path.read_text() == "keep me"
    path.unlink()


def test_only_the_owner_may_use_the_socket(web):
    assert web.socket.stat().st_mode & 0o777 == 0o600


def test_two_capabilities_are_enough(packet_sockets, lab, start):
    only = "-all,+net_raw,+net_admin"
    start(under=("setpriv", "--securebits=+noroot,+noroot_locked", f"--inh-caps={only}", f"--ambient-caps={only}",
                 f"--bounding-set={only}")).add_web()
    assert spread(lab.client, 3) == {"rs1": 1, "rs2": 1, "rs3": 1}


# The host's own stack


def disturbances(lab, frames):
    """What a host says that takes the VIP's packets for something to route."""
    redirects = [frame for frame in frames if frame.icmp and frame.icmp.type in (REDIRECT, UNREACHABLE)]
    questions = [frame for frame in frames if frame.arp and frame.arp.target == VIP
                 and frame.arp.sender == lab.director.address]
    return redirects + questions


def duplicates(frames):
    copies = Counter((frame.ip.source, frame.ip.header[4:6], frame.ip.payload) for frame in frames if frame.tcp)
    return [copy for copy, count in copies.items() if count > 1]


@pytest.mark.parametrize("ip_forward", [0, 1])
def test_the_host_says_nothing_about_the_vips_packets(lab, web, ip_forward):
    lab.director.sysctl("net.ipv4.ip_forward", ip_forward)
    try:
        with Wire(lab.client) as client, Wire(lab.servers[0]) as server:
            assert len(requests(lab.client, 12)) == 12
            assert disturbances(lab, client.collect()) == []
            assert duplicates(server.collect()) == []
    finally:
        lab.director.sysctl("net.ipv4.ip_forward", 0)


def test_without_the_guard_a_forwarding_host_interferes(packet_sockets, lab, start, forwarding_host):
    start("--no-host-guard").add_web()
    with Wire(lab.client) as client:
        lab.client.run("curl", "--silent", "--max-time", 5, f"http://{VIP}/", check=False)
        assert disturbances(lab, client.collect(seconds=1.5)), "then what is the guard for?"


def test_the_hosts_own_services_are_reached_as_before(lab, web):
    with lab.director.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind((lab.director.address, 2222))
        listener.listen()
        with lab.client.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            client.settimeout(20)
            client.connect((lab.director.address, 2222))
