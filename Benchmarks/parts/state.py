"""What it costs that state outlives the process and that other directors are told of it; how soon a new process forwards."""

import os
import shutil
import signal
import statistics
import time
from contextlib import contextmanager
from pathlib import Path

from hairpin import STATION, TOOLS, Hairpin
from machine import progress
from parts.idle import lbd, used

from director import Director  # noqa: E402 (of the lab, whose place hairpin knows)
from lab import BINARIES  # noqa: E402

TITLE = "State that lasts, and other directors that know it"
NOTE = """Forwarding with and without `--state` in turns, 64 k flows of 60 bytes over af-packet. Then new UDP flows, each
of one frame, at a fixed rate to a director with `--sync-all` and to one without, and a backup on the other end of a link:
processor time beyond that of the same traffic without, and what of it the backup had. Last a director that is killed with
all connections of its table, and started again under traffic: from its start until the first frame came back."""

WORKLOAD, NEW = (1 << 16, 60), 1 << 28
RATE, SECONDS, KEPT = 100_000, 5, 1 << 23
SYNC = ("--sync-interface", "eth1", "--sync-all")


def run(rounds=9, quick=False):
    seconds, rate, kept = (0.2, 5_000, 1 << 14) if quick else (0.8, RATE, KEPT)
    with Hairpin() as hairpin:
        return [forwarding(hairpin, rounds, seconds), *telling(hairpin, rate, 1 if quick else SECONDS),
                restart(hairpin, kept, rounds)]


@contextmanager
def directory():
    """In memory, as the one that a service manager makes."""
    path = Path(f"/dev/shm/lvs-{os.getpid()}-state")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def forwarding(hairpin, rounds, seconds):
    rates = {False: [], True: []}
    for number in range(rounds):
        progress(f"state: forwarding, round {number + 1} of {rounds}")
        # The order changes, so that neither is always the one that comes later.
        for is_kept in (False, True)[::1 if number % 2 else -1]:
            with directory() as state, hairpin.ours(
                    "af-packet", "--state", state if is_kept else "none", "--connections", str(1 << 21)):
                rates[is_kept].append(hairpin.saturation(*WORKLOAD, seconds, seconds))
    return {"name": "frames a second with state kept, of those without", "unit": "",
            "value": round(statistics.median(a / b for a, b in zip(rates[True], rates[False])), 3)}


# Other directors


@contextmanager
def link(hairpin):
    """Another link between the two namespaces, and in the first one an interface at which nothing arrives."""
    hairpin.source.ip("link", "add", "eth1", "type", "veth", "peer", "name", "eth1", "netns",
                      hairpin.director.namespace)
    hairpin.source.ip("link", "add", "eth2", "type", "veth", "peer", "name", "quiet")
    for host, address in ((hairpin.source, "10.78.0.1/24"), (hairpin.director, "10.78.0.2/24")):
        host.ip("address", "add", address, "dev", "eth1")
        host.ip("link", "set", "eth1", "up")
    for interface in ("eth2", "quiet"):
        hairpin.source.ip("link", "set", interface, "up")
    hairpin.source.ip("address", "add", "10.77.0.3/24", "dev", "eth2")
    try:
        yield
    finally:
        hairpin.source.ip("link", "delete", "eth1")
        hairpin.source.ip("link", "delete", "eth2")


@contextmanager
def backup(hairpin, configuration):
    director = Director(hairpin, "--standby", "--sync", "backup", *SYNC, "--connections", str(1 << 22),
                        host=hairpin.source, socket=hairpin.directory / "backup.sock", interface="eth2")
    try:
        director.start()
        director.lbctl("apply", "-f", "-", input=configuration)
        yield director
    finally:
        director.stop()


def held(director):
    return next(table["entries"] for table in director.json_at("/v1/tables") if table["name"] == "connections")


def settled(director):
    """How many connections it has once there come no more."""
    before, now = -1, held(director)
    while now != before:
        time.sleep(3)
        before, now = now, held(director)
    return now


def offer(hairpin, rate, seconds):
    hairpin.source.run(*hairpin.generating, TOOLS / "generator", "--in-order", "--rate", rate, "--seconds", seconds,
                       "eth0", NEW, 60, STATION)


def spent(hairpin, directors, rate, seconds):
    """What of a processor each uses at that rate, by what as many as could be made took; and how many each has."""
    processes = [lbd(director.process.pid) for director in directors]
    before = [used(process) for process in processes]
    offer(hairpin, rate, seconds)
    counts = [settled(director) for director in directors]
    return [(used(process) - begin) * rate / counts[0] for process, begin in zip(processes, before)], counts


def telling(hairpin, rate, seconds):
    room = ("--connections", str(1 << 22))
    progress(f"state: {rate} new connections a second, told to nobody")
    with hairpin.ours("af-packet", *room) as alone:
        (silent,), _ = spent(hairpin, [alone], rate, seconds)
    progress(f"state: {rate} new connections a second, told to a backup")
    with link(hairpin), hairpin.ours("af-packet", *room, "--sync", "master", *SYNC) as master:
        with backup(hairpin, master.lbctl("save").stdout) as other:
            shares, (begun, known) = spent(hairpin, [master, other], rate, seconds)
    return [
        {"name": f"a master that tells of {rate} connections/s", "unit": "of a processor, beyond forwarding",
         "value": round(shares[0] - silent, 3)},
        {"name": f"a backup that is told of {rate} connections/s", "unit": "of a processor", "value": round(shares[1], 3)},
        {"name": f"of {begun} connections the backup lacks", "unit": "", "value": begun - known}]


# A new process


def restart(hairpin, count, rounds):
    """Milliseconds from the start of a process to the first frame that it forwarded."""
    times = []
    with directory() as state, hairpin.ours(
            "af-packet", "--state", state, "--connections", str(2 * count)) as director:
        director.lbctl("timeouts", 0, 0, 3600)
        with hairpin._running(hairpin.source, hairpin.generating, *hairpin._generator(count, 60, "--in-order")):
            # Of frames that come as fast as can be made some are lost: one in fifty may be.
            while held(director) < 0.98 * count:
                time.sleep(0.2)
        for number in range(rounds):
            progress(f"state: {count} connections found, {number + 1} of {rounds}")
            director.stop(signal.SIGKILL)
            with hairpin._running(hairpin.source, hairpin.generating,
                                  *hairpin._generator(count, 60, "--rate", "20000", "--seconds", "60")):
                times.append(first_frame(hairpin, director))
    return {"name": f"{count} connections found, until the first frame", "unit": "ms",
            "value": round(statistics.median(times))}


def first_frame(hairpin, director):
    before, begin = hairpin.returned(), time.monotonic()
    director.process = director.host.start(
        *director.under, BINARIES / "lbd", "--interface", "eth0", "--socket", director.socket, *director.options,
        log=director.log)
    # A neighbor's question comes from there too.
    while hairpin.returned() < before + 5:
        time.sleep(0.001)
    took = time.monotonic() - begin
    while director.lbctl("list", check=False).returncode != 0:
        time.sleep(0.02)
    return took * 1000


def tables(results):
    return [(["what", "measured", ""], [[row["name"], row["value"], row["unit"]] for row in results])]


def aims(results):
    values = {row["name"]: row["value"] for row in results}

    def value(words):
        return next((value for name, value in values.items() if words in name), None)

    yield "forwarding with state kept, of that without", value("with state kept"), ">=", 0.97, ""
    yield f"a master that tells of {RATE} connections/s, of a processor", value(f"a master that tells of {RATE} "), "<=", 0.25, ""
    yield f"a backup that is told of {RATE} connections/s, of a processor", value(f"a backup that is told of {RATE} "), "<=", 0.25, ""
    yield "connections that the backup lacks", value("lacks"), "<=", 0, ""
    yield f"{KEPT} connections found, ms until the first frame", value(f"{KEPT} connections found"), "<=", 300, ""
