"""What the life of a message decides on beside its progress, and what it answers."""

from __future__ import annotations

from datasms_daemon.model import (
    Accepted,
    AddressGone,
    AttemptState,
    Event,
    Later,
    LineDown,
    NotSent,
    Progress,
    Record,
    Unknown,
)
from datasms_daemon.rules.openings import Openings
from datasms_daemon.rules.retry import Backoff

OUTCOME_NAMES = {
    Accepted: "accepted",
    AddressGone: "address_gone",
    LineDown: "line_down",
    Later: "later",
    Unknown: "unknown",
    NotSent: "not_sent",
}


class AttemptChange(Record, frozen=True):
    """What to write into attempt ``n``: a new row when ``opens``, else only the fields that are not None."""

    n: int
    state: AttemptState | None = None
    opens: bool = False
    step: int = 0
    line: str = ""
    deadline: int | None = None
    sent_at: int | None = None
    finished_at: int | None = None
    outcome: str | None = None
    reason: str | None = None
    late: bool = False


class Decision(Record, frozen=True):
    """Where the message stands now and what to write beside it; ``events`` go into its trace."""

    progress: Progress
    events: tuple[Event, ...]
    attempt: AttemptChange | None = None
    other: AttemptChange | None = None


class Handed(Record, frozen=True):
    """What surrounds an outcome: the moment, a random number from 0 to 1, and what kind of line and message it was.

    ``once``: a service that shows texts itself may have it, so that it is not repeated whatever ``on_unknown`` says.
    """

    now: int
    jitter: float
    urgent: bool
    drops_repeats: bool
    openings: Openings
    backoff: Backoff = Backoff()
    once: bool = False
