"""What must be true of webhooks and of the mail relay."""

from __future__ import annotations

import re

from datasms_daemon.config.kinds import MINUTE, SECOND
from datasms_daemon.config.problems import Problems, below
from datasms_daemon.config.records import Config
from datasms_daemon.config.targets import Mail, Webhook
from datasms_daemon.config.units import format_duration
from datasms_daemon.model import Secret
from datasms_daemon.rules.addresses import netloc
from datasms_daemon.rules.mail import address_of
from datasms_daemon.rules.webhooks import secret_of

_RIGHT_KEY = "whsec_ and 24 to 64 bytes in base64, as: echo whsec_$(openssl rand -base64 32)"
_HOST = re.compile(r"[0-9A-Za-z](?:[0-9A-Za-z.-]{0,252})|[0-9a-fA-F:]{2,39}")
_SIGN = re.compile(r"[ -~]+")


def check_targets(config: Config, problems: Problems) -> None:
    """Adds every problem of webhooks and of the mail relay."""
    for webhook in config.webhook:
        _webhook(below("webhook", webhook.name), webhook, problems)
    _mail(config.mail, problems)


def _webhook(place: str, webhook: Webhook, problems: Problems) -> None:
    if netloc(webhook.url) is None:
        right = "https://HOST/PATH or https://HOST:PORT/PATH, host in small letters, other letters as %XX"
        problems.add(below(place, "url"), "is no address that can be called", right, Secret(webhook.url))
    for option, secret in (("secret", webhook.secret), ("old_secret", webhook.old_secret)):
        text = secret.reveal()
        if (text or option == "secret") and secret_of(text) is None:
            problems.add(below(place, option), "is no secret of a webhook", _RIGHT_KEY)
    _timeout(place, webhook.timeout, 60 * SECOND, problems)


def _mail(mail: Mail, problems: Problems) -> None:
    for option, address in (("from", mail.from_), ("reply_to", mail.reply_to)):
        if address is not None and address_of(address) is None:
            problems.add(
                below("mail", option), "is no e-mail address", "one plain address, as sms@example.org", address
            )
    if mail.host is None:
        return
    if not _HOST.fullmatch(mail.host):
        problems.add("mail.host", "is no host", "a name or an address, the port apart", mail.host)
    if mail.from_ is None:
        problems.add("mail.from", "missing", "the address that mails come from")
    if mail.username and mail.tls == "none":
        problems.add("mail.tls", "would show the password to everybody", "starttls or implicit", mail.tls)
    if bool(mail.username) != bool(mail.password.reveal()):
        option = "password" if mail.username else "username"
        problems.add(below("mail", option), "missing", "both username and password, or neither")
    if not _SIGN.fullmatch(mail.username or "x"):
        problems.add("mail.username", "cannot be sent to a relay", "letters and signs of ASCII", mail.username)
    _timeout("mail", mail.timeout, 5 * MINUTE, problems)


def _timeout(place: str, timeout: int, most: int, problems: Problems) -> None:
    if not SECOND <= timeout <= most:
        right = f"1s to {format_duration(most)}"
        problems.add(below(place, "timeout"), "is too short or too long", right, format_duration(timeout))
