"""Real keepalived over a small farm, step by step: what it makes of one configuration, on whatever has an IPVS for it.

`Tests/Kernel` lives through the same steps on a kernel's IPVS; both must list what stands in `Farm/STEP.txt`.
"""

import os
import signal
import subprocess
import time
from pathlib import Path

LISTINGS = Path(__file__).parent / "Farm"
VIP, OTHER_VIP = "10.77.0.100", "10.77.0.101"
ADDRESSES = ["10.77.0.21", "10.77.0.22", "10.77.0.23"]
# Where the servers can be checked; what clients use is none of the checks' business here.
PORT = 9000

HEAD = """
global_defs {{
  router_id farm
  script_user root
  checker_log_all_failures
}}
"""

SERVER = """
  real_server {address} {port} {{
    weight {weight}
    {more}
    {check}
  }}
"""

TIMES = "connect_timeout 1\n      retry 1\n      delay_before_retry 1"
TCP = f"""TCP_CHECK {{
      connect_port {PORT}
      {TIMES}
    }}"""
HTTP = f"""HTTP_GET {{
      url {{
        path /alive.html
        status_code 200
      }}
      connect_port {PORT}
      {TIMES}
    }}"""


def servers(port, check, weights=(1, 2, 3), more=""):
    return "".join(SERVER.format(address=address, port=port, weight=weight, check=check.replace("SERVER", address),
                                 more=more) for address, weight in zip(ADDRESSES, weights))


def configuration(directory, weights=(1, 2, 3)):
    """Four services: checks by page, by connection and by program; a sorry server, a quorum, weights that change."""
    misc = f"""MISC_CHECK {{
      misc_path "{directory}/SERVER.sh"
      misc_timeout 10
      misc_dynamic
    }}"""
    return HEAD.format() + f"""
virtual_server {VIP} 80 {{
  delay_loop 1
  lb_algo wrr
  lb_kind DR
  persistence_timeout 50
  persistence_granularity 255.255.0.0
  protocol TCP
  quorum 3
  quorum_up "/bin/cp /dev/null {directory}/up"
  quorum_down "/bin/cp /dev/null {directory}/down"
  sorry_server {ADDRESSES[2]} 80
  {servers(80, HTTP, weights)}
}}
virtual_server {VIP} 8080 {{
  delay_loop 1
  lb_algo sh
  sh-fallback
  lb_kind DR
  protocol TCP
  {servers(8080, TCP, more="inhibit_on_failure")}
}}
virtual_server {OTHER_VIP} 53 {{
  delay_loop 1
  lb_algo wlc
  ops
  lb_kind DR
  protocol UDP
  {servers(53, misc)}
}}
virtual_server fwmark 7 {{
  delay_loop 1
  lb_algo mh
  lb_kind DR
  protocol TCP
  {servers(0, TCP)}
}}
"""


class Farm:
    """keepalived and the servers that it checks, from entering to leaving."""

    def __init__(self, directory, hosts, led=(), environment=None):
        """`hosts`: for each server, words that run a program there; `led`: words that run keepalived."""
        self.directory, self.hosts, self.led, self.environment = Path(directory), hosts, led, environment
        self.web, self.keepalived = [None] * len(hosts), None

    def __enter__(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        for number, address in enumerate(ADDRESSES):
            (self.directory / address).mkdir(exist_ok=True)
            self.show(number)
            self.answer(number, 0)
            self.open(number)
        self.configure()
        pids = [word for letter, name in (("-p", "all"), ("-c", "checks"), ("-r", "vrrp"))
                for word in (letter, self.directory / f"{name}.pid")]
        with open(self.directory / "keepalived.log", "w") as log:
            self.keepalived = subprocess.Popen(
                [*map(str, self.led), "keepalived", "-n", "-l", "-D", "-C", "-f", str(self.directory / "keepalived.conf"),
                 *map(str, pids)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment)
        return self

    def __exit__(self, *_):
        self.stop()
        for number in range(len(self.web)):
            self.close(number)

    def configure(self, **settings):
        (self.directory / "keepalived.conf").write_text(configuration(self.directory, **settings))

    def stop(self):
        """Ends keepalived, which takes its services away."""
        if self.keepalived.poll() is None:
            self.keepalived.terminate()
        return self.keepalived.wait(30)

    def reload(self):
        self.keepalived.send_signal(signal.SIGHUP)

    def log(self):
        return (self.directory / "keepalived.log").read_text()

    # What can happen to a server, by number from 0.

    def show(self, number):
        (self.directory / ADDRESSES[number] / "alive.html").write_text("alive\n")

    def hide(self, number):
        (self.directory / ADDRESSES[number] / "alive.html").unlink()

    def open(self, number):
        self.web[number] = subprocess.Popen(
            [*map(str, self.hosts[number]), "/usr/bin/python3", "-m", "http.server", str(PORT), "-b", ADDRESSES[number], "-d",
             str(self.directory / ADDRESSES[number])],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def close(self, number):
        if self.web[number]:
            self.web[number].kill()
            self.web[number].wait()
            self.web[number] = None

    def answer(self, number, status):
        """The status of the server's own check, by which its weight is set: 0 keeps it, 1 fails, N makes it N - 2."""
        script = self.directory / f"{ADDRESSES[number]}.sh"
        written = script.with_suffix(".new")
        written.write_text(f"#!/bin/sh\nexit {status}\n")
        written.chmod(0o755)
        os.replace(written, script)


def lose_one(farm):
    farm.hide(2)


def lose_quorum(farm):
    farm.hide(0)


def recover(farm):
    for number in (0, 2):
        farm.show(number)


def lose_connections(farm):
    farm.close(1)


def change(farm):
    farm.open(1)
    farm.configure(weights=(9, 2, 3))
    farm.reload()


def weigh(farm):
    farm.answer(0, 12)
    farm.answer(2, 1)


# Their names are those of the files that say what is to be listed after each.
STEPS = [("start", lambda farm: None), ("lose-one", lose_one), ("lose-quorum", lose_quorum), ("recover", recover),
         ("lose-connections", lose_connections), ("change", change), ("weigh", weigh), ("stop", Farm.stop)]


def live_through(farm, listing, seconds=60):
    """Takes each step and waits until `listing()` is as it stands in the step's file."""
    for name, step in STEPS:
        step(farm)
        expected, end = (LISTINGS / f"{name}.txt").read_text(), time.monotonic() + seconds
        while (found := listing()) != expected:
            assert time.monotonic() < end, f"{name}:\n{found}\nnot\n{expected}\n{farm.log()[-4000:]}"
            time.sleep(0.2)
    assert (farm.directory / "up").exists() and (farm.directory / "down").exists(), "scripts of the quorum"
