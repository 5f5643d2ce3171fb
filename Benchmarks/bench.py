"""Runs the benchmarks: tables or JSON on standard output, progress on standard error, results into RESULTS.md."""

import argparse
import importlib
import inspect
import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import machine
import report

HERE = Path(__file__).resolve().parent
# In the order of the page. Whether it builds namespaces, for which it runs in a process of its own, as root.
PARTS = {"pipe": False, "workers": False, "tables": False, "connections": True, "schedulers": False, "forward": True,
         "latency": True, "listing": True, "idle": True, "checks": True, "state": True, "kernel-ipvs": True,
         "ipvsadm": False}

HELP = """\
parts:
  pipe          the way of a frame in memory, beside the same work in C
  workers       the same on two threads beside one
  tables        looking up, inserting and expiring connections; bytes of a connection
  connections   new connections a second, in memory and through namespaces
  schedulers    every scheduler at 4, 16, 256 and 1,024 servers
  forward       frames a second through each data plane, C twins, nftables and XDP_TX; loss-free rates
  latency       round trips, direct, through each data plane and nftables; idle and at half load
  listing       a million connections listed while frames flow
  idle          processor time of a director that has nothing to do
  checks        processor time of a thousand health checks a second
  state         state that lasts, other directors that know it, and a restart with millions of connections
  kernel-ipvs   beside the kernel's IPVS in one guest with one processor
  ipvsadm       this program called ipvsadm beside Debian's, in a kernel that has IPVS

examples:
  scripts/bench                        all of them; writes Benchmarks/RESULTS.md
  scripts/bench forward latency        two of them; the others' results stay in the file
  scripts/bench pipe --rounds 31       with more rounds than usual
  scripts/bench schedulers --json      results as JSON
  scripts/bench --quick                seconds instead of minutes: shows that all runs; writes no results
"""


def load(name):
    return importlib.import_module(f"parts.{name.replace('-', '_')}")


def measure(name, rounds, quick):
    part = load(name)
    options = {"quick": True, "rounds": 1} if quick else {}
    if rounds:
        options["rounds"] = rounds
    return part.run(**{key: options[key] for key in inspect.signature(part.run).parameters if key in options})


def in_process(name, rounds, quick):
    """The same in another process, as root."""
    prefix = [] if os.geteuid() == 0 else ["sudo", "--preserve-env=LVS_BIN,LVS_BENCH_BIN"]
    words = [*prefix, sys.executable, "-B", str(HERE / "bench.py"), "--within", name,
             *(["--rounds", str(rounds)] if rounds else []), *(["--quick"] if quick else [])]
    return json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout)


def record(name, rounds, quick):
    seconds = 0.2 if quick else 1
    beside = machine.others(seconds)
    results = (in_process if PARTS[name] else measure)(name, rounds, quick)
    where = f"{machine.facts()}; before it, {beside}; after it, {machine.others(seconds)}"
    return {"date": str(date.today()), "machine": where, "results": results}


def words():
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Measures the director and what it is compared with.", epilog=HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help="what to measure; all without one")
    parser.add_argument("--rounds", type=int, help="how often each contender has its turn")
    parser.add_argument("--quick", action="store_true", help="as short as it can be; writes no results")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--render", action="store_true", help="only write RESULTS.md anew from results.json")
    parser.add_argument("--within", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if unknown := [part for part in chosen.parts if part not in PARTS]:
        parser.error(f"no part '{unknown[0]}' (there are {', '.join(PARTS)})")
    if chosen.rounds is not None and chosen.rounds < 1:
        parser.error(f"--rounds {chosen.rounds} is not 1 or more")
    return chosen


def main():
    chosen = words()
    if chosen.within:
        machine.step_forward()
        return json.dump(measure(chosen.within, chosen.rounds, chosen.quick), sys.stdout)
    parts, records = {name: load(name) for name in PARTS}, {}
    if chosen.render:
        return report.write(parts, {})
    for name in chosen.parts or PARTS:
        records[name] = record(name, chosen.rounds, chosen.quick)
        if not chosen.quick:
            report.write(parts, {name: records[name]})
        if not chosen.json:
            print(report.section(name, parts[name], records[name]), flush=True)
    if chosen.json:
        json.dump(records, sys.stdout, indent=2)
        print()
    else:
        print(report.aims(parts, records))


if __name__ == "__main__":
    main()
