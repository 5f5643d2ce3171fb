"""The reference part of docs/api.md, made of the document that lbd describes its API by.

    curl --unix-socket /run/lbd.sock http://lbd/v1/openapi.json | python3 Tests/Lab/reference.py

writes it anew."""

import json
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
BEGIN = "## Resources\n"


def words(schema):
    """What a value is, in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "oneOf" in schema:
        return " or ".join(map(words, schema["oneOf"]))
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    kind = schema.get("type", "any JSON")
    if kind == "array":
        return f"list of {words(schema['items'])}"
    if kind == "object":
        return f"{words(schema['additionalProperties'])} by name" if schema.get("additionalProperties") else "object"
    return "text" if kind == "string" else " or ".join(kind) if isinstance(kind, list) else kind


def rows(properties, required=()):
    yield from ["| field | | |", "|---|---|---|"]
    for name, schema in sorted(properties.items()):
        optional = "" if name in required else ", may be left out"
        yield f"| `{name}` | {words(schema)}{optional} | {schema.get('description', '')} |"


def body(schema):
    """What a request or an answer is made of: a line, and a table where it has fields of its own."""
    item = schema.get("items", schema)
    if "properties" not in item:
        return [words(schema) + "."]
    inner = []
    for name, choice in sorted(item["properties"].items()):
        inner += ["", f"`{name}`: {choice['description']}"]
        inner += ["", *rows(choice["properties"], choice["required"])] if "properties" in choice else []
    return [("a list of objects" if "items" in schema else "an object") + " with one of these:", *inner] \
        if "maxProperties" in item else ["an object:", "", *rows(item["properties"], item["required"])]


def operation(path, method, said):
    yield from [f"### `{method.upper()} {path}`", "", said["summary"], ""]
    parameters = {each["name"]: {**each["schema"], "description": each["description"]} for each in said.get("parameters", [])}
    if parameters:
        required = [each["name"] for each in said["parameters"] if each["required"]]
        yield from ["In the path or the query:", "", *rows(parameters, required), ""]
    if "requestBody" in said:
        first, *rest = body(said["requestBody"]["content"]["application/json"]["schema"])
        yield from [f"Takes {first}", *rest, ""]
    for kind, content in said["responses"]["200"]["content"].items():
        what = words(content["schema"]) if "schema" in content else "bytes"
        yield from [f"Answers {what}{'' if kind == 'application/json' else f' ({kind})'}.", ""]


def reference(document):
    lines = []
    for path, methods in sorted(document["paths"].items()):
        for method, said in sorted(methods.items()):
            lines += operation(path, method, said)
    lines += ["## Types", ""]
    for name, schema in sorted(document["components"]["schemas"].items()):
        lines += [f"### {name}", "", schema["description"], ""]
        lines += [*rows(schema["properties"], schema["required"]), ""] if schema["properties"] else []
    return "\n".join(lines).rstrip() + "\n"


def introduction():
    text = PAGE.read_text()
    return text[:text.index(BEGIN) + len(BEGIN)]


def page(document):
    return f"{introduction()}\n{reference(document)}"


if __name__ == "__main__":
    PAGE.write_text(page(json.load(sys.stdin)))
