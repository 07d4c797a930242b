"""Webhooks and mailboxes that texts from outside are handed on to: what goes there, and what came of it."""

from __future__ import annotations

from datasms_daemon.model.queries import Inbound
from datasms_daemon.model.words import LineName, Record


class Parcel(Record, frozen=True):
    """A text on its way to ``target``; ``id`` is the same however often it is tried, so that a repeat can be told."""

    id: str
    target: str
    text: Inbound


class Taken(Record, frozen=True):
    """The far end has it."""


class NotTaken(Record, frozen=True):
    """It has not, or nobody can know: to be tried again, not before ``not_before`` (UTC ms) if it said so.

    ``reason`` holds nothing of the text and no number.
    """

    reason: str
    not_before: int | None = None


class Hopeless(Record, frozen=True):
    """It will never take this one."""

    reason: str


class TargetGone(Record, frozen=True):
    """It wants nothing any more (410): nothing is to be sent there until an operator says otherwise."""

    reason: str


HandedOn = Taken | NotTaken | Hopeless | TargetGone


class WebhookView(Record, frozen=True):
    """A webhook as operators see it; ``place`` is its host, ``state`` is on, off (in the configuration) or stopped
    (its far end answered 410), ``reason`` why, or what the last try met.

    ``waiting`` counts texts that are still to be handed on, ``dead`` those that are not tried any more.
    """

    name: str
    place: str
    state: str
    reason: str | None
    waiting: int
    dead: int


class DeadText(Record, frozen=True):
    """A text from outside that could not be handed on and is not tried any more; ``why`` is the rule that chose the
    target, ``died_at`` UTC ms."""

    seq: int
    target: str
    why: str
    line: LineName
    at: int
    tries: int
    died_at: int
    reason: str
