"""Debian's keepalived, unmodified, steers lbd: its checkers here, its VRRP between two directors."""

import re
import signal

import farm
import pytest
from director import BINARIES, Director
from frames import ARP_REQUEST
from lab import DIP, SECOND_DIP, SECOND_MAC, VIP
from sites import VRRP, Site
from tools import ipvsadm
from traffic import Traffic, connect, spread
from waiting import until
from wire import Wire, is_arp

def test_keepalived_makes_of_lbd_what_it_makes_of_a_kernel(lab, director):
    """`Tests/Kernel` lives through the same steps on a kernel's IPVS."""
    def inside(host):
        return "ip", "netns", "exec", host.namespace

    led = (*inside(lab.director), BINARIES / "lbctl", "--socket", director.socket, "with-ipvs")
    with farm.Farm(lab.directory / "farm", [inside(server) for server in lab.servers], led) as running:
        farm.live_through(running, lambda: ipvsadm(director, "-Ln")[1])


@pytest.fixture
def sites(lab, start, data_plane):
    """Two directors in standby under keepalived; the first has the VIP."""
    with lab.host_with_queues("director2", SECOND_MAC, SECOND_DIP, 1) as second:
        lab.transmits_from_xdp(data_plane == "af-xdp", "director2")
        first = Site(lab, start("--standby", "--peer", SECOND_DIP), 1, 150)
        other = Director(lab, "--probe-interval", "20", "--data-plane", data_plane, "--standby", "--peer", DIP, host=second,
                         socket=lab.directory / "second.sock").start()
        second_site = Site(lab, other, 2, 100)
        try:
            for site in (first, second_site):
                site.director.lbctl("set", "sloppy_tcp", "1")
                site.start()
                # The first one is the master, whatever the other's priority: nopreempt.
                until(lambda: first.owns, what=first.log)
            for site in (first, second_site):
                until(lambda: site.director.listing().count("->") == 3, what=site.log)
            yield first, second_site
        finally:
            for site in (first, second_site):
                if site.process and site.process.poll() is None:
                    site.process.terminate()
                    site.process.wait(30)
            if not other.was_ended:
                assert other.stop() == 0


def test_the_examples_configuration_has_no_mistakes(lab, director):
    done = Site(lab, director, 1, 150).check_configuration()
    assert done.returncode == 0, done.stderr


def test_the_one_in_standby_knows_all_and_says_nothing(lab, sites):
    first, second = sites
    assert first.owns and not second.owns
    assert [vip["state"] for vip in second.director.json("vips")] == ["released"]
    strip = re.compile(r"[0-9]+ +[0-9]+ *$", re.M)
    assert strip.sub("", first.director.listing()) == strip.sub("", second.director.listing())
    lab.client.forget_neighbors()
    assert set(spread(lab.client, 20)) <= {"rs1", "rs2"}
    assert lab.client.neighbor(VIP) == lab.director.mac


def test_a_clean_stop_loses_no_request_and_breaks_no_connection(lab, sites):
    first, second = sites
    session = connect(lab.client)
    with Traffic(lab.client) as traffic:
        until(lambda: len(traffic.answers) > 20)
        first.stop()
        until(lambda: second.owns)
        count = len(traffic.answers)
        until(lambda: len(traffic.answers) > count + 20)
    assert traffic.failures == []
    assert lab.client.neighbor(VIP) == SECOND_MAC
    session.sendall(b"GET / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n")
    assert b" 200 " in session.recv(4096)
    session.close()
    assert first.director.listing().count("\n") == 3, "keepalived took its services away"


def test_a_director_that_is_killed_is_stood_in_for(lab, sites):
    first, second = sites
    first.kill()
    until(lambda: second.owns, what=second.log)
    lab.client.forget_neighbors()
    assert set(spread(lab.client, 20)) <= {"rs1", "rs2"}


def test_a_director_whose_lbd_is_killed_gives_up(lab, sites):
    first, second = sites
    first.director.stop(signal.SIGKILL)
    until(lambda: second.owns, what=second.log)
    assert set(spread(lab.client, 20)) <= {"rs1", "rs2"}


def test_a_director_whose_cable_is_cut_is_stood_in_for_and_comes_back_in_silence(lab, sites):
    first, second = sites
    lab.lan.ip("link", "set", "director", "down")
    try:
        until(lambda: second.owns, what=second.log)
        lab.client.forget_neighbors()
        assert set(spread(lab.client, 20)) <= {"rs1", "rs2"}
    finally:
        lab.lan.ip("link", "set", "director", "up")
    until(lambda: not first.owns, what=first.log)
    assert second.owns
    assert set(spread(lab.client, 20)) <= {"rs1", "rs2"}


def test_a_takeover_is_announced_when_keepalived_has_decided(lab, sites):
    """The first thing that the new master says is VRRP's; the VIP follows."""
    first, second = sites

    def is_of_second(frame):
        return frame.source == SECOND_MAC

    with Wire(lab.stranger) as wire:
        first.hand_over()
        until(lambda: second.owns, what=second.log)
        frames = wire.collect(is_of_second)
    announced = [frame.time for frame in frames if is_arp(ARP_REQUEST, target=VIP)(frame) and frame.arp.sender == VIP]
    decided = [frame.time for frame in frames if frame.ip and frame.ip.protocol == VRRP]
    assert announced and decided
    print(f"{1000 * (announced[0] - decided[0]):.1f} ms after keepalived's first advertisement")
