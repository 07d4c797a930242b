"""A real browser shows what our push says. Needs the Debian package chromium."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
import pytest_twisted
from twisted.internet.defer import maybeDeferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IReactorCore
from twisted.internet.task import deferLater
from twisted.protocols.policies import WrappingFactory
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import Site

from datasms_daemon.https.connect import Reactor
from tests.contract.rigs.base import order
from tests.contract.rigs.webpush import WebPushRig
from tests.fakes.devtools import Chromium, Page

PAGE = "<!DOCTYPE html><title>datasms</title>"
WORKER = """
self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('push', event => {
    const push = event.data.json();
    event.waitUntil((push.id ? show(push.id) : forget(push.withdrawn)).then(() => fetch('/handled')));
});
function show(id) {
    return self.registration.showNotification('A message waits', {body: id, tag: id});
}
async function forget(id) {
    for (const notification of await self.registration.getNotifications({tag: id})) notification.close();
}
"""
NOTIFICATIONS = """
navigator.serviceWorker.ready.then(registration => registration.getNotifications())
    .then(notifications => notifications.map(notification => notification.body).join())
"""


class Pages(Resource):
    """The service worker, and the same page at every other path. ``handled``: pushes that the worker is done with."""

    isLeaf = True

    def __init__(self) -> None:
        Resource.__init__(self)
        self.handled = 0

    def render_GET(self, request: Request) -> bytes:
        self.handled += request.path == b"/handled"
        is_worker = request.path == b"/worker.js"
        request.setHeader("Content-Type", "text/javascript" if is_worker else "text/html")
        return (WORKER if is_worker else PAGE).encode()


class Browser:
    """A page whose service worker takes pushes; ``origin`` is where it came from."""

    def __init__(self, chromium: Chromium, pages: Pages, origin: str) -> None:
        self.chromium = chromium
        self.pages = pages
        self.origin = origin
        self.page: Page | None = None
        self.registration = ""

    async def open(self) -> None:
        """The service worker is active and may show notifications."""
        await self.chromium.grant(self.origin, "notifications")
        self.page = await self.chromium.open(f"{self.origin}/")
        self.registration = await self.page.service_worker("/worker.js")

    async def deliver(self, data: bytes) -> None:
        """The service worker gets what the browser decrypted, and is done with it.

        Chromium forgets a notification that it has noted but does not display yet when a page asks for notifications
        meanwhile, so nobody asks before.
        """
        assert self.page is not None
        done = self.pages.handled + 1

        async def is_handled() -> bool:
            return self.pages.handled == done

        push = {"origin": self.origin, "registrationId": self.registration, "data": data.decode()}
        await self.page.call("ServiceWorker.deliverPushMessage", cast(dict[str, object], push))
        await self.chromium.until(is_handled, "the service worker did not handle the push")

    async def shows(self, expected: str) -> None:
        """AssertionError: its notifications do not become these."""
        page = self.page
        assert page is not None

        async def is_so() -> bool:
            return await page.evaluate(NOTIFICATIONS) == expected

        await self.chromium.until(is_so, f"the notifications did not become {json.dumps(expected)}")


@pytest_twisted.async_yield_fixture
async def browser(reactor: IReactorCore, tmp_path: Path) -> AsyncIterator[Browser]:
    running = cast(Reactor, reactor)
    pages = Pages()
    site = WrappingFactory(Site(pages, reactor=running))
    port = await TCP4ServerEndpoint(running, 0, interface="127.0.0.1").listen(site)
    chromium = Chromium(running, tmp_path)
    try:
        await chromium.start()
        yield Browser(chromium, pages, f"http://localhost:{port.getHost().port}")
    finally:
        await chromium.stop()
        await maybeDeferred(port.stopListening)
        while site.protocols:
            await deferLater(running, 0)


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_a_service_worker_shows_the_message_and_forgets_it_when_it_is_withdrawn(
    browser: Browser, reactor: IReactorCore, tmp_path: Path
) -> None:
    rig = WebPushRig(cast(Reactor, reactor), tmp_path)
    await rig.start()
    await rig.channel.push(order(rig))
    await rig.channel.withdraw(order(rig))
    await rig.stop()
    pushed, withdrawn = rig.service.pushed
    await browser.open()
    await browser.shows("")
    await browser.deliver(pushed.plaintext)
    await browser.shows("m1")
    await browser.deliver(withdrawn.plaintext)
    await browser.shows("")
