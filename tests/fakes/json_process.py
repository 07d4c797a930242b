"""A Python script in a process of its own that tells a test what it sees, one JSON object a line."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path

from twisted.internet.defer import Deferred, DeferredQueue
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IReactorProcess
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure


class JsonProcess(ProcessProtocol):
    """Runs ``script`` of this folder with arguments; what it writes to stderr is shown by a failing test."""

    def __init__(self, reactor: IReactorProcess, script: str, *args: str) -> None:
        self.ended: Deferred[None] = Deferred()
        self._events: DeferredQueue[dict[str, object]] = DeferredQueue()
        self._rest = b""
        path = str(Path(__file__).with_name(script))
        self._process = reactor.spawnProcess(self, sys.executable, [sys.executable, "-u", path, *args], env=None)

    def next(self) -> Deferred[dict[str, object]]:
        """The next object it writes."""
        return self._events.get()

    def stop(self) -> Deferred[None]:
        """Ends it if it still runs; fires when it is gone."""
        with suppress(ProcessExitedAlready):
            self._process.signalProcess("KILL")
        return self.ended

    def outReceived(self, data: bytes) -> None:
        """Twisted: it wrote."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._events.put(json.loads(line))

    def errReceived(self, data: bytes) -> None:
        """Twisted: it complained."""
        sys.stderr.write(data.decode("utf-8", "replace"))

    def processEnded(self, reason: Failure) -> None:
        """Twisted: it is gone."""
        self._events.put({"event": "ended"})
        self.ended.callback(None)
