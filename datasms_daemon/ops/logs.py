"""One JSON object a line for log collectors: ``twistd --logger=datasms_daemon.ops.logs.observer datasms``.

Only the keys of ``observer`` are ever written, never whatever else an event carries; nothing a far end sent can break
a line, start another one or colour a terminal.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TextIO

from twisted.logger import ILogObserver, LogEvent, formatEvent
from twisted.python.failure import Failure
from zope.interface import implementer

from datasms_daemon.ops.printable import printable_json

FIELD_BYTES = 2048
_GAP = " … "


@implementer(ILogObserver)
class JsonObserver:
    """Writes events to ``stream``: ``time`` (RFC 3339, UTC), ``level``, ``namespace``, ``message``, ``traceback``."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, event: LogEvent) -> None:
        """Writes one line."""
        self._stream.write(line(event) + "\n")
        self._stream.flush()


def observer() -> JsonObserver:
    """For ``twistd --logger``: writes to standard output as it is now."""
    return JsonObserver(sys.stdout)


def line(event: LogEvent) -> str:
    """An event as one line of JSON; each field holds at most ``FIELD_BYTES`` octets of UTF-8, cut in the middle."""
    level = event.get("log_level")
    fields = {
        "time": _time(event.get("log_time")),
        "level": getattr(level, "name", "info"),
        "namespace": str(event.get("log_namespace", "")),
        "message": formatEvent(event),
    }
    failure = event.get("log_failure")
    if isinstance(failure, Failure):
        fields["traceback"] = failure.getTraceback(detail="brief")
    shown = {name: capped(value) for name, value in fields.items()}
    return printable_json(json.dumps(shown, ensure_ascii=False))


def capped(text: str) -> str:
    """At most ``FIELD_BYTES`` octets; the beginning and the end are what tells."""
    octets = text.encode("utf-8", "backslashreplace")
    if len(octets) <= FIELD_BYTES:
        return octets.decode()
    half = (FIELD_BYTES - len(_GAP.encode())) // 2
    return octets[:half].decode("utf-8", "ignore") + _GAP + octets[-half:].decode("utf-8", "ignore")


def _time(seconds: object) -> str:
    moment = seconds if isinstance(seconds, int | float) else 0
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
