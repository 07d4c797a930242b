"""What attempts cost and spare, and the sums of it, with the real store and dispatch."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from datasms_daemon.config.kinds import Duration, Price
from datasms_daemon.config.lines import SmppLine
from datasms_daemon.config.records import Sender, SenderGroup, StepOptions
from datasms_daemon.model import (
    DeviceId,
    DeviceReceipt,
    LineName,
    LineReceipt,
    LineText,
    MessageId,
    NotSent,
    ReceiptState,
    ReportQuery,
    Sums,
)
from tests.fakes.daemon import NUMBER, START_MS, FakeDaemon, FakeTime, add_person, configuration, done, draft
from tests.fakes.lines import FakeLine

PUSH = StepOptions(line=LineName("datasms"), wait=Duration(60_000))
SMS = StepOptions(line=LineName("sms-a"), wait=Duration(600_000))
OTHER = "+420603000001"
LONG = "x" * 161


class World:
    """Push for a minute, then SMS at 0.90 a part; NUMBER's owner has a device, OTHER is nobody's."""

    def __init__(self, directory: Path, price: int | None = 900_000) -> None:
        self.time = FakeTime()
        plain = configuration(directory, PUSH, SMS)
        priced = tuple(
            replace(line, price=Price(price)) if isinstance(line, SmppLine) and price is not None else line
            for line in plain.line
        )
        config = replace(
            plain,
            line=priced,
            sender={"crm": Sender(cost_centre="4711")},
            sender_group={"technical": SenderGroup(), "machines": SenderGroup(members=("plc",), parent="technical")},
        )
        self.sms = FakeLine("sms-a", self.time.reactor)
        lines = {"datasms": FakeLine("datasms", self.time.reactor, drops_repeats=True), "sms-a": self.sms}
        self.daemon = FakeDaemon(config, dict(lines), self.time)
        add_person(self.daemon, "phone")

    def send(self, text: str = "x", number: str = NUMBER, sender: str = "crm", **more: object) -> MessageId:
        """Submits one message."""
        return MessageId(self.daemon.submit(draft(text, number=number, **more), sender)[0])

    def confirm(self, id_: MessageId) -> None:
        """The device has it."""
        receipts = (DeviceReceipt(id_, ReceiptState.DELIVERED, self.daemon.now),)
        done(Deferred.fromCoroutine(self.daemon.parts.receipts.from_device(DeviceId("phone"), receipts)))

    def receipt(self, id_: MessageId, attempt: int = 1) -> None:
        """The SMSC says that it was delivered."""
        receipt = LineReceipt(LineName("sms-a"), (f"{id_}/{attempt}",), ReceiptState.DELIVERED, self.daemon.now)
        done(Deferred.fromCoroutine(self.daemon.parts.receipts.from_line(receipt)))

    def sums(self, *by: str, **query: object) -> dict[tuple[str | None, ...], Sums]:
        """The report's rows."""
        self.time.advance(0.001)
        asked = ReportQuery(by=by, **query)  # type: ignore[arg-type]
        report = done(Deferred.fromCoroutine(self.daemon.parts.core.report(asked)))
        return {row.keys: row.sums for row in report.rows}


@pytest.fixture
def world(tmp_path: Path) -> World:
    """With a price."""
    return World(tmp_path)


def test_an_sms_costs_its_parts(world: World) -> None:
    world.receipt(world.send(LONG, OTHER))
    assert world.sums() == {(): Sums(messages=1, parts=2, delivered=1, cost=1_800_000)}


def test_a_push_that_is_confirmed_spares_the_sms_that_would_have_followed(world: World) -> None:
    world.confirm(world.send(LONG))
    assert world.sums() == {(): Sums(messages=1, delivered=1, avoided=1, avoided_parts=2, saved=1_800_000)}


def test_what_would_have_been_sent_is_what_the_message_has_for_that_line(world: World) -> None:
    world.confirm(world.send(LONG, per_line={"smpp": LineText("Look into the app")}))
    assert world.sums()[()].avoided_parts == 1


def test_a_push_without_a_receipt_spares_nothing_and_one_that_comes_too_late_neither(world: World) -> None:
    world.send()
    late = world.send()
    world.time.advance(60)
    world.confirm(late)
    assert world.sums() == {(): Sums(messages=2, parts=2, delivered=1, cost=1_800_000)}


def test_what_the_line_did_not_take_costs_nothing(world: World) -> None:
    world.sms.script = lambda handover: (NotSent("refused", final=True), 0.0, False)
    world.send(number=OTHER)
    assert world.sums() == {(): Sums(messages=1, failed=1)}


def test_without_prices_parts_are_counted_and_money_is_not(tmp_path: Path) -> None:
    world = World(tmp_path, price=None)
    world.receipt(world.send(LONG, OTHER))
    world.confirm(world.send(LONG))
    assert world.sums() == {(): Sums(messages=2, parts=2, delivered=2)}


def test_sums_are_by_what_was_asked_in_its_order(world: World) -> None:
    world.receipt(world.send(number=OTHER))
    world.confirm(world.send(priority="high"))
    world.send(number=OTHER, sender="plc", cost_centre="4712")
    assert {keys: (sums.messages, sums.delivered) for keys, sums in world.sums("sender").items()} == {
        ("crm",): (2, 2), ("plc",): (1, 0),
    }  # fmt: skip
    assert list(world.sums("priority", "sender")) == [("high", "crm"), ("normal", "crm"), ("normal", "plc")]
    assert list(world.sums("cost_centre")) == [("4711",), ("4712",)]
    assert list(world.sums("group")) == [(None,), ("machines",)]
    assert list(world.sums("group", "sender")) == [(None, "crm"), ("machines", "plc")]


def test_by_line_a_message_counts_on_each_line_it_was_tried_on(world: World) -> None:
    id_ = world.send()
    world.time.advance(60)
    world.receipt(id_, 2)
    assert world.sums("line") == {
        ("datasms",): Sums(messages=1, failed=1),
        ("sms-a",): Sums(messages=1, parts=1, delivered=1, cost=900_000),
    }


def test_a_sender_may_ask_for_its_own_only(world: World) -> None:
    world.send(number=OTHER)
    world.send(number=OTHER, sender="plc")
    assert list(world.sums("sender", sender="plc")) == [("plc",)]


def test_days_are_those_of_the_zone_and_the_span_ends_before_its_end(world: World) -> None:
    world.send(number=OTHER)
    world.time.advance(86_400)
    world.send(number=OTHER)
    world.time.advance(1)
    since = START_MS
    assert list(world.sums("day", since=since)) == [("2027-01-15",), ("2027-01-16",)]
    assert world.sums(since=since, until=START_MS + 86_400_000)[()].messages == 1
    assert world.sums(since=since + 1)[()].messages == 1
    daemon = world.daemon.parts
    daemon.configure(replace(daemon.config, daemon=replace(daemon.config.daemon, timezone="Pacific/Honolulu")), {})
    assert list(world.sums("day", since=since)) == [("2027-01-14",), ("2027-01-15",)]


def test_a_price_by_operator_goes_before_the_line_s_and_reports_know_the_operator(tmp_path: Path) -> None:
    world = World(tmp_path)
    priced = tuple(
        replace(line, prices={"vodafone": Price(500_000)}) if isinstance(line, SmppLine) else line
        for line in world.daemon.parts.config.line
    )
    world.daemon.parts.configure(replace(world.daemon.parts.config, line=priced), {})
    world.receipt(world.send(number="+420774000001"))
    world.receipt(world.send(number="+420602000001"))
    assert {keys: sums.cost for keys, sums in world.sums("operator").items()} == {
        ("o2",): 900_000,
        ("vodafone",): 500_000,
    }
