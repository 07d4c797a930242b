"""A request's body that its handler reads while it comes, for what is too large to be held in memory."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from datasms_daemon.web.problems import HttpProblem

HIGH_WATER = 256 * 1024


class BodyStream:
    """``async for chunk in stream`` gives the body in pieces of any length but none.

    The iteration raises HttpProblem when the rest will not come: it is too large, too slow, or the client is gone.
    ``length`` is what the client said it would be, None when it did not. What waits to be read is bounded: beyond
    ``HIGH_WATER`` bytes ``pause`` is called, ``resume`` once they are read.
    """

    def __init__(self, length: int | None, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self.length = length
        self.is_complete = False
        self.problem: HttpProblem | None = None
        self._pause = pause
        self._resume = resume
        self._waiting: list[bytes] = []
        self._held = 0
        self._is_paused = False
        self._reader: Deferred[None] | None = None

    def put(self, data: bytes) -> None:
        """A piece came."""
        self._waiting.append(data)
        self._held += len(data)
        if self._held > HIGH_WATER and not self._is_paused:
            self._is_paused = True
            self._pause()
        self._wake()

    def end(self) -> None:
        """All of it came."""
        self.is_complete = True
        self._wake()

    def fail(self, problem: HttpProblem) -> None:
        """The rest will not come; what waits is dropped."""
        if not self.is_complete and self.problem is None:
            self.problem = problem
            self._waiting.clear()
            self._wake()

    def __aiter__(self) -> BodyStream:
        return self

    async def __anext__(self) -> bytes:
        while not self._waiting:
            if self.problem is not None:
                raise self.problem
            if self.is_complete:
                raise StopAsyncIteration
            self._reader = Deferred()
            await self._reader
        data = b"".join(self._waiting)
        self._waiting.clear()
        self._held = 0
        if self._is_paused:
            self._is_paused = False
            self._resume()
        return data

    def _wake(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.callback(None)
