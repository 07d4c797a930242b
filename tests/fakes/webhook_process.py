"""A receiver of webhooks as a process: ``python webhook_process.py DIRECTORY SECRET`` puts its CA into the directory.

It writes one JSON object a line: ``ready`` with its endpoint and ``call`` for each call that it took: verified by the
published library of Standard Webhooks, and still there when its answer is ready, a moment later.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import cast

from standardwebhooks.webhooks import Webhook
from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore, IReactorTCP, IReactorTime
from twisted.web.http import Request

from datasms_daemon.demo.answers import Rendered, answer, late
from datasms_daemon.demo.https import HttpsService, content

MOMENT_S = 0.05


def now_ms() -> int:
    """UTC ms."""
    return time.time_ns() // 1_000_000


def say(event: str, **fields: object) -> None:
    """One line to the test."""
    sys.stdout.write(json.dumps({"event": event, "at": now_ms(), **fields}) + "\n")
    sys.stdout.flush()


class Receiver(HttpsService):
    """Takes everything that is signed."""

    def __init__(self, clock: IReactorTime, secret: str) -> None:
        super().__init__(clock, now_ms)
        self._library = Webhook(secret)

    def answer(self, request: Request) -> Rendered:
        """204, or 410 for ``/gone``, in a moment."""
        headers = {
            name.decode().lower(): b",".join(values).decode()
            for name, values in request.requestHeaders.getAllRawHeaders()
        }
        event = self._library.verify(content(request), headers)

        def taken(request: Request) -> Rendered:
            say("call", id=headers["webhook-id"], type=event["type"], data=event["data"])
            return answer(410 if request.path == b"/gone" else 204)(request)

        return late(self.clock, MOMENT_S, taken)(request)


async def start(directory: Path, secret: str) -> None:
    """Serves until it is killed."""
    service = Receiver(cast(IReactorTime, global_reactor), secret)
    await service.listen(cast(IReactorTCP, global_reactor))
    service.write_ca(directory)
    say("ready", endpoint=service.endpoint)


if __name__ == "__main__":
    Deferred.fromCoroutine(start(Path(sys.argv[1]), sys.argv[2]))
    cast(IReactorCore, global_reactor).run()
