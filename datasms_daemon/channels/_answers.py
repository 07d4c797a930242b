"""What answers and their absence mean, as far as it is the same for every service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from datasms_daemon.https.client import Failed
from datasms_daemon.https.retry_after import retry_at
from datasms_daemon.model import Later, LineDown, NotSent, Outcome, Unknown

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding a hostile body raises; the last one when it is nested thousands deep."""

T = TypeVar("T")


def decoded(body: bytes, kind: type[T], *, strict: bool = True) -> T | None:
    """The JSON of an answer; None when it is none, or not of this kind. Not ``strict``: numbers may stand in quotes."""
    try:
        return msgspec.json.decode(body, type=kind, strict=strict)
    except UNREADABLE:
        return None


def outcome_of_failure(failed: Failed) -> Outcome:
    """Unknown once a byte of the request left; else it was surely not taken."""
    if failed.phase == "maybe_sent":
        return Unknown(failed.reason)
    return LineDown(failed.reason) if failed.lasting else Later(failed.reason)


def usual(status: int, reason: str, headers: Mapping[str, str], now_ms: int) -> Outcome:
    """What a status means that is no success and to which the service gives no meaning of its own (design.md § 6).

    500 and its like are Unknown: the message may have been taken before the fault.
    """
    if status == 503:
        return Later(reason, retry_at(headers, now_ms))
    if status >= 500 or status == 408:
        return Unknown(reason)
    if 300 <= status < 400:
        return LineDown(f"{status}: redirects are not followed")
    return NotSent(reason, final=True)
