"""An application for tests: remembers what it got, and fails when it is told to."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from zope.interface import implementer

from datasms_daemon.interfaces import IApplication, IApplicationHost
from datasms_daemon.model import ReceivedText, SentNotice

Script = Callable[[str, object], None]
"""Called with the name of each call and what it is about; may raise."""


def well(call: str, about: object) -> None:
    """Nothing goes wrong."""


class Applications:
    """All lives of one application. ``calls`` are those of all of them; ``hang`` names a call that never ends."""

    def __init__(self) -> None:
        self.lives: list[FakeApplication] = []
        self.calls: list[str] = []
        self.texts: list[ReceivedText] = []
        self.notices: list[SentNotice] = []
        self.script: Script = well
        self.hang: str | None = None

    def make(self) -> FakeApplication:
        """Another life."""
        self.lives.append(FakeApplication(self))
        return self.lives[-1]

    @property
    def host(self) -> IApplicationHost:
        """That of the present life."""
        host = self.lives[-1].host
        assert host is not None
        return host


@implementer(IApplication)
class FakeApplication:
    """One life."""

    def __init__(self, all_: Applications) -> None:
        self.all = all_
        self.host: IApplicationHost | None = None

    async def init(self, host: IApplicationHost) -> None:
        self.host = host
        await self._called("init", host.name)

    async def received(self, text: ReceivedText) -> None:
        self.all.texts.append(text)
        await self._called("received", text)

    async def notification(self, notice: SentNotice) -> None:
        self.all.notices.append(notice)
        await self._called("notification", notice)

    async def idle(self) -> None:
        await self._called("idle", None)

    async def shutdown(self) -> None:
        await self._called("shutdown", None)

    async def _called(self, call: str, about: object) -> None:
        self.all.calls.append(call)
        self.all.script(call, about)
        if self.all.hang == call:
            await Deferred()


__all__ = ["Applications", "FakeApplication", "Script", "well"]
