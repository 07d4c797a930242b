"""Classes of content: by which lines their texts may leave."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from datasms_daemon.config.kinds import Options


class ClassOptions(Options, frozen=True, kw_only=True):
    lines: Annotated[
        tuple[str, ...] | None,
        Meta(
            description="The only lines its texts and titles may leave by; none: all",
            examples=[["datasms"]],
            min_length=1,
        ),
    ] = None
    notice: Annotated[
        str | None,
        Meta(
            description="What leaves by all other lines instead; none: they are left out",
            examples=["A message waits for you in the app"],
            max_length=1000,
        ),
    ] = None
