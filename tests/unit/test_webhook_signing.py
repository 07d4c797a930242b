"""What is signed, against the published library of Standard Webhooks."""

from __future__ import annotations

import base64
import time

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from datasms_daemon.rules.webhooks import headers, secret_of

TEXTS = tuple(f"whsec_{base64.b64encode(bytes(range(n, n + size))).decode()}" for n, size in ((1, 24), (2, 64)))
KEYS = tuple(key for text in TEXTS if (key := secret_of(text)) is not None)
BODY = '{"type":"inbound.received","data":{"text":"Příliš žluťoučký kůň"}}'.encode()


@pytest.mark.parametrize("text", TEXTS)
def test_the_library_verifies_a_call_with_either_of_two_secrets(text: str) -> None:
    signed = headers(KEYS, "in_1", int(time.time()), BODY)
    assert Webhook(text).verify(BODY, signed)["type"] == "inbound.received"
    assert signed["webhook-signature"].count("v1,") == 2


@pytest.mark.parametrize(
    ("body", "more"),
    [
        (BODY + b" ", {}),
        (BODY, {"webhook-id": "in_2"}),
        (BODY, {"webhook-timestamp": "a second before"}),
        (BODY, {"webhook-signature": "v1,AAAA"}),
    ],
)
def test_the_library_refuses_a_call_that_was_changed(body: bytes, more: dict[str, str]) -> None:
    now = int(time.time())
    signed = headers(KEYS, "in_1", now, BODY)
    changed = {name: value.replace("a second before", str(now - 1)) for name, value in more.items()}
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        Webhook(TEXTS[0]).verify(body, signed | changed)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "whsec_",
        base64.b64encode(bytes(32)).decode(),
        f"whsec_{base64.b64encode(bytes(23)).decode()}",
        f"whsec_{base64.b64encode(bytes(65)).decode()}",
        f"whsec_{base64.b64encode(bytes(32)).decode()[:-1]}",
        f"whsec_{base64.b64encode(bytes(32)).decode()}\n",
        f"whsec_{'*' * 44}",
        f"whsec_{'é' * 44}",
    ],
)
def test_what_is_no_secret_or_too_short_or_too_long_is_refused(text: str) -> None:
    assert secret_of(text) is None
