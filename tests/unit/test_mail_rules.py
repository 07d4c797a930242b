"""Which e-mail addresses can be written to, and what a text from outside looks like as an e-mail."""

from __future__ import annotations

import email
from email.policy import SMTP

import pytest

from datasms_daemon.model import Inbound, LineName, Parcel
from datasms_daemon.rules.mail import address_of
from datasms_daemon.targets.letter import NOTE, letter


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("office@example.org", "office@example.org"),
        ("Jan.Novak+sms@Example.ORG", "Jan.Novak+sms@example.org"),
        ("o'neil@xn--bcher-kva.example", "o'neil@xn--bcher-kva.example"),
        ("root@localhost", "root@localhost"),
        (f"{'a' * 64}@example.org", f"{'a' * 64}@example.org"),
    ],
)
def test_a_plain_address_is_taken_with_its_domain_in_small_letters(text: str, address: str) -> None:
    assert address_of(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "office",
        "@example.org",
        "office@",
        "a@b@example.org",
        "a@example.org,b@example.org",
        "a@example.org;b@example.org",
        "a b@example.org",
        "<a@example.org>",
        "Jan <a@example.org>",
        "a@example.org\r\nRCPT TO:<b@example.org>",
        "a@example.org\n",
        "a\r@example.org",
        "a\0@example.org",
        '"a b"@example.org',
        "a(comment)@example.org",
        "a@[127.0.0.1]",
        ".a@example.org",
        "a.@example.org",
        "a..b@example.org",
        "a@example..org",
        "a@-example.org",
        "a@example-.org",
        "a@example.org.",
        "ä@example.org",
        "a@exämple.org",
        "a@example.org%0d",
        "@relay.example.org:a@example.org",
        f"{'a' * 65}@example.org",
        f"a@{'b' * 63}.{'b' * 63}.{'b' * 63}.{'b' * 63}",
    ],
)
def test_all_else_is_refused(text: str) -> None:
    assert address_of(text) is None


def parcel(text: str = "Hello", from_: str = "+420603123456", *, incomplete: bool = False) -> Parcel:
    inbound = Inbound(7, LineName("sms"), from_, "+420777000111", text, 1_800_000_000_999, incomplete=incomplete)
    return Parcel("in_00ff", "mail:office@example.org", inbound)


def test_a_mail_says_who_wrote_and_can_be_told_again() -> None:
    content = letter(parcel("Příliš žluťoučký kůň"), "office@example.org", "sms@example.org", "helpdesk@example.org")
    mail = email.message_from_bytes(content, policy=SMTP)
    assert mail["From"] == "+420603123456 <sms@example.org>"
    assert (mail["To"], mail["Reply-To"]) == ("office@example.org", "helpdesk@example.org")
    assert mail["Subject"] == "Text from +420603123456"
    assert mail["Message-ID"] == "<in_00ff@example.org>"
    assert mail["Date"] == "Fri, 15 Jan 2027 08:00:00 +0000"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content().rstrip() == "Příliš žluťoučký kůň"
    assert content.isascii()
    assert content == letter(
        parcel("Příliš žluťoučký kůň"), "office@example.org", "sms@example.org", "helpdesk@example.org"
    )


def test_without_reply_to_there_is_none_and_a_text_that_lacks_parts_says_so() -> None:
    mail = email.message_from_bytes(
        letter(parcel(incomplete=True), "office@example.org", "sms@example.org", None), policy=SMTP
    )
    assert mail["Reply-To"] is None
    assert mail.get_content().splitlines() == ["Hello", "", NOTE]


@pytest.mark.parametrize(
    "from_", ["Bank\r\nBcc: all@example.org", "\n\n", '"<x@example.org>', "x@example.org, y", "\u202eknaB", "A" * 500]
)
def test_a_sender_who_calls_himself_anything_adds_no_header_and_no_address(from_: str) -> None:
    mail = email.message_from_bytes(
        letter(parcel(from_=from_), "office@example.org", "sms@example.org", None), policy=SMTP
    )
    assert sorted(mail.keys()) == sorted(
        ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Content-Type", "Content-Transfer-Encoding",
         "MIME-Version"]
    )  # fmt: skip
    assert [address.addr_spec for address in mail["From"].addresses] == ["sms@example.org"]
