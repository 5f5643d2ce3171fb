"""keepalived on the kernel's IPVS: what it makes of the configuration that the lab has it steer lbd with."""
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from programs import theirs

sys.path.append(str(Path(__file__).resolve().parents[1] / "Lab"))
import farm  # noqa: E402

NAMESPACE = "farm"


@pytest.fixture
def servers():
    """A namespace on a wire, with the servers' addresses: to those of its own the kernel would not route."""
    for line in (f"netns add {NAMESPACE}", f"link add farm0 type veth peer name eth0 netns {NAMESPACE}",
                 "address add 10.77.0.2/24 dev farm0", "link set farm0 up", f"-n {NAMESPACE} link set lo up",
                 *(f"-n {NAMESPACE} address add {address}/24 dev eth0" for address in farm.ADDRESSES),
                 f"-n {NAMESPACE} link set eth0 up"):
        subprocess.run(["ip", *line.split()], check=True)
    yield
    subprocess.run(["ip", "link", "del", "farm0"], check=True)
    subprocess.run(["ip", "netns", "del", NAMESPACE], check=True)


@pytest.mark.skipif(not shutil.which("keepalived"), reason="the package keepalived cannot be installed here")
def test_keepalived_lives_through_the_labs_steps(servers):
    hosts = [("ip", "netns", "exec", NAMESPACE)] * len(farm.ADDRESSES)
    with farm.Farm("/run/farm", hosts) as running:
        farm.live_through(running, lambda: theirs("-Ln")[1], seconds=120)
