"""The options of applications."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from datasms_daemon.config.kinds import MINUTE, SECOND, Duration, Options


class Application(Options, frozen=True, kw_only=True):
    name: Annotated[str, Meta(description="As in app:NAME; its messages are those of the sender app:NAME")]
    enabled: Annotated[bool, Meta(description="Whether it runs; texts wait for it meanwhile")] = True
    plugin: Annotated[str | None, Meta(description="The plugin that makes it", examples=["keywords"])] = None
    command: Annotated[
        tuple[str, ...],
        Meta(description="Instead of a plugin: a program and its arguments", examples=[["/usr/local/bin/info.py"]]),
    ] = ()
    options: Annotated[
        dict[str, str], Meta(description="What the application itself is told", examples=[{"hours": "Mon-Fri 8-17"}])
    ] = {}
    priority: Annotated[str, Meta(description="The priority of its answers and messages")] = "normal"
    idle: Annotated[
        Duration, Meta(description="It is called after so long without work: 5s to 60s", examples=["10s"])
    ] = Duration(MINUTE)
    timeout: Annotated[Duration, Meta(description="What takes longer is a failure")] = Duration(30 * SECOND)
