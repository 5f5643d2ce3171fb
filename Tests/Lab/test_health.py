"""Health checks of real servers: who is out, who is back, and what it costs clients."""

import signal
import socket
import threading
from contextlib import contextmanager

import pytest
from director import ON_EVERY_DATA_PLANE, service
from host import command
from lab import CLIENT, DIP, VIP
from moody import CERTIFICATES, TLS_NAME, moody
from waiting import until

PORT = 8081
SERVICE = service(port=PORT)
FALL = 2
RHYTHM = ("--interval", "200ms", "--timeout", "500ms", "--fall", FALL, "--rise", 2, "--flap-limit", 0)
HTTP = ("--type", "http", "--status", "200")


@pytest.fixture
def farm(lab, director):
    """A moody server on each real server, and a service of them."""
    with moody(lab.servers, PORT) as servers:
        director.add_web(port=PORT)
        yield servers


def watch(director, *words, on=SERVICE):
    director.lbctl("add-check", *on, *RHYTHM, *words)


def health(director):
    """By server's address, what `list --health` tells of it."""
    listing = director.json("list", "--health", *SERVICE)
    return {server["address"].rsplit(":", 1)[0]: server for server in listing[0]["servers"]}


def check(director, server):
    return health(director)[server.address]["checks"][0]


def until_state(director, servers, state):
    until(lambda: {health(director)[server.address]["state"] for server in servers} == {state}, 30,
          lambda: director.lbctl("list", "--health").stdout)


def until_asked(director, server):
    """Until it has been asked more often than it takes to be down."""
    def attempts():
        counts = check(director, server)["counts"]
        return counts["good"] + counts["bad"]

    before = attempts()
    until(lambda: attempts() > before + 2 * FALL)


def weights(director):
    return {line.split()[1].rsplit(":", 1)[0]: int(line.split()[3])
            for line in director.listing().splitlines() if line.startswith("  -> 1")}


def ask(client, port=PORT, timeout=2):
    """Whether one request of a client's, on a connection of its own, is answered well."""
    with client.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect((VIP, port))
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            return connection.recv(1024).startswith(b"HTTP/1.1 200")
        except OSError:
            return False


def address_of_vip(server, word):
    server.ip("address", word, f"{VIP}/32", "dev", "lo")


def cable(lab, server, state):
    lab.lan.ip("link", "set", server.name, state)


def holds(director):
    """By server's address, what holds its weight down."""
    servers = director.json("list", *SERVICE)[0]["servers"]
    return {each["address"].rsplit(":", 1)[0]: each.get("weight_held_by", []) for each in servers}


def until_held(lab, director, servers):
    """Has a client ask until the weights of these servers, and of no others, are held down since nobody answers there.
    One that nobody uses is missed later."""
    wanted = {each.address: ["neighbor"] if each in servers else [] for each in lab.servers}

    def is_so():
        if holds(director) == wanted:
            return True
        ask(lab.client, timeout=0.2)

    until(is_so, 60, lambda: holds(director))


def crowd_out(moody):
    moody.hang_up()
    moody.listen()


# What goes wrong with a server, how it is put right, and which checks notice it: HTTP at the VIP, HTTP at the server's
# own address, and a mere connection there, as a TCP_CHECK of keepalived's makes.
TROUBLES = {
    "stopped": (lambda lab, server, moody: moody.hang_up(), lambda lab, server, moody: moody.listen(), "vip rip connect"),
    "VIP not on lo": (lambda lab, server, moody: address_of_vip(server, "del"),
                      lambda lab, server, moody: address_of_vip(server, "add"), "vip"),
    "cable cut": (lambda lab, server, moody: cable(lab, server, "down"),
                  lambda lab, server, moody: cable(lab, server, "up"), "vip rip connect"),
    "accept queue full": (lambda lab, server, moody: moody.crowd(), lambda lab, server, moody: crowd_out(moody),
                          "vip rip connect"),
    **{mood: (lambda lab, server, moody, mood=mood: setattr(moody, "mood", mood),
              lambda lab, server, moody: setattr(moody, "mood", "good"), "vip rip")
       for mood in ("error", "mute", "dribble", "endless", "garbage", "loop")},
}


@pytest.mark.parametrize("kind", ["vip", "rip", "connect"])
@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_takes_a_server_out_where_the_check_meets_it_until_it_is_over(lab, director, farm, trouble, kind):
    cause, cure, noticed = TROUBLES[trouble]
    server = lab.servers[0]
    watch(director, *(("--type", "tcp", "--via", "rip") if kind == "connect" else (*HTTP, "--via", kind)))
    until_state(director, lab.servers, "up")
    cause(lab, server, farm[0])
    try:
        if kind in noticed.split():
            until_state(director, [server], "down")
            assert weights(director) == {each.address: int(each is not server) for each in lab.servers}
            visits = sum(count for (visitor, _), count in farm[0].visits.items() if visitor == CLIENT)
            assert all(ask(lab.client) for _ in range(6))
            assert sum(count for (visitor, _), count in farm[0].visits.items() if visitor == CLIENT) == visits
        else:
            until_asked(director, server)
            assert health(director)[server.address]["state"] == "up"
    finally:
        cure(lab, server, farm[0])
    until_state(director, lab.servers, "up")
    assert set(weights(director).values()) == {1}
    until(lambda: ask(lab.client) and farm[0].visits[CLIENT, VIP] > 0)


@ON_EVERY_DATA_PLANE
def test_by_default_the_vip_is_asked_at_each_server_from_the_directors_own_address(lab, director, farm):
    watch(director, *HTTP)
    until_state(director, lab.servers, "up")
    assert [set(moody.visits) for moody in farm] == [{(DIP, VIP)}] * 3
    assert {each["checks"][0]["via"] for each in health(director).values()} == {"vip"}
    # The host does not have the VIP, nor does it answer for it; its rule goes with lbd.
    assert VIP not in lab.director.ip("address").stdout
    assert "lookup" in lab.director.ip("rule", "list", "priority", 10).stdout
    director.stop()
    assert lab.director.ip("rule", "list", "priority", 10).stdout == ""


def test_by_rip_the_servers_own_address_is_asked(lab, director, farm):
    watch(director, *HTTP, "--via", "rip")
    until_state(director, lab.servers, "up")
    assert [set(moody.visits) for moody in farm] == [{(DIP, server.address)} for server in lab.servers]


def test_what_a_killed_lbd_left_of_its_routing_the_next_one_takes_away(lab, start, farm, director):
    watch(director, *HTTP)
    until_state(director, lab.servers, "up")
    director.stop(signal.SIGKILL)
    assert "lookup" in lab.director.ip("rule", "list", "priority", 10).stdout
    start()
    until(lambda: lab.director.ip("rule", "list", "priority", 10).stdout == "")


class Clients(threading.Thread):
    """Clients who ask one after the other and try once more where nobody answered."""

    def __init__(self, client):
        super().__init__(daemon=True)
        self.client, self.requests, self.retries, self.failures, self.ends = client, 0, 0, 0, threading.Event()

    def run(self):
        while not self.ends.is_set():
            self.requests += 1
            if not ask(self.client):
                self.retries += 1
                if not ask(self.client):
                    self.failures += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ends.set()
        self.join()


@pytest.mark.parametrize("trouble", ["stopped", "VIP not on lo", "error"])
def test_clients_who_try_once_more_see_no_error(lab, director, farm, trouble):
    cause, cure, _ = TROUBLES[trouble]
    watch(director, *HTTP)
    until_state(director, lab.servers, "up")
    with Clients(lab.client) as clients:
        for _ in range(2):
            cause(lab, lab.servers[0], farm[0])
            until_state(director, lab.servers[:1], "down")
            cure(lab, lab.servers[0], farm[0])
            until_state(director, lab.servers, "up")
    assert clients.requests > 10
    assert clients.failures == 0


def test_connections_of_a_server_that_is_down_go_on(lab, director, farm):
    watch(director, *HTTP)
    until_state(director, lab.servers, "up")
    sessions = []
    for _ in farm:
        session = lab.client.socket(socket.AF_INET, socket.SOCK_STREAM)
        session.settimeout(10)
        session.connect((VIP, PORT))
        sessions.append(session)
    for moody in farm:
        moody.mood = "error"
    until_state(director, lab.servers, "down")
    for session in sessions:
        session.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert session.recv(1024).startswith(b"HTTP/1.1 500")
        session.close()
    assert director.lbctl("health", check=False).returncode == 1
    assert director.lbctl("health", "--vip", VIP, check=False).returncode == 1
    for moody in farm:
        moody.mood = "good"
    until(lambda: director.lbctl("health", "--vip", VIP, check=False).returncode == 0)
    assert director.lbctl("health", "--vip", "10.77.0.77", check=False).returncode == 1


def test_a_server_that_is_removed_is_still_asked_and_comes_back(lab, director, farm):
    watch(director, *HTTP, "--on-failure", "remove")
    until_state(director, lab.servers, "up")
    farm[0].mood = "error"
    until_state(director, lab.servers[:1], "down")
    held = {each["address"]: each.get("weight_held_by") for each in director.json("list", *SERVICE)[0]["servers"]}
    assert held == {f"{server.address}:{PORT}": ["removed"] if server is lab.servers[0] else None
                    for server in lab.servers}
    director.lbctl("edit-rs", *SERVICE, "-r", lab.servers[0].address, "-w", 3)
    farm[0].mood = "good"
    until_state(director, lab.servers, "up")
    assert weights(director)[lab.servers[0].address] == 3


@contextmanager
def certified(lab, director):
    with moody(lab.servers, PORT, certificate="good") as servers:
        director.add_web(port=PORT)
        yield servers


def test_a_bad_certificate_takes_a_server_out(lab, director):
    with certified(lab, director) as servers:
        watch(director, "--type", "https", "--sni", TLS_NAME, "--ca", CERTIFICATES / "authority.pem")
        until_state(director, lab.servers, "up")
        servers[0].present("expired")
        servers[1].present("selfsigned")
        until_state(director, lab.servers[:2], "down")
        # The last of all attempts may have had no time, on a machine that has much else to do.
        until(lambda: "certificate verify failed" in check(director, lab.servers[0])["result"], 30)
        watch(director, "--type", "https", "--sni", TLS_NAME, "--no-verify")
        until_state(director, lab.servers, "up")


def test_a_body_is_matched_and_a_huge_one_is_no_trouble(lab, director, farm):
    watch(director, *HTTP, "--body", "^ok$")
    until_state(director, lab.servers, "up")
    farm[0].mood = "huge"
    until_state(director, lab.servers[:1], "down")
    assert "does not match in its first 65536 bytes" in check(director, lab.servers[0])["result"]


def test_echoes_and_datagrams_are_asked_by_the_vip_too(lab, director, farm):
    director.lbctl("add-service", "-u", f"{VIP}:5353", "-s", "rr")
    for server in lab.servers:
        director.lbctl("add-rs", "-u", f"{VIP}:5353", "-r", server.address)
    watch(director, "--type", "icmp")
    watch(director, "--type", "udp", on=("-u", f"{VIP}:5353"))

    def datagrams():
        servers = director.json("list", "--health", "-u", f"{VIP}:5353")[0]["servers"]
        return [(server["state"], server["checks"][0].get("result")) for server in servers]

    until_state(director, lab.servers, "up")
    until(lambda: datagrams() == [("down", "connection refused")] * 3, 30, datagrams)
    address_of_vip(lab.servers[0], "del")
    try:
        until_state(director, lab.servers[:1], "down")
    finally:
        address_of_vip(lab.servers[0], "add")
    with lab.servers[1].socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind((VIP, 5353))
        until(lambda: datagrams()[1][0] == "up", 30, datagrams)


def test_a_command_decides_and_is_ended_with_all_that_it_started(lab, director, farm, tmp_path):
    switch = tmp_path / "down"
    tmp_path.chmod(0o755)
    script = f"[ $LBD_SERVER != {lab.servers[0].address} ] || [ ! -e {switch} ] || {{ echo broken; sleep 987654 & sleep 987654; }}"
    director.lbctl("add-check", *SERVICE, *RHYTHM, "--type", "exec", "--", "/bin/sh", "-c", script)
    until_state(director, lab.servers, "up")
    switch.touch()
    until_state(director, lab.servers[:1], "down")
    switch.unlink()
    until_state(director, lab.servers, "up")
    until(lambda: not command("pgrep", "-f", "sleep 987654", check=False).stdout)
    director.stop()
    until(lambda: not command("pgrep", "-x", "lbd-commands", "--ns", director.process.pid, "--nslist", "net",
                              check=False).stdout)


def test_checks_are_saved_and_applied_and_go_with_their_server(lab, director, farm):
    watch(director, *HTTP)
    watch(director, "--type", "tcp", "-r", lab.servers[0].address)
    director.lbctl("add-check", *SERVICE, "--type", "icmp", "--jitter", 20)
    saved = director.lbctl("save").stdout
    listed = director.json("checks")
    assert [(each.get("server"), each["check"]["type"]) for each in listed] == [
        (None, "http"), (None, "icmp"), (f"{lab.servers[0].address}:{PORT}", "tcp")]
    until_state(director, lab.servers, "up")
    assert {each["type"] for each in health(director)[lab.servers[0].address]["checks"]} == {"tcp"}
    file = lab.directory / "saved.yaml"
    file.write_text(saved)
    assert director.lbctl("apply", "-f", file).stdout == "0 changes\n"
    director.lbctl("del-check", *SERVICE, "--type", "icmp")
    director.lbctl("del-rs", *SERVICE, "-r", lab.servers[0].address)
    assert [each["check"]["type"] for each in director.json("checks")] == ["http"]
    assert director.lbctl("apply", "-f", file).returncode == 0
    assert director.lbctl("save").stdout == saved
    director.lbctl("del-check", *SERVICE)
    refused = director.lbctl("del-check", *SERVICE, check=False)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1 and "has no check of its own" in refused.stderr


def test_health_is_told_in_metrics_and_once_a_change_in_the_log(lab, director, farm):
    watch(director, *HTTP)
    until_state(director, lab.servers, "up")
    farm[0].mood = "error"
    until_state(director, lab.servers[:1], "down")
    metrics = director.get("/metrics")
    labels = f'service="tcp:{VIP}:{PORT}",server="{lab.servers[0].address}:{PORT}"'
    assert f'lvs_server_health{{{labels},state="down"}} 1' in metrics
    assert f'lvs_server_weight{{{labels}}} 0' in metrics
    assert f'lvs_check_attempts_total{{{labels},type="http",result="bad"}}' in metrics
    until_asked(director, lab.servers[0])
    lines = [line for line in director.output().splitlines() if "event=server-down" in line]
    assert len(lines) == 1 and "HTTP 500 (wanted: 200)" in lines[0] and " warning " in lines[0]
    listing = director.lbctl("list", "--health").stdout
    assert "0 (health)" in listing and "http: HTTP 500 (wanted: 200)" in listing


@pytest.mark.parametrize("words, said", [
    (("--type", "http", "--path", "x"), "the path 'x' must begin with /"),
    (("--type", "tcp", "--path", "/"), "'path' is for http, https, and this is tcp"),
    (("--type", "exec"), "exec needs a command"),
    (("--type", "exec", "--", "true"), "must begin with a program's whole path"),
    (("--type", "icmp", "--interval", "1"), "not a length of time"),
    (("--type", "icmp", "--interval", "1ms"), "the interval 1ms is not in 10ms to 1h"),
    (("--type", "smtp",), "'smtp'"),
])
def test_a_check_that_cannot_be_is_a_wrong_command_line(director, farm, words, said):
    refused = director.lbctl("add-check", *SERVICE, *words, check=False)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1 and said in refused.stderr
    assert director.json("checks") == []


@pytest.mark.parametrize("words, said", [
    (("--type", "http", "--body", "("), "'(' is not a regular expression"),
    (("--type", "https", "--ca", "/nowhere.pem"), "/nowhere.pem"),
    (("-r", "10.77.0.99", "--type", "tcp"), "has no real server 10.77.0.99"),
])
def test_a_check_that_lbd_cannot_make_is_refused(director, farm, words, said):
    refused = director.lbctl("add-check", *SERVICE, *words, check=False)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1 and said in refused.stderr
    assert director.json("checks") == []


def test_servers_that_stand_in_doubt_of_checks_and_a_slow_start_are_set_by_edit_service(lab, director, farm):
    spare = lab.servers[2]
    director.lbctl("del-rs", *SERVICE, "-r", spare.address)
    director.lbctl("edit-service", *SERVICE, "--fallback", spare.address, "--slow-start", "1h")
    watch(director, *HTTP)
    both = lab.servers[:2]
    until_state(director, both, "up")
    for moody in farm[:2]:
        moody.mood = "error"
    until_state(director, both, "down")
    until(lambda: weights(director) == {both[0].address: 0, both[1].address: 0, spare.address: 1})
    assert ask(lab.client) and farm[2].visits[CLIENT, VIP] == 1
    assert director.lbctl("health").returncode == 0
    farm[0].mood = "good"
    until_state(director, both[:1], "up")
    # Of a weight of 1 a twentieth is in force, among weights that are twenty times as large.
    until(lambda: weights(director) == {both[0].address: 1, both[1].address: 0})
    assert "1 (slow-start)" in director.lbctl("list", "--health").stdout
    assert "slow_start: 1h" in director.lbctl("save").stdout
    director.lbctl("edit-service", *SERVICE, "--fallback", "none", "--slow-start", "0s", "--panic", 60)
    until(lambda: weights(director) == {both[0].address: 1, both[1].address: 1})
    assert "panic" in director.lbctl("list", "--health").stdout


@pytest.fixture
def cut(lab):
    """Cuts servers' cables, until the test is over."""
    def cut(servers):
        for server in servers:
            cable(lab, server, "down")

    yield cut
    for server in lab.servers:
        cable(lab, server, "up")


@ON_EVERY_DATA_PLANE
def test_a_server_whose_neighbor_fails_gets_nobody_new_until_it_answers_again(lab, director, farm, cut):
    until(lambda: {row["state"] for row in director.json("neighbors")} == {"reachable"})
    cut(lab.servers[:1])
    until_held(lab, director, lab.servers[:1])
    assert weights(director) == {each.address: int(each is not lab.servers[0]) for each in lab.servers}
    assert all(ask(lab.client) for _ in range(6))
    cut(lab.servers)
    # Nobody is left without a server: all are used as before.
    until_held(lab, director, [])
    assert set(weights(director).values()) == {1}
    cable(lab, lab.servers[1], "up")
    until_held(lab, director, [lab.servers[0], lab.servers[2]])
    assert all(ask(lab.client) for _ in range(3))
    director.lbctl("set", "failed_neighbor", "keep")
    assert director.lbctl("get", "failed_neighbor").stdout == "keep\n"
    assert "failed_neighbor: keep" in director.lbctl("save").stdout
    assert set(weights(director).values()) == {1}
    director.lbctl("set", "failed_neighbor", "quiesce")
    until_held(lab, director, [lab.servers[0], lab.servers[2]])
    for server in lab.servers:
        cable(lab, server, "up")
    until_held(lab, director, [])


def test_a_persistent_client_leaves_a_failed_server_as_it_leaves_one_of_weight_0(lab, director, farm, cut):
    director.lbctl("edit-service", *SERVICE, "-s", "rr", "-p", 300)
    assert ask(lab.client)
    served = next(server for server, moody in zip(lab.servers, farm) if moody.visits[CLIENT, VIP])
    cut([served])
    until_held(lab, director, [served])
    # As in IPVS the template keeps it until it is told not to.
    assert not ask(lab.client, timeout=1)
    director.lbctl("set", "expire_quiescent_template", 1)
    assert ask(lab.client)
