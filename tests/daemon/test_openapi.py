"""The OpenAPI document, and what schemathesis makes of it."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

pytestmark = pytest.mark.device


def test_every_address_of_the_document_is_one_of_the_application_and_back(daemon):
    document = daemon.get("/openapi.json").json
    app = daemon.daemon.app
    routes = {(route.path, method) for route in app.routes for method in route.methods - {"HEAD"}}
    told = {
        (path, method.upper())
        for path, operations in document["paths"].items()
        for method in operations
        if method != "parameters"
    }
    assert told == routes


def test_references_lead_somewhere_and_operations_have_names_of_their_own(daemon):
    document = daemon.get("/openapi.json").json
    names = [op["operationId"] for ops in document["paths"].values() for method, op in ops.items() if method != "parameters"]
    assert len(names) == len(set(names))

    def references(value):
        if isinstance(value, dict):
            if "$ref" in value:
                yield value["$ref"]
            for item in value.values():
                yield from references(item)
        elif isinstance(value, list):
            for item in value:
                yield from references(item)

    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= known


def test_schemathesis_finds_no_server_error(daemon, tmp_path):
    if find_spec("schemathesis") is None:
        pytest.skip("needs schemathesis, of the dev extra")
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"http://{daemon.address}/openapi.json"]
    options = ["--checks", "not_a_server_error", "--max-examples", "10", "--seed", "1", "--generation-database", "none"]
    result = subprocess.run([*command, *options], capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-2000:]
