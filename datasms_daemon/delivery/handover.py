"""The units around a hand-over: claiming what is ready, and writing down what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
from msgspec import structs

from datasms_daemon.crypto import binding
from datasms_daemon.delivery.costs import Costs
from datasms_daemon.delivery.wording import Leaving, Wording
from datasms_daemon.model import (
    Accepted,
    Device,
    DeviceId,
    Event,
    Handover,
    HandoverResult,
    LineName,
    Message,
    MessageState,
    Progress,
)
from datasms_daemon.rules import lifecycle, receipts
from datasms_daemon.rules.decisions import Decision, Handed
from datasms_daemon.rules.inbound import OURSELVES
from datasms_daemon.rules.limits import crossed
from datasms_daemon.rules.openings import Openings
from datasms_daemon.rules.pipeline import TooLong
from datasms_daemon.rules.precedence import Precedence, choose
from datasms_daemon.store import directory, handovers, messages, operations, pushes
from datasms_daemon.store.retirement import Hold
from datasms_daemon.store.rows import Sealed
from datasms_daemon.store.store import Db

SWEEP = 200
"""So many messages are held at once when a calendar has closed."""


class LineFacts(msgspec.Struct, frozen=True):
    """What a unit needs to know of a line. ``to_devices``: it goes to the person's devices, which drop repeats.
    ``share``: one place in so many goes to lower ranks. ``wording``: what leaves of a message there. ``day_limit``:
    hand-overs of a day. ``sources``: the numbers of senders that have one of their own on it. ``costs``:
    the prices of all lines."""

    name: LineName
    driver: str
    to_devices: bool
    lease_ms: int
    share: int
    wording: Wording
    day_limit: int | None
    sources: Mapping[str, str]
    costs: Costs


class Begun(msgspec.Struct, frozen=True):
    """A hand-over whose claim is committed, and where its message stood then."""

    handover: Handover
    progress: Progress


class Claimed(msgspec.Struct, frozen=True):
    """What a claim committed: hand-overs to make, messages that moved on instead, and what lower ranks are owed."""

    begun: tuple[Begun, ...]
    moved: tuple[Progress, ...]
    precedence: Precedence


class Settled(msgspec.Struct, frozen=True):
    """What the writing down of a result changed."""

    changed: tuple[Progress, ...]
    retired: tuple[DeviceId, ...] = ()
    holds: tuple[Hold, ...] = ()


def claim(
    db: Db,
    line: LineFacts,
    limit: int,
    precedence: Precedence,
    now: int,
    today: str,
    mac_key: bytes,
    is_urgent: Callable[[str], bool],
    shows_text: Callable[[str], bool],
    openings: Openings,
) -> Claimed:
    """Opens attempts for what is ready for a line, at most ``limit``, and counts them against ``today``.

    What calendars have closed meanwhile moves on instead.
    """
    begun, moved = [], []
    found, owed = _first(db, line, limit, precedence)
    for sealed, progress in found:
        message = sealed.message
        if not is_intact(mac_key, sealed):
            moved += messages.apply(db, [lifecycle.tampered(progress, now)], now)
        elif (decision := lifecycle.claim(progress, now, line.lease_ms, openings)) is not None:
            leaving = None if decision.attempt is None else _leaving(db, line, message)
            if not isinstance(leaving, Leaving):
                skipped = [] if leaving is None else [lifecycle.skip(progress, now, leaving[0], openings, leaving[1])]
                moved += messages.apply(db, skipped or [decision], now)
                continue
            messages.apply(db, [decision], now)
            handover = _made(db, message, leaving, line, decision.progress.attempt, is_urgent, shows_text)
            line.costs.keep(db, message, decision.progress, handover.text)
            begun.append(Begun(handover, decision.progress))
        elif (late := lifecycle.due(progress, now, openings)) is not None:
            moved += messages.apply(db, [late], now)
    if any(progress.held for progress in moved):
        moved += _closed(db, line, now, openings)
    if begun:
        count_handovers(db, line, today, len(begun), now)
    return Claimed(tuple(begun), tuple(moved), owed)


def _made(
    db: Db,
    message: Message,
    leaving: Leaving,
    line: LineFacts,
    n: int,
    is_urgent: Callable[[str], bool],
    shows_text: Callable[[str], bool],
) -> Handover:
    devices = directory.active_devices(db, message.person) if line.to_devices and message.person else ()
    free = once(db, message, devices, shows_text) if n > 1 else devices
    handover = prepare(db, message, leaving, line, n, is_urgent(message.priority), free)
    return structs.replace(handover, held_back=len(free) < len(devices))


def _is_somebody_elses(db: Db, message: Message) -> bool:
    """Whether the number went to another person since the message was accepted for this one."""
    if message.person is None or message.to is None:
        return False
    return directory.owner(db, message.to) not in (None, message.person)


def _leaving(db: Db, line: LineFacts, message: Message) -> Leaving | tuple[str, str]:
    """What would leave on the line; or why nothing may: in words, and the code of a message that ends by it."""
    if not line.to_devices and _is_somebody_elses(db, message):
        return "the number is another person's now", "number_moved"
    leaving = line.wording.leaving(message, message.sender)
    return (leaving.reason, "too_long") if isinstance(leaving, TooLong) else leaving


def _closed(db: Db, line: LineFacts, now: int, openings: Openings) -> list[Progress]:
    """What else waits for the line and is closed by now, so that a slow line does not take it up one by one."""
    waiting = [progress for _, progress in messages.ready(db, line.name, SWEEP)]
    decisions = [lifecycle.claim(progress, now, line.lease_ms, openings) for progress in waiting]
    return messages.apply(db, [one for one in decisions if one is not None and one.attempt is None], now)


def count_handovers(db: Db, line: LineFacts, today: str, sent: int, now: int) -> None:
    """Counts hand-overs against the line's day, and keeps in the audit log when its limit was half or wholly used."""
    after = operations.count_sent(db, line.name, today, sent)
    mark = crossed(after - sent, after, line.day_limit)
    if mark is not None:
        operations.audit(db, now, OURSELVES, f"day limit {mark} used", line.name)


def _first(
    db: Db, line: LineFacts, limit: int, precedence: Precedence
) -> tuple[list[tuple[Sealed, Progress]], Precedence]:
    """The next messages for a line, and what lower ranks are owed then; how many wait does not matter to the cost."""
    found = messages.ready(db, line.name, limit)
    ranks = messages.ready_ranks(db, line.name) if len(found) == limit else []
    if len(ranks) < 2:
        return found, Precedence()
    waiting = {rank: messages.ready_ids(db, line.name, rank, limit) for rank in ranks}
    ids, owed = choose(waiting, limit, line.share, precedence)
    read = {sealed.message.id: (sealed, progress) for sealed, progress in found}
    return [read.get(id_) or messages.one(db, id_) for id_ in ids], owed


def once(
    db: Db, message: Message, devices: tuple[Device, ...], shows_text: Callable[[str], bool]
) -> tuple[Device, ...]:
    """The devices without those that might show the message a second time: one of their channels shows the text itself
    (``shows_text``), and an earlier push may have arrived."""
    shown = {device.id for device in devices if any(shows_text(reach.channel) for reach in device.reaches)}
    if shown:
        shown &= pushes.perhaps_there(db, message.id)
    return tuple(device for device in devices if device.id not in shown)


def prepare(
    db: Db, message: Message, leaving: Leaving, line: LineFacts, n: int, urgent: bool, devices: tuple[Device, ...]
) -> Handover:
    """The hand-over of attempt ``n``, with the message in the inbox of each device before any is told."""
    if not line.to_devices:
        devices = ()
    if devices:
        pushes.open_pushes(db, message.id, n, devices)
    return Handover(
        message=message.id,
        attempt=n,
        to=message.to,
        title=leaving.title,
        text=leaving.text,
        priority=message.priority,
        urgent=urgent,
        created_at=message.created_at,
        valid_until=message.valid_until,
        devices=devices,
        source=line.sources.get(message.sender),
        attachments=message.attachments if devices and not leaving.alone else (),
        buttons=message.buttons if devices and not leaving.alone else (),
    )


def settle(db: Db, line: LineFacts, begun: Begun, result: HandoverResult, at: Handed) -> Settled:
    """Writes down a result, retires dead addresses, and applies receipts that were quicker than the answer (I22)."""
    handover = begun.handover
    changed = _written(db, begun.progress, handover.attempt, result, at)
    if not changed:
        # Something has happened to the message in the meantime.
        progress = messages.progress(db, handover.message)
        if progress is None:
            return Settled(())
        changed = _written(db, progress, handover.attempt, result, at)
    retirements = pushes.close_pushes(db, handover.message, result.pushes, at.now)
    changed += _early(db, result, at) if line.to_devices else []
    if isinstance(result.outcome, Accepted) and result.outcome.provider_ids and not line.to_devices:
        ids = result.outcome.provider_ids
        handovers.add_parts(db, line.name, handover.message, handover.attempt, ids, at.now)
        for early in handovers.take_unmatched(db, line.name, ids, handover.to):
            changed += [
                decision.progress for decision in apply_receipt(db, handovers.match(db, early), at.now, at.openings)
            ]
    retired = tuple(device for one in retirements for device in one.retired)
    return Settled(tuple(changed), retired, tuple(one.hold for one in retirements if one.hold is not None))


def _written(db: Db, progress: Progress, n: int, result: HandoverResult, at: Handed) -> list[Progress]:
    """Writes down the outcome of attempt ``n``; nothing if the message stands elsewhere than ``progress`` says."""
    return messages.apply(db, [_noted(lifecycle.handed(progress, n, result.outcome, at), result, at.now)], at.now)


def _noted(decision: Decision, result: HandoverResult, now: int) -> Decision:
    """With what did not go along with the message in the trace."""
    notes = tuple(
        Event(now, "note", {"device": push.device, "channel": push.channel, "note": note})
        for push in result.pushes
        if isinstance(push.outcome, Accepted)
        for note in push.outcome.notes
    )
    return structs.replace(decision, events=(*decision.events, *notes)) if notes else decision


def _early(db: Db, result: HandoverResult, at: Handed) -> list[Progress]:
    """Applies what services said of these pushes before we had their answers (I22)."""
    changed = []
    for push in result.pushes:
        ids = push.outcome.provider_ids if isinstance(push.outcome, Accepted) else ()
        for early in pushes.take_early(db, push.channel, ids) if ids else ():
            matched = pushes.match(db, early) or ()
            changed += [
                decision.progress for each in matched for decision in apply_receipt(db, each, at.now, at.openings)
            ]
    return changed


def apply_receipt(db: Db, matched: handovers.Matched | None, now: int, openings: Openings) -> list[Decision]:
    """Applies a receipt to the message it was matched with; what was decided, nothing when it said nothing new."""
    if matched is None:
        return []
    decision = receipts.receipt(
        matched.progress, matched.attempt, matched.state, matched.at, now, openings, matched.reason
    )
    return [decision] if decision is not None and messages.apply(db, [decision], now) else []


def crash(db: Db, handover: Handover, at: Handed, reason: str) -> Settled:
    """Writes down that a driver raised where it should have answered."""
    progress = messages.progress(db, handover.message)
    if progress is None or progress.attempt != handover.attempt or progress.state is not MessageState.SENDING:
        return Settled(())
    return Settled(tuple(messages.apply(db, [lifecycle.crashed(progress, at, reason)], at.now)))


def is_intact(mac_key: bytes, sealed: Sealed) -> bool:
    """Whether recipient and text are still those that were accepted (I39)."""
    message = sealed.message
    return binding.verify(
        mac_key, sealed.mac, message.id, message.to, message.person, message.text, message.title, message.per_line,
        message.attachments, message.buttons,
    )  # fmt: skip
