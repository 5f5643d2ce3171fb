#!/usr/bin/python3 -B
"""Writes the manual: a page for lbd, for lbctl and for each of its commands, made from what the programs say of
themselves (`--experimental-dump-help`), with the parts of `packaging/manual/` that no option can tell.

    generate.py PROGRAMS OUTPUT     the folder that has lbd and lbctl, the folder that gets man5/ and man8/
"""

import json
import re
import subprocess
import sys
import textwrap
from datetime import date
from pathlib import Path

HERE = Path(__file__).parent
CHANGES = HERE.parent.parent / "CHANGELOG.md"
EXIT_STATUS = "0: done. 1: refused. 2: the command line is wrong. Why is one line on standard error."


def release_day():
    """When the version that is being built came out."""
    day = date.fromisoformat(re.search(r"^## \S+ \((\d{4}-\d\d-\d\d)\)", CHANGES.read_text(), re.MULTILINE)[1])
    return f"{day:%B} {day.day}, {day.year}"


DAY = release_day()


def word(text):
    """A word of a macro's line: nothing in it is a macro or an escape."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace('"', "\\(dq")
    if re.fullmatch("[A-Z%][A-Za-z]{1,2}", text) or text[0] in ".'" or text[-1] in ".,:;!?)]":
        text = "\\&" + text
    return f'"{text}"' if " " in text else text


def prose(text):
    """A paragraph: each sentence begins a line, as mdoc wants it, and none begins with a macro's point."""
    sentences = re.split(r"(?<=[.?!]) +(?=[A-Z'-])", " ".join(text.split()))
    lines = [line for each in sentences for line in textwrap.wrap(each, 78, break_on_hyphens=False)]
    return [re.sub(r"^(?=[.'])", r"\\&", line.replace("\\", "\\e")) for line in lines]


def display(lines):
    """Lines as they are typed."""
    return [".Bd -literal -offset indent", *(re.sub(r"^(?=[.'])", r"\\&", line.replace("\\", "\\e").replace("-", "\\-"))
                                             for line in lines), ".Ed"]


class Discussion:
    """What a command says of itself beyond one line: paragraphs, a list of examples, its exit status."""

    def __init__(self, text):
        self.paragraphs, self.examples, self.exit_status = [], [], None
        for block in re.split(r"\n\s*\n", text or ""):
            lines = block.splitlines()
            if lines and re.fullmatch(r"Examples?:", lines[0]):
                self.examples += [line.strip() for line in lines[1:]]
            elif block.startswith("Exit status "):
                self.exit_status = block.removeprefix("Exit status ")
            elif block.strip():
                self.paragraphs.append(block)


def option_names(argument):
    return [(len(name["name"]) > 1, "-" + name["name"] if name["kind"] == "long" else name["name"])
            for name in sorted(argument.get("names", []), key=lambda name: name["kind"] == "long")]


def item(argument):
    """`Fl t , Fl \\-tcp\\-service Ar vip:port`, or `Ar file` of a positional argument."""
    value = [] if argument["kind"] == "flag" else ["Ar", word(argument["valueName"])]
    if argument["kind"] == "positional":
        return " ".join(value)
    flags = " , ".join("Fl " + word(name) for _, name in option_names(argument))
    return " ".join([flags, *value])


def synopsis(arguments):
    lines = []
    for argument in arguments:
        value = [] if argument["kind"] == "flag" else ["Ar", word(argument["valueName"])]
        names = ["Fl " + word(name) for _, name in option_names(argument)][:1]
        more = ["..."] if argument["isRepeating"] else []
        lines.append(" ".join([".Op" if argument["isOptional"] else ".", *names, *value, *more]).replace(". Fl", ".Fl")
                     .replace(". Ar", ".Ar"))
    return lines


def described(argument):
    lines = prose(argument.get("abstract", "").strip() or argument["valueName"].capitalize() + ".")
    if argument.get("allValues") and argument["kind"] == "option" and len(argument["allValues"]) > 1:
        lines.append("One of")
        values = argument["allValues"]
        lines += [f".Cm {word(value)}{' ,' if value != values[-1] else ' .'}" for value in values]
    if argument.get("defaultValue"):
        lines += ["The default is", f".Cm {word(argument['defaultValue'])} ."]
    return lines


def is_general(argument):
    return [name["name"] for name in argument.get("names", [])][-1:] in (["help"], ["version"])


def options(arguments):
    """The options under the titles that the command gives them."""
    if not arguments:
        return []
    lines, title = [], None
    lines.append(".Bl -tag -width Ds")
    for argument in arguments:
        if argument.get("sectionTitle") != title:
            title = argument.get("sectionTitle")
            if title:
                lines += [".El", f".Ss {title}", ".Bl -tag -width Ds"]
        lines += [f".It {item(argument)}", *described(argument)]
    lines.append(".El")
    return re.sub(r"\.Bl -tag -width Ds\n\.El\n?", "", "\n".join(lines)).splitlines()


def visible(command):
    return [argument for argument in command.get("arguments", []) if argument["shouldDisplay"]]


def subcommands(command):
    return [each for each in command.get("subcommands", []) if each["commandName"] != "help"]


class Page:
    """One page. `path` is the command's words: `lbctl add-rs`."""

    def __init__(self, path, command, section=8):
        self.path, self.command, self.section = path, command, section
        self.name = "-".join(path)
        self.discussion = Discussion(command.get("discussion"))

    def text(self):
        own = [argument for argument in visible(self.command) if not is_general(argument)]
        lines = [f".Dd {DAY}", f".Dt {self.name.upper()} {self.section}", f".Os",
                 ".Sh NAME", f".Nm {word(self.name)}", f".Nd {self.summary()}", ".Sh SYNOPSIS", *self.synopsis(own),
                 ".Sh DESCRIPTION", *self.description()]
        if self.name != "lbctl":
            for nested in subcommands(self.command):
                lines += self.nested(nested)
        if own:
            lines += [".Sh OPTIONS", *options(own)]
        lines += self.fragment()
        lines += [".Sh EXIT STATUS", *prose(self.discussion.exit_status or EXIT_STATUS)]
        if self.discussion.examples:
            lines += [".Sh EXAMPLES", *display(self.discussion.examples)]
        lines += [".Sh SEE ALSO", *self.see_also()]
        return "\n".join(lines) + "\n"

    def summary(self):
        abstract = self.command["abstract"].rstrip(".")
        return abstract[0].lower() + abstract[1:] if not abstract[:3].isupper() else abstract

    def synopsis(self, own):
        nested = subcommands(self.command)
        if self.name == "lbctl":
            return [".Nm lbctl", *synopsis(own), ".Ar command", ".Op Ar argument ..."]
        if nested:
            return [line for each in nested
                    for line in self.call([*self.path, each["commandName"]], visible(each))]
        return self.call(self.path, own)

    @staticmethod
    def call(path, arguments):
        words = "".join(f" Cm {word(each)}" for each in path[1:])
        return [f".Nm {word(path[0])}{words}",
                *synopsis([argument for argument in arguments if not is_general(argument)])]

    def description(self):
        lines = prose(self.command["abstract"])
        for paragraph in self.discussion.paragraphs:
            lines += [".Pp", *prose(paragraph)]
        if self.name == "lbctl":
            lines += [".Pp", "The commands are:", ".Bl -tag -width Ds"]
            for each in subcommands(self.command):
                lines += [f".It Xr lbctl\\-{word(each['commandName'])} 8", *prose(each["abstract"])]
            lines += [".It Xr lbctl\\-ipvsadm 8", "Is ipvsadm itself, for lbd and for the kernel's IPVS.", ".El"]
        if self.command.get("aliases"):
            lines += [".Pp", "It is also called", " ,\n".join(f".Cm {word(alias)}" for alias in self.command["aliases"])
                      + " ."]
        return lines

    def nested(self, command):
        discussion = Discussion(command.get("discussion"))
        own = [argument for argument in visible(command) if not is_general(argument)]
        lines = [f".Ss {' '.join([*self.path, command['commandName']])}", *prose(command["abstract"])]
        for paragraph in discussion.paragraphs:
            lines += [".Pp", *prose(paragraph)]
        if discussion.exit_status:
            lines += [".Pp", *prose("Exit status " + discussion.exit_status)]
        lines += options(own)
        self.discussion.examples += discussion.examples
        return lines

    def fragment(self):
        """What no option can tell, kept beside this program."""
        path = HERE / f"{self.name}.{self.section}.part"
        return path.read_text().splitlines() if path.exists() else []

    def see_also(self):
        pages = ["lbd.yaml 5", "lbctl 8", "lbd 8"]
        pages = [page for page in pages if page != f"{self.name} {self.section}"]
        return [f".Xr {page}{' ,' if page != pages[-1] else ''}" for page in pages]


def ipvsadm_page(programs):
    """ipvsadm's own help, in the page that says what is different."""
    usage = subprocess.run([programs / "lbctl", "ipvsadm", "--help"], check=True, capture_output=True, text=True).stdout
    template = (HERE / "lbctl-ipvsadm.8.in").read_text()
    return filled(template).replace("@USAGE@\n", "\n".join(display(usage.splitlines())) + "\n")


def filled(template):
    return template.replace("@DAY@", DAY)


def described_by(program):
    out = subprocess.run([program, "--experimental-dump-help"], check=True, capture_output=True, text=True).stdout
    return json.loads(out)["command"]


def main(programs, output):
    programs, output = Path(programs), Path(output)
    for section in ("man5", "man8"):
        (output / section).mkdir(parents=True, exist_ok=True)
    lbctl = described_by(programs / "lbctl")
    pages = [Page(["lbd"], described_by(programs / "lbd")), Page(["lbctl"], lbctl)]
    pages += [Page(["lbctl", each["commandName"]], each) for each in subcommands(lbctl)]
    for page in pages:
        (output / f"man{page.section}" / f"{page.name}.{page.section}").write_text(page.text())
    (output / "man8" / "lbctl-ipvsadm.8").write_text(ipvsadm_page(programs))
    (output / "man5" / "lbd.yaml.5").write_text(filled((HERE / "lbd.yaml.5.in").read_text()))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
