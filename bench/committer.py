"""``python -m bench.committer DIRECTORY SECONDS CLIENTS``: what waiting for the store alone costs an acceptance.

So many submitters, each of which hands in its next message when the last one is committed; writes p50 and p99 in ms.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import tempfile
import time
from datetime import UTC
from pathlib import Path
from typing import cast

from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorCore

from bench.accept import number
from bench.measure import percentile
from bench.serve import serve
from datasms_daemon.config.records import Config, Rule, SmppLine, StepOptions
from datasms_daemon.delivery.accept import Acceptance
from datasms_daemon.model import Draft, LineName, Recipient, Submission
from datasms_daemon.ops.clock import wall_ms
from datasms_daemon.ops.ids import IdSource
from datasms_daemon.rules.days import Days
from datasms_daemon.rules.openings import ALWAYS_OPEN
from datasms_daemon.rules.operators import Operators
from datasms_daemon.rules.routing import Router
from datasms_daemon.store.store import Db, ThreadStore
from datasms_daemon.store.writer import Reactor

DAYS = Days(UTC)
SMS = LineName("sms")
TEXT = "Pump 3 stopped: pressure 0.4 bar, flow 0 l/s"


class Submitters:
    """They share one store; ``waits`` are ms."""

    def __init__(self, store: ThreadStore, until: float) -> None:
        config = Config(
            line=(SmppLine(name=SMS, host="127.0.0.1", system_id="bench"),),
            rule=(Rule(name="by SMS", steps=(StepOptions(line=SMS),)),),
        )
        self.waits: list[float] = []
        self._acceptance = Acceptance(
            config,
            Router(config),
            ALWAYS_OPEN,
            Operators({}, lambda number: None),
            {},
            IdSource(wall_ms, os.urandom),
            bytes(32),
        )
        self._store = store
        self._until = until
        self._count = itertools.count()

    async def submit(self) -> None:
        """One of them."""
        while (began := time.monotonic()) < self._until:
            recipient = Recipient("/to/0", number=number(next(self._count)))
            submission = Submission("bench", (Draft((recipient,), TEXT, "normal"),))

            def unit(db: Db, submission: Submission = submission) -> None:
                self._acceptance.take(db, submission, wall_ms(), DAYS.at(wall_ms()), {}, {})

            await self._store.write(unit)
            self.waits.append((time.monotonic() - began) * 1000)


async def measure(directory: Path, seconds: float, clients: int) -> None:
    """One run."""
    reactor = cast(IReactorCore, global_reactor)
    with tempfile.TemporaryDirectory(dir=directory) as made:
        store = ThreadStore(
            Path(made) / "store.sqlite3", cast(Reactor, reactor), lambda failure: failure.raiseException()
        )
        submitters = Submitters(store, time.monotonic() + seconds)
        await gatherResults([Deferred.fromCoroutine(submitters.submit()) for _ in range(clients)])
        await store.stop()
    waits = submitters.waits
    print(json.dumps({"p50": percentile(waits, 0.5), "p99": percentile(waits, 0.99)}), flush=True)
    reactor.stop()


if __name__ == "__main__":
    serve(measure(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
