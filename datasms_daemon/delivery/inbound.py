"""Texts from outside: each is stored, or handled by its application, before the far end is told it was taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.logger import Logger

from datasms_daemon.interfaces import IApplication
from datasms_daemon.model import DeviceId, InboundText
from datasms_daemon.ops.metrics import Metrics
from datasms_daemon.rules.inbound import InboundRouter
from datasms_daemon.rules.registration import is_registration
from datasms_daemon.store import directory, operations
from datasms_daemon.store.store import Db, Store

APP = "app:"
REGISTRATION = "app:registration"
"""In a channel such a text is caught whatever the inbound rules say: the number must never be archived."""


class InboundTexts:
    """Routes texts from outside by the inbound rules."""

    _log = Logger()

    def __init__(
        self,
        store: Store,
        router: InboundRouter,
        applications: Mapping[str, IApplication],
        metrics: Metrics,
        back: Callable[[DeviceId], None],
    ) -> None:
        """``back`` is told of a device that had been given up and has written."""
        self._store = store
        self.router = router
        self._applications = applications
        self._metrics = metrics
        self._back = back

    async def received(self, inbound: InboundText) -> None:
        """Returns once the text, or what its application made of it, is committed."""
        self._metrics.inbound.labels(inbound.line).inc()
        target = REGISTRATION if inbound.address is not None and is_registration(inbound.text) else None
        target = target or self.router.target(inbound)
        if target is not None and target.startswith(APP):
            application = self._applications.get(target.removeprefix(APP))
            if application is not None:
                await application.received(inbound)
                return
            self._log.warn("no application {target} for a text from line {line}", target=target, line=inbound.line)

        def unit(db: Db) -> list[DeviceId]:
            person = directory.owner(db, inbound.from_)
            back: list[DeviceId] = []
            if inbound.address is not None:
                person, back = directory.writer(db, inbound.line, inbound.address)
            operations.add_inbound(db, inbound, target, person)
            return back

        for device in await self._store.write(unit):
            self._back(device)
