"""What operators watch, in the Prometheus text format. Labels are names of ours, never numbers or ids."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)


class Metrics:
    """All meters of one daemon, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        counter = partial(Counter, registry=self.registry)
        gauge = partial(Gauge, registry=self.registry)
        histogram = partial(Histogram, buckets=SECONDS, registry=self.registry)
        self.accepted = counter("datasms_accepted", "Messages accepted")
        self.refused = counter("datasms_refused", "Submissions refused")
        self.finished = _found(counter("datasms_finished", "Messages ended", ["state", "code"]))
        self.outcomes = _found(counter("datasms_outcomes", "Hand-overs by outcome", ["line", "outcome"]))
        self.receipts = _found(counter("datasms_receipts", "Receipts", ["source", "state"]))
        self.late = counter("datasms_late_receipts", "Receipts after the decision")
        self.unmatched = counter("datasms_unmatched_receipts", "Receipts of nothing known")
        self.inbound = counter("datasms_inbound", "Texts from outside", ["line"])
        self.billed = counter(
            "datasms_billed", "Messages by the billing status of their service", ["channel", "status"]
        )
        self.day_limits = counter(
            "datasms_day_limit", "Times a line's day limit was half or wholly used", ["line", "mark"]
        )
        self.application_up = gauge("datasms_application_up", "1: the application runs", ["application"])
        self.number_file_up = gauge("datasms_number_file_up", "1: the file with numbers is in use as it is", ["file"])
        self.application_restarts = counter("datasms_application_restarts", "Failures of applications", ["application"])
        self.handed_on = counter(
            "datasms_handed_on", "Tries to hand a text from outside on, by what came of them", ["target", "outcome"]
        )
        self.to_hand_on = gauge("datasms_to_hand_on", "Texts from outside still to be handed on", ["target"])
        self.dead_texts = gauge("datasms_dead_texts", "Texts from outside that could not be handed on", ["target"])
        self.webhook_stopped = gauge("datasms_webhook_stopped", "1: nothing goes there, it answered 410", ["webhook"])
        self.crashes = counter("datasms_driver_crashes", "Hand-overs in which a driver failed")
        self.lateness = histogram("datasms_deadline_lateness_seconds", "How late deadlines were kept")
        self.commit_wait = histogram("datasms_commit_wait_seconds", "Acceptance: from hand-in to commit")
        self.clock_step = gauge("datasms_clock_difference_seconds", "Wall clock less the daemon's own")
        self.line_up = gauge("datasms_line_up", "1: the line takes messages", ["line"])
        self.orphans = gauge("datasms_orphans", "Unfinished messages with no next event; more than 0 is a fault")
        self.overdue = gauge("datasms_overdue", "Messages overdue for more than a minute")
        self.held = gauge("datasms_held", "1: nothing is sent: the database was restored, is damaged or in doubt")
        self.checked = gauge(
            "datasms_checked_timestamp_seconds", "When the whole database was last found undamaged; 0: not yet"
        )

    def render(self) -> bytes:
        """The text that ``/metrics`` answers."""
        return generate_latest(self.registry)


def _found(counter: Counter) -> Callable[[str, str], Counter]:
    """The counter of two labels, without the search under a lock that each message would pay for three times."""
    return cache(counter.labels)
