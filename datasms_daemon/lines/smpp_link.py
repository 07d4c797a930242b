"""A connection to an SMSC that is made again whenever it is lost (sheet smpp.md § 9)."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from OpenSSL.SSL import Error as TlsError
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, ConnectingCancelledError, ConnectionClosed
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.internet.task import deferLater
from twisted.logger import Logger

from datasms_daemon.config.records import SmppLine
from datasms_daemon.crypto.tls import PeerRefused
from datasms_daemon.lines.smpp_pacing import Backoff
from datasms_daemon.lines.smpp_pdu import BindResponse
from datasms_daemon.lines.smpp_session import Deliver, SmppSession
from datasms_daemon.lines.smpp_status import BAD_CREDENTIALS, ROK, status_name
from datasms_daemon.model import LineState, LineStatus, Unknown
from datasms_daemon.ops.factories import quiet

STABLE_S = 30.0

_log = Logger()


class SmppLink:
    """Keeps one bound session up: connects, binds, waits until it is lost, waits a while, and again.

    ``session`` is the bound one or None; ``status`` is up, degraded (trying) or down (credentials or certificate are
    refused; tried again after bad_credentials_pause). ``changed`` is called after each change of the two.
    """

    def __init__(
        self,
        command: int,
        options: SmppLine,
        endpoint: IStreamClientEndpoint,
        reactor: IReactorTime,
        random: Random,
        deliver: Deliver,
        changed: Callable[[], None],
    ) -> None:
        self.session: SmppSession | None = None
        self.status = LineStatus(LineState.DEGRADED, "not connected")
        self._command = command
        self._options = options
        self._endpoint = endpoint
        self._reactor = reactor
        self._deliver = deliver
        self._changed = changed
        self._backoff = Backoff(random)
        self._current: SmppSession | None = None
        self._life: Deferred[None] | None = None
        self._stopping = False

    def start(self) -> None:
        """Begin to connect."""
        self._life = Deferred.fromCoroutine(self._live())

    async def stop(self) -> None:
        """Unbinds and closes; done when the connection is gone."""
        self._stopping = True
        life, self._life = self._life, None
        if life is None:
            return
        if self._current is not None:
            self._current.end()
        else:
            life.cancel()
        await life

    async def _live(self) -> None:
        while not self._stopping:
            try:
                delay = await self._once()
                if not self._stopping:
                    await deferLater(self._reactor, delay)
            except (CancelledError, ConnectingCancelledError):
                continue
        self._set(None, LineStatus(LineState.DEGRADED, "stopped"))

    async def _once(self) -> float:
        """One life of a connection; the seconds to wait before the next one."""
        try:
            return await self._connect_and_bind()
        except (CancelledError, ConnectingCancelledError):
            raise
        except Exception:  # a surprise in one connection must not end the line
            _log.failure("unexpected end of a connection")
            return self._trouble("internal error")

    async def _connect_and_bind(self) -> float:
        session = SmppSession(self._options, self._reactor, self._deliver)
        try:
            await self._endpoint.connect(quiet(lambda: session))
        except PeerRefused as refused:
            return self._refused(f"the SMSC's certificate is refused: {refused}")
        except (ConnectError, ConnectTimeout, ConnectionClosed, TlsError, OSError) as problem:
            return self._trouble(f"cannot connect: {type(problem).__name__}")
        self._current = session
        try:
            answer = await session.bind(self._command)
            if isinstance(answer, BindResponse) and answer.status == ROK:
                return await self._bound(session)
            session.end()
            await session.closed
        finally:
            self._current = None
            session.end()
        return self._not_bound(answer)

    async def _bound(self, session: SmppSession) -> float:
        since = self._reactor.seconds()
        _log.info("bound to the SMSC of line {line}", line=self._options.name)
        self._set(session, LineStatus(LineState.UP))
        await session.closed
        if self._reactor.seconds() - since >= STABLE_S:
            self._backoff.reset()
        return self._trouble("connection lost")

    def _not_bound(self, answer: BindResponse | Unknown) -> float:
        if isinstance(answer, BindResponse):
            if answer.status in BAD_CREDENTIALS:
                return self._refused(f"bind refused: {status_name(answer.status)}")
            return self._trouble(f"bind refused: {status_name(answer.status)}")
        return self._trouble(f"not bound: {answer.reason}")

    def _trouble(self, reason: str) -> float:
        delay = self._backoff.delay()
        _log.info("line {line}: {reason}", line=self._options.name, reason=reason)
        self._set(None, LineStatus(LineState.DEGRADED, reason))
        return delay

    def _refused(self, reason: str) -> float:
        _log.warn("line {line}: {reason}", line=self._options.name, reason=reason)
        self._set(None, LineStatus(LineState.DOWN, reason))
        return self._backoff.spread(self._options.bad_credentials_pause / 1000)

    def _set(self, session: SmppSession | None, status: LineStatus) -> None:
        self.session = session
        self.status = status
        self._changed()
