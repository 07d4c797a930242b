"""``python -m bench.rival CERTIFICATE KEY [DIRECTORY ENDPOINT]``: what Klein and Agent cost without a daemon.

``POST /empty`` parses JSON and answers JSON; ``POST /relay`` also posts once to the FCM stand-in by Twisted's Agent,
with pooled connections and one TLS context for the host. TLS is set up as the daemon does it; there is no access log.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast
from urllib.parse import urlencode

from klein import Klein
from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import (
    IConsumer,
    IOpenSSLClientConnectionCreator,
    IReactorTCP,
    IReactorTime,
)
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.client import Agent, HTTPConnectionPool, readBody
from twisted.web.http import Request as BaseRequest
from twisted.web.http_headers import Headers
from twisted.web.iweb import IBodyProducer, IPolicyForHTTPS
from twisted.web.server import Request, Site
from zope.interface import implementer

from bench.serve import serve
from datasms_daemon.channels._google import read_service_account
from datasms_daemon.channels.fcm import to_request
from datasms_daemon.model import Device, DeviceId, MessageId, PersonId, PushOrder
from datasms_daemon.ops.clock import wall_ms
from datasms_daemon.web.listen import ServerCertificate

CONNECTIONS = 100
ID = "01a1b2c3-0000-7000-8000-000000000000"
ANSWER = {"id": ID, "messages": [{"id": ID, "to": "+420603123456", "status": "queued"}]}


class QuietSite(Site):
    """Without an access log."""

    def log(self, request: BaseRequest) -> None:
        """Nothing."""


@implementer(IBodyProducer)
class Octets:
    """A request body that is in memory."""

    def __init__(self, body: bytes) -> None:
        self.length = len(body)
        self._body = body

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:
        """All is written at once."""

    def resumeProducing(self) -> None:
        """All is written at once."""

    def stopProducing(self) -> None:
        """All is written at once."""


@implementer(IPolicyForHTTPS)
class OneContext:
    """The same TLS context for every request."""

    def __init__(self, ca_pem: bytes) -> None:
        self._options = optionsForClientTLS("localhost", trustRootFromCertificates([Certificate.loadPEM(ca_pem)]))

    def creatorForNetloc(self, hostname: bytes, port: int) -> IOpenSSLClientConnectionCreator:
        return self._options


class Pusher:
    """Posts to the stand-in as the daemon's channel does: same token, same body."""

    def __init__(self, directory: Path, endpoint: str) -> None:
        self._account = read_service_account(directory / "firebase.json")
        self._url = f"{endpoint}/v1/projects/{self._account.project_id}/messages:send".encode()
        pool = HTTPConnectionPool(cast(IReactorTime, global_reactor))
        pool.maxPersistentPerHost = CONNECTIONS
        policy = OneContext((directory / "demo-ca.pem").read_bytes())
        self._agent = Agent(global_reactor, policy, pool=pool)
        self._device = Device(DeviceId("d"), PersonId("p"), "fcm", {"token": "rival"})
        self._token = ""

    async def start(self) -> None:
        """Gets its access token."""
        assertion = self._account.assertion(wall_ms() // 1000)
        form = urlencode({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion})
        answer = await self._post(self._account.token_uri.encode(), "application/x-www-form-urlencoded", form.encode())
        self._token = json.loads(answer)["access_token"]

    async def push(self) -> None:
        """One push."""
        order = PushOrder(MessageId(ID), self._device, False, 60_000)
        body = to_request(order, wall_ms() // 1000)
        assert body is not None
        json.loads(await self._post(self._url, "application/json; charset=UTF-8", body))

    async def _post(self, url: bytes, media: str, body: bytes) -> bytes:
        headers = Headers({"Content-Type": [media]})
        if self._token:
            headers.addRawHeader("Authorization", f"Bearer {self._token}")
        response = await self._agent.request(b"POST", url, headers, Octets(body))
        answer: bytes = await readBody(response)
        assert response.code == 200, answer
        return answer


def application(pusher: Pusher | None) -> Klein:
    """The two routes."""
    app = Klein()

    def answered(request: Request) -> bytes:
        request.setResponseCode(202)
        request.setHeader(b"Content-Type", b"application/json")
        body = json.dumps(ANSWER).encode()
        request.setHeader(b"Content-Length", b"%d" % len(body))
        return body

    def empty(request: Request) -> bytes:
        assert request.content is not None
        json.loads(request.content.read())
        return answered(request)

    async def relay(request: Request) -> bytes:
        assert request.content is not None
        assert pusher is not None
        json.loads(request.content.read())
        await pusher.push()
        return answered(request)

    routes: dict[str, Callable[[Request], bytes | Awaitable[bytes]]] = {"empty": empty, "relay": relay}
    for name, handler in routes.items():
        app.route(f"/{name}", methods=["POST"], endpoint=name)(handler)
    return app


async def start(certificate: Path, key: Path, *stand_in: str) -> None:
    """Listens, then says where."""
    reactor = cast(IReactorTCP, global_reactor)
    pusher = None
    if stand_in:
        pusher = Pusher(Path(stand_in[0]), stand_in[1])
        await pusher.start()
    site = QuietSite(application(pusher).resource())  # type: ignore[no-untyped-call]
    factory = TLSMemoryBIOFactory(ServerCertificate(certificate, key), False, site, cast(IReactorTime, global_reactor))
    port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(factory)
    print(json.dumps({"port": port.getHost().port}), flush=True)


if __name__ == "__main__":
    serve(start(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]))
