"""Exported Windows registries: ``.reg`` files as ``regedit`` and ``reg export`` write them."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from datasms_daemon.model import Record

_HEADS = ("Windows Registry Editor Version 5.00", "REGEDIT4")
_VALUE = re.compile(r'(?:"((?:[^"\\]|\\.)*)"|(@))\s*=\s*(.*)', re.DOTALL)
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_HEX = re.compile(r"hex(?:\(([0-9a-f]+)\))?:(.*)", re.IGNORECASE | re.DOTALL)
_EXPANDABLE, _MULTIPLE = "2", "7"


class Key(Record, frozen=True):
    """One key: its whole path, and its values by name (``@`` is the default one); numbers are written as digits."""

    path: str
    values: dict[str, str]


class Export(Record, frozen=True):
    """The keys in the order of the file, and what could not be read, a sentence each."""

    keys: tuple[Key, ...]
    problems: tuple[str, ...]


def decoded(content: bytes) -> str:
    """The text of a file in UTF-16 or UTF-8, else in Windows' Central European code page."""
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"), (b"", "utf-8-sig")):
        if content.startswith(mark):
            try:
                return content.decode(encoding)
            except UnicodeDecodeError:
                continue
    return content.decode("cp1250", "replace")


def parse(text: str) -> Export:
    """The keys of an export. ValueError: this is no such file."""
    lines = text.replace("\r\n", "\n").lstrip().split("\n")
    if lines[0].strip() not in _HEADS:
        raise ValueError(f"is no exported registry: it does not begin with {_HEADS[0]!r}")
    keys: dict[str, dict[str, str]] = {}
    problems: list[str] = []
    path = None
    for number, entry in _entries(lines[1:]):
        if entry.startswith("["):
            path = entry[1:].rstrip().removesuffix("]")
            if path.startswith("-"):
                path = None
            else:
                keys.setdefault(path, {})
        elif path is None or (found := _VALUE.fullmatch(entry)) is None:
            problems.append(f"line {number} cannot be read")
        elif (value := _value(found[3].strip())) is None:
            problems.append(f"line {number}: this kind of value cannot be read")
        else:
            keys[path][_plain(found[1]) if found[2] is None else "@"] = value
    return Export(tuple(Key(path, values) for path, values in keys.items()), tuple(problems))


def _entries(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Keys and values with the number of their first line; what is continued on the next lines is put together."""
    entry, first = "", 0
    for number, line in enumerate(lines, start=2):
        if not entry:
            if not line.strip() or line.lstrip().startswith(";"):
                continue
            first = number
        entry += line.strip() if entry.startswith('"') and "=hex" in entry else line
        if entry.endswith("\\") and "=hex" in entry:
            entry = entry.removesuffix("\\")
        elif not _is_open(entry):
            yield first, entry.strip()
            entry = ""
        else:
            entry += "\n"
    if entry:
        yield first, entry.strip()


def _is_open(entry: str) -> bool:
    """Whether a text in quotes has begun that does not end here."""
    return not entry.startswith("[") and '"' in re.sub(r'"(?:[^"\\]|\\.)*"', "", entry, flags=re.DOTALL)


def _plain(quoted: str) -> str:
    return _ESCAPED.sub(r"\1", quoted)


def _value(written: str) -> str | None:
    if (string := _STRING.fullmatch(written)) is not None:
        return _plain(string[1])
    kind, _, digits = written.partition(":")
    try:
        if kind.lower() == "dword":
            return str(int(digits, 16))
        if (hexed := _HEX.fullmatch(written)) is not None and hexed[1] in (_EXPANDABLE, _MULTIPLE):
            text = bytes(int(octet, 16) for octet in hexed[2].split(",") if octet.strip()).decode("utf-16-le")
            return ",".join(text.rstrip("\0").split("\0"))
    except ValueError:
        pass
    return None
