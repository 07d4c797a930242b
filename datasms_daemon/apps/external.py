"""An application that is a program in any language: JSON lines on its standard input and output.

It sees no file, no variable and no secret of the daemon; what it writes is read with limits, and a line that is no
sense ends it. The supervisor makes another one.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProcessTransport, IReactorProcess, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from datasms_daemon.apps._lines import (
    LONGEST_LINE,
    Answered,
    Asked,
    Complete,
    Garbage,
    Malformed,
    PersonOf,
    Reply,
    Send,
    read,
    write,
)
from datasms_daemon.interfaces import IApplication, IApplicationHost
from datasms_daemon.model import ReceivedText, SentNotice
from datasms_daemon.ops.printable import printable

ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
MOST_CALLS = 100
END_S = 0.8
LOG_LINES = 200
LOG_CHARACTERS = 400

_DIGITS = re.compile(r"\d{5,}")
_log = Logger()


class _Listener(Protocol):
    def line(self, line: bytes) -> None: ...
    def grumble(self, line: bytes) -> None: ...
    def ended(self, reason: str) -> None: ...


class _Pipes(ProcessProtocol):
    """Cuts the program's output into lines of bounded length."""

    def __init__(self, listener: _Listener) -> None:
        self._listener = listener
        self._out = b""
        self._err = b""
        self.has_exited = False
        self.exited: Deferred[None] = Deferred()

    def outReceived(self, data: bytes) -> None:
        *lines, self._out = (self._out + data).split(b"\n")
        for line in lines:
            if line.strip():
                self._listener.line(line)
        if len(self._out) > LONGEST_LINE:
            self._out = b""
            self._listener.ended("it wrote a line that is too long")

    def errReceived(self, data: bytes) -> None:
        *lines, self._err = (self._err + data).split(b"\n")
        for line in lines:
            self._listener.grumble(line)
        self._err = self._err[:LOG_CHARACTERS]

    def processEnded(self, reason: Failure) -> None:
        self.has_exited = True
        if self._err:
            self._listener.grumble(self._err)
        self._listener.ended(f"it ended: {reason.getErrorMessage()}")
        self.exited.callback(None)


@implementer(IApplication)
class ExternalProgram:
    """Runs a program as an application."""

    def __init__(
        self, command: tuple[str, ...], options: Mapping[str, str], processes: IReactorProcess, timers: IReactorTime
    ) -> None:
        self._command = command
        self._options = options
        self._processes = processes
        self._timers = timers
        self._host: IApplicationHost | None = None
        self._pipes: _Pipes | None = None
        self._process: IProcessTransport | None = None
        self._waiting: dict[int, Deferred[None]] = {}
        self._calls = 0
        self._asked = 0
        self._logged = 0
        self._end: str | None = None

    # --- IApplication ------------------------------------------------------------------------------------------------

    async def init(self, host: IApplicationHost) -> None:
        """See IApplication."""
        self._host = host
        self._pipes = _Pipes(self)
        self._process = self._processes.spawnProcess(
            self._pipes, self._command[0], self._command, env=ENVIRONMENT, path="/"
        )
        await self._call("init", name=host.name, options=dict(self._options))

    async def received(self, text: ReceivedText) -> None:
        """See IApplication."""
        said = {name.rstrip("_"): value for name, value in msgspec.structs.asdict(text).items()}
        await self._call("received", text=said)

    async def notification(self, notice: SentNotice) -> None:
        """See IApplication."""
        await self._call("notification", notice=msgspec.to_builtins(notice))

    async def idle(self) -> None:
        """See IApplication."""
        await self._call("idle")

    async def shutdown(self) -> None:
        """See IApplication. A program that does not end by itself when it is asked to is killed."""
        if self._pipes is None or self._process is None:
            return
        kill = self._timers.callLater(END_S, self._kill)
        if self._end is None and not self._waiting:
            self._write({"id": self._calls + 1, "call": "shutdown"})
            self._process.closeStdin()
        else:
            self._kill()
        try:
            await self._pipes.exited
        finally:
            if kill.active():
                kill.cancel()
            self._kill()

    def _kill(self) -> None:
        if self._pipes is not None and self._process is not None and not self._pipes.has_exited:
            self._process.signalProcess("KILL")

    # --- what the program says ---------------------------------------------------------------------------------------

    def line(self, line: bytes) -> None:
        """A line of its standard output."""
        if self._end is not None:
            return
        try:
            said = read(line)
        except Garbage as garbage:
            self.ended(str(garbage))
            return
        if isinstance(said, Answered):
            self._answered(said)
        elif isinstance(said, Malformed):
            self._write({"id": said.id, "error": said.error})
        elif self._asked >= MOST_CALLS:
            self.ended("it asked for too much at once")
        else:
            self._asked += 1
            Deferred.fromCoroutine(self._answer(said))

    def grumble(self, line: bytes) -> None:
        """A line of its standard error: to the log, as far as that can bear it, without what may be a number."""
        self._logged += 1
        if self._logged <= LOG_LINES and self._host is not None:
            text = printable(line.decode("utf-8", "replace")[:LOG_CHARACTERS])
            _log.info("application {name}: {line}", name=self._host.name, line=_DIGITS.sub("…", text))

    def ended(self, reason: str) -> None:
        """It has ended, or must."""
        if self._end is not None:
            return
        self._end = reason
        waiting, self._waiting = self._waiting, {}
        if self._host is not None:
            self._host.failed(reason)
        for answer in waiting.values():
            answer.errback(Failure(ProgramError(reason)))

    def _answered(self, said: Answered) -> None:
        answer = self._waiting.pop(said.id, None)
        if answer is None:
            self.ended("it answered what was not asked")
        elif said.error is not None:
            answer.errback(Failure(ProgramError("it answered with an error")))
        else:
            answer.callback(None)

    # --- what it is told ---------------------------------------------------------------------------------------------

    async def _call(self, call: str, **said: object) -> None:
        if self._end is not None:
            raise ProgramError(self._end)
        # So many lines may be logged for each call.
        self._logged = 0
        self._calls += 1
        id_ = self._calls
        answer: Deferred[None] = Deferred(lambda _: self._late())
        self._waiting[id_] = answer
        self._write({"id": id_, "call": call, **said})
        await answer

    def _late(self) -> None:
        self._end = self._end or "it took too long"

    async def _answer(self, asked: Asked) -> None:
        try:
            answer: dict[str, Any] = {"id": asked.id, "ok": True, "result": await self._do(asked)}
        except ValueError as error:
            answer = {"id": asked.id, "error": str(error)}
        except Exception:  # the program is told that it failed; why is our own business
            _log.failure("a call of an application failed")
            answer = {"id": asked.id, "error": "the daemon could not do it"}
        self._asked -= 1
        self._write(answer)

    def _do(self, asked: Asked) -> Awaitable[object]:
        host = self._host
        assert host is not None, "it runs since init"
        match asked:
            case Send():
                return host.send(asked.to, asked.text, asked.priority, asked.key, asked.reference)
            case Reply():
                return host.reply(asked.text_id, asked.text)
            case PersonOf():
                return host.person(asked.who)
            case Complete():
                return host.complete_registration(asked.text_id, asked.number)

    def _write(self, said: dict[str, Any]) -> None:
        if self._process is not None and self._end is None:
            self._process.writeToChild(0, write(said))


class ProgramError(Exception):
    """The program failed; the text says how and holds nothing that it wrote."""
