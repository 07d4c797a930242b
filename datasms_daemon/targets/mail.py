"""The mail relay: each text is one mail to one address."""

from __future__ import annotations

from collections.abc import Callable

from OpenSSL import SSL
from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import ConnectError, ConnectionClosed, DNSLookupError
from twisted.internet.interfaces import IProtocol, IStreamClientEndpoint
from zope.interface import implementer

from datasms_daemon.config.targets import Mail, port_of
from datasms_daemon.crypto.tls import PeerRefused, VerifiedEndpoint, VerifiedPeer, authorities
from datasms_daemon.errors import ConfigError
from datasms_daemon.https.connect import CONNECT_TIMEOUT_S, AddressRefused, GuardedReactor, Reactor
from datasms_daemon.interfaces import ITarget
from datasms_daemon.model import NotTaken, Parcel
from datasms_daemon.model.targets import HandedOn
from datasms_daemon.ops.factories import quiet
from datasms_daemon.rules.inbound import MAIL
from datasms_daemon.targets.letter import letter
from datasms_daemon.targets.smtp import MailSession

GOODBYE_S = 2.0
"""So long the relay may take to close the connection after its last answer."""
EXPECTED = (
    AddressRefused,
    ConnectError,
    ConnectionClosed,
    DNSLookupError,
    PeerRefused,
    SSL.Error,
    defer.CancelledError,
    defer.TimeoutError,
)


@implementer(ITarget)
class MailTarget:
    """Hands mails to one relay, a connection each. ConfigError: the options cannot be used."""

    def __init__(self, options: Mail, reactor: Reactor) -> None:
        if options.host is None or options.from_ is None:
            raise ConfigError(["mail: host or from is missing"])
        self.time_limit_ms: int = options.timeout
        self._options = options
        self._from = options.from_
        self._reactor = reactor
        peer = VerifiedPeer(options.host, authorities(options.ca_file))
        self._starttls = peer if options.tls == "starttls" else None
        guarded = GuardedReactor(reactor, options.allow_private)
        plain: IStreamClientEndpoint = HostnameEndpoint(
            guarded, options.host, port_of(options), timeout=CONNECT_TIMEOUT_S
        )
        is_implicit = options.tls == "implicit"
        self._endpoint = VerifiedEndpoint(peer, plain, reactor, CONNECT_TIMEOUT_S) if is_implicit else plain
        self._sessions: set[MailSession] = set()
        self._connecting: set[Deferred[IProtocol]] = set()
        self._is_stopped = False

    async def hand_on(self, parcel: Parcel) -> HandedOn:
        """See ITarget."""
        to = parcel.target.removeprefix(MAIL)
        content = letter(parcel, to, self._from, self._options.reply_to)
        if self._is_stopped:
            return NotTaken("stopped")
        began = self._reactor.seconds()
        try:
            session = await self._connect(lambda: self._session(to, content))
        except EXPECTED as error:
            return NotTaken(f"no connection: {_reason(error)}")
        left_s = self.time_limit_ms / 1000 - (self._reactor.seconds() - began)
        self._sessions.add(session)
        try:
            return await self._answer(session, max(left_s, 0.0))
        finally:
            self._sessions.discard(session)

    async def stop(self) -> None:
        """See ITarget."""
        self._is_stopped = True
        for connecting in tuple(self._connecting):
            connecting.cancel()
        for session in tuple(self._sessions):
            session.give_up("stopped")

    def _session(self, to: str, content: bytes) -> MailSession:
        options = self._options
        identity = self._from.rpartition("@")[2]
        password = options.password.reveal()
        return MailSession(identity, self._from, to, content, options.username or "", password, self._starttls)

    async def _connect(self, session: Callable[[], MailSession]) -> MailSession:
        connecting = self._endpoint.connect(quiet(session))
        self._connecting.add(connecting)
        try:
            connected = await connecting
        finally:
            self._connecting.discard(connecting)
        assert isinstance(connected, MailSession)
        return connected

    async def _answer(self, session: MailSession, limit_s: float) -> HandedOn:
        """The answer, once the connection is gone or has had its time for that."""
        timer = self._reactor.callLater(limit_s, session.give_up, "time limit")
        found = await session.result
        if timer.active():
            timer.cancel()
        timer = self._reactor.callLater(GOODBYE_S, session.give_up, "time limit")
        await session.closed
        if timer.active():
            timer.cancel()
        return found


def _reason(error: BaseException) -> str:
    is_ours = isinstance(error, AddressRefused | PeerRefused)
    return f"{type(error).__name__}: {error}" if is_ours else type(error).__name__
