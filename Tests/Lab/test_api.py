"""The API against its own description: every answer of a director that has something to say."""

import json

import pytest
from host import command
from jsonschema import Draft202012Validator, ValidationError
from lab import OTHER_VIP, VIP
from reference import PAGE, page
from traffic import web as requests
from waiting import until


@pytest.fixture
def busy(director):
    """A director that has of everything: persistence, checks, marks, a sync daemon, connections."""
    director.add_web(options=("-p", 60, "-b", "flag-1"))
    director.lbctl("edit-rs", "-t", f"{VIP}:80", "-r", f"{director.lab.servers[0].address}:80", "-x", 100, "-y", 50)
    director.lbctl("add-check", "-t", f"{VIP}:80", "--type", "icmp", "--interval", "100ms", "--fast-interval", "50ms")
    director.lbctl("add-check", "-t", f"{VIP}:80", "-r", f"{director.lab.servers[1].address}:80", "--type", "tcp")
    director.lbctl("edit-service", "-t", f"{VIP}:80", "--slow-start", "30s", "--panic", 10)
    director.lbctl("mark", "add", "--dst", OTHER_VIP, "--set", "7")
    director.lbctl("timeouts", 900, 60, 300)
    director.lbctl("set", "expire_nodest_conn", 1)
    director.lbctl("drain-rs", "-t", f"{VIP}:80", "-r", f"{director.lab.servers[2].address}:80")
    requests(director.lab.client, 2)
    until(lambda: all(check.get("latency_seconds") for service in director.json_at("/v1/health")
                      for server in service["servers"] for check in server["checks"]))
    return director


def validator(document, schema):
    return Draft202012Validator({**schema, "components": document["components"]})


def ask(director, path):
    """The status and the body of an answer."""
    text = command("curl", "--silent", "--show-error", "--unix-socket", director.socket, "--write-out", "\n%{http_code}",
                   f"http://lbd{path}").stdout
    body, status = text.rsplit("\n", 1)
    return int(status), body


def test_every_answer_is_as_the_openapi_document_says(busy):
    document = busy.json_at("/v1/openapi.json")
    assert document["openapi"] == "3.1.0"
    gets = {path: methods["get"] for path, methods in document["paths"].items() if "get" in methods}
    resources = {path: said["responses"] for path, said in gets.items()
                 if "application/json" in said["responses"]["200"]["content"]}
    assert {"/v1/services", "/v1/health", "/v1/capabilities", "/v1/workers", "/v1/sync"} <= resources.keys()
    refused = []
    for path, responses in resources.items():
        status, body = ask(busy, path)
        said = responses["200" if status == 200 else "default"]
        validator(document, said["content"]["application/json"]["schema"]).validate(json.loads(body))
        refused += [path] if status != 200 else []
    assert refused == []


def test_every_connection_is_as_the_openapi_document_says(busy):
    document = busy.json_at("/v1/openapi.json")
    line = document["paths"]["/v1/connections"]["get"]["responses"]["200"]["content"]["application/x-ndjson"]["schema"]
    rows = [json.loads(row) for row in ask(busy, "/v1/connections")[1].splitlines()]
    assert {row["is_template"] for row in rows} == {True, False}
    for row in rows:
        validator(document, line).validate(row)


def test_a_field_that_is_not_described_or_missing_does_not_pass(busy):
    document = busy.json_at("/v1/openapi.json")
    schema = document["paths"]["/v1/services"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    services = json.loads(ask(busy, "/v1/services")[1])
    validator(document, schema).validate(services)
    for change in (lambda server: server.update(activeConnections=1), lambda server: server.pop("statistics")):
        changed = json.loads(json.dumps(services))
        change(changed[0]["servers"][0])
        with pytest.raises(ValidationError):
            validator(document, schema).validate(changed)


def test_a_refusal_is_as_the_openapi_document_says(busy):
    document = busy.json_at("/v1/openapi.json")
    status, body = ask(busy, "/v1/services?service=tcp:192.0.2.1:1")
    assert status == 404 and json.loads(body)["code"] == "no_such_service"
    refusal = document["paths"]["/v1/services"]["get"]["responses"]["default"]["content"]["application/json"]["schema"]
    validator(document, refusal).validate(json.loads(body))


@pytest.mark.parametrize("add", ["add_server", "addServer", "add-server"])
def test_requests_are_read_in_earlier_spellings_too(busy, add):
    change = [{add: {"to": f"tcp:{VIP}:80", "server": {"address": "10.77.0.99:80", "upperThreshold": 5}}}]
    document = busy.json_at("/v1/openapi.json")
    schema = document["paths"]["/v1/changes"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    command("curl", "--silent", "--show-error", "--fail", "--unix-socket", busy.socket, "--data", json.dumps(change),
            "http://lbd/v1/changes")
    saved = busy.json_at("/v1/configuration")
    server = saved["services"][0]["servers"][-1]
    assert (server["address"], server["upper_threshold"]) == ("10.77.0.99:80", 5)
    validator(document, schema).validate([{"add_server": {"to": f"tcp:{VIP}:80", "server": server}}])


def test_the_page_about_the_api_says_what_the_director_does(director):
    assert PAGE.read_text() == page(director.json_at("/v1/openapi.json")), \
        "curl --unix-socket SOCKET http://lbd/v1/openapi.json | python3 Tests/Lab/reference.py writes it anew"
