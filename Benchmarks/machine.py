"""The machine that is measured: what it is, and what else it does."""

import os
import platform
import sys
import time
from collections import Counter
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def facts():
    cpu = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.machine())
    memory = int(Path("/proc/meminfo").read_text().split()[1]) // (1 << 20)
    return f"{os.cpu_count()} processors, {cpu}, {memory} GiB, Linux {platform.release()}"


def _ticks():
    """By process: its name and the processor time it used."""
    used = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:
            continue
        fields = text.rpartition(")")[2].split()
        used[path.parent.name] = text[text.index("(") + 1:text.rindex(")")], int(fields[11]) + int(fields[12])
    return used


def others(seconds=1.0):
    """What runs while nothing of ours does: how many processors it uses, and the names of the three busiest."""
    before = _ticks()
    time.sleep(seconds)
    busy = Counter()
    for process, (name, ticks) in _ticks().items():
        if process != str(os.getpid()):
            busy[name] += (ticks - before.get(process, (name, 0))[1]) / TICKS / seconds
    total = sum(busy.values())
    if total < 0.05:
        return "nothing else ran"
    names = ", ".join(f"{name} {share:.1f}" for name, share in busy.most_common(3) if share >= 0.05)
    return f"other programs used {total:.1f} processors" + (f" ({names})" if names else "")


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


def progress(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)
