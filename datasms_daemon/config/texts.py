"""Options about what a line makes of a text before it leaves."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from datasms_daemon.config.kinds import Options


class Text(Options, frozen=True, kw_only=True):
    replace: Annotated[
        dict[str, str],
        Meta(
            description="Single characters and what goes out for them on every line",
            examples=[{"„": '"', "“": '"'}],
        ),
    ] = {}


class Substitution(Options, frozen=True, kw_only=True):
    pattern: Annotated[str, Meta(description="A regular expression; its first 1,000 characters are looked at")]
    with_: Annotated[
        str, Meta(description="What stands there instead; $0 is what was found, $1 to $9 its groups", max_length=200)
    ] = msgspec.field(name="with")


class LineTextOptions(Options, frozen=True, kw_only=True):
    """What every line may do to a text."""

    header: Annotated[
        str,
        Meta(
            description='Put before every text; $sender and $title stand for the message\'s own: "ACME: "',
            max_length=200,
        ),
    ] = ""
    substitute: Annotated[
        tuple[Substitution, ...],
        Meta(
            description="In the first 1,000 characters, pattern is replaced by with, one table after the other",
            examples=[[{"pattern": r"(\d+) degrees", "with": "$1 C"}]],
        ),
    ] = ()
    diacritics: Annotated[
        Literal["keep", "strip", "when-shorter"],
        Meta(description="Accents of Latin letters: keep, strip, or strip when-shorter (fewer SMS)"),
    ] = "keep"
