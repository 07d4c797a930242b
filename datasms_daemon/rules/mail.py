"""E-mail addresses and texts on the wire, strictly: what several programs could read in several ways is refused."""

from __future__ import annotations

import re

LONGEST = 254
LONGEST_LOCAL = 64

_LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?P<local>{_LOCAL})@(?P<domain>{_LABEL}(?:\.{_LABEL})*)")
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


def address_of(text: str) -> str | None:
    """One plain address (RFC 5321 § 4.1.2 with a dot-string and a domain), its domain in lower case; None: any other
    text. No quotes, comments, lists or address literals; a domain with other letters is written in its ASCII form."""
    found = _ADDRESS.fullmatch(text)
    if found is None or len(text) > LONGEST or len(found["local"]) > LONGEST_LOCAL:
        return None
    return f"{found['local']}@{found['domain'].lower()}"


def is_domain(text: str) -> bool:
    """Whether it may stand behind the @."""
    return _DOMAIN.fullmatch(text) is not None and len(text) <= LONGEST


def stuffed(content: bytes) -> bytes:
    """The content of a mail as DATA carries it, with its end: every line ends with CRLF, and a line's first dot is
    doubled (RFC 5321 § 4.5.2). No part of the content can be taken for the end."""
    lines = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").removesuffix(b"\n").split(b"\n")
    return b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines) + b".\r\n"
