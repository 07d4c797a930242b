"""Standard Webhooks (https://www.standardwebhooks.com): the secret, and what proves that a call is ours."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable

PREFIX = "whsec_"
FEWEST, MOST = 24, 64
"""Bytes of a secret."""


def secret_of(text: str) -> bytes | None:
    """The key that ``whsec_…`` stands for; None: it is none, or of a forbidden length."""
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if text.startswith(PREFIX) and FEWEST <= len(key) <= MOST else None


def headers(keys: Iterable[bytes], id_: str, now_s: int, body: bytes) -> dict[str, str]:
    """The headers of one call at ``now_s`` (UTC seconds): signed with each of the keys, so that one can be changed."""
    signed = b"%b.%d.%b" % (id_.encode("ascii"), now_s, body)
    signatures = (base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode("ascii") for key in keys)
    return {
        "webhook-id": id_,
        "webhook-timestamp": str(now_s),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
