"""How many frames a second go through each forwarder and come back, and how many without a loss."""

import statistics

from hairpin import LAST, ROOM, Hairpin, Unavailable
from machine import progress

TITLE = "Frames through two namespaces and back"
NOTE = """The generator and the kernel's receiving have the first processor, the forwarder the last one. Established
flows are forwarded where they are received by af-xdp's own program, and by `lbd` where it is started with
`--flow-offload off`; that is what the C twins are like. `loss-free` is
the highest rate found (in steps of 2 % of saturation) at which all frames of a second came back, with default settings;
`lost at 80 %` is out of all frames offered in three trials at four fifths of the saturation rate."""

PLANES = {
    "af-packet": ("af-packet",), "af-xdp": ("af-xdp",), "af-xdp generic": ("af-xdp", "--xdp-mode", "generic"),
    "af-xdp in user space": ("af-xdp", "--flow-offload", "off")}
OURS = {plane: f"lbd, {plane}" for plane in PLANES}
OFFLOADING = (OURS["af-xdp"], OURS["af-xdp generic"])
RING, CALLS, XDP = "C, ring and sendmmsg", "C, recvmmsg and sendmmsg", "C, AF_XDP"
ONE, TWO, REFLECTION = "nftables netdev DSR, one processor", "nftables netdev DSR, two processors", "bare XDP_TX"
CONTENDERS = {
    **{OURS[plane]: lambda hairpin, words=words: hairpin.ours(*words, "--connections", str(ROOM))
       for plane, words in PLANES.items()},
    RING: lambda hairpin: hairpin.twin("ring"),
    CALLS: lambda hairpin: hairpin.twin("calls"),
    XDP: lambda hairpin: hairpin.twin("xdp"),
    ONE: lambda hairpin: hairpin.nftables(),
    TWO: lambda hairpin: hairpin.nftables(LAST),
    REFLECTION: lambda hairpin: hairpin.reflection(),
}
# What is ramped, with the settings that a user has who sets none.
RAMPED = {**CONTENDERS, **{
    OURS[plane]: lambda hairpin, words=words: hairpin.ours(*words) for plane, words in PLANES.items()}}
del RAMPED[REFLECTION]
WORKLOADS = [(flows, length) for length in (60, 1514) for flows in (1, 1 << 16, 1 << 20)]
RAMP_WORKLOAD = (1 << 16, 60)


def run(rounds=5, quick=False):
    seconds, workloads = (0.2, [RAMP_WORKLOAD]) if quick else (0.8, WORKLOADS)
    results, refusals = [], {}
    with Hairpin() as hairpin:
        for workload in workloads:
            rates = saturations(hairpin, workload, rounds, seconds, refusals)
            results += rows(*workload, rates, refusals)
        for row in results:
            is_at = (row["flows"], row["length"]) == RAMP_WORKLOAD
            if is_at and row["forwarder"] in RAMPED and "framesPerSecond" in row:
                if not quick:
                    ramp(hairpin, row, precision=0.02, seconds=1, trials=3)
                elif row["forwarder"] == OURS["af-packet"]:
                    ramp(hairpin, row, precision=0.4, seconds=0.1, trials=1)
    return results


def saturations(hairpin, workload, rounds, seconds, refusals):
    """By contender its rates, one for each round."""
    rates = {name: [] for name in CONTENDERS}
    # Before the count begins every flow is to have its connection, and its entry with the XDP program where it gets one.
    warm = {name: seconds / 2 + workload[0] / (100_000 if name in OFFLOADING else 400_000) for name in CONTENDERS}
    for number in range(rounds):
        for name, contender in CONTENDERS.items():
            progress(f"forward: {workload[0]} flows of {workload[1]} bytes, round {number + 1} of {rounds}: {name}")
            if name in refusals:
                continue
            try:
                with contender(hairpin):
                    rates[name].append(hairpin.saturation(*workload, seconds, warm[name]))
            except Unavailable as refusal:
                refusals[name] = str(refusal)
    return rates


def rows(flows, length, rates, refusals):
    """For each contender the median rate, and ours to it: the medians of the rounds' ratios."""
    for name, measured in rates.items():
        row = {"flows": flows, "length": length, "forwarder": name}
        if not measured:
            yield row | {"unavailable": refusals[name]}
            continue
        rate = statistics.median(measured)
        yield row | {
            "framesPerSecond": round(rate), "nanosecondsPerFrame": round(1e9 / max(rate, 1)),
            "oursToIt": {plane: round(statistics.median(a / max(b, 1) for a, b in zip(rates[OURS[plane]], measured)), 3)
                         for plane in PLANES if rates[OURS[plane]]}}


def ramp(hairpin, row, precision, seconds, trials):
    """Adds to a contender's row its highest rate without a loss, and its losses at 80 % of its saturation rate."""
    progress(f"forward: the ramp of {row['forwarder']}")
    with RAMPED[row["forwarder"]](hairpin):
        saturation = hairpin.saturation(*RAMP_WORKLOAD, seconds, 1)
        row["lossFree"] = round(loss_free(hairpin, saturation, seconds, precision))
        row["lossFreeShare"] = round(row["lossFree"] / saturation, 3)
        found = [hairpin.trial(*RAMP_WORKLOAD, round(0.8 * saturation), 2 * seconds) for _ in range(trials)]
        row["offeredAt80"], row["lostAt80"] = (sum(trial[n] for trial in found) for n in (0, 1))


def loss_free(hairpin, saturation, seconds, precision):
    """The highest rate without a loss, by bisection to a share of the saturation rate.

    Another program can spoil a trial, so each has a second one."""
    good, bad = 0.0, 1.2 * saturation
    while bad - good > precision * saturation:
        rate = (good + bad) / 2
        lost, offered = float("inf"), 0
        for _ in range(2):
            _, lost, offered = hairpin.trial(*RAMP_WORKLOAD, round(rate), seconds)
            if lost == 0:
                break
        if lost == 0:
            good = max(good, min(rate, offered))
        if lost or offered < 0.9 * rate:
            bad = rate
    return good


def tables(results):
    planes = [plane for plane in PLANES if any(plane in row.get("oursToIt", ()) for row in results)]
    head = [*(f"{plane} to it" for plane in planes), "flows", "bytes", "forwarder", "frames/s", "ns a frame",
            "loss-free frames/s", "of saturation", "lost at 80 %"]
    lines = []
    for row in results:
        place = [row["flows"], row["length"], row["forwarder"]]
        if "unavailable" in row:
            lines.append([*("" for _ in planes), *place, f"not available: {row['unavailable']}", "", "", "", ""])
            continue
        ratios = [f"{row['oursToIt'][plane]:.2f}" if plane in row["oursToIt"] else "" for plane in planes]
        ramped = [row["lossFree"], f"{row['lossFreeShare']:.2f}", f"{row['lostAt80']} of {row['offeredAt80']}"] if (
            "lossFree" in row) else ["", "", ""]
        lines.append([*ratios, *place, row["framesPerSecond"], row["nanosecondsPerFrame"], *ramped])
    return [(head, lines)]


def aims(results):
    at = {row["forwarder"]: row for row in results if (row["flows"], row["length"]) == RAMP_WORKLOAD}

    def ratio(plane, name):
        return at.get(name, {}).get("oursToIt", {}).get(plane)

    best = min(filter(None, (ratio("af-xdp", ONE), ratio("af-xdp", TWO))), default=None)
    yield "af-packet to its C twin, 64 k flows", ratio("af-packet", RING), ">=", 0.95, ""
    yield ("af-xdp to its C twin, 64 k flows, every frame in user space", ratio("af-xdp in user space", XDP), ">=", 0.95,
           """a seventh of the worker's time is lbd's own code, an eighth of the twin's is the twin's (perf); the rest is the
  kernel's transmit call, and differs by a tenth from run to run.""")
    yield "af-xdp to its C twin, 64 k flows", ratio("af-xdp", XDP), ">=", 0.95, ""
    yield "af-xdp to the better of nftables DSR's figures, 64 k flows", best, ">=", 1.05, ""
    for plane in ("af-packet", "af-xdp", "af-xdp in user space"):
        row = at.get(OURS[plane], {})
        yield (f"frames lost by {plane} at 80 % of its saturation rate, default settings", row.get("lostAt80"), "<=", 0,
               f"""of {row.get('offeredAt80')} frames. A forwarder that other programs keep from its processor for some
  milliseconds loses what its ring cannot hold: see what ran meanwhile.""")
