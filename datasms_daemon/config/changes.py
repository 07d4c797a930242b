"""What differs between two configurations, by names only: a value may be a secret."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from datasms_daemon.config.kinds import Options
from datasms_daemon.config.options import options_of
from datasms_daemon.config.records import Config
from datasms_daemon.model import SectionChange


def changes(old: Config, new: Config) -> tuple[SectionChange, ...]:
    """The tables in which they differ, in the order of the file's sample."""
    found = []
    for option in options_of(Config):
        before, after = getattr(old, option.field), getattr(new, option.field)
        if before != after:
            found.append(_difference(option.name, _parts(before), _parts(after)))
    return tuple(found)


def names(config: Config) -> dict[str, tuple[str, ...]]:
    """The names of what stands in the tables that hold several."""
    tables = {option.name: getattr(config, option.field) for option in options_of(Config)}
    return {name: tuple(_parts(table)) for name, table in tables.items() if not isinstance(table, Options)}


def _difference(section: str, before: Mapping[str, object], after: Mapping[str, object]) -> SectionChange:
    stays = [name for name in after if name in before]
    return SectionChange(
        section,
        added=tuple(name for name in after if name not in before),
        removed=tuple(name for name in before if name not in after),
        changed=tuple(name for name in stays if before[name] != after[name]),
        reordered=stays != [name for name in before if name in after],
    )


def _parts(table: object) -> dict[str, object]:
    """What a table holds, by name: its entries, or its options."""
    if isinstance(table, Mapping):
        return dict(table)
    return dict(_options(table)) if isinstance(table, Options) else dict(_entries(table))


def _options(table: Options) -> Iterator[tuple[str, object]]:
    for option in options_of(type(table)):
        value = getattr(table, option.field)
        if isinstance(value, Options):
            yield from ((f"{option.name}.{name}", inner) for name, inner in _options(value))
        else:
            yield option.name, value


def _entries(table: object) -> Iterator[tuple[str, object]]:
    """The tables of a list; the second of the same name is ``name (2)``."""
    seen: Counter[str] = Counter()
    for entry in table if isinstance(table, tuple) else ():
        name = str(getattr(entry, "name", entry))
        seen[name] += 1
        yield (name if seen[name] == 1 else f"{name} ({seen[name]})"), entry
