"""Acceptance: an empty Klein route against the daemon's durable accept with nothing sent, 64 keep-alive TLS clients."""

from __future__ import annotations

import itertools
import json
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
        post("/v1/messages", json.dumps({"messages": [message(i) for i in range(start, start + BATCH)]}).encode(), token)
        for start in range(0, NUMBERS, BATCH)
    ]
    return itertools.cycle(prepared)


def run(settings: Settings) -> list[Figure]:
    """Rounds of: Klein, single messages, batches."""
    certificate, key = write_certificate(settings.directory)
    context = client_context(str(certificate))
    klein, single, batch, p50, p99, busy = [], [], [], [], [], []
    rival = StandIn("rival", certificate, key, core=SERVER_CORE)
    with Daemon(settings.directory, LINES, settings.profile) as daemon:
        daemon.start()
        daemon.hold("sms", "pause")
        token = daemon.new_key()
        empty, one, many = singles("/empty", None), singles("/v1/messages", token), batches(token)

        def side(pid: int, port: int, requests: Iterator[bytes]) -> float:
            load = Repeated(port, context, CLIENTS, lambda: next(requests), 202)
            load.loop.run(WARM_UP_S)
            spent, before = Spent(pid), load.answers
            load.loop.run(settings.seconds)
            cost = spent.cpu_s() * MICRO / (load.answers - before)
            busy.append(100 * spent.cpu_s() / spent.wall_s())
            load.close()
            return cost

        for _ in range(settings.rounds):
            klein.append(side(rival.pid, int(rival.ready["port"]), empty))
            before = buckets(daemon.metrics(), COMMIT_WAIT)
            single.append(side(daemon.pid, daemon.ports["gateway"], one))
            after = buckets(daemon.metrics(), COMMIT_WAIT)
            p50.append(quantile(before, after, 0.5) * 1000)
            p99.append(quantile(before, after, 0.99) * 1000)
            batch.append(side(daemon.pid, daemon.ports["gateway"], many) / BATCH)
    rival.close()
    return [
        Figure("accept: empty Klein JSON POST", "", "µs CPU", klein),
        Figure("accept: single message", "", "µs CPU", single),
        Figure("accept: rate, single against empty Klein", "≥ 0.60", "", ratios(klein, single)),
        Figure("accept: batches of 100, a message", "", "µs CPU", batch),
        Figure("accept: batches of 100", "≥ 6,000", "messages/s a core", [MICRO / cost for cost in batch]),
        Figure("accept: commit wait p50, 64 in flight", "< 5", "ms", p50),
        Figure("accept: commit wait p99, 64 in flight", "", "ms", p99),
        Figure("accept: core 0 busy while measured", "", "%", busy),
    ]
