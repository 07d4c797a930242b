"""Who is connected: told at once, waited for a moment, and pushed to only when nothing comes back."""

from __future__ import annotations

from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from datasms_daemon.channels._policy import governed
from datasms_daemon.channels.presence import Presence
from datasms_daemon.config.channels import FcmChannel
from datasms_daemon.model import Accepted, Device, DeviceId, MessageId, Outcome, PersonId, PushOrder
from tests.fakes.channels import FakeChannel

DEVICE = DeviceId("d1")
MESSAGE = MessageId("m1")
ORDER = PushOrder(MESSAGE, Device(DEVICE, PersonId("novak"), "fcm", {"token": "t"}), True, 60_000)


class World:
    """A governed channel that waits two seconds for connected clients."""

    def __init__(self, *, carries_text: bool = False) -> None:
        self.clock = Clock()
        self.presence = Presence()
        self.channel = FakeChannel("fcm", carries_text=carries_text)
        options = FcmChannel(name="fcm", credentials_file=Path("firebase.json"))

        async def confirmed(order: PushOrder) -> bool:
            return await self.presence.confirms(order.device.id, order.message, 2.0, self.clock)

        self.governed = governed(self.channel, "fcm", options, self.clock, lambda: 0, confirmed)

    def push(self) -> Deferred[Outcome]:
        """A push under way."""
        return Deferred.fromCoroutine(self.governed.push(ORDER))


@pytest.fixture
def world() -> World:
    return World()


@pytest_twisted.ensureDeferred
async def test_a_connected_client_that_confirms_needs_no_push(world: World) -> None:
    world.presence.watch(DEVICE, lambda news: None)
    pushing = world.push()
    world.clock.advance(1.9)
    world.presence.confirmed(DEVICE, MESSAGE)
    assert await pushing == Accepted()
    assert world.channel.orders == []
    assert world.clock.getDelayedCalls() == []


@pytest_twisted.ensureDeferred
async def test_a_connected_client_that_says_nothing_is_pushed_to(world: World) -> None:
    world.presence.watch(DEVICE, lambda news: None)
    pushing = world.push()
    world.clock.advance(1.9)
    assert world.channel.orders == []
    world.clock.advance(0.2)
    assert isinstance(await pushing, Accepted)
    assert world.channel.orders == [ORDER]
    world.presence.confirmed(DEVICE, MESSAGE)


@pytest_twisted.ensureDeferred
async def test_nobody_who_is_connected_means_a_push_at_once(world: World) -> None:
    assert isinstance(await world.push(), Accepted)
    assert world.channel.orders == [ORDER]


@pytest_twisted.ensureDeferred
async def test_another_message_or_device_does_not_count(world: World) -> None:
    world.presence.watch(DEVICE, lambda news: None)
    pushing = world.push()
    world.presence.confirmed(DEVICE, MessageId("m2"))
    world.presence.confirmed(DeviceId("d2"), MESSAGE)
    world.clock.advance(2)
    await pushing
    assert world.channel.orders == [ORDER]


@pytest_twisted.ensureDeferred
async def test_a_channel_that_shows_the_text_is_used_whoever_is_connected() -> None:
    world = World(carries_text=True)
    world.presence.watch(DEVICE, lambda news: None)
    assert isinstance(await world.push(), Accepted)
    assert world.channel.orders == [ORDER]


def test_a_listener_that_fails_does_not_keep_the_news_from_others(logged_failures: list[dict[str, object]]) -> None:
    presence = Presence()
    told: list[MessageId] = []

    def fails(message: MessageId) -> None:
        raise RuntimeError("broken pipe")

    presence.watch_withdrawals(DEVICE, fails)
    end = presence.watch_withdrawals(DEVICE, told.append)
    presence.withdraw(DEVICE, MESSAGE)
    end()
    end()
    presence.withdraw(DEVICE, MESSAGE)
    assert told == [MESSAGE]
    assert len(logged_failures) == 2
    logged_failures.clear()
