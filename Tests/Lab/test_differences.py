"""What a file would change, what was changed since, and whether a file is right at all."""

import pytest
from director import service
from host import command
from lab import BINARIES, OTHER_VIP, VIP

RIP = "10.77.0.21"


@pytest.fixture
def file(lab, web):
    """What is saved of three servers that are checked."""
    web.lbctl("add-check", *service(), "--type", "http", "--interval", "2s")
    path = lab.directory / "lbd.yaml"
    path.write_text(web.lbctl("save").stdout)
    return path


def told(director, *words):
    result = director.lbctl(*words, check=False)
    assert result.stderr == ""
    return result.returncode, result.stdout.splitlines()


def test_where_nothing_is_otherwise_nothing_is_said(web, file):
    assert told(web, "apply", "-f", file, "--dry-run") == (0, [])
    assert told(web, "diff", "-f", file) == (0, [])


def test_what_was_changed_by_hand_is_shown_both_ways_and_stays_until_it_is_applied(web, file):
    web.lbctl("edit-rs", *service(), "-r", RIP, "-w", 7)
    web.lbctl("del-rs", *service(), "-r", "10.77.0.23")
    web.lbctl("add-service", "-t", f"{OTHER_VIP}:80", "-s", "rr")
    web.lbctl("set", "expire_nodest_conn", 1)
    web.lbctl("add-check", *service(), "--type", "http", "--interval", "1s")
    web.lbctl("edit-service", *service(), "--slow-start", "30s", "--panic", 50)
    assert told(web, "diff", "-f", file) == (2, [
        "~ setting expire_nodest_conn: 0 -> 1",
        f"- server 10.77.0.23:80 of tcp:{VIP}:80",
        f"~ service tcp:{VIP}:80: panic none -> 50 %, slow_start none -> 30s",
        f"~ server {RIP}:80 of tcp:{VIP}:80: weight 1 -> 7",
        f"~ check http of service tcp:{VIP}:80: interval 2s -> 1s",
        f"+ service tcp:{OTHER_VIP}:80: scheduler rr",
    ])
    status, lines = told(web, "apply", "-f", file, "--dry-run")
    assert status == 2
    assert set(lines) == {
        f"- service tcp:{OTHER_VIP}:80",
        f"~ service tcp:{VIP}:80: panic 50 % -> none, slow_start 30s -> none",
        f"~ server {RIP}:80 of tcp:{VIP}:80: weight 7 -> 1",
        f"+ server 10.77.0.23:80 of tcp:{VIP}:80: weight 1",
        f"~ check http of service tcp:{VIP}:80: interval 1s -> 2s",
        "~ setting expire_nodest_conn: 1 -> 0",
    }
    assert f"{OTHER_VIP}:80" in web.listing(), "a dry run changes nothing"
    web.lbctl("apply", "-f", file)
    assert told(web, "diff", "-f", file) == (0, [])


def test_differences_are_json_too(web, file):
    web.lbctl("drain-rs", *service(), "-r", RIP)
    result = web.lbctl("diff", "-f", file, "--json", check=False)
    assert result.returncode == 2
    assert f'"subject" : "server {RIP}:80 of tcp:{VIP}:80"' in result.stdout


def test_a_wrong_file_is_refused_and_compared_with_nothing(web, file):
    file.write_text(file.read_text().replace("scheduler: rr", "scheduler: best"))
    for words in (("apply", "-f", file, "--dry-run"), ("diff", "-f", file)):
        refused = web.lbctl(*words, check=False)
        assert refused.returncode == 1
        assert refused.stderr.count("\n") == 1 and "unknown scheduler 'best'" in refused.stderr


def check_config(file, *words):
    return command(BINARIES / "lbd", "--check-config", file, *words, check=False)


def test_lbd_says_without_an_interface_whether_a_file_is_right(web, file):
    right = check_config(file)
    assert (right.returncode, right.stdout) == (0, f"{file}: 1 services with 3 real servers\n")
    assert right.stderr == ""


@pytest.mark.parametrize("wrong, right, said", [
    ("scheduler: rr", "scheduler: best", "unknown scheduler 'best'"),
    ("type: http", "type: http\n    body: (", "'(' is not a regular expression"),
    ("type: http", "type: http\n    prot: 80", "line 6: unknown key 'prot' of a check"),
    ("weight: 1", "weight: 70000", "weight 70000 is not in 0 to 65535"),
    ("weight: 1", "weight: 1\n    method: masquerade", "forwards by -g and not by -m"),
])
def test_lbd_says_what_is_wrong_with_a_file_in_one_line(web, file, wrong, right, said):
    file.write_text(file.read_text().replace(wrong, right, 1))
    refused = check_config(file)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1 and str(file) in refused.stderr and said in refused.stderr
