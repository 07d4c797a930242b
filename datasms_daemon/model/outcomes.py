"""What a driver says about a hand-over (the expected answers of the far end are values)."""

from __future__ import annotations

from datasms_daemon.model.words import Record


class Accepted(Record, frozen=True, tag="accepted"):
    """The far end took it. Never means delivered (I25).

    ``provider_ids`` are its own ids (one a part), where it will name them in receipts; others are not kept.
    ``notes`` say what of it did not go along, for the trace.
    """

    provider_ids: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class AddressGone(Record, frozen=True, tag="address_gone"):
    """This address will never work again."""

    reason: str


class LineDown(Record, frozen=True, tag="line_down"):
    """The line itself is refused: credentials, certificate, project. Says nothing about the message."""

    reason: str


class Later(Record, frozen=True, tag="later"):
    """Surely not taken, may work later; ``not_before`` is UTC ms when the far end named a time."""

    reason: str
    not_before: int | None = None


class Unknown(Record, frozen=True, tag="unknown"):
    """The bytes left and no answer tells whether they were taken."""

    reason: str


class NotSent(Record, frozen=True, tag="not_sent"):
    """We did not send: own limit, open circuit, text that the line cannot carry. ``final``: and never will there."""

    reason: str
    final: bool = False


Outcome = Accepted | AddressGone | LineDown | Later | Unknown | NotSent
