"""What needs no network: measured by the program `comparison` (Benchmarks/Tools/Comparison), in one thread or two."""

import json
import os
import subprocess
from pathlib import Path

from machine import progress, step_forward

COMPARISON = Path(os.environ.get("LVS_BENCH_BIN", ".build/benchmarks/release")) / "comparison"


def measure(name, rounds=None, quick=False):
    progress(name)
    words = [str(COMPARISON), name, *(["--rounds", str(rounds)] if rounds else []), *(["--quick"] if quick else [])]
    return json.loads(
        subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, preexec_fn=step_forward).stdout)


def figures(results):
    """A table of figures beside a baseline's."""
    rows = []
    for result in results:
        digits = 0 if result["value"] >= 1_000 else 2 if result["value"] < 10 else 1
        rows.append([
            f"{result['ratio']:.2f}" if "ratio" in result else "", result["name"],
            f"{result['value']:.{digits}f} {result['unit']}",
            f"{result['baseline']:.{digits}f} {result['unit']}" if "baseline" in result else ""])
    return ["ratio to it", "what", "ours", "baseline"], rows


def value(results, name, key="value"):
    return next((result.get(key) for result in results if result["name"] == name), None)
