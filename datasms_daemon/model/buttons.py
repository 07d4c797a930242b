"""What a person can press below a text, where that can be shown."""

from __future__ import annotations

from datasms_daemon.model.words import Record


class Button(Record, frozen=True):
    """``text`` stands on it. Exactly one of the others is set: pressing writes ``reply`` to us, or opens ``url``."""

    text: str
    reply: str | None = None
    url: str | None = None
