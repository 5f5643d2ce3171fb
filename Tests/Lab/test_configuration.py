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
                                     "--probe-interval", "1000", log=log)
        assert wire.wait(is_arp(sender="0.0.0.0"), 20), log.read_text()
    loading.send_signal(signal.SIGTERM)
    assert loading.wait(60) == 0
    assert "started" not in log.read_text()
    assert not socket.exists()
