"""Senders' settings: what holds for each of them, and where that stands (original.md § 5.1).

What a sender's own table leaves out comes from his groups in the order of the file, then from their parents in the same
order and so on, then from the defaults. The nearest one that says anything about an option decides it alone.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Generic, Protocol, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from datasms_daemon.rules.conditions import TextCheck, number_check, word_check

Options = TypeVar("Options", bound=Struct)

DEFAULTS = "sender_defaults"
"""The table that holds for everybody."""


class Group(Protocol):
    """A group; it has the options of a sender as well."""

    @property
    def members(self) -> Sequence[str]: ...
    @property
    def parent(self) -> str | None: ...


class Account(Struct, Generic[Options], frozen=True):
    """What holds for one sender: ``groups`` with their parents, nearest first, the ``options``, and the table that each
    option comes from (``sender.NAME``, ``sender_group.NAME``, ``sender_defaults``); one that nobody sets is not in it.
    """

    groups: tuple[str, ...]
    options: Options
    origins: Mapping[str, str]


class Senders(Generic[Options]):
    """The senders of one configuration. Built once, never changes. KeyError: a parent that is no group."""

    def __init__(self, defaults: Options, senders: Mapping[str, Options], groups: Mapping[str, Group]) -> None:
        self._defaults = defaults
        self._senders = senders
        self._groups = groups
        named = {*senders, *(member for group in groups.values() for member in group.members)}
        self._known = {name: self._account(name) for name in named}
        self._other = self._account(None)

    def __contains__(self, sender: str) -> bool:
        """Whether the configuration names this sender; all others are alike."""
        return sender in self._known

    def of(self, sender: str) -> Account[Options]:
        """What holds for a sender, named by the configuration or not."""
        return self._known.get(sender, self._other)

    def _account(self, sender: str | None) -> Account[Options]:
        groups = self._nearest_first([name for name, group in self._groups.items() if sender in group.members])
        sources: list[tuple[str, object]] = [(f"sender_group.{name}", self._groups[name]) for name in groups]
        if sender is not None and sender in self._senders:
            sources.insert(0, (f"sender.{sender}", self._senders[sender]))
        sources.append((DEFAULTS, self._defaults))
        found: dict[str, object] = {}
        origins: dict[str, str] = {}
        for option in self._defaults.__struct_fields__:
            for place, options in sources:
                value = getattr(options, option)
                if value is not None:
                    found[option], origins[option] = value, place
                    break
        return Account(tuple(groups), replace(self._defaults, **found), origins)

    def _nearest_first(self, direct: list[str]) -> list[str]:
        found = dict.fromkeys(direct)
        level = direct
        while level:
            parents = [parent for name in level if (parent := self._groups[name].parent) is not None]
            level = [parent for parent in dict.fromkeys(parents) if parent not in found]
            found |= dict.fromkeys(level)
        return list(found)


class Limits(Protocol):
    """What a sender may do, as the configuration says it."""

    @property
    def lines(self) -> Sequence[str] | None: ...
    @property
    def numbers(self) -> Sequence[str] | None: ...
    @property
    def priorities(self) -> Sequence[str] | None: ...


class Permission(Struct, frozen=True):
    """What a sender may do; None is no limit. ``lines`` are names of lines, without any ``!``."""

    lines: tuple[str, ...] | None = None
    number: TextCheck | None = None
    priority: TextCheck | None = None

    def lines_with(self, key: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """The lines that are allowed here and by the key; None: all."""
        if self.lines is None or key is None:
            return key if self.lines is None else self.lines
        return tuple(line for line in self.lines if line in key)


def permission(
    limits: Limits,
    lines: Iterable[str],
    aliases: Mapping[str, Sequence[str]],
    lists: Mapping[str, Container[str]] = MappingProxyType({}),
) -> Permission:
    """The limits ready to be asked; ``lines`` are all that there are, ``lists`` the number lists."""
    may_use = None if limits.lines is None else word_check(limits.lines)
    return Permission(
        lines=None if may_use is None else tuple(line for line in lines if may_use(line)),
        number=None if limits.numbers is None else number_check(limits.numbers, aliases, lists),
        priority=None if limits.priorities is None else word_check(limits.priorities),
    )
