"""ipvsadm's command line beside Debian's ipvsadm, in a kernel that has IPVS."""

import json
import subprocess
import sys

import memory
from hairpin import PROJECT
from machine import progress

TITLE = "ipvsadm's command line on the kernel plane, beside Debian's ipvsadm"
NOTE = "The time a command takes from its start to its end, in User-Mode Linux, where system calls cost far more than elsewhere."


def run(rounds=7):
    progress(f"ipvsadm: in the guest, {rounds} rounds")
    subprocess.run([PROJECT / "scripts/packages", "kernel"], check=True, stdout=sys.stderr)
    return json.loads(subprocess.run(
        [PROJECT / "scripts/kernel", sys.executable, "-B", PROJECT / "Benchmarks/guest/ipvsadm.py", str(rounds)],
        check=True, stdout=subprocess.PIPE, text=True).stdout)


def tables(results):
    return [memory.figures(results)]


def aims(results):
    for name in ("-R of 10,000 lines", "-Ln of 1,000 services x 10 servers"):
        yield f"ipvsadm {name}, to Debian's", memory.value(results, name, "ratio"), "<=", 1, ""
