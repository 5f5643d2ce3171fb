"""The XDP program at a host's interface, as the kernel tells of it."""

import re
import time


def programs(host):
    """How many there are."""
    return host.ip("-details", "link", "show", "eth0").stdout.count("prog/xdp")


def program(host):
    """The number that the kernel gave it."""
    return re.search(r"prog/xdp id (\d+)", host.ip("-details", "link", "show", "eth0").stdout)[1]


def await_another(host, before, meanwhile=lambda: None):
    """Waits until there is another one than `before`."""
    end = time.monotonic() + 5
    while programs(host) == 0 or program(host) == before:
        assert time.monotonic() < end
        meanwhile()
        time.sleep(0.05)
