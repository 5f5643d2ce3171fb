"""The XDP program at a host's interface, as the kernel tells of it."""

import re

from waiting import until


def programs(host):
    """The numbers that the kernel gave to the programs there."""
    return re.findall(r"prog/xdp id (\d+)", host.ip("-details", "link", "show", "eth0").stdout)


def program(host):
    """The one that is there, once it is: while rings are made anew, there is none for a moment."""
    return until(lambda: programs(host))[0]


def await_another(host, before, meanwhile=lambda: None):
    """Waits until there is another one than `before`."""
    def has_another():
        meanwhile()
        return any(number != before for number in programs(host))

    until(has_another)
