"""A running director, `lbd`, and its command, `lbctl`."""

import http.client
import json
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from host import command
from lab import BINARIES, VIP


# What users see must not depend on how frames come in: for modules whose tests run with each way.
ON_EVERY_DATA_PLANE = pytest.mark.parametrize("data_plane", ["af-packet", "af-xdp"])


def service(vip=VIP, port=80):
    """The words that name a TCP service."""
    return ("-t", f"{vip}:{port}")


class Director:
    """An `lbd` on the lab's director, from `start` to `stop`."""

    def __init__(self, lab, *options, socket=None, under=(), host=None, error=None, interface="eth0"):
        """`under` is a program with its options that starts lbd, such as setpriv; `host` another than the director;
        `error` what its standard error is, if not the log; `interface` the host's on the LAN. Without `--state` it keeps none."""
        if "--state" not in options:
            options = ("--state", "none", *options)
        self.lab, self.options, self.under, self.host, self.error = lab, options, under, host or lab.director, error
        self.interface = interface
        self.socket = Path(socket or lab.directory / "lbd.sock")
        self.log = self.socket.with_suffix(".log") if host else lab.directory / "lbd.log"
        self.process = None
        self.was_ended = False
        # What it inherits.
        self.descriptors = ()

    def start(self):
        self.log.unlink(missing_ok=True)
        self.process = self.host.start(
            *self.under, BINARIES / "lbd", "--interface", self.interface, "--socket", self.socket, *self.options,
            log=self.log, detached=self.lab.detached, error=self.error, descriptors=self.descriptors)
        end = time.monotonic() + 30
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"lbd did not start (status {self.process.poll()}):\n{self.output()}")
            time.sleep(0.02)
        return self

    def answers(self):
        try:
            return self.json_at("/v1/services") is not None
        except OSError:
            return False

    def stop(self, how=signal.SIGTERM, timeout=20):
        """Ends lbd; its exit status, negative for the signal that killed it."""
        self.was_ended = True
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def output(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def lbctl(self, *words, **options):
        return command(BINARIES / "lbctl", "--socket", self.socket, *words, **{"timeout": 60, **options})

    def json(self, *words, **options):
        return json.loads(self.lbctl("--json", *words, **options).stdout)

    def listing(self):
        return self.lbctl("list").stdout

    def add_web(self, scheduler="rr", weights=None, servers=None, vip=VIP, port=80, options=()):
        """A TCP service at the VIP with the lab's real servers."""
        servers = self.lab.servers if servers is None else servers
        self.lbctl("add-service", *service(vip, port), "-s", scheduler, *options)
        self.change(*(
            {"add_server": {"to": f"tcp:{vip}:{port}",
                            "server": {"address": f"{server.address}:{port}", "weight": weight}}}
            for server, weight in zip(servers, weights or [1] * len(servers))))

    def connections(self, vip=VIP, port=80):
        """By real server's address: (active, inactive)."""
        return {server["address"].rsplit(":", 1)[0]: (server["active_connections"], server["inactive_connections"])
                for service in self.json_at("/v1/services") if service["service"].endswith(f":{vip}:{port}")
                for server in service["servers"]}

    def dropped(self, reason):
        """How many frames were dropped for a reason."""
        return self.json_at("/v1/verdicts")["dropped"][reason]

    def json_at(self, path):
        return json.loads(self.get(path))

    def change(self, *changes):
        """Has all the changes carried out, at once and without lbctl, whose start takes longer than they do."""
        self.request("POST", "/v1/changes", json.dumps(changes))

    def get(self, path):
        """The answer of the API socket."""
        return self.request("GET", path)

    def request(self, method, path, body=None):
        connection = http.client.HTTPConnection("lbd")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(60)
        with connection.sock:
            connection.sock.connect(str(self.socket))
            connection.request(method, path, body)
            answer = connection.getresponse()
            text = answer.read().decode()
        assert answer.status < 400, f"{path}: {answer.status} {text}"
        return text
