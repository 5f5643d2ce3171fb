"""The threads of a process, stopped one by one, and made to call the system (ptrace(2), x86-64)."""

import ctypes
import os
import signal
from contextlib import contextmanager
from pathlib import Path

SEIZE, INTERRUPT, DETACH, SINGLESTEP, GETREGS, SETREGS = 0x4206, 0x4207, 17, 9, 12, 13
WALL = 0x40000000
REGISTERS = ("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base "
             "ds es fs gs").split()
SYSCALL = b"\x0f\x05"

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def _ptrace(request, thread, data=None):
    if _libc.ptrace(request, thread, None, data) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def status(thread):
    """What /proc says of a thread."""
    lines = (line.split(":\t", 1) for line in (thread / "status").read_text().splitlines())
    return {line[0]: line[1].strip() for line in lines if len(line) == 2}


def threads(process):
    return list(Path(f"/proc/{process}/task").iterdir())


def named(process, name):
    """The number of the one thread of that name."""
    number, = (int(thread.name) for thread in threads(process) if (thread / "comm").read_text().strip() == name)
    return number


@contextmanager
def standing_still(thread):
    """Only this thread does."""
    _ptrace(SEIZE, thread)
    _ptrace(INTERRUPT, thread)
    os.waitpid(thread, WALL)
    try:
        yield
    finally:
        try:
            _ptrace(DETACH, thread)
        except ProcessLookupError:
            pass


class Ended(Exception):
    """What a thread was made to call ended it, by a signal."""

    def __init__(self, status):
        super().__init__(signal.Signals(os.WTERMSIG(status)).name)


def call(thread, number, first=0):
    """Has a thread that stands still in a system call make another one; what that returns."""
    registers = (ctypes.c_uint64 * len(REGISTERS))()
    _ptrace(GETREGS, thread, ctypes.byref(registers))
    before = bytes(registers)
    values = dict(zip(REGISTERS, registers))
    with open(f"/proc/{thread}/mem", "rb") as memory:
        memory.seek(values["rip"] - 2)
        assert memory.read(2) == SYSCALL
    # -1: this is no system call to be begun again.
    values |= dict(rax=number, orig_rax=2**64 - 1, rip=values["rip"] - 2, rdi=first, rsi=0, rdx=0, r10=0, r8=0, r9=0)
    registers[:] = list(values.values())
    _ptrace(SETREGS, thread, ctypes.byref(registers))
    _ptrace(SINGLESTEP, thread)
    _, status = os.waitpid(thread, WALL)
    if not os.WIFSTOPPED(status):
        raise Ended(status)
    _ptrace(GETREGS, thread, ctypes.byref(registers))
    result = ctypes.c_int64(dict(zip(REGISTERS, registers))["rax"]).value
    ctypes.memmove(registers, before, len(before))
    _ptrace(SETREGS, thread, ctypes.byref(registers))
    return result
