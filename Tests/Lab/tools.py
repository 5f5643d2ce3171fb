"""Other people's programs that steer IPVS, led to lbd: `lbctl` where they look for ipvsadm, or `lbctl with-ipvs`."""

import os
import signal
import subprocess
from contextlib import contextmanager

from director import BINARIES
from host import command
from lab import VIP
from waiting import until

IPVSADM = "/usr/sbin/ipvsadm"
LIBRARY = BINARIES / "libipvs-lbd.so"


def ipvs_socket(director):
    return director.socket.with_suffix(".ipvs.sock")


def preloaded(director):
    """The environment that `lbctl with-ipvs` gives a program."""
    return dict(os.environ, LD_PRELOAD=str(LIBRARY), LBD_IPVS_SOCKET=str(ipvs_socket(director)), LC_ALL="C.UTF-8")


def ipvsadm(director, line, **options):
    """Debian's: exit status, standard output and standard error."""
    done = command(BINARIES / "lbctl", "--socket", director.socket, "with-ipvs", IPVSADM, *line.split(), check=False,
                   **options)
    return done.returncode, done.stdout, done.stderr


def ours(director, line):
    done = command(BINARIES / "lbctl", "ipvsadm", "--socket", director.socket, *line.split(), check=False)
    return done.returncode, done.stdout, done.stderr


class Tools:
    """A folder with a program under ipvsadm's names, and the environment that leads it to a director's lbd."""

    def __init__(self, lab, director, ours=True):
        """`ours`: the program is lbctl, else Debian's ipvsadm."""
        self.lab, self.director, self.ours = lab, director, ours
        self.folder = lab.directory / "tools"
        self.folder.mkdir(exist_ok=True)
        for name in ("ipvsadm", "ipvsadm-save", "ipvsadm-restore"):
            program = self.folder / name
            program.unlink(missing_ok=True)
            if ours:
                program.symlink_to(BINARIES / "lbctl")
            else:
                program.write_text(f'#!/bin/sh\nPATH=/usr/sbin:/sbin:$PATH\nexec {BINARIES}/lbctl '
                                   f'--socket {director.socket} with-ipvs /usr/sbin/{name} "$@"\n')
                program.chmod(0o755)
        self.environment = dict(
            os.environ, LBCTL_PLANE="userspace", LBCTL_SOCKET=str(director.socket), LC_ALL="C.UTF-8",
            PATH=f"{self.folder}:{os.environ['PATH']}:/usr/sbin:/sbin")

    def ipvsadm(self, line, name="ipvsadm", **options):
        """Exit status, standard output and standard error."""
        done = command(self.folder / name, *line.split(), check=False, env=self.environment, **options)
        return done.returncode, done.stdout, done.stderr

    def servers(self):
        """The weights of the VIP's servers, by name."""
        names = {f"{server.address}:80": server.name for server in self.lab.servers}
        rules = [line.split() for line in self.ipvsadm("-Sn")[1].splitlines()]
        return {names[words[4]]: int(words[7]) for words in rules if words[:3] == ["-a", "-t", f"{VIP}:80"]}

    @contextmanager
    def running(self, *words):
        """A tool on the director's host, until the block is left."""
        log = self.lab.directory / "tool.log"
        with open(log, "w") as output:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self.lab.director.namespace, *map(str, words)], env=self.environment,
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
        try:
            yield
        except AssertionError as failure:
            raise AssertionError(f"{failure}\n{log.read_text()[-4000:]}") from failure
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)

    def until(self, servers):
        until(lambda: self.servers() == servers, 60, lambda: f"{self.servers()}, not {servers}")
