"""Lines as dispatch keeps them."""

from __future__ import annotations

from twisted.internet.interfaces import IDelayedCall

from datasms_daemon.delivery.handover import LineFacts
from datasms_daemon.interfaces import ILine
from datasms_daemon.model import LineStanding, LineState, LineStatus
from datasms_daemon.rules.buckets import Bucket
from datasms_daemon.rules.precedence import Precedence
from datasms_daemon.store.operations import LineRow


class Way:
    """One line: its driver, an operator's pause, the day's count, what lower ranks are owed, and room given away.

    ``reserved`` is room for claims under way, ``accepting`` room for acceptances under way.
    ``rate`` is messages a second, None when the driver needs no pacing. ``has_work`` is False only when a claim has
    found less than there was room for and nothing became ready since: then room alone is no reason to look.
    """

    def __init__(self, line: ILine, facts: LineFacts, rate: float | None, kept: LineRow) -> None:
        self.line = line
        self.facts = facts
        self.paused = kept.paused
        self.resumed = kept.resumed
        self.day = kept.day
        self.sent = kept.sent
        self.bucket = None if rate is None else Bucket(max(1, round(rate)), rate)
        self.precedence = Precedence()
        self.reserved = 0
        self.accepting = 0
        self.pulling = False
        self.woken = False
        self.rest: IDelayedCall | None = None
        self.has_work = True

    def succeed(self, former: Way) -> None:
        """Takes the place of another one of its name, whose operator and whose messages go on with it."""
        self.paused, self.resumed, self.day, self.sent = former.paused, former.resumed, former.day, former.sent
        self.accepting = former.accepting
        if former.rest is not None:
            former.rest.cancel()
            former.rest = None

    def room(self, today: str, now: int) -> int:
        """How many messages may be claimed now."""
        if self.paused or self.is_exhausted(today):
            return 0
        reserved = self.reserved + self.accepting
        room = self.line.room() - reserved
        if self.bucket is not None:
            # One at a time: a line that must go slowly has no need of batches.
            room = min(room, int(self.bucket.wait(now) == 0) - reserved)
        if self.facts.day_limit is not None and not self.is_lifted(today):
            room = min(room, self.facts.day_limit - self.sent_on(today) - reserved)
        return max(0, room)

    def sent_on(self, today: str) -> int:
        """Hand-overs of this day."""
        return self.sent if self.day == today else 0

    def is_lifted(self, today: str) -> bool:
        """Whether an operator lifted the limit for this day."""
        return self.resumed and self.day == today

    def is_exhausted(self, today: str) -> bool:
        """Whether the day limit stops the line."""
        limit = self.facts.day_limit
        return limit is not None and self.sent_on(today) >= limit and not self.is_lifted(today)

    def count(self, today: str, sent: int) -> None:
        """Adds hand-overs to the day's count; a new day starts anew."""
        if self.day != today:
            self.day, self.sent, self.resumed = today, 0, False
        self.sent += sent

    def wait(self, today: str, now: int, day_ends_at: int) -> int:
        """Milliseconds until it may go on by itself; 0 when only its driver or an operator can say that."""
        if self.paused:
            return 0
        if self.is_exhausted(today):
            return max(1, day_ends_at - now)
        return 0 if self.bucket is None else self.bucket.wait(now)

    def status(self, today: str) -> LineStatus:
        """The line's own word, unless we hold it back."""
        if self.paused:
            return LineStatus(LineState.PAUSED, "paused by an operator")
        if self.is_exhausted(today):
            return LineStatus(LineState.PAUSED, "day limit reached; resume it to go on")
        return self.line.status()

    def standing(self, day: str, held: str | None) -> LineStanding:
        """What it lets through on a day, as far as that is known now; ``held`` is why no line lets anything through."""
        status = self.status(day)
        sent = None if self.day is not None and day < self.day else self.sent_on(day)
        if held is None and status.state is LineState.PAUSED:
            held = status.reason
        return LineStanding(sent, self.facts.day_limit, self.is_lifted(day), held, self.facts.share)
