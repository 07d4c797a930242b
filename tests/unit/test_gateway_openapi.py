"""The OpenAPI document says what the routes do."""

from __future__ import annotations

import re
from typing import Any

import pytest

from datasms_daemon.gateway.http_api import make_api, make_site
from datasms_daemon.gateway.rights import local_operator
from tests.fakes.core import FakeCore
from tests.fakes.web import Client, clock

API = make_api(FakeCore(), clock(), bytes, local_operator)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """What is served."""
    found: dict[str, Any] = Client(make_site(FakeCore(), clock(), bytes)).ask("GET", "/openapi.json").json
    return found


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Every operation by method and path."""
    return {
        (method.upper(), path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


def test_every_route_is_documented_and_nothing_else(document: dict[str, Any]) -> None:
    declared = {(route.method, re.sub("<(.+?)>", r"{\1}", route.path)) for route in API.routes}
    assert set(operations(document)) == declared
    assert {("POST", "/v1/messages"), ("POST", "/v1/to/{recipient}"), ("PATCH", "/v1/messages/{id}")} <= declared


def test_every_operation_has_a_name_of_its_own_a_summary_and_its_right(document: dict[str, Any]) -> None:
    found = operations(document)
    assert len({operation["operationId"] for operation in found.values()}) == len(found)
    assert all(operation["summary"] for operation in found.values())
    for route in API.routes:
        operation = found[route.method, re.sub("<(.+?)>", r"{\1}", route.path)]
        assert ("security" in operation) == bool(route.permission)
        assert ("401" in operation["responses"]) == bool(route.permission)


def test_unknown_fields_are_ruled_out_in_every_request(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    requests = [name for name in schemas if name.endswith("Request")]
    assert len(requests) >= 8
    assert all(schemas[name]["additionalProperties"] is False for name in requests)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    references = set(re.findall(r"#/components/schemas/([^'\"]+)", str(document)))
    assert references <= set(schemas)


def test_query_parameters_are_never_null(document: dict[str, Any]) -> None:
    parameters = [
        p for operation in operations(document).values() for p in operation["parameters"] if p["in"] == "query"
    ]
    assert parameters
    assert not [
        p for p in parameters if "null" in str(p["schema"].get("anyOf", "")) or p["schema"].get("type") == "null"
    ]
