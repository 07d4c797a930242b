"""Verbs on addresses that their service calls gone, within the limits of :mod:`datasms_daemon.rules.retirement`.

All that the limits need is in the database: a restart does not lift a hold.
"""

from __future__ import annotations

import msgspec

from datasms_daemon.model import DeviceId, Reach
from datasms_daemon.rules.retirement import WINDOW_MS, enough, may_retire
from datasms_daemon.store import reaches
from datasms_daemon.store import statements as sql
from datasms_daemon.store.writer import Db

_ALL = 1 << 62


class Hold(msgspec.Struct, frozen=True):
    """From now on no address of ``channel`` is retired: ``gone`` of ``known`` have been within an hour."""

    channel: str
    gone: int
    known: int


class Retirement(msgspec.Struct, frozen=True):
    """What became of an address that is said to be gone: ``retired`` are the devices that lost it, for good or for
    their next one; ``hold`` when this was the one too many."""

    retired: tuple[DeviceId, ...] = ()
    hold: Hold | None = None


def retire(db: Db, device: DeviceId, reach: Reach, now: int) -> Retirement:
    """Takes an address from a device if it still has it (I41) and its channel's deletions are not held; a device that
    has no other is retired."""
    if reaches.place(db, device, reach) is None:
        return Retirement()
    channel = reach.channel
    held_at, resumed_at = db.execute(sql.SELECT_HOLD, {"channel": channel}).fetchone() or (None, 0)
    if held_at is not None and held_at > now - WINDOW_MS:
        return Retirement()
    since = max(now - WINDOW_MS, resumed_at)
    gone = int(db.execute(sql.COUNT_GONE, {"channel": channel, "since": since}).fetchone()[0])
    needed = enough(gone)
    if needed and not may_retire(_active(db, channel, needed), gone):
        db.execute(sql.HOLD_CHANNEL, {"channel": channel, "now": now})
        return Retirement(hold=Hold(channel, gone, gone + _active(db, channel, _ALL)))
    reaches.lose(db, device, reach, now)
    return Retirement((device,))


def retire_address(db: Db, channel: str, address: dict[str, str], now: int) -> Retirement:
    """``retire`` for the device that has this address of the channel."""
    reach = Reach(channel, address)
    holders = reaches.holders(db, reach)
    return retire(db, holders[0], reach, now) if holders else Retirement()


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
