"""One mail over one SMTP connection: Twisted's client, held to limits, with an answer that always comes.

What a mail holds is written whole and stuffed by us: Twisted stuffs by pieces and misses a dot at the seam of two.
"""

from __future__ import annotations

import re
from typing import NoReturn, cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionClosed
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.mail.smtp import (
    Address,
    AUTHDeclinedError,
    AuthenticationError,
    AUTHRequiredError,
    EHLORequiredError,
    ESMTPSender,
    SMTPClientError,
    SMTPConnectError,
    TLSError,
    TLSRequiredError,
)
from twisted.python.failure import Failure

from datasms_daemon.model import Hopeless, NotTaken, Taken
from datasms_daemon.model.targets import HandedOn
from datasms_daemon.rules.mail import stuffed

MOST_RECEIVED = 64 << 10
_ENHANCED = re.compile(rb"[245]\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9.])")

_FAULTS: tuple[tuple[type[Exception], str], ...] = (
    (TLSRequiredError, "the relay offers no STARTTLS"),
    (TLSError, "the relay refuses STARTTLS"),
    (AUTHDeclinedError, "the relay refuses user and password"),
    (AUTHRequiredError, "the relay offers no way to log in that we know"),
    (AuthenticationError, "the relay does not let us log in"),
    (EHLORequiredError, "the relay knows no EHLO"),
    (SMTPConnectError, "the relay takes nothing"),
)

_OWN = (TLSRequiredError, AUTHRequiredError, EHLORequiredError)
"""Twisted's own conclusions, whose code is none of the relay's."""


class MailSession(ESMTPSender):
    """Sends ``content`` to one address. ``result`` says what came of it; ``closed`` fires when the connection is gone.

    ``tls``: what STARTTLS makes of the connection, which then must be; None: it is protected already, or need not be.
    """

    debug = False

    def __init__(
        self,
        identity: str,
        from_: str,
        to: str,
        content: bytes,
        username: str,
        password: str,
        tls: IOpenSSLClientConnectionCreator | None,
    ) -> None:
        super().__init__(username.encode(), password.encode(), tls, identity)  # type: ignore[no-untyped-call]
        self.requireAuthentication = bool(username)
        self.requireTransportSecurity = tls is not None
        self.result: Deferred[HandedOn] = Deferred()
        self.closed: Deferred[None] = Deferred()
        self._sender: Address | None = Address(from_.encode("ascii"))
        self._recipient = Address(to.encode("ascii"))
        self._content = content
        self._received = 0
        self._is_taking = False
        self._was_written = False

    def give_up(self, reason: str) -> None:
        """Ends it now."""
        if self._was_written and not self.result.called:
            reason = f"{reason}; nobody knows whether it took the mail"
        self._answer(NotTaken(reason))
        self._transport.abortConnection()

    # What Twisted calls

    def dataReceived(self, data: bytes) -> None:
        """Counts: an endless answer is none."""
        self._received += len(data)
        if self._received > MOST_RECEIVED:
            self.give_up("the relay says too much")
        else:
            super().dataReceived(data)  # type: ignore[no-untyped-call]

    def lineLengthExceeded(self, line: bytes) -> None:
        """A line is longer than any that a relay has to say."""
        self.give_up("the relay says too much")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It is gone."""
        super().connectionLost(reason)  # type: ignore[no-untyped-call]
        if not self.result.called:
            what = "the relay closed the connection" if reason.check(ConnectionClosed) else type(reason.value).__name__
            unknown = "; nobody knows whether it took the mail" if self._was_written else ""
            self._answer(NotTaken(f"{what}{unknown}"))
        self.closed.callback(None)

    def esmtpState_starttls(self, code: int, resp: bytes) -> None:  # noqa: N802 (Twisted names it)
        """What came behind the answer to STARTTLS came from anybody."""
        if self.clearLineBuffer():
            self.give_up("the relay said more before TLS than it may")
        else:
            super().esmtpState_starttls(code, resp)  # type: ignore[no-untyped-call]

    def getMailFrom(self) -> Address | None:  # noqa: N802 (Twisted names it)
        """One mail, then none."""
        sender, self._sender = self._sender, None
        return sender

    def getMailTo(self) -> list[Address]:  # noqa: N802 (Twisted names it)
        """The sender was taken."""
        self._is_taking = True
        return [self._recipient]

    def getMailData(self) -> NoReturn:  # noqa: N802 (Twisted names it)
        """Never asked for: see ``smtpState_data``."""
        raise AssertionError("the content is written at once")

    def smtpState_data(self, code: int, resp: bytes) -> None:  # noqa: N802 (Twisted names it)
        """All of the content, with its end."""
        self._was_written = True
        self._expected = list(range(200, 300))
        self._okresponse = self.smtpState_msgSent
        self._transport.write(stuffed(self._content))

    def smtpState_msgSent(self, code: int, resp: bytes | str) -> None:  # noqa: N802 (Twisted names it)
        """The relay's last word on the mail, or on what came before it."""
        if self.toAddressesResult and not self.successAddresses:
            # The recipient's own answer says more than Twisted's summary of it.
            resp = self.toAddressesResult[-1][2]
        said = f"the relay answered {_told(code, resp)}"
        if self._was_written and 200 <= code < 300:
            self._answer(Taken())
        elif 500 <= code < 600 and self._is_taking:
            self._answer(Hopeless(said))
        else:
            self._answer(NotTaken(said))
        self.sendLine(b"QUIT")
        self._transport.loseConnection()

    def sendError(self, exc: Exception) -> None:  # noqa: N802 (Twisted names it)
        """It cannot even begin: greeting, STARTTLS or password; or the relay speaks no SMTP."""
        code, resp = (exc.code, exc.resp) if isinstance(exc, SMTPClientError) else (-1, None)
        what = next((words for kind, words in _FAULTS if isinstance(exc, kind)), "the relay speaks no SMTP")
        is_answer = code > 0 and not isinstance(exc, _OWN)
        self._answer(NotTaken(f"{what}: {_told(code, resp)}" if is_answer else what))
        self._transport.abortConnection()

    def _answer(self, found: HandedOn) -> None:
        if not self.result.called:
            self.result.callback(found)

    @property
    def _transport(self) -> ITCPTransport:
        return cast(ITCPTransport, self.transport)


def _told(code: int, resp: bytes | str | None) -> str:
    """The codes of an answer: its words may quote addresses."""
    enhanced = _ENHANCED.match(resp) if isinstance(resp, bytes) else None
    return f"{code} {enhanced[0].decode()}" if enhanced is not None else str(code)
