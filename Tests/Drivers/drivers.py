"""Each driver with each data plane through all checks; a table of what held on standard output, and in docs/drivers.md."""

import argparse
import sys
import time
from dataclasses import dataclass
from datetime import date

from guest import PROJECT, GuestLab, Refused
from checks import CHECKS, NotApplicable, Trial

PAGE = PROJECT / "docs/drivers.md"


@dataclass(frozen=True)
class Card:
    driver: str
    """As the emulator makes it."""
    device: str
    queues: int = 1


@dataclass(frozen=True)
class Plane:
    name: str
    options: tuple = ()
    """What the README asks of the interface for it, as ethtool has it."""
    features: tuple = ()


CARDS = (Card("virtio_net", "virtio-net-pci,mq=on,vectors=6", queues=2), Card("vmxnet3", "vmxnet3"),
         Card("e1000e", "e1000e"), Card("e1000", "e1000"), Card("8139cp", "rtl8139"))
PLANES = (Plane("af-packet"), Plane("af-xdp, native", ("--data-plane", "af-xdp")),
          Plane("af-xdp, generic", ("--data-plane", "af-xdp", "--xdp-mode", "generic"), 
                ("gro", "off", "lro", "off", "rx-gro-hw", "off")))
FEATURES = {"generic-receive-offload": "GRO", "large-receive-offload": "LRO", "rx-gro-hw": "GRO in the card",
            "tcp-segmentation-offload": "TSO", "rx-vlan-offload": "tags stripped", "rx-vlan-filter": "VLANs filtered"}


def progress(text):
    print(f"test-drivers: {text}", file=sys.stderr, flush=True)


class Results:
    """What came of each check, by driver, plane and check; what each card can, by driver."""

    def __init__(self):
        self.rows, self.features, self.kernel, self.failed = [], {}, "", 0

    def add(self, card, plane, outcomes):
        self.rows.append((card.driver, plane.name, outcomes))
        self.failed += sum(outcome.startswith("**no**") for outcome in outcomes.values())


def one_line(error):
    lines = str(error).strip().splitlines()
    return (lines[0] if isinstance(error, AssertionError) or len(lines) < 2 else lines[-1])[:160] if lines else repr(error)


def outcome(check, trial):
    begin = time.monotonic()
    try:
        remark = check(trial)
        result = f"yes ({remark})" if remark else "yes"
    except NotApplicable as reason:
        result = f"– ({reason})"
    except Exception as error:  # Whatever a check does not survive is its result.
        result = f"**no**: {one_line(error)}"
    progress(f"{trial.card.driver}, {trial.plane.name}: {check.__doc__}: {result} ({time.monotonic() - begin:.0f} s)")
    return result


def examine(lab, card, plane, checks, size):
    guest = lab.director
    guest.run("ethtool", "-K", "eth0", *plane.features, check=False)
    trial = Trial(lab, card, plane, size)
    try:
        with trial.director(web=False):
            pass
    except Refused as refusal:
        progress(f"{card.driver}, {plane.name}: {refusal}")
        return None
    return {check.__doc__: outcome(check, trial) for check in checks}


def features(guest):
    shown = guest.run("ethtool", "-k", "eth0").stdout
    return {name: f"{feature}: on" in shown for feature, name in FEATURES.items()}


def run(cards, planes, checks, size, kernel):
    results = Results()
    for card in cards:
        begin = time.monotonic()
        with GuestLab(card, kernel) as lab:
            progress(f"{card.driver}: up after {time.monotonic() - begin:.0f} s")
            results.features[card.driver] = features(lab.director)
            results.kernel = lab.director.run("uname", "-r").stdout.strip()
            for plane in planes:
                outcomes = examine(lab, card, plane, checks, size)
                if outcomes:
                    results.add(card, plane, outcomes)
    return results


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def page(results, checks, size, seconds):
    names = [check.__doc__ for check in checks]
    held = table(["driver", "data plane", *names],
                 [[driver, plane, *(outcomes[name] for name in names)] for driver, plane, outcomes in results.rows])
    cards = table(["driver", *FEATURES.values()],
                  [[driver, *("yes" if found[name] else "–" for name in FEATURES.values())]
                   for driver, found in results.features.items()])
    return INTRODUCTION.format(size=size >> 20, kernel=results.kernel, seconds=seconds, date=date.today(), held=held,
                               cards=cards)


INTRODUCTION = """\
# Drivers

What `scripts/test-drivers` found on {date}, in {seconds} s: one director in a guest (QEMU without virtualization,
Debian's Linux {kernel}) whose network card has a real driver, between a client and two real servers. A plane that is
missing is one that `lbd` refuses with that driver.

{held}
* **HTTP spread**: twelve requests, six to each server. **down**, **up**: {size} MiB through the VIP arrive as they were
  sent, with the offloads that the driver comes with; the rate is an emulator's.
* **VLAN**: with `--vlan` a tagged frame is forwarded with its whole tag; who takes the tag off on arrival.
* **MTU change**: to 1,400 and back under a running `lbd`, with uploads. **link down, up**: by `ip link` and by the cable.
* **two queues**: 40 flows over two receive queues and two workers, each flow on one server.
* **virtual MAC**: with `--virtual-mac` frames for the VIPs' own station come in; whether by an address more in the card's
  filter or since the driver cannot and lets all in. **NDP group**: the same for a solicitation to the group of an IPv6
  VIP. "Keeps nothing out": the card lets frames for others in, so the check shows nothing.

What the cards do by themselves as they come (generic mode of `af-xdp` is tried without GRO and LRO, as the README has it):

{cards}"""


def main():
    parser = argparse.ArgumentParser(prog="scripts/test-drivers", description=__doc__)
    parser.add_argument("kernel", help=argparse.SUPPRESS)
    parser.add_argument("--driver", action="append", choices=[card.driver for card in CARDS], help="only this one; repeatable")
    parser.add_argument("--plane", action="append", choices=[plane.name for plane in PLANES], help="only this one; repeatable")
    parser.add_argument("--check", action="append", choices=[check.__doc__ for check in CHECKS], help="only this one; repeatable")
    parser.add_argument("--size", type=int, default=50, help="MiB up and down")
    chosen = parser.parse_args()
    cards = [card for card in CARDS if card.driver in (chosen.driver or [card.driver])]
    planes = [plane for plane in PLANES if plane.name in (chosen.plane or [plane.name])]
    checks = [check for check in CHECKS if check.__doc__ in (chosen.check or [check.__doc__])]
    begin = time.monotonic()
    results = run(cards, planes, checks, chosen.size << 20, chosen.kernel)
    text = page(results, checks, chosen.size << 20, round(time.monotonic() - begin))
    print(text)
    if (len(cards), len(planes), len(checks)) == (len(CARDS), len(PLANES), len(CHECKS)):
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(text)
    sys.exit(f"test-drivers: {results.failed} checks did not hold" if results.failed else 0)


if __name__ == "__main__":
    main()
