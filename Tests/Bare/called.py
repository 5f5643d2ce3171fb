"""Names each program that the project's scripts, tests and benchmarks call and that is not on this machine, with the
place of one call. Only programs that are named by a literal word can be found so; the others show when they are run."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
FOLDERS = ("scripts", "Tests", "Benchmarks")
SHELL, PYTHON = re.compile(r"#!.*\b(ba)?sh\b"), re.compile(r"#!.*\bpython3?\b")
# As a program of a package is called: by its name, or by a place that packages write to.
PROGRAM = re.compile(r"(/(usr/)?s?bin/|/usr/lib/[a-z]+/)?[A-Za-z0-9_][A-Za-z0-9_.+-]*")
# Words of the shell that start the program that stands after them, its own options and numbers aside.
STARTERS = {"command", "env", "exec", "setsid", "sudo", "timeout", "unshare", "xargs"}
# A list or tuple in Python whose second word is one of these is a command line.
LONG_OPTION = re.compile(r"--[a-z-]+=")
# Functions in Python that take a program, and which of their arguments that is.
CALLS = {"Popen": 0, "command": 0, "inside": 1, "run": 0, "running": 0, "start": 0}


def files():
    """The shell's and Python's, each with its kind."""
    for folder in FOLDERS:
        for path in sorted((PROJECT / folder).rglob("*")):
            if path.is_file() and path.suffix in ("", ".sh", ".py"):
                begin = path.read_text(errors="replace").partition("\n")[0]
                if SHELL.match(begin):
                    yield path, called_by_shell
                elif path.suffix == ".py" or PYTHON.match(begin):
                    yield path, called_by_python


def literal(word):
    """The text of a word of the shell; None if it is not the same each time."""
    parts = word["Parts"]
    if len(parts) == 1 and parts[0]["Type"] == "Lit":
        return parts[0]["Value"]
    return None


def is_variable(word):
    """Whether it is nothing but a variable, such as "${as_root[@]}", which may hold a starter or nothing."""
    parts = word["Parts"]
    return len(parts) == 1 and (parts[0]["Type"] == "ParamExp" or parts[0]["Type"] == "DblQuoted" and is_variable(parts[0]))


def program(words):
    """Of a simple command's words the one that names the program; None where that is not the same each time."""
    while words and (is_variable(words[0]) or literal(words[0]) in STARTERS):
        words = words[1:]
        while words and re.match(r"-|\d+$|.*=", literal(words[0]) or ""):
            words = words[1:]
    return literal(words[0]) if words else None


def nodes(tree):
    if isinstance(tree, dict):
        yield tree
    for branch in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from nodes(branch)


def called_by_shell(path):
    tree = json.loads(subprocess.run(["shfmt", "-tojson"], stdin=open(path), capture_output=True, check=True).stdout)
    calls = [node for node in nodes(tree) if node.get("Type") == "CallExpr" and node.get("Args")]
    known = {node["Name"]["Value"] for node in nodes(tree) if node.get("Type") == "FuncDecl"} | BUILTIN
    # What a script asks for before it calls it may be missing.
    known |= {program(call["Args"]) for call in calls if [literal(word) for word in call["Args"][:2]] == ["command", "-v"]}
    for call in calls:
        if (word := program(call["Args"])) and word not in known:
            yield word, call["Pos"]["Line"]


def called_by_python(path):
    for node in ast.walk(ast.parse(path.read_text())):
        word = ""
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", None) or getattr(node.func, "id", None)
            word = text(node.args[CALLS[name]]) if name in CALLS and len(node.args) > CALLS[name] else ""
        elif isinstance(node, (ast.List, ast.Tuple)) and len(node.elts) > 1 and LONG_OPTION.match(text(node.elts[1])):
            word = text(node.elts[0])
        if word and word not in STARTERS:
            yield word, node.lineno


def text(node):
    if isinstance(node, (ast.List, ast.Tuple)) and node.elts:
        return text(node.elts[0])
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


BUILTIN = set(subprocess.run(["bash", "-c", "compgen -bk"], capture_output=True, text=True, check=True).stdout.split())


def main():
    os.chdir(PROJECT)
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    missing = {}
    for path, called in files():
        for word, line in called(path):
            if PROGRAM.fullmatch(word) and not shutil.which(word):
                missing.setdefault(word, f"{path.relative_to(PROJECT)}:{line}")
    for word, place in sorted(missing.items()):
        print(f"{word} ({place})")
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
