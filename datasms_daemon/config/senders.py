"""The options of senders. Whoever leaves one out has it from his groups, else from ``[sender_defaults]``."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from datasms_daemon.config.archive import KEEP_TEXT
from datasms_daemon.config.kinds import Duration, Options


class SenderOptions(Options, frozen=True, kw_only=True):
    """What is inherited: each option is None where it is left out, and None in the end is the daemon's own default."""

    lines: Annotated[
        tuple[str, ...] | None,
        Meta(
            description="Lines that may be used, or !line; none: all",
            examples=[["datasms", "sms-o2"]],
            min_length=1,
        ),
    ] = None
    numbers: Annotated[
        tuple[str, ...] | None,
        Meta(
            description="Who may be written to: as a rule's recipient; none: everybody",
            examples=[["$o2", r"!^\+4206000"]],
            min_length=1,
        ),
    ] = None
    priorities: Annotated[
        tuple[str, ...] | None,
        Meta(
            description="Priorities that may be asked for, or !priority; none: all", examples=[["!high"]], min_length=1
        ),
    ] = None
    day_quota: Annotated[int | None, Meta(description="Messages a day; none: any number", ge=1, examples=[500])] = None
    month_quota: Annotated[
        int | None, Meta(description="Messages a calendar month; none: any number", ge=1, examples=[10000])
    ] = None
    cost_centre: Annotated[
        str | None, Meta(description="What reports put its messages under", max_length=64, examples=["4711"])
    ] = None
    calendar: Annotated[
        str | None,
        Meta(description='Their messages wait until this calendar is open; "": for none', examples=["office"]),
    ] = None
    nomodify: Annotated[
        bool | None,
        Meta(
            description="Whether texts leave byte for byte on every line; a message may say otherwise; none: no",
            examples=[True],
        ),
    ] = None
    keep_text: Annotated[Duration | None, KEEP_TEXT] = None
    reply_window: Annotated[
        Duration | None,
        Meta(description="For so long answers come back to who wrote last; 0s: never", ge=0, examples=["7d"]),
    ] = None


class Sender(SenderOptions, frozen=True, kw_only=True):
    suffix: Annotated[
        str | None,
        Meta(description="Digits of his own behind the number of lines with suffixes", examples=["17"]),
    ] = None


class SenderGroup(SenderOptions, frozen=True, kw_only=True):
    members: Annotated[tuple[str, ...], Meta(description="Names of senders", examples=[["monitoring", "plc"]])] = ()
    parent: Annotated[
        str | None, Meta(description="A group that all its members are in as well", examples=["technical"])
    ] = None
