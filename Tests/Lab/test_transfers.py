"""Big transfers through the VIP arrive whole, whatever the local stacks hand over."""

import os

import pytest
from director import ON_EVERY_DATA_PLANE
from lab import VIP
from traffic import sha256

SIZE, GIGABYTE = 100 << 20, 1 << 30

pytestmark = ON_EVERY_DATA_PLANE


def make(path, size):
    """A file in which no two blocks are alike, so that a block in another's place would be noticed; its checksum."""
    content = os.urandom(1 << 20)
    with open(path, "wb") as file:
        for number in range(size >> 20):
            file.write(number.to_bytes(8, "big") + content[8:])
    return path, sha256(path)


@pytest.fixture(scope="module")
def big(lab):
    """A file of 100 MiB that every real server offers, and its checksum."""
    yield make(lab.files / "big", SIZE)
    (lab.files / "big").unlink()


@pytest.fixture(scope="module")
def huge(lab):
    yield make(lab.files / "huge", GIGABYTE)
    (lab.files / "huge").unlink()


@pytest.fixture(params=[True, False], ids=["offloads on", "offloads off"])
def offloads(lab, request):
    lab.offloads(request.param)
    yield request.param
    lab.offloads(True)


@pytest.fixture(params=[0, 1], ids=["ip_forward 0", "ip_forward 1"])
def ip_forward(lab, request):
    lab.director.sysctl("net.ipv4.ip_forward", request.param)
    yield request.param
    lab.director.sysctl("net.ipv4.ip_forward", 0)


def curl(lab, *words):
    lab.client.run("curl", "--silent", "--show-error", "--fail", "--max-time", 300, *words, timeout=310)


def test_a_download_of_100_mib_arrives_whole(lab, big, offloads, ip_forward, web):
    _, checksum = big
    copy = lab.directory / "copy"
    curl(lab, "--output", copy, f"http://{VIP}/files/big")
    assert copy.stat().st_size == SIZE and sha256(copy) == checksum
    copy.unlink()


def test_an_upload_of_100_mib_arrives_whole(lab, big, offloads, ip_forward, web):
    path, checksum = big
    curl(lab, "--upload-file", path, f"http://{VIP}/uploads/big")
    stored = [copy for server in lab.servers if (copy := lab.uploads(server) / "big").exists()]
    assert [sha256(copy) for copy in stored] == [checksum]
    stored[0].unlink()


def test_a_gibibyte_goes_in_each_direction_at_once(lab, huge, director):
    path, checksum = huge
    director.add_web(servers=lab.servers[:1])
    log, copy = lab.directory / "transfers.log", lab.directory / "copy"
    upload = lab.client.start("curl", "--silent", "--fail", "--upload-file", path, f"http://{VIP}/uploads/huge", log=log)
    download = lab.client.start("curl", "--silent", "--fail", "--output", copy, f"http://{VIP}/files/huge", log=log)
    assert (upload.wait(600), download.wait(600)) == (0, 0)
    stored = lab.uploads(lab.servers[0]) / "huge"
    assert sha256(stored) == sha256(copy) == checksum
    stored.unlink()
    copy.unlink()
