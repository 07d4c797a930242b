"""Outgoing rules of the product before us (its 4.x registry, original.md § 2.2 and 4.1) as our configuration.

What it says and we do not know how to say is told, never guessed; a rule of which a part is missing is written, but
switched off, so that no message goes where the old rule would not have sent it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from datasms_daemon.config.registry import Export, Key
from datasms_daemon.model import Record
from datasms_daemon.rules.patterns import NUMBER_REACH, PatternError, compile_pattern

PRIORITIES = {"h": "high", "n": "normal", "l": "low"}
PART, LONGEST = 153, 160

_ROUTE = re.compile(r".*\\MobilChange\\sending\\route\\([^\\]+)", re.IGNORECASE)
_LINE = re.compile(r".*\\MobilChange\\line\\([^\\]+)", re.IGNORECASE)
_LINES = re.compile(r".*\\MobilChange\\line", re.IGNORECASE)
_ALIASES = re.compile(r".*\\MobilChange\\(?:[^\\]+\\)*alias(?:es)?", re.IGNORECASE)
_ALIAS = re.compile(r".*\\MobilChange\\(?:[^\\]+\\)*alias(?:es)?\\([^\\]+)", re.IGNORECASE)
_ABOVE = re.compile(r".*\\MobilChange(?:\\sending(?:\\route)?)?", re.IGNORECASE)
_SHORT = re.compile(r"\^[0-9]{1,6}\$")
_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{[^}]*\}|.", re.DOTALL)
_EVERYTHING = frozenset((".*", "^.*", ".*$", "^.*$", ".+", "^.+$"))
_NAME = re.compile(r"[^A-Za-z0-9._-]+")


class Imported(Record, frozen=True):
    """A configuration file, and what it does not say although the registry did, a sentence each."""

    toml: str
    untranslated: tuple[str, ...]


def imported(export: Export) -> Imported:
    """The rules in their old order (as texts: 1, 10, 2), the lines and aliases that they name."""
    work = _Import(export)
    return Imported("".join(work.written()), (*export.problems, *work.untranslated))


class _Import:
    """One import; ``untranslated`` is whole once everything was written."""

    def __init__(self, export: Export) -> None:
        self.untranslated: list[str] = []
        # The registry knows no case.
        self._keys = [Key(key.path, {name.lower(): value for name, value in key.values.items()}) for key in export.keys]
        self._aliases = dict(self._read_aliases())
        self._lines = {found[1]: key.values for key, found in _matching(self._keys, _LINE)}
        self._known: dict[str, str] = {}

    def written(self) -> Iterator[str]:
        """The file, piece by piece."""
        routes = sorted(_matching(self._keys, _ROUTE), key=lambda route: route[1][1].lower())
        rules = [self._rule(found[1], key.values) for key, found in routes]
        yield "# Imported rules. Complete the lines, and look at every rule that is switched off.\n"
        for old, name in self._known.items():
            yield self._line(old, name)
        if self._aliases:
            yield "\n[alias]\n"
            yield from (f"{_text(name)} = {_texts(patterns)}\n" for name, patterns in self._aliases.items())
        yield from rules
        self._tell_others()

    def _read_aliases(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        named = [
            (name, value, key.path) for key, _ in _matching(self._keys, _ALIASES) for name, value in key.values.items()
        ]
        named += [
            (found[1], value, key.path)
            for key, found in _matching(self._keys, _ALIAS)
            for name, value in key.values.items()
            if name in ("@", "recipient", "body")
        ]
        for name, value, path in named:
            patterns = self._patterns(value, f"alias ${name}", {})
            if patterns is None or _NAME.search(name):
                self._tell(path, f"alias ${name} is left out")
            else:
                yield name, patterns or (".",)

    # --- rules -------------------------------------------------------------------------------------------------------

    def _rule(self, number: str, values: Mapping[str, str]) -> str:
        where, values = f"rule {number}", dict(values)
        line = values.pop("line", "").strip()
        if not line:
            self._tell(where, "names no line and is left out")
            return ""
        recipients = self._patterns(values.pop("recipient", ""), where, self._aliases)
        priorities = self._priorities(values.pop("priorities", ""), where)
        when = []
        if recipients:
            when.append(f"recipient = {_texts(recipients)}")
        if 0 < len(priorities) < len(PRIORITIES):
            when.append(f"priority = {_texts(priorities)}")
        for name, value in values.items():
            self._tell(where, f"{name} = {value!r} is not known")
        lines = [f"\n[[rule]]\nname = {_text(f'route {number}')}\n"]
        if recipients is None or not priorities:
            lines.append("enabled = false\n")
        if when:
            lines.append(f"when = {{ {', '.join(when)} }}\n")
        return "".join((*lines, f"steps = [{{ line = {_text(self._line_name(line))} }}]\n"))

    def _priorities(self, letters: str, where: str) -> list[str]:
        unknown = [letter for letter in letters.lower() if letter not in PRIORITIES and letter not in " ,"]
        for letter in unknown:
            self._tell(where, f"there is no priority {letter!r}; it is switched off")
        found = [name for letter, name in PRIORITIES.items() if letter in letters.lower()]
        if not letters.strip():
            self._tell(where, "has no priorities; it is switched off")
        return [] if unknown else found

    def _patterns(self, written: str, where: str, aliases: Mapping[str, Sequence[str]]) -> tuple[str, ...] | None:
        """Ours; empty for everybody, None when one of them cannot be said."""
        found, is_whole = [], True
        patterns = [each for each in map(str.strip, _split(written)) if each]
        if any(each in _EVERYTHING for each in patterns):
            return ()
        if not patterns:
            self._tell(where, "has no recipient")
        for each in patterns:
            if each.startswith("$") and len(each) > 1:
                ours, wrong = each if each[1:] in aliases else None, "there is no such alias"
            else:
                ours, wrong = _converted(each)
            if ours is None:
                self._tell(where, f"recipient {each!r}: {wrong}")
                is_whole = False
            else:
                found.append(ours)
        return tuple(found) if found and is_whole else None

    # --- lines -------------------------------------------------------------------------------------------------------

    def _line_name(self, old: str) -> str:
        if old not in self._known:
            name = _NAME.sub("-", old).strip("-._")[:60] or "line"
            if name in ("datasms", "default") or name in self._known.values():
                name = f"{name}-{len(self._known) + 1}"
            self._known[old] = name
            if name != old:
                self._tell(f"line {old}", f"is called {name} here")
        return self._known[old]

    def _line(self, old: str, name: str) -> str:
        settings = next((key for key, _ in _matching(self._keys, _LINES)), Key("", {})).values
        values = dict(next((values for known, values in self._lines.items() if known.lower() == old.lower()), {}))
        active = [each.strip().lower() for each in settings.get("active", old).split(",")]
        lines = [
            f'\n[[line]]\nname = {_text(name)}\ndriver = "smpp"\nhost = "smsc.invalid"\nsystem_id = "complete-me"\n'
        ]
        if old.lower() not in active:
            lines.append("enabled = false\n")
        limit = values.pop("daysmslimit", settings.get("daysmslimitdefault", ""))
        if limit.isdigit() and int(limit):
            lines.append(f"day_limit = {int(limit)}\n")
        length = values.pop("bodylen", "")
        if length.isdigit() and int(length):
            lines.append(f"max_parts = {1 if int(length) <= LONGEST else min(255, int(length) // PART)}\n")
        for name_, value in values.items():
            self._tell(f"line {old}", f"{name_} = {value!r} is not translated")
        return "".join(lines)

    # --- what is not said --------------------------------------------------------------------------------------------

    def _tell(self, where: str, what: str) -> None:
        self.untranslated.append(f"{where}: {what}")

    def _tell_others(self) -> None:
        for key in self._keys:
            name = key.path.rpartition("\\")[2]
            if any(pattern.fullmatch(key.path) for pattern in (_ROUTE, _LINES, _ALIASES, _ALIAS)):
                continue
            if _LINE.fullmatch(key.path):
                if name.lower() not in (old.lower() for old in self._known):
                    self._tell(f"line {name}", "no rule names it; it is left out")
            elif key.values or not _ABOVE.fullmatch(key.path):
                values = ", ".join(f"{name} = {value!r}" for name, value in key.values.items()) or "no values"
                self._tell(key.path, f"is not translated ({values})")


def _matching(keys: Iterable[Key], pattern: re.Pattern[str]) -> list[tuple[Key, re.Match[str]]]:
    return [(key, found) for key in keys if (found := pattern.fullmatch(key.path)) is not None]


def _split(patterns: str) -> list[str]:
    """At the commas between patterns, not at those within brackets or braces."""
    pieces, depth = [""], 0
    for piece in _TOKEN.findall(patterns):
        depth += (piece == "(") - (piece == ")")
        if piece == "," and depth <= 0:
            pieces.append("")
        else:
            pieces[-1] += piece
    return pieces


def _converted(pattern: str) -> tuple[str | None, str]:
    """The pattern for numbers with ``+``, or what is wrong with it."""
    tokens = _TOKEN.findall(pattern)
    if _SHORT.fullmatch(pattern):
        return None, "short numbers cannot be written to"
    following = [*tokens[1:], ""]
    converted = "".join(
        "^\\+" if one == "^" and other not in ("\\+", "[+]") else one
        for one, other in zip(tokens, following, strict=True)
    )
    try:
        compile_pattern(converted, NUMBER_REACH)
    except PatternError as error:
        return None, error.wrong
    return converted, ""


def _text(text: str) -> str:
    # JSON writes texts as TOML does, but for DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _texts(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(_text, texts))}]"
