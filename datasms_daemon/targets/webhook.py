"""A webhook: each text is one signed call (Standard Webhooks), made by the safe client."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import Raw
from zope.interface import implementer

from datasms_daemon import __version__
from datasms_daemon.config.targets import Webhook
from datasms_daemon.errors import ConfigError
from datasms_daemon.https.client import Answer, Failed, SafeClient
from datasms_daemon.https.connect import Reactor
from datasms_daemon.https.retry_after import retry_at
from datasms_daemon.interfaces import IWebhook
from datasms_daemon.model import Inbound, NotTaken, Parcel, Taken, TargetGone, Verdict
from datasms_daemon.model.targets import HandedOn
from datasms_daemon.rules.addresses import Hosts, netloc
from datasms_daemon.rules.webhooks import headers, secret_of

RECEIVED = "inbound.received"
TEST = "webhook.test"
AT_ONCE = 4

Shown = Callable[[Inbound], bytes]
"""A text as the body's ``data``, in JSON."""


class _Event(msgspec.Struct, frozen=True):
    """The body of a call."""

    type: str
    timestamp: str
    data: Raw


@implementer(IWebhook)
class WebhookTarget:
    """Calls one address. ConfigError: URL, secret, CA file or proxy cannot be used."""

    def __init__(
        self,
        options: Webhook,
        reactor: Reactor,
        now_ms: Callable[[], int],
        shown: Shown,
        rfc3339: Callable[[int], str],
        new_id: Callable[[], str],
    ) -> None:
        self.time_limit_ms: int = options.timeout
        place = netloc(options.url)
        keys = [secret_of(secret.reveal()) for secret in (options.secret, options.old_secret) if secret]
        self._keys = [key for key in keys if key is not None]
        if place is None or len(self._keys) != len(keys) or not keys:
            raise ConfigError([f"webhook {options.name}: its url or its secret cannot be used"])
        self._url = options.url
        self._now_ms = now_ms
        self._shown = shown
        self._rfc3339 = rfc3339
        self._new_id = new_id
        self._client = SafeClient(
            reactor,
            hosts=Hosts((place,)),
            allow_private=options.allow_private,
            ca_file=options.ca_file,
            concurrency=AT_ONCE + 1,
            total_timeout_s=options.timeout / 1000,
            proxy=options.proxy,
        )

    async def hand_on(self, parcel: Parcel) -> HandedOn:
        """See ITarget."""
        body = self._event(RECEIVED, parcel.text.at, self._shown(parcel.text))
        return _meaning(await self._call(parcel.id, body), self._now_ms())

    async def test(self) -> Verdict:
        """See IWebhook; the call is signed like any other and has the type ``webhook.test``."""
        answer = await self._call(f"test_{self._new_id()}", self._event(TEST, self._now_ms(), b"{}"))
        if isinstance(answer, Failed):
            return Verdict(False, (f"no answer: {answer.reason}",))
        return Verdict(200 <= answer.status < 300, (f"it answered {answer.status}",))

    async def stop(self) -> None:
        """See ITarget."""
        await self._client.stop()

    def _event(self, kind: str, at: int, data: bytes) -> bytes:
        return msgspec.json.encode(_Event(kind, self._rfc3339(at), Raw(data)))

    async def _call(self, id_: str, body: bytes) -> Answer | Failed:
        signed = headers(self._keys, id_, self._now_ms() // 1000, body)
        fields = {"Content-Type": "application/json", "User-Agent": f"datasms/{__version__}", **signed}
        return await self._client.post(self._url, fields, body)


def _meaning(answer: Answer | Failed, now_ms: int) -> HandedOn:
    if isinstance(answer, Failed):
        return NotTaken(answer.reason)
    if 200 <= answer.status < 300:
        return Taken()
    if answer.status == 410:
        return TargetGone("it answered 410: it wants nothing any more")
    if answer.status in (429, 503):
        return NotTaken(f"it answered {answer.status}", retry_at(answer.headers, now_ms))
    if 300 <= answer.status < 400:
        return NotTaken(f"it answered {answer.status}: redirects are not followed")
    return NotTaken(f"it answered {answer.status}")
