"""`save`, `restore` and `lbd --config` speak one YAML."""

import signal

import pytest
from director import service
from lab import BINARIES, OTHER_VIP, PROJECT, VIP
from traffic import spread
from wire import Wire, is_arp


@pytest.fixture
def varied(lab, director):
    """Services that use most of what can be set."""
    director.add_web("wrr", weights=[1, 2, 3])
    director.add_web("sh", vip=OTHER_VIP, options=("-p", "120", "-M", "255.255.0.0"))
    director.lbctl("add-service", "-u", f"{VIP}:7", "-s", "rr", "-o")
    director.lbctl("add-rs", "-u", f"{VIP}:7", "-r", "10.77.0.21:7", "-w", "0", "-x", "100", "-y", "50")
    director.lbctl("add-rs", "-u", f"{VIP}:7", "-r", "10.77.0.22:7", "--mac", "02:00:00:00:03:02")
    return director


def test_what_was_saved_can_be_restored(lab, varied):
    saved, listing = varied.lbctl("save").stdout, varied.listing()
    varied.lbctl("flush")
    assert varied.lbctl("save").stdout != saved
    varied.lbctl("restore", input=saved)
    assert varied.lbctl("save").stdout == saved
    assert varied.listing() == listing
    assert spread(lab.client, 12) == {"rs1": 2, "rs2": 4, "rs3": 6}


def test_restoring_the_present_changes_nothing(lab, varied):
    assert sum(spread(lab.client, 6).values()) == 6
    assert varied.lbctl("restore", input=varied.lbctl("save").stdout).stdout == "0 changes\n"
    assert sum(active + inactive for active, inactive in varied.connections().values()) == 6


def test_lbd_starts_with_a_saved_configuration(lab, start, varied):
    saved, listing = varied.lbctl("save").stdout, varied.listing()
    path = lab.directory / "saved.yaml"
    path.write_text(saved)
    assert varied.stop() == 0
    configured = start("--config", path)
    assert configured.lbctl("save").stdout == saved
    assert configured.listing() == listing
    assert spread(lab.client, 12) == {"rs1": 2, "rs2": 4, "rs3": 6}


def test_a_drained_server_is_still_drained_after_a_restore_and_knows_its_weight(lab, director):
    director.add_web("wrr", weights=[2, 1, 1])
    drained = (*service(), "-r", f"{lab.servers[0].address}:80")
    director.lbctl("drain-rs", *drained)
    saved = director.lbctl("save").stdout
    director.lbctl("flush")
    director.lbctl("restore", input=saved)
    assert spread(lab.client, 4) == {"rs2": 2, "rs3": 2}
    director.lbctl("drain-rs", *drained, "--undo")
    assert spread(lab.client, 4) == {"rs1": 2, "rs2": 1, "rs3": 1}


def test_the_example_is_what_its_commands_make(start):
    example = PROJECT / "examples/two-servers"
    director = start("--config", example / "lbd.yaml")
    saved = director.lbctl("save").stdout
    director.lbctl("flush")
    for line in (example / "README.md").read_text().splitlines():
        words = line.split()
        if words[:2] in (["lbctl", "add-service"], ["lbctl", "add-rs"]):
            director.lbctl(*words[1:])
    assert director.lbctl("save").stdout == saved


def test_timeouts_settings_and_marks_are_saved_and_come_back(lab, start, director):
    director.lbctl("timeouts", "0", "30", "20")
    director.lbctl("set", "expire_nodest_conn", "1")
    director.lbctl("set", "mh_table_size", "251")
    director.lbctl("mark", "add", "--dst", OTHER_VIP, "--set", "7")
    director.lbctl("add-service", "-f", "7", "-s", "rr")
    saved = director.lbctl("save").stdout
    assert director.lbctl("apply", "-f", "-", input=saved).stdout == "0 changes\n"
    director.lbctl("apply", "-f", "-", input="services: []\n")
    assert director.lbctl("timeouts").stdout == "Timeout (tcp tcpfin udp): 900 120 300\n"
    assert director.lbctl("get", "expire_nodest_conn").stdout == "0\n"
    assert director.lbctl("save").stdout == "services: []\n"
    director.lbctl("apply", "-f", "-", input=saved)
    assert director.lbctl("save").stdout == saved
    assert director.stop() == 0
    path = lab.directory / "all.yaml"
    path.write_text(saved)
    configured = start("--config", path)
    assert configured.lbctl("save").stdout == saved
    assert configured.lbctl("timeouts").stdout == "Timeout (tcp tcpfin udp): 900 30 20\n"
    assert configured.lbctl("get", "mh_table_size").stdout == "251\n"


def test_a_file_of_before_there_were_layers_of_a_weight_is_read(lab, director):
    director.lbctl("restore", input=f"""
services:
- service: tcp:{VIP}:80
  scheduler: rr
  servers:
  - {{address: {lab.servers[0].address}, weight: 0, drainedWeight: 3}}
  - {{address: {lab.servers[1].address}, weight: 2}}
""")
    (status,) = director.json("list")
    rows = {row["address"].split(":")[0]: row for row in status["servers"]}
    drained, other = (rows[server.address] for server in lab.servers[:2])
    assert (drained["weight"], drained["configured_weight"], drained["weight_held_by"]) == (0, 3, ["drain"])
    assert (other["weight"], other["configured_weight"], "weight_held_by" in other) == (2, 2, False)
    assert spread(lab.client, 2) == {"rs2": 2}
    director.lbctl("drain-rs", *service(), "-r", lab.servers[0].address, "--undo")
    assert sorted(spread(lab.client, 4)) == ["rs1", "rs2"]


def test_a_refused_file_changes_nothing(lab, varied):
    saved = varied.lbctl("save").stdout
    wanted = f"services:\n- service: tcp:10.77.0.111:80\n- service: tcp:{lab.director.address}:443\n"
    refused = varied.lbctl("apply", "-f", "-", input=wanted, check=False)
    assert refused.returncode == 1 and lab.director.address in refused.stderr
    assert varied.lbctl("save").stdout == saved
    assert {vip["address"] for vip in varied.json("vips")} == {VIP, OTHER_VIP}


def test_a_director_that_is_still_loading_ends_in_order(lab):
    path, socket, log = (lab.directory / name for name in ("many.yaml", "loading.sock", "loading.log"))
    path.write_text("services:\n" + "".join(f"- service: tcp:10.77.0.{host}:80\n" for host in range(120, 160)))
    with Wire(lab.stranger) as wire:
        loading = lab.director.start(BINARIES / "lbd", "--interface", "eth0", "--socket", socket, "--config", path,
                                     "--state", "none", "--probe-interval", "1000", log=log)
        assert wire.wait(is_arp(sender="0.0.0.0"), 20), log.read_text()
    loading.send_signal(signal.SIGTERM)
    assert loading.wait(60) == 0
    assert "started" not in log.read_text()
    assert not socket.exists()


def test_a_change_that_is_refused_among_several_leaves_nothing_of_them(lab, varied):
    saved, listing = varied.lbctl("save").stdout, varied.listing()
    wanted = f"""
timeouts: {{udp: 7}}
settings: {{drop_entry: 1}}
services:
- {{service: 'tcp:{VIP}:80', scheduler: rr, servers: [{{address: 10.77.0.21}}, {{address: 10.77.0.23, method: masquerade}}]}}
"""
    refused = varied.lbctl("apply", "-f", "-", input=wanted, check=False)
    assert refused.returncode == 1 and "10.77.0.23:80" in refused.stderr and "-m" in refused.stderr
    assert varied.lbctl("save").stdout == saved and varied.listing() == listing
    assert varied.lbctl("timeouts").stdout == "Timeout (tcp tcpfin udp): 900 120 300\n"


def test_the_capabilities_are_told(director):
    told = director.json("capabilities")
    assert (told["plane"], told["methods"]) == ("userspace", ["route"])
    assert {"capture", "doctor", "macs", "marks", "takeover", "vips"} <= set(told["features"])
    lines = director.lbctl("capabilities").stdout.splitlines()
    assert lines[:2] == ["plane: userspace", "methods: route"] and "mh_table_size" in lines[3]
