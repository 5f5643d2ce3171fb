"""Outputs that are closed, full, blocked or read by nobody end no program and stop no work."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from burdens import PIPE, undrained_pipe
from director import BINARIES, Director
from frames import ARP_REPLY, arp_reply, arp_request
from host import command
from lab import STRANGER_MAC, VIP
from traffic import web as requests
from wire import Wire, is_arp


@pytest.fixture
def undrained():
    with undrained_pipe() as pipe:
        yield pipe


def answers_arp(lab):
    with Wire(lab.stranger) as wire:
        return wire.ask(arp_request(STRANGER_MAC, "10.77.0.50", VIP), is_arp(ARP_REPLY, VIP, "10.77.0.50"), 2) is not None


# lbd


def test_a_blocked_standard_error_stops_neither_arp_nor_forwarding_nor_the_end(lab, start, undrained):
    reader, writer = undrained
    director = start(error=writer)
    director.add_web()
    with Wire(lab.stranger) as wire:
        # Somebody else claims the VIP, which is logged by the thread that answers ARP.
        for number in range(4):
            wire.send(arp_reply(f"02:00:00:00:05:{number:02x}", VIP, lab.director.mac, lab.director.address))
    assert answers_arp(lab)
    assert len(requests(lab.client, 3)) == 3
    assert director.json("vips")[0]["state"] == "owned"
    assert director.stop(timeout=10) == 0


def test_what_was_logged_meanwhile_comes_when_the_output_is_read_again(start, undrained):
    reader, writer = undrained
    director = start(error=writer)
    director.add_web()
    log = b""
    while b"change applied" not in log:
        log += os.read(reader, PIPE)
    assert b"started" in log


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_lbd_runs_with_any_of_its_streams_closed(lab, start, closed):
    director = start(under=("sh", "-c", 'exec "$@" ' + " ".join(f"{number}>&-" for number in closed), "sh"))
    director.add_web()
    assert len(requests(lab.client, 3)) == 3
    # No socket has got the number of a stream, on which what is logged would go out.
    for number in closed:
        assert os.readlink(f"/proc/{director.process.pid}/fd/{number}") == "/dev/null"


def test_lbd_runs_with_its_log_on_a_full_disk_or_without_a_reader(lab, start):
    with open("/dev/full", "wb") as full:
        director = start(error=full)
        director.add_web()
        assert len(requests(lab.client, 3)) == 3
        assert director.stop() == 0
    reader, writer = os.pipe()
    os.close(reader)
    director = start(error=writer)
    os.close(writer)
    director.add_web()
    assert len(requests(lab.client, 3)) == 3


# What a capture is written to is not replaced.


@pytest.fixture
def capture(lab, web):
    """Runs `lbctl capture -w PATH` until some of it was written."""
    running = []

    def capture(path, size):
        log = open(lab.directory / "capture.log", "w+")
        process = subprocess.Popen(["ip", "netns", "exec", lab.director.namespace, str(BINARIES / "lbctl"), "--socket",
                                    str(web.socket), "capture", "-w", str(path)], stderr=log)
        running.append(process)
        end = time.monotonic() + 10
        while size() == 0:
            assert process.poll() is None and time.monotonic() < end, log.seek(0) or log.read()
            time.sleep(0.02)

    yield capture
    for process in running:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def test_a_capture_goes_through_a_link_and_begins_its_file_anew(lab, capture):
    target, link = lab.directory / "target.pcapng", lab.directory / "link.pcapng"
    target.write_bytes(b"x" * 100_000)
    target.chmod(0o640)
    link.symlink_to(target)
    capture(link, lambda: target.stat().st_size != 100_000 and target.stat().st_size)
    assert link.is_symlink() and target.read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"
    assert target.stat().st_mode & 0o777 == 0o640


def test_a_new_capture_is_its_owners_only(lab, capture):
    path = lab.directory / "private.pcapng"
    path.unlink(missing_ok=True)
    capture(path, lambda: path.exists() and path.stat().st_size)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_capture_leaves_a_fifo_and_a_device_what_they_are(lab, capture):
    fifo, device = lab.directory / "fifo", lab.directory / "device"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    got = bytearray()

    def size():
        try:
            got.extend(os.read(reader, 65536))
        except BlockingIOError:
            pass
        return len(got)

    capture(fifo, size)
    assert got[:4] == b"\x0a\x0d\x0d\x0a" and fifo.is_fifo()
    os.close(reader)
    os.mknod(device, 0o600 | 0o020000, os.makedev(1, 3))  # like /dev/null
    process = subprocess.Popen(["ip", "netns", "exec", lab.director.namespace, BINARIES / "lbctl", "--socket",
                                lab.directory / "lbd.sock", "capture", "-w", device])
    end = time.monotonic() + 10
    while str(device) not in {os.readlink(link) for link in Path("/proc", str(process.pid), "fd").iterdir()}:
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    process.wait(10)
    assert device.is_char_device()


# Commands, all but the mistakes among them with something to print.

COMMANDS = [
    ("lbctl", "list"), ("lbctl", "list", "--connections"), ("lbctl", "--json", "list"), ("lbctl", "doctor"),
    ("lbctl", "--help"), ("lbctl", "nonsense"), ("lbctl", "add-service"), ("lbctl", "ipvsadm", "-Ln"),
    ("lbctl", "ipvsadm", "--help"), ("lbctl", "ipvsadm", "--nonsense"), ("lbctl", "ipvsadm", "-a"), ("lbd", "--help"),
    ("lbd", "--nonsense"), ("lbd",),
]
MISTAKES = {("lbctl", "nonsense"), ("lbctl", "add-service"), ("lbctl", "ipvsadm", "--nonsense"),
            ("lbctl", "ipvsadm", "-a"), ("lbd", "--nonsense"), ("lbd",)}
PRINTING = [words for words in COMMANDS if words not in MISTAKES]


@pytest.fixture(scope="module")
def findings(lab, data_plane):
    """A director that has something to warn of, so that `list` writes to both streams."""
    director = Director(lab, "--probe-interval", "20", "--data-plane", data_plane,
                        socket=lab.directory / "outputs.sock").start()
    director.add_web(servers=lab.servers[:1])
    lab.servers[0].ip("address", "del", f"{VIP}/32", "dev", "lo")
    assert director.lbctl("doctor", check=False).returncode == 1
    assert "something is wrong" in director.lbctl("list").stderr
    yield director
    lab.servers[0].ip("address", "add", f"{VIP}/32", "dev", "lo")
    assert director.stop() == 0


def run(director, words, redirection):
    """Exit status and standard error of a command under a shell's redirection."""
    program, *rest = words
    environment = dict(os.environ, LBCTL_PLANE="userspace", LBCTL_SOCKET=str(director.socket))
    if program == "lbctl" and "ipvsadm" not in words:
        rest = ["--socket", director.socket, *rest]
    done = command("bash", "-c", f'set -o pipefail; "$@" {redirection}', "bash", BINARIES / program, *rest,
                   check=False, env=environment)
    return done.returncode, done.stderr


def name(words):
    return "_".join(words)


@pytest.mark.parametrize("redirection", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full", "| true",
                                         "2>&1 | true"])
@pytest.mark.parametrize("words", COMMANDS, ids=name)
def test_no_stream_traps_a_command(findings, words, redirection):
    status, error = run(findings, words, redirection)
    # Nothing above it: a signal or a trap.
    assert status in (0, 1, 2, 255), error
    assert len(error.splitlines()) <= 1 or redirection in ("<&-", ">&-", ">/dev/full", "| true"), error


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
@pytest.mark.parametrize("words", PRINTING, ids=name)
def test_an_output_that_cannot_be_written_is_one_line_and_status_1(findings, words, redirection):
    status, error = run(findings, words, redirection)
    assert status == 1
    (line,) = [line for line in error.splitlines() if "standard output" in line]
    assert line.endswith("No space left on device" if "full" in redirection else "Bad file descriptor")


@pytest.mark.parametrize("words", PRINTING, ids=name)
def test_a_reader_that_has_had_enough_is_no_error(findings, words):
    expected = run(findings, words, ">/dev/null")[0]
    status, error = run(findings, words, "2>/dev/null | true")
    assert (status, error) in ((0, ""), (expected, ""))
