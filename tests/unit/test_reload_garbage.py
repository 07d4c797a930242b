"""What a reload replaces goes by its references alone: it is never looked at by the garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from weakref import ref

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from datasms_daemon.config.applications import Application
from datasms_daemon.config.calendars import CalendarOptions, calendars_of
from datasms_daemon.config.limits import Flood
from datasms_daemon.config.records import InboundRule, NumberList, Sender, When
from datasms_daemon.model import InboundText, LineName, Submission
from tests.fakes.daemon import NUMBER, FakeDaemon, FakeTime, add_person, configuration, done, draft
from tests.fakes.lines import FakeLine


@pytest.fixture
def no_collector() -> Iterator[None]:
    """As it is for what a reload has made."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
def test_the_rules_of_before_are_gone_once_others_are_in_use(tmp_path: Path) -> None:
    """Also when they were used: messages were accepted and explained, a text came in."""
    (tmp_path / "vip.txt").write_text(f"{NUMBER}\n")
    time = FakeTime()
    config = replace(
        configuration(tmp_path),
        number_list={"vip": NumberList(file=tmp_path / "vip.txt")},
        sender={"crm": Sender(numbers=("$vip",), day_quota=10)},
        calendar={"office": CalendarOptions(timezone="UTC", hours={"mon-fri": ("08:00-17:00",)})},
        flood=Flood(per_recipient=5),
        inbound=(InboundRule(name="all", when=When(text=("^hello",)), to="account:crm"),),
        application=(Application(name="info", plugin="keywords", options={"hours": "8-17"}),),
    )
    daemon = FakeDaemon(config, {"sms-a": FakeLine("sms-a", time.reactor)}, time)
    add_person(daemon)
    parts = daemon.parts
    parts.configure(config, calendars_of(config))
    daemon.submit(draft())
    done(Deferred.fromCoroutine(parts.core.explain(Submission("crm", (draft(),)))))
    text = InboundText(LineName("sms-a"), NUMBER, "+420777000111", "hello", daemon.now, "1")
    done(Deferred.fromCoroutine(parts.host.inbound(text)))
    olds = (parts.core.acceptance, parts.core.acceptance._router, parts.texts.router, parts.number_files, parts.costs)
    old = {type(one).__name__: ref(one) for one in olds}
    del olds
    parts.configure(replace(config, sender={}), calendars_of(config))
    assert [name for name, one in old.items() if one() is not None] == []
