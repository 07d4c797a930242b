"""The options of attachments."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from datasms_daemon.config.kinds import DAY, Duration, Options, Size

MOST_A_MESSAGE = 32


class Attachments(Options, frozen=True, kw_only=True):
    max_size: Annotated[Size, Meta(description="Of one attachment")] = Size(10 << 20)
    max_per_message: Annotated[
        int, Meta(description="Attachments of one message; 0: none are taken", ge=0, le=MOST_A_MESSAGE)
    ] = 10
    quota: Annotated[Size, Meta(description="What one sender may keep here at a time, all together")] = Size(1 << 30)
    quota_files: Annotated[int, Meta(description="How many one sender may keep here at a time", ge=1)] = 10_000
    unused: Annotated[Duration, Meta(description="Removed after so long when no message names it")] = Duration(DAY)
    keep: Annotated[
        Duration, Meta(description="Removed so long after the validity of the last message that names it")
    ] = Duration(DAY)
