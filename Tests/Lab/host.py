"""A host of the lab: a network namespace with one Ethernet interface, `eth0`, on the LAN."""

import ctypes
import os
import signal
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _enter(descriptor):
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def end_with_parent():
    """In a child before exec: a process of the lab never outlives the program that runs the lab."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def command(*words, check=True, timeout=60, **options):
    """Runs a command to its end; its output is text."""
    result = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=timeout, **options)
    if check and result.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, words))}: status {result.returncode}\n{result.stdout}{result.stderr}")
    return result


class Host:
    """A namespace. Every host but the LAN's bridge has the interface `eth0`, most have one address."""

    def __init__(self, name, namespace, mac=None, address=None):
        self.name, self.namespace, self.mac, self.address = name, namespace, mac, address
        command("ip", "netns", "add", namespace)
        # IPv6 would only add its own chatter to what the tests count.
        for key in ("all", "default"):
            self.sysctl(f"net.ipv6.conf.{key}.disable_ipv6", 1)
        self.ip("link", "set", "lo", "up")

    def ip(self, *words):
        return command("ip", "-n", self.namespace, *words)

    def run(self, *words, **options):
        return command("ip", "netns", "exec", self.namespace, *words, **options)

    def start(self, *words, log, detached=False, error=None, descriptors=()):
        """Starts a process of this host; its output goes to the file `log`, its errors to `error` if there is one. It
        inherits the `descriptors`.

        It is a group of its own in this program's session: SIGTSTP stops only those whose parent could continue them."""
        with open(log, "ab") as output:
            return subprocess.Popen(
                ["ip", "netns", "exec", self.namespace, *map(str, words)], stdin=subprocess.DEVNULL, stdout=output,
                stderr=output if error is None else error, start_new_session=detached, pass_fds=descriptors,
                process_group=None if detached else 0, preexec_fn=None if detached else end_with_parent)

    @contextmanager
    def inside(self):
        """The calling thread is on this host: sockets made here stay here, /proc/sys/net is this host's."""
        with open("/proc/thread-self/ns/net") as outside, open(f"/run/netns/{self.namespace}") as namespace:
            _enter(namespace.fileno())
            try:
                yield
            finally:
                _enter(outside.fileno())

    def socket(self, *kind):
        with self.inside():
            return socket.socket(*kind)

    def sysctl(self, key, value=None):
        """Reads or, with a value, writes a setting of this host's network."""
        path = Path("/proc/sys", *key.split("."))
        with self.inside():
            return path.read_text().strip() if value is None else path.write_text(str(value))

    def offloads(self, on):
        """Whether eth0 leaves checksums and segmentation to the hardware that veth does not have."""
        state = "on" if on else "off"
        self.run("ethtool", "-K", "eth0", "tx", state, "rx", state, "tso", state, "gso", state, "gro", state)

    def forget_neighbors(self):
        self.ip("neighbor", "flush", "all")

    def neighbor(self, address):
        """The Ethernet address that this host's own stack knows for `address`; None if it knows none."""
        words = self.ip("neighbor", "show", address).stdout.split()
        return words[words.index("lladdr") + 1] if "lladdr" in words else None

    def processes(self):
        return [int(pid) for pid in command("ip", "netns", "pids", self.namespace, check=False).stdout.split()]

    def destroy(self):
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        command("ip", "netns", "delete", self.namespace, check=False)
