"""lbd --data-plane kernel and lbctl migrate, in a LAN of namespaces, with real HTTP."""
import json
import os
import signal
import subprocess
import time

import pytest

from lan import RULES, VIP, VIP6, inside, ip, until
from programs import LBCTL, LBD, run


@pytest.fixture
def lbd(lan):
    """Starts directors in the director's namespace; they must end cleanly."""
    running = []

    def start(*options):
        log = open("/run/lbd.log", "a+")
        process = subprocess.Popen(
            ["ip", "netns", "exec", "director", LBD, "--interface", "eth0", "--probe-interval", "50", *options],
            stdout=log, stderr=log)
        running.append(process)
        until(lambda: steer("timeouts")[0] == 0, 60)
        return process

    open("/run/lbd.log", "w").close()
    yield start
    for process in running:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0, said()
    inside("director", "ipvsadm", "-C")


def said():
    with open("/run/lbd.log") as log:
        return log.read()


def steer(line):
    return inside("director", LBCTL, *line.split())


def rules():
    return inside("director", "ipvsadm", "-Sn")[1]


def addresses():
    return inside("director", "ip", "-o", "addr", "show", "dev", "eth0")[1]


def answers(count, vip=VIP):
    got = [inside("client", "curl", "-gs", "-m", "10", f"http://{vip}/")[1].strip() for _ in range(count)]
    return sorted(got)


def add_web():
    for line in (f"add-service -t {VIP}:80 -s rr", f"add-rs -t {VIP}:80 -r 10.77.0.21",
                 f"add-rs -t {VIP}:80 -r 10.77.0.22"):
        assert steer(line) == (0, "", ""), said()


def test_the_kernel_forwards_what_lbd_was_told(lbd):
    lbd("--data-plane", "kernel")
    add_web()
    assert rules() == RULES.format(vip=VIP)
    assert f"inet {VIP}/32" in addresses()
    assert answers(4) == ["rs1", "rs1", "rs2", "rs2"]
    assert steer("list")[1] == inside("director", "ipvsadm", "-Ln")[1]
    # The kernel sums up every two seconds.
    until(lambda: steer("list --total")[1].split()[5:7] == ["total", "4"])
    assert steer(f"del-service -t {VIP}:80")[0] == 0
    assert VIP not in addresses()


def test_what_others_change_is_told_and_put_right(lbd):
    lbd("--data-plane", "kernel")
    add_web()
    inside("director", "ipvsadm", "-A", "-t", "10.5.5.5:80", "-s", "wlc")
    inside("director", "ipvsadm", "-e", "-t", f"{VIP}:80", "-r", "10.77.0.21", "-g", "-w", "9")
    inside("director", "ipvsadm", "-d", "-t", f"{VIP}:80", "-r", "10.77.0.22")
    until(lambda: rules() == "-A -t 10.5.5.5:80 -s wlc\n" + RULES.format(vip=VIP))
    until(lambda: f"service tcp:{VIP}:80 was changed in the kernel by another program" in said())
    until(lambda: "service tcp:10.5.5.5:80 was added to the kernel by another program: lbd leaves it alone" in said())
    status, _, error = steer("del-service -t 10.5.5.5:80")
    assert (status, error.startswith("lbctl: no service tcp:10.5.5.5:80")) == (1, True)


def test_commands_hold_whatever_others_did_just_before(lbd):
    lbd("--data-plane", "kernel")
    add_web()
    inside("director", "ipvsadm", "-C")
    assert steer("flush")[0] == 0
    time.sleep(3)
    assert rules() == "" and VIP not in addresses(), "what was flushed does not come back"


def test_what_the_kernel_plane_has_works_and_what_it_lacks_is_refused(lbd):
    lbd("--data-plane", "kernel")
    add_web()
    assert steer("vips")[1].splitlines()[1].split() == [VIP, "owned", "-"]
    assert steer("set conn_reuse_mode 0") == (0, "", "")
    assert steer("get conn_reuse_mode")[1] == "0\n"
    assert inside("director", "sysctl", "-n", "net.ipv4.vs.conn_reuse_mode")[1] == "0\n"
    assert "conn_reuse_mode: 0\n" in steer("save")[1]
    assert steer("set conn_reuse_mode 1")[0] == 0 and "settings" not in steer("save")[1]
    told = json.loads(steer("--json capabilities")[1])
    assert (told["plane"], set(told["features"])) == ("kernel", {"checks", "discovery", "local_servers", "vips"})
    for line in ("neighbors", "workers", "verdicts", "doctor", "takeover", "release", "mark list", "capture -w /dev/null",
                 f"add-rs -t {VIP}:80 -r 10.77.0.23 --mac 02:00:00:00:00:01",
                 f"add-rs -t {VIP}:80 -r 10.77.0.23 --wait"):
        status, output, error = steer(line)
        assert (status, output, error.count("\n")) == (1, "", 1), line
        assert error.startswith("lbctl: the kernel data plane has no ") and "lbctl capabilities" in error, line
    assert rules() == RULES.format(vip=VIP)


def test_a_drained_server_weighs_nothing_in_the_kernel_and_knows_what_it_is_to_weigh(lbd):
    lbd("--data-plane", "kernel")
    add_web()
    drained = f"drain-rs -t {VIP}:80 -r 10.77.0.21"
    assert steer(drained) == (0, "", "")
    assert "-r 10.77.0.21:80 -g -w 0\n" in rules()
    assert answers(2) == ["rs2", "rs2"]
    assert "weight: 1\n    drained: true\n" in steer("save")[1]
    assert steer(f"{drained} --undo") == (0, "", "") and rules() == RULES.format(vip=VIP)


def test_what_the_kernel_refuses_among_several_changes_leaves_nothing_of_them(lbd):
    lbd("--data-plane", "kernel")
    add_web()
    before, saved = rules(), steer("save")[1]
    wanted = saved.replace("rr", "wlc") + "- {service: 'tcp:10.77.0.101:80', scheduler: twos}\n"
    status, _, error = inside("director", LBCTL, "apply", "-f", "-", stdin=wanted)
    assert (status, error.count("\n")) == (1, 1) and "twos" in error
    assert rules() == before and steer("save")[1] == saved and "10.77.0.101" not in addresses()
    status, _, error = inside("director", LBCTL, "--kernel", "apply", "-f", "-", stdin=wanted)
    assert status == 1 and "twos" in error and rules() == before


def test_a_director_on_the_kernel_has_nothing_to_migrate(lbd):
    lbd("--data-plane", "kernel")
    add_web()
    before = rules()
    for plane in ("kernel", "userspace"):
        status, _, error = steer(f"migrate --to {plane}")
        assert status == 1 and "--data-plane kernel" in error and error.count("\n") == 1
    assert rules() == before and VIP in addresses()


def test_an_ipv6_vip_is_probed_for_announced_and_forwarded_for(lbd):
    lbd("--data-plane", "kernel")
    heard = open("/run/heard", "w")
    watch = subprocess.Popen(
        ["ip", "netns", "exec", "client", "tcpdump", "--immediate-mode", "-lnvi", "eth0",
         "icmp6 and (ip6[40] == 135 or ip6[40] == 136)"], stdout=heard, stderr=subprocess.PIPE, text=True)
    watch.stderr.readline()

    def all_is_heard():
        with open("/run/heard") as file:
            text = file.read()
        return (text.count(":: > ff02::1:ff00:100: [icmp6 sum ok] ICMP6, neighbor solicitation") == 3
                and f"{VIP6} > ff02::1: [icmp6 sum ok] ICMP6, neighbor advertisement" in text and "[override]" in text)

    assert steer(f"add-service -t [{VIP6}]:80 -s rr") == (0, "", ""), said()
    assert f"inet6 {VIP6}/128" in addresses() and "tentative" not in addresses()
    for number in (21, 22):
        assert steer(f"add-rs -t [{VIP6}]:80 -r fd77::{number}") == (0, "", "")
    assert answers(4, f"[{VIP6}]") == ["rs1", "rs1", "rs2", "rs2"]
    until(all_is_heard)
    watch.terminate()
    watch.wait()
    assert steer(f"del-service -t [{VIP6}]:80")[0] == 0
    assert VIP6 not in addresses()


def test_an_ipv6_vip_that_another_host_has_is_refused(lbd):
    lbd("--data-plane", "kernel")
    ip("-n", "rs2", "addr", "add", f"{VIP6}/128", "dev", "eth0", "nodad")
    try:
        status, _, error = steer(f"add-service -t [{VIP6}]:80")
        assert (status, error.count("\n")) == (1, 1) and f"{VIP6} is answered for by" in error
        assert VIP6 not in addresses() and rules() == ""
    finally:
        ip("-n", "rs2", "addr", "del", f"{VIP6}/128", "dev", "eth0")


def test_a_killed_lbd_leaves_the_kernel_forwarding_and_the_next_one_takes_over(lbd):
    first = lbd("--data-plane", "kernel")
    add_web()
    with open("/run/saved.yaml", "w") as file:
        file.write(steer("save")[1])
    first.kill()
    first.wait()
    assert answers(2) == ["rs1", "rs2"]
    second = lbd("--data-plane", "kernel", "--config", "/run/saved.yaml")
    assert rules() == RULES.format(vip=VIP)
    second.send_signal(signal.SIGTERM)
    assert second.wait(30) == 0
    assert rules() == "" and VIP not in addresses()


def has_ingress():
    """Whether the kernel has nftables at netdev ingress, which the host guard needs: User-Mode Linux has not."""
    chain = "add chain netdev probe ingress { type filter hook ingress device lo priority 0; }"
    return run("nft", f"add table netdev probe; {chain}; delete table netdev probe")[0] == 0


USERSPACE = () if has_ingress() else ("--no-host-guard",)


def test_a_service_moves_to_the_kernel_and_back(lbd):
    lbd(*USERSPACE)
    add_web()
    assert answers(2) == ["rs1", "rs2"]
    assert migrated("kernel") == "1 service moved to kernel", said()
    assert rules() == RULES.format(vip=VIP)
    assert f"inet {VIP}/32" in addresses()
    assert steer("list")[1].count("\n") == 3
    assert answers(4) == ["rs1", "rs1", "rs2", "rs2"]
    assert migrated(f"userspace -t {VIP}:80") == "1 service moved to userspace", said()
    assert rules() == "" and VIP not in addresses()
    assert answers(2) == ["rs1", "rs2"]


def migrated(words):
    """The first line that it says; the second tells of connections."""
    status, output, error = steer(f"migrate --to {words}")
    assert (status, error) == (0, ""), error
    return output.splitlines()[0]


def test_a_service_moves_with_all_others_of_its_vip(lbd):
    lbd(*USERSPACE)
    add_web()
    assert steer(f"add-service -t {VIP}:8080") == steer("add-service -t 10.77.0.101:80") == (0, "", "")
    assert migrated(f"kernel -t {VIP}:8080") == "2 services moved to kernel", said()
    assert rules().count("-A ") == 2 and "10.77.0.101:80" in steer("list")[1]
    assert migrated(f"userspace -t {VIP}:80") == "2 services moved to userspace", said()
    status, _, error = steer("migrate --to kernel -t 10.9.9.9:80")
    assert (status, error.startswith("lbctl: no service tcp:10.9.9.9:80")) == (1, True)


def test_while_a_service_moves_its_vip_has_an_owner_and_requests_are_answered(lbd):
    lbd(*USERSPACE)
    add_web()
    mac = inside("director", "cat", "/sys/class/net/eth0/address")[1].strip()
    watch = [subprocess.Popen(["ip", "netns", "exec", "client", *words], stdout=subprocess.PIPE, text=True) for words in (
        ["/usr/bin/python3", "-B", "Tests/Kernel/owner.py", "eth0", VIP, "10.77.0.11", "/run/moved"],
        ["bash", "-c", f"while [ ! -e /run/moved ]; do curl -s -m 10 http://{VIP}/ || echo lost; done"])]
    for plane in ("kernel", "userspace", "kernel", "userspace"):
        time.sleep(0.5)
        assert steer(f"migrate --to {plane}")[0] == 0, said()
    time.sleep(0.5)
    open("/run/moved", "w").close()
    owners, answered = (process.communicate()[0].split() for process in watch)
    os.remove("/run/moved")
    assert len(owners) > 4 and set(owners) == {mac}
    assert len(answered) > 5 and set(answered) == {"rs1", "rs2"}, "none is lost"


# Has connections that stay open, asks on each when a line comes in, and prints who answered; or "broken".
SESSIONS = """
import http.client, sys
connections = [http.client.HTTPConnection(sys.argv[1], 80, timeout=30) for _ in range(40)]
for connection in connections:
    connection.connect()
    connection.auto_open = 0
def ask(connection):
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode().strip()
    except (OSError, http.client.HTTPException):
        return "broken"
for _ in sys.stdin:
    print(*map(ask, connections), flush=True)
"""


@pytest.mark.parametrize("vip, name, servers", [
    (VIP, VIP, ("10.77.0.21", "10.77.0.22")), (VIP6, f"[{VIP6}]", ("[fd77::21]", "[fd77::22]"))], ids=["IPv4", "IPv6"])
def test_open_connections_go_along_when_a_service_moves(lbd, vip, name, servers):
    lbd(*USERSPACE)
    assert steer(f"add-service -t {name}:80 -s rr") == (0, "", ""), said()
    for server in servers:
        assert steer(f"add-rs -t {name}:80 -r {server}:80") == (0, "", ""), said()
    until(lambda: " owned " in steer("vips")[1])
    with subprocess.Popen(["ip", "netns", "exec", "client", "/usr/bin/python3", "-c", SESSIONS, vip],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        def ask():
            client.stdin.write("\n")
            client.stdin.flush()
            return client.stdout.readline().split()

        before = ask()
        assert set(before) == {"rs1", "rs2"} and len(before) == 40
        for plane in ("kernel", "userspace", "kernel", "userspace"):
            status, output, error = steer(f"migrate --to {plane}")
            assert (status, error) == (0, ""), said()
            # A kernel keeps what ended before for a while, which goes along too.
            assert int(output.splitlines()[1].split()[0]) >= 40 and "left" not in output
            assert ask() == before, plane
        client.stdin.close()


def test_templates_go_along_when_a_service_moves(lbd):
    lbd(*USERSPACE)
    assert steer(f"add-service -t {VIP}:80 -s rr -p 600") == (0, "", ""), said()
    for number in (21, 22):
        assert steer(f"add-rs -t {VIP}:80 -r 10.77.0.{number}") == (0, "", "")
    until(lambda: " owned " in steer("vips")[1])
    server = answers(1)
    for plane in ("kernel", "userspace"):
        assert migrated(plane) == f"1 service moved to {plane}", said()
        assert answers(3) == server * 3


def test_a_kernel_whose_backup_is_taken_gets_none_and_says_so(lbd):
    lbd(*USERSPACE)
    add_web()
    assert len(answers(2)) == 2
    assert inside("director", "ipvsadm", "--start-daemon", "backup", "--mcast-interface", "eth0")[0] == 0
    try:
        status, output, _ = steer("migrate --to kernel")
        assert status == 0 and "left: the kernel's sync backup runs already" in output
    finally:
        inside("director", "ipvsadm", "--stop-daemon", "backup")
    assert migrated("userspace") == "1 service moved to userspace"
