"""Messages of the daemon itself, written in the very transaction that makes them necessary."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from twisted.logger import Logger

from datasms_daemon.delivery.accept import Acceptance, Taken
from datasms_daemon.delivery.changes import Changes
from datasms_daemon.model import AcceptedSubmission, Draft, Submission
from datasms_daemon.ops.metrics import Metrics
from datasms_daemon.rules.days import Day
from datasms_daemon.rules.inbound import OURSELVES
from datasms_daemon.store.store import Db


class Notices:
    """``acceptance`` and ``day`` are those of the moment."""

    _log = Logger()

    def __init__(
        self,
        acceptance: Callable[[], Acceptance],
        now_ms: Callable[[], int],
        day: Callable[[], Day],
        changes: Changes,
        metrics: Metrics,
    ) -> None:
        self._acceptance = acceptance
        self._now_ms = now_ms
        self._day = day
        self._changes = changes
        self._metrics = metrics

    def write(self, db: Db, drafts: tuple[Draft, ...]) -> Callable[[], None]:
        """Accepts them in a unit of somebody else's; the answer is to be called once that is committed. What may not be
        accepted keeps nothing else from being done."""
        submission = Submission(OURSELVES, drafts)
        taken = self._acceptance().take(db, submission, self._now_ms(), self._day(), {}, {})
        return partial(self._written, taken)

    def _written(self, taken: Taken) -> None:
        if isinstance(taken.answer, AcceptedSubmission):
            self._changes.applied(taken.placed)
            self._metrics.accepted.inc(len(taken.placed))
        else:
            self._log.error("a notice was not taken: {why}", why=type(taken.answer).__name__)
