"""The OpenAPI 3.1 document of an Api, made of its declared routes and the very records that decode requests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec

from datasms_daemon.web.bodies import NoBody
from datasms_daemon.web.problems import CATALOGUE, problem_schema
from datasms_daemon.web.routes import PUBLIC, Api, Call, Caller, Reply, Route

API_VERSION = "1"
_TEMPLATE = "#/components/schemas/{name}"
_VARIABLE = re.compile(r"<([^>]+)>")
_WITH_RETRY = ("too_many_requests", "unavailable", "disk_full")

C = TypeVar("C", bound=Caller)
Json = dict[str, object]


def add_openapi(api: Api[C]) -> None:
    """Serves the document of ``api`` at /openapi.json, to everybody."""
    encoded = b""

    async def openapi(call: Call[C, None, None]) -> Reply:
        nonlocal encoded
        encoded = encoded or msgspec.json.encode(document(api.title, api.routes))
        return Reply(encoded)

    api.route("GET", "/openapi.json", permission=PUBLIC, summary="This document", answer=dict)(openapi)


def document(title: str, routes: Iterable[Route]) -> Json:
    """The document as plain data."""
    routes = list(routes)
    kinds = list(dict.fromkeys(kind for route in routes for kind in _kinds(route)))
    found, components = msgspec.json.schema_components(kinds, ref_template=_TEMPLATE)
    schemas: Mapping[object, Json] = dict(zip(kinds, found, strict=True))
    paths: dict[str, Json] = {}
    for route in routes:
        path = _VARIABLE.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": API_VERSION},
        "paths": paths,
        "components": {
            "schemas": {**components, "Problem": problem_schema()},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _kinds(route: Route) -> Iterable[object]:
    for media in route.body.media.values():
        yield from media if isinstance(media, tuple) else (media,)
    for kind in (route.query, route.answer):
        if kind is not None:
            yield kind
    yield from route.parameters.values()
    yield from route.headers.values()


def _operation(route: Route, schemas: Mapping[object, Json]) -> Json:
    operation: Json = {
        "operationId": f"{route.method.lower()} {route.path}",
        "summary": route.summary,
        "parameters": _parameters(route, schemas),
        "responses": _responses(route, schemas),
    }
    if route.permission:
        operation["security"] = [{"key": []}]
        operation["description"] = f"Needs the right {' or '.join(route.permission)}."
    if not isinstance(route.body, NoBody):
        content = {media: {"schema": _body(kinds, schemas)} for media, kinds in route.body.media.items()}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _body(kinds: object, schemas: Mapping[object, Json]) -> Json:
    if not isinstance(kinds, tuple):
        return schemas[kinds]
    return schemas[kinds[0]] if len(kinds) == 1 else {"oneOf": [schemas[kind] for kind in kinds]}


def _parameters(route: Route, schemas: Mapping[object, Json]) -> list[Json]:
    found: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": schemas[kind]}
        for name, kind in route.parameters.items()
    ]
    found += [{"name": name, "in": "header", "schema": schemas[kind]} for name, kind in route.headers.items()]
    if route.query is not None:
        for field in msgspec.structs.fields(route.query):
            schema = _without_null(msgspec.json.schema(field.type, ref_template=_TEMPLATE))
            found.append({"name": field.encode_name, "in": "query", "required": field.required, "schema": schema})
    return found


def _without_null(schema: Json) -> Json:
    """A query parameter is a text or is not there."""
    schema.pop("$defs", None)
    choices = schema.get("anyOf")
    if isinstance(choices, list):
        kept = [choice for choice in choices if choice != {"type": "null"}]
        if len(kept) == 1 and len(kept) < len(choices):
            return {**{name: value for name, value in schema.items() if name != "anyOf"}, **kept[0]}
    return schema


def _responses(route: Route, schemas: Mapping[object, Json]) -> Json:
    by_status: dict[int, list[str]] = {}
    for code in _codes(route):
        by_status.setdefault(CATALOGUE[code].status, []).append(code)
    responses: Json = {str(status): _good(route, schemas) for status in (route.status, *route.also)}
    for status, codes in sorted(by_status.items()):
        responses[str(status)] = _bad(codes)
    return responses


def _good(route: Route, schemas: Mapping[object, Json]) -> Json:
    if route.answer is None:
        return {"description": "Done"}
    content: Json = {} if route.answer is str else {"application/json": {"schema": schemas[route.answer]}}
    content.update({media: {"schema": {"type": "string"}} for media in route.media})
    return {"description": "As asked", "content": content}


def _bad(codes: list[str]) -> Json:
    schema = {"$ref": _TEMPLATE.format(name="Problem")}
    response: Json = {
        "description": "; ".join(f"{code}: {CATALOGUE[code].title}" for code in codes),
        "content": {"application/problem+json": {"schema": schema}, "text/plain": {"schema": {"type": "string"}}},
    }
    if any(code in _WITH_RETRY for code in codes):
        response["headers"] = {"Retry-After": {"schema": {"type": "integer", "minimum": 0}}}
    return response


def _codes(route: Route) -> list[str]:
    """Every code that the route can end with: the dispatcher's own and those the handler names."""
    codes = ["malformed", "bad_query", "timeout", "too_large", "headers_too_large", "internal", "unavailable"]
    codes += route.problems
    if route.permission:
        codes += ["unauthorised", "forbidden", "too_many_requests"]
    if route.parameters:
        codes.append("not_found")
    if not isinstance(route.body, NoBody):
        codes.append("unsupported_media_type")
    if not isinstance(route.body, NoBody) or route.query is not None:
        codes.append("invalid")
    return list(dict.fromkeys(codes))
