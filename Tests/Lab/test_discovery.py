"""Servers that are learned of: by a name in the DNS, and from a file."""

import os
import shutil
from pathlib import Path

import pytest
from director import ON_EVERY_DATA_PLANE, service
from ipv6 import VIP as VIP6
from lab import CLIENT
from names import AAAA, NXDOMAIN, SERVFAIL, names
from traffic import Session, spread
from waiting import until

NAME = "web.example.lan"
LIMIT = 256


@pytest.fixture
def dns(lab):
    with names(lab.client, CLIENT) as server:
        yield server


@pytest.fixture
def farm(director):
    """A director with a service that has no server; connections that were closed are soon gone."""
    director.lbctl("timeouts", 900, 1, 300)
    director.lbctl("add-service", *service(), "-s", "rr")
    return director


def discover(director, dns, *words, name=NAME):
    director.lbctl("add-discovery", *service(), "--dns", name, "--resolver", dns.address, "--min-ttl", "1s", *words)


def weights(director):
    """By server's address, the weight that schedulers go by."""
    return {line.split()[1].rsplit(":", 1)[0]: int(line.split()[3])
            for line in director.listing().splitlines() if line.startswith("  -> 1")}


def trouble(director):
    return director.json("discoveries")[0].get("trouble")


def until_weights(director, wanted):
    until(lambda: weights(director) == wanted, 20, lambda: director.lbctl("discoveries").stdout)


def addresses(lab, *numbers):
    return [lab.servers[number].address for number in numbers]


@ON_EVERY_DATA_PLANE
def test_the_addresses_of_a_name_serve_and_follow_it_while_sessions_go_on(lab, farm, dns):
    first, second, third = addresses(lab, 0, 1, 2)
    dns.name(NAME, first, second)
    discover(farm, dns)
    until_weights(farm, {first: 1, second: 1})
    assert spread(lab.client, 4) == {"rs1": 2, "rs2": 2}
    sessions = [Session(lab.client) for _ in range(2)]
    assert {session.get() for session in sessions} == {"rs1", "rs2"}
    dns.name(NAME, second, third)
    until_weights(farm, {first: 0, second: 1, third: 1})
    assert spread(lab.client, 4) == {"rs2": 2, "rs3": 2}
    assert {session.get() for session in sessions} == {"rs1", "rs2"}
    held = {each["address"].split(":")[0]: each for each in farm.json("list")[0]["servers"]}
    assert held[first]["weight_held_by"] == ["leaving"] and held[first]["is_discovered"]
    for session in sessions:
        session.close()
    until_weights(farm, {second: 1, third: 1})


def test_no_answer_keeps_the_last_good_one_and_is_told_once(lab, farm, dns):
    first, second = addresses(lab, 0, 1)
    dns.name(NAME, first, second)
    discover(farm, dns)
    until_weights(farm, {first: 1, second: 1})
    good = list(dns.records[NAME])
    for mood, records, words in [(SERVFAIL, good, "SERVFAIL"), (NXDOMAIN, good, "no server"), (None, [], "no server")]:
        dns.mood, dns.records[NAME] = mood, records
        until(lambda: words in (trouble(farm) or ""), 20, lambda: farm.lbctl("discoveries").stdout)
        asked = len(dns.asked)
        until(lambda: len(dns.asked) > asked + 1)
        assert weights(farm) == {first: 1, second: 1}
        assert "discovery_failed" in {each["kind"] for each in farm.json_at("/v1/findings")}
    assert farm.output().count(f"found: dns {NAME}") == 2, "an end of the one kind is the beginning of the next"
    dns.name(NAME, second)
    until_weights(farm, {second: 1})
    assert trouble(farm) is None
    assert "no longer so: dns" in farm.output()


def test_a_resolver_that_is_silent_holds_up_nothing(lab, farm, dns):
    (first,) = addresses(lab, 0)
    dns.mood = "nothing"
    discover(farm, dns)
    farm.lbctl("add-rs", *service(), "-r", first, "-g")
    assert spread(lab.client, 3) == {"rs1": 3}
    until(lambda: "did not answer in time" in (trouble(farm) or ""), 30)
    dns.mood = None
    dns.name(NAME, *addresses(lab, 1))
    until_weights(farm, {first: 1, lab.servers[1].address: 1})


def test_srv_records_have_weights_and_those_of_the_lowest_priority_serve(lab, farm, dns):
    first, second, third = addresses(lab, 0, 1, 2)
    for name, ip in (("a.lan", first), ("b.lan", second), ("c.lan", third)):
        dns.name(name, ip)
    dns.hosts("_http._tcp.lan", (1, 0, 80, "a.lan"), (1, 7, 80, "b.lan"), (2, 9, 80, "c.lan"))
    discover(farm, dns, "--type", "srv", name="_http._tcp.lan")
    until_weights(farm, {first: 1, second: 7})
    dns.hosts("_http._tcp.lan", (2, 9, 80, "c.lan"), (3, 9, 80, "a.lan"))
    until_weights(farm, {third: 9})


def test_five_hundred_addresses_come_by_tcp_and_as_many_are_used_as_may_be(lab, farm, dns):
    dns.name(NAME, *(f"10.77.{number // 250 + 1}.{number % 250 + 1}" for number in range(500)), ttl=300)
    discover(farm, dns)
    until(lambda: len(weights(farm)) == LIMIT, 30)
    assert dns.streams == 1
    assert trouble(farm) == f"of its 500 servers {LIMIT} are used"
    assert "discovery_incomplete" in {each["kind"] for each in farm.json_at("/v1/findings")}
    farm.lbctl("del-discovery", *service())
    assert weights(farm) == {}


def test_an_answer_is_believed_for_its_time_to_live(lab, farm, dns):
    (first,) = addresses(lab, 0)
    dns.name(NAME, first, ttl=600)
    discover(farm, dns)
    until_weights(farm, {first: 1})
    dns.name("other.lan", first, ttl=1)
    farm.lbctl("add-service", *service(port=81), "-s", "rr")
    farm.lbctl("add-discovery", *service(port=81), "--dns", "other.lan", "--resolver", dns.address, "--min-ttl", "1s")
    until(lambda: dns.asked.count(("other.lan", 1)) > 2)
    assert dns.asked.count((NAME, 1)) == 1


def test_an_ipv6_service_has_the_addresses_that_it_can_use(lab6, director, dns):
    words = service(f"[{VIP6}]")
    director.lbctl("add-service", *words, "-s", "rr")
    dns.name(NAME, lab6.servers[0].address, "fd77::21", "fd77::22")
    director.lbctl("add-discovery", *words, "--dns", NAME, "--resolver", dns.address)
    until(lambda: len(director.json("discoveries")[0]["servers"]) == 2)
    assert {kind for _, kind in dns.asked} == {AAAA}
    names = [lab6.client.run("curl", "-6", "--silent", "--max-time", 20, f"http://[{VIP6}]/").stdout.strip() for _ in range(4)]
    assert sorted(names) == ["rs1", "rs1", "rs2", "rs2"]


@pytest.fixture
def listed(lab, farm, tmp_path):
    """A file that a director learns of its servers from, and a way to replace it."""
    file = tmp_path / "web.servers"

    def replace(text):
        (tmp_path / "new").write_text(text)
        os.rename(tmp_path / "new", file)

    replace("".join(f"{each.address}\n" for each in lab.servers[:2]))
    farm.lbctl("add-discovery", *service(), "--file", file, "--weight", 3)
    until_weights(farm, {each.address: 3 for each in lab.servers[:2]})
    return replace


def test_a_file_is_followed_as_it_changes_under_traffic(lab, farm, listed, tmp_path):
    first, second, third = addresses(lab, 0, 1, 2)
    sessions = [Session(lab.client) for _ in range(2)]
    assert {session.get() for session in sessions} == {"rs1", "rs2"}
    listed(f"# the third is new\n{second} 5\n{third}:80\n")
    until_weights(farm, {first: 0, second: 5, third: 3})
    assert {session.get() for session in sessions} == {"rs1", "rs2"}
    # Written in place.
    (tmp_path / "web.servers").write_text(f"{first}\n{second} 5\n{third}\n")
    until_weights(farm, {first: 3, second: 5, third: 3})
    for session in sessions:
        session.close()


def test_a_file_that_is_bad_gone_or_empty_changes_nothing(lab, farm, listed, tmp_path):
    before = weights(farm)
    for text, words in [
        (f"{lab.servers[2].address}\nweb.lan\n", "line 2 is not"), ("# none\n", "names no server"), (None, "No such file"),
        ("#" * 70_000, "longer than"),
    ]:
        if text is None:
            (tmp_path / "web.servers").unlink()
        else:
            listed(text)
        until(lambda: words in (trouble(farm) or ""), 20, lambda: farm.lbctl("discoveries").stdout)
        assert weights(farm) == before
    assert "web.lan" not in farm.output()
    listed(f"{lab.servers[2].address}\n")
    until_weights(farm, {lab.servers[2].address: 3})


def test_the_discovery_is_saved_and_its_servers_are_not(lab, farm, listed, tmp_path):
    saved = farm.lbctl("save").stdout
    assert "file: " in saved and lab.servers[0].address not in saved
    (tmp_path / "lbd.yaml").write_text(saved)
    assert farm.lbctl("diff", "-f", tmp_path / "lbd.yaml").stdout == ""
    assert farm.lbctl("apply", "-f", tmp_path / "lbd.yaml").stdout == "0 changes\n"
    by_hand = lab.servers[2].address
    farm.lbctl("add-rs", *service(), "-r", by_hand, "-g")
    assert farm.lbctl("diff", "-f", tmp_path / "lbd.yaml", check=False).stdout.startswith(f"+ server {by_hand}:80")
    refusal = farm.lbctl("del-rs", *service(), "-r", lab.servers[0].address, check=False)
    assert refusal.returncode == 1 and "is discovered" in refusal.stderr
    rows = [line.split() for line in farm.lbctl("discoveries").stdout.splitlines()]
    assert [row[-3:] for row in rows[1:]] == [[f"{each.address}:80", "3", "used"] for each in lab.servers[:2]]


@pytest.fixture
def state():
    """A directory in memory."""
    path = Path(f"/dev/shm/lbd-discovery-{os.getpid()}")
    yield path
    shutil.rmtree(path, ignore_errors=True)


def test_a_director_that_starts_anew_goes_on_with_what_was_found_last(lab, start, dns, state):
    director = start("--state", state)
    director.lbctl("add-service", *service(), "-s", "rr")
    first, second = addresses(lab, 0, 1)
    dns.name(NAME, first, second)
    discover(director, dns)
    until_weights(director, {first: 1, second: 1})
    session = Session(lab.client)
    name = session.get()
    dns.mood = SERVFAIL
    assert director.stop(9) == -9
    director = start("--state", state)
    assert weights(director) == {first: 1, second: 1}
    assert session.get() == name
    until(lambda: "SERVFAIL" in (trouble(director) or ""))
    assert weights(director) == {first: 1, second: 1}
    session.close()
