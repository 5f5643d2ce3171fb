"""Makes histories of a director's life up: changes and packets, the same ones for the same seed.

    history.py --seed N --steps N >HISTORIES.json

A history is {name, family, mtu, marks, steps}. Services, servers and mark rules are written in the words of the project's
configuration; a step is one change, one packet (`from` a client `to` a VIP), one ICMP error about a flow, or a wait.
"""

import argparse
import json
import random
import sys

SCHEDULERS = "rr wrr lc wlc lblc lblcr dh sh mh sed nq fo ovf".split()
TRANSPORTS = ["tcp"] * 6 + ["udp"] * 2 + ["sctp"] * 2 + ["ops"]
LAYOUTS = ["one"] * 5 + ["two"] * 3 + ["all ports"] * 2 + ["mark"] * 2 + ["ftp"] + ["sip"] * 2
# What SIP messages say of their Call-ID, `{}`; the last ones make it hard to find, or say nothing.
CALLS = (["Call-ID: {}\r\n"] * 8 + ["call-id  :\t{}\r\n", "i: {}\r\n", "I:{}\r\n", "Call-ID: {}\n", "Call-ID: {}\r"]
         + ["Call-ID:\r\n {}\r\n", "Call-ID\r\n\t: {}\r\n", "Via: x\r\n  y\r\nCall-ID: {}@host\r\n"]
         + ["X: y\r\n\r\nCall-ID: {}\r\n", "\nCall-ID: {}\r\n", "Call-ID: ;\r\nCall-ID: {}\r\n", "Call-ID {}\r\n"]
         + ["Call-ID: {};x\r\n", "Call-ID: {}@\r\n", "Call-ID: {} \r\n", "Call-ID: {}", "Call-IDs: {}\r\n", "id: {}\r\n"]
         + ["Call-ID: {}" + "x" * 255 + "\r\n", "Call-ID: {}" + "x" * 253 + "\r\n", "Call-ID:\r\n", "Subject: {}\r\n", ""])
WEIGHTS = [0, 1, 1, 1, 1, 2, 2, 3, 4, 5, 7, 10, 100]
LENGTH = 150
MARK = 7
TCP_FIRST = ["S"] * 40 + ["A", "SA", "FA", "RA", "R", "SR", "P", ""]
TCP_LATER = (["A"] * 30 + ["PA"] * 8 + ["FA"] * 14 + ["F"] * 3 + ["R"] * 6 + ["RA"] * 6 + ["S"] * 22 + ["SA"] * 3
             + ["SF", "SR", "FR", "P", ""])
SCTP_FIRST = [1] * 20 + [0, 10, 6, 14]
SCTP_LATER = [0, 0, 1, 1, 1, 2, 3, 6, 6, 7, 7, 8, 8, 9, 10, 10, 10, 10, 10, 11, 14, 14, 4]


class History:
    def __init__(self, seed, number, scheduler):
        self.random = random.Random(f"{seed} {number} {scheduler}")
        choice, chance = self.random.choice, self.chance
        self.scheduler = scheduler
        self.waits = (number + SCHEDULERS.index(scheduler)) % len(SCHEDULERS) == 0
        self.family = 6 if chance(0.3) else 4
        transport = choice(TRANSPORTS)
        self.onePacket = transport == "ops"
        self.transport = "udp" if self.onePacket else transport
        self.layout = choice(["mark"] * 4 + LAYOUTS if scheduler in ("dh", "lblc", "lblcr") else LAYOUTS)
        if self.layout == "ftp":
            self.transport, self.onePacket = "tcp", False
        if self.layout == "sip":
            self.transport, self.onePacket = "udp", chance(0.3)
        self.isPersistent = self.layout in ("all ports", "sip") or chance(0.3)
        self.mtu = choice([1500, 1500, 1500, 600 if self.family == 4 else 1280])
        self.dropsPackets = chance(0.1)
        self.hasThresholds = chance(0.35)
        self.services, self.steps, self.flows, self.port = {}, [], [], 1024
        self.vips = [self.vip(n) for n in range(3)]
        self.plan()
        kind = "ops" if self.onePacket else self.transport
        self.name = " ".join([scheduler, str(number), f"IPv{self.family}", kind, self.layout]
                             + ["persistent"] * self.isPersistent + ["waits"] * self.waits)

    def chance(self, probability):
        return self.random.random() < probability

    # Addresses

    def vip(self, n):
        return f"10.1.0.{100 + n}" if self.family == 4 else f"[fd00:1::{100 + n}]"

    def server(self, n, port):
        return f"10.1.1.{n}:{port}" if self.family == 4 else f"[fd00:1::1:{n}]:{port}"

    def client(self):
        n = self.random.randrange(12)
        net, host = n // 4, n % 4 + 1 + self.random.randrange(3) * 20
        return f"192.0.{net + 2}.{host}" if self.family == 4 else f"[2001:db8:0:{net + 1}::{host:x}]"

    def router(self):
        return "198.51.100.1" if self.family == 4 else "2001:db8:ffff::1"

    # Services

    def plan(self):
        """The keys of the services, the port that their servers have, and where packets may go."""
        kind, (first, second, third) = self.transport, self.vips
        if self.layout == "mark":
            self.keys = [f"fwmark{'6' if self.family == 6 else ''}:{MARK}"]
            self.targets = [f"{vip}:{port}" for vip in self.vips for port in (80, 443)]
        elif self.layout == "two":
            self.keys = [f"{kind}:{first}:80", f"{kind}:{self.random.choice([first, second])}:443"]
            self.targets = [key.split(":", 1)[1] for key in self.keys]
        elif self.layout == "all ports":
            self.keys = [f"{kind}:{first}:0"] + [f"{kind}:{first}:80"] * self.chance(0.5)
            self.targets = [f"{first}:{port}" for port in (80, 443, 8080)]
        elif self.layout == "sip":
            self.keys, self.targets = [f"udp:{first}:5060"], [f"{first}:5060"]
        elif self.layout == "ftp":
            self.keys = [f"{kind}:{first}:21"]
            self.targets = [f"{first}:{port}" for port in (21, 21, 20, 40000)]
        else:
            self.keys, self.targets = [f"{kind}:{first}:80"], [f"{first}:80"]
        self.others = [f"{first}:99", f"{third}:80"]

    def serverPort(self, key):
        return 0 if key.startswith("fwmark") else int(key.rsplit(":", 1)[1])

    def definition(self, key, scheduler):
        definition = {"service": key, "scheduler": scheduler}
        if scheduler in ("sh", "mh"):
            flags = [f"{scheduler}-{word}" for word in ("fallback", "port") if self.chance(0.4)]
            if flags:
                definition["flags"] = flags
        if self.isPersistent and not (key.endswith(":80") and self.layout == "all ports"):
            definition["persistence"] = {"timeout": self.lifetime() if self.waits else self.random.choice([120, 300])}
            if self.chance(0.5):
                definition["persistence"]["netmask"] = "255.255.255.0" if self.family == 4 else "64"
            if self.layout == "sip" and self.chance(0.95):
                definition["persistence_engine"] = "sip"
        if self.onePacket:
            definition["one_packet"] = True
        return definition

    def lifetime(self):
        """A template's seconds in a history that waits: its end is to come a second before or after connections'."""
        return 5 if self.transport == "sctp" else 4

    def realServer(self, n, key):
        server = {"address": self.server(n, self.serverPort(key)), "weight": self.random.choice(WEIGHTS)}
        if self.hasThresholds and self.chance(0.6):
            server["upper_threshold"] = self.random.choice([0, 1, 2, 3, 5, 8])
            server["lower_threshold"] = self.random.randint(0, server["upper_threshold"])
        return server

    def addServer(self, key):
        free = [n for n in range(1, 8) if n not in self.services[key]]
        if free:
            number = self.random.choice(free)
            self.services[key].add(number)
            self.step("addServer", of=key, server=self.realServer(number, key))

    def change(self):
        """One change to what is configured."""
        key = self.random.choice(self.keys)
        if key not in self.services:
            self.services[key] = set()
            self.step("addService", service=self.definition(key, self.scheduler))
            for _ in range(self.random.randint(0, 4)):
                self.addServer(key)
            return
        servers = sorted(self.services[key])
        number = self.random.choice(servers) if servers else None
        kind = self.random.choices(
            ["edit", "add", "remove", "service", "scheduler", "removal", "setting"], [40, 22, 20, 3, 2, 2, 11])[0]
        if kind == "edit" and number:
            self.step("updateServer", of=key, server=self.realServer(number, key))
        elif kind == "remove" and number:
            self.services[key].remove(number)
            self.step("removeServer", of=key, server={"address": self.server(number, self.serverPort(key))})
        elif kind == "service":
            if self.layout not in ("all ports", "sip") and self.chance(0.2):
                self.isPersistent = not self.isPersistent
            if self.transport == "udp" and self.chance(0.1):
                self.onePacket = not self.onePacket
            self.step("updateService", service=self.definition(key, self.scheduler))
        elif kind == "scheduler":
            self.step("updateService", service=self.definition(key, self.random.choice(SCHEDULERS)))
            self.step("updateService", service=self.definition(key, self.scheduler))
        elif kind == "removal":
            del self.services[key]
            self.step("removeService", of=key)
        elif kind == "setting":
            self.setting()
        else:
            self.addServer(key)

    def setting(self):
        key, values = self.random.choice([
            ("conn_reuse_mode", [0, 1, 1, 2, 3]), ("expire_nodest_conn", [0, 0, 1]),
            ("expire_quiescent_template", [0, 1]), ("sloppy_tcp", [0, 0, 1]), ("sloppy_sctp", [0, 0, 1]),
            ("secure_tcp", [0, 3]), ("schedule_icmp", [0] if self.waits else [0, 1])])
        if self.dropsPackets and self.chance(0.5):
            return self.dropPackets()
        self.step("set", key=key, value=str(self.random.choice(values)))

    def dropPackets(self):
        """One new connection in so many, or none. The rate is taken over when the defense goes up."""
        self.step("set", key="drop_packet", value="0")
        if self.chance(0.7):
            self.step("set", key="am_droprate", value=str(self.random.randint(1, 5)))
            self.step("set", key="drop_packet", value="3")

    # Packets

    def packet(self):
        if self.flows and self.chance(0.08):
            return self.error()
        if self.flows and self.chance(0.55):
            flow, isFirst = self.random.choice(self.flows[-12:]), False
        else:
            flow, isFirst = self.newFlow(), True
        transport, source, target = flow
        words = {"transport": transport, "from": source, "to": target}
        if transport == "tcp":
            words["flags"] = self.random.choice(TCP_FIRST if isFirst else TCP_LATER)
        elif transport == "sctp":
            words["chunk"] = self.random.choice(SCTP_FIRST if isFirst else SCTP_LATER)
        if self.chance(0.05):
            words["ttl"] = self.random.choice([1, 2])
        if self.layout == "sip":
            words["payload"] = self.message()
        elif self.chance(0.06):
            words["fragments"] = self.random.choice([[0, 1], [1, 0], [0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1]])
        elif self.chance(0.06):
            words["length"] = self.mtu + self.random.choice([-1, 0, 1, 2, 8, 100, 700])
            words["whole"] = self.chance(0.6)
        self.step("packet", **words)

    def message(self):
        """A SIP message as text."""
        call = self.random.choice(["a1", "b2", "c3", "d4@host", "e5.x-y_z"])
        return "INVITE sip:a@b SIP/2.0\r\nTo: c\r\n" + self.random.choice(CALLS).replace("{}", call) + (
            "" if self.chance(0.2) else "Max-Forwards: 70\r\n\r\n")

    def newFlow(self):
        self.port += 1
        port = 20 if self.chance(0.01) else self.port
        target = self.random.choice(self.others if self.chance(0.03) else self.targets)
        flow = (self.transport, f"{self.client()}:{port}", target)
        self.flows.append(flow)
        return flow

    def error(self):
        transport, source, target = self.random.choice(self.flows[-12:]) if self.chance(0.85) else \
            (self.transport, f"{self.client()}:999", self.random.choice(self.targets))
        kinds = [(3, 1), (3, 3), (3, 4), (11, 0), (4, 0), (5, 1)] if self.family == 4 else [(1, 0), (1, 4), (2, 0), (3, 0)]
        kind, code = self.random.choice(kinds)
        self.step("error", **{"transport": transport, "from": source, "to": target, "router": self.router(),
                              "type": kind, "code": code})

    # The whole

    def step(self, operation, **words):
        self.steps.append({"op": operation, **words})

    def make(self):
        for _ in range(self.random.randint(0, 3)):
            self.setting()
        if self.dropsPackets:
            self.dropPackets()
        if self.waits:
            self.step("timeouts", tcp=5, tcpFin=2, udp=2)
        # Both keep the VIPs while no other service has them, the kernel its hooks.
        for vip in self.vips:
            self.step("addService", service={"service": f"tcp:{vip}:9", "scheduler": "rr"})
        for key in sorted(set(self.keys)):
            self.services[key] = set()
            self.step("addService", service=self.definition(key, self.scheduler))
            for _ in range(self.random.randint(2, 5)):
                self.addServer(key)
        while len(self.steps) < LENGTH:
            self.change() if self.chance(0.14) else self.packet()
            # Bursts begin every three seconds. The timeouts are such that ends, which the kernel's timers put off by up
            # to an eighth, fall between them.
            if self.waits and len(self.steps) % 45 == 44:
                self.step("wait", until=3 * (1 + len(self.steps) // 45))
        history = {"name": self.name, "family": self.family, "mtu": self.mtu, "steps": self.steps}
        if self.layout == "mark":
            prefix = "10.1.0.100/30" if self.family == 4 else "fd00:1::100/126"
            history["marks"] = [{"destination": prefix, "mark": MARK}]
        return history


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=20000)
    options = parser.parse_args()
    histories, steps, number = [], 0, 0
    while steps < options.steps:
        for scheduler in SCHEDULERS:
            histories.append(History(options.seed, number, scheduler).make())
            steps += len(histories[-1]["steps"])
        number += 1
    json.dump(histories, sys.stdout, separators=(",", ":"))
    print(f"{steps} steps in {len(histories)} histories", file=sys.stderr)


main()
