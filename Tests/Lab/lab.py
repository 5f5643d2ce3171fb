"""The lab: a LAN of network namespaces with a client, a director, real servers and a stranger on it.

        client      director     rs1   rs2   rs3     stranger
     10.77.0.11     10.77.0.2      10.77.0.21…      (no address)
          └────────────┴───────────┴─────┴─────┴─────────┘
                        bridge `lan` in its own namespace

Every host is a namespace, so the machine's own network is not touched. The real servers have the VIPs on
`lo`, prepared by `lbctl real-server`, and run nginx. The stranger is a port for raw frames.
"""

import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from host import Host, command

PROJECT = Path(__file__).resolve().parents[2]
# Where the binaries are: LVS_BIN, or the debug build.
BINARIES = Path(os.environ.get("LVS_BIN", PROJECT / ".build/debug"))
VIP, OTHER_VIP = "10.77.0.100", "10.77.0.101"
UNUSED_ADDRESS = "10.77.0.102"
CLIENT, DIP = "10.77.0.11", "10.77.0.2"
SECOND_DIP, SECOND_MAC = "10.77.0.3", "02:00:00:00:02:02"
# More addresses of the client, for tests that need several.
CLIENTS = ("10.77.0.12", "10.77.0.13", "10.77.0.14")
# Addresses that no host of the lab has: a sender's, a server's.
ASKER, ABSENT = "10.77.0.50", "10.77.0.60"
STRANGER_MAC = "02:00:00:00:04:01"

NGINX = """\
daemon off; master_process off;
error_log {home}/error.log; pid {home}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000; keepalive_timeout 600; client_max_body_size 0; reset_timedout_connection off;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  server {{
    listen 80; listen 8080;
    location / {{ default_type text/plain; return 200 "{name}\\n"; }}
    location /files/ {{ alias {files}/; }}
    location /uploads/ {{ root {home}; dav_methods PUT; }}
  }}
}}
"""


class Lab:
    """Built by entering it, gone when it is left, whatever happened in between."""

    real_server = (BINARIES / "lbctl", "real-server")

    def __init__(self, servers=3, prefix=None, directory=None, detached=False):
        """A `detached` lab outlives this program if it is not destroyed."""
        self.prefix = prefix or f"lvs-{os.getpid()}"
        self.directory = Path(directory or tempfile.mkdtemp(prefix=f"{self.prefix}-"))
        self.detached, self.count, self.hosts, self.servers = detached, servers, [], []
        self.is_kept = False

    def __enter__(self):
        # These would end Python without leaving the lab.
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _: sys.exit(128 + number))
        try:
            self.build()
        except BaseException:
            self.destroy()
            raise
        return self

    def __exit__(self, *_):
        self.destroy()

    def build(self):
        sweep()
        self.files.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o755)
        self.lan = self._host("lan")
        self.lan.ip("link", "add", "lan", "type", "bridge", "forward_delay", "0")
        self.lan.ip("link", "set", "lan", "up")
        self._leave_frames_alone()
        self.client = self._attach("client", "02:00:00:00:01:01", CLIENT)
        self.director = self._attach("director", "02:00:00:00:02:01", DIP)
        self.stranger = self._attach("stranger", STRANGER_MAC)
        for number in range(1, self.count + 1):
            server = self._attach(f"rs{number}", f"02:00:00:00:03:{number:02x}", f"10.77.0.{20 + number}")
            self.servers.append(server)
            self._serve(server)
        for server in self.servers:
            self._await_web(server)

    def keep(self):
        """From now on leaving the lab does not take it down; `remove` does."""
        self.is_kept = True

    def destroy(self):
        if self.is_kept:
            return
        for host in reversed(self.hosts):
            host.destroy()
        self.hosts = []
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def files(self):
        """What every real server offers under /files/."""
        return self.directory / "files"

    def uploads(self, server):
        """Where a real server puts what was uploaded to it."""
        return self.directory / server.name / "uploads"

    def offloads(self, on):
        for host in [self.client, self.director, *self.servers]:
            host.offloads(on)

    def transmits_from_xdp(self, can, port="director"):
        """Whether what an XDP program sends out of the director's interface arrives: only where the other end polls."""
        self.lan.run("ethtool", "-K", port, "gro", "on" if can else "off")

    def _leave_frames_alone(self):
        """A switch has no packet filter; a kernel with br_netfilter would cut the padding off every frame."""
        with self.lan.inside():
            for setting in Path("/proc/sys/net/bridge").glob("bridge-nf-call-*"):
                setting.write_text("0")

    def _host(self, name, *identity):
        host = Host(name, f"{self.prefix}-{name}", *identity)
        self.hosts.append(host)
        return host

    def _attach(self, name, mac, address=None, queues=1):
        host = self._host(name, mac, address)
        count = ("numtxqueues", queues, "numrxqueues", queues)
        host.ip("link", "add", "eth0", "address", mac, *count, "type", "veth",
                "peer", "name", name, *count, "netns", self.lan.namespace)
        self.lan.ip("link", "set", name, "master", "lan", "up")
        if address:
            host.ip("address", "add", f"{address}/24", "dev", "eth0")
        host.ip("link", "set", "eth0", "up")
        return host

    @contextmanager
    def host_with_queues(self, name, mac, address, queues):
        """One more host, at which frames arrive on the receive queue of the processor that sent them."""
        host = self._attach(name, mac, address, queues)
        try:
            self.sort_by_processor(name, queues)
            yield host
        finally:
            # The kernel takes a deleted namespace down later: the port goes now, for the next host of this name.
            self.lan.ip("link", "delete", name)
            self.hosts.remove(host)
            host.destroy()

    def sort_by_processor(self, port, queues):
        """Has frames leave a port of the switch on the queue of the processor that sent them."""
        # A port of one queue the kernel lets nobody sort.
        for queue in range(queues if queues > 1 else 0):
            self.lan.run("sh", "-c", f"echo {1 << queue:x} >/sys/class/net/{port}/queues/tx-{queue}/xps_cpus")

    def _serve(self, server):
        for vip in (VIP, OTHER_VIP):
            server.run(*self.real_server, "setup", "--vip", vip, "--interface", "eth0")
        home = self.directory / server.name
        self.uploads(server).mkdir(parents=True)
        configuration = home / "nginx.conf"
        configuration.write_text(NGINX.format(home=home, name=server.name, files=self.files))
        server.start("nginx", "-p", home, "-c", configuration, "-e", home / "error.log", log=home / "nginx.log",
                     detached=self.detached)

    def _await_web(self, server):
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with server.socket() as attempt:
                if attempt.connect_ex(("127.0.0.1", 80)) == 0:
                    return
            time.sleep(0.02)
        raise RuntimeError(f"nginx of {server.name}: {(self.directory / server.name / 'nginx.log').read_text()}")


def namespaces(prefix):
    words = command("ip", "netns", "list").stdout.splitlines()
    return [line.split()[0] for line in words if line.startswith(prefix)]


def remove(prefix):
    """Ends the processes of a lab that another program built, and takes its namespaces down."""
    for name in namespaces(f"{prefix}-"):
        leftover = Host.__new__(Host)
        leftover.namespace = name
        leftover.destroy()


def sweep():
    """Removes the labs of programs that were killed before they could."""
    for name in namespaces("lvs-"):
        pid = name.split("-")[1]
        if pid.isdigit() and not Path("/proc", pid).exists():
            remove(f"lvs-{pid}")
            for directory in Path(tempfile.gettempdir()).glob(f"lvs-{pid}-*"):
                shutil.rmtree(directory, ignore_errors=True)
