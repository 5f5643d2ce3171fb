"""Other people's tools, unmodified, steer lbd: this program stands where they look for `ipvsadm`."""

import os
import signal
import subprocess
import time
from contextlib import contextmanager

import pytest
from director import BINARIES
from host import command
from lab import VIP
from traffic import spread, web as requests

PAGE = "uploads/alive.html"


class Tools:
    """A folder with this program under ipvsadm's names, and the environment that leads it to a director's lbd."""

    def __init__(self, lab, director):
        self.lab, self.director = lab, director
        self.folder = lab.directory / "tools"
        self.folder.mkdir(exist_ok=True)
        for name in ("ipvsadm", "ipvsadm-save", "ipvsadm-restore"):
            (self.folder / name).unlink(missing_ok=True)
            (self.folder / name).symlink_to(BINARIES / "lbctl")
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

    def until(self, servers, seconds=30):
        end = time.monotonic() + seconds
        while self.servers() != servers:
            assert time.monotonic() < end, f"{self.servers()}, not {servers}"
            time.sleep(0.1)


@pytest.fixture
def tools(lab, director):
    for server in lab.servers:
        show(lab, server)
    return Tools(lab, director)


def show(lab, server):
    (lab.uploads(server) / "alive.html").write_text("alive\n")


def hide(lab, server):
    (lab.uploads(server) / "alive.html").unlink()


LDIRECTORD = f"""
checktimeout=3
checkinterval=1
autoreload=no
quiescent=no
virtual={VIP}:80
    real=10.77.0.21:80 gate 3
    real=10.77.0.22:80 gate
    service=http
    scheduler=wrr
    protocol=tcp
    request="{PAGE}"
    receive="alive"
"""


def test_ldirectord_takes_a_server_out_and_in_again(lab, tools):
    configuration = lab.directory / "ldirectord.cf"
    configuration.write_text(LDIRECTORD)
    # In the foreground ldirectord takes the ipvsadm of the folder that it is started in.
    with tools.running("ldirectord", "-d", configuration, "start"):
        tools.until({"rs1": 3, "rs2": 1})
        assert spread(lab.client, 8) == {"rs1": 6, "rs2": 2}
        hide(lab, lab.servers[0])
        tools.until({"rs2": 1})
        assert spread(lab.client, 4) == {"rs2": 4}
        show(lab, lab.servers[0])
        tools.until({"rs1": 3, "rs2": 1})
        assert spread(lab.client, 8) == {"rs1": 6, "rs2": 2}


CLASSIC = f"""
VIP={VIP} RIPS="10.77.0.21 10.77.0.22"
ipvsadm -C
ipvsadm --set 30 5 60
ipvsadm -A -t $VIP:80 -s rr -p 300
for RIP in $RIPS; do ipvsadm -a -t $VIP:80 -r $RIP -g -w 1; done
while sleep 0.1; do
  for RIP in $RIPS; do
    status=$(curl -s -m 2 -o /dev/null -w '%{{http_code}}' http://$RIP/{PAGE})
    if ipvsadm -Ln | grep -q " $RIP:80 "; then
      [ "$status" = 200 ] || ipvsadm -d -t $VIP:80 -r $RIP
    else
      [ "$status" != 200 ] || ipvsadm -a -t $VIP:80 -r $RIP -g -w 1
    fi
  done
done
"""


def test_the_classic_script_kicks_and_adds_servers(lab, tools):
    with tools.running("bash", "-ec", CLASSIC):
        tools.until({"rs1": 1, "rs2": 1})
        assert tools.ipvsadm("-L --timeout") == (0, "Timeout (tcp tcpfin udp): 30 5 60\n", "")
        (name,) = set(requests(lab.client, 4))
        first, second = sorted(lab.servers[:2], key=lambda server: server.name != name)
        hide(lab, first)
        tools.until({second.name: 1})
        assert set(requests(lab.client, 4)) == {second.name}
        show(lab, first)
        tools.until({"rs1": 1, "rs2": 1})
        assert set(requests(lab.client, 4)) == {second.name}, "persistent for 300 seconds"
    assert tools.ipvsadm("-C") == (0, "", "")
    assert tools.director.listing().count("\n") == 3
