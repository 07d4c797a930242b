"""Acceptance: an empty Klein route against the daemon's durable accept with nothing sent, 64 keep-alive TLS clients."""

from __future__ import annotations

import itertools
import json
import ssl
from collections.abc import Iterator

from bench.load import Repeated, client_context, post
from bench.measure import MICRO, Figure, Settings, buckets, quantile, ratios
from bench.processes import SERVER_CORE, Daemon, Spent, StandIn, write_certificate

CLIENTS = 64
BATCH = 100
NUMBERS = 1_000
WARM_UP_S = 0.7
COMMIT_WAIT = "datasms_commit_wait_seconds"
LINES = """
[[line]]
name = "sms"
driver = "smpp"
host = "127.0.0.1"
port = 9
system_id = "bench"
[[rule]]
name = "by SMS"
steps = [ { line = "sms" } ]
"""


def number(index: int) -> str:
    """A valid Czech mobile number."""
    return f"+420603{100_000 + index % 900_000:06}"


def message(index: int) -> dict[str, object]:
    """An alarm as a monitoring system sends it."""
    return {"to": [number(index % NUMBERS)], "text": f"Pump {index} stopped: pressure 0.4 bar, flow 0 l/s"}


def singles(path: str, token: str | None) -> Iterator[bytes]:
    """Requests with one message each, for ever, always other numbers."""
    prepared = [post(path, json.dumps(message(index)).encode(), token) for index in range(NUMBERS)]
    return itertools.cycle(prepared)


def batches(token: str) -> Iterator[bytes]:
    """Requests with many messages each, for ever."""
    prepared = [
        post(
            "/v1/messages", json.dumps({"messages": [message(i) for i in range(start, start + BATCH)]}).encode(), token
        )
        for start in range(0, NUMBERS, BATCH)
    ]
    return itertools.cycle(prepared)


class Waits:
    """How long acceptance waited for its commit: ms, a value a round."""

    def __init__(self) -> None:
        self._p50: list[float] = []
        self._p99: list[float] = []

    def add(self, before: str, after: str) -> None:
        """By the daemon's own histogram at two moments."""
        first, last = buckets(before, COMMIT_WAIT), buckets(after, COMMIT_WAIT)
        self._p50.append(quantile(first, last, 0.5) * 1000)
        self._p99.append(quantile(first, last, 0.99) * 1000)

    def add_measured(self, settings: Settings) -> None:
        """By ``bench.committer``, which has no HTTP around the store."""
        with StandIn("committer", settings.directory, settings.seconds, CLIENTS, core=SERVER_CORE) as committer:
            self._p50.append(float(committer.ready["p50"]))
            self._p99.append(float(committer.ready["p99"]))

    def figures(self, what: str, target: str) -> list[Figure]:
        """The two."""
        return [
            Figure(f"accept: commit wait p50, {what}", target, "ms", self._p50),
            Figure(f"accept: commit wait p99, {what}", "", "ms", self._p99),
        ]


class Side:
    """One server under load; ``busy`` is how much of its core it had, in %."""

    def __init__(self, pid: int, port: int, context: ssl.SSLContext, seconds: float) -> None:
        self.busy: list[float] = []
        self._pid = pid
        self._port = port
        self._context = context
        self._seconds = seconds

    def load(self, requests: Iterator[bytes], rate: float | None = None) -> tuple[float, float]:
        """µs of CPU a request, and how many a second there were."""
        load = Repeated(self._port, self._context, CLIENTS, lambda: next(requests), 202, rate)
        load.run(WARM_UP_S)
        spent, before = Spent(self._pid), load.answers
        load.run(self._seconds)
        done, cpu, wall = load.answers - before, spent.cpu_s(), spent.wall_s()
        load.close()
        if rate is None:
            self.busy.append(100 * cpu / wall)
        return cpu * MICRO / done, done / wall


def run(settings: Settings) -> list[Figure]:
    """Rounds of: Klein, single messages, the same at half the rate, batches, the store alone."""
    certificate, key = write_certificate(settings.directory)
    context = client_context(str(certificate))
    with (
        StandIn("rival", certificate, key, core=SERVER_CORE) as rival,
        Daemon(settings.directory, LINES, settings.profile) as daemon,
    ):
        daemon.start()
        daemon.hold("sms", "pause")
        klein = Side(rival.pid, int(rival.ready["port"]), context, settings.seconds)
        ours = Side(daemon.pid, daemon.ports["gateway"], context, settings.seconds)
        return measure(settings, daemon, klein, ours)


def measure(settings: Settings, daemon: Daemon, klein: Side, ours: Side) -> list[Figure]:
    """All rounds."""
    token = daemon.new_key()
    empty, one, many = singles("/empty", None), singles("/v1/messages", token), batches(token)
    kleins, single, batch = [], [], []
    full, half, store = Waits(), Waits(), Waits()
    for _ in range(settings.rounds):
        kleins.append(klein.load(empty)[0])
        before = daemon.metrics()
        cost, rate = ours.load(one)
        between = daemon.metrics()
        ours.load(one, rate / 2)
        full.add(before, between)
        half.add(between, daemon.metrics())
        single.append(cost)
        batch.append(ours.load(many)[0] / BATCH)
        store.add_measured(settings)
    return [
        Figure("accept: empty Klein JSON POST", "", "µs CPU", kleins),
        Figure("accept: single message", "", "µs CPU", single),
        Figure("accept: rate, single against empty Klein", "≥ 0.60", "", ratios(kleins, single)),
        Figure("accept: batches of 100, a message", "", "µs CPU", batch),
        Figure("accept: batches of 100", "≥ 6,000", "messages/s a core", [MICRO / cost for cost in batch]),
        *store.figures("64 in flight into the store alone", "< 5"),
        *half.figures("64 clients at half the highest rate", "< 5"),
        *full.figures("64 clients as fast as they can, the reactor's queue included", ""),
        Figure("accept: share of core 0 that the daemon had", "", "%", ours.busy),
    ]
