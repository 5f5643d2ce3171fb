"""The pipe in memory."""

import memory

TITLE = "The pipe in memory, for a frame"
NOTE = """The baseline is the same work in C (`Benchmarks/Baselines`); every frame meets a connection. Frames are
written anew before each batch, which is not timed, but takes them and the tables out of the nearest caches."""


def run(rounds=15, quick=False):
    return memory.measure("pipe", rounds, quick)


def tables(results):
    return [memory.figures(results)]


def aims(results):
    name = "pipe, a frame on a hit, {} flows".format
    yield "pipe to its C twin, 64 k flows", memory.value(results, name(1 << 16), "ratio"), "<=", 1.2, ""
    for flows, words, limit in ((1 << 16, "64 k", 25), (10_000_000, "10 M", 60)):
        twin = memory.value(results, name(flows), "baseline")
        yield (f"pipe, {words} flows, ns a frame", memory.value(results, name(flows)), "<=", limit,
               f"the same work in C takes {twin or 0:.1f} ns on this machine; the ratio is what `lbd` can answer for.")
