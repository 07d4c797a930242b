"""A mail relay by somebody else: PyPI aiosmtpd, under a certificate that it is told.

``python aiosmtpd_process.py CERTIFICATE KEY`` writes ``ready`` with its ports, then each mail that it took.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


def say(event: str, **fields: object) -> None:
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


class Handler:
    """Takes mails, but not for ``nobody``, and none now for ``busy``."""

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address.startswith("nobody@"):
            return "550 5.1.1 no such mailbox"
        if address.startswith("busy@"):
            return "452 4.2.2 mailbox full"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        say(
            "mail",
            sender=envelope.mail_from,
            to=envelope.rcpt_tos,
            content=envelope.content.decode("utf-8", "replace"),
            ehlo=session.host_name,
            tls=session.ssl is not None,
            authenticated=session.authenticated,
        )
        return "250 2.0.0 taken"


def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"datasms", b"s3cret")
    return AuthResult(success=good, handled=False)


async def main(certificate: str, key: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    loop = asyncio.get_running_loop()

    def make(*, starttls: bool, auth: bool) -> SMTP:
        return SMTP(
            Handler(),
            hostname="relay.example",
            tls_context=context if starttls else None,
            require_starttls=starttls,
            authenticator=authenticate,
            auth_required=auth,
            auth_require_tls=auth,
        )

    plain = await loop.create_server(lambda: make(starttls=False, auth=False), "127.0.0.1", 0)
    starttls = await loop.create_server(lambda: make(starttls=True, auth=True), "127.0.0.1", 0)
    implicit = await loop.create_server(lambda: make(starttls=False, auth=False), "127.0.0.1", 0, ssl=context)
    ports = {
        name: server.sockets[0].getsockname()[1]
        for name, server in (("none", plain), ("starttls", starttls), ("implicit", implicit))
    }
    say("ready", ports=ports)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
