"""SMS through an SMPP line with a window of 50: a full queue let go, until the last receipt is stored."""

from __future__ import annotations

import sqlite3
import ssl
import time
from collections.abc import Iterator
from contextlib import closing

from bench.accept import BATCH, CLIENTS, batches
from bench.load import Repeated, client_context
from bench.measure import MICRO, Figure, Settings
from bench.people import count_messages
from bench.processes import Daemon, Spent, StandIn, write_certificate
from bench.smsc import PASSWORD

MESSAGES = 20_000
WINDOW = 50
POLL_S = 0.05
LIMIT_S = 300.0
LINES = """
[[line]]
name = "sms"
driver = "smpp"
host = "127.0.0.1"
port = {port}
system_id = "bench"
password = "{password}"
window = {window}
[[rule]]
name = "by SMS"
steps = [ {{ line = "sms" }} ]
"""


def run(settings: Settings) -> list[Figure]:
    """Each round queues MESSAGES on the paused line and resumes it."""
    certificate, _ = write_certificate(settings.directory)
    context = client_context(str(certificate))
    costs, busy = [], []
    with StandIn("smsc") as smsc:
        lines = LINES.format(port=smsc.ready["port"], password=PASSWORD, window=WINDOW)
        daemon = Daemon(settings.directory, lines, settings.profile)
        with daemon:
            daemon.start()
            requests = batches(daemon.new_key())
            for _ in range(settings.rounds):
                queued = queue(daemon, context, requests)
                spent = Spent(daemon.pid)
                daemon.hold("sms", "resume")
                wait_delivered(daemon)
                costs.append(spent.cpu_s() * MICRO / queued)
                busy.append(100 * spent.cpu_s() / spent.wall_s())
    assert count_messages(daemon.database, "state <> 'delivered'") == 0, "every message was delivered"
    return [
        Figure("smpp: from claim to stored receipt, a message", "", "µs CPU", costs),
        Figure("smpp: window 50", "≥ 1,500", "messages/s a core", [MICRO / cost for cost in costs]),
        Figure("smpp: core 0 busy while measured", "", "%", busy),
    ]


def queue(daemon: Daemon, context: ssl.SSLContext, requests: Iterator[bytes]) -> int:
    """Fills the paused line; with how many."""
    daemon.hold("sms", "pause")
    load = Repeated(daemon.ports["gateway"], context, CLIENTS, lambda: next(requests), 202)
    load.loop.run(LIMIT_S, lambda: load.answers * BATCH >= MESSAGES)
    load.close()
    return load.answers * BATCH


def wait_delivered(daemon: Daemon) -> None:
    """Returns when nothing waits any more; looks into the database, so that the daemon does not notice."""
    end = time.monotonic() + LIMIT_S
    with closing(sqlite3.connect(f"file:{daemon.database}?mode=ro", uri=True)) as db:
        while db.execute("SELECT 1 FROM messages WHERE due_at IS NOT NULL LIMIT 1").fetchone():
            if time.monotonic() > end:
                raise RuntimeError("the line does not finish")
            time.sleep(POLL_S)
