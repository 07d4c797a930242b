"""What operators watch, in the Prometheus text format. Labels are names of ours, never numbers or ids."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)


class Metrics:
    """All meters of one daemon, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.accepted = Counter("datasms_accepted", "Messages accepted", registry=self.registry)
        self.refused = Counter("datasms_refused", "Submissions refused", registry=self.registry)
        self.finished = Counter("datasms_finished", "Messages ended", ["state", "code"], registry=self.registry)
        self.outcomes = Counter(
            "datasms_outcomes", "Hand-overs by outcome", ["line", "outcome"], registry=self.registry
        )
        self.receipts = Counter("datasms_receipts", "Receipts", ["source", "state"], registry=self.registry)
        self.late = Counter("datasms_late_receipts", "Receipts after the decision", registry=self.registry)
        self.unmatched = Counter("datasms_unmatched_receipts", "Receipts of nothing known", registry=self.registry)
        self.inbound = Counter("datasms_inbound", "Texts from outside", ["line"], registry=self.registry)
        self.billed = Counter(
            "datasms_billed", "Messages by the billing status of their service", ["channel", "status"],
            registry=self.registry,
        )  # fmt: skip
        self.day_limits = Counter(
            "datasms_day_limit", "Times a line's day limit was half or wholly used", ["line", "mark"],
            registry=self.registry,
        )  # fmt: skip
        self.application_up = Gauge(
            "datasms_application_up", "1: the application runs", ["application"], registry=self.registry
        )
        self.application_restarts = Counter(
            "datasms_application_restarts", "Failures of applications", ["application"], registry=self.registry
        )
        self.crashes = Counter("datasms_driver_crashes", "Hand-overs in which a driver failed", registry=self.registry)
        self.lateness = Histogram(
            "datasms_deadline_lateness_seconds", "How late deadlines were kept", buckets=SECONDS, registry=self.registry
        )
        self.commit_wait = Histogram(
            "datasms_commit_wait_seconds", "Acceptance: from hand-in to commit", buckets=SECONDS, registry=self.registry
        )
        self.clock_step = Gauge(
            "datasms_clock_difference_seconds", "Wall clock less the daemon's own", registry=self.registry
        )
        self.line_up = Gauge("datasms_line_up", "1: the line takes messages", ["line"], registry=self.registry)
        self.orphans = Gauge(
            "datasms_orphans", "Unfinished messages with no next event; more than 0 is a fault", registry=self.registry
        )
        self.overdue = Gauge("datasms_overdue", "Messages overdue for more than a minute", registry=self.registry)

    def render(self) -> bytes:
        """The text that ``/metrics`` answers."""
        return generate_latest(self.registry)
