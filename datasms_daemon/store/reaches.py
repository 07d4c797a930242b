"""Verbs on the ways to a device: the preferred one stands with the device, the others behind it in their order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from datasms_daemon.model import DeviceId, PersonId, Reach
from datasms_daemon.store import statements
from datasms_daemon.store import statements_reaches as sql
from datasms_daemon.store.writer import Db

PREFERRED = 0
"""The place of the preferred one; the others count from 1."""


def address_text(address: dict[str, str]) -> str:
    """The one spelling of an address that is stored and compared."""
    return msgspec.json.encode(address, order="sorted").decode()


def values_of(reach: Reach) -> dict[str, str]:
    """A way as statements take it."""
    return {"channel": reach.channel, "address": address_text(reach.address)}


def put(db: Db, id_: DeviceId, others: Iterable[Reach]) -> None:
    """Exchanges all ways of a device but the preferred one; those that were gone are forgotten."""
    db.execute(sql.DELETE_REACHES, {"id": id_})
    rows = [{"id": id_, "position": position} | values_of(reach) for position, reach in enumerate(others, 1)]
    db.executemany(sql.INSERT_REACH, rows)


def remove(db: Db, id_: DeviceId, reach: Reach) -> None:
    """Takes one out of the others of a device, where it is one of them."""
    row = db.execute(sql.SELECT_REACH, {"id": id_} | values_of(reach)).fetchone()
    if row is not None:
        db.execute(sql.DELETE_REACH, {"id": id_, "position": row[0]})


def take(db: Db, id_: DeviceId, wanted: Iterable[Reach]) -> list[DeviceId]:
    """Takes addresses away from the other devices that have them, which the answer names, or had them (I40)."""
    former: dict[DeviceId, None] = {}
    for reach in wanted:
        if (holding := holders(db, reach)) == [id_]:
            continue
        for holder in holding:
            lose(db, holder, reach, None)
            former[holder] = None
        for statement in (sql.FORGET_GONE_DEVICES, sql.FORGET_GONE_REACHES):
            db.execute(statement, {"id": id_} | values_of(reach))
    return list(former)


def take_phones(db: Db, owners: Iterable[tuple[str, PersonId]]) -> None:
    """Takes phones with these numbers from the devices of others: who has the number has the phone (I40)."""
    channels = list(_phone_channels(db))
    for number, person in owners if channels else ():
        for reach in (Reach(channel, {"phone": number}) for channel in channels):
            for holder in holders(db, reach):
                if db.execute(statements.SELECT_WRITER, {"id": holder}).fetchone()[0] != person:
                    lose(db, holder, reach, None)
    db.execute(sql.FORGET_GONE_PHONES)
    db.execute(sql.FORGET_OTHER_GONE_PHONES)


def _phone_channels(db: Db) -> Iterator[str]:
    """The channels whose addresses are phones; those of a channel are all alike."""
    after = ""
    # One step in the index a channel, however many devices there are.
    while (channel := db.execute(sql.SELECT_NEXT_CHANNEL, {"after": after}).fetchone()[0]) is not None:
        (address,) = db.execute(sql.SELECT_SOME_ADDRESS, {"channel": channel}).fetchone()
        if address.startswith('{"phone":'):
            yield channel
        after = channel


def holders(db: Db, reach: Reach) -> list[DeviceId]:
    """The active device that has an address, as its preferred one or another; none for an empty address."""
    return [DeviceId(row[0]) for row in db.execute(sql.SELECT_HOLDERS, values_of(reach)).fetchall()]


def place(db: Db, id_: DeviceId, reach: Reach) -> int | None:
    """Where a way stands with an active device; None: not any more."""
    values = {"id": id_} | values_of(reach)
    row = db.execute(sql.SELECT_PREFERRED, {"id": id_}).fetchone()
    if row is not None and tuple(row) == (values["channel"], values["address"]):
        return PREFERRED
    row = db.execute(sql.SELECT_REACH, values).fetchone()
    return None if row is None else int(row[0])


def lose(db: Db, id_: DeviceId, reach: Reach, gone_at: int | None) -> None:
    """Takes a way from a device, the next one is preferred then; a device that has no other is retired.

    ``gone_at``: the service said so. None: another device took the address over.
    """
    position = place(db, id_, reach)
    if position is None:
        return
    if position == PREFERRED:
        if not _promote(db, id_, values_of(reach), gone_at):
            db.execute(sql.RETIRE, {"id": id_, "now": gone_at})
    elif gone_at is None:
        db.execute(sql.DELETE_REACH, {"id": id_, "position": position})
    else:
        db.execute(sql.REACH_GONE, {"id": id_, "position": position, "now": gone_at})


def bring_back(db: Db, reach: Reach) -> list[DeviceId]:
    """The service was wrong, or its user came back: the device that had the address last has it again. None, where
    somebody has it now, or whoever had it last lost it otherwise."""
    if holders(db, reach):
        return []
    values = values_of(reach)
    back = db.execute(sql.REACTIVATE, values).fetchall()
    if back:
        return [DeviceId(row[0]) for row in back]
    row = db.execute(sql.SELECT_GONE_REACH, values).fetchone()
    if row is None:
        return []
    device, position, state, channel, address, gone_at = row
    db.execute(sql.REACH_BACK, {"id": device, "position": position})
    if state == "retired":
        _promote(db, DeviceId(device), {"channel": channel, "address": address}, gone_at)
    return [DeviceId(device)]


def _promote(db: Db, id_: DeviceId, former: dict[str, str], gone_at: int | None) -> bool:
    """Makes the next way the preferred one; False when there is none. A former one that is gone is kept in its place:
    it counts as gone, and may come back."""
    row = db.execute(sql.SELECT_NEXT_REACH, {"id": id_}).fetchone()
    if row is None:
        return False
    position, channel, address = row
    db.execute(sql.SET_PREFERRED, {"id": id_, "channel": channel, "address": address})
    if gone_at is None:
        db.execute(sql.DELETE_REACH, {"id": id_, "position": position})
    else:
        db.execute(sql.KEEP_GONE_REACH, {"id": id_, "position": position, "now": gone_at} | former)
    return True
