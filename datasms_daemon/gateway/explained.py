"""What ``POST /v1/explain`` answers."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from datasms_daemon.gateway.records import Answer
from datasms_daemon.model import LineName, WhenClosed


class StepView(Answer, frozen=True):
    """One step a message would take; ``opens_at`` is when its calendars let it begin, null: not in sight."""

    line: LineName
    wait: str
    success: str
    parts: int | None
    calendars: tuple[str, ...]
    when_closed: WhenClosed
    opens_at: str | None
    note: str | None
    text: Annotated[str, Meta(description="What would leave on this line")]
    attempts: int | None
    backup: bool


class SkippedView(Answer, frozen=True):
    """A line that is left out, and why."""

    line: LineName
    reason: str


class ExplanationView(Answer, frozen=True):
    """The way one recipient's message would go."""

    to: str | None
    person: str | None
    rules: tuple[str, ...]
    steps: tuple[StepView, ...]
    skipped: tuple[SkippedView, ...]
    operator: str
    rule_set: str
