"""What a switch or a card may do to frames on their way: merge them, or drop broadcasts."""

from contextlib import contextmanager

from frames import BROADCAST

MERGING = {"gro_flush_timeout": 200000, "napi_defer_hard_irqs": 5}


@contextmanager
def without_broadcasts_of(lab, name):
    """A switch that suppresses what one of its ports broadcasts."""
    lab.lan.run("nft", "add table bridge storm; add chain bridge storm forward "
                "{ type filter hook forward priority 0; }; "
                f"add rule bridge storm forward iifname {name} ether daddr {BROADCAST} drop")
    try:
        yield
    finally:
        lab.lan.run("nft", "delete table bridge storm")


@contextmanager
def features(host, interface="eth0", **wanted):
    """Features of an interface as ethtool names them; the other way round afterwards."""
    def switch(states):
        words = [word for name, state in states.items() for word in (name.replace("_", "-"), state)]
        host.run("ethtool", "-K", interface, *words)

    switch(wanted)
    try:
        yield
    finally:
        switch({name: "off" if state == "on" else "on" for name, state in reversed(wanted.items())})


@contextmanager
def merging(lab, **more):
    """The director's interface waits for more packets of a flow before it hands them over.

    A veth merges only what comes from a port that does not take super-frames itself.
    """
    def settings(values):
        for name, value in values.items():
            lab.director.run("sh", "-c", f"echo {value} >/sys/class/net/eth0/{name}")

    with features(lab.lan, "director", tso="off"), features(lab.director, gro="on", **more):
        settings(MERGING)
        try:
            yield
        finally:
            settings(dict.fromkeys(MERGING, 0))
