"""Lists as programs keep them: a page as JSON, as CSV, or as one JSON object a line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from datasms_daemon.gateway.records import Page
from datasms_daemon.model import Key
from datasms_daemon.ops.printable import cell
from datasms_daemon.web.routes import Call, Reply

CSV = b"text/csv"
NDJSON = b"application/x-ndjson"
MEDIA = (CSV.decode(), NDJSON.decode())

T = TypeVar("T", bound=msgspec.Struct)

_lines = msgspec.json.Encoder().encode_lines


def as_accepted(call: Call[Key, None, object], found: Page[T], shape: type[T]) -> Page[T] | Reply:
    """The page as the caller's Accept header wants it; the cursor of CSV and of lines is in the Link header."""
    if call.accepts(CSV):
        return Reply(table(shape, found.items), headers=_link(found), media=b"text/csv; charset=utf-8")
    if call.accepts(NDJSON):
        return Reply(_lines(found.items), headers=_link(found), media=NDJSON)
    return found


def table(shape: type[T], items: Iterable[T], *, heads: bool = True) -> bytes:
    """The items as CSV, under their names; what a spreadsheet would calculate is made a text."""
    file = io.StringIO()
    writer = csv.writer(file)
    if heads:
        writer.writerow(shape.__struct_encode_fields__)
    writer.writerows(map(_cell, msgspec.structs.astuple(item)) for item in items)
    return file.getvalue().encode("utf-8")


def _cell(value: object) -> object:
    """A list is written as JSON, an empty one as nothing."""
    if isinstance(value, tuple):
        value = msgspec.json.encode(value).decode() if value else None
    return cell(value)


def _link(found: Page[T]) -> tuple[tuple[bytes, bytes], ...]:
    if found.next is None:
        return ()
    return ((b"Link", f'<?after={found.next}>; rel="next"'.encode("ascii")),)
