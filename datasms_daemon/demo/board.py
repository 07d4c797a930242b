"""What the demo shows: two timelines side by side that grow on a terminal, or one line after the other elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import NamedTuple, TextIO

from datasms_daemon.ops.printable import printable

SETTLED_MS = 1_000
"""Away from a terminal a line is written when nothing earlier can still turn up."""
GAP = 3
WIDEST = 48
_UP_AND_CLEAR = "\x1b[{}F\x1b[J"
_BOLD, _DIM, _GREEN, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[32m", "\x1b[0m"


class Entry(NamedTuple):
    """Something that happened; ``at`` is UTC ms."""

    at: int
    what: str
    is_end: bool = False


class Timeline:
    """What became of one message; ``waiting`` says what is awaited now, for a terminal."""

    def __init__(self, name: str, title: str) -> None:
        self.name = name
        self.title = title
        self.entries: list[Entry] = []
        self.waiting: Callable[[int], str] = lambda _: ""

    def add(self, entry: Entry) -> None:
        """Puts it in its place; the same thing twice counts once."""
        if entry not in self.entries:
            self.entries.append(entry)
            self.entries.sort(key=lambda one: one.at)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return any(entry.is_end for entry in self.entries)


class Board:
    """Writes to ``stream``; ``now_ms`` is UTC. Times are shown relative to ``start``."""

    def __init__(self, stream: TextIO, now_ms: Callable[[], int]) -> None:
        self._stream = stream
        self._now_ms = now_ms
        self._is_live = stream.isatty()
        self._timelines: list[Timeline] = []
        self._start = now_ms()
        self._drawn = 0
        self._told: set[tuple[str, Entry]] = set()

    def say(self, *lines: str) -> None:
        """Writes lines for good."""
        for line in lines:
            self._stream.write(printable(line) + "\n")
        self._stream.flush()

    def heading(self, line: str) -> None:
        """Writes a line that begins something."""
        self.say("")
        self._stream.write(self._styled(_BOLD, printable(line)) + "\n")

    def follow(self, timelines: list[Timeline], start: int) -> None:
        """From now on these are shown."""
        self._timelines = timelines
        self._start = start

    def refresh(self, *, is_last: bool = False) -> None:
        """Shows what is new; to be called often."""
        if self._is_live:
            self._redraw()
        else:
            self._tell(self._now_ms() if is_last else self._now_ms() - SETTLED_MS)

    def _redraw(self) -> None:
        lines = self._table()
        if self._drawn:
            self._stream.write(_UP_AND_CLEAR.format(self._drawn))
        self._stream.write("".join(line + "\n" for line in lines))
        self._stream.flush()
        self._drawn = len(lines)

    def _table(self) -> list[str]:
        width = min(WIDEST, (shutil.get_terminal_size().columns - GAP - 1) // 2)
        columns = [self._column(timeline, width) for timeline in self._timelines]
        height = max(map(len, columns))
        blank = " " * width
        rows = zip(*[column + [blank] * (height - len(column)) for column in columns], strict=True)
        return [(" " * GAP).join(row).rstrip() for row in rows]

    def _column(self, timeline: Timeline, width: int) -> list[str]:
        lines = [self._styled(_BOLD, _fit(timeline.title, width)), self._styled(_DIM, "─" * width)]
        for entry in timeline.entries:
            line = _fit(f"{self._after(entry.at)}  {entry.what}", width)
            lines.append(self._styled(_GREEN, line) if entry.is_end else line)
        if not timeline.is_over and (awaited := timeline.waiting(self._now_ms())):
            lines.append(self._styled(_DIM, _fit(f"{self._after(self._now_ms())}  {awaited}", width)))
        return lines

    def _tell(self, until: int) -> None:
        entries = [(timeline.name, entry) for timeline in self._timelines for entry in timeline.entries]
        for name, entry in sorted(entries, key=lambda one: one[1].at):
            if entry.at <= until and (name, entry) not in self._told:
                self._told.add((name, entry))
                self.say(f"{self._after(entry.at)}  {name:<5} {entry.what}")

    def _after(self, at: int) -> str:
        return f"{(at - self._start) / 1000:6.2f} s"

    def _styled(self, style: str, text: str) -> str:
        return f"{style}{text}{_PLAIN}" if self._is_live else text


def _fit(text: str, width: int) -> str:
    shown = printable(text)
    return shown[: width - 1] + "…" if len(shown) > width else shown.ljust(width)
