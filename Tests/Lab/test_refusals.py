"""Bad input: one clear line that names the thing, the right exit status, nothing changed."""

import re
import subprocess

import pytest
from director import BINARIES, Director
from host import command
from lab import VIP

SERVER = "10.77.0.21:80"
WEB = ["-t", f"{VIP}:80"]


@pytest.fixture(scope="module")
def director(lab):
    """One director for the whole table: no row may change it."""
    director = Director(lab).start()
    director.lbctl("add-service", *WEB, "-s", "rr")
    director.lbctl("add-rs", *WEB, "-r", SERVER)
    yield director
    assert director.stop() == 0


# What is typed after lbctl, the exit status, words of the line on standard error.
TABLE = [
    # The command line.
    ("add-servce -t 10.77.0.100:81", 2, "add-servce"),
    ("add-service", 2, "-t"),
    ("add-service -t", 2, "-t"),
    ("add-service -t 10.77.0.100", 2, "persist"),
    ("add-service -t 10.77.0.300:80", 2, "10.77.0.300:80"),
    ("add-service -t vip.example:80", 2, "vip.example:80"),
    ("add-service -t 10.77.0.100:0", 2, "persist"),
    ("add-service -t 10.77.0.100:65536", 2, "65536"),
    ("add-service -t 10.77.0.100:-1", 2, "-1"),
    ("add-service -t 10.77.0.100:http?", 2, "http?"),
    ("add-service -t 10.77.0.100:81 -u 10.77.0.100:81", 2, "-u"),
    ("add-service -t 10.77.0.100:81 -s fastest", 2, "fastest"),
    ("add-service -t 10.77.0.100:81 -p 0", 2, "0"),
    ("add-service -t 10.77.0.100:81 -p long", 2, "long"),
    ("add-service -t 10.77.0.100:81 -M 255.255.255.0", 2, "persist"),
    ("add-service -t 10.77.0.100:81 -p 60 -M 0.0.0.0", 2, "0.0.0.0"),
    ("add-service -t 10.77.0.100:81 -p 60 -M 255.0.255.0", 2, "255.0.255.0"),
    ("add-service -t 2001:db8::100:80", 2, "brackets"),
    ("add-service -t 2001:db8::100 -p 60", 2, "brackets"),
    ("add-service -t 10.77.0.100:81 -o", 2, "UDP"),
    ("add-service -t 10.77.0.100:81 --color", 2, "--color"),
    ("add-rs -t 10.77.0.100:80", 2, "-r"),
    ("add-rs -t 10.77.0.100:80 -r server", 2, "server"),
    ("add-rs -t 10.77.0.100:80 -r 10.77.0.22:99999", 2, "99999"),
    ("add-rs -t 10.77.0.100:80 -r 10.77.0.22:80 -w -1", 2, "-1"),
    ("add-rs -t 10.77.0.100:80 -r 10.77.0.22:80 -w 65536", 2, "65536"),
    ("add-rs -t 10.77.0.100:80 -r 10.77.0.22:80 -w heavy", 2, "heavy"),
    ("add-rs -t 10.77.0.100:80 -r 10.77.0.22:80 --mac 02:00", 2, "02:00"),
    ("add-rs -t 10.77.0.100:80 -r 10.77.0.22:80 -x 2 -y 3", 2, "3"),
    ("add-rs -t 10.77.0.100:80 -r 10.77.0.22:80 -g -m", 2, "-m"),
    ("drain-rs -t 10.77.0.100:80 -r 10.77.0.21:80 --undo", 1, "not drained"),
    ("add-rs -t 10.77.0.100:80 -r 224.0.0.1:80", 2, "224.0.0.1"),
    ("timeouts 1", 2, "timeouts"),
    ("list --stats --thresholds", 2, "one table"),
    ("list --rate --stats --total", 2, "one table"),
    ("list -t 10.77.0.109", 1, "10.77.0.109"),
    # Refused.
    ("add-service -t 10.77.0.100:80", 1, "already exists"),
    ("edit-service -t 10.77.0.100:81 -s rr", 1, "no service"),
    ("del-service -t 10.77.0.100:81", 1, "no service"),
    ("list -t 10.77.0.100:81", 1, "no service"),
    ("add-rs -t 10.77.0.100:81 -r 10.77.0.22:80", 1, "no service"),
    ("add-rs -t 10.77.0.100:80 -r 10.77.0.21:80", 1, "already has"),
    ("edit-rs -t 10.77.0.100:80 -r 10.77.0.22:80 -w 2", 1, "no real server"),
    ("del-rs -t 10.77.0.100:80 -r 10.77.0.22:80", 1, "no real server"),
    ("drain-rs -t 10.77.0.100:80 -r 10.77.0.22:80", 1, "no real server"),
    ("add-rs -t 10.77.0.100:80 -r 10.77.0.22:80 -m", 1, "-m"),
    ("add-rs -t 10.77.0.100:80 -r 10.77.0.22:80 -i", 1, "-i"),
    ("add-rs -t 10.77.0.100:80 -r 10.77.0.2:80", 1, "own address"),
    ("add-rs -t 10.77.0.100:80 -r 10.77.0.100", 1, "a VIP"),
    ("set conn_reuse_mode -1", 1, "0 to 3"),
    ("timeouts 900 -120 300", 2, "-120"),
    ("list -c --state OPEN", 2, "OPEN"),
    ("list -c -t 10.77.0.100:99", 1, "no service"),
    ("capture --filter port=x -w /dev/null", 1, "port=x"),
]


@pytest.mark.parametrize("words, status, names", TABLE, ids=[words or "nothing" for words, _, _ in TABLE])
def test_bad_input_gets_one_line_and_changes_nothing(director, words, status, names):
    before = director.lbctl("save").stdout
    refused = director.lbctl(*words.split(), check=False)
    assert refused.returncode == status, refused.stderr
    assert names in refused.stderr
    assert len(refused.stderr.splitlines()) == 1, refused.stderr
    assert refused.stdout == ""
    assert director.lbctl("save").stdout == before


CONFIGURATIONS = {
    "not YAML": ("services: [", "line"),
    "an unknown key": ("services:\n- service: tcp:10.77.0.100:80\n  wieght: 1\n", "wieght"),
    "another shape": ("[1, 2]", "services"),
    "a service twice": ("services:\n- &a {service: 'tcp:10.77.0.100:80', scheduler: rr}\n- *a\n", "twice"),
    "nothing": ("", "empty"),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_bad_configuration_is_refused_whole(director, name):
    text, names = CONFIGURATIONS[name]
    before = director.lbctl("save").stdout
    refused = director.lbctl("restore", input=text, check=False)
    assert refused.returncode in (1, 2) and names in refused.stderr and len(refused.stderr.splitlines()) == 1
    assert director.lbctl("save").stdout == before


def test_a_socket_that_nobody_answers_is_named(lab):
    socket = lab.directory / "nobody.sock"
    refused = command(BINARIES / "lbctl", "--socket", socket, "list", check=False)
    assert refused.returncode == 1 and len(refused.stderr.splitlines()) == 1
    assert str(socket) in refused.stderr and "lbd" in refused.stderr


# Options of lbd, the exit status, words of the line.
STARTS = [
    (["--interface", "eth9"], 1, "eth9"),
    ([], 2, "--interface"),
    (["--interface", "eth0", "--address", "nowhere"], 2, "nowhere"),
    (["--interface", "eth0", "--vlan", "4095"], 2, "4095"),
    (["--interface", "eth0", "--workers", "0"], 2, "0"),
    (["--interface", "eth0", "--unclaimed", "maybe"], 2, "maybe"),
    (["--interface", "eth0", "--config", "absent.yaml"], 1, "absent.yaml"),
    (["--interface", "eth0", "--socket", "/nowhere/lbd.sock"], 1, "/nowhere/lbd.sock"),
    (["--interface", "eth0", "--metrics", "somewhere"], 2, "somewhere"),
]


LOGGED = re.compile(r"\d{4}-\d\d-\d\dT")


@pytest.mark.parametrize("options, status, names", STARTS, ids=[" ".join(row[0]) or "nothing" for row in STARTS])
def test_lbd_refuses_to_start_in_one_line(lab, options, status, names):
    place = [] if "--socket" in options else ["--socket", lab.directory / "other.sock"]
    refused = lab.director.run(BINARIES / "lbd", *options, *place, check=False)
    assert refused.returncode == status, refused.stderr
    (line,) = [line for line in refused.stderr.splitlines() if not LOGGED.match(line)]
    assert names in line


def test_lbd_without_the_right_to_raw_sockets_says_so(lab):
    # Where no lbd has the interface already.
    refused = lab.client.run("setpriv", "--bounding-set", "-net_raw,-net_admin", "--inh-caps", "-net_raw,-net_admin",
                             BINARIES / "lbd", "--interface", "eth0", "--socket", lab.directory / "other.sock",
                             check=False)
    assert refused.returncode == 1 and "CAP_NET_RAW" in refused.stderr and len(refused.stderr.splitlines()) == 1


def test_lbctl_ends_quietly_when_its_reader_does(director):
    result = subprocess.run(["bash", "-c", f"{BINARIES}/lbctl --socket {director.socket} list | head -n 1"],
                            capture_output=True, text=True, timeout=60)
    assert result.stdout.splitlines()[0].startswith("IP Virtual Server") and result.stderr == ""
