"""The local FCM as a process: ``python fcm_process.py DIRECTORY`` puts its key file and CA there.

It writes one JSON object a line: ``ready`` with its endpoint and ``push`` for each message taken; it reads orders:
``script`` gives the answers to the next pushes to an address, in place of the usual one, ``refuse`` has Google refuse
the service account's key once.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import cast

from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore, IReactorTCP, IReactorTime
from twisted.internet.stdio import StandardIO
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

from datasms_daemon.demo.answers import answer
from datasms_daemon.demo.fcm import DemoFcm, Pushed, refusal


def now_ms() -> int:
    """UTC ms."""
    return time.time_ns() // 1_000_000


class Orders(LineOnlyReceiver):
    """The test's end: orders in, events out."""

    delimiter = b"\n"

    def __init__(self, service: DemoFcm) -> None:
        self.service = service

    def say(self, event: str, **fields: object) -> None:
        """One line to the test."""
        assert self.transport is not None
        self.transport.write(json.dumps({"event": event, "at": now_ms(), **fields}).encode() + b"\n")

    def lineReceived(self, line: bytes) -> None:
        """One order."""
        order = json.loads(line)
        if order["do"] == "refuse":
            self.service.token_script.append(answer(400, b'{"error": "invalid_grant"}'))
            self.say("refusing")
            return
        answers = [refusal(status, code) for status, code in order["answers"]]
        self.service.script[order["address"]] = answers
        self.say("scripted")

    def connectionLost(self, reason: Failure | None = None) -> None:
        """The test is over."""
        reactor = cast(IReactorCore, global_reactor)
        if reactor.running:
            reactor.stop()


async def start(directory: Path) -> None:
    """Serves until the test closes standard input."""
    service = DemoFcm(cast(IReactorTime, global_reactor), now_ms)
    await service.listen(cast(IReactorTCP, global_reactor))
    service.write_files(directory)
    orders = Orders(service)
    StandardIO(orders)

    def pushed(message: Pushed) -> None:
        orders.say("push", address=message.address, data=message.data)

    service.on_push = pushed
    orders.say("ready", endpoint=service.endpoint)


if __name__ == "__main__":
    Deferred.fromCoroutine(start(Path(sys.argv[1])))
    cast(IReactorCore, global_reactor).run()
