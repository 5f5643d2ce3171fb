"""ipvsadm's command line where the kernel has no IPVS, and where one may not use what there is."""

import shutil
from pathlib import Path

import pytest
from director import BINARIES
from host import command
from lab import VIP
from tools import Tools

HAS_IPVS = Path("/proc/net/ip_vs").exists() or command(
    "/sbin/modprobe", "--dry-run", "--quiet", "ip_vs", check=False).returncode == 0
pytestmark = pytest.mark.skipif(HAS_IPVS, reason="this machine's kernel has IPVS: Tests/Kernel tests that")

ADVICE = ("modprobe ip_vs", "lbd --data-plane af-packet")
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


@pytest.fixture
def tools(lab, director):
    tools = Tools(lab, director)
    del tools.environment["LBCTL_PLANE"]
    return tools


def test_where_the_kernel_has_no_ipvs_an_lbd_that_answers_is_steered(tools):
    assert tools.ipvsadm(f"-A -t {VIP}:80 -s rr") == (0, "", "")
    assert tools.ipvsadm("-Sn") == (0, f"-A -t {VIP}:80 -s rr\n", "")
    assert tools.ipvsadm("-Ln")[1] == tools.director.listing()
    del tools.environment["LBCTL_SOCKET"]
    assert tools.ipvsadm(f"--socket {tools.director.socket} -Ln")[1] == tools.director.listing()


@pytest.mark.parametrize("words", ["-Ln", "-C", "-R", f"-A -t {VIP}:80", "--plane kernel -Ln"])
def test_without_ipvs_and_without_lbd_one_is_told_what_to_do(tools, words):
    tools.environment["LBCTL_SOCKET"] = "/nowhere/lbd.sock"
    status, output, error = tools.ipvsadm(words, input="")
    advice, *ending = error.splitlines()
    assert all(words in advice for words in ADVICE) and (("/nowhere/lbd.sock" in advice) != ("--plane" in words))
    # The rest, and the status, are what Debian's ipvsadm ends with.
    assert (status, output, ending) == (2, "", [
        "Can't initialize ipvs: Protocol not available",
        "Are you sure that IP Virtual Server is built in the kernel or as module?"])


@pytest.mark.parametrize("program, words", [
    ("lbctl", "--kernel list"), ("lbctl", f"--kernel add-service -t {VIP}:80"), ("lbctl", "--kernel get"),
    ("lbctl", "--kernel list --connections"), ("lbctl", "migrate --to kernel"),
    ("lbd", "--interface eth0 --data-plane kernel --socket /run/nowhere.sock"),
])
def test_lbctl_and_lbd_say_it_in_one_line(lab, program, words):
    refused = lab.director.run(BINARIES / program, *words.split(), check=False)
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (1, "", 1), refused.stderr
    assert all(words in refused.stderr for words in ADVICE)


def test_a_stranger_may_not_steer_lbd(tools):
    program = tools.folder / "copied"
    shutil.copy(BINARIES / "lbctl", program)
    refusal = f"no permission to use {tools.director.socket}: it is for the user that lbd runs as (try sudo)\n"
    for words, status in (("--plane userspace -Ln", 1), ("--plane userspace -C", 255)):
        refused = command(*NOBODY, program, "ipvsadm", *words.split(), check=False, env=tools.environment)
        assert (refused.returncode, refused.stdout, refused.stderr) == (status, "", refusal)
    refused = command(*NOBODY, program, "--socket", tools.director.socket, "list", check=False)
    assert (refused.returncode, refused.stdout, refused.stderr) == (1, "", f"lbctl: {refusal}")
    refused = command(*NOBODY, program, "ipvsadm", "-Ln", check=False, env=tools.environment)
    assert refused.returncode == 2 and "no permission" in refused.stderr and "modprobe ip_vs" in refused.stderr
    program.unlink()
