"""The options of inbound rules: where texts from outside go."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from datasms_daemon.config.kinds import Options
from datasms_daemon.config.routing import When


class InboundRule(Options, frozen=True, kw_only=True):
    name: Annotated[str, Meta(description="Shown in the log")]
    when: Annotated[When, Meta(description="Conditions: text, line, recipient (the number that wrote)")] = When()
    to: Annotated[str, Meta(description="app:NAME, or account:NAME (read with GET /v1/inbound)")]
    enabled: Annotated[bool, Meta(description="Whether the rule is looked at")] = True
