"""What becomes of a message that is not sent: the answer of an explanation."""

from __future__ import annotations

from datasms_daemon.model.submission import Limited
from datasms_daemon.model.words import LineName, PersonId, Record, Success, WhenClosed


class LineStanding(Record, frozen=True):
    """What a line lets through on some day: hand-overs ``sent`` of its ``day_limit`` (``lifted`` by an operator), None
    where that is not known any more. ``held`` is why nothing leaves there; one place in ``share`` goes to lower ranks.
    """

    sent: int | None
    day_limit: int | None
    lifted: bool
    held: str | None
    share: int


class ExplainedStep(Record, frozen=True):
    """One step a message would take; ``text`` is what would leave there, ``parts`` how many SMS that is, None where it
    has no meaning.

    ``opens_at`` is when its calendars let it begin (UTC ms), None: not in sight. ``note`` is what becomes of
    it when that is not at once. ``goes_after`` are the priorities that have precedence on the line.
    """

    line: LineName
    wait_ms: int
    success: Success
    parts: int | None = None
    calendars: tuple[str, ...] = ()
    when_closed: WhenClosed = WhenClosed.DEFER
    opens_at: int | None = None
    note: str | None = None
    text: str = ""
    attempts: int | None = None
    backup: bool = False
    standing: LineStanding | None = None
    goes_after: tuple[str, ...] = ()


class SkippedLine(Record, frozen=True):
    """A line that a rule names and the plan leaves out."""

    line: LineName
    reason: str


class QuotaUse(Record, frozen=True):
    """How much of a quota is used up in one ``span`` (day or month), called ``name``, that ends at ``ends_at`` (UTC
    ms); ``origin`` is the table of the configuration that sets it."""

    span: str
    name: str
    begins_at: int
    ends_at: int
    most: int
    origin: str | None
    used: int = 0


class FloodUse(Record, frozen=True):
    """How many of at most ``most`` messages in ``window_ms`` a recipient has had; ``exempt``: this one is let through
    all the same."""

    had: int
    most: int
    window_ms: int
    exempt: bool


class Allowance(Record, frozen=True):
    """What a sender may choose from as the configuration writes it, None: anything; and the table that says it."""

    values: tuple[str, ...] | None
    origin: str | None


class Limits(Record, frozen=True):
    """What bounds a sender and one of his recipients: ``allowed`` by option (lines, numbers, priorities), ``key_lines``
    those of his key. ``refused`` is what an acceptance would answer instead of taking the submission."""

    quotas: tuple[QuotaUse, ...]
    flood: FloodUse | None
    allowed: dict[str, Allowance]
    key_lines: tuple[str, ...] | None
    refused: Limited | None


class Explanation(Record, frozen=True):
    """Why one recipient's message would go the way it would; its number's operator chooses the set of rules."""

    to: str | None
    person: PersonId | None
    rules: tuple[str, ...]
    steps: tuple[ExplainedStep, ...]
    skipped: tuple[SkippedLine, ...]
    operator: str
    rule_set: str
    limits: Limits
