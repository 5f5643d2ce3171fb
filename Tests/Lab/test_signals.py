"""What signals mean, how the configuration is reloaded, and what a service manager hears."""

import signal
import socket
import time
from pathlib import Path

import pytest
from frames import ARP_REPLY, ARP_REQUEST, arp_request
from lab import OTHER_VIP, STRANGER_MAC, VIP
from threads import named, standing_still
from traffic import Session, spread, web as requests
from waiting import until
from wire import Wire, is_arp


def configuration(*services):
    """YAML of services with all of the lab's servers."""
    return "services:\n" + "".join(
        f"- service: tcp:{service}\n  scheduler: rr\n  servers:\n"
        + "".join(f"  - {{address: '10.77.0.2{number}:80'}}\n" for number in (1, 2, 3)) for service in services)


@pytest.fixture
def file(lab):
    path = lab.directory / "lbd.yaml"
    path.write_text(configuration(f"{VIP}:80"))
    return path


@pytest.fixture
def configured(start, file):
    director = start("--config", file)
    until(lambda: director.json("vips")[0]["state"] == "owned")
    return director


def services(director):
    return {row["service"] for row in director.json("list")}


def by_signal(director):
    before = director.output().count("reloaded")
    director.process.send_signal(signal.SIGHUP)
    until(lambda: director.output().count("reloaded") > before)


def by_command(director):
    director.lbctl("reload", check=False)


# The configuration


@pytest.mark.parametrize("reload", [by_signal, by_command])
def test_a_reload_applies_the_file_by_its_differences(lab, configured, file, reload):
    configured.lbctl("add-service", "-t", f"{VIP}:8080")
    session = Session(lab.client)
    server = session.get()
    file.write_text(configuration(f"{VIP}:80", f"{OTHER_VIP}:80"))
    reload(configured)
    assert services(configured) == {f"tcp:{VIP}:80", f"tcp:{OTHER_VIP}:80"}
    assert "change=add-service" in configured.output() and "[Control] reloaded" in configured.output()
    assert session.get() == server, "what is unchanged keeps its connections"
    session.close()
    assert len(requests(lab.client, 3, vip=OTHER_VIP)) == 3
    reload(configured)
    assert "changes=0 [Control] reloaded" in configured.output()


@pytest.mark.parametrize("reload", [by_signal, by_command])
@pytest.mark.parametrize("text, says", [
    ("services: [{service: tcp:192.0.2.1:80, nonsense: 1}]", "nonsense"), ("services: [", "line 2"), (None, "No such file"),
])
def test_a_file_with_an_error_changes_nothing_and_is_named(lab, configured, file, reload, text, says):
    if text is None:
        file.unlink()
    else:
        file.write_text(text)
    before = configured.listing()
    reload(configured)
    assert configured.listing() == before
    line, = (line for line in configured.output().splitlines() if "not reloaded" in line)
    assert "warning" in line and str(file) in line and says in line
    refused = configured.lbctl("reload", check=False)
    assert refused.returncode == 1 and len(refused.stderr.splitlines()) == 1
    assert str(file) in refused.stderr and says in refused.stderr
    assert spread(lab.client, 3) == {"rs1": 1, "rs2": 1, "rs3": 1}


@pytest.mark.parametrize("reload", [by_signal, by_command])
def test_without_a_file_there_is_nothing_to_reload(web, reload):
    before = web.listing()
    reload(web)
    assert "there is nothing to reload: lbd was started without --config" in web.output()
    assert web.listing() == before
    assert web.lbctl("reload", check=False).returncode == 1


# Signals


@pytest.mark.parametrize("number", [signal.SIGPIPE, signal.SIGUSR1, signal.SIGUSR2])
def test_a_signal_that_means_nothing_ends_nothing(lab, web, number):
    for _ in range(10):
        web.process.send_signal(number)
    assert spread(lab.client, 3) == {"rs1": 1, "rs2": 1, "rs3": 1}
    assert web.lbctl("list").returncode == 0
    if number != signal.SIGPIPE:
        until(lambda: f"{number.name} means nothing to lbd" in web.output())


def state(director):
    return Path(f"/proc/{director.process.pid}/stat").read_text().rsplit(") ", 1)[1][0]


@pytest.mark.parametrize("how, seconds", [(signal.SIGTSTP, 3), (signal.SIGSTOP, 10)])
def test_after_it_was_stopped_it_goes_on_and_says_again_where_the_vips_are(lab, web, how, seconds):
    session = Session(lab.client)
    server = session.get()
    web.process.send_signal(how)
    until(lambda: state(web) == "T")
    time.sleep(seconds)
    with Wire(lab.stranger) as wire:
        web.process.send_signal(signal.SIGCONT)
        assert wire.wait(is_arp(ARP_REQUEST, sender="0.0.0.0", target=VIP), 20), "it asks whether somebody took it"
        assert wire.wait(is_arp(ARP_REQUEST, sender=VIP, target=VIP), 20), "and says that it has it"
        assert wire.ask(arp_request(STRANGER_MAC, "10.77.0.50", VIP), is_arp(ARP_REPLY, VIP, "10.77.0.50"), 20)
    assert session.get() == server
    session.close()
    assert spread(lab.client, 3) == {"rs1": 1, "rs2": 1, "rs3": 1}


@pytest.mark.parametrize("words", [("list",), ("list", "--connections"), ("capture", "-w", "/dev/null"),
                                   ("ipvsadm", "--plane", "userspace", "-Ln")])
def test_lbctl_does_not_wait_for_ever_for_one_that_is_stopped(web, words):
    web.process.send_signal(signal.SIGSTOP)
    try:
        refused = web.lbctl("--timeout", 1, *words, check=False)
    finally:
        web.process.send_signal(signal.SIGCONT)
    assert refused.returncode not in (0, 2) and len(refused.stderr.splitlines()) == 1
    assert str(web.socket) in refused.stderr and "has not answered for 1 s" in refused.stderr


# The service manager


class Manager:
    """What hears on NOTIFY_SOCKET."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.heard = []

    def listen(self, seconds):
        """The next message, or None when none came in time."""
        self.socket.settimeout(seconds)
        try:
            message = self.socket.recv(4096).decode()
        except TimeoutError:
            return None
        self.heard.append(message)
        return message

    def wait(self, wanted, seconds=20):
        end = time.monotonic() + seconds
        while (message := self.listen(max(0.01, end - time.monotonic()))) is not None:
            if message.startswith(wanted):
                return message
        raise AssertionError(f"{wanted} was not heard, but {self.heard}")


@pytest.fixture
def manager(lab):
    path = lab.directory / "notify.sock"
    path.unlink(missing_ok=True)
    manager = Manager(path)
    yield manager
    manager.socket.close()


def test_a_service_manager_hears_how_lbd_does(start, file, manager):
    director = start("--config", file, under=("env", f"NOTIFY_SOCKET={manager.path}"))
    manager.wait("READY=1")
    assert manager.heard == ["READY=1"], "once it answers, and nothing of a watchdog that nobody has"
    begin = time.clock_gettime(time.CLOCK_MONOTONIC)
    director.lbctl("reload")
    name, moment = manager.wait("RELOADING=1").split("\n")[1].split("=")
    assert name == "MONOTONIC_USEC" and begin <= int(moment) / 1e6 <= time.clock_gettime(time.CLOCK_MONOTONIC)
    manager.wait("READY=1")
    assert director.stop() == 0
    manager.wait("STOPPING=1")


def test_a_file_with_an_error_is_no_reload_that_never_ends(start, file, manager):
    director = start("--config", file, under=("env", f"NOTIFY_SOCKET={manager.path}"))
    manager.wait("READY=1")
    file.write_text("nonsense")
    director.lbctl("reload", check=False)
    manager.wait("RELOADING=1")
    manager.wait("READY=1")


@pytest.mark.parametrize("thread", ["worker 0", "worker 1", "neighborhood"])
def test_the_watchdog_hears_nothing_when_a_thread_hangs(start, manager, thread):
    director = start("--workers", 2, under=("env", f"NOTIFY_SOCKET={manager.path}", "WATCHDOG_USEC=300000"))
    for _ in range(3):
        manager.wait("WATCHDOG=1")
    with standing_still(named(director.process.pid, thread)):
        end = time.monotonic() + 20
        while manager.listen(2) is not None:
            assert time.monotonic() < end, "it says that it is alive, which it is not"
    manager.wait("WATCHDOG=1")


def test_a_watchdog_that_is_meant_for_another_process_is_not_fed(start, manager):
    start(under=("env", f"NOTIFY_SOCKET={manager.path}", "WATCHDOG_USEC=100000", "WATCHDOG_PID=1"))
    manager.wait("READY=1")
    assert manager.listen(1) is None


def test_a_manager_that_does_not_listen_holds_nothing_up(lab, start, manager):
    """Its queue is soon full, or it has gone."""
    director = start(under=("env", f"NOTIFY_SOCKET={manager.path}", "WATCHDOG_USEC=3000"))
    director.add_web()
    assert len(requests(lab.client, 3)) == 3
    manager.path.unlink()
    assert len(requests(lab.client, 3)) == 3
    assert director.stop() == 0
