"""The datasms line: all devices at once, one outcome."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from zope.interface import implementer
from zope.interface.verify import verifyObject

from datasms_daemon.channels.direct import Direct
from datasms_daemon.channels.presence import Presence
from datasms_daemon.config.channels import DirectChannel
from datasms_daemon.config.records import DatasmsLine
from datasms_daemon.interfaces import IChannel, IChannelHost, ILine, ILineHost, IOperatedChannel
from datasms_daemon.lines.datasms import DatasmsDriver, outcome_of
from datasms_daemon.model import (
    Accepted,
    AddressGone,
    ChannelView,
    Device,
    DeviceId,
    Handover,
    InboundPart,
    InboundText,
    Later,
    LineDown,
    LineName,
    LineReceipt,
    LineState,
    MessageId,
    NotSent,
    Outcome,
    PersonId,
    PushOrder,
    Reach,
    Unknown,
    Verdict,
)

NOW = 1_795_000_000_000
GONE, DOWN, UNKNOWN = AddressGone("gone"), LineDown("down"), Unknown("?")
NOT_SENT, NEVER = NotSent("limit"), NotSent("too long", final=True)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([], AddressGone("no device")),
        ([Accepted(("a",)), Accepted(("b",))], Accepted(("a", "b"))),
        ([GONE, UNKNOWN, Accepted(("a",)), DOWN], Accepted(("a",))),
        ([GONE, GONE], GONE),
        ([GONE, UNKNOWN, Later("busy", 5), DOWN], UNKNOWN),
        ([GONE, Later("busy", 9), Later("busier", 5), DOWN, NEVER], Later("busier", 5)),
        ([Later("busy", 9), Later("soon", None)], Later("soon", None)),
        ([NEVER, DOWN, GONE], DOWN),
        ([GONE, NEVER], NEVER),
        ([NEVER, NOT_SENT], NOT_SENT),
    ],
)
def test_the_outcome_of_a_message_is_the_best_of_its_pushes(outcomes: list[Outcome], expected: Outcome) -> None:
    assert outcome_of(outcomes) == expected


@implementer(IOperatedChannel)
class _Channel:
    """Answers by address; a missing answer comes when the test says so."""

    def __init__(self, name: str, **answers: Outcome) -> None:
        self.name = name
        self.answers = answers
        self.orders: list[PushOrder] = []
        self.pending: list[Deferred[Outcome]] = []

    carries_text = False

    def start(self, host: IChannelHost) -> None:
        raise AssertionError("the line does not start channels")

    async def withdraw(self, order: PushOrder) -> None:
        raise AssertionError(order)

    async def check(self) -> Verdict:
        raise AssertionError("nobody asked")

    under_way = 0

    async def stop(self) -> None:
        raise AssertionError("the line does not stop channels")

    def status(self) -> ChannelView:
        raise AssertionError("the line does not ask channels how they are")

    async def push(self, order: PushOrder) -> Outcome:
        self.orders.append(order)
        known = self.answers.get(order.device.address["token"])
        if known is not None:
            return known
        self.pending.append(Deferred())
        return await self.pending[-1]


@implementer(ILineHost)
class _Host:
    def __init__(self) -> None:
        self.rooms: list[str] = []

    def room(self, line: LineName) -> None:
        self.rooms.append(line)

    async def receipt(self, receipt: LineReceipt) -> None:
        raise AssertionError(receipt)

    async def inbound(self, inbound: InboundText) -> None:
        raise AssertionError(inbound)

    async def part(self, part: InboundPart) -> None:
        raise AssertionError(part)


class _World:
    def __init__(self, *channels: _Channel, concurrency: int = 100) -> None:
        self.host = _Host()
        self.now = NOW
        self.notified: list[str] = []
        self.line = DatasmsDriver(
            DatasmsLine(name=LineName("datasms"), concurrency=concurrency),
            {channel.name: channel for channel in channels},
            self.notified.append,
            lambda: self.now,
        )
        self.line.start(self.host)


def _device(id_: str, channel: str = "fcm", *others: Reach) -> Device:
    return Device(DeviceId(id_), PersonId("novak"), channel, {"token": f"t{id_}"}, others=others)


def _handover(*devices: Device) -> Handover:
    return Handover(
        message=MessageId("m1"),
        attempt=1,
        to="+420603123456",
        title=None,
        text="Pump 3 stopped",
        priority="high",
        urgent=True,
        created_at=NOW,
        valid_until=NOW + 90_000,
        devices=devices,
    )


WEB, OLD = Reach("web", {"token": "w"}), Reach("old", {"token": "o"})


@pytest.mark.parametrize("first", [GONE, DOWN, NOT_SENT, NEVER, Later("busy", 5)])
@pytest_twisted.ensureDeferred
async def test_what_was_surely_not_taken_goes_to_the_next_channel_at_once(first: Outcome) -> None:
    fcm, web = _Channel("fcm", ta=first), _Channel("web", w=Accepted(("x",)))
    world = _World(fcm, web)
    result = await world.line.send(_handover(_device("a", "fcm", WEB)))
    assert result.outcome == Accepted(("x",))
    assert [(push.channel, push.address, push.outcome) for push in result.pushes] == [
        ("fcm", {"token": "ta"}, first),
        ("web", {"token": "w"}, Accepted(("x",))),
    ]
    (order,) = web.orders
    assert (order.device.channel, order.device.address) == ("web", {"token": "w"})
    assert world.notified == ["a"]


@pytest.mark.parametrize("first", [Accepted(("x",)), UNKNOWN])
@pytest_twisted.ensureDeferred
async def test_what_was_taken_or_may_have_been_is_shown_by_no_other_channel(first: Outcome) -> None:
    """I26."""
    web = _Channel("web", w=Accepted())
    result = await _World(_Channel("fcm", ta=first), web).line.send(_handover(_device("a", "fcm", WEB)))
    assert (result.outcome, len(result.pushes), web.orders) == (first, 1, [])


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (GONE, GONE, GONE),
        (GONE, Later("busy", 5), Later("busy", 5)),
        (Later("busy", 5), GONE, Later("busy", 5)),
        (Later("busy", 5), UNKNOWN, UNKNOWN),
        (DOWN, NEVER, DOWN),
    ],
)
@pytest_twisted.ensureDeferred
async def test_channels_that_all_fail_mean_what_devices_that_all_fail_mean(
    first: Outcome, second: Outcome, expected: Outcome
) -> None:
    world = _World(_Channel("fcm", ta=first), _Channel("web", w=second))
    assert (await world.line.send(_handover(_device("a", "fcm", WEB)))).outcome == expected


@pytest_twisted.ensureDeferred
async def test_a_channel_that_is_not_configured_is_passed_over() -> None:
    world = _World(_Channel("web", w=Accepted(("x",))))
    result = await world.line.send(_handover(_device("a", "fcm", OLD, WEB)))
    assert [push.channel for push in result.pushes] == ["web"]


@pytest.mark.parametrize(("seconds", "tried"), [(19.9, True), (20.0, False)])
@pytest_twisted.ensureDeferred
async def test_the_next_channel_is_tried_only_while_it_can_end_within_the_lease(seconds: float, tried: bool) -> None:
    fcm, web = _Channel("fcm"), _Channel("web", w=Accepted(("x",)))
    world = _World(fcm, web)
    sending = Deferred.fromCoroutine(world.line.send(_handover(_device("a", "fcm", WEB))))
    world.now += round(seconds * 1000)
    fcm.pending[0].callback(GONE)
    result = await sending
    assert len(web.orders) == tried
    late = NotSent("no time was left for the next channel")
    assert result.outcome == (Accepted(("x",)) if tried else late)
    assert result.pushes[0].outcome == GONE


@pytest.mark.parametrize(("first", "once"), [(Later("busy"), True), (UNKNOWN, False)])
@pytest_twisted.ensureDeferred
async def test_a_repeat_might_be_seen_only_where_the_uncertain_push_went_by_a_channel_that_shows_it(
    first: Outcome, once: bool
) -> None:
    web = _Channel("web", w=UNKNOWN)
    web.carries_text = True
    result = await _World(_Channel("fcm", ta=first), web).line.send(_handover(_device("a", "fcm", WEB)))
    assert (result.outcome, result.once) == (UNKNOWN, once)


def test_driver_and_channel_provide_their_interfaces() -> None:
    channel = _Channel("fcm")
    assert verifyObject(IChannel, channel)
    assert verifyObject(ILine, _World(channel).line)


@pytest_twisted.ensureDeferred
async def test_each_device_is_pushed_through_its_own_channel_with_ids_only() -> None:
    fcm, wns = _Channel("fcm", ta=Accepted(("x",))), _Channel("wns", tb=GONE)
    world = _World(fcm, wns)
    result = await world.line.send(_handover(_device("a"), _device("b", "wns")))
    assert result.outcome == Accepted(("x",))
    assert [(push.device, push.address, push.outcome) for push in result.pushes] == [
        ("a", {"token": "ta"}, Accepted(("x",))),
        ("b", {"token": "tb"}, GONE),
    ]
    assert fcm.orders == [PushOrder(MessageId("m1"), _device("a"), True, 90_000)]
    assert world.notified == ["a", "b"]


@pytest_twisted.ensureDeferred
async def test_all_devices_are_pushed_at_once() -> None:
    channel = _Channel("fcm")
    world = _World(channel)
    sending = Deferred.fromCoroutine(world.line.send(_handover(_device("a"), _device("b"))))
    assert len(channel.pending) == 2
    channel.pending[1].callback(GONE)
    channel.pending[0].callback(UNKNOWN)
    result = await sending
    assert [push.outcome for push in result.pushes] == [UNKNOWN, GONE]


@pytest_twisted.ensureDeferred
async def test_a_person_without_a_device_is_gone_from_this_line() -> None:
    result = await _World(_Channel("fcm")).line.send(_handover())
    assert result.outcome == AddressGone("no device")
    assert result.pushes == ()


@pytest_twisted.ensureDeferred
async def test_a_device_of_an_unknown_channel_is_not_sent_to() -> None:
    result = await _World(_Channel("fcm")).line.send(_handover(_device("a", "wns")))
    assert result.outcome == NotSent("the device's channel is not configured", final=True)


@pytest_twisted.ensureDeferred
async def test_a_fault_in_one_channel_leaves_the_others_alone(logged_failures: list[dict[str, Any]]) -> None:
    fcm, odd = _Channel("fcm", ta=Accepted(("x",))), _Channel("odd")
    world = _World(fcm, odd)
    sending = Deferred.fromCoroutine(world.line.send(_handover(_device("a"), _device("b", "odd"))))
    odd.pending[0].errback(ZeroDivisionError())
    result = await sending
    assert result.outcome == Accepted(("x",))
    assert result.pushes[1].outcome == Unknown("internal fault in the channel")
    assert len(logged_failures) == 1
    logged_failures.clear()


@pytest_twisted.ensureDeferred
async def test_room_counts_what_is_under_way_and_the_host_is_told_when_there_is_some_again() -> None:
    channel = _Channel("fcm")
    world = _World(channel, concurrency=2)
    sending = [Deferred.fromCoroutine(world.line.send(_handover(_device(id_)))) for id_ in "ab"]
    assert world.line.room() == 0
    assert world.line.status().state is LineState.DEGRADED
    channel.pending[0].callback(Accepted())
    await sending[0]
    assert world.line.room() == 1
    assert world.line.status().state is LineState.UP
    assert world.host.rooms == ["datasms"]
    channel.pending[1].callback(Accepted())
    await sending[1]
    assert world.line.room() == 2
    assert world.host.rooms == ["datasms"]


@pytest_twisted.ensureDeferred
async def test_stopping_waits_for_what_is_under_way_and_leaves_the_channels_open() -> None:
    channel = _Channel("fcm")
    world = _World(channel)
    sending = Deferred.fromCoroutine(world.line.send(_handover(_device("a"))))
    stopping = Deferred.fromCoroutine(world.line.stop())
    assert not stopping.called
    assert world.line.room() == 0
    refused = await world.line.send(_handover(_device("b")))
    assert refused.outcome == NotSent("the line is stopping")
    channel.pending[0].callback(Accepted())
    assert (await sending).outcome == Accepted()
    await stopping
    assert world.host.rooms == []


@pytest_twisted.ensureDeferred
async def test_the_direct_channel_tells_who_is_connected_and_accepts_whether_anybody_is_or_not() -> None:
    presence = Presence()
    direct = Direct(DirectChannel(name="direct"), presence)
    assert verifyObject(IChannel, direct)
    order = PushOrder(MessageId("m1"), _device("a", "direct"), False, 1000)
    assert await direct.push(order) == Accepted()
    news: list[bool] = []
    end = presence.watch(DeviceId("a"), news.append)
    assert await direct.push(order) == Accepted()
    assert news == [True]
    end()
    assert await direct.push(order) == Accepted()
    assert news == [True]


def test_a_device_is_connected_while_anybody_watches_it() -> None:
    presence, device = Presence(), DeviceId("a")
    assert not presence.connected(device)
    first, second = presence.watch(device, lambda _: None), presence.watch(device, lambda _: None)
    first()
    first()
    assert presence.connected(device)
    second()
    assert not presence.connected(device)


def test_revoking_a_device_tells_its_watchers_once_and_for_all() -> None:
    presence, device = Presence(), DeviceId("a")
    news: list[bool] = []
    ends = [presence.watch(device, news.append) for _ in range(2)]
    presence.revoke(device)
    presence.revoke(device)
    presence.notify(device)
    assert news == [False, False]
    assert not presence.connected(device)
    later = presence.watch(device, news.append)
    for end in ends:
        end()
    assert presence.connected(device)
    later()


def test_a_watcher_may_end_its_watch_while_it_is_told() -> None:
    presence, device = Presence(), DeviceId("a")
    news: list[str] = []

    def once(_: bool) -> None:
        news.append("once")
        end()

    end = presence.watch(device, once)
    presence.watch(device, lambda _: news.append("always"))
    presence.notify(device)
    presence.notify(device)
    assert news == ["once", "always", "always"]


def test_a_watcher_that_fails_does_not_keep_the_news_from_the_others(logged_failures: list[dict[str, Any]]) -> None:
    presence, device = Presence(), DeviceId("a")
    news: list[bool] = []

    def broken(_: bool) -> None:
        raise ZeroDivisionError

    presence.watch(device, broken)
    presence.watch(device, news.append)
    presence.notify(device)
    assert news == [True]
    assert len(logged_failures) == 1
    logged_failures.clear()
