"""Requests that no tool sends, and what the kernel's IPVS says to each: the golden file of lbd's own server.

    odd_requests.py >Tests/ControlTests/Golden/odd-requests.json     in a kernel with IPVS

The table then has the service tcp 10.1.0.100:80 (rr) with the server 10.1.1.1:80.
"""
import json
import socket
import struct
import subprocess

REQUEST, ACK, DUMP = 0x1, 0x4, 0x300
ERROR, DONE = 2, 3
COMMANDS = {"NEW_SERVICE": 1, "SET_SERVICE": 2, "DEL_SERVICE": 3, "GET_SERVICE": 4, "NEW_DEST": 5, "SET_DEST": 6,
            "DEL_DEST": 7, "GET_DEST": 8, "NEW_DAEMON": 9, "DEL_DAEMON": 10, "GET_DAEMON": 11, "SET_CONFIG": 12,
            "GET_CONFIG": 13, "SET_INFO": 14, "GET_INFO": 15, "ZERO": 16, "FLUSH": 17}
SETUP = ["-C", "-A -t 10.1.0.100:80 -s rr", "-a -t 10.1.0.100:80 -r 10.1.1.1:80 -g -w 1"]


def attribute(kind, value):
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def nest(kind, *attributes):
    return attribute(kind, b"".join(attributes))


def u16(number):
    return struct.pack("=H", number)


def u32(number):
    return struct.pack("=I", number & 0xffffffff)


def port(number):
    return struct.pack("!H", number)


def address(text):
    return (socket.inet_pton(socket.AF_INET6, text) if ":" in text else socket.inet_aton(text)).ljust(16, b"\0")


SERVICE = {"family": attribute(1, u16(2)), "protocol": attribute(2, u16(6)), "address": attribute(3, address("10.1.0.100")),
           "port": attribute(4, port(80))}
FULL = {"scheduler": attribute(6, b"rr\0"), "flags": attribute(7, u32(0) + u32(-1)), "timeout": attribute(8, u32(0)),
        "netmask": attribute(9, u32(-1))}
DEST = {"address": attribute(1, address("10.1.1.1")), "port": attribute(2, port(80))}
DEST_FULL = {"method": attribute(3, u32(3)), "weight": attribute(4, u32(1)), "upper": attribute(5, u32(0)),
             "lower": attribute(6, u32(0))}


def service(*parts, without=(), **changed):
    """A nest of a service: its name, and with `FULL` all of it; some parts left out or otherwise."""
    fields = {**SERVICE}
    for part in parts:
        fields.update(part)
    fields.update(changed)
    return nest(1, *(value for name, value in fields.items() if name not in without))


def dest(*parts, without=(), **changed):
    fields = {**DEST}
    for part in parts:
        fields.update(part)
    fields.update(changed)
    return nest(2, *(value for name, value in fields.items() if name not in without))


OTHER = {"port": attribute(4, port(81))}
V6 = {"family": attribute(1, u16(10)), "address": attribute(3, address("2001:db8::1"))}
OTHER_DEST = {"address": attribute(1, address("10.1.1.2"))}


def requests():
    """Name, command, flags, attributes."""
    known, full, server = service(), service(FULL), dest(DEST_FULL)
    yield from [("no attributes", name, 0, b"") for name in COMMANDS if name not in ("FLUSH", "ZERO")]
    yield from [("an empty nest", name, 0, nest(1)) for name in ("NEW_SERVICE", "DEL_SERVICE", "GET_SERVICE", "ZERO")]
    yield from [(f"a service without {part}", "NEW_SERVICE", 0, service(FULL, OTHER, without=(part,)))
                for part in (*SERVICE, *FULL)]
    yield from [(f"a service by name without {part}", "DEL_SERVICE", 0, service(without=(part,))) for part in SERVICE]
    yield "an unknown family", "NEW_SERVICE", 0, service(FULL, OTHER, family=attribute(1, u16(99)))
    yield "an unknown family", "DEL_SERVICE", 0, service(family=attribute(1, u16(99)))
    yield "a family of one byte", "DEL_SERVICE", 0, service(family=attribute(1, b"\2"))
    yield "flags of four bytes", "NEW_SERVICE", 0, service(FULL, OTHER, flags=attribute(7, u32(0)))
    yield "an unknown scheduler", "NEW_SERVICE", 0, service(FULL, OTHER, scheduler=attribute(6, b"nonsense\0"))
    yield "an unknown scheduler", "SET_SERVICE", 0, service(FULL, scheduler=attribute(6, b"nonsense\0"))
    yield "a scheduler without an end", "NEW_SERVICE", 0, service(FULL, OTHER, scheduler=attribute(6, b"rr"))
    yield "a long scheduler", "NEW_SERVICE", 0, service(FULL, OTHER, scheduler=attribute(6, b"x" * 40 + b"\0"))
    yield "an unknown engine", "NEW_SERVICE", 0, service(FULL, OTHER, engine=attribute(11, b"nonsense\0"))
    yield "a prefix of 0", "NEW_SERVICE", 0, service(FULL, V6, netmask=attribute(9, u32(0)))
    yield "a prefix of 129", "NEW_SERVICE", 0, service(FULL, V6, netmask=attribute(9, u32(129)))
    yield "a service that is there", "NEW_SERVICE", 0, full
    yield "a service that is there, by name", "NEW_SERVICE", 0, known
    for name in ("DEL_SERVICE", "GET_SERVICE", "ZERO"):
        yield "no such service", name, 0, service(OTHER)
    yield "no such service", "SET_SERVICE", 0, service(FULL, OTHER)
    yield "no such service, by name", "SET_SERVICE", 0, service(OTHER)
    yield "no such protocol", "DEL_SERVICE", 0, service(protocol=attribute(2, u16(999)))
    for name in ("NEW_DEST", "SET_DEST", "DEL_DEST"):
        yield "no such service", name, 0, service(OTHER) + server
        yield "no such service and no server", name, 0, service(OTHER)
        yield "no server", name, 0, known
        yield "an empty server", name, 0, known + nest(2)
        yield "a server without address", name, 0, known + dest(DEST_FULL, without=("address",))
        yield "a server without port", name, 0, known + dest(DEST_FULL, without=("port",))
        yield "a server of an unknown family", name, 0, known + dest(DEST_FULL, family=attribute(11, u16(99)))
        yield "no service", name, 0, server
    for name in ("NEW_DEST", "SET_DEST"):
        for part in DEST_FULL:
            yield f"a server without {part}", name, 0, known + dest(DEST_FULL, without=(part,))
        yield "a server of the other family", name, 0, known + dest(
            DEST_FULL, OTHER_DEST, family=attribute(11, u16(10)))
        yield "a negative weight", name, 0, known + dest(DEST_FULL, weight=attribute(4, u32(-1)))
        yield "thresholds the wrong way round", name, 0, known + dest(
            DEST_FULL, upper=attribute(5, u32(5)), lower=attribute(6, u32(10)))
    yield "a multicast server", "NEW_DEST", 0, known + dest(DEST_FULL, address=attribute(1, address("224.0.0.1")))
    yield "a server that is there", "NEW_DEST", 0, known + server
    yield "no such server", "SET_DEST", 0, known + dest(DEST_FULL, OTHER_DEST)
    yield "no such server", "DEL_DEST", 0, known + dest(OTHER_DEST)
    for name in ("GET_DEST", "GET_DAEMON"):
        yield "one, not all", name, 0, known
    for name in ("NEW_SERVICE", "DEL_SERVICE", "NEW_DEST", "GET_INFO", "GET_CONFIG", "FLUSH", "ZERO", "SET_INFO"):
        yield "a dump", name, DUMP, known
    yield "a dump", "GET_DEST", DUMP, service(OTHER)
    yield "a dump of nothing", "GET_DEST", DUMP, b""
    yield "a dump", "GET_DAEMON", DUMP, b""
    yield "no daemon", "DEL_DAEMON", 0, nest(3, attribute(1, u32(1)))
    yield "an empty daemon", "NEW_DAEMON", 0, nest(3)
    yield "a daemon without interface", "NEW_DAEMON", 0, nest(3, attribute(1, u32(1)), attribute(3, u32(1)))
    yield "a timeout that is too long", "SET_CONFIG", 0, attribute(4, u32(-1))
    yield "a timeout of 0", "SET_CONFIG", 0, attribute(4, u32(0))
    yield from [("an unknown command", number, 0, b"") for number in (0, 18, 100, 254)]


def message(family, command, flags, content):
    number = COMMANDS.get(command, command)
    return struct.pack("=IHHII", 20 + len(content), family, REQUEST | ACK | flags, 7, 0) + bytes(
        (number, 1, 0, 0)) + content


def conversation(kernel, request):
    """The errno that ends the answer, and how many messages came before."""
    kernel.send(request)
    count = 0
    while True:
        data = kernel.recv(1 << 16)
        while data:
            length, kind = struct.unpack("=IH", data[:6])
            if kind in (ERROR, DONE):
                return -struct.unpack("=i", data[16:20])[0], count
            count += 1
            data = data[(length + 3) & ~3:]


def family_of(kernel):
    kernel.send(struct.pack("=IHHII", 20 + 12, 0x10, REQUEST, 1, 0) + bytes((3, 1, 0, 0)) + attribute(2, b"IPVS\0"))
    data = kernel.recv(1 << 16)
    place = 20
    while place < len(data):
        length, kind = struct.unpack("=HH", data[place:place + 4])
        if kind == 1:
            return struct.unpack("=H", data[place + 4:place + 6])[0]
        place += (length + 3) & ~3
    raise RuntimeError("no family IPVS")


def answers():
    """Each request with what the kernel says to it, on the table of `SETUP`."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16) as kernel:
        kernel.bind((0, 0))
        family = family_of(kernel)
        for name, command, flags, content in requests():
            for line in SETUP:
                subprocess.run(["ipvsadm", *line.split()], check=True)
            errno, count = conversation(kernel, message(family, command, flags, content))
            yield {"name": f"{command}: {name}", "command": COMMANDS.get(command, command), "flags": flags,
                   "attributes": content.hex(), "errno": errno, "messages": count}


if __name__ == "__main__":
    print("[\n" + ",\n".join(json.dumps(answer) for answer in answers()) + "\n]")
