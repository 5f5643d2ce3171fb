"""The shells that lbctl's completions are made for, as they are at a terminal, with nothing of the machine's own set up."""

import os

import pexpect
from lab import BINARIES

PROMPT = "ready> "
WAIT = 30
ERASE_LINE = "\x15"


class Shell:
    def __init__(self, completions, home):
        self.completions, self.home = completions, home
        (home / "inputrc").write_text("set show-all-if-ambiguous on\n")

    def __enter__(self):
        environment = {
            "HOME": str(self.home), "PATH": f"{BINARIES}:{os.environ['PATH']}", "TERM": "dumb", "LANG": "C.UTF-8",
            "PS1": PROMPT, "PROMPT": PROMPT, "INPUTRC": str(self.home / "inputrc"),
        }
        self.terminal = pexpect.spawn(
            self.words[0], list(self.words[1:]), encoding="utf-8", codec_errors="replace", timeout=WAIT, cwd=self.home,
            dimensions=(50, 500), env=environment)
        self.terminal.sendline(self.preparation)
        self.settle()
        return self

    def __exit__(self, *_):
        self.terminal.close(force=True)

    def settle(self):
        """Waits until the shell has done all it was given, by a word that it says and that was not typed so.

        Returns what it showed meanwhile."""
        self.terminal.sendline("echo set''tled")
        self.terminal.expect("settled")
        return self.terminal.before

    def offered(self, line):
        """What stands on the terminal when tab was pressed behind the line: all that is possible, if several are."""
        self.terminal.send(f"{line}\t{ERASE_LINE}")
        return self.settle()

    def complete_and_run(self, line):
        """Presses tab, then enter."""
        self.terminal.send(f"{line}\t\r")
        self.settle()


class Bash(Shell):
    words = ("bash", "--noprofile", "--norc", "-i")

    @property
    def preparation(self):
        return f". /usr/share/bash-completion/bash_completion; . {self.completions}/bash/lbctl"


class Zsh(Shell):
    words = ("zsh", "-f", "-i")

    @property
    def preparation(self):
        return (f"unsetopt listambiguous; fpath=({self.completions}/zsh $fpath); autoload -U compinit; "
                f"compinit -u -d {self.home}/zcompdump")


class Fish(Shell):
    words = ("fish", "--no-config", "-i")

    @property
    def preparation(self):
        return f"source {self.completions}/fish/lbctl.fish"

    def offered(self, line):
        """Where several are possible, fish draws a menu over what it drew; but it can be asked for what that has."""
        self.terminal.send(f"complete -C '{line}'\r")
        return self.settle()


SHELLS = {"bash": Bash, "zsh": Zsh, "fish": Fish}
