"""The pipe in memory."""

import memory

TITLE = "The pipe in memory, for a frame"
NOTE = """The baseline is the same work in C (`Benchmarks/Baselines`); every frame meets a connection. Frames are written
anew before each batch, which is not timed, but takes them and the tables out of the nearest caches."""


def run(rounds=15, quick=False):
    return memory.measure("pipe", rounds, quick)


def tables(results):
    return [memory.figures(results)]


def aims(results):
    name = "pipe, a frame on a hit, {} flows".format
    yield "pipe to its C twin, 64 k flows", memory.value(results, name(1 << 16), "ratio"), "<=", 1.2, ""
    yield "pipe, 64 k flows, ns a frame", memory.value(results, name(1 << 16)), "<=", 25, ABSOLUTE
    yield "pipe, 10 M flows, ns a frame", memory.value(results, name(10_000_000)), "<=", 60, ABSOLUTE


ABSOLUTE = """an absolute figure of another machine state: the C twin, which does the same work, takes nearly as long
  here (see the ratio)."""
