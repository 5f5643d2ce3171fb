"""The programs under test and the one they are measured by."""
import os
import subprocess
from pathlib import Path

BIN = Path(os.environ["LVS_BIN"])
LBCTL = str(BIN / "lbctl")
LBD = str(BIN / "lbd")
THEIRS = "/usr/sbin/ipvsadm"
# A folder in the guest's memory, where the program stands under ipvsadm's names.
OURS = "/run/ours/ipvsadm"


def link_names():
    folder = Path(OURS).parent
    folder.mkdir(exist_ok=True)
    for name in ("ipvsadm", "ipvsadm-save", "ipvsadm-restore"):
        link = folder / name
        if not link.exists():
            link.symlink_to(LBCTL)


def run(*words, stdin=None, env=None):
    """Exit status, standard output and standard error."""
    done = subprocess.run(
        [str(word) for word in words], input=stdin, capture_output=True, text=True, timeout=120,
        env=dict(os.environ, **(env or {})))
    return done.returncode, done.stdout, done.stderr


def ours(line="", **more):
    return run(OURS, *line.split(), **more)


def theirs(line="", **more):
    return run(THEIRS, *line.split(), **more)


def lbctl(line, **more):
    return run(LBCTL, *line.split(), **more)
