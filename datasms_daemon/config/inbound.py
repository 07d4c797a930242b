"""The options of what comes in from outside: rules, and what holds for all of it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from datasms_daemon.config.kinds import MINUTE, Duration, Options
from datasms_daemon.config.routing import When
from datasms_daemon.rules.templates import WHOLE


class InboundRule(Options, frozen=True, kw_only=True):
    name: Annotated[str, Meta(description="Shown in explanations and in the log")]
    when: Annotated[When, Meta(description="Conditions: text, line, recipient (the number that wrote)")] = When()
    to: Annotated[
        str,
        Meta(
            description="account:NAME (read with GET /v1/inbound), app:NAME, webhook:NAME, mail:ADDRESS, "
            "forward:NUMBER or forward:person:ID; $1 to $9 are what the groups of when.text found"
        ),
    ]
    text: Annotated[str, Meta(description="What is passed on: $0 is the whole text, $1 to $9 its parts")] = WHOLE
    priority: Annotated[str, Meta(description="The priority of what is forwarded")] = "normal"
    enabled: Annotated[bool, Meta(description="Whether the rule is looked at")] = True
    continue_: Annotated[bool, Meta(description="Go on as if it had not matched")] = msgspec.field(
        default=False, name="continue"
    )


class InboundRouting(Options, frozen=True, kw_only=True):
    default: Annotated[
        str | None,
        Meta(
            description="Where texts go that no rule and no last sender wants: account, app, webhook or mail",
            examples=["account:office"],
        ),
    ] = None
    reassembly_timeout: Annotated[
        Duration, Meta(description="A long text is passed on as far as it came so long after its first part")
    ] = Duration(10 * MINUTE)
