"""`save`, `restore` and `lbd --config` speak one YAML."""

import pytest
from director import service
from lab import OTHER_VIP, VIP
from traffic import spread


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
    spread(lab.client, 6)
    varied.lbctl("restore", input=varied.lbctl("save").stdout)
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


def test_a_drained_server_is_still_drained_after_a_restore(lab, director):
    director.add_web("wrr", weights=[5, 1, 1])
    director.lbctl("drain-rs", *service(), "-r", f"{lab.servers[0].address}:80")
    saved = director.lbctl("save").stdout
    director.lbctl("flush")
    director.lbctl("restore", input=saved)
    assert "rs1" not in spread(lab.client, 4)
