"""What ``POST /v1/explain`` answers, and how it is made of what the core says."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from datasms_daemon.config.units import format_duration
from datasms_daemon.gateway.records import Answer, SettingView
from datasms_daemon.model import ExplainedStep, Explanation, Limits, LineName, Problem, WhenClosed
from datasms_daemon.web.times import rfc3339, rfc3339_or_none


class DayLimitView(Answer, frozen=True):
    """Hand-overs of that day on a line, null: not known any more; at ``limit`` it stops until the day is over, unless
    an operator has ``lifted`` that."""

    sent: int | None
    limit: int
    lifted: bool


class PrecedenceView(Answer, frozen=True):
    """Which priorities leave first on the line, and one place in how many goes to lower ones all the same."""

    after: tuple[str, ...]
    share: int


class QuotaView(Answer, frozen=True):
    """What is used up of the sender's quota, and the table that sets it."""

    used: int
    limit: int
    ends_at: str
    from_: str | None = msgspec.field(name="from")


class FloodView(Answer, frozen=True):
    """What the recipient has had within the window; ``exempt``: this message is let through all the same."""

    had: int
    limit: int
    window: str
    exempt: bool


class RefusalView(Answer, frozen=True):
    """What would be answered instead of 202, to all messages of the request together."""

    code: str
    detail: str
    until: str
    errors: tuple[Problem, ...]


class LimitsView(Answer, frozen=True):
    """What bounds the sender and this recipient: quotas by ``day`` and ``month``, what the sender is ``allowed``
    (``lines``, ``numbers``, ``priorities``), and the lines of the key."""

    quotas: dict[str, QuotaView]
    flood: FloodView | None
    allowed: dict[str, SettingView]
    key_lines: tuple[str, ...] | None
    refused: RefusalView | None


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
    held: Annotated[str | None, Meta(description="Why nothing leaves on this line then")]
    day_limit: DayLimitView | None
    precedence: PrecedenceView | None


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
    limits: LimitsView


def explanation_view(explanation: Explanation) -> ExplanationView:
    """One recipient's plan and limits."""
    return ExplanationView(
        to=explanation.to,
        person=explanation.person,
        rules=explanation.rules,
        steps=tuple(map(_step, explanation.steps)),
        skipped=tuple(SkippedView(line.line, line.reason) for line in explanation.skipped),
        operator=explanation.operator,
        rule_set=explanation.rule_set,
        limits=_limits(explanation.limits),
    )


def _step(step: ExplainedStep) -> StepView:
    standing = step.standing
    day_limit = None
    if standing is not None and standing.day_limit is not None:
        day_limit = DayLimitView(standing.sent, standing.day_limit, standing.lifted)
    return StepView(
        step.line,
        format_duration(step.wait_ms),
        step.success,
        step.parts,
        step.calendars,
        step.when_closed,
        rfc3339_or_none(step.opens_at),
        step.note,
        step.text,
        step.attempts,
        step.backup,
        None if standing is None else standing.held,
        day_limit,
        None if standing is None else PrecedenceView(step.goes_after, standing.share),
    )


def _limits(limits: Limits) -> LimitsView:
    flood, refused = limits.flood, limits.refused
    return LimitsView(
        {
            quota.span: QuotaView(quota.used, quota.most, rfc3339(quota.ends_at), quota.origin)
            for quota in limits.quotas
        },
        None if flood is None else FloodView(flood.had, flood.most, format_duration(flood.window_ms), flood.exempt),
        {option: SettingView(allowance.values, allowance.origin) for option, allowance in limits.allowed.items()},
        limits.key_lines,
        None
        if refused is None
        else RefusalView(refused.code, refused.detail, rfc3339(refused.until), refused.problems),
    )
