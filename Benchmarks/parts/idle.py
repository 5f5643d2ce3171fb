"""What a director costs that has nothing to do."""

import time
from pathlib import Path

from hairpin import Hairpin, Unavailable
from machine import progress

TITLE = "An idle director"
NOTE = "Processor time of `lbd` with one service and four servers and no traffic, of one processor's time."

PLANES, WORKERS = ("af-packet", "af-xdp"), (1, 2)


def used(process):
    """Seconds of processor time that all threads of a process used."""
    total = 0
    for task in Path(f"/proc/{process}/task").glob("*/schedstat"):
        total += int(task.read_text().split()[0])
    return total / 1e9


def run(quick=False):
    results, seconds = [], 1 if quick else 10
    with Hairpin() as hairpin:
        for plane in PLANES:
            for workers in WORKERS:
                progress(f"idle: {plane}, {workers} workers, {seconds} s")
                row = {"plane": plane, "workers": workers}
                try:
                    with hairpin.ours(plane, "--workers", str(workers)) as director:
                        process = lbd(director.process.pid)
                        # What starting takes is over then.
                        time.sleep(seconds / 5)
                        before, begin = used(process), time.monotonic()
                        time.sleep(seconds)
                        share = (used(process) - before) / (time.monotonic() - begin)
                        results.append(row | {"share": round(share, 5)})
                except Unavailable as refusal:
                    results.append(row | {"unavailable": str(refusal)})
    return results


def lbd(process):
    """The process itself, where a launcher did not become it."""
    while Path(f"/proc/{process}/comm").read_text().strip() != "lbd":
        process = int(Path(f"/proc/{process}/task/{process}/children").read_text().split()[0])
    return process


def tables(results):
    head = ["data plane", "workers", "of a processor"]
    return [(head, [[row["plane"], row["workers"], share(row)] for row in results])]


def share(row):
    return f"{row['share'] * 100:.2f} %" if "share" in row else f"not available: {row['unavailable']}"


def aims(results):
    for row in results:
        yield (f"processor time of an idle {row['plane']} with {row['workers']} worker{'s' * (row['workers'] > 1)}, %",
               round(row["share"] * 100, 3) if "share" in row else None, "<=", 1, "")
