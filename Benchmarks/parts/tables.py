"""The connection table alone."""

import memory

TITLE = "The connection table alone"
NOTE = "The baseline of the lookup is the same table in C."


def run(rounds=15, quick=False):
    return memory.measure("tables", rounds, quick)


def tables(results):
    return [memory.figures(results)]


def aims(results):
    lookup = "lookup, {} connections".format
    for connections, words, limit in ((1 << 16, "64 k", 15), (10_000_000, "10 M", 60)):
        twin = memory.value(results, lookup(connections), "baseline")
        yield (f"lookup among {words} connections, ns", memory.value(results, lookup(connections)), "<=", limit,
               f"the same table in C takes {twin or 0:.1f} ns on this machine.")
    yield "bytes of a connection", memory.value(results, "a connection's memory"), "<=", 64, ""
    for what in ("batch of 64 new connections, up to", "slice of the listing of", "slice while"):
        pause = next((result["value"] for result in results if result["name"].startswith(f"longest {what} 10000000")), None)
        yield f"longest {what} 10 M, us", pause, "<=", 1000, ""
