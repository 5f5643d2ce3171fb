"""Inside the guest: frames a second through the kernel's IPVS, lbd and the twins in C, as JSON."""

import json
import sys
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hairpin import PORT, SERVERS, VIP, Hairpin, Unavailable, mac  # noqa: E402
from host import command  # noqa: E402
from lab import BINARIES  # noqa: E402

FLOWS, LENGTH = 1 << 16, 60


class Guest(Hairpin):
    # The generator gives way to whoever forwards: so no frame is made for nothing.
    generating, forwarding = ("chrt", "--idle", "0"), ()

    @contextmanager
    def ipvs(self):
        """The VIP is the host's own; servers are stations that nobody has to ask for; clients are beyond a router."""
        service = ("-u", f"{VIP}:{PORT}")
        self.director.ip("address", "add", f"{VIP}/32", "dev", "lo")
        self.director.ip("route", "add", "default", "via", "10.77.0.1", "dev", "eth0")
        self._kernel("add-service", *service, "-s", "rr")
        for number in range(SERVERS):
            address = f"10.77.0.{21 + number}"
            self.director.ip("neighbor", "replace", address, "lladdr", mac(number), "dev", "eth0", "nud", "permanent")
            self._kernel("add-rs", *service, "-r", f"{address}:{PORT}", "-g")
        try:
            yield
        finally:
            self._kernel("del-service", *service)
            self.director.ip("address", "delete", f"{VIP}/32", "dev", "lo")
            self.director.ip("route", "delete", "default")

    def _kernel(self, *words):
        self.director.run(BINARIES / "lbctl", "--kernel", *words)


def main(rounds, seconds, *names):
    """`names`: only these contenders."""
    contenders = {
        "kernel IPVS": Guest.ipvs,
        **{f"lbd, {plane}": lambda guest, plane=plane: guest.ours(plane) for plane in ("af-packet", "af-xdp")},
        "C, ring and sendmmsg": lambda guest: guest.twin("ring"),
        "C, AF_XDP": lambda guest: guest.twin("xdp"),
        "nftables netdev DSR": lambda guest: guest.nftables(),
    }
    contenders = {name: contender for name, contender in contenders.items() if not names or name in names}
    rates, refusals = {name: [] for name in contenders}, {}
    with Guest() as guest:
        for _ in range(rounds):
            for name, contender in contenders.items():
                if name in refusals:
                    continue
                try:
                    with contender(guest):
                        rates[name].append(guest.saturation(FLOWS, LENGTH, seconds, warm(name, seconds)))
                except Unavailable as refusal:
                    refusals[name] = str(refusal)
    json.dump({"kernel": command("uname", "-r").stdout.strip(), "rates": rates, "refusals": refusals}, sys.stdout)


def warm(name, seconds):
    """lbd offloads a flow after nine of its frames, of which it sees some fifty thousand a second here."""
    return 10 * FLOWS / 50_000 if "xdp" in name and "lbd" in name and seconds > 1 else seconds / 2


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), *sys.argv[3:])
