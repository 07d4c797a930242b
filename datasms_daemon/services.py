"""Channels and targets as the configuration wants them: the service of each, and the policy around channels."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec

from datasms_daemon.channels._policy import governed
from datasms_daemon.channels.direct import Direct
from datasms_daemon.channels.fcm import Fcm
from datasms_daemon.channels.omni import Omni
from datasms_daemon.channels.presence import Presence
from datasms_daemon.channels.viber import Viber
from datasms_daemon.channels.webpush import WebPush
from datasms_daemon.channels.wns import Wns
from datasms_daemon.config.channels import (
    ChannelOptions,
    DirectChannel,
    FcmChannel,
    OmniChannel,
    ViberChannel,
    WebPushChannel,
    WnsChannel,
)
from datasms_daemon.config.records import Config
from datasms_daemon.config.targets import Mail, Webhook
from datasms_daemon.crypto.webpush import new_key
from datasms_daemon.gateway.views import inbound_view
from datasms_daemon.https.connect import Reactor
from datasms_daemon.interfaces import IChannel, IOperatedChannel, ITarget, IWebhook
from datasms_daemon.model import Attachment, Inbound, PushOrder
from datasms_daemon.ops.clock import Clock
from datasms_daemon.ops.metrics import Metrics
from datasms_daemon.targets.webhook import WebhookTarget
from datasms_daemon.web.times import rfc3339


class Services:
    """Makes channels. ``server_keys`` are the keys that clients subscribe with, by channel.

    ``ticket`` gives what opens an attachment for the service of a channel, by the channel's name, for so many ms.
    """

    def __init__(
        self,
        reactor: Reactor,
        clock: Clock,
        random: Callable[[int], bytes],
        presence: Presence,
        metrics: Metrics,
        ticket: Callable[[str, Attachment, int], str],
    ) -> None:
        self._reactor = reactor
        self._clock = clock
        self._random = random
        self._presence = presence
        self._metrics = metrics
        self._ticket = ticket
        self.server_keys: dict[str, str] = {}

    def channel(self, options: ChannelOptions, config: Config) -> IOperatedChannel:
        """The channel under its policy. ConfigError: its options cannot be used."""
        if isinstance(options, DirectChannel):
            return Direct(options, self._presence)
        grace = max((one.grace for one in config.channel if isinstance(one, DirectChannel)), default=0) / 1000

        async def confirmed(order: PushOrder) -> bool:
            return await self._presence.confirms(order.device.id, order.message, grace, self._reactor)

        now, service = self._clock.now_ms, self._service(options, config)
        return governed(service, options.driver, options, self._reactor, now, confirmed)

    def _service(
        self, options: FcmChannel | WnsChannel | WebPushChannel | ViberChannel | OmniChannel, config: Config
    ) -> IChannel:
        reactor, now, public_url = self._reactor, self._clock.now_ms, config.mxservice.public_url
        match options:
            case FcmChannel():
                return Fcm(options, reactor, now)
            case WnsChannel():
                return Wns(options, reactor, now)
            case WebPushChannel():
                assert config.daemon.state_dir is not None, "the loader fills it in"
                channel = WebPush(options, reactor, now, self._random, config.daemon.state_dir, new_key)
                self.server_keys[options.name] = channel.application_server_key
                return channel
            case ViberChannel():
                ticket = partial(self._ticket, options.name)
                return Viber(options, reactor, now, public_url, self._billed(options.name), ticket)
            case OmniChannel():
                return Omni(options, reactor, now, public_url)

    def _billed(self, channel: str) -> Callable[[int], None]:
        return lambda status: self._metrics.billed.labels(channel, str(status)).inc()


class TargetDrivers:
    """Makes what texts from outside are handed on to."""

    def __init__(self, reactor: Reactor, now_ms: Callable[[], int], new_id: Callable[[], str]) -> None:
        self._reactor = reactor
        self._now_ms = now_ms
        self._new_id = new_id

    def webhook(self, options: Webhook) -> IWebhook:
        """See delivery.targets.Make."""
        return WebhookTarget(options, self._reactor, self._now_ms, _shown, rfc3339, self._new_id)

    def mail(self, options: Mail) -> ITarget:
        """See delivery.targets.Make."""
        # Twisted asks for this machine's name, and takes the reactor, when its mail client is imported.
        from datasms_daemon.targets.mail import MailTarget

        return MailTarget(options, self._reactor)


def _shown(inbound: Inbound) -> bytes:
    """As GET /v1/inbound shows it."""
    return msgspec.json.encode(inbound_view(inbound))
