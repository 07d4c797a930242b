"""From the tables of the file to records, collecting every problem on the way.

What is wrong is replaced by its default, or by nothing, so that the checks of the whole can still be made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, cast

from msgspec import Meta

from datasms_daemon.config.files import Files
from datasms_daemon.config.kinds import Duration, Options, Price, Size
from datasms_daemon.config.options import (
    Option,
    drivers_of,
    element_of,
    expected,
    is_table,
    is_within,
    options_of,
    plain,
    value_of,
    words_of,
)
from datasms_daemon.config.problems import Problems, below, nearest
from datasms_daemon.config.units import parse_duration, parse_price, parse_size
from datasms_daemon.model import Secret

LATER_OPTIONS = frozenset({"proxy"})
LATER_DRIVERS = frozenset({"http", "smtp"})
_LATER: Final = "not supported yet"
_NO_TIME = ("0s", "0m", "0h", "0d")
_LONGEST_MS = 3650 * 86_400_000


class _Wrong:
    """Stands for a value that was refused."""


_WRONG = _Wrong()


class Reader:
    """Reads one file's tables; problems and warnings are left in what it was given.

    ``has_secrets`` tells afterwards whether a secret stands in the file itself.
    """

    def __init__(self, problems: Problems, files: Files) -> None:
        self.has_secrets = False
        self._problems = problems
        self._files = files

    def table(self, shape: type[Options], raw: Mapping[str, object], place: str, base: Options | None) -> Options:
        """The record of one table. What the file leaves out is taken from ``base``, else from the defaults."""
        options = options_of(shape)
        known = [option.name for option in options]
        files = {f"{option.name}_file": option for option in options if option.kind is Secret}
        values: dict[str, object] = {}
        for option in options:
            default = getattr(base, option.field) if base is not None else option.default
            values[option.field] = self._option(option, raw, place, default)
        for key in raw:
            if key not in known and key not in files:
                self._unknown(key, place, [*known, *files])
            elif key in files and files[key].name in raw:
                self._problems.add(below(place, key), f"{files[key].name} is given too", "one of the two is enough")
        return cast(Callable[..., Options], shape)(**values)

    def _unknown(self, key: str, place: str, known: list[str]) -> None:
        # The value is not shown: it may be a secret under a mistyped name.
        if key in LATER_OPTIONS:
            self._problems.add(below(place, key), _LATER, "leave it out")
        else:
            here = nearest(key, known, "known here: " + ", ".join(sorted(known)))
            self._problems.add(below(place, key), "unknown option", here)

    def _option(self, option: Option, raw: Mapping[str, object], place: str, default: object) -> object:
        here = below(place, option.name)
        if option.name in raw:
            value = self._value(option.kind, raw[option.name], here, option.meta, default)
            if value is not _WRONG:
                return value
        elif option.kind is Secret and f"{option.name}_file" in raw:
            return self._secret(raw[f"{option.name}_file"], f"{here}_file")
        elif option.is_required and default is option.default:
            self._problems.add(here, "missing", f"{expected(option.kind, option.meta)}: {option.meta.description}")
        return _nothing(option.kind) if option.is_required and default is option.default else default

    def _secret(self, raw: object, place: str) -> Secret:
        path = self._file(raw, place)
        text = self._files.secret(path) if isinstance(path, Path) else None
        if text is None:
            self._problems.add(place, "holds no secret that can be read", "a file with one line of text", raw)
        return Secret(text or "")

    def _file(self, raw: object, place: str) -> object:
        if not isinstance(raw, str) or not raw:
            return self._refuse(raw, place, "is no path", "a path in quotes")
        path = self._files.existing(raw)
        if path is None:
            right = "a file, relative to this one, or a systemd credential"
            return self._refuse(raw, place, f"there is no file {self._files.path(raw)}", right)
        return path

    def _refuse(self, raw: object, place: str, wrong: str, right: str) -> _Wrong:
        self._problems.add(place, wrong, right, raw)
        return _WRONG

    def _value(self, kind: object, raw: object, place: str, meta: Meta, default: object) -> object:
        right = expected(kind, meta)
        element, named, drivers = element_of(kind), value_of(kind), drivers_of(kind)
        if words := words_of(kind):
            return self._word(kind, words, raw, place, right)
        if element is not None:
            return self._list(element, raw, place, right, meta)
        if not isinstance(raw, Mapping) and (named is not None or is_table(kind) or drivers):
            return self._refuse(raw, place, "is no table", "a table")
        if isinstance(raw, Mapping):
            if named is not None:
                return self._names(named, raw, place, default)
            if drivers:
                return self._driver(drivers, raw, place)
            if is_table(kind):
                return self.table(kind, raw, place, default if isinstance(default, Options) else None)
        return self._simple(plain(kind), raw, place, meta, right)

    def _word(self, kind: object, words: tuple[str, ...], raw: object, place: str, right: str) -> object:
        if not isinstance(raw, str) or raw not in words:
            return self._refuse(raw, place, "is not one of the words", right)
        return cast(Callable[[str], str], kind)(raw) if isinstance(kind, type) else raw

    def _list(self, element: object, raw: object, place: str, right: str, meta: Meta) -> object:
        if element is str and isinstance(raw, str):
            raw = [raw]
        if not isinstance(raw, list):
            return self._refuse(raw, place, "is no list", right)
        if len(raw) < (meta.min_length or 0):
            return self._refuse(raw, place, "is empty", right)
        values = []
        for number, each in enumerate(raw, start=1):
            name = each.get("name") if isinstance(each, dict) else None
            here = below(place, name if isinstance(name, str) and name else number)
            values.append(self._value(element, each, here, Meta(), None))
        return tuple(value for value in values if value is not _WRONG)

    def _names(self, kind: object, raw: Mapping[str, object], place: str, default: object) -> object:
        defaults = default if isinstance(default, dict) and is_table(kind) else {}
        values = dict(defaults)
        for name, each in raw.items():
            value = self._value(kind, each, below(place, name), Meta(), defaults.get(name))
            if value is not _WRONG:
                values[name] = value
        return values

    def _driver(self, drivers: dict[str, type[Options]], raw: Mapping[str, object], place: str) -> object:
        driver, right = raw.get("driver"), "one of: " + ", ".join(drivers)
        if isinstance(driver, str) and driver in drivers:
            return self.table(drivers[driver], raw, place, None)
        here = below(place, "driver")
        if driver is None:
            self._problems.add(here, "missing", right)
        elif isinstance(driver, str) and driver in LATER_DRIVERS:
            self._problems.add(here, _LATER, right, driver)
        else:
            self._problems.add(here, "there is no such driver", right, driver)
        # A stand-in under the same name, so that rules that name it are not called wrong as well.
        name = raw.get("name")
        stand_in = next(iter(drivers.values()))
        return cast(Callable[..., Options], stand_in)(name=name if isinstance(name, str) else "")

    def _simple(self, kind: object, raw: object, place: str, meta: Meta, right: str) -> object:
        if kind is Path:
            return self._path(raw, place, right)
        if kind is Secret:
            self.has_secrets = True
            return Secret(raw) if isinstance(raw, str) else self._refuse(Secret(""), place, "is no text", right)
        if kind is Duration and meta.ge == 0 and raw in _NO_TIME:
            return 0
        if kind in (Duration, Size):
            number = (parse_duration if kind is Duration else parse_size)(raw) if isinstance(raw, str) else None
            too_long = kind is Duration and number is not None and number > _LONGEST_MS
            return self._refuse(raw, place, "cannot be read", right) if number is None or too_long else number
        if kind is Price:
            price = parse_price(raw)
            return self._refuse(raw, place, "is no price", right) if price is None else price
        if kind is str:
            is_right = isinstance(raw, str) and len(raw) <= (meta.max_length or 1000)
        elif kind is bool:
            is_right = isinstance(raw, bool)
        else:
            is_number = isinstance(raw, int) or (kind is float and isinstance(raw, float))
            is_right = is_number and not isinstance(raw, bool) and is_within(cast(float, raw), meta)
        return raw if is_right else self._refuse(raw, place, "is not right", right)

    def _path(self, raw: object, place: str, right: str) -> object:
        if place.endswith(("_file", ".file")):
            return self._file(raw, place)
        if not isinstance(raw, str) or not raw:
            return self._refuse(raw, place, "is no path", right)
        return self._files.path(raw)


def _nothing(kind: object) -> object:
    """What stands for a required value that is not there."""
    if element_of(kind) is not None:
        return ()
    if value_of(kind) is not None:
        return {}
    return {str: "", Path: Path(), Secret: Secret("")}.get(cast(type, plain(kind)), 0)
