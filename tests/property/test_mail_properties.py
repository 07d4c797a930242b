"""Whatever a text and its sender are, a mail is one mail with this text, and DATA ends where it ends."""

from __future__ import annotations

import email
from email.policy import SMTP

from hypothesis import given
from hypothesis import strategies as st
from twisted.mail.smtp import Address

from datasms_daemon.model import Inbound, LineName, Parcel
from datasms_daemon.rules.mail import address_of, stuffed
from datasms_daemon.targets.letter import letter

LINES = st.lists(st.sampled_from([b".", b"..", b"", b"a", b".a", b"\r", b"\n", b"\r\n", b"\r\n.\r\n", b"QUIT"]))


def unstuffed(data: bytes) -> bytes:
    """As a server reads it (RFC 5321 § 4.5.2): lines up to a single dot, the first dot of others taken away."""
    lines = []
    for line in data.split(b"\r\n"):
        if line == b".":
            break
        lines.append(line.removeprefix(b"."))
    return b"\r\n".join(lines)


@given(LINES.map(b"".join) | st.binary(max_size=200))
def test_data_ends_once_and_holds_the_content(content: bytes) -> None:
    data = stuffed(content)
    assert data.endswith(b"\r\n.\r\n") or data == b".\r\n"
    assert data.replace(b"\r\n", b"").count(b"\r") == data.replace(b"\r\n", b"").count(b"\n") == 0
    assert data.split(b"\r\n").count(b".") == 1
    lines = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").removesuffix(b"\n").split(b"\n")
    assert unstuffed(data) == b"\r\n".join(lines)


ANY = st.text(max_size=300)
NASTY = st.lists(st.sampled_from(["\r", "\n", "\r\n.\r\n", ".", "a", "ž", "\0", "\x85", "\u2028", "=", "From ", "🙂"]))


@given(ANY | NASTY.map("".join), ANY | NASTY.map("".join))
def test_a_mail_has_its_headers_and_the_text(text: str, from_: str) -> None:
    inbound = Inbound(7, LineName("sms"), from_, "", text, 1_800_000_000_000)
    content = letter(Parcel("in_00ff", "mail:a@b.example", inbound), "a@b.example", "sms@example.org", None)
    assert content.isascii()
    mail = email.message_from_bytes(content, policy=SMTP)
    assert len(mail.keys()) == 9
    assert [one.addr_spec for one in mail["From"].addresses] == ["sms@example.org"]
    assert [one.addr_spec for one in mail["To"].addresses] == ["a@b.example"]
    assert lines_of(mail.get_content()) == lines_of(text)


def lines_of(text: str) -> list[str]:
    """A text's lines: a mail knows no other end of a line than CRLF, so each end is one, and the last line has one."""
    clean = text.encode("utf-8", "replace").decode()
    return clean.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")


LOCAL = st.text("abcXYZ019!#$%&'*+/=?^_`{|}~-.", min_size=1, max_size=20)
DOMAIN = st.text("abc-.09", min_size=1, max_size=20)


@given(LOCAL, DOMAIN)
def test_what_we_call_an_address_twisted_writes_as_it_is(local: str, domain: str) -> None:
    address = address_of(f"{local}@{domain}")
    if address is not None:
        assert bytes(Address(address.encode("ascii"))) == address.encode("ascii")
