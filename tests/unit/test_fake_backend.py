"""The fake core keeps the promise of IBackend, so that tests against it mean something."""

from __future__ import annotations

import pytest_twisted
from zope.interface.verify import verifyObject

from datasms_daemon.interfaces import IBackend
from datasms_daemon.model import DeviceReceipt, DeviceState, MessageId, NewRegistration, Reach, ReceiptState
from tests.fakes.backend import NOW, FakeBackend

ASKED = NewRegistration(
    channel="direct", address={}, keys={}, name="phone", platform="android", app="datasms/1", remote="192.0.2.1"
)


def test_it_provides_the_interface() -> None:
    assert verifyObject(IBackend, FakeBackend())


@pytest_twisted.ensureDeferred
async def test_the_token_of_a_registration_is_shown_once_and_only_with_the_secret() -> None:
    backend = FakeBackend()
    registration = await backend.register(ASKED)
    assert registration is not None
    told: list[str] = []
    end = backend.watch_registration(registration.id, lambda: told.append("changed"))
    backend.complete(registration.id)
    end()
    assert told == ["changed"]
    assert await backend.registration(registration.id, "wrong") is None
    first = await backend.registration(registration.id, registration.secret)
    second = await backend.registration(registration.id, registration.secret)
    assert first is not None
    assert first.token is not None
    assert await backend.authenticate(first.token) is not None
    assert second is not None
    assert (second.state, second.token) == ("active", None)


@pytest_twisted.ensureDeferred
async def test_an_inbox_gives_what_is_after_the_cursor_and_takes_only_its_own_receipts() -> None:
    backend = FakeBackend()
    one, two = backend.add_device("one"), backend.add_device("two")
    items = [backend.put(one, f"text {n}") for n in range(3)]
    device = backend.devices[one].id
    assert await backend.inbox(device, items[0].seq, 10) == tuple(items[1:])
    assert await backend.inbox(device, 0, 1) == tuple(items[:1])
    receipt = DeviceReceipt(message=items[0].id, state=ReceiptState.READ, at=NOW)
    assert await backend.receipts(device, (receipt,)) == ()
    assert await backend.receipts(backend.devices[two].id, (receipt,)) == (MessageId(items[0].id),)
    assert backend.stored_receipts == [(device, receipt)]


@pytest_twisted.ensureDeferred
async def test_a_device_is_updated_and_unregistered_and_its_watchers_are_told() -> None:
    backend = FakeBackend()
    token = backend.add_device("one")
    device = backend.devices[token].id
    told: list[bool] = []
    end = backend.watch_inbox(device, told.append)
    updated = await backend.update_device(device, Reach("fcm", {"token": "x"}), None, {}, "new name")
    assert (updated.address, updated.name, updated.state) == ({"token": "x"}, "new name", DeviceState.ACTIVE)
    backend.put(token, "hello")
    await backend.unregister(device)
    end()
    assert told == [True, False]
    assert backend.watchers() == 0
    assert await backend.authenticate(token) is None
