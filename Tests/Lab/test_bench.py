"""The benchmarks that run in namespaces: that they run, not what they measure."""

import json
import os
import shutil
import sys

import pytest

from host import command
from lab import BINARIES, PROJECT

BENCHMARKS = PROJECT / "Benchmarks"
TOOLS = {"forwarder": ["Forwarder", "XDP", "Baselines"], "generator": ["Generator", "XDP"], "roundtrip": ["RoundTrip"]}


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    """The programs in C, without the Swift package around them."""
    folder = tmp_path_factory.mktemp("tools")
    compiler = shutil.which("clang") or shutil.which("cc")
    for name, parts in TOOLS.items():
        places = [next(place for place in (BENCHMARKS / "Tools" / part, BENCHMARKS / part) if place.exists())
                  for part in parts]
        command(compiler, "-O1", *(f"-I{place / 'include'}" for place in places), "-o", folder / name,
                *(source for place in places for source in place.glob("*.c")))
    return folder


def measured(tools, part):
    """The results of one part, as short as it can be."""
    surroundings = {**os.environ, "LVS_BIN": str(BINARIES), "LVS_BENCH_BIN": str(tools)}
    output = command(sys.executable, "-B", BENCHMARKS / "bench.py", "--quick", "--json", part, env=surroundings).stdout
    return json.loads(output)[part]["results"]


def test_every_contender_forwards_and_a_ramp_finds_a_rate_without_loss(tools):
    results = {row["forwarder"]: row for row in measured(tools, "forward")}
    for name in ("lbd, af-packet", "C, ring and sendmmsg", "C, AF_XDP", "nftables netdev DSR, one processor"):
        assert results[name]["framesPerSecond"] > 0, name
    ours = results["lbd, af-packet"]
    assert ours["oursToIt"]["af-packet"] == 1
    # With other programs in the way, no rate may be without a loss.
    assert ours["lossFree"] >= 0 and ours["offeredAt80"] > 0


def test_round_trips_are_measured_idle_and_under_load(tools):
    results = {(row["path"], row["load"]): row for row in measured(tools, "latency")}
    for load in ("idle", "half"):
        for path in ("direct", "lbd, af-packet", "nftables netdev DSR"):
            assert 0 < results[path, load]["p50"] <= results[path, load]["p99.9"], (path, load)
