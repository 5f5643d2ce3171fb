"""What is typed does what its words say."""

import pytest
from director import service
from lab import OTHER_VIP, VIP


@pytest.fixture
def ports(director):
    """Two TCP services and one of UDP at one VIP, one more at another."""
    for flag, endpoint in (("-t", f"{VIP}:80"), ("-t", f"{VIP}:443"), ("-u", f"{VIP}:53"), ("-t", f"{OTHER_VIP}:80")):
        director.lbctl("add-service", flag, endpoint, "-s", "rr")
    return director


def test_a_vip_without_a_port_lists_the_services_of_all_its_ports(ports):
    listed = {row["service"] for row in ports.json("list", "-t", VIP)}
    assert listed == {f"tcp:{VIP}:80", f"tcp:{VIP}:443"}
    lines = ports.lbctl("list", "-u", VIP).stdout.splitlines()
    assert [line.split()[:2] for line in lines if line.startswith("UDP")] == [["UDP", f"{VIP}:53"]]
    assert not any(line.startswith("TCP") for line in lines)


def test_the_connections_of_a_vip_are_those_of_all_its_ports(lab, ports):
    ports.lbctl("add-rs", *service(), "-r", lab.servers[0].address)
    lab.client.run("curl", "-s", "-o", "/dev/null", f"http://{VIP}/")
    assert len(ports.lbctl("--json", "list", "--connections", "-t", VIP).stdout.splitlines()) == 1
    assert len(ports.lbctl("--json", "list", "--connections", "-t", OTHER_VIP).stdout.splitlines()) == 0


def test_counts_and_rates_stand_in_a_table_each(ports):
    text = ports.lbctl("list", "--rate", "--stats").stdout
    assert text.index("Conns") < text.index("CPS")
    assert text.count(f"TCP  {VIP}:443") == 2


def test_numeric_is_what_lbctl_always_is(ports):
    assert ports.lbctl("list", "-n").stdout == ports.lbctl("list").stdout


def test_a_port_that_packets_do_not_get_is_told(lab, ports):
    address = lab.servers[0].address
    told = ports.lbctl("add-rs", *service(), "-r", f"{address}:8080").stderr
    assert "note" in told and f"{address}" in told and "8080" in told
    assert [row["address"] for row in ports.json("list", *service())[0]["servers"]] == [f"{address}:80"]
    assert ports.lbctl("add-rs", *service(), "-r", f"{lab.servers[1].address}:80").stderr == ""


@pytest.mark.parametrize("absent", ["10.77.0.99", "192.0.2.99"])
def test_a_server_that_does_not_answer_is_warned_of_and_added(ports, absent):
    told = ports.lbctl("add-rs", *service(), "-r", absent)
    assert "warning" in told.stderr and absent in told.stderr and len(told.stderr.splitlines()) == 1
    assert absent in ports.listing()


def test_a_server_that_is_waited_for_is_added_if_it_answers(lab, ports):
    assert ports.lbctl("add-rs", *service(), "-r", lab.servers[0].address, "--wait").stderr == ""
    refused = ports.lbctl("add-rs", *service(), "-r", "10.77.0.99", "--wait", check=False)
    assert refused.returncode == 1 and "10.77.0.99" in refused.stderr and "not added" in refused.stderr
    assert [row["address"] for row in ports.json("list", *service())[0]["servers"]] == [f"{lab.servers[0].address}:80"]
    assert ports.lbctl("--kernel", "add-rs", *service(), "-r", "10.77.0.99", "--wait", check=False).returncode == 2
