"""What a document has its reader type, and what it says the machine answers.

A block fenced as `console` is a session: a line with a prompt, `director# lbctl list` or `client$ curl …`, is typed on
that host; the lines up to the next prompt are the answer. A command goes on behind a `\\` at its end, and with a here
document (`<<'END'`) to that word. In answers `…` stands for whatever varies, alone on a line for any number of lines.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

PROMPT = re.compile(r"^(?P<host>[a-z][a-z0-9-]*)[#$] (?P<command>.*)$")
# Said before a block that nobody can run here, with the reason; and before one that another script runs.
NOT_RUN = re.compile(r"<!-- not run: (?P<reason>.+?) -->")
RUN_BY = re.compile(r"<!-- run by (?P<script>\S+) -->")


@dataclass
class Step:
    """One command, and its answer."""

    place: str
    host: str
    command: str
    answer: list = field(default_factory=list)

    def mismatch(self, output):
        """What is wrong with the output; None where it is what the document says."""
        return None if matches(self.answer, output.splitlines()) else (
            f"{self.place}: {self.host} $ {self.command}\n--- the document says\n" + "\n".join(self.answer)
            + f"\n--- the machine says\n{output}")


@dataclass
class Block:
    place: str
    steps: list
    not_run: str = None
    run_by: str = None


def blocks(path):
    """The sessions of a document, in order."""
    found, lines, before = [], path.read_text().splitlines(), ""
    number = 0
    while number < len(lines):
        if lines[number].strip() != "```console":
            before = lines[number] if lines[number].strip() else before
            number += 1
            continue
        end = next(index for index in range(number + 1, len(lines)) if lines[index].strip() == "```")
        found.append(Block(f"{path.name}:{number + 1}", steps(path, lines, number + 1, end), said(NOT_RUN, before),
                           said(RUN_BY, before)))
        number, before = end + 1, ""
    return found


def said(pattern, line):
    match = pattern.search(line)
    return match and match[1]


def steps(path, lines, first, end):
    found, number = [], first
    while number < end:
        line = lines[number]
        match = PROMPT.match(line)
        number += 1
        if not match:
            if not found:
                raise ValueError(f"{path.name}:{number}: a session begins with a prompt such as 'director# '")
            found[-1].answer.append(line)
            continue
        step = Step(f"{path.name}:{number}", match["host"], match["command"])
        document = re.search(r"<<'?(\w+)'?", step.command)
        while step.command.endswith("\\") or document and not step.command.endswith(f"\n{document[1]}"):
            step.command += "\n" + lines[number]
            number += 1
        found.append(step)
    return found


def matches(expected, got):
    """Whether the lines are what was expected; blanks at ends, and how many between words, do not count."""
    expected, got = [line.strip() for line in expected], [line.strip() for line in got if line.strip()]
    expected = [line for line in expected if line]
    if not expected:
        return not got
    if expected[0] == "…":
        return any(matches_rest(expected[1:], got[count:]) for count in range(len(got) + 1))
    return bool(got) and line_matches(expected[0], got[0]) and matches_rest(expected[1:], got[1:])


def matches_rest(expected, got):
    return matches(expected, got) if expected else not got


def line_matches(expected, got):
    parts = [r"\s+".join(re.escape(word) for word in re.split(r"\s+", part)) for part in expected.split("…")]
    return re.fullmatch(".*?".join(parts), got) is not None


def documents(project):
    """All that is written for users."""
    return [project / "README.md", *sorted((project / "docs").glob("*.md")), *sorted(project.glob("examples/*/README.md"))]


def broken_links(path):
    """Links to files that are not there, and to headings that are not in them."""
    broken = []
    for target in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", path.read_text()):
        name, heading = target
        if re.match(r"[a-z]+:", name):
            continue
        file = (path.parent / name).resolve() if name else path
        if not file.exists():
            broken.append(name)
        elif heading and file.suffix == ".md" and heading not in headings(file):
            broken.append(f"{name}#{heading}")
    return broken


def headings(path):
    """As forges name them: `## A pair of directors` is `a-pair-of-directors`."""
    titles = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9_ -]", "", title.lower()).replace(" ", "-") for title in titles}
