"""`-p` keeps a client on its real server, `-M` a whole network of them."""

from director import service
from lab import VIP
from traffic import servers_of, spread

def test_a_client_stays_on_its_server(lab, director, clients):
    director.add_web(options=("-p", "60"))
    chosen = [servers_of(lab, address) for address in clients]
    assert [len(names) for names in chosen] == [1, 1, 1]
    assert set.union(*chosen) == {"rs1", "rs2", "rs3"}, "each client is scheduled anew"
    assert [servers_of(lab, address) for address in clients] == chosen


def test_a_netmask_keeps_a_network_on_one_server(lab, director, clients):
    director.add_web(options=("-p", "60", "-M", "255.255.255.0"))
    assert len(set.union(*(servers_of(lab, address) for address in clients))) == 1


def test_a_client_stays_on_a_server_whose_weight_became_zero(lab, director):
    director.add_web(options=("-p", "60"))
    (name,) = spread(lab.client, 2)
    server = next(server for server in lab.servers if server.name == name)
    director.lbctl("edit-rs", *service(), "-r", f"{server.address}:80", "-w", "0")
    assert spread(lab.client, 4) == {name: 4}


def test_a_client_of_a_removed_server_gets_another(lab, director):
    director.add_web(options=("-p", "60"))
    (name,) = spread(lab.client, 2)
    server = next(server for server in lab.servers if server.name == name)
    director.lbctl("del-rs", *service(), "-r", f"{server.address}:80")
    assert name not in spread(lab.client, 4) and len(spread(lab.client, 4)) == 1


def test_templates_are_listed_with_the_connections(lab, director):
    director.add_web(options=("-p", "60"))
    spread(lab.client, 1)
    rows = [line.split() for line in director.lbctl("list", "--connections").stdout.splitlines()[2:]]
    templates = [row for row in rows if row[3] == f"{lab.client.address}:0"]
    assert len(templates) == 1 and templates[0][4] == f"{VIP}:80"


def test_a_service_of_all_ports_needs_persistence(lab, director):
    refused = director.lbctl("add-service", "-t", f"{VIP}:0", check=False)
    assert refused.returncode == 2 and "persist" in refused.stderr
    director.lbctl("add-service", "-t", f"{VIP}:0", "-s", "rr", "-p")
    for server in lab.servers:
        director.lbctl("add-rs", "-t", f"{VIP}:0", "-r", f"{server.address}:0")
    assert len(spread(lab.client, 3) + spread(lab.client, 3, port=8080)) == 1
