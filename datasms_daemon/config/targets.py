"""The options of webhooks and of the mail relay: what texts from outside can be handed on to."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from datasms_daemon.config.kinds import SECOND, CaFile, Duration, Options, Proxy
from datasms_daemon.model import Secret


class Webhook(Options, frozen=True, kw_only=True):
    name: Annotated[str, Meta(description="As in webhook:NAME")]
    url: Annotated[str, Meta(description="Where it is called: https only, redirects are not followed")]
    secret: Annotated[
        Secret, Meta(description="What calls are signed with: whsec_ and 24 to 64 bytes in base64 (Standard Webhooks)")
    ]
    old_secret: Annotated[
        Secret, Meta(description="While it is being changed: the former one, which calls are signed with as well")
    ] = Secret("")
    enabled: Annotated[bool, Meta(description="Whether it is called; texts wait for it meanwhile")] = True
    timeout: Annotated[Duration, Meta(description="Whole time for one call, answer included")] = Duration(15 * SECOND)
    ca_file: CaFile = None
    proxy: Proxy = None
    allow_private: Annotated[bool, Meta(description="Allow an address in a private network")] = False


class Mail(Options, frozen=True, kw_only=True):
    host: Annotated[
        str | None, Meta(description="The mail relay; none: nothing goes by e-mail", examples=["mail.example.org"])
    ] = None
    tls: Annotated[
        Literal["starttls", "implicit", "none"],
        Meta(description="How the connection is protected, with a check of the relay's certificate; none: not at all"),
    ] = "starttls"
    port: Annotated[
        int | None,
        Meta(description="None: 587 with starttls, 465 with implicit, else 25", ge=1, le=65535, examples=[587]),
    ] = None
    from_: Annotated[
        str | None,
        Meta(description="The address that mails come from", examples=["sms@example.org"]),
    ] = msgspec.field(default=None, name="from")
    reply_to: Annotated[
        str | None,
        Meta(description="Where answers to mails go; none: to the address above", examples=["helpdesk@example.org"]),
    ] = None
    username: Annotated[
        str | None, Meta(description="The account at the relay; none: it needs none", examples=["datasms"])
    ] = None
    password: Annotated[Secret, Meta(description="The account's password")] = Secret("")
    timeout: Annotated[Duration, Meta(description="Whole time for one mail")] = Duration(30 * SECOND)
    ca_file: CaFile = None
    allow_private: Annotated[bool, Meta(description="Allow a relay on this machine or in a private network")] = False


_PORTS = {"starttls": 587, "implicit": 465, "none": 25}


def port_of(mail: Mail) -> int:
    """The relay's port."""
    return _PORTS[mail.tls] if mail.port is None else mail.port
