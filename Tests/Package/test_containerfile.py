"""The Containerfile's steps, carried out in a folder: what an engine would make of it starts and balances."""

import json
import shlex

import pytest
from host import command, end_with_parent
from lab import PROJECT, VIP
from machine import Machine
from traffic import spread
from waiting import until

# What `--cap-drop all --cap-add net_raw,net_admin,bpf` leaves.
CAPABILITIES = "-all,+net_raw,+net_admin,+bpf"


def instructions():
    """The Containerfile's instructions and their words, lines that go on put together."""
    text = (PROJECT / "Containerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


@pytest.fixture(scope="module")
def image(package):
    """The folder that the instructions make, and what it is to run."""
    with Machine("ca-certificates") as machine:
        machine.entry = None
        for instruction, rest in instructions():
            match instruction:
                case "FROM":
                    assert rest == "debian:bookworm-slim"
                case "COPY":
                    pattern, target = rest.split()
                    assert package.match(pattern.rsplit("/", 1)[1])
                    command("cp", package, machine.root / target.strip("/"))
                case "RUN":
                    machine.prepare("sh", "-c", rest)
                case "ENTRYPOINT":
                    machine.entry = json.loads(rest)
                case "CMD":
                    machine.default = json.loads(rest)
                case _:
                    raise AssertionError(f"no test carries out {instruction} {shlex.quote(rest)}")
        yield machine


def test_without_arguments_it_shows_its_help(image):
    assert image.prepare(*image.entry, *image.default).stdout.startswith("OVERVIEW: ")


def test_it_has_neither_systemd_nor_lists_of_packages(image):
    assert not (image.root / "lib/systemd/systemd").exists()
    assert not any((image.root / "var/lib/apt/lists").glob("*"))
    assert not any((image.root / "tmp").glob("*.deb"))


def test_with_the_capabilities_that_are_named_it_balances(image, lab):
    log = image.place / "lbd.log"
    running = lab.director.start(
        "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c",
        'mount -t proc proc "$0/proc" && mount -t tmpfs tmpfs "$0/run" && exec chroot "$0" "$@"', image.root, "setpriv",
        "--bounding-set", CAPABILITIES, "--inh-caps", CAPABILITIES, *image.entry, "--interface", "eth0", "--socket",
        "/tmp/lbd.sock", log=log)
    socket = image.root / "tmp/lbd.sock"
    try:
        lbctl = (image.root / "usr/sbin/lbctl", "--socket", socket)
        until(socket.exists)
        command(*lbctl, "add-service", "-t", f"{VIP}:80", "-s", "rr")
        for server in lab.servers:
            command(*lbctl, "add-rs", "-t", f"{VIP}:80", "-r", server.address)
        assert spread(lab.client, 4) == {"rs1": 2, "rs2": 2}, log.read_text()
    finally:
        # unshare keeps SIGTERM to itself, and takes what it started along when it is killed.
        running.kill()
        running.wait(30)
