"""Webhooks and a mail relay in this process: what they are to answer is set, what they got is kept."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from zope.interface import implementer

from datasms_daemon.config.targets import Mail, Webhook
from datasms_daemon.interfaces import IWebhook
from datasms_daemon.model import NotTaken, Parcel, Taken, Verdict
from datasms_daemon.model.targets import HandedOn

Answer = Callable[[Parcel], HandedOn]


@implementer(IWebhook)
class FakeTarget:
    """Takes everything unless ``answer`` says otherwise; while ``hangs`` it says nothing until it is stopped."""

    time_limit_ms = 15_000

    def __init__(self) -> None:
        self.parcels: list[Parcel] = []
        self.answer: Answer = lambda parcel: Taken()
        self.hangs = False
        self.waiting: list[Deferred[HandedOn]] = []
        self.is_stopped = False

    async def hand_on(self, parcel: Parcel) -> HandedOn:
        self.parcels.append(parcel)
        if self.hangs:
            waiting: Deferred[HandedOn] = Deferred()
            self.waiting.append(waiting)
            return await waiting
        return self.answer(parcel)

    async def test(self) -> Verdict:
        return Verdict(True, ("it answered 204",))

    async def stop(self) -> None:
        self.is_stopped = True
        for waiting in self.waiting:
            if not waiting.called:
                waiting.callback(NotTaken("stopped"))

    @property
    def texts(self) -> list[str]:
        """What it got, in order."""
        return [parcel.text.text for parcel in self.parcels]


class FakeTargets:
    """Makes them: by name, ``mail`` for the relay; one that is made again is another one."""

    def __init__(self) -> None:
        self.made: dict[str, FakeTarget] = {}

    def webhook(self, options: Webhook) -> FakeTarget:
        return self._make(options.name)

    def mail(self, options: Mail) -> FakeTarget:
        return self._make("mail")

    def _make(self, name: str) -> FakeTarget:
        target = self.made[name] = FakeTarget()
        return target
