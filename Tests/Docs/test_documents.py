"""Each document for users, as a reader would follow it: every command is typed, every answer compared."""

import re
import subprocess
import time

import pytest
from blocks import blocks, broken_links, documents
from stage import PROJECT, Stage

DOCUMENTS = documents(PROJECT)
PATIENCE = 20
# What only looks may be looked at again, until it is as it should be: a server is found, a standby notices.
LOOKING = re.compile(r"^(lbctl (--\S+ )*(list|vips|neighbors|workers|verdicts|doctor|get|save)\b|curl|ip |cat )")


def named(path):
    return str(path.relative_to(PROJECT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_each_command_does_what_the_document_says(document):
    with Stage() as stage:
        for block in blocks(document):
            if block.not_run:
                print(f"{block.place}: not run: {block.not_run}")
            elif not block.run_by:
                for step in block.steps:
                    follow(stage, step)


def follow(stage, step):
    """Types the command, and again while it only looks and is not there yet."""
    shell, end = stage.shell(step.host), time.monotonic() + PATIENCE
    while True:
        status, output = shell.type(step.command)
        wrong = step.mismatch(output)
        # What a document shows complaining may fail.
        if wrong is None and (status == 0 or step.answer):
            return
        if not LOOKING.match(step.command) or time.monotonic() > end:
            raise AssertionError(wrong or f"{step.place}: {step.command}: exit status {status}")
        time.sleep(0.2)


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_links_lead_somewhere(document):
    assert broken_links(document) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_what_is_named_as_proof_is_there(document):
    """`Tests/Lab/test_vip.py::test_…` is a test, `Benchmarks/RESULTS.md` has the section."""
    for file, name in re.findall(r"`(Tests/[\w/.]+)(?:::(\w+))?`", document.read_text()):
        assert (PROJECT / file).exists(), file
        assert not name or f"def {name}(" in (PROJECT / file).read_text(), f"{file}::{name}"


def test_every_console_block_is_one_that_somebody_runs():
    """What another script is said to run, that script looks for."""
    scripts = {block.run_by for document in DOCUMENTS for block in blocks(document) if block.run_by}
    for script in scripts:
        assert (PROJECT / script).exists(), script
        users = subprocess.run(["grep", "-rl", "run_by", PROJECT / "Tests"], capture_output=True, text=True).stdout
        assert users
