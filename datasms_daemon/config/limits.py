"""The option of the flood guard: how much one recipient may get."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from datasms_daemon.config.kinds import MINUTE, Duration, Options


class Flood(Options, frozen=True, kw_only=True):
    per_recipient: Annotated[
        int | None,
        Meta(description="Messages one recipient may get within the window; none: no limit", ge=1, examples=[20]),
    ] = None
    window: Annotated[Duration, Meta(description="Span in which they are counted")] = Duration(10 * MINUTE)
    exempt_urgent: Annotated[bool, Meta(description="Whether priorities with urgent = true are never refused")] = True
