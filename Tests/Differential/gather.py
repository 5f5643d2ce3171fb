"""Writes the histories in a folder as one list, a line for each.

    gather.py FOLDER >histories.json
"""

import pathlib
import sys

files = sorted(pathlib.Path(sys.argv[1]).glob("*.json"))
print("[" + ",\n".join(file.read_text() for file in files) + "]")
