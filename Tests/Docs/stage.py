"""The machines that the documents speak of, as network namespaces on one LAN, each with a shell that stays.

        client        director, director-1, director-2      web-1, web-2       VIP
     192.0.2.50                192.0.2.2, .2, .3            192.0.2.11, .12    192.0.2.100

They share the file system, but for what a machine has of its own: /run, /etc, /var/lib and root's home.
"""

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from queue import Empty, Queue

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "Lab"))

from host import command, end_with_parent  # noqa: E402
from lab import BINARIES, NGINX, PROJECT, Lab  # noqa: E402

ADDRESSES = {
    "client": "192.0.2.50", "director": "192.0.2.2", "director-1": "192.0.2.2", "director-2": "192.0.2.3",
    "web-1": "192.0.2.11", "web-2": "192.0.2.12",
}
OWN_FOLDERS = ("/run", "/etc", "/var/lib", "/root")
WAIT = 60


class Shell:
    """A shell on a host, to which lines are typed; what they say on both outputs comes back."""

    def __init__(self, host, home):
        self.home = home
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", host.namespace, "unshare", "--mount", "bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            preexec_fn=end_with_parent, cwd="/", env={
                "PATH": f"{BINARIES}:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8", "TERM": "dumb"})
        self.lines, self.count = Queue(), 0
        threading.Thread(target=self._listen, daemon=True).start()
        for folder in OWN_FOLDERS:
            self.type(self._own(folder))
        # Memory, as all of /run is on a machine.
        self.type("mkdir -p /run/lbd && mount -t tmpfs tmpfs /run/lbd")
        self.type(f"mkdir -p /run/netns /etc/lvs-director && cd {PROJECT}")

    def _own(self, folder):
        """A layer above the folder, which others do not see."""
        layer = self.home / folder.strip("/").replace("/", "-")
        for part in ("upper", "work"):
            (layer / part).mkdir(parents=True)
        return f"mount -t overlay -o lowerdir={folder},upperdir={layer}/upper,workdir={layer}/work overlay {folder}"

    def _listen(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def type(self, text):
        """Runs the command; its exit status and what it said."""
        self.count += 1
        mark = f"--- done {self.count} "
        self.process.stdin.write(f"{text}\nprintf '\\n%s%s\\n' '{mark}' $?\n")
        self.process.stdin.flush()
        said, end = [], time.monotonic() + WAIT
        while time.monotonic() < end:
            try:
                line = self.lines.get(timeout=1)
            except Empty:
                continue
            if line is None:
                raise AssertionError(f"the shell ended at: {text}\n{''.join(said)}")
            if line.startswith(mark):
                return int(line.removeprefix(mark)), "".join(said).removesuffix("\n")
            said.append(line)
        raise AssertionError(f"no end within {WAIT} s: {text}\n{''.join(said)}")


class Stage(Lab):
    """The LAN; a machine comes up when a document first names it."""

    def __init__(self):
        super().__init__(servers=0)
        self.shells = {}

    def build(self):
        self.directory.chmod(0o755)
        self.lan = self._host("lan")
        self.lan.ip("link", "add", "lan", "type", "bridge", "forward_delay", "0")
        self.lan.ip("link", "set", "lan", "up")
        self._leave_frames_alone()

    def shell(self, name):
        if name not in self.shells:
            if name not in ADDRESSES:
                raise AssertionError(f"there is no machine '{name}' (there are {', '.join(ADDRESSES)})")
            number = list(ADDRESSES).index(name) + 1
            host = self._attach(name, f"02:00:00:00:05:{number:02x}", ADDRESSES[name])
            home = self.directory / name
            home.mkdir()
            if name.startswith("web"):
                self.serve(host, home)
            self.shells[name] = Shell(host, home)
        return self.shells[name]

    def serve(self, host, home):
        configuration = home / "nginx.conf"
        configuration.write_text(NGINX.format(home=home, name=host.name, files=home))
        host.start("nginx", "-p", home, "-c", configuration, "-e", home / "error.log", log=home / "nginx.log")

    def destroy(self):
        for shell in self.shells.values():
            shell.process.kill()
            shell.process.wait()
        super().destroy()
