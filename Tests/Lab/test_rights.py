"""What lbd may do once it runs, and who may tell it what to do."""

import errno
import grp
import platform
import pwd
import resource
import signal

import pytest
from director import BINARIES, ON_EVERY_DATA_PLANE
from host import command
from threads import Ended, call, standing_still, status, threads
from traffic import spread

NET_BIND_SERVICE, NET_ADMIN, NET_RAW, IPC_LOCK, BPF = 10, 12, 13, 14, 39
GROUP = "nogroup"
on_x86_64 = pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers of system calls are those of x86-64")


def sets(*capabilities):
    return f"{sum(1 << number for number in capabilities):016x}"


def locks_memory_at_will(pid):
    """Whether lbd could lift the limit, which takes CAP_SYS_RESOURCE at its start."""
    return resource.prlimit(pid, resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY


@pytest.mark.parametrize("options, more", [((), ()), (("--metrics", "127.0.0.1:999"), (NET_BIND_SERVICE,))])
@ON_EVERY_DATA_PLANE
def test_of_all_capabilities_those_that_are_needed_stay(lab, start, data_plane, options, more):
    director = start(*options)
    director.add_web()
    for_xdp = (BPF, *(() if locks_memory_at_will(director.process.pid) else (IPC_LOCK,)))
    needed = sets(NET_ADMIN, NET_RAW, *more, *(for_xdp if data_plane == "af-xdp" else ()))
    for thread in threads(director.process.pid):
        facts = status(thread)
        assert (facts["CapPrm"], facts["CapEff"], facts["CapBnd"]) == (needed, needed, needed)
        assert (facts["CapInh"], facts["CapAmb"], facts["NoNewPrivs"]) == (sets(), sets(), "1")
    assert spread(lab.client, 3) == {"rs1": 1, "rs2": 1, "rs3": 1}


@pytest.mark.parametrize("mode, filtered", [("on", "2"), ("strict", "2"), ("log", "2"), ("off", "0")])
def test_every_thread_is_filtered_unless_that_is_off(lab, start, mode, filtered):
    director = start(seccomp=mode)
    director.add_web()
    assert {status(thread)["Seccomp"] for thread in threads(director.process.pid)} == {filtered}
    assert spread(lab.client, 3) == {"rs1": 1, "rs2": 1, "rs3": 1}


# Their numbers, with the first argument; those that need a capability fail without a filter too.
FORBIDDEN = {
    "execve": (59,), "execveat": (322,), "fork": (57,), "vfork": (58,), "clone": (56, signal.SIGCHLD), "ptrace": (101,),
    "process_vm_readv": (310,), "setuid": (105, 1), "capset": (126,), "unshare": (272,), "setns": (308,), "mount": (165,),
    "chroot": (161,), "init_module": (175,), "keyctl": (250,), "io_uring_setup": (425,), "userfaultfd": (323,),
    "perf_event_open": (298,), "bpf": (321,), "kill": (62, 0), "AF_BLUETOOTH": (41, 31), "AF_VSOCK": (41, 40),
}
GETPID, CLONE3 = 39, 435


@on_x86_64
def test_what_lbd_never_does_it_cannot_do(lab, start):
    director = start(seccomp="on")
    director.add_web()
    with standing_still(director.process.pid):
        assert call(director.process.pid, GETPID) == director.process.pid
        results = {name: call(director.process.pid, *words) for name, words in FORBIDDEN.items()}
        assert results == dict.fromkeys(FORBIDDEN, -errno.EPERM)
        assert call(director.process.pid, CLONE3) == -errno.ENOSYS, "then the C library asks for a thread by clone"
    assert spread(lab.client, 3) == {"rs1": 1, "rs2": 1, "rs3": 1}


@on_x86_64
def test_strict_ends_it(start):
    director = start(seccomp="strict")
    with standing_still(director.process.pid), pytest.raises(Ended, match="SIGSYS"):
        call(director.process.pid, *FORBIDDEN["unshare"])
    director.stop()


# Who may use the control socket


def as_user(name, *groups):
    """Runs a program as another user, with these groups alone."""
    numbers = ",".join(str(grp.getgrnam(group).gr_gid) for group in groups)
    return ("setpriv", f"--reuid={pwd.getpwnam(name).pw_uid}", f"--regid={grp.getgrnam('daemon').gr_gid}",
            f"--groups={numbers}" if groups else "--clear-groups")


def listed(director, *who):
    return command(*who, BINARIES / "lbctl", "--socket", director.socket, "list", check=False)


def test_a_group_may_use_the_socket_where_one_is_named(start):
    director = start("--socket-group", GROUP)
    for socket in (director.socket, director.socket.with_suffix(".ipvs.sock")):
        facts = socket.stat()
        assert (facts.st_mode & 0o777, facts.st_gid) == (0o660, grp.getgrnam(GROUP).gr_gid)
    assert listed(director, *as_user("nobody", GROUP)).returncode == 0
    refused = listed(director, *as_user("nobody"))
    assert refused.returncode == 1 and "no permission" in refused.stderr


def test_without_a_group_the_socket_is_its_owners(director):
    assert director.socket.stat().st_mode & 0o777 == 0o600
    assert listed(director, *as_user("nobody", GROUP)).returncode == 1


@pytest.mark.parametrize("group, status, who, says", [
    ("no-such-group", 2, (), "there is no group 'no-such-group'"),
    (GROUP, 1, as_user("nobody"), "lbd is not in the group and cannot join it"),
])
def test_a_group_that_cannot_be_had_is_refused(lab, group, status, who, says):
    refused = lab.director.run(*who, BINARIES / "lbd", "--interface", "eth0", "--socket", lab.directory / "group.sock",
                               "--socket-group", group, check=False)
    assert refused.returncode == status and len(refused.stderr.splitlines()) == 1 and says in refused.stderr
