"""A director with its lbd and its keepalived, by the files of `examples/keepalived`."""

import os
import signal

from director import BINARIES
from lab import PROJECT, VIP

EXAMPLE = PROJECT / "examples/keepalived"
VRRP = 112

VIRTUAL_SERVER = """
virtual_server {vip} {port} {{
  delay_loop 1
  lb_algo {scheduler}
  lb_kind DR
  protocol TCP
{more}
{servers}
}}
"""
REAL_SERVER = """
  real_server {address} {port} {{
    weight 1
    HTTP_GET {{
      url {{
        path /
        status_code 200
      }}
      connect_timeout 1
      retry 1
      delay_before_retry 1
    }}
  }}"""


def real_servers(servers, port=80):
    return "".join(REAL_SERVER.format(address=server.address, port=port) for server in servers)


class Site:
    """One of the two; `services` stand in the place of the example's virtual servers. It has the time that a busy machine
    takes, unless it is `hasty` as the example is: a director that is not heard for 600 ms is stood in for."""

    def __init__(self, lab, director, number, priority, services=None, hasty=False):
        self.lab, self.director, self.host, self.services = lab, director, director.host, services
        self.home = lab.directory / f"site{number}"
        self.home.mkdir(exist_ok=True)
        self.file = self.home / "hand-over"
        self.words = {
            "router_id director-1": f"router_id director-{number}", "priority 150": f"priority {priority}",
            "/run/lbd.hand-over": str(self.file), "/usr/sbin/lbctl": f"{BINARIES}/lbctl --socket {director.socket}",
            "192.0.2.100": VIP, "192.0.2.11": lab.servers[0].address, "192.0.2.12": lab.servers[1].address,
            # The lab's folder is in /tmp, where everybody may write.
            "enable_script_security": "",
        }
        if not hasty:
            self.words |= {"advert_int 0.2": "advert_int 1", "  timeout 2": "  timeout 15"}
        self.process = None

    def _write(self, name, **words):
        text = (EXAMPLE / name).read_text()
        for word, here in {**self.words, **words}.items():
            assert word in text or name != "keepalived.conf", word
            text = text.replace(word, here)
        if self.services and name == "keepalived.conf":
            text = text[:text.index("# With mh")] + self.services
        (self.home / name).write_text(text)
        return self.home / name

    def start(self):
        configuration = self._write("keepalived.conf")
        # Of one that was killed.
        for file in (*self.home.glob("*.pid"), self.home / "keepalived.log"):
            file.unlink(missing_ok=True)
        pids = [word for letter in "pcr" for word in (f"-{letter}", self.home / f"{letter}.pid")]
        self.process = self.host.start(
            BINARIES / "lbctl", "--socket", self.director.socket, "with-ipvs", "keepalived", "-n", "-l", "-D", "-f",
            configuration, *pids, log=self.home / "keepalived.log")

    def check_configuration(self):
        """As it is shipped, but for a program that root has here too."""
        shipped = {"enable_script_security": "enable_script_security", "/usr/sbin/lbctl": "/usr/bin/true"}
        return self.host.run("keepalived", "-t", "-l", "-f", self._write("keepalived.conf", **shipped), check=False)

    def hand_over(self):
        script = self._write("hand-over")
        self.host.run("sh", script)

    def stop(self):
        """As systemd does: ExecStop, then SIGTERM."""
        self.hand_over()
        self.process.terminate()
        self.process.wait(30)

    def kill(self):
        """The whole director, at once."""
        for pid in self.host.processes():
            os.kill(pid, signal.SIGKILL)
        self.director.was_ended = True
        self.process.wait(10)

    @property
    def keepalived(self):
        """The processes of keepalived, those that check and vote among them."""
        mine = [self.process.pid, *(int(file.read_text()) for file in self.home.glob("*.pid"))]
        return [pid for pid in self.host.processes() if pid in mine]

    @property
    def owns(self):
        """Whether all VIPs are this director's."""
        return {vip["state"] for vip in self.director.json("vips")} == {"owned"}

    def log(self):
        return (self.home / "keepalived.log").read_text()
