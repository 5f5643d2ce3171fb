"""This program called `ipvsadm` beside Debian's, in a kernel that has IPVS; run there by parts/ipvsadm.py.

Both take turns in each round, each begins every second one. Wall-clock time of the guest, where a system call costs far
more than elsewhere, so only the ratios say something.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

THEIRS, OURS = "/usr/sbin/ipvsadm", "/run/ipvsadm"
RULES, OUTPUT = "/run/rules", "/run/output"
SERVICES, SERVERS = 1000, 10


def rules(services, servers):
    for number in range(services):
        vip = f"10.{number // 250}.{number % 250}.100:80"
        yield f"-A -t {vip} -s wrr\n"
        for server in range(servers):
            yield f"-a -t {vip} -r 10.9.{number % 250}.{server + 1}:80 -g -w {server + 1}\n"


def seconds(program, words, source="/dev/null"):
    with open(source) as input, open(OUTPUT, "w") as output:
        begin = time.perf_counter()
        subprocess.run([program, *words], stdin=input, stdout=output, check=True)
        return time.perf_counter() - begin


def restored(program):
    subprocess.run([THEIRS, "-C"], check=True)
    return seconds(program, ["-R"], RULES)


def compare(name, rounds, measure):
    measure(OURS), measure(THEIRS)
    ours, theirs = [], []
    for number in range(rounds):
        turns = [(OURS, ours), (THEIRS, theirs)]
        for program, times in turns if number % 2 else reversed(turns):
            times.append(measure(program))
    return {"name": name, "unit": "ms", "value": statistics.median(ours) * 1e3,
            "baseline": statistics.median(theirs) * 1e3,
            "ratio": statistics.median(a / b for a, b in zip(ours, theirs))}


def listed(*words):
    return lambda program: seconds(program, words)


def main(rounds):
    Path(OURS).symlink_to(Path(os.environ["LVS_BIN"], "lbctl"))
    # Mostly the program's start.
    results = [compare("-Ln of an empty table", rounds * 2, listed("-Ln"))]
    Path(RULES).write_text("".join(rules(SERVICES, SERVERS - 1)))
    results.append(compare("-R of 10,000 lines", rounds, restored))
    subprocess.run([THEIRS, "-C"], check=True)
    Path(RULES).write_text("".join(rules(SERVICES, SERVERS)))
    restored(THEIRS)
    for words in (["-Ln"], ["-Ln", "--stats"], ["-Sn"]):
        name = f"{' '.join(words)} of 1,000 services x 10 servers"
        results.append(compare(name, rounds, listed(*words)))
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]))
