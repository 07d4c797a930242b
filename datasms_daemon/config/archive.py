"""How long what is over is kept."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from datasms_daemon.config.kinds import DAY, Duration, Options

KEEP_TEXT = Meta(
    description="Texts and titles, after the message is over; 0s: no longer than delivery needs",
    ge=0,
    examples=["0s"],
)


class ArchiveClass(Options, frozen=True, kw_only=True):
    keep_text: Annotated[Duration, KEEP_TEXT]


class Archive(Options, frozen=True, kw_only=True):
    keep_text: Annotated[Duration, KEEP_TEXT] = Duration(DAY)
    keep_metadata: Annotated[
        Duration,
        Meta(description="Numbers, persons, references and traces, after the message is over; then keyed hashes stand"),
    ] = Duration(90 * DAY)
    keep_inbound: Annotated[Duration, Meta(description="Texts from outside, after they came")] = Duration(30 * DAY)
    keep_audit: Annotated[Duration, Meta(description="Entries of the audit log")] = Duration(365 * DAY)
    class_: Annotated[
        dict[str, ArchiveClass],
        Meta(description="Another keep_text for messages of a class", examples=[{"otp": {"keep_text": "0s"}}]),
    ] = msgspec.field(default_factory=dict, name="class")
