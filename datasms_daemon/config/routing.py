"""The options of rules: conditions, and the steps of outgoing ones."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from datasms_daemon.config.kinds import Duration, Options
from datasms_daemon.model import LineName, OnUnknown, Success, WhenClosed


class When(Options, frozen=True, kw_only=True):
    """Conditions of a rule; each is a list of alternatives, ``!x`` is "not"; an empty one does not matter.

    ``["!a", "!b"]`` is neither of them, ``["a", "b"]`` one of them.
    """

    priority: Annotated[tuple[str, ...], Meta(description="Names of priorities", examples=[["high"]])] = ()
    sender: Annotated[tuple[str, ...], Meta(description="Names of senders", examples=[["monitoring"]])] = ()
    sender_group: Annotated[
        tuple[str, ...], Meta(description="Names from [sender_group]", examples=[["machines"]])
    ] = ()
    recipient: Annotated[
        tuple[str, ...], Meta(description="Regular expressions on the E.164 number, or $name", examples=[["$o2"]])
    ] = ()
    operator: Annotated[
        tuple[str, ...], Meta(description="The number's operator: see [operator]", examples=[["o2", "unknown"]])
    ] = ()
    recipient_group: Annotated[
        tuple[str, ...], Meta(description="Groups of the directory, parents too", examples=[["night-shift"]])
    ] = ()
    class_: Annotated[tuple[str, ...], Meta(description="The message's class", examples=[["!internal"]])] = (
        msgspec.field(default=(), name="class")
    )
    calendar: Annotated[
        tuple[str, ...], Meta(description="Calendars that are open when it is accepted", examples=[["!office"]])
    ] = ()
    has_device: Annotated[
        bool | None, Meta(description="Whether the recipient has a registered device", examples=[True])
    ] = None
    line: Annotated[tuple[str, ...], Meta(description="Inbound only: the line it came by", examples=[["sms-o2"]])] = ()
    text: Annotated[
        tuple[str, ...],
        Meta(
            description="Regular expressions on the text's first 1000 characters; case does not matter",
            examples=[["^alarm"]],
        ),
    ] = ()


class StepOptions(Options, frozen=True, kw_only=True):
    line: Annotated[LineName, Meta(description="Name of a line", examples=["sms-o2"])]
    wait: Annotated[Duration | None, Meta(description="Instead of the priority's wait for this line")] = None
    success: Annotated[
        Success, Meta(description="What must be reached within the wait: accepted, sent, delivered or read")
    ] = Success.DELIVERED
    on_unknown: Annotated[OnUnknown | None, Meta(description="Instead of the priority's on_unknown")] = None
    attempts: Annotated[
        int | None, Meta(description="Most tries before the next step; none: as many as there is time for", ge=1)
    ] = None


class Rule(Options, frozen=True, kw_only=True):
    name: Annotated[str, Meta(description="Shown in the trace of each message it matched")]
    when: Annotated[When, Meta(description="Conditions, all of which must hold; none: always")] = When()
    steps: Annotated[
        tuple[StepOptions, ...],
        Meta(description="Lines in the order they are tried: line, wait, success, on_unknown, attempts", min_length=1),
    ]
    set: Annotated[str, Meta(description="The set it is in; an operator chooses its set")] = "default"
    calendar: Annotated[
        str | None, Meta(description="Its steps wait until this calendar is open", examples=["office"])
    ] = None
    when_closed: Annotated[
        WhenClosed,
        Meta(description="What its steps do while a calendar of theirs is closed: defer until it opens, or skip"),
    ] = WhenClosed.DEFER
    enabled: Annotated[bool, Meta(description="Whether the rule is looked at")] = True
    continue_: Annotated[bool, Meta(description="Add the steps of the next matching rule")] = msgspec.field(
        default=False, name="continue"
    )


class RuleSet(Options, frozen=True, kw_only=True):
    then: Annotated[
        str | None, Meta(description="The set that is looked at after this one; none: nothing is", examples=["default"])
    ] = None
