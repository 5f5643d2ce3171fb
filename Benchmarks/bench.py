"""Runs the benchmarks and writes their results: RESULTS.md beside this file, tables or JSON on standard output."""

import argparse
import json
import os
import platform
import subprocess
import sys
from datetime import date
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "RESULTS.md"
COMPARISON = Path(os.environ["LVS_BENCH_BIN"]) / "comparison"


def step_forward():
    """Has all that this process starts go before what else the machine does (sched_autogroup_enabled).

    Not by the programs' own priorities: the kernel shares a session's time by these among its processors too, and a
    generator at a high one would leave a worker of the same session next to nothing."""
    try:
        os.setsid()
    except PermissionError:
        pass  # It has a session of its own already.
    group = Path("/proc/self/autogroup")
    if group.exists() and os.geteuid() == 0:
        group.write_text("-20")


def comparison(name):
    def run(rounds):
        words = [str(COMPARISON), name] + ([str(rounds)] if rounds else [])
        return json.loads(subprocess.run(
            words, check=True, stdout=subprocess.PIPE, text=True, preexec_fn=step_forward).stdout)
    return run


def as_root(name):
    """A part that builds namespaces runs in a process of its own, as root."""
    def run(rounds):
        prefix = [] if os.geteuid() == 0 else ["sudo", "--preserve-env=LVS_BIN,LVS_BENCH_BIN"]
        words = [*prefix, sys.executable, "-B", str(HERE / "bench.py"), "--within", name] + (
            ["--rounds", str(rounds)] if rounds else [])
        return json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return run


def in_the_guest(rounds):
    """Beside Debian's ipvsadm, in User-Mode Linux."""
    project = HERE.parent
    subprocess.run([project / "scripts/packages", "kernel"], check=True, stdout=sys.stderr)
    return json.loads(subprocess.run(
        [project / "scripts/kernel", sys.executable, "-B", HERE / "ipvsadm.py", str(rounds or 7)], check=True,
        stdout=subprocess.PIPE, text=True).stdout)


def within(name, rounds):
    step_forward()
    if name == "forward":
        import forward
        return forward.run(rounds or 5)
    sys.path.insert(0, str(HERE.parent / "Tests/Lab"))
    import latency
    direct, through = latency.measure(rounds or 2000)
    return [{"name": "round trip, direct", "unit": "us", "value": direct},
            {"name": "round trip, through the director", "unit": "us", "value": through},
            {"name": "added by the director", "unit": "us", "value": through - direct, "aim": "<= 150 us"}]


def figures(results):
    rows = []
    for result in results:
        digits = 0 if result["value"] >= 1_000 else 1
        rows.append([
            f"{result['ratio']:.2f}" if "ratio" in result else "", result["name"],
            f"{result['value']:.{digits}f} {result['unit']}",
            f"{result['baseline']:.1f} {result['unit']}" if "baseline" in result else "", result.get("aim", "")])
    return ["ratio to C", "what", "ours", "C", "aim"], rows


def forwarders(results):
    return ["ours to it", "flows", "octets", "forwarder", "frames/s", "ns a frame"], [
        [f"{result['oursToIt']:.2f}", result["flows"], result["length"], result["forwarder"], result["framesPerSecond"],
         result["nanosecondsPerFrame"]] for result in results]


def schedulers(results):
    return ["scheduler", "servers", "ns a pick", "ns a connection", "deviation", "build, ms"], [
        [result["name"], result["servers"], f"{result['nanosecondsPerPick']:.1f}",
         f"{result['nanosecondsPerConnection']:.1f}",
         f"{result['evenness'] * 100:.1f} %" if "evenness" in result else "",
         f"{result['mhBuildMilliseconds']:.1f}" if "mhBuildMilliseconds" in result else ""] for result in results]


# By name: what it is, how it is measured, how it is shown.
PARTS = {
    "pipe": ("The pipe in memory, for a frame", comparison("pipe"), figures),
    "tables": ("The connection table alone", comparison("tables"), figures),
    "connections": ("New connections through the pipe in memory", comparison("connections"), figures),
    "forward": ("Frames through two namespaces and back", as_root("forward"), forwarders),
    "latency": ("The round trip of one datagram in the lab", as_root("latency"), figures),
    "ipvsadm": ("ipvsadm's command line on the kernel plane, beside Debian's ipvsadm", in_the_guest, figures),
    "schedulers": ("Schedulers", comparison("schedulers"), schedulers),
}


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def machine():
    cpu = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.machine())
    memory = int(Path("/proc/meminfo").read_text().split()[1]) // (1 << 20)
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} processors, {cpu}, {memory} GiB, Linux {platform.release()}; load {load:.1f} at the start"


def section(name, results, where):
    title, _, show = PARTS[name]
    return f"## {title}\n\n`scripts/bench {name}`, {date.today()}: {where}.\n\n{table(*show(results))}\n"


def written(sections):
    """The sections of the file, those measured now in place of what was there."""
    old = {}
    for text in RESULTS.read_text().split("\n## ")[1:] if RESULTS.exists() else []:
        for name, (title, _, _) in PARTS.items():
            if text.startswith(title + "\n"):
                old[name] = "## " + text.rstrip() + "\n"
    parts = [{**old, **sections}[name] for name in PARTS if name in old or name in sections]
    return "\n".join([
        "# Results\n",
        "Written by `scripts/bench`. Contenders take turns in each round; figures are medians, ratios the medians of the"
        " rounds' ratios. In memory, processor time of the measuring thread counts, so that other programs do not; in"
        " the namespaces they do, and the ratios are what to read.\n", *parts])


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measures the director.")
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, help="how often each contender has its turn")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--within", help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.within:
        return json.dump(within(words.within, words.rounds), sys.stdout)
    if unknown := [part for part in words.parts if part not in PARTS]:
        parser.error(f"no part '{unknown[0]}' (there are {', '.join(PARTS)})")
    where, results = machine(), {}
    for part in words.parts or PARTS:
        results[part] = PARTS[part][1](words.rounds)
        if not words.json:
            print(section(part, results[part], where), flush=True)
    RESULTS.write_text(written({part: section(part, found, where) for part, found in results.items()}))
    if words.json:
        json.dump({"machine": where, "results": results}, sys.stdout, indent=2)
        print()


if __name__ == "__main__":
    main()
