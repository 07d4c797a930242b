"""People who write long texts over two lines, and the office that reads them."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from msgspec import Struct
from twisted.internet.defer import Deferred

from datasms_daemon.model import InboundPart, LineName
from datasms_daemon.rules.text import GAP
from tests.fakes.changing import World
from tests.fakes.daemon import done

OFFICE = "office"
OVERDUE_MS = 600_000


class Long(Struct):
    """A long text that somebody writes: its parts, and which of them are still to come."""

    line: str
    from_: str
    words: str
    parts: list[str]
    left: list[int]
    began: int
    came: list[int] = []
    is_sure: bool = True


class Writers(World):
    """Everybody's texts have one reference; an SMSC repeats parts, and the office keeps its cursor for ever."""

    def __init__(self, tmp_path: Path, seed: int) -> None:
        super().__init__(tmp_path, seed)
        self.made = 0
        self.long: list[Long] = []
        self.over: list[Long] = []
        self.read: Counter[str] = Counter()
        self.cursor = 0

    def name(self) -> str:
        """A word that nothing else contains."""
        self.made += 1
        return f"T{self.made}."

    def part(self) -> None:
        """Somebody writes on, or begins: one text at a time by each line and number, all under one reference."""
        now = self.daemon.now
        for one in [one for one in self.long if now >= one.began + OVERDUE_MS - 60_000]:
            # What is left will never come; nothing else is begun there until the daemon has given up too.
            one.left = []
            if now > one.began + OVERDUE_MS + 60_000:
                self.long.remove(one)
                self.over.append(one)
        line, from_ = self.random.choice(("sms-a", "sms-b")), f"+42077700000{self.random.randrange(3)}"
        writing = next((one for one in self.long if (one.line, one.from_) == (line, from_)), None)
        if writing is None:
            words, total = self.name(), self.random.choice((2, 3))
            parts = [f"<{words}{n}>" for n in range(total)]
            writing = Long(line, from_, words, parts, self.random.sample(range(total), total), now)
            self.long.append(writing)
        elif not writing.left:
            return
        self.come(writing, writing.left.pop())
        if not writing.left:
            self.long.remove(writing)
            self.over.append(writing)
        if self.over and self.random.random() < 0.3:
            self.repeat(self.random.choice(self.over[-5:]))

    def come(self, one: Long, number: int) -> None:
        """A part of a text comes in."""
        one.came.append(number)
        part = InboundPart(
            LineName(one.line), one.from_, "+420777000111", 7, len(one.parts), number + 1, "gsm", 0,
            one.parts[number].encode(), self.daemon.now, f"{one.words}{number}",
        )  # fmt: skip
        done(Deferred.fromCoroutine(self.daemon.parts.host.part(part)))

    def repeat(self, one: Long) -> None:
        """The SMSC did not get our answer."""
        if one.is_sure and self.daemon.now < one.began + 3_600_000:
            self.come(one, self.random.choice(one.came))
            self.seen["repeated part"] += 1

    def read_texts(self) -> None:
        """The office reads behind its cursor."""
        for text in done(Deferred.fromCoroutine(self.core.inbound(OFFICE, self.cursor, 500))):
            self.cursor = text.seq
            words = set(re.findall(r"T\d+\.", text.text))
            assert len(words) == 1, f"two texts in one: {text.text}"
            self.read[text.text] += 1
            self.seen["incomplete text" if GAP in text.text else "whole text"] += 1

    def doubt_texts(self) -> None:
        """A backup was put back: what came of some of them is open again, and may be read once more."""
        for one in self.long + self.over:
            one.is_sure, one.left, one.began = False, [], self.daemon.now + OVERDUE_MS
        self.long, self.over = self.long + self.over, []

    def check_texts(self) -> None:
        """What people wrote was read once, whole or as far as it came."""
        for one in () if self.is_held else self.over:
            if one.is_sure:
                told = [text for text in self.read.elements() if one.words in text]
                assert len(told) == 1, f"{told} of {one}"
