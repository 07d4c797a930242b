"""Webhooks and the mail relay in the configuration: what is read, and every mistake at its place."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from datasms_daemon.config.load import load
from datasms_daemon.config.targets import port_of
from datasms_daemon.errors import ConfigError
from datasms_daemon.model import Secret

KEY, OLD = (f"whsec_{base64.b64encode(bytes([n]) * 24).decode()}" for n in (1, 2))

GOOD = """
[[webhook]]
name = "crm"
url = "https://crm.example.org:8443/sms?token=canary"
secret_file = "crm-secret"
old_secret_file = "old-secret"
timeout = "10s"
ca_file = "ca.pem"
proxy = "http://proxy.example.org:3128"
allow_private = true
[[webhook]]
name = "erp"
url = "https://erp.example.org/"
secret_file = "crm-secret"
enabled = false
[mail]
host = "mail.example.org"
tls = "implicit"
from = "sms@example.org"
reply_to = "helpdesk@example.org"
username = "datasms"
password_file = "mail-password"
timeout = "20s"
[inbound_routing]
default = "webhook:crm"
[[inbound]]
name = "to the relay"
when = { text = "^mail ([a-z]+)@?([a-z.]*)" }
to = "mail:$1@example.org"
[[inbound]]
name = "from us"
when = { recipient = ["^\\\\+420603"] }
to = "mail:$0"
[[inbound]]
name = "erp"
to = "webhook:erp"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    for name, content in (("crm-secret", KEY), ("old-secret", OLD), ("mail-password", "s3cret"), ("ca.pem", "x")):
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o600)
    return tmp_path / "datasms.toml"


def test_all_options_are_read(file: Path) -> None:
    file.write_text(GOOD)
    config = load(file, {"HOME": "/home"})
    crm, erp = config.webhook
    assert (crm.url, crm.secret, crm.old_secret) == (
        "https://crm.example.org:8443/sms?token=canary", Secret(KEY), Secret(OLD),
    )  # fmt: skip
    assert (crm.timeout, crm.ca_file, crm.allow_private) == (10_000, file.parent / "ca.pem", True)
    assert (erp.enabled, erp.timeout, erp.allow_private) == (False, 15_000, False)
    assert (config.mail.from_, config.mail.reply_to) == ("sms@example.org", "helpdesk@example.org")
    assert (config.mail.username, config.mail.password) == ("datasms", Secret("s3cret"))


@pytest.mark.parametrize(("tls", "port"), [("starttls", 587), ("implicit", 465), ("none", 25)])
def test_the_port_follows_from_the_protection(file: Path, tls: str, port: int) -> None:
    file.write_text(f'[mail]\nhost = "mail.example.org"\nfrom = "sms@example.org"\ntls = "{tls}"\n')
    mail = load(file, {"HOME": "/home"}).mail
    assert port_of(mail) == port


TO = "account:NAME, app:NAME, webhook:NAME, mail:ADDRESS, forward:+420603123456 or forward:person:ID"
KNOWN = f"leads nowhere; {TO}; applications: registration; webhooks: crm, erp"
AGAIN = 'enabled = false\n[[webhook]]\nname = "erp"\nurl = "https://x.example.org/"\nsecret_file = "crm-secret"\n'
TWICE = '[webhook.erp.name] = "erp": is given twice; a name of its own for each'
HOST = '[mail.host] = "mail.example.org:25": is no host; a name or an address, the port apart'
ADDRESS = "one plain address, as sms@example.org"
RIGHT_URL = "https://HOST/PATH or https://HOST:PORT/PATH, host in small letters, other letters as %XX"
RIGHT_KEY = "whsec_ and 24 to 64 bytes in base64, as: echo whsec_$(openssl rand -base64 32)"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("https://erp", "http://erp", f"[webhook.erp.url] = ***: is no address that can be called; {RIGHT_URL}"),
        ("https://erp", "https://u:p@erp", f"[webhook.erp.url] = ***: is no address that can be called; {RIGHT_URL}"),
        (
            'secret_file = "crm-secret"\nold',
            'secret = "whsec_AAAA"\nold',
            f"[webhook.crm.secret]: is no secret of a webhook; {RIGHT_KEY}",
        ),
        ('"old-secret"', '"mail-password"', f"[webhook.crm.old_secret]: is no secret of a webhook; {RIGHT_KEY}"),
        ('"10s"', '"2m"', '[webhook.crm.timeout] = "2m": is too short or too long; 1s to 1m'),
        ("enabled = false\n", AGAIN, TWICE),
        ('"mail.example.org"', '"mail.example.org:25"', HOST),
        ('from = "sms@example.org"\n', "", "[mail.from]: missing; the address that mails come from"),
        ('"sms@example.org"', '"a@b, c@d"', f'[mail.from] = "a@b, c@d": is no e-mail address; {ADDRESS}'),
        ('"helpdesk@example.org"', '"x"', f'[mail.reply_to] = "x": is no e-mail address; {ADDRESS}'),
        ('"implicit"', '"none"', '[mail.tls] = "none": would show the password to everybody; starttls or implicit'),
        ('"implicit"', '"ssl"', '[mail.tls] = "ssl": is not one of the words; one of: starttls, implicit, none'),
        ('username = "datasms"\n', "", "[mail.username]: missing; both username and password, or neither"),
        ('password_file = "mail-password"\n', "", "[mail.password]: missing; both username and password, or neither"),
        ('"20s"', '"10m"', '[mail.timeout] = "10m": is too short or too long; 1s to 5m'),
        ('host = "mail.example.org"\n', "", "[mail.host]: missing; the relay that takes what goes to mail:ADDRESS"),
        ('to = "webhook:erp"', 'to = "webhook:err"', f'[inbound.erp.to] = "webhook:err": {KNOWN}'),
        ('default = "webhook:crm"', 'default = "webhook:$1"', f'[inbound_routing.default] = "webhook:$1": {KNOWN}'),
        (
            'default = "webhook:crm"',
            'default = "mail:a b@example.org"',
            '[inbound_routing.default] = "mail:a b@example.org": is no e-mail address; '
            "mail: and one plain address, as mail:office@example.org",
        ),
        (
            "mail:$1@example.org",
            "mail:$1@$2.example.org",
            '[inbound."to the relay".to] = "mail:$1@$2.example.org": lets anybody send e-mail anywhere; '
            "a domain that is written out, or whose texts, in when.recipient",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_told_at_its_place(file: Path, old: str, new: str, told: str) -> None:
    assert GOOD.count(old) == 1, old
    file.write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load(file, {"HOME": "/home"})
    assert [line.removeprefix(f"{file}: ") for line in caught.value.problems] == [told]


def test_several_mistakes_are_told_at_once_and_show_no_secret(file: Path) -> None:
    bad = GOOD.replace("https://crm", "ftp://crm").replace('"sms@example.org"', '"sms"').replace('"20s"', '"1h"')
    file.write_text(bad)
    with pytest.raises(ConfigError) as caught:
        load(file, {"HOME": "/home"})
    assert [line.split("]")[0].split("[")[1] for line in caught.value.problems] == [
        "webhook.crm.url", "mail.from", "mail.timeout",
    ]  # fmt: skip
    assert "canary" not in "".join(caught.value.problems)
