"""WNS, a web push service, Viber and Infobip in one process: ``python channels_process.py DIRECTORY``.

It puts the CA of each into a folder of its name and writes one JSON object a line: ``ready`` with the endpoints,
``push`` for each message taken, ``refusing``, and ``reported`` with the status that the daemon gave to a report. It
reads orders: ``refuse`` makes a service refuse the key from now on, ``report`` has Infobip report on a message to where
the message says.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import sys
import time
from collections.abc import Callable
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
from twisted.web.http import Request

from datasms_daemon.demo.answers import Rendered, answer
from datasms_daemon.demo.https import HttpsService
from datasms_daemon.model import HookAnswer, HookCall
from tests.fakes import viber_service
from tests.fakes.omni_service import Message, OmniService
from tests.fakes.omni_service import refusal as omni_refusal
from tests.fakes.viber_service import ViberService
from tests.fakes.webpush_service import Pushed, WebPushService
from tests.fakes.wns_service import WnsService

SUBSCRIPTION = "subscription-1"
VIBER_TOKEN = "445da6az1s345z78-dazcczb2542zv51a-e0vc5fva17480im9"
POST_S = 10
REFUSALS = {
    "wns": answer(401, b'{"error": "invalid_client", "error_description": "demo"}'),
    "viber": viber_service.status(2, "invalidAuthToken"),
    "infobip": omni_refusal(401, "UNAUTHORIZED", "/messages-api/"),
}


def now_ms() -> int:
    """UTC ms."""
    return time.time_ns() // 1_000_000


class Orders(LineOnlyReceiver):
    """The test's end: orders in, events out. ``refusing`` names the services that do not take our key."""

    delimiter = b"\n"

    def __init__(self) -> None:
        self.refusing: set[str] = set()
        self.report: Callable[[str, dict[str, object]], Deferred[int]]

    def say(self, event: str, **fields: object) -> None:
        """One line to the test."""
        assert self.transport is not None
        self.transport.write(json.dumps({"event": event, "at": now_ms(), **fields}).encode() + b"\n")

    def answered(self, name: str, usual: Callable[[Request], Rendered], request: Request) -> Rendered:
        """The usual answer of a service, unless it refuses."""
        return REFUSALS[name](request) if name in self.refusing else usual(request)

    def lineReceived(self, line: bytes) -> None:
        """One order."""
        order = json.loads(line)
        if order["do"] == "refuse":
            self.refusing.add(order["service"])
            self.say("refusing", service=order["service"])
            return
        done = self.report(order["id"], order["status"])
        done.addCallback(lambda status: self.say("reported", id=order["id"], status=status))

    def connectionLost(self, reason: Failure | None = None) -> None:
        """The test is over."""
        reactor = cast(IReactorCore, global_reactor)
        if reactor.running:
            reactor.stop()


class Wns(WnsService):
    """Tells of each push, by the token in the channel URI."""

    def __init__(self, orders: Orders) -> None:
        super().__init__(cast(IReactorTime, global_reactor), now_ms)
        self._orders = orders

    def answer(self, request: Request) -> Rendered:
        rendered = self._orders.answered("wns", super().answer, request)
        while self.taken:
            push = self.taken.pop(0)
            self._orders.say("push", channel="wns", to=push.query.decode(), body=push.body.decode())
        return rendered


class WebPush(WebPushService):
    """Tells of each push as it is: who can decrypt it is the test."""

    def __init__(self, orders: Orders) -> None:
        super().__init__(cast(IReactorTime, global_reactor), now_ms, SUBSCRIPTION)
        self._orders = orders

    def _taken(self, request: Request, body: bytes) -> Pushed:
        proof = request.getHeader("Authorization") or ""
        self._orders.say("push", channel="webpush", proof=proof, body=base64.b64encode(body).decode())
        return Pushed(b"", 0, "", request.getHeader("Topic") or "", self.tokens[-1])


class Viber(ViberService):
    """Its bot takes the webhook without being asked: callbacks have tests of their own."""

    def __init__(self, orders: Orders) -> None:
        super().__init__(cast(IReactorTime, global_reactor), now_ms, VIBER_TOKEN)
        self._orders = orders
        self.hook = self._take

    def answer(self, request: Request) -> Rendered:
        return self._orders.answered("viber", super().answer, request)

    async def _take(self, call: HookCall) -> HookAnswer:
        return HookAnswer()


class Infobip(OmniService):
    """Tells of each message, and reports on it to where the message says."""

    def __init__(self, orders: Orders, ca_file: Path) -> None:
        super().__init__(cast(IReactorTime, global_reactor), now_ms)
        self._orders = orders
        self._ca_file = ca_file
        self._told = 0
        orders.report = self.report

    def answer(self, request: Request) -> Rendered:
        rendered = self._orders.answered("infobip", super().answer, request)
        for id_, sent in list(self.sent.items())[self._told :]:
            assert isinstance(sent, Message)
            to = sent.destinations[0].by_channel[0].to
            self._orders.say("push", channel="infobip", id=id_, to=to, text=sent.content.body.text)
        self._told = len(self.sent)
        return rendered

    def report(self, id_: str, status: dict[str, object]) -> Deferred[int]:
        """What the daemon answers to a report."""
        sent = self.sent[id_]
        assert isinstance(sent, Message)
        assert sent.webhooks.delivery is not None
        result = {"messageId": id_, "callbackData": sent.webhooks.callback_data, "status": status}
        return deferToThread(posted, sent.webhooks.delivery.url, {"results": [result]}, self._ca_file)


def posted(url: str, body: object, ca_file: Path) -> int:
    """The status of the answer to a POST."""
    place = urlsplit(url)
    context = ssl.create_default_context(cafile=str(ca_file))
    connection = http.client.HTTPSConnection(place.hostname or "", place.port, timeout=POST_S, context=context)
    headers = {"Content-Type": "application/json", "Connection": "close"}
    connection.request("POST", place.path, json.dumps(body).encode(), headers)
    status = connection.getresponse().status
    connection.close()
    return status


async def start(directory: Path) -> None:
    """Serves until the test closes standard input."""
    orders = Orders()
    services: dict[str, HttpsService] = {
        "wns": Wns(orders),
        "webpush": WebPush(orders),
        "viber": Viber(orders),
        "infobip": Infobip(orders, directory / "state" / "tls-cert.pem"),
    }
    for name, service in services.items():
        await service.listen(cast(IReactorTCP, global_reactor))
        (directory / name).mkdir()
        service.write_ca(directory / name)
    StandardIO(orders)
    orders.say("ready", endpoints={name: service.endpoint for name, service in services.items()})


if __name__ == "__main__":
    Deferred.fromCoroutine(start(Path(sys.argv[1])))
    cast(IReactorCore, global_reactor).run()
