"""When a service allows the next try."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

MAX_RETRY_MS = 3_600_000


def retry_at(headers: Mapping[str, str], now_ms: int) -> int | None:
    """When Retry-After (RFC 9110 § 10.2.3: seconds or a date) allows the next try, an hour from now at most."""
    value = headers.get("retry-after", "").strip()
    if value.isdecimal():
        wait_ms = int(value[:9]) * 1000
    else:
        try:
            date = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        wait_ms = int((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() * 1000) - now_ms
    return now_ms + min(max(wait_ms, 0), MAX_RETRY_MS)
