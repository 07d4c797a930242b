"""The records of the configuration seen as data: what the loader checks by and the sample is written from."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Literal, NewType, TypeGuard, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Meta

from datasms_daemon.config.kinds import Duration, Options, Price, Size
from datasms_daemon.model import Record, Secret


class Option(Record, frozen=True):
    """One option: its ``name`` in the file and ``field`` in the record, its type, and what is said about it."""

    name: str
    field: str
    kind: object
    meta: Meta
    default: object

    @property
    def is_required(self) -> bool:
        """Whether the file must give it."""
        return self.default is NODEFAULT


@cache
def options_of(table: type[Options]) -> tuple[Option, ...]:
    """The options of one table, in the order of the record."""
    return tuple(_option(field) for field in msgspec.structs.fields(table))


def _option(field: msgspec.structs.FieldInfo) -> Option:
    kind: object = field.type
    meta = Meta()
    if get_origin(kind) is Annotated:
        kind, meta = get_args(kind)
    default = field.default if field.default_factory is NODEFAULT else field.default_factory()
    return Option(name=field.encode_name, field=field.name, kind=without_none(kind), meta=meta, default=default)


def without_none(kind: object) -> object:
    """``X`` of ``X | None``: the file has no word for None but leaving it out."""
    if not _is_union(kind):
        return kind
    kinds = [each for each in get_args(kind) if each is not NoneType]
    return kinds[0] if len(kinds) == 1 else kind


def _is_union(kind: object) -> bool:
    # ``X | None`` is the one for classes and the other where X is a NewType.
    return get_origin(kind) in (UnionType, Union)


def is_table(kind: object) -> TypeGuard[type[Options]]:
    """Whether it is a table of one shape."""
    return isinstance(kind, type) and issubclass(kind, Options)


def drivers_of(kind: object) -> dict[str, type[Options]]:
    """The tables of a union by the driver they are for; empty for what is no such union."""
    if not _is_union(kind):
        return {}
    return {driver_of(table): table for table in get_args(kind)}


def driver_of(table: type[Options]) -> str:
    """The driver whose options these are."""
    return str(next(option.default for option in options_of(table) if option.name == "driver"))


def element_of(kind: object) -> object | None:
    """``X`` of ``tuple[X, ...]``; None for what is no list."""
    return get_args(kind)[0] if get_origin(kind) is tuple else None


def value_of(kind: object) -> object | None:
    """``X`` of ``dict[str, X]``; None for what is no table of names."""
    return get_args(kind)[1] if get_origin(kind) is dict else None


def words_of(kind: object) -> tuple[str, ...]:
    """The words that may stand for it; empty when it is no choice of words."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return tuple(kind)
    return ()


def expected(kind: object, meta: Meta) -> str:
    """What would be right, for people."""
    if words := words_of(kind) or tuple(drivers_of(kind)):
        return "one of: " + ", ".join(words)
    element = element_of(kind)
    if element is not None:
        return "a list of tables" if is_table(element) or drivers_of(element) else "a list of texts in quotes"
    if is_table(kind) or value_of(kind) is not None:
        return "a table"
    if kind is Duration and meta.ge == 0:
        return f"{_SIMPLE[kind]}, or 0s"
    return _SIMPLE[plain(kind)] + _bounds(meta)


def plain(kind: object) -> object:
    """The type that values of ``kind`` have, but for spans, sizes and prices, which are written in their own way."""
    while isinstance(kind, NewType) and kind not in (Duration, Size, Price):
        kind = kind.__supertype__
    return kind


_SIMPLE: dict[object, str] = {
    str: "a text in quotes",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    Path: "a path in quotes",
    Secret: "a text in quotes",
    Duration: "a time such as 90s, 5m, 2h or 3d",
    Size: "a size such as 500K, 15M or 2G",
    Price: "a price such as 0.9, at most six decimals",
}


def _bounds(meta: Meta) -> str:
    if meta.ge is not None and meta.le is not None:
        return f" from {meta.ge} to {meta.le}"
    if meta.ge is not None:
        return f", at least {meta.ge}"
    if meta.gt is not None:
        return f" above {meta.gt}"
    if meta.max_length is not None:
        return f", at most {meta.max_length} characters"
    return ""


def is_within(number: float, meta: Meta) -> bool:
    """Whether a number keeps the bounds of its option; those of ``inf`` and ``nan`` never."""
    return (
        abs(number) < 1e12
        and (meta.ge is None or number >= meta.ge)
        and (meta.gt is None or number > meta.gt)
        and (meta.le is None or number <= meta.le)
    )
