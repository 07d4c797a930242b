"""What operators ask about traffic and money."""

from __future__ import annotations

from datasms_daemon.model.words import Record


class ReportQuery(Record, frozen=True):
    """Messages accepted from ``since`` (UTC ms; None: this month's begin) until before ``until`` (None: now), of one
    ``sender`` or of all (None), and by what they are summed up: ``sender group line day priority operator
    cost_centre``."""

    since: int | None = None
    until: int | None = None
    by: tuple[str, ...] = ()
    sender: str | None = None


class Sums(Record, frozen=True):
    """Of some messages: ``parts`` are text messages that a line took or may have taken, ``cost`` what they cost.

    ``avoided`` are messages that a device confirmed in time to spare a later text message, ``avoided_parts`` and
    ``saved`` what that would have been. Money is in millionths of the currency's unit.
    """

    messages: int = 0
    parts: int = 0
    delivered: int = 0
    failed: int = 0
    cost: int = 0
    avoided: int = 0
    avoided_parts: int = 0
    saved: int = 0

    def plus(self, other: Sums) -> Sums:
        """Both together."""
        return Sums(*(getattr(self, name) + getattr(other, name) for name in self.__struct_fields__))


class ReportRow(Record, frozen=True):
    """The sums of the messages that have these ``keys``, in the order of what was asked for."""

    keys: tuple[str | None, ...]
    sums: Sums


class Report(Record, frozen=True):
    """The answer, for the span that was meant."""

    since: int
    until: int
    rows: tuple[ReportRow, ...]
