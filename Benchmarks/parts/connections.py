"""New connections a second: through the pipe in memory, and through namespaces."""

import statistics

import memory
from hairpin import Hairpin, Unavailable
from machine import progress

TITLE = "New connections"
NOTE = """In memory every frame is a SYN of a flow that is not known yet. Through two namespaces and back every frame is
the first of a UDP flow, offered as fast as the kernel makes them (as in `forward`); counted are the connections that
the director holds, and the frames that came back."""

PLANES = ("af-packet", "af-xdp")
# All of a measurement's connections find room.
ROOM = 1 << 23
# Flows of which none comes again, and the length of frames.
NEW = 1 << 28, 60


def run(rounds=5, quick=False):
    results = memory.measure("connections", 3 * rounds, quick)
    seconds = 0.2 if quick else 1.0
    with Hairpin() as hairpin:
        measured = {plane: [] for plane in PLANES}
        twin, refusals = [], {}
        for number in range(rounds):
            for plane in PLANES:
                progress(f"connections: round {number + 1} of {rounds}: {plane}")
                if plane not in refusals:
                    try:
                        measured[plane].append(opened(hairpin, plane, seconds))
                    except Unavailable as refusal:
                        refusals[plane] = str(refusal)
            progress(f"connections: round {number + 1} of {rounds}: the twin in C")
            with hairpin.twin("ring", ROOM):
                twin.append(hairpin.saturation(*NEW, seconds, 0.1, "--in-order"))
    for plane in PLANES:
        name = f"new connections through namespaces, {plane}"
        if plane in refusals:
            results.append({"name": name, "unavailable": refusals[plane]})
        else:
            results.append({
                "name": name, "unit": "connections/s", "value": round(statistics.median(measured[plane])),
                "baseline": round(statistics.median(twin)),
                "ratio": round(statistics.median(a / b for a, b in zip(measured[plane], twin)), 3)})
    return results


def opened(hairpin, plane, seconds):
    """New connections a second at the director."""
    with hairpin.ours(plane, "--connections", str(ROOM)) as director:
        return hairpin.saturation(*NEW, seconds, 0.1, "--in-order", count=lambda: held(director))


def held(director):
    (service,) = director.json("list", "--stats")
    return service["statistics"]["connections"]


def tables(results):
    head, rows = memory.figures([result for result in results if "value" in result])
    rows += [["", result["name"], f"not available: {result['unavailable']}", ""]
             for result in results if "unavailable" in result]
    return [(head, rows)]


def aims(results):
    for servers, limit in ((16, 2_000_000), (1_000, 1_000_000)):
        name = f"new connections, wlc over {servers} servers"
        yield f"{name}, in memory, a second", memory.value(results, name), ">=", limit, ""
