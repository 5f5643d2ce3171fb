"""Beside the kernel's IPVS, in a guest that has it."""

import json
import statistics
import subprocess

from hairpin import PROJECT
from machine import progress

TITLE = "Beside the kernel's IPVS, in a guest with one processor"
NOTE = """64 k flows of 60 bytes through two namespaces and back. All the work of each side is on the one processor,
the generator's included; it gives way to whoever forwards. **The processor is emulated**, and an emulator slows code
unevenly, system calls above all: a hint where `lbd` stands, not a measure of how fast it is."""

IPVS, OURS = "kernel IPVS", {plane: f"lbd, {plane}" for plane in ("af-packet", "af-xdp")}
QUICK = (IPVS, OURS["af-packet"])


def run(rounds=3, quick=False):
    progress(f"kernel-ipvs: in the guest, {rounds} rounds, about a minute each")
    words = [PROJECT / "Benchmarks/guest/boot", "/usr/bin/python3", "-B", "Benchmarks/guest/measure.py", str(rounds),
             *(("0.5", *QUICK) if quick else ("2",))]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        return [{"forwarder": IPVS, "unavailable": "the guest did not do it, see above"}]
    measured = json.loads(done.stdout)
    rates = measured["rates"]
    return [row(name, found, rates[IPVS], measured) for name, found in rates.items()]


def row(name, found, kernel, measured):
    if not found:
        return {"forwarder": name, "unavailable": measured["refusals"].get(name, "")}
    return {
        "forwarder": name, "kernel": measured["kernel"], "framesPerSecond": round(statistics.median(found)),
        "toIPVS": round(statistics.median(a / max(b, 1) for a, b in zip(found, kernel)), 3)}


def tables(results):
    return [(["of kernel IPVS", "forwarder", "frames/s, emulated"], [
        ["", result["forwarder"], f"not available: {result['unavailable']}"] if "unavailable" in result else
        [f"{result['toIPVS']:.2f}", result["forwarder"], result["framesPerSecond"]] for result in results])]
