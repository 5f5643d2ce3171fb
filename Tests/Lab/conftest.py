"""One lab for the whole run; a director of its own for each test."""

import pytest

from director import Director
from ipv6 import with_ipv6
from lab import CLIENTS, SECOND_DIP, SECOND_MAC, Lab

# Where a test is not about probing, a VIP should be there at once.
QUICK_PROBES = ("--probe-interval", "20")


# Modules that fill a processor with frames, or count that none is lost, are not run beside each other: labs that share a
# machine share the queues of its processors.
LOUD = ("test_atomicity", "test_bench", "test_flood", "test_upgrade")


def pytest_collection_modifyitems(config, items):
    """What is to be run by one process after the other, where several are used: a module, or all loud ones."""
    if config.pluginmanager.hasplugin("xdist"):
        for item in items:
            name = item.module.__name__
            item.add_marker(pytest.mark.xdist_group("loud" if name in LOUD else name))


def pytest_addoption(parser):
    parser.addoption("--data-plane", default="af-packet", help="what the directors forward with")
    parser.addoption("--seccomp", default="strict", help="how the directors' system calls are filtered")


@pytest.fixture(scope="session")
def data_plane(request):
    return request.config.getoption("--data-plane")


@pytest.fixture
def packet_sockets(data_plane):
    """For tests of what packet sockets alone do."""
    if data_plane != "af-packet":
        pytest.skip(f"{data_plane}: frames for the VIPs are seen by nobody else on the director")


@pytest.fixture(scope="session")
def lab():
    with Lab() as lab:
        yield lab


@pytest.fixture
def start(lab, data_plane, request):
    """Starts directors with options; each must live until the test is over and then end cleanly. A system call that
    their filter does not know ends them."""
    running, filtered = [], request.config.getoption("--seccomp")

    def start(*options, probes=QUICK_PROBES, seccomp=filtered, **places):
        director = Director(lab, *probes, "--seccomp", seccomp, "--data-plane", data_plane, *options, **places)
        running.append(director)
        return director.start()

    for host in lab.hosts:
        host.forget_neighbors()
    # What a director that was killed leaves: the table of a guard that guards nothing any more.
    lab.director.run("nft", "flush", "ruleset")
    lab.transmits_from_xdp(data_plane == "af-xdp")
    yield start
    for director in running:
        if not director.was_ended:
            assert director.process.poll() is None, f"lbd ended by itself:\n{director.output()}"
            assert director.stop() == 0, f"lbd did not end cleanly:\n{director.output()}"


@pytest.fixture
def director(start):
    return start()


@pytest.fixture
def director_as_shipped(start):
    """A director that takes its time to probe for other owners of a VIP."""
    return start(probes=())


@pytest.fixture
def web(director):
    """A director with an rr service at the VIP, port 80, and three real servers."""
    director.add_web()
    return director


@pytest.fixture
def forwarding_host(lab):
    """The director's host forwards packets, as a router would, while the test runs."""
    lab.director.sysctl("net.ipv4.ip_forward", 1)
    yield
    lab.director.sysctl("net.ipv4.ip_forward", 0)


@pytest.fixture
def clients(lab):
    for address in CLIENTS:
        lab.client.ip("address", "add", f"{address}/24", "dev", "eth0")
    yield CLIENTS
    for address in CLIENTS:
        lab.client.ip("address", "delete", f"{address}/24", "dev", "eth0")


@pytest.fixture
def second_host(lab, data_plane):
    with lab.host_with_queues("director2", SECOND_MAC, SECOND_DIP, 1) as host:
        lab.transmits_from_xdp(data_plane == "af-xdp", "director2")
        yield host


@pytest.fixture(scope="module")
def lab6(lab):
    with with_ipv6(lab) as lab:
        yield lab


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure tells what lbd said."""
    report = (yield).get_result()
    lab = item.funcargs.get("lab") if hasattr(item, "funcargs") else None
    if report.failed and lab and (lab.directory / "lbd.log").exists():
        report.sections.append(("lbd", (lab.directory / "lbd.log").read_text(errors="replace")[-8000:]))
