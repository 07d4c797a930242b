"""Verbs on registrations: numbers given out, tried, completed."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from datasms_daemon.model import DeviceId, NewRegistration, PersonId, Reach
from datasms_daemon.store import statements as sql
from datasms_daemon.store.writer import Db

HOUR_MS = 3_600_000


class Pending(msgspec.Struct, frozen=True):
    """A registration that waits for its number; ``verifier`` is what the number's secret part is checked against.

    ``person`` is whose device it will be; None: whose phone the SMS comes from.
    """

    id: str
    verifier: str
    tries: int
    person: PersonId | None
    channel: str
    address: Mapping[str, str]
    keys: Mapping[str, str]
    name: str
    platform: str
    app: str
    others: tuple[Reach, ...]


def insert(
    db: Db,
    id_: str,
    secret_hash: str,
    selector: str,
    verifier: str,
    new: NewRegistration,
    person: PersonId | None,
    now: int,
    expires_at: int,
) -> None:
    """Stores a registration that waits to be proved; ``person`` when we know whose it is."""
    db.execute(
        sql.INSERT_REGISTRATION,
        {
            "id": id_,
            "secret_hash": secret_hash,
            "selector": selector,
            "verifier": verifier,
            "channel": new.channel,
            "address": msgspec.json.encode(new.address, order="sorted").decode(),
            "keys": msgspec.json.encode(new.keys).decode(),
            "name": new.name,
            "platform": new.platform,
            "app": new.app,
            "others": msgspec.json.encode(new.others).decode(),
            "remote": new.remote,
            "person": person,
            "created_at": now,
            "expires_at": expires_at,
        },
    )


def state(db: Db, id_: str, secret_hash: str, now: int) -> tuple[str, DeviceId | None] | None:
    """How a registration stands; None for a wrong id or secret."""
    row = db.execute(sql.SELECT_REGISTRATION, {"id": id_, "secret_hash": secret_hash}).fetchone()
    if row is None:
        return None
    _, found, device, expires_at = row
    if found == "pending" and expires_at <= now:
        return "expired", None
    return found, device


def token_shown(db: Db, id_: str) -> bool:
    """The token is about to be shown; False when it was before."""
    return db.execute(sql.TOKEN_SHOWN, {"id": id_}).rowcount > 0


def pending(db: Db, selector: str, now: int) -> list[Pending]:
    """The registrations a number may mean."""
    rows = db.execute(sql.SELECT_PENDING, {"selector": selector, "now": now})
    return [
        Pending(
            id_, verifier, tries, person, channel, msgspec.json.decode(address, type=dict[str, str]),
            msgspec.json.decode(keys, type=dict[str, str]), name, platform, app,
            msgspec.json.decode(others, type=tuple[Reach, ...]),
        )
        for id_, verifier, tries, person, channel, address, keys, name, platform, app, others in rows
    ]  # fmt: skip


def complete(db: Db, id_: str, device: DeviceId, now: int) -> bool:
    """Binds the registration to its device; False when it was completed or expired meanwhile."""
    return db.execute(sql.COMPLETE_REGISTRATION, {"id": id_, "device": device, "now": now}).rowcount > 0


def count_try(db: Db, id_: str, most: int) -> None:
    """Counts a wrong number against the registration it was near; too many refuse it."""
    db.execute(sql.COUNT_TRY, {"id": id_})
    row = db.execute("SELECT tries FROM registrations WHERE id = :id", {"id": id_}).fetchone()
    if row is not None and row[0] >= most:
        db.execute(sql.REFUSE_REGISTRATION, {"id": id_})


def wrong_try(db: Db, sender_hash: str, now: int) -> None:
    """Remembers for an hour that somebody sent a wrong number."""
    db.execute(sql.INSERT_WRONG_TRY, {"at": now, "sender_hash": sender_hash})


def wrong_tries(db: Db, sender_hash: str, now: int) -> tuple[int, int]:
    """Wrong numbers of the last hour: by this sender, and over all."""
    row = db.execute(sql.COUNT_WRONG_TRIES, {"sender_hash": sender_hash, "since": now - HOUR_MS}).fetchone()
    return row[1], row[0]


def purge(db: Db, now: int) -> None:
    """Closes what has expired and forgets old tries."""
    db.execute(sql.EXPIRE_REGISTRATIONS, {"now": now})
    db.execute(sql.PURGE_WRONG_TRIES, {"before": now - HOUR_MS})
