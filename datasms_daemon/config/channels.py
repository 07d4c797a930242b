"""Every option of a ``[[channel]]``: the internet services that reach devices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from datasms_daemon.config.kinds import SECOND, CaFile, Duration, Options, Proxy
from datasms_daemon.model import Secret


class Channel(Options, frozen=True, kw_only=True):
    name: Annotated[str, Meta(description="How devices name this channel")]
    enabled: Annotated[bool, Meta(description="Whether devices are reached through it")] = True
    concurrency: Annotated[int, Meta(description="Pushes at once", ge=1)] = 50


class DirectChannel(Channel, frozen=True, kw_only=True):
    driver: Annotated[Literal["direct"], Meta(description="Devices that are connected to MxService")] = "direct"
    grace: Annotated[
        Duration, Meta(description="How long a connected device may take to confirm before it is pushed to as well")
    ] = Duration(2 * SECOND)


class PushChannel(Channel, frozen=True, kw_only=True):
    """A service that we call over HTTPS."""

    rate: Annotated[
        float | None, Meta(description="Pushes a second; none: as fast as it takes them", gt=0, examples=[100])
    ] = None
    timeout: Annotated[Duration, Meta(description="Whole time for one push, answer included")] = Duration(15 * SECOND)
    ca_file: CaFile = None
    proxy: Proxy = None
    allow_private: Annotated[bool, Meta(description="Allow an endpoint in a private network")] = False


class FcmChannel(PushChannel, frozen=True, kw_only=True):
    driver: Annotated[Literal["fcm"], Meta(description="Firebase Cloud Messaging: Android and iOS devices")] = "fcm"
    credentials_file: Annotated[
        Path, Meta(description="The service account's key file from the Firebase console", examples=["firebase.json"])
    ]
    endpoint: Annotated[str, Meta(description="Base URL of the service")] = "https://fcm.googleapis.com"


class WnsChannel(PushChannel, frozen=True, kw_only=True):
    driver: Annotated[Literal["wns"], Meta(description="Windows Push Notification Services")] = "wns"
    identity: Annotated[
        Literal["entra", "store"],
        Meta(description="Who issues the access token: Microsoft Entra ID (Windows App SDK) or the Store identity"),
    ] = "entra"
    tenant: Annotated[
        str, Meta(description="entra: the directory (tenant) id", examples=["00000000-0000-0000-0000-000000000000"])
    ] = ""
    client_id: Annotated[
        str,
        Meta(
            description="entra: the application (client) id; store: the package SID, ms-app://S-1-15-2-…",
            examples=["00000000-0000-0000-0000-000000000000"],
        ),
    ]
    client_secret: Annotated[Secret, Meta(description="The client secret")] = Secret("")
    scope: Annotated[
        str | None, Meta(description="Instead of the identity's own", examples=["https://wns.windows.com/.default/"])
    ] = None
    endpoint: Annotated[
        str | None, Meta(description="Base URL of the token service, instead of Microsoft's", examples=["https://HOST"])
    ] = None
    hosts: Annotated[
        tuple[str, ...],
        Meta(description="Where channel URIs may point: these hosts and all below; HOST:PORT only there", min_length=1),
    ] = ("notify.windows.com",)
    form: Annotated[
        Literal["raw", "toast"], Meta(description="raw wakes the client; toast shows toast_text by itself")
    ] = "raw"
    toast_text: Annotated[
        str, Meta(description="Shown by a toast; never the message's text", min_length=1, max_length=200)
    ] = "You have a new message"


class WebPushChannel(PushChannel, frozen=True, kw_only=True):
    driver: Annotated[Literal["webpush"], Meta(description="Web Push: browsers, and UnifiedPush on Android")] = (
        "webpush"
    )
    contact: Annotated[
        str, Meta(description="Whom a push service may write to: mailto: or https:", examples=["mailto:it@example.org"])
    ]
    key_file: Annotated[
        Path | None,
        Meta(
            description="PEM of a VAPID key to use; none: vapid.pem in state_dir, made at the first start",
            examples=["vapid.pem"],
        ),
    ] = None
    hosts: Annotated[
        tuple[str, ...],
        Meta(description="Where endpoints may point: these hosts and all below them; * is any host", min_length=1),
    ] = (
        "fcm.googleapis.com",
        "push.services.mozilla.com",
        "push.apple.com",
        "notify.windows.com",
    )


class ViberChannel(PushChannel, frozen=True, kw_only=True):
    driver: Annotated[Literal["viber"], Meta(description="A Viber bot, which shows the text itself")] = "viber"
    token: Annotated[Secret, Meta(description="The bot's authentication token")] = Secret("")
    sender: Annotated[str, Meta(description="Shown as the sender", min_length=1, max_length=28, examples=["Acme"])]
    avatar: Annotated[
        str | None, Meta(description="URL of the sender's picture", examples=["https://example.org/datasms.png"])
    ] = None
    webhook: Annotated[bool, Meta(description="Whether to register [mxservice] public_url with Viber at the start")] = (
        True
    )
    welcome: Annotated[str, Meta(description="Shown to whoever opens the conversation", max_length=7000)] = (
        "Write DATASMS and your registration number to receive messages here."
    )
    welcome_linked: Annotated[
        str, Meta(description="The same for who comes by a link that registers, above a button", max_length=7000)
    ] = "Press the button to receive messages here."
    button: Annotated[
        str, Meta(description="What that button says, and writes to the bot: Viber wants to be asked", min_length=1)
    ] = "OK"
    bot_uri: Annotated[
        str | None, Meta(description="The bot's URI, for links that register with one tap", examples=["acme-alerts"])
    ] = None
    endpoint: Annotated[str, Meta(description="Base URL of the service")] = "https://chatapi.viber.com"


class OmniStep(Options, frozen=True, kw_only=True):
    channel: Annotated[str, Meta(description="As Infobip names it: VIBER_BM, WHATSAPP, SMS …", examples=["VIBER_BM"])]
    sender: Annotated[str, Meta(description="The sender agreed with Infobip", examples=["Acme"])]
    wait: Annotated[Duration, Meta(description="How long before Infobip goes on to its next step")] = Duration(
        40 * SECOND
    )


class OmniChannel(PushChannel, frozen=True, kw_only=True):
    driver: Annotated[
        Literal["omni"], Meta(description="Infobip: Viber, WhatsApp, SMS by phone number; it shows the text itself")
    ] = "omni"
    api: Annotated[
        Literal["omni", "messages"], Meta(description="OMNI failover (/omni/1) or the newer Messages API")
    ] = "omni"
    endpoint: Annotated[
        str, Meta(description="The personal base URL from the web interface", examples=["https://xyz.api.infobip.com"])
    ]
    api_key: Annotated[Secret, Meta(description="The API key, with the right to send")] = Secret("")
    scenario: Annotated[
        str | None,
        Meta(
            description="api omni: the scenario's key; none: the account's default scenario",
            examples=["5F04FACFAA4978F62FCAEBA97B37E90F"],
        ),
    ] = None
    steps: Annotated[
        tuple[OmniStep, ...],
        Meta(
            description="Infobip's own steps in order: channel, sender, wait",
            min_length=1,
            examples=[(OmniStep(channel="VIBER_BM", sender="Acme"),)],
        ),
    ]
    hook_secret: Annotated[
        Secret, Meta(description="Part of the address that Infobip reports to; at least 16 characters")
    ] = Secret("")
    reports: Annotated[
        Literal["push", "pull"], Meta(description="Infobip calls us, or we ask (no public address needed)")
    ] = "push"


def own_wait_ms(options: OmniChannel) -> int:
    """How long Infobip may be busy with its own steps, in ms; the step that uses the channel must wait longer."""
    return sum(step.wait for step in options.steps)


ChannelOptions = DirectChannel | FcmChannel | WnsChannel | WebPushChannel | ViberChannel | OmniChannel
