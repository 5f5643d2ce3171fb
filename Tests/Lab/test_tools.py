"""Other people's tools, unmodified, steer lbd: this program stands where they look for `ipvsadm`, or Debian's own does,
led to lbd by `lbctl with-ipvs`."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from director import BINARIES
from host import command
from lab import OTHER_VIP, VIP
from tools import Tools
from traffic import spread, web as requests
from waiting import until

PAGE = "uploads/alive.html"


@pytest.fixture(params=["lbctl", "ipvsadm"])
def tools(lab, director, request):
    for server in lab.servers:
        show(lab, server)
    return Tools(lab, director, ours=request.param == "lbctl")


def show(lab, server):
    (lab.uploads(server) / "alive.html").write_text("alive\n")


def hide(lab, server):
    (lab.uploads(server) / "alive.html").unlink()


def test_lbctl_socket_names_the_lbd_for_every_face(lab, tools):
    tools.director.add_web()
    done = command(BINARIES / "lbctl", "list", env=tools.environment)
    assert done.stdout == tools.director.listing()
    elsewhere = dict(tools.environment, LBCTL_SOCKET="/nonexistent/lbd.sock")
    refused = command(BINARIES / "lbctl", "list", env=elsewhere, check=False)
    assert refused.returncode == 1 and "/nonexistent/lbd.sock" in refused.stderr
    done = command(BINARIES / "lbctl", "--socket", tools.director.socket, "list", env=elsewhere)
    assert done.stdout == tools.director.listing(), "what is said counts more"


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


# All that ipvsadm's words can say of a plane that routes directly, in ipvsadm's own order.
RULES = f"""
-A -t {VIP}:80 -s wrr
-a -t {VIP}:80 -r 10.77.0.21:80 -g -w 0
-a -t {VIP}:80 -r 10.77.0.22:80 -g -w 65535 -x 1000 -y 500
-a -t {VIP}:80 -r 10.77.0.23:80 -g -w 3 -x 7
-A -t {VIP}:443 -s sh -p 60 -b sh-fallback,sh-port
-A -t {OTHER_VIP}:0 -s lc -p 360 -M 255.255.0.0
-A -u {VIP}:53 -s rr -o
-a -u {VIP}:53 -r 10.77.0.21:53 -g -w 1
-A -u {VIP}:5060 -s rr -p 60 --pe sip
-A --sctp-service {VIP}:5060 -s nq
-a --sctp-service {VIP}:5060 -r 10.77.0.22:5060 -g -w 1
-A -t [2001:db8::1]:443 -s mh -p 90 -M 64 -b mh-fallback,mh-port
-a -t [2001:db8::1]:443 -r [2001:db8::2]:443 -g -w 10 -x 2 -y 1
-A -f 7 -s wlc -p 600 -M 255.255.255.0
-a -f 7 -r 10.77.0.21:0 -g -w 1
-A -f 8 -6 -s wrr -p 300 -M 64
-A -f 9 -s sed -b flag-1,flag-3
""".lstrip()


def test_rules_are_saved_and_restored_whole_thresholds_included(lab, tools):
    assert tools.ipvsadm("-R", input=RULES) == (0, "", "")
    saved = tools.ipvsadm("-Sn")[1]
    # Only lbctl saves thresholds.
    rules = RULES if tools.ours else re.sub(" -[xy] [0-9]+", "", RULES)
    assert sorted(saved.splitlines()) == sorted(rules.splitlines())
    layouts = ("", "--thresholds", "--persistent-conn", "--tun-info") if tools.ours else ("", "--tun-info")
    listings = [tools.ipvsadm(f"-Ln {layout}")[1] for layout in layouts]
    assert tools.ipvsadm("-C") == (0, "", "")
    assert tools.ipvsadm("-Sn") == (0, "", "")
    assert tools.ipvsadm("", name="ipvsadm-restore", input=f"# saved\n{saved}") == (0, "", "")
    assert tools.ipvsadm("-n", name="ipvsadm-save") == (0, saved, "")
    assert listings == [tools.ipvsadm(f"-Ln {layout}")[1] for layout in layouts]


# What stands on standard input, what is said on standard error, the exit status, how many rules there are afterwards.
RESTORES = [
    (f"-A -t {VIP}:80 -s rr\n-A -t {VIP}:80 -s rr\n-a -t {VIP}:80 -r 10.77.0.21\n", "Service already exists\n", 0, 2),
    (f"-a -t {VIP}:80 -r 10.77.0.21\n-A -t {VIP}:80\n-d -t {VIP}:80 -r 10.77.0.21\n",
     "Service not defined\nNo such destination\n", 255, 1),
    (f"-A -t {VIP}:80\n-a -t {VIP}:80\n-A -t {VIP}:81\n",
     "You need to supply the 'real-server' option for the 'add-server' command\n", 2, 1),
    (f"-A -t {VIP}:80 --nonsense\n-A -t {VIP}:81\n", "--nonsense: unknown option\n", 0, 1),
    (f"-A -t {VIP}:80 -s nonsense\n-A -t {VIP}:80", "Scheduler or persistence engine not found\n", 0, 1),
    (f"-A -t {VIP}:80\n-a -t {VIP}:80 -r 10.77.0.21 -w 70000\n", "Numerical result out of range\n", 255, 1),
    (f"-A -t {VIP}:80\n-C\n-A -t {VIP}:81\n-D -t {VIP}:82\n-Z\n", "No such service\n", 0, 1),
]


@pytest.mark.parametrize("rules, said, status, count", RESTORES, ids=range(len(RESTORES)))
def test_a_restore_says_which_lines_are_refused_and_carries_out_the_rest(tools, rules, said, status, count):
    assert tools.ipvsadm("-R", input=rules) == (status, "", said)
    assert len(tools.ipvsadm("-Sn")[1].splitlines()) == count


def sockets(process):
    folder = Path("/proc", str(process.pid), "fd")
    links = [os.readlink(descriptor) for descriptor in folder.iterdir()]
    return [link for link in links if link.startswith("socket:")]


@pytest.mark.parametrize("tools", ["lbctl"], indirect=True)
def test_a_restore_is_one_connection_and_takes_lines_as_they_come(tools):
    restore = subprocess.Popen(
        [tools.folder / "ipvsadm", "-R"], env=tools.environment, stdin=subprocess.PIPE, text=True)
    seen = set()
    lines = [f"-A -t {VIP}:80", *(f"-a -t {VIP}:80 -r {server.address}" for server in tools.lab.servers)]
    for count, line in enumerate(lines, 1):
        restore.stdin.write(f"{line}\n")
        restore.stdin.flush()
        until(lambda: len(tools.ipvsadm("-Sn")[1].splitlines()) == count, what=f"not in force: {line}")
        seen.update(sockets(restore))
    restore.stdin.close()
    assert restore.wait(20) == 0
    assert len(seen) == 1


@pytest.mark.parametrize("tools", ["lbctl"], indirect=True)
def test_ten_thousand_rules_are_restored(tools):
    rules = "".join(
        f"-A -t {VIP}:{port} -s wlc\n" + "".join(
            f"-a -t {VIP}:{port} -r 10.78.{server}.1:{port} -g -w 1\n" for server in range(9))
        for port in range(1000, 2000))
    assert tools.ipvsadm("-R", input=rules) == (0, "", "")
    assert len(tools.ipvsadm("-Sn")[1].splitlines()) == 10_000
    assert tools.ipvsadm("-C") == (0, "", "")
