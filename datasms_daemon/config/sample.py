"""The sample configuration file, written from the records so that it cannot be out of date.

A line that begins with ``#`` and no space is an option: take the ``#`` away to set it. What is set without that are the
defaults, hence the sample as it is means the same as no file at all.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from datasms_daemon.config.applications import Application
from datasms_daemon.config.check_inbound import OUT_ONLY
from datasms_daemon.config.kinds import Duration, Options, Price, Size
from datasms_daemon.config.options import (
    Option,
    driver_of,
    drivers_of,
    element_of,
    is_table,
    options_of,
    plain,
    value_of,
    words_of,
)
from datasms_daemon.config.records import Config, InboundRule, Webhook
from datasms_daemon.config.units import format_duration, format_price, format_size
from datasms_daemon.model import Secret

_WIDTH = 116

_HEAD = """\
# The configuration of datasms. Every option stands here with its default.
# A line that begins with "#" and no space is an option: take the "#" away to set it.
# Relative paths are relative to this file. Times are written 90s, 5m, 2h, 3d; sizes 500K, 15M, 2G.
# A secret NAME may be given as NAME_file: a file with one line of text, or a systemd credential of that name.
# Try it with: datasms --config FILE check-config
"""

_EXAMPLE_NAMES = {"smpp": "sms-o2"}

_EXAMPLE_RULES = """\
# Steps are tables of their own: line, wait, success, on_unknown, attempts. For example, before "everybody":
#[[rule]]
#name = "night-shift alarms"
#when = { priority = ["high"], recipient_group = ["night-shift"] }
#steps = [{ line = "datasms", wait = "45s", success = "delivered" }, { line = "sms-o2" }]
"""


_EXAMPLES: dict[type[Options], str] = {
    Application: """# application tables may be as many as you like, for example:
#[[application]]
#name = "info"
#plugin = "keywords"
#options = { hours = "Mon-Fri 8-17" }
""",
    Webhook: """# webhook tables may be as many as you like, for example:
#[[webhook]]
#name = "crm"
#url = "https://crm.example.org/sms"
#secret_file = "crm-webhook-secret"
""",
}


def sample() -> str:
    """The whole file, a valid configuration as it stands."""
    return _HEAD + "".join(_section(option) for option in options_of(Config))


def _section(option: Option) -> str:
    title = f"\n\n# ---- {option.name}: {option.meta.description}\n"
    element, named = element_of(option.kind), value_of(option.kind)
    if is_table(option.kind):
        return title + _table(option.name, option.kind)
    if element is not None and drivers_of(element):
        tables = drivers_of(element)
        return title + "".join(_driver(option.name, name, table) for name, table in tables.items())
    if is_table(element) and element in _EXAMPLES:
        return title + "".join(_listed(options_of(element))) + _EXAMPLES[element]
    if element is not None and is_table(element):
        assert isinstance(option.default, tuple)
        return title + _conditions(element) + "".join(_entry(option.name, entry) for entry in option.default)
    assert isinstance(option.default, Mapping)
    if is_table(named) and not option.default:
        return title + _named_examples(option, named)
    if is_table(named):
        return title + "".join(
            _table(f"{option.name}.{name}", named, entry, described=number == 0)
            for number, (name, entry) in enumerate(option.default.items())
        )
    return title + f"\n[{option.name}]\n" + "".join(_examples(option))


def _table(name: str, table: type[Options], entry: Options | None = None, *, described: bool = True) -> str:
    """One ``[table]`` with all its options commented out, then the tables within it."""
    lines: list[str] = []
    inner: list[str] = []
    for option in options_of(table):
        if is_table(option.kind):
            within = None if entry is None else getattr(entry, option.field)
            inner.append(_table(f"{name}.{option.name}", option.kind, within, described=described))
            continue
        value = option.default if entry is None else getattr(entry, option.field)
        if described:
            lines += _described(option)
        lines.append("#" + _setting(option, value))
    head = f"\n[{name}]\n" if lines else ""
    return head + "".join(lines) + "".join(inner)


def _named_examples(option: Option, table: type[Options]) -> str:
    """Tables that anybody may name as he likes, commented out; the first one with all its options."""
    first, *others = option.meta.examples or []
    text = "\n#" + _table(f"{option.name}.{first}", table).lstrip("\n")
    return text + "".join(f"\n#[{option.name}.{name}]\n" for name in others)


def _driver(name: str, driver: str, table: type[Options]) -> str:
    """One ``[[table]]`` of a driver: set when it is among the defaults, else all of it commented out."""
    defaults = {driver_of(type(entry)): entry for entry in getattr(Config(), name)}
    mark = "" if driver in defaults else "#"
    given = {"name": _EXAMPLE_NAMES.get(driver, driver), "driver": driver}
    lines = [f"\n{mark}[[{name}]]\n"]
    for option in sorted(options_of(table), key=lambda option: option.name not in given):
        is_set = option.name in given or option.is_required
        value = given.get(option.name, option.default)
        lines += [*_described(option), (mark if is_set else "#") + _setting(option, value)]
    return "".join(lines)


def _conditions(table: type[Options]) -> str:
    """What rules of this kind may say, and for outgoing ones an example."""
    when = next(option for option in options_of(table) if option.name == "when")
    others = [option for option in options_of(table) if option.name != "when"]
    assert is_table(when.kind)
    lines = _listed(others)
    lines.append('# when: a table of conditions, each "a", ["a", "b"] for any of them or "!a" for not:\n')
    for option in options_of(when.kind):
        if option.field in OUT_ONLY if table is InboundRule else option.field == "line":
            continue
        example = _plain_toml(option.meta.examples[0]) if option.meta.examples else ""
        lines.append(f"#   {option.name} = {example}: {option.meta.description}\n")
    return "".join(lines) + ("" if table is InboundRule else "\n" + _EXAMPLE_RULES)


def _listed(options: Iterable[Option]) -> list[str]:
    return [f"# {option.name}: {option.meta.description}\n" for option in options]


def _entry(name: str, entry: Options) -> str:
    """One ``[[table]]`` of the defaults, without what is a default itself."""
    options = {option.name: getattr(entry, option.field) for option in options_of(type(entry))}
    defaults = {option.name: option.default for option in options_of(type(entry))}
    lines = [f"{key} = {_plain_toml(value)}\n" for key, value in options.items() if value != defaults[key]]
    return f"\n[[{name}]]\n" + "".join(lines)


def _examples(option: Option) -> Iterator[str]:
    for example in option.meta.examples or []:
        assert isinstance(example, Mapping)
        for name, value in example.items():
            yield f"#{name} = {_plain_toml(value)}\n"


def _described(option: Option) -> list[str]:
    text = option.meta.description or ""
    words = words_of(option.kind)
    if option.meta.ge is not None and option.meta.le is not None:
        text += f" ({option.meta.ge} to {option.meta.le})"
    elif len(words) > 1 and not all(word in text for word in words):
        text += f" ({', '.join(words)})"
    return [f"# {line}\n" for line in textwrap.wrap(text, _WIDTH)]


def _setting(option: Option, value: object) -> str:
    """One line of an option; with an example where there is no value to show."""
    if option.kind is Secret:
        return f"{option.name}_file = {_plain_toml(option.name)}\n"
    if value in (None, msgspec.NODEFAULT, (), {}) and option.meta.examples:
        value = option.meta.examples[0]
    return f"{option.name} = {_span(plain(option.kind), value)}\n"


def _span(kind: object, value: object) -> str:
    if kind is Duration and isinstance(value, int):
        return f'"{format_duration(value)}"'
    if kind is Size and isinstance(value, int):
        return f'"{format_size(value)}"'
    if kind is Price and isinstance(value, int):
        return format_price(value)
    if isinstance(value, Mapping):
        inner = value_of(kind)
        return "{ " + ", ".join(f"{_key(name)} = {_span(inner, each)}" for name, each in value.items()) + " }"
    return _plain_toml(value)


def _key(name: object) -> str:
    return str(name) if re.fullmatch("[A-Za-z0-9_-]+", str(name)) else json.dumps(name, ensure_ascii=False)


def _plain_toml(value: object) -> str:
    """TOML of what has no unit of its own."""
    if isinstance(value, Options):
        shown = {
            option.name: getattr(value, option.field)
            for option in options_of(type(value))
            if getattr(value, option.field) != option.default
        }
        return "{ " + ", ".join(f"{name} = {_plain_toml(each)}" for name, each in shown.items()) + " }"
    if isinstance(value, Mapping):
        return _span(None, value)
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_plain_toml(each) for each in value) + "]"
    # JSON writes texts, numbers, true and false as TOML does.
    return json.dumps(value, ensure_ascii=False)
