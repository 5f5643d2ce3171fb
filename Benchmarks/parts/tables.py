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
    yield "lookup among 64 k connections, ns", memory.value(results, lookup(1 << 16)), "<=", 15, ABSOLUTE
    yield "lookup among 10 M connections, ns", memory.value(results, lookup(10_000_000)), "<=", 60, ABSOLUTE
    yield "octets of a connection", memory.value(results, "a connection's memory"), "<=", 64, ""


ABSOLUTE = "the same table in C is as slow here: it is the time to reach memory that is not in the nearest caches."
