"""Refusals as problem documents (RFC 9457), and their catalogue."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from datasms_daemon.model import Problem

JSON_TYPE = b"application/problem+json"
PLAIN_TYPE = b"text/plain; charset=utf-8"


class Kind(NamedTuple):
    """One entry of the catalogue: what a ``code`` means whatever the request was."""

    status: int
    title: str


CATALOGUE: dict[str, Kind] = {
    "malformed": Kind(400, "The request cannot be read"),
    "bad_query": Kind(400, "A query parameter cannot be used"),
    "unauthorised": Kind(401, "Valid credentials are needed"),
    "forbidden": Kind(403, "A right is missing"),
    "not_found": Kind(404, "There is no such thing"),
    "method_not_allowed": Kind(405, "The method is not allowed here"),
    "not_acceptable": Kind(406, "The answer cannot be given in that form"),
    "timeout": Kind(408, "The request took too long to arrive"),
    "conflict": Kind(409, "The state does not allow it"),
    "too_large": Kind(413, "The body is too large"),
    "unsupported_media_type": Kind(415, "The body's type is not understood here"),
    "range_not_satisfiable": Kind(416, "There is nothing in that range"),
    "invalid": Kind(422, "The request can be read but not carried out"),
    "key_reused": Kind(422, "The Idempotency-Key stood for another request"),
    "too_many_requests": Kind(429, "Too many requests"),
    "quota": Kind(429, "The sender has used up a quota"),
    "flood": Kind(429, "A recipient would get too many messages"),
    "headers_too_large": Kind(431, "The head of the request is too large"),
    "internal": Kind(500, "Something went wrong here"),
    "unavailable": Kind(503, "Not possible at the moment"),
    "disk_full": Kind(507, "There is no room for new messages"),
}


class _Document(msgspec.Struct, omit_defaults=True):
    type: str
    title: str
    status: int
    code: str
    detail: str = ""
    errors: tuple[Problem, ...] = ()


_encode = msgspec.json.Encoder().encode


class HttpProblem(Exception):
    """Ends a request with a problem document.

    ``code`` is a word of ``CATALOGUE``; ``detail`` is a sentence for the caller and holds nothing of another
    exception; ``errors`` are all the faults found; ``retry_after`` is in seconds; ``headers`` go out as they are.
    """

    def __init__(
        self,
        code: str,
        detail: str = "",
        errors: Iterable[Problem] = (),
        *,
        retry_after: int | None = None,
        headers: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        super().__init__(code, detail)
        self.code = code
        self.status, self.title = CATALOGUE[code]
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = list(headers)
        if retry_after is not None:
            self.headers.append((b"Retry-After", b"%d" % retry_after))

    def content(self, plain: bool) -> tuple[bytes, bytes]:
        """The media type and the body: one readable line when ``plain``, else the document."""
        if plain:
            return PLAIN_TYPE, self._line().encode("utf-8", "replace")
        document = _Document(
            f"urn:datasms:problem:{self.code}", self.title, self.status, self.code, self.detail, self.errors
        )
        return JSON_TYPE, _encode(document)

    def _line(self) -> str:
        said = [self.detail] if self.detail else []
        said += [f"{error.pointer or '/'}: {error.detail}" for error in self.errors]
        return f"{self.status} {self.code}: {'; '.join(said) or self.title}\n"


def problem_schema() -> dict[str, object]:
    """The JSON Schema of a problem document."""
    text = {"type": "string"}
    error = {"type": "object", "required": ["pointer", "detail"], "properties": {"pointer": text, "detail": text}}
    properties: dict[str, object] = {
        "type": {"type": "string", "format": "uri"},
        "title": text,
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "code": {"type": "string", "enum": sorted(CATALOGUE)},
        "detail": text,
        "errors": {"type": "array", "items": error},
    }
    return {"type": "object", "required": ["type", "title", "status", "code"], "properties": properties}
