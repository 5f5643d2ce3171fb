"""`lbctl real-server`, run on a host of the lab that is not prepared for direct routing."""

import json
from pathlib import Path

import pytest
from findings import assert_cured, doctor
from lab import OTHER_VIP, VIP
from waiting import until

PLACE = ("--vip", VIP, "--interface", "eth0")


def settings(host):
    return {f"{scope}.{name}": host.sysctl(f"net.ipv4.conf.{scope}.{name}")
            for scope in ("all", "eth0") for name in ("arp_ignore", "arp_announce")}


@pytest.fixture
def bare(lab):
    """The client, which is as bare as any host."""
    before = settings(lab.client), lab.client.ip("address", "show").stdout
    yield lab.client
    lab.client.run(*lab.real_server, "teardown", *PLACE)
    assert (settings(lab.client), lab.client.ip("address", "show").stdout) == before


def real_server(lab, host, *words, **options):
    return host.run(*lab.real_server, *words, **options)


def test_check_says_what_is_missing_and_how_to_get_it(lab, bare):
    missing = real_server(lab, bare, "check", *PLACE, check=False)
    assert missing.returncode == 1
    assert missing.stdout.splitlines() == [
        f"{VIP} is not on lo (ip address add {VIP}/32 dev lo)",
        "arp_ignore is 0 on eth0, and must be 1 "
        "(sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.eth0.arp_ignore=1)",
        "arp_announce is 0 on eth0, and must be 2 "
        "(sysctl -w net.ipv4.conf.all.arp_announce=2 net.ipv4.conf.eth0.arp_announce=2)"]


def test_setup_makes_a_bare_host_pass_and_says_how_to_keep_it(lab, bare):
    done = real_server(lab, bare, "setup", *PLACE, "--keep", "systemd").stdout
    assert f"ExecStart=ip address add {VIP}/32 dev lo" in done and "WantedBy=multi-user.target" in done
    ready = real_server(lab, bare, "check", *PLACE)
    assert ready.stdout == f"ready: {VIP} is on lo, and eth0 keeps quiet about it\n"
    assert real_server(lab, bare, "setup", *PLACE).returncode == 0, "a second time changes nothing"


def test_the_greater_value_of_all_and_the_interface_counts(lab, bare):
    real_server(lab, bare, "setup", *PLACE)
    bare.sysctl("net.ipv4.conf.eth0.arp_ignore", 0)
    checks = {row["name"]: row for row in json.loads(real_server(lab, bare, "check", *PLACE, "--json").stdout)}
    assert (checks["arp_ignore"]["all"], checks["arp_ignore"]["interface"], checks["arp_ignore"]["effective"]) == (1, 0, 1)
    bare.sysctl("net.ipv4.conf.all.arp_ignore", 0)
    bare.sysctl("net.ipv4.conf.lo.arp_ignore", 1)
    wrong = real_server(lab, bare, "check", *PLACE, check=False)
    assert wrong.returncode == 1 and "arp_ignore is 0 on eth0" in wrong.stdout, "lo alone does nothing"
    bare.sysctl("net.ipv4.conf.lo.arp_ignore", 0)


def test_a_vip_on_the_lans_interface_is_wrong(lab, bare):
    real_server(lab, bare, "setup", *PLACE)
    bare.ip("address", "add", f"{VIP}/32", "dev", "eth0")
    try:
        wrong = real_server(lab, bare, "check", *PLACE, check=False)
    finally:
        bare.ip("address", "delete", f"{VIP}/32", "dev", "eth0")
    assert wrong.returncode == 1 and f"{VIP} is on eth0" in wrong.stdout


def test_teardown_leaves_other_vips_and_what_was_set_before(lab, bare):
    bare.sysctl("net.ipv4.conf.eth0.arp_announce", 1)
    try:
        real_server(lab, bare, "setup", *PLACE)
        real_server(lab, bare, "setup", "--vip", OTHER_VIP, "--interface", "eth0")
        real_server(lab, bare, "teardown", *PLACE)
        assert settings(bare)["eth0.arp_announce"] == "2" and OTHER_VIP in bare.ip("address", "show", "lo").stdout
        real_server(lab, bare, "teardown", "--vip", OTHER_VIP, "--interface", "eth0")
        assert settings(bare) == {"all.arp_ignore": "0", "all.arp_announce": "0", "eth0.arp_ignore": "0",
                                  "eth0.arp_announce": "1"}
    finally:
        bare.sysctl("net.ipv4.conf.eth0.arp_announce", 0)


def test_a_dry_run_only_prints(lab, bare):
    dry = real_server(lab, bare, "setup", *PLACE, "--dry-run").stdout.splitlines()
    assert dry == [
        "sysctl -w net.ipv4.conf.all.arp_ignore=1", "sysctl -w net.ipv4.conf.all.arp_announce=2",
        "sysctl -w net.ipv4.conf.eth0.arp_ignore=1", "sysctl -w net.ipv4.conf.eth0.arp_announce=2",
        f"ip address add {VIP}/32 dev lo"]
    assert VIP not in bare.ip("address", "show").stdout and set(settings(bare).values()) == {"0"}


@pytest.mark.parametrize("system, place", [
    ("netplan", "/etc/netplan/90-lvs-real-server.yaml"), ("ifupdown", "/etc/network/interfaces.d/lvs-real-server")])
def test_each_system_gets_its_own_file(lab, bare, system, place):
    text = real_server(lab, bare, "setup", *PLACE, "--dry-run", "--keep", system).stdout
    assert f"# {place}" in text and "# /etc/sysctl.d/90-lvs-real-server.conf" in text and f"{VIP}/32" in text
    assert not Path(place).exists()


@pytest.mark.parametrize("words, status, complaint", [
    (("setup",), 2, "--vip"), (("setup", "--vip", "10.77.0.300"), 2, "10.77.0.300"),
    (("check", "--vip", VIP), 2, "--interface"), (("check", "--vip", VIP, "--interface", "nic9"), 1, "nic9"),
    (("setup", "--vip", "127.0.0.1", "--interface", "eth0"), 2, "127.0.0.1")])
def test_bad_input_gets_one_line(lab, bare, words, status, complaint):
    refused = real_server(lab, bare, *words, check=False)
    assert refused.returncode == status and complaint in refused.stderr and len(refused.stderr.splitlines()) == 1


def check(lab, host, *words):
    result = real_server(lab, host, "check", "--vip", VIP, "--interface", "eth0", "--json", *words, check=False)
    return {row["name"]: row["seen"] for row in json.loads(result.stdout) if not row["is_right"]}


def test_a_way_back_over_another_interface_is_found_where_the_host_is_strict(lab, bare):
    real_server(lab, bare, "setup", "--vip", VIP, "--interface", "eth0")
    before = bare.sysctl("net.ipv4.conf.eth0.rp_filter")
    bare.ip("link", "add", "other", "type", "veth", "peer", "name", "peer")
    try:
        bare.ip("link", "set", "other", "up")
        bare.ip("link", "set", "peer", "up")
        bare.ip("route", "add", "198.51.100.0/24", "dev", "other")
        bare.sysctl("net.ipv4.conf.eth0.rp_filter", 0)
        assert check(lab, bare) == {}
        bare.sysctl("net.ipv4.conf.eth0.rp_filter", 1)
        assert "198.51.100.0/24" in check(lab, bare)["rp_filter"]
        assert "198.51.100.7" in check(lab, bare, "--client", "198.51.100.7")["rp_filter"]
        bare.sysctl("net.ipv4.conf.eth0.rp_filter", 2)
        assert check(lab, bare, "--client", "198.51.100.7") == {}
    finally:
        bare.ip("link", "delete", "other")
        bare.sysctl("net.ipv4.conf.eth0.rp_filter", before)


def test_a_client_without_a_way_back_is_found(lab, bare):
    real_server(lab, bare, "setup", "--vip", VIP, "--interface", "eth0")
    assert check(lab, bare, "--client", "203.0.113.9") == {"route": "there is no way back to 203.0.113.9"}
    assert check(lab, bare, "--client", lab.client.address) == {}


def test_a_program_that_accepts_nothing_is_found(lab, bare):
    real_server(lab, bare, "setup", "--vip", VIP, "--interface", "eth0")
    with bare.socket() as listener, bare.socket() as waiting:
        listener.bind((VIP, 8080))
        listener.listen()
        assert check(lab, bare) == {}
        waiting.connect((VIP, 8080))
        assert check(lab, bare) == {"accept_queue": "1 connections to port 8080 wait to be accepted"}
        listener.accept()[0].close()
        assert check(lab, bare) == {}


def test_a_host_that_was_set_up_passes_the_doctor(lab, start):
    """The stranger becomes a real server."""
    host, address = lab.stranger, "10.77.0.40"
    host.ip("address", "add", f"{address}/24", "dev", "eth0")
    try:
        director = start("--check-interval", 1)
        director.add_web()
        director.lbctl("add-rs", "-t", f"{VIP}:80", "-r", f"{address}:80")
        with host.socket() as listener:
            listener.bind(("0.0.0.0", 80))
            listener.listen()
            host.ip("address", "add", f"{VIP}/32", "dev", "lo")
            until(lambda: {row["kind"] for row in doctor(director)} == {"vip_answered"})
            host.ip("address", "delete", f"{VIP}/32", "dev", "lo")
            real_server(lab, host, "setup", *PLACE)
            assert real_server(lab, host, "check", *PLACE).returncode == 0
            assert_cured(director)
    finally:
        real_server(lab, host, "teardown", *PLACE)
        host.ip("address", "flush", "dev", "eth0")
