"""A load generator cheap enough not to be the limit: prepared HTTP/1.1 octets over TLS, one epoll loop, one thread."""

from __future__ import annotations

import re
import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
MOST_READ = 1 << 16
LONGEST_POLL_S = 0.001

Answered = Callable[["Connection", int, bytes], None]


class Loop:
    """Calls whoever has something to read."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._readers: dict[int, Callable[[], None]] = {}

    def add(self, fd: int, readable: Callable[[], None]) -> None:
        """From now on ``readable`` is called when there is something to read."""
        self._readers[fd] = readable
        self._epoll.register(fd, select.EPOLLIN)

    def remove(self, fd: int) -> None:
        """No more."""
        del self._readers[fd]
        self._epoll.unregister(fd)

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """For so long, or until it holds; whether it did."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            for fd, _ in self._epoll.poll(min(left, LONGEST_POLL_S)):
                self._readers[fd]()
            if until():
                return True
        return False


class Connection:
    """One keep-alive TLS connection with at most one request under way."""

    def __init__(self, loop: Loop, port: int, context: ssl.SSLContext, answered: Answered) -> None:
        plain = socket.create_connection(("127.0.0.1", port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = context.wrap_socket(plain, server_hostname="localhost")
        self._socket.setblocking(False)
        self._answered = answered
        self._received = b""
        self._loop = loop
        loop.add(self._socket.fileno(), self._readable)

    def ask(self, request: bytes) -> None:
        """Sends it; ``answered`` is told."""
        sent = self._socket.send(request)
        assert sent == len(request), "the socket's buffer is larger than any request"

    def close(self) -> None:
        """Hangs up."""
        self._loop.remove(self._socket.fileno())
        self._socket.close()

    def _readable(self) -> None:
        try:
            data = self._socket.recv(MOST_READ)
            while self._socket.pending():
                data += self._socket.recv(MOST_READ)
        except ssl.SSLWantReadError:
            return
        if not data:
            raise RuntimeError("the server hung up")
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if not found or length is None or len(body) < int(length[1]):
            return
        self._received = b""
        self._answered(self, int(head[9:12]), body)


def connect(loop: Loop, port: int, count: int, context: ssl.SSLContext, answered: Answered) -> list[Connection]:
    """So many connections, handshakes done."""
    return [Connection(loop, port, context, answered) for _ in range(count)]


class Repeated:
    """A closed loop: each of ``clients`` connections sends the next request as soon as it has its answer, or, with
    ``rate``, when its turn has come in so many requests a second of all together."""

    def __init__(
        self,
        port: int,
        context: ssl.SSLContext,
        clients: int,
        following: Callable[[], bytes],
        expected: int,
        rate: float | None = None,
    ) -> None:
        self.answers = 0
        self._interval = 0.0 if rate is None else 1 / rate
        self._next_at = time.monotonic()
        self._resting: deque[Connection] = deque()
        self._following = following
        self._expected = expected
        self._stopping = False
        self._busy = clients
        self.loop = Loop()
        self._connections = connect(self.loop, port, clients, context, self._answered)
        for connection in self._connections:
            self._go_on(connection)

    def run(self, seconds: float) -> None:
        """For so long."""
        self.loop.run(seconds, self._wake)

    def close(self) -> None:
        """Waits for the last answers and hangs up."""
        self._stopping = True
        self._busy -= len(self._resting)
        self.loop.run(30, lambda: self._busy == 0)
        for connection in self._connections:
            connection.close()

    def _answered(self, connection: Connection, status: int, body: bytes) -> None:
        if status != self._expected:
            raise RuntimeError(f"status {status}: {body[:500]!r}")
        self.answers += 1
        if self._stopping:
            self._busy -= 1
        else:
            self._go_on(connection)

    def _go_on(self, connection: Connection) -> None:
        if self._interval:
            self._resting.append(connection)
        else:
            connection.ask(self._following())

    def _wake(self) -> bool:
        while self._resting and time.monotonic() >= self._next_at:
            self._next_at += self._interval
            self._resting.popleft().ask(self._following())
        return False


def client_context(ca_file: str) -> ssl.SSLContext:
    """Trusts one certificate."""
    return ssl.create_default_context(cafile=ca_file)


def post(path: str, body: bytes, token: str | None = None) -> bytes:
    """A request's octets."""
    bearer = "" if token is None else f"Authorization: Bearer {token}\r\n"
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{bearer}Content-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def get(path: str, token: str | None = None) -> bytes:
    """A request's octets."""
    bearer = "" if token is None else f"Authorization: Bearer {token}\r\n"
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{bearer}\r\n".encode()
