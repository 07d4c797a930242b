"""What an explanation says, and for which moment."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace
from twisted.internet.defer import Deferred

from datasms_daemon.config.calendars import CalendarOptions
from datasms_daemon.config.records import Rule, StepOptions, When
from datasms_daemon.model import LineName, Submission
from datasms_daemon.web.times import parse_time
from tests.fakes.daemon import FakeDaemon, FakeTime, configuration, done, draft


def test_it_may_be_for_another_time_and_goes_by_the_calendars_of_then(tmp_path: Path) -> None:
    """The present of these tests is 8 o'clock."""
    hours = CalendarOptions(timezone="UTC", hours={"mon-sun": ("08:00-16:00",)})
    by_day = Rule(name="by day", when=When(calendar=("office",)), steps=(StepOptions(line=LineName("sms-b")),))
    config = replace(configuration(tmp_path, rules=(by_day,)), calendar={"office": hours})
    daemon = FakeDaemon(config, {}, FakeTime())
    for at, rule in (("2027-01-15T08:00:00+00:00", "by day"), ("2027-01-15T08:59:59+01:00", "all"), (None, "by day")):
        ms = None if at is None else parse_time(at)
        (found,) = done(Deferred.fromCoroutine(daemon.parts.core.explain(Submission("crm", (draft(),)), ms)))  # type: ignore[misc]
        assert found.rules == (rule,)
