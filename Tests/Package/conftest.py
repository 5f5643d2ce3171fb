import os
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / folder) for folder in ("Lab", "Docs", "Package")]

from host import command  # noqa: E402
from lab import Lab  # noqa: E402
from machine import Machine  # noqa: E402

# What the machine has besides the smallest Debian, as every server has it.
USUAL = ("systemd", "dbus", "iproute2", "procps", "curl", "ca-certificates", "init-system-helpers")


@pytest.fixture(scope="session")
def package():
    """The package that was built."""
    return Path(os.environ["LVS_PACKAGE"]).resolve()


@pytest.fixture(scope="session")
def next_package(package, tmp_path_factory):
    """The same under a later version."""
    place = tmp_path_factory.mktemp("next")
    command("dpkg-deb", "--raw-extract", package, place / "tree", timeout=300)
    control = place / "tree/DEBIAN/control"
    version = command("dpkg-deb", "--field", package, "Version").stdout.strip()
    control.write_text(control.read_text().replace(f"Version: {version}\n", f"Version: {version}+next\n"))
    name = package.name.replace(f"_{version}_", f"_{version}+next_")
    command("dpkg-deb", "--root-owner-group", "-Zgzip", "--build", place / "tree", place / name, timeout=300)
    return place / name


@pytest.fixture(scope="session")
def lab():
    with Lab(servers=2) as lab:
        yield lab


@pytest.fixture(scope="session")
def machine(lab, package, next_package):
    """A machine on the lab's director, with the packages in its project's folder and their dependencies fetched."""
    with Machine(*USUAL) as machine:
        project = machine.root / "root/project"
        for place, file in ((".build/package", package), ("next", next_package)):
            (project / place).mkdir(parents=True)
            command("cp", file, project / place)
        machine.prepare("apt-get", "update", "-qq")
        machine.prepare("sh", "-c", "apt-get install -qqy --download-only /root/project/.build/package/*.deb ipvsadm")
        machine.boot(lab.director)
        if machine.why_not:
            print(f"systemd does not run here, so the package's scripts are followed step by step: {machine.why_not}")
        yield machine
