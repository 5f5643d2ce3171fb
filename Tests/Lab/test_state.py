"""What outlives lbd: killed at any moment and started again, it goes on where it was."""

import os
import random
import shutil
import signal
from pathlib import Path

import pytest
from director import BINARIES, ON_EVERY_DATA_PLANE, service
from frames import ARP_REPLY, ARP_REQUEST
from host import command
from lab import CLIENT, OTHER_VIP, VIP
from traffic import Beside, Session, spread, web as requests
from waiting import until
from wire import Wire

pytestmark = ON_EVERY_DATA_PLANE


@pytest.fixture
def state():
    """A directory in memory."""
    path = Path(f"/dev/shm/lbd-state-{os.getpid()}")
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def kept(start, state):
    """Starts a director that keeps its state, anew after each kill."""
    def again(*options, **places):
        return start("--state", state, *options, **places)
    return again


def restart(director, how=signal.SIGKILL):
    """Ends lbd and starts it again; nothing of it is lost."""
    assert director.stop(how) == (-how if how == signal.SIGKILL else 0)
    director.start()
    director.was_ended = False


def place(state):
    """The directory of the one place that state is kept of."""
    found, = (path for path in state.iterdir() if not path.name.endswith(".refused"))
    return found


def test_open_connections_go_on_with_their_servers_and_new_ones_in_their_turn(lab, kept):
    director = kept()
    director.add_web()
    sessions = [Session(lab.client) for _ in range(7)]
    names = [session.get() for session in sessions]
    before = director.connections()
    restart(director)
    assert director.connections() == before
    assert [session.get() for session in sessions] == names
    # The next in turn is the one after the last.
    assert names[:3] == [names[3], names[4], names[5]]
    assert requests(lab.client, 2) == [names[1], names[2]]
    assert "goes on with 7 connections" in director.output()
    for session in sessions:
        session.close()


def stable(director):
    """What a listing says but for times."""
    services = director.json("list")
    return [(row["service"], row["statistics"]["connections"], row["statistics"]["packets"], row["statistics"]["bytes"],
             [(server["address"], server["weight"], server.get("drained"), server["active_connections"],
               server["inactive_connections"], server["persistent_connections"], server["statistics"]["connections"],
               server["statistics"]["packets"]) for server in row["servers"]]) for row in services]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_services_settings_marks_drains_and_counts_are_as_they_were(lab, kept, how):
    director = kept()
    director.add_web("wrr", weights=[3, 2, 1])
    director.add_web("mh", port=8080)
    director.lbctl("drain-rs", *service(), "-r", f"{lab.servers[2].address}:80")
    director.lbctl("drain-rs", *service(port=8080), "-r", f"{lab.servers[0].address}:8080")
    director.lbctl("set", "conn_reuse_mode", "0")
    director.lbctl("timeouts", "1000", "100", "200")
    requests(lab.client, 10)
    requests(lab.client, 4, port=8080)
    director.lbctl("zero", *service())
    assert spread(lab.client, 5) == {"rs1": 3, "rs2": 2}
    saved, listed = director.lbctl("save").stdout, until(lambda: settled(director))
    restart(director, how)
    assert director.lbctl("save").stdout == saved
    assert stable(director) == listed


def settled(director):
    """The listing once nothing in it moves any more."""
    first = stable(director)
    return first if first == stable(director) else None


def test_templates_keep_their_clients_and_end_in_their_time(lab, kept):
    director = kept()
    director.add_web(options=("-p", "60"))
    name, = spread(lab.client, 3)
    restart(director)
    assert spread(lab.client, 5) == {name: 5}
    row, = (line for line in director.lbctl("list", "--connections").stdout.splitlines() if "ASSURED" in line)
    assert f"{CLIENT}:0" in row
    # The first template is found again, not made anew.
    assert sum(server["persistent_connections"] for server in director.json("list")[0]["servers"]) == 1


def test_state_is_not_kept_where_it_is_not_asked_for(lab, kept, state, start):
    director = kept()
    director.add_web()
    director.stop()
    assert place(state).is_dir()
    other = start("--state", "none")
    assert other.json("list") == []


def test_a_file_is_applied_by_its_differences_over_what_was_in_force(lab, kept):
    director = kept()
    director.add_web()
    sessions = [Session(lab.client) for _ in range(6)]
    names = [session.get() for session in sessions]
    file = lab.directory / "over.yaml"
    saved = director.lbctl("save").stdout
    director.lbctl("add-service", *service(port=8080))
    file.write_text(saved)
    director.stop(signal.SIGKILL)
    director.options = (*director.options, "--config", file)
    director.start()
    director.was_ended = False
    assert director.lbctl("save").stdout == saved
    assert [session.get() for session in sessions] == names


# The VIPs


def arps(frames):
    return [(frame.arp.operation, frame.arp.sender) for frame in frames if frame.arp and frame.arp.target == VIP]


def test_a_vip_is_ours_at_once_and_announced_once(lab, kept):
    director = kept(probes=())
    director.add_web()
    until(lambda: director.json("vips")[0]["state"] == "owned")
    # What it last said of the VIPs is that it owns them.
    until(lambda: b"\x01" in (place(director_state(director)) / "vips").read_bytes())
    director.stop(signal.SIGKILL)
    with Wire(lab.stranger) as wire:
        director.start()
        director.was_ended = False
        assert director.json("vips")[0]["state"] == "owned"
        said = arps(wire.collect(seconds=2.5))
    # An announcement is a request and a reply; the probe asks whether somebody else has it by now.
    assert said.count((ARP_REQUEST, VIP)) == 1 and said.count((ARP_REPLY, VIP)) == 1
    assert said.count((ARP_REQUEST, "0.0.0.0")) == 1


def director_state(director):
    return Path(director.options[director.options.index("--state") + 1])


# What hinders it


def lines(director, word):
    return [line for line in director.output().splitlines() if word in line]


@pytest.mark.parametrize("file", ["manifest", "configuration"])
def test_damaged_state_is_set_aside_and_a_clean_director_starts(lab, kept, state, file):
    director = kept()
    director.add_web()
    director.stop(signal.SIGKILL)
    path = place(state) / file
    text = bytearray(path.read_bytes())
    text[random.randrange(len(text))] ^= 1
    path.write_bytes(text)
    director.start()
    director.was_ended = False
    assert director.json("list") == []
    assert len(lines(director, "it is damaged")) == 1
    assert (place(state).with_name(place(state).name + ".refused") / file).read_bytes() == bytes(text)
    director.add_web()
    assert spread(lab.client, 3) == {"rs1": 1, "rs2": 1, "rs3": 1}


def test_state_of_another_interface_or_boot_is_refused_by_name(lab, kept, state):
    director = kept()
    director.add_web()
    director.stop(signal.SIGKILL)
    # As another's lies in the place of this one's.
    director.host.ip("link", "add", "eth9", "type", "veth", "peer", "name", "eth9-peer")
    director.host.ip("link", "set", "eth9", "up")
    try:
        other = director.host.start(BINARIES / "lbd", "--interface", "eth9", "--socket", lab.directory / "eth9.sock",
                                    "--state", state, log=lab.directory / "eth9.log")
        until(lambda: (lab.directory / "eth9.sock").exists())
        other.terminate()
        assert other.wait(20) == 0
    finally:
        director.host.ip("link", "del", "eth9")
    theirs, = (path for path in state.iterdir() if path.name.startswith("eth9"))
    ours, = (path for path in state.iterdir() if path.name.startswith("eth0"))
    shutil.rmtree(ours)
    theirs.rename(ours)
    director.start()
    director.was_ended = False
    assert director.json("list") == [] and len(lines(director, "it is of interface eth9")) == 1


def test_without_a_place_for_state_there_is_one_line_and_forwarding_goes_on(lab, start, state):
    readonly = state / "readonly"
    readonly.mkdir(parents=True)
    command("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", readonly)
    try:
        others = state / "others"
        others.mkdir(0o777)
        others.chmod(0o777)
        disk = Path(__file__).parent / f".state-{os.getpid()}"
        for path, reason in [(readonly, "Read-only file system"), (state / "a" / "b", "No such file"),
                             (disk, "not in memory")]:
            director = start("--state", path)
            assert len(lines(director, "no state is kept")) == 1 and reason in lines(director, "no state is kept")[0]
            director.add_web()
            assert spread(lab.client, 3) == {"rs1": 1, "rs2": 1, "rs3": 1}
            assert director.stop() == 0
    finally:
        command("umount", readonly)
        shutil.rmtree(disk, ignore_errors=True)


def test_a_full_directory_keeps_what_fits_and_forwarding_goes_on(lab, start, state):
    small = state / "small"
    small.mkdir(parents=True)
    command("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small)
    try:
        director = start("--state", small)
        director.add_web()
        session = Session(lab.client)
        name = session.get()
        with open(small / "filler", "wb", buffering=0) as filler, pytest.raises(OSError):
            while True:
                filler.write(bytes(1 << 16))
        director.add_web(port=8080)
        director.add_web(vip=OTHER_VIP)
        assert spread(lab.client, 3, port=8080) == {"rs1": 1, "rs2": 1, "rs3": 1}
        restart(director)
        assert session.get() == name
        assert spread(lab.client, 3) == {"rs1": 1, "rs2": 1, "rs3": 1}
        assert director.stop() == 0
    finally:
        command("umount", small)


# Killed at any moment


class Sessions(Beside):
    """Clients that talk to the servers all the time, on connections that stay and on new ones."""

    def __init__(self, host):
        super().__init__()
        self.host, self.failures, self.count = host, [], 0
        self.open = [Session(host) for _ in range(20)]
        self.names = [session.get() for session in self.open]

    def _run(self):
        while not self._leaving.is_set():
            try:
                number = random.randrange(len(self.open))
                name = self.open[number].get()
                if name != self.names[number]:
                    self.failures.append(f"session {number} moved from {self.names[number]} to {name}")
                if random.random() < 0.3:
                    self.open[number].close()
                    self.open[number] = Session(self.host)
                    self.names[number] = self.open[number].get()
                self.count += 1
            except OSError as error:
                self.failures.append(repr(error))
                return


def test_killed_again_and_again_at_any_moment_it_breaks_no_connection(lab, kept):
    director = kept()
    director.add_web("wrr", weights=[3, 2, 1])
    director.add_web(port=8080, options=("-p", "100"))
    with Sessions(lab.client) as sessions:
        for round in range(20):
            before = sessions.count
            # Changes are under way too when it is killed.
            weight = str(round % 5 + 1)
            director.lbctl("edit-rs", *service(port=8080), "-r", f"{lab.servers[0].address}:8080", "-w", weight)
            until(lambda: sessions.count > before + random.randrange(30) or sessions.failures)
            restart(director)
            assert sessions.failures == []
            # A listing has the newest server first.
            assert director.json("list")[1]["servers"][-1]["weight"] == int(weight)
    assert sessions.failures == [] and sessions.count > 200
    assert "damaged" not in director.output()
