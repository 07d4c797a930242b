"""What an explanation says of a message beside its plan: what each step would send, and what bounds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from datasms_daemon.config.records import Config, SenderOptions
from datasms_daemon.delivery.limits import Targets, flood_use, foresee
from datasms_daemon.delivery.recipients import Target
from datasms_daemon.delivery.wording import Wording
from datasms_daemon.model import (
    Allowance,
    Draft,
    ExplainedStep,
    Limited,
    Limits,
    LineName,
    LineStanding,
    QuotaUse,
    SkippedLine,
    Step,
    Submission,
    WhenClosed,
)
from datasms_daemon.rules.days import Day
from datasms_daemon.rules.openings import Openings
from datasms_daemon.rules.pipeline import TooLong
from datasms_daemon.rules.precedence import ahead
from datasms_daemon.rules.senders import Senders
from datasms_daemon.store.store import Db

_ALLOWED = ("lines", "numbers", "priorities")


class Moment(msgspec.Struct, frozen=True):
    """When an explanation is for (UTC ms) and in which day that is; how the lines stand then and when a message is to
    be sent, and which are ``unusable``; what was stored until ``seen_until`` counts."""

    at: int
    day: Day
    standings: Mapping[int, Mapping[LineName, LineStanding]]
    unusable: frozenset[LineName]
    seen_until: int


class Explainer:
    """By the words of one configuration."""

    def __init__(
        self, config: Config, senders: Senders[SenderOptions], wordings: Mapping[LineName, Wording], openings: Openings
    ) -> None:
        self._config = config
        self._senders = senders
        self._wordings = wordings
        self._openings = openings
        self._ranks = {name: priority.rank for name, priority in config.priority.items()}

    def steps(
        self, draft: Draft, plan: Sequence[Step], sender: str, moment: Moment
    ) -> tuple[tuple[ExplainedStep, ...], tuple[SkippedLine, ...]]:
        """What would be done on the steps of a plan, and those where nothing could be sent."""
        steps, refused = [], []
        for step in plan:
            leaving = self._wordings[step.line].leaving(draft, sender)
            if isinstance(leaving, TooLong):
                refused.append(SkippedLine(step.line, leaving.reason))
            else:
                steps.append(self._step(draft, step, leaving.text, moment))
        return tuple(steps), tuple(refused)

    def foreseen(
        self, db: Db, submission: Submission, targets: Targets, moment: Moment
    ) -> tuple[tuple[QuotaUse, ...], Limited | None]:
        """The sender's quotas, and why an acceptance would not take the submission."""
        account = self._senders.of(submission.sender)
        return foresee(db, self._config, account, submission, targets, moment.at, moment.day, moment.seen_until)

    def limits(
        self, db: Db, submission: Submission, draft: Draft, target: Target, moment: Moment,
        foreseen: tuple[tuple[QuotaUse, ...], Limited | None],
    ) -> Limits:  # fmt: skip
        """What bounds this sender and this recipient; ``foreseen`` is that of the whole submission."""
        account = self._senders.of(submission.sender)
        allowed = {
            option: Allowance(getattr(account.options, option), account.origins.get(option)) for option in _ALLOWED
        }
        flood = flood_use(db, self._config, draft, target, moment.at, moment.seen_until)
        quotas, refused = foreseen
        return Limits(quotas, flood, allowed, submission.allowed_lines, refused)

    def _step(self, draft: Draft, step: Step, text: str, moment: Moment) -> ExplainedStep:
        starts = max(moment.at, draft.send_at or moment.at)
        opens_at = self._openings.opens(step, starts)
        valid_until = starts + (self._config.priority[draft.priority].ttl if draft.ttl_ms is None else draft.ttl_ms)
        note = None
        if opens_at != starts:
            note = "is left out: closed" if step.when_closed is WhenClosed.SKIP else "waits until it opens"
            if step.when_closed is WhenClosed.DEFER and (opens_at is None or opens_at >= valid_until):
                note = "opens after the message has expired"
        return ExplainedStep(
            step.line,
            step.wait_ms,
            step.success,
            self._wordings[step.line].parts(text),
            step.calendars,
            step.when_closed,
            opens_at,
            note,
            text,
            step.attempts,
            step.backup,
            moment.standings[starts].get(step.line),
            ahead(draft.priority, self._ranks),
        )
