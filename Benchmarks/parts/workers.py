"""The pipe in memory on two threads beside one."""

import memory

TITLE = "Two workers in memory beside one"
NOTE = """Each worker is a thread with a director of its own; servers and services are shared. Rates are frames for
each second of processor time, as other programs run too. `overlap` is the processor time of both threads out of twice
the time that passed: 1 where both ran all the time."""


def run(rounds=15, quick=False):
    return memory.measure("workers", rounds, quick)


def tables(results):
    return [memory.figures(results)]


def aims(results):
    ratio = memory.value(results, "two workers, 65536 flows each", "ratio")
    yield "two workers' rate to one's, 64 k flows each", ratio, ">=", 1.9, ""
