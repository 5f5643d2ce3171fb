"""The package in the life of a Debian machine: installed, started, used, upgraded, removed, purged. The tests go in this
order, and each begins where the one before it ended."""

import json
import re

import pytest
from blocks import blocks
from lab import PROJECT, VIP
from traffic import spread
from waiting import until

CONFIGURATION = "/etc/lvs-director/lbd.yaml"
SESSIONS = [block for block in blocks(PROJECT / "docs/operator.md") if block.run_by == "scripts/test-package"]
INSTALL, SERVICE, RELOAD, UPGRADE = SESSIONS


@pytest.fixture
def systemd(machine):
    if machine.why_not:
        pytest.skip(f"systemd does not run here: {machine.why_not.splitlines()[-1]}")


def follow(machine, session):
    """Types what the operator's guide has; its addresses are the lab's here."""
    for step in session.steps:
        result = machine.shell(as_in_the_lab(step.command), check=False)
        assert result.returncode == 0, f"{step.command}\n{result.stdout}{result.stderr}"
        step.answer = [as_in_the_lab(line) for line in step.answer]
        assert step.mismatch(result.stdout + result.stderr) is None, step.mismatch(result.stdout + result.stderr)


def as_in_the_lab(text):
    return text.replace("192.0.2.100", VIP).replace("192.0.2.11", "10.77.0.21")


def pid(machine):
    return int(machine.run("systemctl", "show", "--property", "MainPID", "--value", "lbd").stdout)


@pytest.fixture(scope="module")
def before(machine):
    return machine.files()


def test_it_is_installed_as_the_guide_says(machine, before):
    follow(machine, INSTALL)
    assert machine.run("dpkg", "--verify", "lvs-director").stdout == ""
    assert machine.run("getent", "passwd", "lbd").stdout.startswith("lbd:")


def test_nothing_is_started_by_itself(machine, systemd):
    assert machine.run("systemctl", "is-active", "lbd", check=False).stdout.strip() == "inactive"
    assert machine.run("systemctl", "is-enabled", "lbd", check=False).stdout.strip() == "disabled"


def test_the_programs_need_no_swift(machine):
    for program in ("lbd", "lbctl"):
        libraries = machine.run("ldd", f"/usr/sbin/{program}").stdout
        assert "not found" not in libraries and "swift" not in libraries.lower()


def test_the_library_for_other_programs_is_where_lbctl_looks_for_it(machine):
    done = machine.run("lbctl", "with-ipvs", "true", check=False)
    assert "nobody answers on /run/lbd.sock" in done.stderr, "the library is looked for first"
    libraries = machine.run("ldd", "/usr/lib/lvs-director/libipvs-lbd.so").stdout
    assert "libc.so.6" in libraries and "not found" not in libraries and "swift" not in libraries.lower()


def test_it_is_ipvsadm(machine):
    assert machine.run("ipvsadm", "--version").stdout.startswith("ipvsadm v1.31")
    for name in ("ipvsadm", "ipvsadm-save", "ipvsadm-restore"):
        assert machine.run("readlink", "-f", f"/usr/sbin/{name}").stdout.strip() == "/usr/sbin/lbctl"


def test_manual_and_completions_are_where_they_are_looked_for(machine):
    for path in ("share/man/man8/lbd.8.gz", "share/man/man8/lbctl-add-rs.8.gz", "share/man/man5/lbd.yaml.5.gz",
                 "share/bash-completion/completions/lbctl", "share/zsh/vendor-completions/_lbctl",
                 "share/fish/vendor_completions.d/lbctl.fish"):
        assert (machine.root / "usr" / path).exists(), path


def test_the_unit_is_sound(machine, systemd):
    said = machine.run("systemd-analyze", "verify", "lbd.service", check=False)
    assert "lbd" not in said.stdout + said.stderr
    exposure = machine.run("systemd-analyze", "security", "--no-pager", "lbd.service", check=False).stdout
    assert float(re.search(r"exposure level for lbd.service: ([0-9.]+)", exposure)[1]) <= 3


def test_without_an_interface_it_says_so_and_does_not_try_again(machine, systemd):
    machine.run("systemctl", "start", "lbd", check=False)
    until(lambda: machine.run("systemctl", "is-failed", "lbd", check=False).stdout.strip() == "failed")
    assert "name the interface" in machine.run("journalctl", "--unit", "lbd", "--no-pager").stdout
    machine.run("systemctl", "reset-failed", "lbd")


def test_it_starts_and_is_steered_as_the_guide_says(machine, systemd, lab):
    follow(machine, SERVICE)
    assert spread(lab.client, 4) == {"rs1": 4}


def test_debians_own_ipvsadm_is_led_to_it(machine, systemd):
    machine.run("apt-get", "install", "-qqy", "--no-install-recommends", "ipvsadm")
    listing = machine.run("lbctl", "with-ipvs", "/usr/sbin/ipvsadm", "-Ln").stdout
    machine.run("apt-get", "purge", "-qqy", "ipvsadm")
    machine.run("update-alternatives", "--auto", "ipvsadm")
    assert f"TCP  {VIP}:80 wrr\n  -> 10.77.0.21:80" in listing


def test_it_runs_as_a_user_of_its_own_with_three_capabilities(machine, systemd):
    status = machine.run("cat", f"/proc/{pid(machine)}/status").stdout
    user = int(machine.run("id", "-u", "lbd").stdout)
    assert re.search(rf"^Uid:\t{user}\t", status, re.MULTILINE)
    held = int(re.search(r"^CapBnd:\t(\w+)", status, re.MULTILINE)[1], 16)
    # CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF
    assert held & ~(1 << 12 | 1 << 13 | 1 << 39) == 0


def test_what_the_operator_changed_is_loaded_again(machine, systemd, lab):
    follow(machine, RELOAD)
    machine.shell(f"sed -i 's/10.77.0.21/10.77.0.22/' {CONFIGURATION} && systemctl reload lbd")
    until(lambda: spread(lab.client, 2) == {"rs2": 2})


def test_an_upgrade_goes_on_with_the_operators_files(machine, systemd, lab):
    was = pid(machine)
    follow(machine, UPGRADE)
    assert pid(machine) != was
    assert machine.run("dpkg-query", "--show", "--showformat", "${Version}", "lvs-director").stdout.endswith("+next")
    assert spread(lab.client, 2) == {"rs2": 2}
    assert "--interface eth0" in machine.run("cat", "/etc/default/lbd").stdout


def test_debians_own_ipvsadm_may_be_installed_beside_it(machine):
    machine.run("apt-get", "install", "-qqy", "--no-install-recommends", "ipvsadm")
    assert not (machine.root / "usr/sbin/ipvsadm").is_symlink()
    machine.run("apt-get", "purge", "-qqy", "ipvsadm")
    machine.run("update-alternatives", "--auto", "ipvsadm")
    assert machine.run("readlink", "-f", "/usr/sbin/ipvsadm").stdout.strip() == "/usr/sbin/lbctl"


def test_removed_it_stops_and_leaves_the_configuration(machine):
    machine.run("apt-get", "remove", "-qqy", "lvs-director")
    assert machine.run("pgrep", "-x", "lbd", check=False).stdout == ""
    assert not (machine.root / "usr/sbin/ipvsadm").exists()
    assert (machine.root / CONFIGURATION[1:]).exists()


def test_purged_it_leaves_nothing(machine, before):
    machine.run("apt-get", "purge", "-qqy", "lvs-director")
    machine.run("apt-get", "autoremove", "-qqy", "--purge")
    left = {path for path in machine.files() - before if not path.endswith(("passwd-", "group-", "shadow-", "gshadow-"))}
    assert left == set()
