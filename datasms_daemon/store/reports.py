"""Verbs on money and traffic: what an attempt costs, and sums over a span of time."""

from __future__ import annotations

from collections.abc import Sequence

from datasms_daemon.model import LineName, MessageId, ReportRow, Sums
from datasms_daemon.ops.ids import first_id
from datasms_daemon.rules.prices import Charge
from datasms_daemon.store import statements_reports as sql
from datasms_daemon.store.writer import Db

_MESSAGE_KEYS = {"sender": "m.sender", "priority": "m.priority", "cost_centre": "m.cost_centre"}


def price(db: Db, id_: MessageId, n: int, charge: Charge, spares: LineName | None = None) -> None:
    """Keeps what an attempt costs if it is taken; with ``spares``, what it saves on that line if it arrives."""
    db.execute(
        sql.PRICE_ATTEMPT,
        {
            "message": id_,
            "n": n,
            "operator": charge.operator,
            "parts": charge.parts,
            "cost": charge.cost,
            "spares": spares,
        },
    )


def sums(db: Db, since: int, until: int, sender: str | None, by: Sequence[str]) -> list[ReportRow]:
    """Sums of the messages accepted in a span, by ``sender line priority operator cost_centre``; ordered by them.

    With ``line`` a message counts once for each line it was tried on, delivered or failed there.
    """
    keys = {name: _MESSAGE_KEYS[name] for name in by if name in _MESSAGE_KEYS}
    keys |= {"line": "a.line"} if "line" in by else {}
    keys |= {"operator": "max(a.operator)"} if "operator" in by else {}
    chosen = "".join(f", {keys[name]} AS {name}" for name in by)
    # Only fixed texts are joined; every value is a parameter.
    each = sql.EACH_MESSAGE.format(
        keys=chosen,
        sender="AND m.sender = :sender" if sender is not None else "",
        line=", a.line" if "line" in by else "",
        delivered=sql.HAS_ARRIVED if "line" in by else sql.IS_DELIVERED,
        failed=sql.HAS_ENDED if "line" in by else sql.IS_FAILED,
    )
    names = ", ".join(by)
    grouped = f" GROUP BY {names} ORDER BY {names}" if names else ""
    statement = f"WITH each AS ({each}) SELECT {sql.SUMS}{', ' + names if names else ''} FROM each{grouped}"  # noqa: S608
    rows = db.execute(statement, {"first": first_id(since), "last": first_id(until), "sender": sender})
    width = len(Sums.__struct_fields__)
    return [ReportRow(tuple(row[width:]), Sums(*row[:width])) for row in rows if row[0]]
