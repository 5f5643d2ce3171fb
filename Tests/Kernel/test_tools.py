"""Other people's tools, unmodified, with this program as their ipvsadm, or beside it."""
import os
import shutil
import subprocess
import time

import pytest

from programs import OURS, ours, run, theirs

VIP = "10.66.0.100"


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def pages():
    """Two web servers on this host, at addresses of their own, whose page can go away."""
    processes = []
    for number in (1, 2):
        folder = f"/run/web{number}"
        os.makedirs(folder, exist_ok=True)
        subprocess.run(["ip", "addr", "add", f"10.66.1.{number}/32", "dev", "lo"], check=True)
        show(number)
        processes.append(subprocess.Popen(
            ["/usr/bin/python3", "-m", "http.server", "80", "-b", f"10.66.1.{number}", "-d", folder],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    yield
    for process in processes:
        process.kill()
        process.wait()


def show(number):
    with open(f"/run/web{number}/alive.html", "w") as page:
        page.write("alive\n")


def hide(number):
    os.remove(f"/run/web{number}/alive.html")


def servers():
    """The weights of the VIP's servers, as Debian's ipvsadm lists them."""
    rules = [line.split() for line in theirs("-Sn")[1].splitlines()]
    return {words[4]: int(words[7]) for words in rules if words[0] == "-a" and words[2] == f"{VIP}:80"}


LDIRECTORD = """
checktimeout=3
checkinterval=1
autoreload=no
quiescent=no
virtual=10.66.0.100:80
    real=10.66.1.1:80 gate 3
    real=10.66.1.2:80 gate
    service=http
    scheduler=wrr
    persistent=300
    netmask=255.255.255.0
    protocol=tcp
    request="alive.html"
    receive="alive"
"""


@pytest.mark.skipif(not shutil.which("ldirectord"), reason="the package ldirectord cannot be installed here")
def test_ldirectord_takes_a_server_out_and_in_again(pages):
    os.makedirs("/run/ha", exist_ok=True)
    with open("/run/ha/ld.cf", "w") as file:
        file.write(LDIRECTORD)
    # In the foreground ldirectord takes the ipvsadm of the folder that it is started in.
    with open("/run/ha/ldirectord.log", "w") as log:
        process = subprocess.Popen(
            ["ldirectord", "-d", "/run/ha/ld.cf", "start"], stdout=log, stderr=log, cwd=os.path.dirname(OURS))
    try:
        until(lambda: servers() == {"10.66.1.1:80": 3, "10.66.1.2:80": 1})
        assert "-A -t 10.66.0.100:80 -s wrr -p 300 -M 255.255.255.0\n" in theirs("-Sn")[1]
        hide(1)
        until(lambda: servers() == {"10.66.1.2:80": 1})
        show(1)
        until(lambda: servers() == {"10.66.1.1:80": 3, "10.66.1.2:80": 1})
    finally:
        process.terminate()
        process.wait(30)


KEEPALIVED = """
global_defs {
  router_id test
}
virtual_server 10.66.0.100 80 {
  delay_loop 1
  lb_algo wlc
  lb_kind DR
  protocol TCP
  real_server 10.66.1.1 80 {
    weight 2
    HTTP_GET {
      url {
        path /alive.html
        status_code 200
      }
      connect_timeout 3
      retry 1
      delay_before_retry 1
    }
  }
  real_server 10.66.1.2 80 {
    weight 5
    HTTP_GET {
      url {
        path /alive.html
        status_code 200
      }
      connect_timeout 3
      retry 1
      delay_before_retry 1
    }
  }
}
"""


@pytest.mark.skipif(not shutil.which("keepalived"), reason="the package keepalived cannot be installed here")
def test_keepalived_beside_us(pages):
    with open("/run/keepalived.conf", "w") as file:
        file.write(KEEPALIVED)
    assert ours("-A -t 10.66.0.101:80 -s rr") == (0, "", "")
    process = subprocess.Popen(
        ["keepalived", "-n", "-l", "-C", "-f", "/run/keepalived.conf", "-p", "/run/ka.pid", "-c", "/run/kac.pid"],
        stdout=open("/run/keepalived.log", "w"), stderr=subprocess.STDOUT)
    try:
        until(lambda: servers() == {"10.66.1.1:80": 2, "10.66.1.2:80": 5})
        assert ours("-Ln") == theirs("-Ln")
        assert ours("-e -t 10.66.0.100:80 -r 10.66.1.1 -g -w 77") == (0, "", "")
        assert servers()["10.66.1.1:80"] == 77
        hide(2)
        until(lambda: "10.66.1.2:80" not in servers())
        assert "10.66.1.2" not in ours("-Ln")[1]
        show(2)
        until(lambda: servers().get("10.66.1.2:80") == 5)
        assert "TCP  10.66.0.101:80 rr" in theirs("-Ln")[1]
    finally:
        process.terminate()
        process.wait(30)
    assert servers() == {}
    assert ours("-Sn")[1] == "-A -t 10.66.0.101:80 -s rr\n"


CLASSIC = """
VIP=10.66.0.100
ipvsadm -C
ipvsadm --set 30 5 60
ipvsadm -A -t $VIP:80 -s rr -p 300
for RIP in 10.66.1.1 10.66.1.2; do ipvsadm -a -t $VIP:80 -r $RIP -g -w 1; done
touch /run/begun
while [ ! -e /run/kicked ]; do
  for RIP in 10.66.1.1 10.66.1.2; do
    status=$(curl -s -m 2 -o /dev/null -w '%{http_code}' http://$RIP/alive.html)
    if ipvsadm -Ln | grep -q " $RIP:80 "; then
      [ "$status" = 200 ] || ipvsadm -d -t $VIP:80 -r $RIP
    else
      [ "$status" != 200 ] || ipvsadm -a -t $VIP:80 -r $RIP -g -w 1
    fi
  done
  sleep 0.2
done
ipvsadm -C
"""


def test_the_classic_script_kicks_and_adds_servers(pages):
    path = os.path.dirname(OURS) + ":" + os.environ["PATH"]
    script = subprocess.Popen(["bash", "-ec", CLASSIC], env=dict(os.environ, PATH=path))
    try:
        until(lambda: servers() == {"10.66.1.1:80": 1, "10.66.1.2:80": 1})
        assert theirs("-L --timeout")[1] == "Timeout (tcp tcpfin udp): 30 5 60\n"
        hide(2)
        until(lambda: servers() == {"10.66.1.1:80": 1})
        show(2)
        until(lambda: len(servers()) == 2)
    finally:
        open("/run/kicked", "w").close()
        assert script.wait(30) == 0
    assert theirs("-Sn")[1] == ""
    theirs("--set 900 120 300")


def test_save_and_restore_scripts():
    theirs("-A -t 10.66.0.100:80 -s rr")
    theirs("-a -t 10.66.0.100:80 -r 10.66.1.1:80 -g -w 4")
    folder = os.path.dirname(OURS)
    saved = run(f"{folder}/ipvsadm-save", "-n")
    assert saved == (0, "-A -t 10.66.0.100:80 -s rr\n-a -t 10.66.0.100:80 -r 10.66.1.1:80 -g -w 4\n", "")
    theirs("-A -t 10.66.0.200:80")
    assert run(f"{folder}/ipvsadm-restore", stdin="# saved\n" + saved[1]) == (0, "", "")
    assert theirs("-Sn")[1] == saved[1]
    assert run(f"{folder}/ipvsadm-save", "-x")[0] == 1
