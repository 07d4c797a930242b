"""People with a phone each, written into the store before the daemon starts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from bench.accept import number
from datasms_daemon.crypto import tokens
from datasms_daemon.model import Device, DeviceId, Person, PersonId
from datasms_daemon.ops.clock import wall_ms
from datasms_daemon.store import directory
from datasms_daemon.store.store import Db, InlineStore

T = TypeVar("T")


class Phone(NamedTuple):
    """One person's device: the number messages go to, the push address, and the token it shows."""

    number: str
    address: str
    token: str


def open_store(database: Path) -> InlineStore:
    """The store while no daemon runs."""
    return InlineStore(database, lambda failure: failure.raiseException())


def done(answer: Deferred[T]) -> T:
    """The answer of a Deferred that has fired."""
    found: list[T | Failure] = []
    answer.addBoth(found.append)
    if isinstance(found[0], Failure):
        found[0].raiseException()
    return found[0]


def add_people(database: Path, count: int) -> list[Phone]:
    """So many persons, each with one device on the channel ``fcm``."""
    phones = [
        Phone(number(index), f"phone-{index}", tokens.new_token(tokens.DEVICE_PREFIX, os.urandom))
        for index in range(count)
    ]
    now = wall_ms()

    def unit(db: Db) -> None:
        directory.put_persons(
            db, [Person(PersonId(f"person-{i}"), numbers=(phone.number,)) for i, phone in enumerate(phones)]
        )
        for i, phone in enumerate(phones):
            device = DeviceId(f"device-{i}")
            address = {"token": phone.address}
            directory.add_device(db, Device(device, PersonId(f"person-{i}"), "fcm", address, created_at=now))
            directory.set_token(db, device, tokens.hash_token(phone.token))

    store = open_store(database)
    done(store.write(unit))
    store.stop()
    return phones


def count_messages(database: Path, which: str) -> int:
    """How many messages there are of which the SQL condition holds."""
    store = open_store(database)
    row = done(store.read(lambda db: db.execute(f"SELECT count(*) FROM messages WHERE {which}").fetchone()))
    store.stop()
    return int(row[0])
