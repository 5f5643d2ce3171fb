"""Results as text: tables, which aims were met, and the file RESULTS.md, all from results.json beside it."""

import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
STORE, PAGE = HERE / "results.json", HERE / "RESULTS.md"

INTRODUCTION = """\
# Results

Written by `scripts/bench`, which measures all of it anew; `scripts/bench NAME` one part. Contenders take turns in each
round; figures are medians, ratios the medians of the rounds' ratios. In memory, processor time of the measuring thread
counts, so that other programs matter little; in namespaces they do, and the ratios are what to read.
"""


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def section(name, part, record):
    """One part's results: what was measured where, and its tables."""
    lines = [f"## {part.TITLE}\n", f"`scripts/bench {name}`, {record['date']}: {record['machine']}.\n"]
    if note := getattr(part, "NOTE", ""):
        lines.append(note + "\n")
    return "\n".join(lines + [table(*content) for content in part.tables(record["results"])])


def verdict(measured, direction, limit):
    if measured is None:
        return "not measured"
    return "met" if (measured <= limit if direction == "<=" else measured >= limit) else "**missed**"


def aims(parts, records):
    """What was to be reached, beside what was."""
    rows, notes = [], []
    for name, part in parts.items():
        if name not in records or not hasattr(part, "aims"):
            continue
        for what, measured, direction, limit, note in part.aims(records[name]["results"]):
            state = verdict(measured, direction, limit)
            rows.append([state, what, f"{direction} {limit}", "" if measured is None else f"{measured:.4g}"])
            if note and "missed" in state:
                notes.append(f"* {what}: {note}")
    if not rows:
        return ""
    text = "## What was to be reached\n\n" + table(["", "aim", "limit", "measured"], rows)
    return text + ("\n" + "\n".join(notes) + "\n" if notes else "")


def stored():
    return json.loads(STORE.read_text()) if STORE.exists() else {}


def write(parts, new):
    """Puts results in the place of those of the same parts, and the page with them."""
    records = {**stored(), **new}
    records = {name: records[name] for name in parts if name in records}
    STORE.write_text(json.dumps(records, indent=1) + "\n")
    sections = [section(name, parts[name], record) for name, record in records.items()]
    PAGE.write_text("\n".join([INTRODUCTION, aims(parts, records), *sections]))
