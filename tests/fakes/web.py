"""A client that speaks to a Site in memory, byte for byte as over a socket, on a clock that the test turns."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import maybeDeferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress, IListeningPort, IReactorTime
from twisted.internet.task import Clock, deferLater
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from datasms_daemon.web.channel import Channel
from datasms_daemon.web.site import Site

HERE = IPv4Address("TCP", "192.0.2.1", 40000)


@dataclass(frozen=True)
class Response:
    """One parsed answer; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def faults(self) -> dict[str, str]:
        """The pointers and details of a problem document."""
        return {error["pointer"]: error["detail"] for error in self.json["errors"]}


class Connection:
    """One connection to ``site``; None of what it sends waits for anything."""

    def __init__(self, site: Site, address: IAddress = HERE) -> None:
        self.transport = StringTransport(peerAddress=address)
        channel = site.buildProtocol(address)
        self.channel: Channel | None = channel
        if channel is not None:
            channel.makeConnection(self.transport)

    def is_closed(self) -> bool:
        """Whether the server ended it."""
        return self.transport.disconnecting or self.transport.disconnected

    def send(self, data: bytes) -> None:
        """Sends bytes as one segment; nothing gets through once the server does not read."""
        assert self.channel is not None
        if not self.is_closed():
            self.channel.dataReceived(data)

    def hang_up(self) -> None:
        """The client goes away."""
        assert self.channel is not None
        self.channel.connectionLost(Failure(ConnectionDone()))

    def responses(self) -> list[Response]:
        """Every answer that came since the last call."""
        data = self.transport.value()
        self.transport.clear()
        found = []
        while data:
            head, _, rest = data.partition(b"\r\n\r\n")
            status_line, *lines = head.decode("ascii").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            length = int(headers.get("content-length", "0"))
            found.append(Response(int(status_line.split()[1]), headers, rest[:length]))
            data = rest[length:]
        return found

    def response(self) -> Response:
        """The one answer that came since the last call."""
        (found,) = self.responses()
        return found


class Client:
    """Asks a Site, each time on a new connection."""

    def __init__(self, site: Site, secret: str | None = None) -> None:
        self.site = site
        self.secret = secret

    def open(self, address: IAddress = HERE) -> Connection:
        """A new connection."""
        return Connection(self.site, address)

    def begin(
        self, method: str, path: str, body: object = None, *, secret: str | None = None, **headers: str
    ) -> Connection:
        """Sends one request; ``headers`` with ``_`` for ``-``; a body that is not bytes goes as JSON."""
        connection = self.open()
        sent = {"Host": "gateway", **{name.replace("_", "-"): value for name, value in headers.items()}}
        if (known := secret or self.secret) is not None:
            sent["Authorization"] = f"Bearer {known}"
        raw = b""
        if body is not None:
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
            sent["Content-Length"] = str(len(raw))
        lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items() if value)
        connection.send(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + raw)
        return connection

    def ask(
        self, method: str, path: str, body: object = None, *, secret: str | None = None, **headers: str
    ) -> Response:
        """Sends one request and gives the answer, which must be there at once."""
        connection = self.begin(method, path, body, secret=secret, **headers)
        response = connection.response()
        connection.hang_up()
        return response


def clock() -> Clock:
    """A clock that stands at a real time."""
    found = Clock()
    found.advance(1_790_000_000)
    return found


async def close(reactor: IReactorTime, port: IListeningPort, site: Site, seconds: float = 10.0) -> None:
    """Stops listening and hangs up on everybody; returns when the last connection is gone."""
    await maybeDeferred(port.stopListening)
    for channel in tuple(site._channels):
        channel.transport.abortConnection()
    end = reactor.seconds() + seconds
    while site.open_connections:
        assert reactor.seconds() < end, f"{site.open_connections} connections stay open"
        await deferLater(reactor, 0.01, lambda: None)
