"""The configuration as operators see it: which one is in use since when, and what a new one changed."""

from __future__ import annotations

from datasms_daemon.model.words import Record


class SectionChange(Record, frozen=True):
    """What differs in one table of the file, by the names in it; ``reordered``: the same in another order."""

    section: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    reordered: bool = False


class Reloaded(Record, frozen=True):
    """What became of a reload: all ``problems``, and then nothing was changed; or what is different now.

    ``hash`` is the SHA-256 of the file in use, in hex.
    """

    problems: tuple[str, ...] = ()
    changes: tuple[SectionChange, ...] = ()
    warnings: tuple[str, ...] = ()
    hash: str = ""


class RunningConfiguration(Record, frozen=True):
    """Which file is in use, its SHA-256, since when (UTC ms), by whom, and the names in each of its tables."""

    file: str | None
    hash: str
    since: int
    by: str
    names: dict[str, tuple[str, ...]]
