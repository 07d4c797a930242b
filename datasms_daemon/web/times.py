"""Times as they read on the wire: RFC 3339 with offset."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def rfc3339(ms: int) -> str:
    """UTC milliseconds as ``2026-11-24T07:00:00.000Z``; before the year 1 and after 9999 the nearest that can be
    written, for an offset may carry what was handed in beyond them."""
    ms = min(max(ms, _FIRST), _LAST)
    return (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rfc3339_or_none(ms: int | None) -> str | None:
    """As ``rfc3339``; None stays None."""
    return None if ms is None else rfc3339(ms)


def milliseconds(time: datetime) -> int:
    """A time with offset as UTC milliseconds."""
    return (time - _EPOCH) // _MILLISECOND


_FIRST = milliseconds(datetime.min.replace(tzinfo=UTC))
_LAST = milliseconds(datetime.max.replace(tzinfo=UTC))


def parse_time(text: str) -> int | None:
    """RFC 3339 with offset as UTC milliseconds; None when it is not that."""
    try:
        time = datetime.fromisoformat(text)
        return milliseconds(time.astimezone(UTC)) if time.tzinfo is not None and len(text) >= 20 else None
    except (ValueError, OverflowError):
        return None
