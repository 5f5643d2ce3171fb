"""The kernel's own IPVS in a network namespace of its own: a tap for a wire, netlink to configure, /proc to look."""

import ctypes
import errno
import fcntl
import functools
import ipaddress
import os
import select
import socket
import struct
import subprocess

import packets

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 2, 0x1000
NLM_F_REQUEST, NLM_F_ACK, NLMSG_ERROR = 1, 4, 2
GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 16, 3, 1, 2
NEW_SERVICE, SET_SERVICE, DEL_SERVICE, NEW_DEST, SET_DEST, DEL_DEST, SET_CONFIG = 1, 2, 3, 5, 6, 7, 12
SERVICE, DEST = 1, 2
PERSISTENT, ONE_PACKET, DIRECT_ROUTING = 1, 4, 3
SCHEDULER_FLAGS = {"fallback": 8, "port": 16, "flag-3": 32, "flag-1": 8, "flag-2": 16}


def attribute(kind, data):
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def u16(kind, value):
    return attribute(kind, struct.pack("=H", value))


def u32(kind, value):
    return attribute(kind, struct.pack("=I", value))


def port(kind, value):
    return attribute(kind, struct.pack("!H", value))


class Netlink:
    """The generic netlink family of IPVS."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
        self.sequence = 0
        reply = self.ask(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, attribute(CTRL_ATTR_FAMILY_NAME, b"IPVS\0"))
        while reply:
            length, kind = struct.unpack_from("=HH", reply)
            if kind == CTRL_ATTR_FAMILY_ID:
                self.family = struct.unpack_from("=H", reply, 4)[0]
            reply = reply[(length + 3) & ~3:]

    def ask(self, family, command, payload):
        """Sends one request; the attributes of the reply before its acknowledgment."""
        self.sequence += 1
        body = struct.pack("=BBH", command, 1, 0) + payload
        self.socket.send(
            struct.pack("=IHHII", 16 + len(body), family, NLM_F_REQUEST | NLM_F_ACK, self.sequence, 0) + body)
        reply = b""
        while True:
            data = self.socket.recv(65536)
            while data:
                length, kind = struct.unpack_from("=IH", data)
                if kind == NLMSG_ERROR:
                    code = -struct.unpack_from("=i", data, 16)[0]
                    if code:
                        raise OSError(code, errno.errorcode.get(code, "?"))
                    return reply
                reply += data[20:length]
                data = data[(length + 3) & ~3:]

    def command(self, command, *attributes):
        self.ask(self.family, command, b"".join(attributes))


def service_id(key):
    """`tcp:192.0.2.1:80`, `fwmark:7` or `fwmark6:7` as attributes."""
    kind, rest = key.split(":", 1)
    if kind.startswith("fwmark"):
        return u16(1, socket.AF_INET6 if kind == "fwmark6" else socket.AF_INET) + u32(5, int(rest))
    address, number = packets.endpoint(rest)
    return (u16(1, socket.AF_INET if address.version == 4 else socket.AF_INET6) + u16(2, packets.NUMBERS[kind])
            + attribute(3, address.packed.ljust(16, b"\0")) + port(4, number))


def service(key, definition):
    """A whole service as attributes: the words are those of the project's own configuration."""
    v4 = key.startswith("fwmark:") or "[" not in key and not key.startswith("fwmark6:")
    persistence = definition.get("persistence")
    flags = sum(SCHEDULER_FLAGS[name.split("-", 1)[1] if name[:2] in ("sh", "mh") else name]
                for name in definition.get("flags", []))
    flags |= ONE_PACKET if definition.get("one_packet") else 0
    netmask, timeout = 0xFFFFFFFF if v4 else 128, 0
    if persistence:
        flags |= PERSISTENT
        timeout = persistence["timeout"]
        mask = persistence.get("netmask", "255.255.255.255" if v4 else "128")
        netmask = struct.unpack("=I", socket.inet_aton(mask))[0] if v4 else int(mask)
    engine = attribute(11, definition.get("persistence_engine", "").encode() + b"\0") if persistence else b""
    return (service_id(key) + attribute(6, definition["scheduler"].encode() + b"\0") + engine + attribute(7, struct.pack("=II", flags, 0xFFFFFFFF)) + u32(8, timeout) + u32(9, netmask))


def server_id(text):
    address, number = packets.endpoint(text)
    return (u16(11, socket.AF_INET if address.version == 4 else socket.AF_INET6)
            + attribute(1, address.packed.ljust(16, b"\0")) + port(2, number))


def server(definition):
    return (server_id(definition["address"]) + u32(3, DIRECT_ROUTING) + u32(4, definition.get("weight", 1))
            + u32(5, definition.get("upper_threshold", 0)) + u32(6, definition.get("lower_threshold", 0)))


@functools.cache
def address(hexadecimal):
    """An address as /proc writes it: `0A010064`, or eight groups of four digits."""
    if ":" in hexadecimal:
        return ipaddress.ip_address(hexadecimal.strip("[]"))
    return ipaddress.ip_address(bytes.fromhex(hexadecimal))


@functools.cache
def end(hexadecimal, number):
    host = address(hexadecimal)
    return f"[{host}]:{int(number, 16)}" if host.version == 6 else f"{host}:{int(number, 16)}"


@functools.cache
def flow_name(protocol, client, client_port, virtual, port):
    """A connection's or a template's name; where a template is a mark's, that stands in the VIP's place."""
    if protocol == "IP":
        return f"ip {end(client, client_port)} mark {int.from_bytes(address(virtual).packed[:4], 'big')}"
    return f"{protocol.lower()} {end(client, client_port)} {end(virtual, port)}"


class Kernel:
    """A fresh namespace with the director's address, the VIPs and neighbors that need no ARP."""

    def __init__(self, family, marks, mtu=1500):
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare")
        self.tap = os.open("/run/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.tap, TUNSETIFF, struct.pack("16sH", b"eth0", IFF_TAP | IFF_NO_PI))
        self.family, self.mtu = family, mtu
        self.quiet()
        subprocess.run(["ip", "-batch", "-"], input=self.setup(), text=True, check=True)
        for rule in marks:
            self.mark(rule)
        self.netlink = Netlink()
        self.listing = open("/proc/net/ip_vs", "rb", buffering=0)
        self.connections = open("/proc/net/ip_vs_conn", "rb", buffering=0)

    def quiet(self):
        """No limit to ICMP errors, none of IPv6's chatter."""
        for key, value in {"ipv4/icmp_ratelimit": 0, "ipv6/icmp/ratelimit": 0, "ipv6/conf/all/accept_ra": 0,
                           "ipv6/conf/eth0/accept_ra": 0, "ipv6/conf/eth0/router_solicitations": 0,
                           "ipv6/conf/eth0/accept_dad": 0}.items():
            with open(f"/proc/sys/net/{key}", "w") as file:
                file.write(str(value))

    def setup(self):
        lines = ["link set lo up", f"link set eth0 mtu {self.mtu} address 02:00:00:00:00:01", "link set eth0 up"]
        if self.family == 4:
            lines += ["addr add 10.1.0.1/16 dev eth0"] + [f"addr add 10.1.0.{100 + n}/32 dev lo" for n in range(4)]
            neighbors = [(f"10.1.1.{n}", n) for n in range(1, 10)]
            gateway = "10.1.255.254"
        else:
            lines += ["addr add fd00:1::1/64 dev eth0 nodad"]
            lines += [f"addr add fd00:1::{100 + n}/128 dev lo nodad" for n in range(4)]
            neighbors = [(f"fd00:1::1:{n}", n) for n in range(1, 10)]
            gateway = "fd00:1::ffff"
        lines += [f"neigh add {host} lladdr 02:00:00:00:01:0{n} dev eth0 nud permanent" for host, n in neighbors]
        lines += [f"neigh add {gateway} lladdr 02:00:00:00:00:c1 dev eth0 nud permanent"]
        return "\n".join(lines + [f"route add default via {gateway} dev eth0"]) + "\n"

    def mark(self, rule):
        """The project's mark rule as one of iptables'."""
        program = "iptables-legacy" if self.family == 4 else "ip6tables-legacy"
        words = ["-t", "mangle", "-A", "PREROUTING", "-d", rule["destination"], "-j", "MARK"]
        subprocess.run([program, *words, "--set-mark", str(rule["mark"])], check=True)

    def set(self, key, value):
        with open(f"/proc/sys/net/ipv4/vs/{key}", "w") as file:
            file.write(value)

    def apply(self, step):
        """Carries a step out that is no packet."""
        command, operation = self.netlink.command, step["op"]
        if operation == "set":
            self.set(step["key"], step["value"])
        elif operation == "timeouts":
            command(SET_CONFIG, u32(4, step["tcp"]), u32(5, step["tcpFin"]), u32(6, step["udp"]))
        elif operation in ("addService", "updateService"):
            definition = step["service"]
            attributes = attribute(SERVICE, service(definition["service"], definition))
            command(NEW_SERVICE if operation == "addService" else SET_SERVICE, attributes)
        elif operation == "removeService":
            command(DEL_SERVICE, attribute(SERVICE, service_id(step["of"])))
        elif operation in ("addServer", "updateServer"):
            command(NEW_DEST if operation == "addServer" else SET_DEST, attribute(SERVICE, service_id(step["of"])),
                    attribute(DEST, server(step["server"])))
        elif operation == "removeServer":
            command(DEL_DEST, attribute(SERVICE, service_id(step["of"])),
                    attribute(DEST, server_id(step["server"]["address"])))
        else:
            raise ValueError(operation)

    def send(self, *frames):
        """Puts frames on the wire: what the director made of them, `none` where that is nothing."""
        self.receive()
        for frame in frames:
            self.write(frame)
        answers = self.receive()
        if not answers:
            select.select([self.tap], [], [], 0.002)
            answers = self.receive()
        return " and ".join(answers) or "none"

    def write(self, frame):
        os.write(self.tap, frame)

    def receive(self):
        answers = []
        while True:
            try:
                meaning = packets.meaning(os.read(self.tap, 4096))
            except BlockingIOError:
                return answers
            if meaning is not None:
                answers.append(meaning)

    def read(self, file):
        file.seek(0)
        return b"".join(iter(lambda: file.read(65536), b"")).decode().splitlines()

    def counts(self):
        """Per service its servers in the kernel's order: address, weight, active and inactive connections."""
        result, servers = {}, None
        for line in self.read(self.listing)[3:]:
            words = line.split()
            if words[0] == "->":
                host, number = words[1].rsplit(":", 1)
                servers.append(" ".join([end(host, number)] + words[3:6]))
                continue
            if words[0] == "FWM":
                key = f"fwmark{'6' if self.family == 6 else ''}:{int(words[1], 16)}"
            else:
                host, number = words[1].rsplit(":", 1)
                key = f"{words[0].lower()}:{end(host, number)}"
            servers = result[key] = []
        return result

    def table(self):
        """The connections and templates as (flow, server, state, seconds left)."""
        rows = []
        for line in self.read(self.connections)[1:]:
            *flow, host, number, state, left = line.split()[:9]
            rows.append((flow_name(*flow), end(host, number), state, int(left)))
        return sorted(rows)
