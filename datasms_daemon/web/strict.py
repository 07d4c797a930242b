"""Strict decoding of JSON and query strings into msgspec records, with every fault named (reliability.md § 5a).

The good case costs one msgspec decode and one pass of the standard library's C scanner, which sees what msgspec
forgives: a key that stands twice. Everything else here runs only once something is wrong.
"""

from __future__ import annotations

import difflib
import json
import re
import types
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Annotated, Generic, TypeVar, Union, cast, get_args, get_origin
from urllib.parse import parse_qsl

import msgspec

from datasms_daemon.model import Problem
from datasms_daemon.web.problems import HttpProblem

MAX_DEPTH = 32
MAX_FAULTS = 100

T = TypeVar("T")

_PLACE = re.compile(r" - at `[^`]*`$")


class _Unreadable(ValueError):
    """JSON that the grammar allows and we do not."""


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise _Unreadable(f"The key {_shown(twice)} stands more than once in an object")
    return found


def _constant(name: str) -> object:
    raise _Unreadable(f"{name} is not JSON")


_scan = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant).decode


class JsonDecoder(Generic[T]):
    """Decodes bodies that are one of ``types``: the first that fits.

    HttpProblem ``malformed`` (400) when it is not strict JSON, ``invalid`` (422) with all faults when it is no such
    record.
    """

    def __init__(self, *records: type[T]) -> None:
        self._records = records
        self._decode_first = msgspec.json.Decoder(records[0]).decode
        self._others = [msgspec.json.Decoder(record).decode for record in records[1:]]

    def decode(self, raw: bytes) -> T:
        """The record; HttpProblem as the class says."""
        try:
            found = self._decode_first(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return self._decode_other(raw)
        scan(raw)
        return found

    def _decode_other(self, raw: bytes) -> T:
        content = scan(raw)
        for decode in self._others:
            try:
                return decode(raw)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
        if _depth_exceeds(content, MAX_DEPTH):
            raise HttpProblem("malformed", f"The JSON is nested deeper than {MAX_DEPTH}")
        problems = faults(content, self._intended(content))
        if not problems:
            raise HttpProblem("malformed", "The body is not valid JSON in UTF-8")
        raise HttpProblem("invalid", "The body is not what is expected here", problems)

    def _intended(self, content: object) -> type[T]:
        if not isinstance(content, dict):
            return self._records[0]
        return max(self._records, key=lambda record: len(content.keys() & _fields(record).keys()))


def scan(raw: bytes) -> object:
    """The plain content of strict JSON: UTF-8, no key twice, no NaN; HttpProblem ``malformed`` otherwise."""
    if not raw:
        raise HttpProblem("malformed", "The body is empty")
    try:
        return cast(object, _scan(raw.decode("utf-8")))
    except _Unreadable as fault:
        raise HttpProblem("malformed", str(fault)) from None
    except RecursionError:
        raise HttpProblem("malformed", f"The JSON is nested deeper than {MAX_DEPTH}") from None
    except json.JSONDecodeError as fault:
        raise HttpProblem("malformed", f"The body is not JSON: {fault.msg} at character {fault.pos}") from None
    except UnicodeDecodeError:
        raise HttpProblem("malformed", "The body is not UTF-8") from None
    except ValueError:
        # A number of more digits than Python converts.
        raise HttpProblem("malformed", "The body holds a number that is too long") from None


class QueryDecoder(Generic[T]):
    """Decodes query strings into ``record``; a field that is a tuple may be given several times.

    HttpProblem ``bad_query`` (400) with all faults: an unknown parameter, one given twice, a value that does not fit.
    """

    def __init__(self, record: type[T]) -> None:
        self._record = record
        self._fields = _fields(record)
        self._many = {name for name, field in self._fields.items() if get_origin(_bare(field.type)) is tuple}
        self._none = msgspec.convert({}, record) if not any(f.required for f in self._fields.values()) else None

    def decode(self, query: bytes) -> T:
        """The record; HttpProblem as the class says."""
        if not query and self._none is not None:
            return self._none
        return self.convert(_pairs(query))

    def convert(self, pairs: Iterable[tuple[str, str]]) -> T:
        """As ``decode``, for parameters that were found elsewhere."""
        values: dict[str, str | list[str]] = {}
        problems = []
        for name, value in pairs:
            if name in self._many:
                cast(list[str], values.setdefault(name, [])).append(value)
            elif name in values:
                problems.append(Problem(f"/{_token(name)}", "given more than once"))
            else:
                values[name] = value
        try:
            if not problems:
                return msgspec.convert(values, self._record, strict=False)
        except msgspec.ValidationError:
            problems += faults(values, self._record, strict=False)
        raise HttpProblem("bad_query", "A query parameter cannot be used", problems)


def _pairs(query: bytes) -> list[tuple[str, str]]:
    try:
        text = query.decode("ascii")
        return parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), errors="strict", max_num_fields=64)
    except (ValueError, UnicodeDecodeError):
        raise HttpProblem("bad_query", "The query string cannot be read") from None


def faults(content: object, kind: object, *, strict: bool = True) -> list[Problem]:
    """Every reason why ``content`` is no ``kind``, each with its JSON pointer; empty when it is one.

    The first ``MAX_FAULTS`` of them, so that a body full of faults cannot keep us busy.
    """
    return list(islice(_faults(content, kind, "", strict), MAX_FAULTS))


def _faults(content: object, kind: object, pointer: str, strict: bool) -> Iterator[Problem]:
    try:
        msgspec.convert(content, kind, strict=strict)
        return
    except msgspec.ValidationError as error:
        message = _PLACE.sub("", str(error))
    inner = _inner_faults(content, _bare(kind), pointer, strict)
    first = next(inner, None)
    if first is None:
        yield Problem(pointer, message)
    else:
        yield first
        yield from inner


def _inner_faults(content: object, kind: object, pointer: str, strict: bool) -> Iterator[Problem]:
    origin, arguments = get_origin(kind), get_args(kind)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and isinstance(content, dict):
        yield from _struct_faults(content, kind, pointer, strict)
    elif origin in (tuple, list) and isinstance(content, list):
        for index, item in enumerate(content):
            yield from _faults(item, arguments[0], f"{pointer}/{index}", strict)
    elif origin is dict and isinstance(content, dict):
        for key, item in content.items():
            yield from _faults(key, arguments[0], f"{pointer}/{_token(key)}", strict)
            yield from _faults(item, arguments[1], f"{pointer}/{_token(key)}", strict)


def _struct_faults(content: dict[str, object], kind: object, pointer: str, strict: bool) -> Iterator[Problem]:
    fields = _fields(kind)
    for name, field in fields.items():
        if name in content:
            yield from _faults(content[name], field.type, f"{pointer}/{_token(name)}", strict)
        elif field.required:
            yield Problem(f"{pointer}/{_token(name)}", "is required")
    for name in content.keys() - fields.keys():
        close = difflib.get_close_matches(name[:64], fields, 1)
        hint = f"; did you mean {close[0]}?" if close else ""
        yield Problem(f"{pointer}/{_token(name)}", f"is unknown here{hint}")


def _fields(record: object) -> Mapping[str, msgspec.structs.FieldInfo]:
    if not (isinstance(record, type) and issubclass(record, msgspec.Struct)):
        return {}
    return {field.encode_name: field for field in msgspec.structs.fields(record)}


def _bare(kind: object) -> object:
    """``kind`` without ``Annotated`` and without its ``None``."""
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        members = [member for member in get_args(kind) if member is not type(None)]
        if len(members) == 1:
            return _bare(members[0])
    return kind


def _token(name: str) -> str:
    """``name`` as a part of a JSON pointer (RFC 6901 section 3)."""
    return _shown(name).replace("~", "~0").replace("/", "~1")


def _shown(name: str) -> str:
    return name[:64].encode("utf-8", "replace").decode("utf-8")


def _depth_exceeds(content: object, limit: int) -> bool:
    level = [content]
    for _ in range(limit + 1):
        children: list[object] = []
        for item in level:
            if isinstance(item, dict):
                children += item.values()
            elif isinstance(item, list):
                children += item
        if not children:
            return False
        level = children
    return True
