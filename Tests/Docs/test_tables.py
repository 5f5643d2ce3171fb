"""The tables of the documents have what the programs have, no more and no less."""

import json
import re

import pytest
from stage import PROJECT, Stage


def rows(document, *, columns):
    """The rows of a document's tables that begin with a name in backticks: the name, and the columns after it."""
    found = {}
    for line in (PROJECT / "docs" / document).read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        name = re.fullmatch(r"`([a-z_0-9]+)`", cells[0])
        if name and len(cells) == columns + 1:
            assert name[1] not in found, f"{document} has {name[1]} twice"
            found[name[1]] = cells[1:]
    return found


@pytest.fixture(scope="module")
def director():
    with Stage() as stage:
        shell = stage.shell("director")
        shell.type("lbd --interface eth0 2>/run/lbd.log &")
        status, output = shell.type("for i in $(seq 100); do lbctl vips && break; sleep 0.1; done")
        assert status == 0, output
        yield shell


def answer(director, command):
    status, output = director.type(command)
    assert status == 0, output
    return json.loads(output)


def test_verdicts_has_every_reason_for_a_drop(director):
    assert set(rows("verdicts.md", columns=2)) == set(answer(director, "lbctl verdicts --json")["dropped"])


def test_settings_has_every_setting_with_its_default(director):
    texts = {name: cells[0] for name, cells in rows("settings.md", columns=3).items()}
    defaults = {name: int(text) if text.isdigit() else text for name, text in texts.items()}
    assert defaults == answer(director, "lbctl get --json")


def test_settings_has_the_values_that_are_taken(director):
    for name, (_, values, _) in rows("settings.md", columns=3).items():
        status, refusal = director.type(f"lbctl set {name} nonsense")
        assert status == 1
        first, last = re.search(r"takes (?:one of )?(\w+)(?: to |(?:, \w+)*, | or )(\w+), not", refusal).groups()
        assert re.fullmatch(rf"(a (prime|power of two) of )?{first}(, | to ){last}", values), f"{name}: {refusal}"
