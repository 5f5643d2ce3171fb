"""A host of the lab that is a whole machine: an emulated computer with Debian's kernel, whose one network interface has a
real driver. Its place on the LAN is a port of the lab's bridge, which the emulator's network card sends to."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Lab"))

from director import Director  # noqa: E402
from host import Host, end_with_parent  # noqa: E402
from lab import BINARIES, PROJECT, Lab  # noqa: E402
from waiting import until  # noqa: E402

MEMORY = "1G"
CONSOLE = "mitigations=off panic=-1 console=ttyS0 quiet"


class Process:
    """A program that runs in the guest, as `subprocess.Popen` has it."""

    def __init__(self, guest, pid):
        self.guest, self.pid = guest, pid

    def poll(self):
        return self.guest.ask({"poll": self.pid})["status"]

    def send_signal(self, number):
        self.guest.ask({"signal": self.pid, "number": int(number)})

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout=60):
        return until(lambda: (status := self.poll()) is not None and (status,), timeout)[0]


class Guest(Host):
    """One card with one driver, for as long as it lives. `kernel` is a folder with boot/ and lib/modules/."""

    def __init__(self, name, lan, mac, address, card, kernel):
        self.name, self.namespace, self.mac, self.address, self.card = name, lan.namespace, mac, address, card
        self.lan, self.kernel = lan, Path(kernel)
        self.work = Path(tempfile.mkdtemp(prefix="lvs-guest-"))
        self.processes = []
        queues = ("multi_queue",) if card.queues > 1 else ()
        lan.ip("tuntap", "add", "dev", name, "mode", "tap", "vnet_hdr", *queues)
        lan.ip("link", "set", name, "master", "lan", "up")
        self._boot()

    def _boot(self):
        self._share_files()
        (image,) = (self.kernel / "boot").glob("vmlinuz-*")
        words = [
            "ip", "netns", "exec", self.namespace, "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi",
            "-cpu", "EPYC", "-smp", "2", "-m", MEMORY, "-numa", "node,memdev=memory",
            "-object", f"memory-backend-memfd,id=memory,size={MEMORY},share=on", "-nodefaults", "-display", "none",
            "-no-reboot", "-serial", f"file:{self.work}/console", "-qmp", f"unix:{self.work}/qmp,server=on,wait=off",
            "-chardev", f"socket,id=files,path={self.work}/files", "-device", "vhost-user-fs-pci,chardev=files,tag=host",
            "-chardev", f"socket,id=agent,path={self.work}/agent,server=on,wait=off", "-device", "virtio-serial-pci",
            "-device", "virtserialport,chardev=agent,name=agent",
            "-netdev", f"tap,id=card,ifname={self.name},script=no,downscript=no,queues={self.card.queues}",
            "-device", f"{self.card.device},netdev=card,mac={self.mac},id=nic",
            "-kernel", image, "-append",
            f"root=host rootfstype=virtiofs rw {CONSOLE} init={PROJECT}/Tests/Drivers/init "
            f"LVS_HOME={PROJECT} LVS_MODULES={self.kernel} LVS_DRIVER={self.card.driver}"]
        self._start(words, "emulator")
        self.line = self._connect("agent")
        self.answers = self.line.makefile("rb")
        until(lambda: self._is_up(), 120, self.told)
        self.ip("address", "add", f"{self.address}/24", "dev", "eth0")
        self.ip("link", "set", "eth0", "up")
        until(lambda: "state UP" in self.ip("link", "show", "eth0").stdout, 30)

    def _share_files(self):
        self._start(["/usr/lib/qemu/virtiofsd", f"--socket-path={self.work}/files", "-o", "source=/", "-o",
                     "cache=auto", "-o", "sandbox=chroot"], "files-log")
        until((self.work / "files").exists)

    def _start(self, words, log):
        with open(self.work / log, "wb") as output:
            self.processes.append(subprocess.Popen(
                [str(word) for word in words], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                preexec_fn=end_with_parent))

    def _connect(self, name):
        line = socket.socket(socket.AF_UNIX)

        def is_connected():
            assert all(process.poll() is None for process in self.processes), self.told()
            return line.connect_ex(str(self.work / name)) == 0

        until(is_connected, 30, self.told)
        return line

    def _is_up(self):
        assert all(process.poll() is None for process in self.processes), self.told()
        return self.ask({"run": ["true"], "input": ""})["status"] == 0

    def told(self):
        """What the guest's console and its helpers said."""
        return "\n".join((self.work / name).read_text(errors="replace")[-3000:] for name in ("console", "emulator", "files-log")
                         if (self.work / name).exists())

    def ask(self, request):
        self.line.sendall(json.dumps(request).encode() + b"\n")
        return json.loads(self.answers.readline())

    def run(self, *words, check=True, input="", timeout=None):
        answer = self.ask({"run": [str(word) for word in words], "input": input})
        result = subprocess.CompletedProcess(words, answer["status"], answer["stdout"], answer["stderr"])
        if check and result.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, words))}: status {result.returncode}\n{result.stdout}{result.stderr}")
        return result

    def ip(self, *words):
        return self.run("ip", *words)

    def start(self, *words, log):
        return Process(self, self.ask({"start": [str(word) for word in words], "log": str(log)})["pid"])

    def sysctl(self, key, value=None):
        path = f"/proc/sys/{key.replace('.', '/')}"
        if value is None:
            return self.run("cat", path).stdout.strip()
        return self.run("tee", path, input=str(value))

    def set_carrier(self, on):
        """Pulls the cable out, or puts it in again."""
        with self._connect("qmp") as line:
            answers = line.makefile("r")
            answers.readline()
            for request in ({"execute": "qmp_capabilities"},
                            {"execute": "set_link", "arguments": {"name": "nic", "up": on}}):
                line.sendall(json.dumps(request).encode())
                while "return" not in (answer := json.loads(answers.readline())):
                    assert "error" not in answer, answer

    def destroy(self):
        for process in reversed(self.processes):
            process.kill()
            process.wait()
        shutil.rmtree(self.work, ignore_errors=True)


class GuestDirector(Director):
    """An `lbd` in the guest. Its socket and its log are there too."""

    def __init__(self, lab, *options):
        super().__init__(lab, "--probe-interval", "20", *options, socket="/run/lbd.sock", host=lab.director)

    def start(self):
        self.host.run("rm", "-f", self.log, self.socket)
        self.process = self.host.start(
            BINARIES / "lbd", "--interface", "eth0", "--state", "none", "--socket", self.socket,
            *self.options, log=self.log)

        def answers():
            if self.process.poll() is not None:
                raise Refused(self.output().strip().splitlines()[-1])
            return self.lbctl("list", check=False).returncode == 0

        until(answers, 120, self.output)
        return self

    def stop(self, how=signal.SIGTERM, timeout=60):
        self.process.send_signal(how)
        return self.process.wait(timeout)

    def output(self):
        return self.host.run("cat", self.log, check=False).stdout

    def said_of_plane(self):
        """How AF_XDP is done with this card; None with packet sockets."""
        said = re.search(r"AF_XDP on eth0: \w+ mode, ([\w-]+),", self.output())
        offload = "flows offloaded" if "forwards established flows by itself" in self.output() else "no flow offload"
        return f"{said[1]}, {offload}" if said else None

    def lbctl(self, *words, input="", check=True):
        return self.host.run(BINARIES / "lbctl", "--socket", self.socket, *words, input=input, check=check)

    def curl(self, path):
        return self.host.run("curl", "--silent", "--fail", "--unix-socket", self.socket, f"http://lbd{path}").stdout


class Refused(Exception):
    """lbd ended instead of starting; its last line."""


class GuestLab(Lab):
    """The lab with two real servers, whose director is a guest with the card."""

    def __init__(self, card, kernel):
        super().__init__(servers=2)
        self.card, self.kernel = card, kernel

    def _attach(self, name, mac, address=None, queues=1):
        if name != "director":
            return super()._attach(name, mac, address, queues)
        guest = Guest(name, self.lan, mac, address, self.card, self.kernel)
        self.hosts.append(guest)
        return guest
