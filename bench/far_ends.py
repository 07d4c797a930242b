"""``python -m bench.far_ends DIRECTORY``: FCM, WNS, Web Push, Viber and OMNI in one port, as cheap as can be.

Every push is taken as the real service takes a good one; nothing is checked but the access token, which is the last one
that this service gave out. ``/hang`` below any service's path is never answered. ``GET /tokens`` tells how many tokens
were asked for, ``POST /forget`` makes the last ones worthless.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import cast

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from twisted.internet import reactor as global_reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IReactorTCP, IReactorTime
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.tls import TLSMemoryBIOFactory

from bench.processes import write_certificate
from bench.serve import serve
from datasms_daemon.web.listen import ServerCertificate

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
BEARER = re.compile(rb"\r\nauthorization: *bearer +(\S+)", re.IGNORECASE)
MESSAGE_ID = re.compile(rb'"messageId":"([^"]+)"')
# By the path where a service's pushes begin: where its tokens come from.
TOKEN_PATHS = {b"/v1/": b"/token", b"/wns": b"/tenant/oauth2/v2.0/token"}
KEY_ID = "bench-key"
# A token as long as Google's, which is shorter than Microsoft's.
FILLING = "x" * 200

JSON = b"Content-Type: application/json; charset=UTF-8\r\n"
WNS_SAYS = (
    b"X-WNS-Status: received\r\nX-WNS-NotificationStatus: received\r\nX-WNS-DeviceConnectionStatus: connected\r\n"
    b"X-WNS-Msg-ID: 5A1C000000000001\r\nX-WNS-Debug-Trace: DB3WNS4011534\r\n"
)
LOCATION = b"Location: https://localhost/message/0123456789abcdef0123456789abcdef\r\n"
FCM_NAME = b'{"name": "projects/bench/messages/0:1700000000000000%0123456789abcdef"}'
VIBER_OK = b'{"status":0,"status_message":"ok","message_token":4912661846655238145,"billing_status":0}'
OMNI_OK = (
    b'{"messages":[{"to":{"phoneNumber":"420603555019"},"status":{"groupId":1,"groupName":"PENDING","id":7,'
    b'"name":"PENDING_ENROUTE","description":"Message sent to next instance"},"messageId":"%b"}]}'
)


class FarEnds:
    """What the services know."""

    def __init__(self) -> None:
        self.token_requests = 0
        self._tokens: dict[bytes, bytes] = {}

    def answer(self, head: bytes, body: bytes) -> bytes | None:
        """To one request; None: never."""
        path = head.split(b" ", 2)[1].partition(b"?")[0]
        if path in TOKEN_PATHS.values():
            return self._issue(path)
        if path.endswith(b"/hang"):
            return None
        if (tokens := TOKEN_PATHS.get(path[:4])) is not None:
            bearer = BEARER.search(head)
            if bearer is None or bearer[1] != self._tokens.get(tokens):
                return _http(b"401 Unauthorized", JSON, b"{}")
            return _http(b"200 OK", JSON, FCM_NAME) if path.startswith(b"/v1/") else _http(b"200 OK", WNS_SAYS)
        if path.startswith(b"/push/"):
            return _http(b"201 Created", LOCATION)
        if path == b"/pa/send_message":
            return _http(b"200 OK", JSON, VIBER_OK)
        if path == b"/omni/1/advanced":
            named = MESSAGE_ID.search(body)
            return _http(b"200 OK", JSON, OMNI_OK % (named[1] if named else b""))
        return self._told(path)

    def _issue(self, path: bytes) -> bytes:
        self.token_requests += 1
        token = f"ya29.{self.token_requests}.{FILLING}"
        self._tokens[path] = token.encode()
        body = {"access_token": token, "expires_in": 3600, "token_type": "Bearer"}
        return _http(b"200 OK", JSON, json.dumps(body).encode())

    def _told(self, path: bytes) -> bytes:
        if path == b"/forget":
            self._tokens.clear()
        elif path != b"/tokens":
            return _http(b"404 Not Found")
        return _http(b"200 OK", JSON, json.dumps(self.token_requests).encode())


class Http(Protocol):
    """One keep-alive connection; one request at a time, as our client asks."""

    def __init__(self, far_ends: FarEnds) -> None:
        self._far_ends = far_ends
        self._received = b""

    def dataReceived(self, data: bytes) -> None:
        """A part of a request, or all of it."""
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if not found or (length is not None and len(body) < int(length[1])):
            return
        self._received = b""
        answer = self._far_ends.answer(head, body)
        if answer is not None:
            assert self.transport is not None
            self.transport.write(answer)


def _http(status: bytes, headers: bytes = b"", body: bytes = b"") -> bytes:
    return b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (status, headers, len(body), body)


def write_key_file(path: Path, endpoint: str) -> None:
    """A service account's key file whose token endpoint is here."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    account = {
        "type": "service_account",
        "project_id": "bench",
        "private_key_id": KEY_ID,
        "private_key": pem.decode("ascii"),
        "client_email": "datasms@bench.iam.gserviceaccount.com",
        "token_uri": f"{endpoint}/token",
    }
    path.write_text(json.dumps(account), "utf-8")


async def start(directory: Path) -> None:
    """Listens, then says where."""
    certificate, key = write_certificate(directory)
    reactor = cast(IReactorTCP, global_reactor)
    far_ends = FarEnds()
    plain = Factory.forProtocol(lambda: Http(far_ends))
    factory = TLSMemoryBIOFactory(ServerCertificate(certificate, key), False, plain, cast(IReactorTime, global_reactor))
    port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(factory)
    endpoint = f"https://localhost:{port.getHost().port}"
    write_key_file(directory / "firebase.json", endpoint)
    print(json.dumps({"endpoint": endpoint}), flush=True)


if __name__ == "__main__":
    serve(start(Path(sys.argv[1])))
