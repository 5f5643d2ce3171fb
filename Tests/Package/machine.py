"""A Debian machine in a folder, whose network is one of the lab's hosts: under systemd where that can run here."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "Lab"), str(HERE.parent / "Docs")]

from host import command, end_with_parent  # noqa: E402
from lab import PROJECT  # noqa: E402

BOOTING = 60


class Machine:
    """Made by entering it; gone when it is left."""

    def __init__(self, *packages):
        self.packages, self.process, self.why_not = packages, None, None

    def __enter__(self):
        self.place = Path(tempfile.mkdtemp(prefix="lvs-machine-", dir="/var/tmp"))
        self.root = self.place / "root"
        self.root.mkdir()
        command(PROJECT / "scripts/minimal-debian", self.root, *self.packages, timeout=900)
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.place, ignore_errors=True)

    def prepare(self, *words, **options):
        """Runs a command on its disk before it boots, with this machine's network."""
        return command("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c",
                       'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"', self.root,
                       *words, timeout=600, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
                                                 "DEBIAN_FRONTEND": "noninteractive",
                                                 **{name: os.environ[name] for name in os.environ
                                                    if name.endswith("_proxy")}}, **options)

    def boot(self, host):
        """On the lab's host; `why_not` says what kept systemd from running."""
        self.host = host
        self.log = open(self.place / "boot.log", "wb")
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", host.namespace, HERE / "boot", self.root], stdin=subprocess.DEVNULL,
            stdout=self.log, stderr=self.log, preexec_fn=end_with_parent)
        end = time.monotonic() + BOOTING
        while time.monotonic() < end and self.process.poll() is None:
            if self.first and self.run("systemctl", "is-system-running", check=False).stdout.strip() in (
                    "running", "degraded"):
                return
            time.sleep(0.2)
        self.why_not = (self.place / "boot.log").read_text(errors="replace").strip() or "it does not come up"
        self.stop()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    @property
    def first(self):
        """The process that is the machine's first, as this machine numbers it; None before it is systemd."""
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                is_first = (folder / "status").read_text().split("NSpid:")[1].split("\n")[0].split()[-1] == "1"
                if is_first and os.readlink(folder / "root") == str(self.root):
                    return int(folder.name)
            except (OSError, IndexError):
                continue
        return None

    def run(self, *words, **options):
        """Runs a command on the machine; under systemd, or where that does not run, in its folder and network."""
        environment = {"PATH": "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8",
                       "DEBIAN_FRONTEND": "noninteractive"}
        options = {"timeout": 300, "env": environment, **options}
        if self.process:
            return command("nsenter", "--target", self.first, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup",
                           "--root", "--wd=/root", *words, **options)
        return command("ip", "netns", "exec", self.host.namespace, "unshare", "--mount", "--pid", "--fork",
                       "--kill-child", "sh", "-c", 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"', self.root,
                       *words, **options)

    def shell(self, text, **options):
        return self.run("sh", "-c", f"cd /root/project && {text}", **options)

    def files(self):
        """All paths on its disk that a package may leave something at."""
        left_out = ("proc", "sys", "dev", "run", "tmp", "root", "var/cache", "var/lib/apt", "var/lib/dpkg", "var/log",
                    "var/tmp", "var/lib/systemd")
        prune = " -o ".join(f"-path {self.root}/{folder}" for folder in left_out)
        listing = subprocess.run(f"find {self.root} \\( {prune} \\) -prune -o -printf '%P\\n'", shell=True,
                                 capture_output=True, text=True, check=True).stdout
        return set(listing.splitlines())
