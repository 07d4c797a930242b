"""Verbs on addresses that their service calls gone, within the limits of :mod:`datasms_daemon.rules.retirement`.

All that the limits need is in the database: a restart does not lift a hold.
"""

from __future__ import annotations

import msgspec

from datasms_daemon.model import DeviceId
from datasms_daemon.rules.retirement import WINDOW_MS, enough, may_retire
from datasms_daemon.store import statements as sql
from datasms_daemon.store.directory import address_text
from datasms_daemon.store.writer import Db

_ALL = 1 << 62


class Hold(msgspec.Struct, frozen=True):
    """From now on no address of ``channel`` is retired: ``gone`` of ``known`` have been within an hour."""

    channel: str
    gone: int
    known: int


class Retirement(msgspec.Struct, frozen=True):
    """What became of an address that is said to be gone; ``hold`` when this was the one too many."""

    retired: tuple[DeviceId, ...] = ()
    hold: Hold | None = None


def retire(db: Db, device: DeviceId, address: dict[str, str], now: int) -> Retirement:
    """Retires a device if it still has this address (I41) and its channel's deletions are not held."""
    values = {"id": device, "address": address_text(address), "now": now}
    row = db.execute(sql.SELECT_ACTIVE_CHANNEL, values).fetchone()
    if row is None:
        return Retirement()
    channel = str(row[0])
    held_at, resumed_at = db.execute(sql.SELECT_HOLD, {"channel": channel}).fetchone() or (None, 0)
    if held_at is not None and held_at > now - WINDOW_MS:
        return Retirement()
    since = max(now - WINDOW_MS, resumed_at)
    gone = int(db.execute(sql.COUNT_GONE, {"channel": channel, "since": since}).fetchone()[0])
    needed = enough(gone)
    if needed and not may_retire(_active(db, channel, needed), gone):
        db.execute(sql.HOLD_CHANNEL, {"channel": channel, "now": now})
        return Retirement(hold=Hold(channel, gone, gone + _active(db, channel, _ALL)))
    db.execute(sql.RETIRE, values)
    return Retirement((device,))


def retire_address(db: Db, channel: str, address: dict[str, str], now: int) -> Retirement:
    """``retire`` for the device that has this address of the channel."""
    row = db.execute(sql.SELECT_HOLDER, {"channel": channel, "address": address_text(address)}).fetchone()
    return Retirement() if row is None else retire(db, DeviceId(row[0]), address, now)


def is_held(db: Db, channel: str, now: int) -> bool:
    """Whether deletions of a channel are held."""
    row = db.execute(sql.SELECT_HOLD, {"channel": channel}).fetchone()
    return row is not None and row[0] is not None and row[0] > now - WINDOW_MS


def resume(db: Db, channel: str, now: int) -> bool:
    """An operator says that the service is right: the count begins anew. False when nothing was held."""
    return db.execute(sql.RESUME_CHANNEL, {"channel": channel, "now": now, "since": now - WINDOW_MS}).rowcount > 0


def _active(db: Db, channel: str, most: int) -> int:
    """Active addresses of a channel, counted up to ``most``."""
    return int(db.execute(sql.COUNT_ACTIVE, {"channel": channel, "enough": most}).fetchone()[0])
