"""A headless Chromium, driven over the DevTools protocol (https://chromedevtools.github.io/devtools-protocol/)."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.web.websocket import WebSocketClientEndpoint, WebSocketTransport

from datasms_daemon.https.connect import Reactor

T = TypeVar("T")
LIMIT_S = 60.0
POLL_S = 0.05
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--remote-debugging-port=0",
    "--no-first-run",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Chromium:
    """One browser with a profile of its own in ``directory``, which also keeps what it wrote on its output."""

    def __init__(self, reactor: Reactor, directory: Path) -> None:
        self._reactor = reactor
        self._directory = directory
        self._profile = directory / "profile"
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: _Connection | None = None

    async def start(self) -> None:
        """The browser runs and listens to us. AssertionError: it is not installed, or does not start."""
        self._process = self._launched()
        address = await self.until(self._address, "Chromium did not open its DevTools port")
        self._connection = _Connection()
        await WebSocketClientEndpoint.new(self._reactor, f"ws://127.0.0.1:{address}").connect(_Only(self._connection))

    async def stop(self) -> None:
        """It has ended, with all its children."""
        if self._connection is not None:
            self._connection.transport.loseConnection()
            await self._connection.lost
        process = self._process
        if process is not None:
            process.terminate()

            async def has_ended() -> bool:
                return process.poll() is not None

            try:
                await self.until(has_ended, "Chromium did not end")
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    async def open(self, url: str) -> Page:
        """A page in a tab of its own, loaded."""
        assert self._connection is not None
        target = await self._connection.call("Target.createTarget", {"url": url})
        attached = await self._connection.call(
            "Target.attachToTarget", {"targetId": target["targetId"], "flatten": True}
        )
        page = Page(self, self._connection, str(attached["sessionId"]))
        is_loaded = f"document.readyState === 'complete' && location.href === {json.dumps(url)}"

        async def loaded() -> object:
            return await page.evaluate(is_loaded)

        await self.until(loaded, "the page was not loaded")
        return page

    async def grant(self, origin: str, *permissions: str) -> None:
        """Pages of this origin have the permissions without asking."""
        assert self._connection is not None
        await self._connection.call("Browser.grantPermissions", {"origin": origin, "permissions": list(permissions)})

    async def until(self, ask: Callable[[], Awaitable[T]], otherwise: str) -> T:
        """What ``ask`` answers once that is something; AssertionError when it takes too long."""
        end = self._reactor.seconds() + LIMIT_S
        while self._reactor.seconds() < end:
            found = await ask()
            if found:
                return found
            await deferLater(self._reactor, POLL_S)
        output = (self._directory / "output").read_text("utf-8", "replace")
        raise AssertionError(f"{otherwise} within {LIMIT_S} s; it wrote:\n{output}")

    def _launched(self) -> subprocess.Popen[bytes]:
        program = shutil.which("chromium")
        assert program is not None, "the Debian package chromium is not installed; as root: apt-get install chromium"
        environment = {**os.environ, "HOME": str(self._directory)}
        with (self._directory / "output").open("wb") as output:
            return subprocess.Popen(
                [program, *ARGUMENTS, f"--user-data-dir={self._profile}", "about:blank"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    async def _address(self) -> str:
        assert self._process is not None
        assert self._process.poll() is None, f"Chromium ended: {(self._directory / 'output').read_text('utf-8')}"
        with suppress(FileNotFoundError):
            port, path = (self._profile / "DevToolsActivePort").read_text("ascii").split("\n")
            return port + path
        return ""


class Page:
    """One tab."""

    def __init__(self, browser: Chromium, connection: _Connection, session: str) -> None:
        self._browser = browser
        self._connection = connection
        self._session = session

    async def call(self, method: str, parameters: dict[str, object] | None = None) -> dict[str, object]:
        """The result of a command to this tab. AssertionError: it failed."""
        return await self._connection.call(method, parameters or {}, self._session)

    async def evaluate(self, expression: str) -> object:
        """What the JavaScript comes to, promises awaited. AssertionError: it threw."""
        asked: dict[str, object] = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        answer = await self.call("Runtime.evaluate", asked)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return cast(dict[str, object], answer["result"]).get("value")

    async def service_worker(self, script: str) -> str:
        """Registers the service worker; answers its registration's id once it is active."""
        await self.call("ServiceWorker.enable")
        register = f"navigator.serviceWorker.register({json.dumps(script)}).then(() => navigator.serviceWorker.ready)"
        scope = await self.evaluate(f"{register}.then(registration => registration.scope)")

        async def registration() -> str:
            found = [
                one["registrationId"]
                for event in self._connection.events
                if event["method"] == "ServiceWorker.workerRegistrationUpdated"
                for one in cast(dict[str, list[dict[str, str]]], event["params"])["registrations"]
                if one["scopeURL"] == scope
            ]
            return found[-1] if found else ""

        return await self._browser.until(registration, "the service worker was not registered")


class _Connection:
    """Commands by number, and the events that came between their answers."""

    def __init__(self) -> None:
        self.events: list[dict[str, object]] = []
        self.lost: Deferred[None] = Deferred()
        self._waiting: dict[int, Deferred[dict[str, object]]] = {}
        self._count = 0

    async def call(self, method: str, parameters: dict[str, object], session: str | None = None) -> dict[str, object]:
        """The command's result. AssertionError: it failed, or the browser is gone."""
        self._count += 1
        command = {"id": self._count, "method": method, "params": parameters}
        answered: Deferred[dict[str, object]] = Deferred()
        self._waiting[self._count] = answered
        self.transport.sendTextMessage(json.dumps(command if session is None else {**command, "sessionId": session}))
        answer = await answered
        assert "error" not in answer, f"{method}: {answer['error']}"
        return cast(dict[str, object], answer["result"])

    def negotiationStarted(self, transport: WebSocketTransport) -> None:
        """Twisted: the connection is there."""
        self.transport = transport

    def negotiationFinished(self) -> None:
        """Twisted: commands may be sent."""

    def textMessageReceived(self, message: str) -> None:
        """Twisted: an answer or an event."""
        received: dict[str, object] = json.loads(message)
        if "id" in received:
            self._waiting.pop(cast(int, received["id"])).callback(received)
        else:
            self.events.append(received)

    def bytesMessageReceived(self, data: bytes | bytearray) -> None:
        """DevTools sends none."""
        raise AssertionError("a binary frame")

    def pongReceived(self, payload: bytes) -> None:
        """We ask for none."""

    def connectionLost(self, reason: Failure) -> None:
        """Twisted: the end, for those who still wait too."""
        waiting, self._waiting = self._waiting, {}
        for answered in waiting.values():
            answered.callback({"error": "the browser is gone"})
        self.lost.callback(None)


class _Only:
    def __init__(self, protocol: _Connection) -> None:
        self._protocol = protocol

    def buildProtocol(self, url: str) -> _Connection:
        return self._protocol
