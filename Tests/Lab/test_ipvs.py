"""Programs that steer the kernel's IPVS by netlink steer lbd, led there by `lbctl with-ipvs`, and notice nothing."""

import os
import re
import socket
import struct
import time
from contextlib import contextmanager

import pytest
from answers import Answers
from director import BINARIES
from host import command
from lab import OTHER_VIP, VIP
from tools import IPVSADM, ipvs_socket, ipvsadm, ours, preloaded
from traffic import spread

# ipvsadm


TABLE = f"""
-A -t {VIP}:80 -s rr
-a -t {VIP}:80 -r 10.77.0.21:80 -g -w 2
-a -t {VIP}:80 -r 10.77.0.22:80 -g -w 0 -x 1000 -y 500
-A -t {VIP}:443 -s sh -p 60 -b sh-fallback,sh-port
-A -t {OTHER_VIP}:0 -s lc -p 360 -M 255.255.0.0
-A -u {VIP}:53 -s wlc -o
-a -u {VIP}:53 -r 10.77.0.21:53 -g -w 65535
-A -u {VIP}:5060 -s rr -p 60 --pe sip
-A --sctp-service {VIP}:5060 -s nq
-A -t [2001:db8::1]:443 -s mh -p 90 -M 64 -b mh-fallback,mh-port
-a -t [2001:db8::1]:443 -r [2001:db8::2]:443 -g -w 10 -x 2 -y 1
-A -f 7 -s wlc -p 600 -M 255.255.255.0
-a -f 7 -r 10.77.0.21:0 -g -w 1
-A -f 8 -6 -s wrr -p 300 -M 64
""".strip().splitlines()

LISTINGS = ["-Ln", "-Ln --stats", "-Ln --rate", "-Ln --stats --exact", "-Ln --thresholds", "-Ln --persistent-conn",
            "-Ln --tun-info", "-Ln --nosort", "-Lnc", "-L --timeout", "-L --daemon", f"-Ln -t {VIP}:80",
            "-Ln -f 7", "-Ln -f 8 -6", "-L -n -t [2001:db8::1]:443", "-Z", "-Ln --stats"]


def test_ipvsadm_lists_what_it_configured_as_it_does_the_kernels(lab, director):
    for line in TABLE:
        assert ipvsadm(director, line) == (0, "", ""), line
    assert spread(lab.client, 4) == {"rs1": 4}
    # Our own ipvsadm is compared with Debian's on a kernel; here it is the other way round.
    for line in LISTINGS:
        assert ipvsadm(director, line) == ours(director, line), line
    assert f" {VIP}:80 " in ipvsadm(director, "-Lnc")[1], "the requests' connections"
    # Thresholds are in lbctl's alone.
    assert re.sub(" -[xy] [0-9]+", "", ours(director, "-Sn")[1]) == ipvsadm(director, "-Sn")[1]
    for line in (f"-E -t {VIP}:80 -s wrr -p 5", f"-e -t {VIP}:80 -r 10.77.0.22 -w 3", f"-d -t {VIP}:80 -r 10.77.0.21",
                 "--set 30 5 60", f"-D -t {VIP}:443"):
        assert ipvsadm(director, line) == (0, "", ""), line
    assert ipvsadm(director, f"-Ln -t {VIP}:80")[1].endswith(
        f"TCP  {VIP}:80 wrr persistent 5\n  -> 10.77.0.22:80                Route   3      0          0         \n")
    assert ipvsadm(director, "-L --timeout")[1] == "Timeout (tcp tcpfin udp): 30 5 60\n"
    assert ipvsadm(director, "-C") == (0, "", "")
    assert director.listing().count("\n") == 3


START = [f"-A -t {VIP}:80 -s rr", f"-a -t {VIP}:80 -r 10.77.0.21 -w 1"]

# What Debian's ipvsadm says of a kernel's refusals.
REFUSALS = [
    (f"-A -t {VIP}:80", 255, "Service already exists\n"),
    (f"-E -t {OTHER_VIP}:80", 255, "No such service\n"),
    (f"-D -t {OTHER_VIP}:80", 255, "No such service\n"),
    (f"-Z -t {OTHER_VIP}:80", 255, "No such service\n"),
    (f"-a -t {OTHER_VIP}:80 -r 10.77.0.21", 255, "Service not defined\n"),
    (f"-a -t {VIP}:80 -r 10.77.0.21", 255, "Destination already exists\n"),
    (f"-e -t {VIP}:80 -r 10.77.0.29", 255, "No such destination\n"),
    (f"-d -t {VIP}:80 -r 10.77.0.29", 255, "No such destination\n"),
    (f"-A -t {OTHER_VIP}:80 -s nonsense", 255, "Scheduler or persistence engine not found\n"),
    (f"-a -t {VIP}:80 -r 224.0.0.1", 255,
     "Invalid operation.  Possibly wrong module version, address not unicast, ...\n"),
    (f"-a -t {VIP}:80 -r 10.77.0.23 -x 5 -y 10", 255, "Numerical result out of range\n"),
    (f"-a -t {VIP}:80 -r 10.77.0.23 -w 70000", 255, "Numerical result out of range\n"),
    ("--stop-daemon master", 255, "No daemon is running\n"),
]


@pytest.mark.parametrize("line, status, said", REFUSALS, ids=[line for line, _, _ in REFUSALS])
def test_refusals_are_told_in_ipvsadms_words_and_change_nothing(director, line, status, said):
    for start in START:
        assert ipvsadm(director, start) == (0, "", "")
    before = director.listing()
    assert ipvsadm(director, line) == (status, "", said)
    assert director.listing() == before


def test_many_services_and_servers_are_restored_and_listed(director):
    rules = "".join(
        f"-A -t {VIP}:{port} -s rr\n" + "".join(
            f"-a -t {VIP}:{port} -r 10.77.1.{server}:{port} -g -w {server}\n" for server in range(1, 21))
        for port in range(1000, 1040))
    assert ipvsadm(director, "-R", input=rules) == (0, "", "")
    assert sorted(ipvsadm(director, "-Sn")[1].splitlines()) == sorted(rules.splitlines())


def test_without_lbd_nothing_is_run_and_a_program_finds_no_ipvs(director):
    """Least of all the kernel's, by the older way that needs no netlink."""
    assert director.stop() == 0
    status, out, error = ipvsadm(director, "-Ln")
    assert (status, out, error.count("\n")) == (1, "", 1) and str(director.socket) in error
    done = command(IPVSADM, "-A", "-t", f"{VIP}:80", check=False, env=preloaded(director))
    assert done.returncode == 2 and f"no lbd answers at {ipvs_socket(director)}" in done.stderr
    assert "Can't initialize ipvs: Protocol not available\n" in done.stderr
    done = command("python3", "-c", "import socket; socket.socket(2, 3, 255).getsockopt(0, 1153, 12)", check=False,
                   env=preloaded(director))
    assert "Protocol not available" in done.stderr


@pytest.mark.parametrize("variable", ["/nonexistent/libipvs-lbd.so", "/tmp"])
def test_a_library_that_cannot_be_loaded_is_refused(director, variable):
    done = command(BINARIES / "lbctl", "--socket", director.socket, "with-ipvs", IPVSADM, "-Ln", check=False,
                   env=dict(os.environ, LBD_PRELOAD=variable))
    assert done.returncode == 1 and variable in done.stderr and done.stderr.count("\n") == 1


# Other programs


def test_programs_of_other_netlink_families_notice_nothing(lab, director):
    for words in (["ip", "-d", "address"], ["ip", "route"], ["ip", "-d", "link"], ["nft", "list", "ruleset"], ["ss", "-ltn"],
                  ["genl", "ctrl", "get", "name", "nlctrl"], ["genl", "ctrl", "get", "name", "TASKSTATS"],
                  ["ethtool", "-k", "eth0"], ["ip", "netconf", "show", "dev", "lo"]):
        with lab.client.inside():
            outcomes = [command(*words, check=False, env=env) for env in (os.environ, preloaded(director))]
        plain, led = [(done.returncode, done.stdout, done.stderr) for done in outcomes]
        assert plain == led, words
    with lab.client.inside():
        for line in ("add table ip preloaded", "delete table ip preloaded"):
            command("nft", *line.split(), env=preloaded(director))
        command("ip", "link", "add", "led0", "type", "veth", "peer", "name", "led1", env=preloaded(director))
        command("ip", "link", "delete", "led0", env=preloaded(director))


# Plain sockets. This program is run with the library; each word is a test of its own.
PLAIN = r"""
import os, select, socket, struct, sys, threading

REQUEST, MULTI, ACK, DUMP = 1, 2, 4, 0x300
CONTROL, ERROR, DONE = 0x10, 2, 3

def attribute(kind, value):
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)

def message(kind, command, flags=ACK, sequence=1, content=b"", version=1):
    return struct.pack("=IHHII", 20 + len(content), kind, REQUEST | flags, sequence, 0) + bytes(
        (command, version, 0, 0)) + content

def parse(data):
    found = []
    while data:
        length, kind, flags, sequence, port = struct.unpack("=IHHII", data[:16])
        found.append((kind, flags, sequence, port, data[16:length]))
        data = data[(length + 3) & ~3:]
    return found

def lookup(name, sequence=1):
    return message(CONTROL, 3, ACK, sequence, attribute(2, name + b"\0"))

def open_socket(bound=True):
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
    if bound:
        opened.bind((0, 0))
    return opened

def number(opened):
    opened.send(lookup(b"IPVS"))
    kind, _, _, port, content = parse(opened.recv(65536))[0]
    assert kind == CONTROL and port == opened.getsockname()[0] != 0
    assert parse(opened.recv(65536))[0][0] == ERROR
    place = 4
    while struct.unpack("=H", content[place + 2:place + 4])[0] != 1:
        place += (struct.unpack("=H", content[place:place + 2])[0] + 3) & ~3
    return struct.unpack("=H", content[place + 4:place + 6])[0]

def services(opened, family, receive):
    opened.send(message(family, 4, ACK | DUMP, 7))
    found = []
    while True:
        for kind, flags, sequence, port, content in parse(receive()):
            assert sequence == 7 and port == opened.getsockname()[0] and flags & MULTI
            if kind == DONE:
                return len(found)
            found.append(content)

def readable(opened, seconds=0):
    return bool(select.select([opened], [], [], seconds)[0])

def ways_to_receive():
    opened = open_socket()
    family = number(opened)
    room = bytearray(65536)
    def into():
        return bytes(room[:opened.recv_into(room)])
    def sized():
        size = opened.recv_into(bytearray(4), 4, socket.MSG_PEEK | socket.MSG_TRUNC)
        data = opened.recv(size)
        assert len(data) == size > 4
        return data
    def pieces():
        data, _, flags, address = opened.recvmsg(65536)
        assert address == (0, 0) and flags == 0
        return data
    def addressed():
        data, address = opened.recvfrom(65536)
        assert address == (0, 0)
        return data
    for way in (lambda: opened.recv(65536), into, sized, pieces, addressed, lambda: os.read(opened.fileno(), 65536)):
        assert services(opened, family, way) == 3
        assert not readable(opened)

def ways_to_send():
    opened = open_socket()
    info = message(number(opened), 15, 0)
    for way in (opened.send, lambda data: opened.sendto(data, (0, 0)), lambda data: opened.sendmsg([data]),
                lambda data: opened.sendmsg([data[:3], data[3:18], data[18:]]),
                lambda data: os.write(opened.fileno(), data)):
        assert way(info) == 20
        kind, flags, sequence, _, content = parse(opened.recv(65536))[0]
        # No acknowledgment was asked for, so there is none.
        assert (kind, flags, sequence, content[0]) == (struct.unpack("=H", info[4:6])[0], 0, 1, 14)
        assert not readable(opened)

def unbound():
    opened = open_socket(bound=False)
    assert services(opened, number(opened), lambda: opened.recv(65536)) == 3

def polling():
    opened = open_socket()
    family = number(opened)
    opened.setblocking(False)
    waiting = select.epoll()
    waiting.register(opened, select.EPOLLIN)
    assert waiting.poll(0) == []
    opened.send(message(family, 4, ACK | DUMP, 7))
    count = 0
    while waiting.poll(0):
        count += len(parse(opened.recv(65536)))
    assert count == 4
    try:
        opened.recv(65536)
        assert False
    except BlockingIOError:
        pass

def small_room():
    opened = open_socket()
    opened.send(message(number(opened), 15))
    assert len(opened.recv(10, socket.MSG_PEEK)) == 10
    data, _, flags, _ = opened.recvmsg(10)
    assert len(data) == 10 and flags & socket.MSG_TRUNC
    assert parse(opened.recv(65536))[0][0] == ERROR

def other_families():
    opened = open_socket()
    family = number(opened)
    # Two families' requests in one datagram, and their answers in order.
    info = message(family, 15, ACK, 2)
    opened.send(info + lookup(b"nlctrl", 3) + message(family, 15, ACK, 4))
    opened.send(lookup(b"TASKSTATS", 5))
    answers = {}
    while readable(opened):
        for kind, _, sequence, _, content in parse(opened.recv(65536)):
            answers.setdefault(sequence, []).append(content)
    assert sorted(answers) == [2, 3, 4, 5] and all(len(found) == 2 for found in answers.values()), answers
    assert b"nlctrl" in answers[3][0] and b"TASKSTATS" in answers[5][0]
    # The kernel still judges for itself what it does not know.
    opened.send(message(family + 1, 1, ACK, 6))
    kind, _, _, _, content = parse(opened.recv(65536))[0]
    assert kind == ERROR and struct.unpack("=i", content[:4])[0] == -2

def threads():
    opened = open_socket()
    family = number(opened)
    received = []
    reader = threading.Thread(target=lambda: received.append(opened.recv(65536)))
    reader.start()
    # Until it waits in the system call (recvfrom or recvmsg, by machine).
    while open(f"/proc/self/task/{reader.native_id}/syscall").read().split()[0] not in ("45", "47", "207", "212"):
        pass
    opened.send(message(family, 15, 0))
    reader.join(5)
    assert not reader.is_alive() and parse(received[0])[0][0] == family
    def many():
        own = open_socket()
        for _ in range(20):
            assert services(own, family, lambda: own.recv(65536)) == 3
    all_of_them = [threading.Thread(target=many) for _ in range(8)]
    for thread in all_of_them:
        thread.start()
    for thread in all_of_them:
        thread.join(30)
        assert not thread.is_alive()

def unread():
    family = number(open_socket())
    for _ in range(600):
        opened = open_socket()
        opened.send(message(family, 15))
        opened.recv(65536)
        opened.close()
    opened = open_socket()
    assert services(opened, family, lambda: opened.recv(65536)) == 3

def forked():
    opened = open_socket()
    family = number(opened)
    opened.send(message(family, 4, ACK | DUMP, 7))
    child = os.fork()
    if child == 0:
        count = 0
        while readable(opened):
            count += len(parse(opened.recv(65536)))
        os._exit(count)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4

def other_sockets():
    one, two = socket.socketpair()
    opened = open_socket()
    family = number(opened)
    # What looks like a request is none on another socket, also while answers wait.
    opened.send(message(family, 15))
    one.send(message(family, 15))
    assert two.recv(100) == message(family, 15) and len(two.recv(100, socket.MSG_DONTWAIT) if readable(two) else b"") == 0
    os.write(one.fileno(), lookup(b"IPVS"))
    assert os.read(two.fileno(), 100) == lookup(b"IPVS")
    route = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    route.send(message(family, 15))
    assert parse(route.recv(65536))[0][0] == ERROR

globals()[sys.argv[1]]()
"""


@pytest.mark.parametrize("way", ["ways_to_receive", "ways_to_send", "unbound", "polling", "small_room", "other_families",
                                 "threads", "unread", "forked", "other_sockets"])
def test_a_program_with_plain_sockets(lab, director, way):
    for port in (80, 81, 82):
        director.lbctl("add-service", "-t", f"{VIP}:{port}")
    program = lab.directory / "plain.py"
    program.write_text(PLAIN)
    done = command("/usr/bin/python3", "-B", program, way, check=False, env=preloaded(director), timeout=60)
    assert done.returncode == 0, done.stderr


# lbd's side


def ask(director, data, seconds=5):
    """What lbd's socket answers until it closes or falls silent."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(seconds)
        asking.connect(str(ipvs_socket(director)))
        asking.sendall(data)
        asking.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := asking.recv(1 << 16):
            answer += piece
        return answer


def info(flags=5):
    return struct.pack("=IHHII", 20, 0x4c42, flags, 9, 0) + bytes((15, 1, 0, 0))


@pytest.mark.parametrize("data, length", [
    (info(), 72), (info(1), 36), (info() * 100, 7200), (info(0), 0), (info()[:19], 0), (b"\0" * 64, 0), (b"\xff" * 64, 0),
    (struct.pack("=IHHII", 16, 0x4c42, 5, 9, 0), 36), (struct.pack("=IHHII", 15, 0x4c42, 5, 9, 0), 0),
    (struct.pack("=IHHII", 1 << 20, 0x4c42, 5, 9, 0) + bytes(1 << 20), 0), (b"GET / HTTP/1.1\r\n\r\n", 0), (b"", 0),
], ids=range(12))
def test_the_socket_takes_any_bytes(director, data, length):
    try:
        assert len(ask(director, data)) == length
    except ConnectionError:
        assert length == 0
    assert ask(director, info())


def test_the_socket_is_for_its_owner_only_and_gone_with_lbd(director):
    assert ipvs_socket(director).stat().st_mode & 0o777 == 0o600
    assert director.stop() == 0
    assert not ipvs_socket(director).exists()


def test_clients_that_say_nothing_hold_up_nobody_but_their_like(director):
    @contextmanager
    def silent(count):
        idle = []
        for _ in range(count):
            idle.append(socket.socket(socket.AF_UNIX))
            idle[-1].connect(str(ipvs_socket(director)))
        yield
        for one in idle:
            one.close()

    with silent(50):
        assert ask(director, info())
    with silent(100):
        assert director.lbctl("list").returncode == 0
    assert ask(director, info())


def test_a_new_vip_is_probed_for_before_the_answer(lab, director_as_shipped, request):
    """As with lbctl: on return the VIP is owned; one that another host has is refused."""
    director = director_as_shipped
    begin = time.monotonic()
    assert ipvsadm(director, f"-A -t {VIP}:80 -s rr") == (0, "", "")
    assert time.monotonic() - begin > 0.5, "probed for"
    assert [vip["state"] for vip in director.json("vips")] == ["owned"]
    with Answers(lab.stranger, OTHER_VIP):
        status, out, error = ipvsadm(director, f"-A -t {OTHER_VIP}:80")
    assert (status, out, error) == (255, "", "Device or resource busy\n")
    assert "is answered for by" in director.output()
    assert OTHER_VIP not in director.listing()
