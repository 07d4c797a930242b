"""Verbs on texts that are handed on to webhooks and by e-mail: tries, what died of them, webhooks that are stopped."""

from __future__ import annotations

from msgspec import structs

from datasms_daemon.model import DeadText
from datasms_daemon.store import targets_statements as sql
from datasms_daemon.store.inbound import Targets, Waiting
from datasms_daemon.store.writer import Db


def claim(db: Db, waiting: Waiting, until: int) -> Waiting | None:
    """It is being tried and not due before ``until``: the text as it waits from now on; None: somebody else has it."""
    row = db.execute(sql.CLAIM, {"seq": waiting.seq, "due_at": waiting.due_at, "until": until}).fetchone()
    return None if row is None else structs.replace(waiting, tries=row[0], due_at=until)


def put_off(db: Db, waiting: Waiting, until: int, reason: str) -> bool:
    """The try failed, and the next one is at ``until``; False: somebody else has it, or it is gone."""
    row = {"seq": waiting.seq, "due_at": waiting.due_at, "until": until, "reason": reason}
    return db.execute(sql.PUT_OFF, row).rowcount > 0


def interrupted(db: Db, targets: Targets, now: int) -> int:
    """What was being tried when the daemon stopped is due at once; how many texts."""
    return db.execute(sql.INTERRUPTED, {"first": targets[0], "last": targets[1], "now": now}).rowcount


def bury(db: Db, waiting: Waiting, now: int, reason: str) -> bool:
    """It is not tried any more; False: somebody else has it, or it is gone."""
    row = {"seq": waiting.seq, "due_at": waiting.due_at, "now": now, "reason": reason}
    return db.execute(sql.BURY, row).rowcount > 0


def bury_all(db: Db, target: str, now: int, reason: str) -> int:
    """Nothing is tried any more of all that waits for a target; how many texts."""
    return db.execute(sql.BURY_ALL, {"target": target, "now": now, "reason": reason}).rowcount


def dead(db: Db, after: int | None, limit: int) -> tuple[DeadText, ...]:
    """Texts that are not tried any more, newest first, before ``after``."""
    rows = db.execute(sql.SELECT_DEAD, {"after": after, "limit": limit})
    return tuple(DeadText(*row) for row in rows)


def dead_target(db: Db, seq: int) -> str | None:
    """Where a text that is not tried any more was to go; None: there is no such one."""
    row = db.execute(sql.SELECT_DEAD_TARGET, {"seq": seq}).fetchone()
    return None if row is None else str(row[0])


def revive(db: Db, seq: int, now: int) -> bool:
    """It is due at once, tried as if for the first time; False: it is not among the dead."""
    return db.execute(sql.REVIVE, {"seq": seq, "now": now}).rowcount > 0


def count_dead(db: Db) -> dict[str, int]:
    """By target: how many texts are not tried any more."""
    return dict(db.execute(sql.COUNT_DEAD).fetchall())


def stop(db: Db, name: str, url_hash: str, now: int, reason: str) -> bool:
    """Nothing goes to the webhook, while it has this URL; False: that was so already."""
    row = {"name": name, "url_hash": url_hash, "now": now, "reason": reason}
    return db.execute(sql.STOP, row).rowcount > 0


def resume(db: Db, name: str) -> bool:
    """It may be called again; False: it was not stopped."""
    return db.execute(sql.RESUME, {"name": name}).rowcount > 0


def stopped(db: Db) -> dict[str, tuple[str, str]]:
    """The webhooks that are stopped: the hash of the URL that they had, and why."""
    return {name: (url_hash, reason) for name, url_hash, reason in db.execute(sql.SELECT_STOPPED)}
