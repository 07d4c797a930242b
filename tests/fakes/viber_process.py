"""The local Viber as a process: ``python viber_process.py DIRECTORY TOKEN HOOK CA`` calls the bot at the URL HOOK.

It writes one JSON object a line: ``ready`` with its endpoint, ``answered`` with the status the bot gave a callback,
``sent``; it reads orders: ``write`` (somebody writes to the bot), ``press`` (he presses a button), ``about`` (a
callback about a message: delivered or seen), ``forge`` (a callback that Viber did not sign), ``sent`` (it says what it
took and whom it calls).
"""

from __future__ import annotations

import http.client
import json
import ssl
import sys
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from twisted.internet import reactor as global_reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore, IReactorTCP, IReactorTime
from twisted.internet.stdio import StandardIO
from twisted.internet.threads import deferToThread
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

from datasms_daemon.model import HookAnswer, HookCall
from tests.fakes.fcm_process import now_ms
from tests.fakes.viber_service import FIRST_TOKEN, ViberService

POST_S = 10


class Orders(LineOnlyReceiver):
    """The test's end: orders in, events out."""

    delimiter = b"\n"

    def __init__(self, service: ViberService, hook: str, ca_file: Path) -> None:
        self.service = service
        self._hook = urlsplit(hook)
        self._ca_file = ca_file

    def say(self, event: str, **fields: object) -> None:
        """One line to the test."""
        assert self.transport is not None
        self.transport.write(json.dumps({"event": event, "at": now_ms(), **fields}).encode() + b"\n")

    def lineReceived(self, line: bytes) -> None:
        """One order."""
        order = json.loads(line)
        service = self.service
        match order["do"]:
            case "write":
                call = service.writes(order["user"], order["text"])
            case "press":
                call = service.presses(order["user"], order["text"])
            case "about":
                token = FIRST_TOKEN + order["number"]
                call = service.callback(order["what"], user_id=order["user"], message_token=token)
            case "forge":
                call = service.writes(order["user"], order["text"])
                call = HookCall(call.channel, call.path, call.headers, call.body + b" ")
            case _:
                took = {
                    "texts": [sent.text for sent in service.sent],
                    "media": [sent.media for sent in service.sent],
                    "about": [sent.tracking_data for sent in service.sent],
                }
                self.say("sent", **took, webhook=service.webhook)
                return
        Deferred.fromCoroutine(self._deliver(call))

    def connectionLost(self, reason: Failure | None = None) -> None:
        """The test is over."""
        reactor = cast(IReactorCore, global_reactor)
        if reactor.running:
            reactor.stop()

    async def post(self, call: HookCall) -> HookAnswer:
        """As Viber posts; 599 when nobody answers."""
        return await deferToThread(self._post, call)

    async def _deliver(self, call: HookCall) -> None:
        self.say("answered", status=(await self.post(call)).status)

    def _post(self, call: HookCall) -> HookAnswer:
        try:
            context = ssl.create_default_context(cafile=str(self._ca_file))
            place = self._hook
            connection = http.client.HTTPSConnection(place.hostname or "", place.port, timeout=POST_S, context=context)
            connection.request("POST", place.path, call.body, {**call.headers, "Connection": "close"})
            response = connection.getresponse()
            answer = HookAnswer(response.status, response.read())
            connection.close()
        except OSError:
            return HookAnswer(599)
        return answer


async def start(directory: Path, token: str, hook: str, ca_file: Path) -> None:
    """Serves until the test closes standard input."""
    service = ViberService(cast(IReactorTime, global_reactor), now_ms, token)
    await service.listen(cast(IReactorTCP, global_reactor))
    service.write_ca(directory)
    orders = Orders(service, hook, ca_file)
    service.hook = orders.post
    StandardIO(orders)
    orders.say("ready", endpoint=service.endpoint)


if __name__ == "__main__":
    Deferred.fromCoroutine(start(Path(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4])))
    cast(IReactorCore, global_reactor).run()
