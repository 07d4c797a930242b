"""What a request may carry: type, then size, then schema, then decode; the limit is named where a route is declared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Generic, TypeVar

from msgspec import Meta

from datasms_daemon.web.problems import HttpProblem
from datasms_daemon.web.request import Request
from datasms_daemon.web.streams import BodyStream
from datasms_daemon.web.strict import JsonDecoder

JSON_LIMIT = 256 * 1024
TEXT_LIMIT = 64 * 1024

_BINARY = Annotated[str, Meta(min_length=1, extra_json_schema={"format": "binary"})]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Body(ABC, Generic[T_co]):
    """A kind of body: at most ``limit`` bytes; ``media`` maps each type that is taken to what its schema is."""

    limit = 0
    media: Mapping[str, object] = MappingProxyType({})

    def of(self, request: Request) -> T_co:
        """What the request carries; HttpProblem as ``decode``."""
        types = request.requestHeaders.getRawHeaders(b"content-type")
        return self.decode(types[0] if types else None, request.body)

    def decode(self, content_type: bytes | None, raw: bytes) -> T_co:
        """The checked content; HttpProblem when it is too large, of another type, or faulty."""
        if len(raw) > self.limit:
            raise HttpProblem("too_large", f"At most {self.limit} bytes are taken here")
        return self.read(content_type, raw)

    @abstractmethod
    def read(self, content_type: bytes | None, raw: bytes) -> T_co:
        """``decode`` after the size was checked."""


class NoBody(Body[None]):
    """Nothing may be sent."""

    def read(self, content_type: bytes | None, raw: bytes) -> None:
        """Nothing."""


class Json(Body[T]):
    """JSON that is one of ``records``; ``also`` maps further media types to their readers."""

    def __init__(
        self, *records: type[T], limit: int = JSON_LIMIT, also: Mapping[str, Callable[[bytes], T]] | None = None
    ) -> None:
        self.limit = limit
        self._decode = JsonDecoder(*records).decode
        self._also = also or {}
        self.media = {"application/json": records, **dict.fromkeys(self._also, str)}

    def read(self, content_type: bytes | None, raw: bytes) -> T:
        """The record."""
        if content_type == b"application/json":
            return self._decode(raw)
        media = media_type(content_type)
        if media == "application/json":
            return self._decode(raw)
        if media in self._also:
            return self._also[media](raw)
        raise unsupported(self.media)


class Text(Body[str]):
    """A text in UTF-8, whatever type the client gave it (``curl -d`` calls it a form)."""

    media: Mapping[str, object] = MappingProxyType({"text/plain": str, "application/x-www-form-urlencoded": str})

    def __init__(self, *, limit: int = TEXT_LIMIT) -> None:
        self.limit = limit

    def read(self, content_type: bytes | None, raw: bytes) -> str:
        """The text."""
        if content_type is not None and media_type(content_type) not in self.media:
            raise unsupported(self.media)
        return utf8(raw)


class Raw(Body[bytes]):
    """JSON by what it should be, but bytes of any type as they come: a signature is checked on them."""

    media: Mapping[str, object] = MappingProxyType({"application/json": dict})

    def __init__(self, *, limit: int = JSON_LIMIT) -> None:
        self.limit = limit

    def read(self, content_type: bytes | None, raw: bytes) -> bytes:
        """As they are."""
        return raw


class Streamed(Body[BodyStream]):
    """Bytes of any type, given to the handler as they come; ``most`` tells for each request how many may."""

    media: Mapping[str, object] = MappingProxyType({"application/octet-stream": _BINARY})

    def __init__(self, most: Callable[[], int]) -> None:
        self.most = most

    def of(self, request: Request) -> BodyStream:
        """The stream; the channel keeps it to its limit."""
        assert request.incoming is not None, "the site begins such a request at its head"
        return request.incoming

    def read(self, content_type: bytes | None, raw: bytes) -> BodyStream:
        """Never: there is no whole body."""
        raise NotImplementedError


def utf8(raw: bytes) -> str:
    """``raw`` as text; HttpProblem ``malformed`` when it is no UTF-8."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise HttpProblem("malformed", "The body is not UTF-8") from None


def media_type(content_type: bytes | None) -> str:
    """The type without its parameters, in lower case; empty when there is none or it names another charset."""
    if content_type is None:
        return ""
    media, _, parameters = content_type.decode("latin-1").lower().partition(";")
    name, _, charset = parameters.strip().partition("=")
    if name == "charset" and charset.strip('"') not in ("utf-8", "utf8", "us-ascii"):
        return ""
    return media.strip()


def unsupported(media: Mapping[str, object]) -> HttpProblem:
    """415, naming what is taken."""
    return HttpProblem("unsupported_media_type", f"Send one of: {', '.join(media)}; charset utf-8")
