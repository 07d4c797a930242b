"""The whole path: accepted over TLS, committed, pushed over TLS, the device's receipt committed.

Against it stands what Klein and Agent cost alone: one JSON POST that does one POST to the same stand-in.
"""

from __future__ import annotations

import itertools
import json
import os
import ssl
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime

from bench.accept import CLIENTS, WARM_UP_S, message, singles
from bench.load import Connection, Loop, Repeated, client_context, connect, get, post
from bench.measure import MICRO, Figure, Settings, ratios
from bench.people import Phone, add_people, count_messages
from bench.processes import SERVER_CORE, Daemon, Spent, StandIn, write_certificate

PHONES = 2_000
INBOX = 20
INBOXES = 5
CLIENT_CONNECTIONS = 32
DRAIN_S = 20.0
SETTLE_S = 0.2
MOST_READ = 1 << 16
LINES = """
[[line]]
name = "datasms"
driver = "datasms"
[[channel]]
name = "fcm"
driver = "fcm"
credentials_file = "firebase.json"
ca_file = "demo-ca.pem"
endpoint = "{endpoint}"
allow_private = true
[[rule]]
name = "by push"
steps = [ {{ line = "datasms" }} ]
"""


class Devices:
    """Phones that confirm what was pushed to them: each message by itself, or ``size`` of them after a look at the
    inbox. ``finished`` counts confirmed messages."""

    def __init__(self, phones: list[Phone], size: int) -> None:
        self.finished = 0
        self.size = size
        self._phones = {phone.address: phone for phone in phones}
        self._pushed: dict[str, list[str]] = {phone.address: [] for phone in phones}
        self._cursors = dict.fromkeys(self._pushed, "0")
        self._requests: deque[tuple[str, bytes]] = deque()
        self._asking: dict[Connection, str] = {}
        self._free: deque[Connection] = deque()
        self._rest = b""

    def open(self, loop: Loop, port: int, context: ssl.SSLContext) -> None:
        """They connect."""
        self._free = deque(connect(loop, port, CLIENT_CONNECTIONS, context, self._answered))

    def close(self) -> None:
        """They hang up; nothing may be under way."""
        for connection in self._free:
            connection.close()

    def pushed(self, lines: bytes) -> None:
        """What the stand-in wrote."""
        *whole, self._rest = (self._rest + lines).split(b"\n")
        for line in whole:
            address, id_ = line.decode().split()
            waiting = self._pushed[address]
            waiting.append(id_)
            if len(waiting) == self.size:
                self._look(address, waiting)
                self._pushed[address] = []
        self._go_on()

    def _look(self, address: str, ids: list[str]) -> None:
        if self.size == 1:
            self._confirm(address, ids)
        else:
            path = f"/mx/v1/inbox?limit={self.size}&after={self._cursors[address]}"
            self._requests.append((address, get(path, self._phones[address].token)))

    def _confirm(self, address: str, ids: list[str]) -> None:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        body = json.dumps({"receipts": [{"id": id_, "state": "received", "at": at} for id_ in ids]}).encode()
        self._requests.append((address, post("/mx/v1/inbox/receipts", body, self._phones[address].token)))

    def _go_on(self) -> None:
        while self._requests and self._free:
            connection = self._free.popleft()
            self._asking[connection], request = self._requests.popleft()
            connection.ask(request)

    def _answered(self, connection: Connection, status: int, body: bytes) -> None:
        if status != 200:
            raise RuntimeError(f"status {status}: {body[:500]!r}")
        address = self._asking.pop(connection)
        answer = json.loads(body)
        if "items" in answer:
            self._cursors[address] = answer["items"][-1]["cursor"]
            self._confirm(address, [item["id"] for item in answer["items"]])
        else:
            assert not answer["unknown"], answer
            self.finished += len(answer["confirmed"])
        self._free.append(connection)
        self._go_on()


class Senders:
    """Applications with CLIENTS connections that keep ``most`` messages unfinished."""

    def __init__(self, requests: Iterator[bytes], most: int) -> None:
        self.sent = 0
        self._requests = requests
        self._most = most
        self._free: deque[Connection] = deque()

    def open(self, loop: Loop, port: int, context: ssl.SSLContext) -> None:
        """They connect."""
        self._free = deque(connect(loop, port, CLIENTS, context, self._answered))

    def close(self) -> None:
        """They hang up; nothing may be under way."""
        for connection in self._free:
            connection.close()

    def go_on(self, finished: int) -> None:
        """Sends what the limit allows."""
        while self._free and self.sent - finished < self._most:
            self._send()

    def round_up(self, size: int) -> None:
        """Sends until a multiple of ``size`` is sent."""
        while self._free and self.sent % size:
            self._send()

    def _send(self) -> None:
        self._free.popleft().ask(next(self._requests))
        self.sent += 1

    def _answered(self, connection: Connection, status: int, body: bytes) -> None:
        if status != 202:
            raise RuntimeError(f"status {status}: {body[:500]!r}")
        self._free.append(connection)


class Way:
    """One way to confirm, measured again and again on the same phones."""

    def __init__(self, daemon: Daemon, fcm: StandIn, phones: list[Phone], size: int, key: str) -> None:
        self._daemon = daemon
        self._output = fcm.output.fileno()
        self._devices = Devices(phones, size)
        requests = (_request(phone, key) for phone in itertools.cycle(phones) for _ in range(size))
        self._senders = Senders(requests, CLIENTS if size == 1 else INBOXES * size)

    def cost(self, context: ssl.SSLContext, seconds: float) -> float:
        """µs of CPU a finished message."""
        loop = Loop()
        devices, senders = self._devices, self._senders
        devices.open(loop, self._daemon.ports["mxservice"], context)
        senders.open(loop, self._daemon.ports["gateway"], context)
        loop.add(self._output, lambda: devices.pushed(os.read(self._output, MOST_READ)))

        def step() -> bool:
            senders.go_on(devices.finished)
            return False

        loop.run(WARM_UP_S, step)
        spent, before = Spent(self._daemon.pid), devices.finished
        loop.run(seconds, step)
        cost = spent.cpu_s() * MICRO / (devices.finished - before)
        self._end(loop)
        return cost

    def _end(self, loop: Loop) -> None:
        """What is begun is ended, so that the next round finds empty inboxes."""

        def ended() -> bool:
            self._senders.round_up(self._devices.size)
            return self._devices.finished == self._senders.sent

        if not loop.run(DRAIN_S, ended):
            raise RuntimeError(f"{self._senders.sent} sent and {self._devices.finished} confirmed")
        loop.remove(self._output)
        self._devices.close()
        self._senders.close()


def run(settings: Settings) -> list[Figure]:
    """Rounds of: Klein and Agent, a receipt a request, an inbox at a time."""
    with StandIn("fcm", settings.directory) as fcm:
        daemon = Daemon(settings.directory, LINES.format(endpoint=fcm.ready["endpoint"]), settings.profile)
        rivals, ones, inboxes = measure(settings, daemon, fcm)
    assert count_messages(daemon.database, "state <> 'delivered'") == 0, "every message was delivered"
    return [
        Figure("path: empty Klein JSON POST with one Agent POST", "", "µs CPU", rivals),
        Figure("path: a receipt a request, a message", "", "µs CPU", ones),
        Figure("path: a receipt a request, against Klein and Agent", "≤ 1.5", "", ratios(ones, rivals)),
        Figure(f"path: inbox of {INBOX} fetched and confirmed, a message", "", "µs CPU", inboxes),
        Figure(f"path: inbox of {INBOX}, against Klein and Agent", "≤ 1.5", "", ratios(inboxes, rivals)),
    ]


def measure(settings: Settings, daemon: Daemon, fcm: StandIn) -> tuple[list[float], list[float], list[float]]:
    """µs of CPU in each round: the rival's, with a receipt a request, with an inbox at a time."""
    directory, seconds = settings.directory, settings.seconds
    certificate, key = write_certificate(directory)
    context = client_context(str(certificate))
    phones = add_people(daemon.database, 2 * PHONES)
    requests = singles("/relay", None)
    rivals, ones, inboxes = [], [], []
    with daemon, StandIn("rival", certificate, key, directory, fcm.ready["endpoint"], core=SERVER_CORE) as rival:
        daemon.start()
        secret = daemon.new_key()
        one = Way(daemon, fcm, phones[:PHONES], 1, secret)
        inbox = Way(daemon, fcm, phones[PHONES:], INBOX, secret)
        for _ in range(settings.rounds):
            rivals.append(relay_cost(rival, fcm, context, requests, seconds))
            ones.append(one.cost(context, seconds))
            inboxes.append(inbox.cost(context, seconds))
    return rivals, ones, inboxes


def relay_cost(
    rival: StandIn, fcm: StandIn, context: ssl.SSLContext, requests: Iterator[bytes], seconds: float
) -> float:
    """µs of CPU a request that Klein answers after an Agent POST."""
    load = Repeated(int(rival.ready["port"]), context, CLIENTS, lambda: next(requests), 202)
    output = fcm.output.fileno()
    # Pushes of the rival are nobody's.
    load.loop.add(output, lambda: _ignore(os.read(output, MOST_READ)))
    load.run(WARM_UP_S)
    spent, before = Spent(rival.pid), load.answers
    load.run(seconds)
    cost = spent.cpu_s() * MICRO / (load.answers - before)
    load.close()
    load.loop.run(SETTLE_S)
    load.loop.remove(output)
    return cost


def _ignore(lines: bytes) -> None:
    """Nothing."""


def _request(phone: Phone, key: str) -> bytes:
    body = {"to": [phone.number], "text": message(0)["text"]}
    return post("/v1/messages", json.dumps(body).encode(), key)
