"""The five channels as the daemon makes them (assembly.py), devices for each, and one far end for all."""

from __future__ import annotations

import base64
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from datasms_daemon.channels._policy import Governed, governed
from datasms_daemon.channels.fcm import Fcm
from datasms_daemon.channels.omni import Omni
from datasms_daemon.channels.presence import Presence
from datasms_daemon.channels.viber import Viber
from datasms_daemon.channels.webpush import WebPush
from datasms_daemon.channels.wns import Wns
from datasms_daemon.config.channels import (
    FcmChannel,
    OmniChannel,
    OmniStep,
    PushChannel,
    ViberChannel,
    WebPushChannel,
    WnsChannel,
)
from datasms_daemon.config.kinds import SECOND, Duration
from datasms_daemon.crypto.webpush import new_key
from datasms_daemon.https.connect import Reactor
from datasms_daemon.interfaces import IChannel, IChannelHost
from datasms_daemon.model import (
    Content,
    Device,
    DeviceId,
    InboundText,
    MessageId,
    PersonId,
    PushOrder,
    PushReceipt,
    Secret,
)
from datasms_daemon.ops.clock import wall_ms

DEVICES = 2_000
TTL_MS = 60_000
TITLE = "Pump station"
TEXT = "Pump 3 stopped: pressure 0.4 bar, flow 0 l/s"
PUBLIC_URL = "https://mx.example.org:8444"
SECRET = Secret("0123456789abcdef-0123456789abcdef-0123456789abcdef")
HANGS = Duration(60 * SECOND)
USUAL = Duration(15 * SECOND)


@implementer(IChannelHost)
class NoHost:
    """No service calls us here."""

    async def receipt(self, receipt: PushReceipt) -> None:
        """Nothing."""

    async def read_all(self, channel: str, address: dict[str, str], at: int) -> None:
        """Nothing."""

    async def gone(self, channel: str, address: dict[str, str], reason: str) -> None:
        """Nothing."""

    async def inbound(self, inbound: InboundText) -> None:
        """Nothing."""


class Kinds:
    """New channels, started, with nothing pushed yet. ``directory`` is where the far end wrote its files."""

    def __init__(self, directory: Path, endpoint: str, reactor: Reactor) -> None:
        self.endpoint = endpoint
        self.place = endpoint.removeprefix("https://")
        self.ca_file = directory / "cert.pem"
        self._directory = directory
        self._reactor = reactor
        self._presence = Presence()

    @property
    def makers(self) -> dict[str, Callable[[], Governed]]:
        """By name."""
        return {"FCM": self.fcm, "WNS": self.wns, "Web Push": self.webpush, "Viber": self.viber, "OMNI": self.omni}

    def fcm(self) -> Governed:
        """With an OAuth token."""
        options = FcmChannel(
            name="FCM",
            credentials_file=self._directory / "firebase.json",
            endpoint=self.endpoint,
            ca_file=self.ca_file,
            allow_private=True,
        )
        return self._governed(Fcm(options, self._reactor, wall_ms), options)

    def wns(self) -> Governed:
        """With an OAuth token, an address a device."""
        options = WnsChannel(
            name="WNS",
            tenant="tenant",
            client_id="bench",
            client_secret=SECRET,
            endpoint=self.endpoint,
            hosts=(self.place,),
            ca_file=self.ca_file,
            allow_private=True,
        )
        return self._governed(Wns(options, self._reactor, wall_ms), options)

    def webpush(self) -> Governed:
        """Encrypted for each device, an address a device."""
        options = self._webpush_options("Web Push")
        return self._governed(WebPush(options, self._reactor, wall_ms, os.urandom, self._directory, new_key), options)

    def hanging(self) -> Governed:
        """The same for devices whose service never answers: each call takes HANGS."""
        options = self._webpush_options("hanging", HANGS)
        return self._governed(WebPush(options, self._reactor, wall_ms, os.urandom, self._directory, new_key), options)

    def viber(self) -> Governed:
        """Without a webhook: nobody could call us."""
        options = ViberChannel(
            name="Viber",
            token=SECRET,
            sender="Acme",
            endpoint=self.endpoint,
            webhook=False,
            ca_file=self.ca_file,
            allow_private=True,
        )
        return self._governed(
            Viber(options, self._reactor, wall_ms, PUBLIC_URL, lambda _: None, lambda *_: ""), options
        )

    def omni(self) -> Governed:
        """By a scenario with two steps, reports pushed."""
        options = OmniChannel(
            name="OMNI",
            endpoint=self.endpoint,
            api_key=SECRET,
            hook_secret=SECRET,
            steps=(OmniStep(channel="VIBER", sender="Acme"), OmniStep(channel="SMS", sender="AcmeSMS")),
            ca_file=self.ca_file,
            allow_private=True,
        )
        return self._governed(Omni(options, self._reactor, wall_ms, PUBLIC_URL), options)

    def devices(self, channel: str) -> list[Device]:
        """DEVICES of them, each with an address of its own, as long as real ones are."""
        return [self._device(channel, index) for index in range(DEVICES)]

    def _webpush_options(self, name: str, timeout: Duration = USUAL) -> WebPushChannel:
        return WebPushChannel(
            name=name,
            contact="mailto:it@example.org",
            hosts=(self.place,),
            timeout=timeout,
            ca_file=self.ca_file,
            allow_private=True,
        )

    def _governed(self, channel: IChannel, options: PushChannel) -> Governed:
        async def confirmed(order: PushOrder) -> bool:
            clock: IReactorTime = self._reactor
            return await self._presence.confirms(order.device.id, order.message, 2.0, clock)

        made = governed(channel, channel.name, options, self._reactor, wall_ms, confirmed)
        made.start(NoHost())
        return made

    def _device(self, channel: str, index: int) -> Device:
        long = f"{index:08x}" * 20
        addresses = {
            "FCM": {"token": f"c{long[:21]}:APA91b{long[:134]}"},
            "WNS": {"channel_uri": f"{self.endpoint}/wns?token={long}"},
            "Web Push": {"endpoint": f"{self.endpoint}/push/{long}"},
            "hanging": {"endpoint": f"{self.endpoint}/push/{long}/hang"},
            "Viber": {"id": f"{long[:22]}=="},
            "OMNI": {"phone": f"+4206035{index:05d}"},
        }
        keys = _keys() if channel in ("Web Push", "hanging") else {}
        return Device(DeviceId(_id(index)), PersonId("p"), channel, addresses[channel], keys)


def orders(channel: Governed, devices: list[Device]) -> Iterator[PushOrder]:
    """Urgent messages, each with an id of its own, to one device after the other, for ever."""
    content = Content(TEXT, TITLE) if channel.carries_text else None
    for index, device in enumerate(itertools.cycle(devices)):
        yield PushOrder(MessageId(_id(index)), device, True, TTL_MS, content)


def _id(index: int) -> str:
    return f"01a1b2c3-0000-7000-8000-{index:012x}"


def _keys() -> dict[str, str]:
    """A browser's."""
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    point = public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return {"p256dh": _base64url(point), "auth": _base64url(os.urandom(16))}


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
