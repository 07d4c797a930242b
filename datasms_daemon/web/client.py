"""A small blocking HTTP client for a daemon of ours: over its Unix socket, or over verified TLS with a key or token."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

from datasms_daemon.errors import DatasmsError
from datasms_daemon.model import Problem, Secret

TIMEOUT_S = 30.0
MAX_ANSWER = 64 << 20
JSON = "application/json"

T = TypeVar("T")
Connect = Callable[[float], http.client.HTTPConnection]


class NoConnection(DatasmsError):
    """Nobody answers there, or it is not who it should be."""


class NotAllowed(DatasmsError):
    """The operating system does not let this user open the socket."""


class Refusal(DatasmsError):
    """The daemon's problem document (RFC 9457); ``status`` is the HTTP status."""

    def __init__(self, status: int, title: str, detail: str, errors: tuple[Problem, ...]) -> None:
        super().__init__(detail or title)
        self.status = status
        self.errors = errors


class Client:
    """Calls one daemon, each call on a connection of its own. ``where`` is what messages call it."""

    def __init__(self, where: str, connect: Connect, token: Secret | None = None) -> None:
        self.where = where
        self._connect = connect
        self._token = token

    def with_token(self, token: str) -> Client:
        """The same daemon, asked by the owner of ``token``."""
        return Client(self.where, self._connect, Secret(token))

    def call(
        self,
        answer: type[T],
        method: str,
        path: str,
        *,
        query: Iterable[tuple[str, object]] = (),
        body: object = None,
        timeout_s: float = TIMEOUT_S,
    ) -> T:
        """The answer as a record; ``body`` goes out as JSON unless it is None.

        Refusal: the daemon said no. NoConnection, NotAllowed: it was not reached, or did not answer within
        ``timeout_s`` seconds; whether it did anything is then not known.
        """
        content = None if body is None else msgspec.json.encode(body)
        raw = self.send(method, path, query=query, content=content, timeout_s=timeout_s)
        try:
            return msgspec.json.decode(raw, type=answer)
        except msgspec.DecodeError as error:
            raise NoConnection(f"{self.where} does not answer as a datasms of this version does: {error}") from error

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Iterable[tuple[str, object]] = (),
        content: bytes | None = None,
        media: str = JSON,
        timeout_s: float = TIMEOUT_S,
    ) -> bytes:
        """As ``call``, but octets out and in."""
        headers = {"Accept": JSON}
        if content is not None:
            headers["Content-Type"] = media
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token.reveal()}"
        parameters = urlencode([(name, value) for name, value in query if value is not None])
        connection = self._connect(timeout_s)
        try:
            connection.request(method, f"{path}?{parameters}" if parameters else path, content, headers)
            response = connection.getresponse()
            raw = response.read(MAX_ANSWER)
        except PermissionError as error:
            raise NotAllowed(f"{self.where} may not be opened by this user") from error
        except (OSError, http.client.HTTPException) as error:
            raise NoConnection(f"{self.where} does not answer: {_reason(error)}") from error
        finally:
            connection.close()
        if response.status >= 400:
            raise _refusal(response.status, raw)
        return raw


def local_client(path: Path) -> Client:
    """The daemon behind a Unix socket; whoever may open it is its operator."""
    return Client(f"the daemon at {path}", lambda timeout_s: _UnixConnection(path, timeout_s))


def remote_client(url: str, ca_file: Path | None, token: Secret | None = None) -> Client:
    """The daemon at ``https://HOST:PORT``, its certificate verified against ``ca_file`` or the system's authorities.

    ValueError: not such a URL. NoConnection: the CA file cannot be used.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or parts.path not in ("", "/") or parts.query:
        raise ValueError("write https://HOST:PORT")
    host, port = parts.hostname, parts.port or 443
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise NoConnection(f"{ca_file} holds no certificate authority: {_reason(error)}") from error

    def connect(timeout_s: float) -> http.client.HTTPConnection:
        return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)

    return Client(f"the daemon at {url}", connect, token)


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path
        self._timeout_s = timeout_s

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self._timeout_s)
        self.sock.connect(str(self._path))


class _Document(msgspec.Struct, frozen=True):
    title: str = ""
    detail: str = ""
    errors: tuple[Problem, ...] = ()


def _refusal(status: int, raw: bytes) -> Refusal:
    try:
        document = msgspec.json.decode(raw, type=_Document)
    except msgspec.DecodeError:
        document = _Document()
    return Refusal(status, document.title or f"HTTP status {status}", document.detail, document.errors)


def _reason(error: Exception) -> str:
    """The system's words without its numbers."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not good: {error.verify_message}"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
