"""The tab key in bash, zsh and fish, with the completions as they are installed."""

import signal

import pytest
from director import service
from host import command
from lab import BINARIES, OTHER_VIP, PROJECT, VIP
from shells import SHELLS

FIRST, SECOND, THIRD = "10.77.0.21:80", "10.77.0.22:80", "10.77.0.23:80"


@pytest.fixture(scope="module")
def completions(tmp_path_factory):
    directory = tmp_path_factory.mktemp("completions")
    command(PROJECT / "packaging/completions/generate", BINARIES, directory)
    return directory


@pytest.fixture(params=SHELLS)
def shell(request, completions, tmp_path):
    with SHELLS[request.param](completions, tmp_path) as shell:
        yield shell


@pytest.fixture
def two_services(lab, director):
    """Two TCP services with different servers, and a UDP service."""
    director.add_web(servers=lab.servers[:2])
    director.add_web(servers=lab.servers[2:], vip=OTHER_VIP)
    director.lbctl("add-service", "-u", f"{VIP}:53", "-s", "rr")
    return director


def test_after_t_stand_the_tcp_services(two_services, shell):
    offered = shell.offered(f"lbctl --socket {two_services.socket} list -t ")
    assert f"{VIP}:80" in offered and f"{OTHER_VIP}:80" in offered
    assert f"{VIP}:53" not in offered


def test_after_u_stand_the_udp_services(two_services, shell):
    two_services.lbctl("add-service", "-u", f"{VIP}:54", "-s", "rr")
    offered = shell.offered(f"lbctl list --socket {two_services.socket} --udp-service ")
    assert f"{VIP}:53" in offered and f"{VIP}:54" in offered and f"{VIP}:80" not in offered


def test_after_r_stand_the_servers_of_the_service_that_is_named(two_services, shell):
    start = f"lbctl --socket {two_services.socket} edit-rs"
    offered = shell.offered(f"{start} -t {VIP}:80 -r ")
    assert FIRST in offered and SECOND in offered and THIRD not in offered
    offered = shell.offered(f"{start} -w 3 --tcp-service {VIP}:80 --real-server ")
    assert FIRST in offered and SECOND in offered and THIRD not in offered


def test_after_r_without_a_service_stand_all_servers(two_services, shell):
    offered = shell.offered(f"lbctl --socket {two_services.socket} edit-rs -r ")
    assert FIRST in offered and SECOND in offered and THIRD in offered


def test_after_vip_and_takeover_stand_the_vips(two_services, shell):
    for line in ("real-server check --vip ", "takeover "):
        offered = shell.offered(f"lbctl --socket {two_services.socket} {line}")
        assert VIP in offered and OTHER_VIP in offered and f"{VIP}:" not in offered


def test_after_get_stand_the_settings(director, shell):
    assert "expire_nodest_conn" in shell.offered(f"lbctl --socket {director.socket} get expire_")


def test_words_that_no_director_is_needed_for(shell):
    assert "real-server" in shell.offered("lbctl --json re")
    assert "twos" in shell.offered("lbctl add-service -s ")
    assert "CLOSE_WAIT" in shell.offered("lbctl list --state CLOSE")
    assert "lo" in shell.offered("lbctl migrate --interface ")
    assert "sha256sum" in shell.offered("lbctl with-ipvs sha256")


def test_the_line_that_tab_made_does_what_it_says(two_services, shell):
    shell.complete_and_run(f"lbctl --socket {two_services.socket} drain-rs -t {VIP}:80 -r 10.77.0.22")
    weights = {server["address"]: server["weight"] for server in two_services.json("list", *service())[0]["servers"]}
    assert weights == {FIRST: 1, SECOND: 0}


def test_tab_in_the_middle_of_a_port(two_services, shell):
    shell.complete_and_run(f"lbctl --socket {two_services.socket} del-service -t {OTHER_VIP}:8")
    assert f"{OTHER_VIP}:80" not in two_services.listing() and f"{VIP}:80" in two_services.listing()


def test_without_a_director_nothing_is_offered_and_nothing_said(shell):
    for line in ("list -t ", "edit-rs -r ", "takeover ", "real-server check --vip "):
        said = shell.offered(f"lbctl --socket /nonexistent/lbd.sock {line}")
        assert "lbctl:" not in said and "rror" not in said and "10.77" not in said


def test_a_director_that_does_not_answer_is_not_waited_for(director, shell):
    """The shell comes back; its own deadline is the limit."""
    director.process.send_signal(signal.SIGSTOP)
    try:
        said = shell.offered(f"lbctl --socket {director.socket} list -t ")
    finally:
        director.process.send_signal(signal.SIGCONT)
    assert "lbctl:" not in said
