"""What it costs to check a thousand servers each second."""

import json
import time

from hairpin import Hairpin  # noqa: F401 (knows where the lab is)
from machine import progress

from director import Director
from host import command
from lab import VIP, Lab
from parts.idle import lbd, used

TITLE = "A thousand servers checked each second"
NOTE = """Processor time of `lbd` with one service of 1,000 servers that answer, each checked once a second, of one processor's
time; without the checks, the rest of it is what looking after 1,000 neighbors takes. All servers are one host with as many
addresses."""

SERVERS = 1000
KINDS = {"none": None, "tcp, via vip": {"type": "tcp"}, "http, via vip": {"type": "http", "path": "/"},
         "http, via rip": {"type": "http", "path": "/", "via": "rip"}}


def addresses(count):
    return [f"10.78.{number // 250}.{number % 250 + 1}" for number in range(count)]


def configuration(count, check):
    checks = [{**check, "interval": "1s", "timeout": "1s"}] if check else []
    return {"services": [{"service": f"tcp:{VIP}:80", "scheduler": "rr", "checks": checks,
                          "servers": [{"address": address} for address in addresses(count)]}]}


def prepare(lab, count):
    """One server has the addresses of all, and the director one among them."""
    batch = "".join(f"address add {address}/16 dev eth0\n" for address in addresses(count))
    command("ip", "-n", lab.servers[0].namespace, "-batch", "-", input=batch)
    lab.director.ip("address", "add", "10.78.255.1/16", "dev", "eth0")


def settled(director, count, check):
    """Waits until all are known to be up, and nothing is left of what starting takes."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if check is None:
            found = [row["state"] for row in director.json("neighbors")]
            ready = len(found) == count and set(found) == {"reachable"}
        else:
            servers = director.json("list", "--health")[0]["servers"]
            ready = {server["state"] for server in servers} == {"up"}
        if ready:
            return time.sleep(3)
        time.sleep(1)
    raise RuntimeError("not all servers are up")


def measure(lab, count, check, seconds):
    director = Director(lab, "--probe-interval", "20", "--check-interval", "0").start()
    try:
        director.lbctl("apply", "-f", "-", input=json.dumps(configuration(count, check)))
        settled(director, count, check)
        process = lbd(director.process.pid)
        before, begin = used(process), time.monotonic()
        time.sleep(seconds)
        return (used(process) - before) / (time.monotonic() - begin)
    finally:
        director.stop()


def run(quick=False):
    count, seconds = (100, 1) if quick else (SERVERS, 20)
    with Lab(servers=1) as lab:
        prepare(lab, count)
        results = []
        for name, check in KINDS.items():
            progress(f"checks: {count} servers, {name}, {seconds} s")
            results.append({"check": name, "share": round(measure(lab, count, check, seconds), 5)})
    return results


def tables(results):
    return [(["check", "of a processor"], [[row["check"], f"{row['share'] * 100:.1f} %"] for row in results])]


def aims(results):
    for row in results:
        if row["check"] != "none":
            yield f"processor time of 1,000 checks a second ({row['check']}), %", round(row["share"] * 100, 2), "<=", 8, ""
