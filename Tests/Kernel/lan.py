"""A LAN of namespaces in the guest: a client, a director and two real servers on a bridge."""
import os
import subprocess
import time
from contextlib import contextmanager

from programs import run

VIP, VIP6 = "10.77.0.100", "fd77::100"
RULES = "-A -t {vip}:80 -s rr\n-a -t {vip}:80 -r 10.77.0.21:80 -g -w 1\n-a -t {vip}:80 -r 10.77.0.22:80 -g -w 1\n"


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


def inside(name, *words, **more):
    return run("ip", "netns", "exec", name, *words, **more)


def until(condition, seconds=20, what=lambda: "it did not come about in time"):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what()
        time.sleep(0.1)


@contextmanager
def hosts_on_a_lan():
    """The director is a namespace of its own."""
    hosts = {"client": "10.77.0.11", "director": "10.77.0.2", "rs1": "10.77.0.21", "rs2": "10.77.0.22"}
    ip("link", "add", "lan", "type", "bridge", "forward_delay", "0")
    ip("link", "set", "lan", "up")
    servers = []
    for name, address in hosts.items():
        ip("netns", "add", name)
        ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("link", "set", name, "master", "lan", "up")
        ip("-n", name, "link", "set", "lo", "up")
        ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
        ip("-n", name, "addr", "add", f"fd77::{address.split('.')[3]}/64", "dev", "eth0", "nodad")
        ip("-n", name, "link", "set", "eth0", "up")
        if name.startswith("rs"):
            for key in ("all", "eth0"):
                inside(name, "sysctl", "-qw", f"net.ipv4.conf.{key}.arp_ignore=1",
                       f"net.ipv4.conf.{key}.arp_announce=2")
            ip("-n", name, "addr", "add", f"{VIP}/32", "dev", "lo")
            ip("-n", name, "addr", "add", f"{VIP6}/128", "dev", "lo", "nodad")
            folder = f"/run/{name}"
            os.makedirs(folder, exist_ok=True)
            with open(f"{folder}/index.html", "w") as page:
                page.write(f"{name}\n")
            servers.append(subprocess.Popen(
                ["ip", "netns", "exec", name, "/usr/bin/python3", "-m", "http.server", "80", "-b", "::", "-d", folder,
                 "-p", "HTTP/1.1"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    yield
    for server in servers:
        server.kill()
        server.wait()
    for name in hosts:
        ip("netns", "del", name)
    ip("link", "del", "lan")
