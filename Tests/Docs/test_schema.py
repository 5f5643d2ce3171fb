"""The JSON Schema of the configuration takes what lbd takes, and refuses what lbd refuses for its structure."""

import copy
import json
import os
import re
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml
from stage import PROJECT

SCHEMA = json.loads((PROJECT / "docs" / "lbd.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
# Every field stands here at least once, but for the settings.
WHOLE = (Path(__file__).parent / "whole.yaml").read_text()
LBD = Path(os.environ["LVS_BIN"]) / "lbd"


def schema_takes(value):
    return VALIDATOR.is_valid(value)


def refusal(value, directory):
    """Why lbd does not take a configuration, in one line; empty where it does. JSON is YAML."""
    file = directory / "lbd.yaml"
    file.write_text(json.dumps(value))
    run = subprocess.run([LBD, "--check-config", file], capture_output=True, text=True, timeout=60)
    assert run.stderr.count("\n") == (run.returncode != 0), run.stderr
    return run.stderr


def lbd_takes(value, directory):
    return not refusal(value, directory)


def examples():
    yield from (PROJECT / "examples").rglob("*.yaml")
    yield from (PROJECT / "packaging").rglob("*.yaml")


def places(value, path=()):
    """The path of each part of a document."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def at(value, path):
    for key in path:
        value = value[key]
    return value


def changed(path, change):
    """The whole document with another part in one place."""
    document = {"whole": copy.deepcopy(yaml.safe_load(WHOLE))}
    *way, last = ("whole", *path)
    owner = at(document, way)
    owner[last] = change(owner[last])
    return document["whole"]


def definition(path, schema=SCHEMA):
    """What the schema says of a place in a document."""
    for key in path:
        schema = schema["items"] if isinstance(key, int) else schema["properties"][key]
        if "$ref" in schema:
            schema = SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def test_it_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("file", examples(), ids=lambda file: str(file.relative_to(PROJECT)))
def test_every_example_is_taken(file, tmp_path):
    value = yaml.safe_load(file.read_text())
    VALIDATOR.validate(value)
    assert lbd_takes(value, tmp_path)


def test_the_whole_document_has_every_field_and_is_taken(tmp_path):
    value = yaml.safe_load(WHOLE)
    VALIDATOR.validate(value)
    assert refusal(value, tmp_path) == ""
    used = {}
    for path in places(value):
        if isinstance(at(value, path), dict):
            used.setdefault(definition(path)["description"], set()).update(at(value, path))
    for kind in [SCHEMA, *SCHEMA["$defs"].values()]:
        # A drained server cannot stand in for others, though it can be written.
        usable = {key for key in kind["properties"] if kind is not SCHEMA["$defs"]["fallback"] or "drained" not in key}
        assert usable == used[kind["description"]], kind["description"]


@pytest.mark.parametrize("text", [
    "hello", "service: 1", "{}", "services: 1", "services: [7]",
    "services: [{service: 'tcp:192.0.2.100:80', wieght: 1}]", "services: [{scheduler: rr}]",
    "services: [{service: 'icmp:192.0.2.100:80'}]", "services: [{service: 'tcp:192.0.2.100:80', scheduler: best}]",
    "services: [{service: 'tcp:192.0.2.100:80', panic: 101}]", "services: [{service: 'tcp:192.0.2.100:80', panic: few}]",
    "services: [{service: 'tcp:192.0.2.100:80', persistence: {seconds: 3}}]",
    "services: [{service: 'tcp:192.0.2.100:80', servers: [{weight: 1}]}]",
    "services: [{service: 'tcp:192.0.2.100:80', servers: [{address: 192.0.2.11, weight: heavy}]}]",
    "services: [{service: 'tcp:192.0.2.100:80', servers: [{address: 192.0.2.11, weight: 70000}]}]",
    "services: [{service: 'tcp:192.0.2.100:80', fallback: [{address: 192.0.2.11, checks: []}]}]",
    "services: [{service: 'tcp:192.0.2.100:80', checks: [{type: tcp, prot: 80}]}]",
    "services: [{service: 'tcp:192.0.2.100:80', checks: [{type: tcp, path: /}]}]",
    "services: [{service: 'tcp:192.0.2.100:80', checks: [{type: http, interval: 1}]}]",
    "services: [{service: 'tcp:192.0.2.100:80', checks: [{type: exec}]}]",
    "services: [{service: 'tcp:192.0.2.100:80', checks: [{type: dns}]}]",
    "services: [{service: 'tcp:192.0.2.100:80', checks: [{type: smtp}]}]",
    "services: [{service: 'tcp:192.0.2.100:80', checks: [{path: /}]}]",
    "services: [{service: 'tcp:192.0.2.100:80', discover: {weight: 1}}]",
    "services: [{service: 'tcp:192.0.2.100:80', discover: {dns: a.lan, file: /a}}]",
    "services: [{service: 'tcp:192.0.2.100:80', discover: {file: /a, type: srv}}]",
    "services: [{service: 'tcp:192.0.2.100:80', discover: {dns: a.lan, type: mx}}]",
    "services: [{service: 'tcp:192.0.2.100:80', discover: {dns: a.lan, max_ttl: 60}}]",
    "services: [{service: 'tcp:192.0.2.100:80', discover: {file: servers}}]",
    "{services: [], marks: [{mark: 7}]}", "{services: [], marks: [{destination: 192.0.2.1, mark: 0}]}",
    "{services: [], timeouts: {sctp: 3}}", "{services: [], settings: {expire_nodest_conn: 2}}",
    "{services: [], settings: {failed_neighbor: ignore}}",
])
def test_what_lbd_refuses_for_its_structure_is_refused(text, tmp_path):
    value = yaml.safe_load(text)
    assert not schema_takes(value)
    assert not lbd_takes(value, tmp_path)


def test_no_object_has_a_field_that_is_not_known(tmp_path):
    for path in places(yaml.safe_load(WHOLE)):
        if isinstance(at(yaml.safe_load(WHOLE), path), dict):
            document = changed(path, lambda owner: {**owner, "stray": 1})
            # Settings are the data plane's: lbd knows its own, and a kernel may have any.
            assert schema_takes(document) == (path == ("settings",)), path
            assert not lbd_takes(document, tmp_path), path


def test_no_value_may_be_a_list_or_a_mapping_instead(tmp_path):
    values = [path for path in places(yaml.safe_load(WHOLE)) if not isinstance(at(yaml.safe_load(WHOLE), path), (dict, list))]
    for number, path in enumerate(values):
        documents = [changed(path, lambda _: []), changed(path, lambda _: {"a": {}})]
        assert not any(map(schema_takes, documents)), path
        # lbd takes its time to start.
        assert not lbd_takes(documents[number % 2], tmp_path), path


def test_a_field_is_required_where_lbd_requires_it(tmp_path):
    for path in places(yaml.safe_load(WHOLE)):
        if path and isinstance(path[-1], str) and path[0] != "settings":
            document = changed(path[:-1], lambda owner: {key: owner[key] for key in owner if key != path[-1]})
            said = refusal(document, tmp_path)
            # Without a field others may not go together any more; that is no matter of structure.
            assert schema_takes(document) == (not re.search(" is missing|exec needs|dns needs", said)), f"{path}: {said}"


def test_the_settings_are_those_of_lbd():
    run = subprocess.run([LBD, "--check-config", "/dev/stdin"], input="{services: [], settings: {stray: 1}}",
                         capture_output=True, text=True, timeout=60)
    names = run.stderr.split("(there are ")[1].split(")")[0].split(", ")
    assert list(SCHEMA["properties"]["settings"]["properties"]) == sorted(names)
