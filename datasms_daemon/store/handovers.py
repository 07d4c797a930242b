"""Verbs on what lines were handed and what came back: parts and receipts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from datasms_daemon.model import (
    Attempt,
    LineName,
    LineReceipt,
    MessageId,
    Progress,
    ReceiptState,
)
from datasms_daemon.rules import audit as chain
from datasms_daemon.store import messages
from datasms_daemon.store import statements as sql
from datasms_daemon.store.writer import Db

MATCH_MS = 7 * 24 * 3_600_000
"""Providers use their ids again after weeks: an older part is not meant by a receipt of today."""


class Matched(msgspec.Struct, frozen=True):
    """A receipt, the attempt it speaks of, and where that one's message stands: to be applied before anything else is
    written. ``state`` is the whole attempt's, once all its parts are counted."""

    progress: Progress
    attempt: Attempt
    state: ReceiptState
    at: int
    reason: str | None = None


def add_parts(db: Db, line: LineName, id_: MessageId, n: int, provider_ids: Sequence[str], now: int) -> None:
    """Keeps the far end's ids, so that its receipts find the message.

    Parts of one id are one to the far end, so its receipt speaks for all of them.
    """
    rows = [
        {"line": line, "provider_id": provider_id, "message": id_, "n": n, "part": part, "sent_at": now}
        for part, provider_id in enumerate(dict.fromkeys(provider_ids))
    ]
    db.executemany(sql.INSERT_PART, rows)


def match(db: Db, receipt: LineReceipt) -> Matched | None:
    """The attempt a receipt speaks of, by line, id and number (I21), even if that was erased; its part's state is kept.
    None: nothing fits."""
    for provider_id in receipt.provider_ids:
        values = {
            "line": receipt.line,
            "provider_id": provider_id,
            "to": receipt.to,
            "hidden": None if receipt.to is None else chain.erased(db.audit_key, receipt.to),
            "since": receipt.at - MATCH_MS,
        }
        row = db.execute(sql.SELECT_PART, values).fetchone()
        if row is not None:
            return _count_part(db, row, receipt)
    return None


def keep_unmatched(db: Db, receipt: LineReceipt, now: int) -> None:
    """Receipts may come before the answer they belong to (I22)."""
    for provider_id in receipt.provider_ids:
        db.execute(
            sql.INSERT_UNMATCHED,
            {
                "line": receipt.line,
                "provider_id": provider_id,
                "state": receipt.state.value,
                "at": receipt.at,
                "to": receipt.to,
                "reason": receipt.reason,
                "stored_at": now,
            },
        )


def take_unmatched(db: Db, line: LineName, provider_ids: Sequence[str], to: str | None) -> list[LineReceipt]:
    """The receipts that had come early for these ids; they are taken out."""
    taken = []
    for provider_id in provider_ids:
        rows = db.execute(sql.TAKE_UNMATCHED, {"line": line, "provider_id": provider_id, "to": to}).fetchall()
        taken += [
            LineReceipt(line, (provider_id,), ReceiptState(state), at, to, reason)
            for state, at, reason in sorted(rows, key=lambda row: row[1])
        ]
    return taken


def _count_part(db: Db, row: tuple[Any, ...], receipt: LineReceipt) -> Matched | None:
    """A message of several parts has arrived when all have, and failed as soon as one has for good."""
    message, n, part, state = row
    if state not in (ReceiptState.DELIVERED, ReceiptState.READ, ReceiptState.FAILED):
        db.execute(sql.UPDATE_PART, {"message": message, "n": n, "part": part, "state": receipt.state.value})
    found = messages.attempt(db, message, n)
    if found is None:
        return None
    attempt, progress = found
    states = {ReceiptState(found) for (found,) in db.execute(sql.SELECT_PART_STATES, {"message": message, "n": n})}
    whole = next(
        state
        for state in (ReceiptState.FAILED, ReceiptState.SENT, ReceiptState.DELIVERED, ReceiptState.READ)
        if state in states
    )
    return Matched(progress, attempt, whole, receipt.at, receipt.reason)
