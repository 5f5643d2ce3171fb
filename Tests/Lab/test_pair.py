"""Two directors that stand in for each other: one ends, one takes over, and each says what became of it."""

import pytest
from answers import Answers
from lab import DIP, SECOND_DIP, SECOND_MAC, VIP
from traffic import Session, Traffic, spread, web
from waiting import until

@pytest.fixture
def pair(lab, second_host, request):
    """Starts two directors of one configuration; the first has the VIP. They end before the second's host does."""
    start = request.getfixturevalue("start")

    def pair(first_options=("--peer", SECOND_DIP), second_options=("--peer", DIP)):
        first = start(*first_options)
        first.lbctl("set", "sloppy_tcp", "1")
        first.add_web("mh")
        second = start(*second_options, host=second_host, socket=lab.directory / "second.sock")
        second.lbctl("apply", "-f", "-", input=first.lbctl("save").stdout)
        return first, second

    return pair


def vip(director):
    """The state of the VIP, and who else has it."""
    row = director.json("vips")[0]
    return row["state"], row.get("other_owner")


def findings(director):
    return director.json("doctor", check=False)


def test_at_a_graceful_end_the_other_one_has_the_vip_before_the_process_is_gone(lab, pair):
    first, second = pair()
    assert vip(second) == ("contested", lab.director.mac)
    session = Session(lab.client)
    answered = session.get()
    with Traffic(lab.client) as traffic:
        traffic.wait(20)
        assert first.stop() == 0
        assert vip(second) == ("owned", None)
        traffic.wait(20)
    assert traffic.failures == []
    assert session.get() == answered, "a hashing scheduler, and sloppy_tcp: its connection goes on"
    session.close()
    assert lab.client.neighbor(VIP) == SECOND_MAC


def test_the_end_of_the_one_that_stands_by_changes_nothing(lab, pair):
    first, second = pair()
    with Traffic(lab.client) as traffic:
        traffic.wait(5)
        assert second.stop() == 0
        traffic.wait(5)
    assert traffic.failures == [] and vip(first) == ("owned", None)


def test_a_director_that_stands_by_is_no_finding_and_no_warning(lab, pair):
    first, second = pair()
    for director in (first, second):
        kinds = [finding["kind"] for finding in findings(director)]
        assert not [kind for kind in kinds if kind.startswith("vip")], kinds
    until(lambda: f"VIP {VIP} is the other director's, {lab.director.mac}: this one stands by" in second.output())
    assert " warning " not in second.output(), second.output()


def test_a_peer_is_never_advised_to_be_set_up_as_a_real_server(lab, pair, second_host):
    """Not even where it is one: lbd would not have the VIP on its host."""
    first, second = pair()
    first.lbctl("add-rs", "-t", f"{VIP}:80", "-r", SECOND_DIP)
    until(lambda: [row["state"] for row in first.json("neighbors") if row["address"] == SECOND_DIP] == ["reachable"])
    for director in (first, second):
        assert "real-server setup" not in director.lbctl("doctor", check=False).stdout
        assert "real-server setup" not in director.output()
    second.lbctl("takeover")
    until(lambda: vip(first) == ("contested", SECOND_MAC))
    assert "real-server setup" not in first.output()


def test_a_takeover_is_told_as_it_came_out_at_both(lab, pair):
    first, second = pair()
    done = second.lbctl("takeover")
    assert done.stdout.splitlines()[1].split() == [VIP, "owned", "-"] and done.stderr == ""
    assert vip(first) == ("contested", SECOND_MAC)
    until(lambda: f"VIP {VIP} is left to {SECOND_MAC}" in first.output())
    assert web(lab.client, 3) and lab.client.neighbor(VIP) == SECOND_MAC


def test_a_takeover_from_one_that_does_not_know_us_says_that_it_failed(lab, pair):
    # The first one has a second to defend it, on a machine however busy.
    unhurried = ("--probe-interval", 500)
    first, second = pair(first_options=unhurried, second_options=("--peer", DIP, *unhurried))
    done = second.lbctl("takeover", VIP, check=False)
    assert done.returncode == 1 and done.stdout.splitlines()[1].split() == [VIP, "contested", lab.director.mac]
    assert done.stderr == (f"lbctl: {lab.director.mac} does not let go of {VIP}: name this director there with --peer, "
                           "or lbctl release it there\n")
    assert vip(first)[0] == "owned" and set(spread(lab.client, 4)) <= {"rs1", "rs2", "rs3"}


def test_a_takeover_from_a_host_that_goes_on_answering_names_it(lab, director):
    director.add_web()
    with Answers(lab.stranger, VIP):
        done = director.lbctl("takeover", check=False)
    assert done.returncode == 1 and "still answers for" in done.stderr
    assert done.stderr.count("\n") == 1 and VIP in done.stderr


def test_released_vips_are_taken_by_the_one_that_stands_by(lab, pair):
    first, second = pair()
    assert first.lbctl("release").stdout.splitlines()[1].split()[:2] == [VIP, "released"]
    until(lambda: vip(second) == ("owned", None))
    assert lab.client.run("ping", "-c", "1", "-W", "5", VIP).returncode == 0


def test_one_that_was_released_is_left_alone(lab, pair):
    first, second = pair()
    second.lbctl("release")
    assert first.stop() == 0
    assert vip(second)[0] == "released"
