"""A thousand services with ten servers each: only what differs is sent."""
from netlink import Messages
from programs import lbctl, theirs

SERVICES, SERVERS = 1000, 10


def yaml(changed=()):
    lines = ["services:"]
    for number in range(SERVICES):
        lines += [f"- service: tcp:10.{number // 250}.{number % 250}.100:80", "  scheduler: wrr", "  servers:"]
        for server in range(SERVERS):
            weight = 7 if (number, server) in changed else 1
            lines += [f"  - {{address: 10.9.{number % 250}.{server + 1}:80, weight: {weight}}}"]
    return "\n".join(lines) + "\n"


def test_only_the_differences_are_sent():
    with Messages() as messages:
        assert lbctl("--kernel apply -f -", stdin=yaml()) == (0, "11000 changes\n", "")
        assert messages.take() == {"NEW_SERVICE": 1000, "NEW_DEST": 10000}
        assert lbctl("--kernel apply -f -", stdin=yaml()) == (0, "0 changes\n", "")
        assert messages.take() == {}
        changed = {(number, server) for number in range(0, SERVICES, 10) for server in (3,)}
        assert lbctl("--kernel apply -f -", stdin=yaml(changed)) == (0, "100 changes\n", "")
        assert messages.take() == {"SET_DEST": 100}
    assert theirs("-Sn")[1].count(" -w 7\n") == 100
