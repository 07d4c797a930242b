from __future__ import annotations

import hashlib
import hmac

from msgspec.structs import replace

from datasms_daemon.crypto.binding import bind, verify
from datasms_daemon.model import Attachment, Button, LineText, MessageId, PersonId

KEY = b"k" * 32
ID = MessageId("018f3c2a")
NOVAK = PersonId("novak")
SMS = {"smpp": LineText("A message waits")}


def test_the_seal_is_hmac_sha_256_over_lengths_and_fields_cut_to_16_bytes_i39() -> None:
    fields = b"8:018f3c2a13:+4206031234565:novak4:stop-4:smpp15:A message waits-"
    expected = hmac.new(KEY, fields, hashlib.sha256).digest()[:16]
    assert bind(KEY, ID, "+420603123456", NOVAK, "stop", None, SMS) == expected


def test_the_seal_fits_its_own_message_only_i39() -> None:
    mac = bind(KEY, ID, "+420603123456", NOVAK, "stop", "Pump", SMS)
    assert verify(KEY, mac, ID, "+420603123456", NOVAK, "stop", "Pump", SMS)
    assert not verify(b"K" * 32, mac, ID, "+420603123456", NOVAK, "stop", "Pump", SMS)
    assert not verify(KEY, mac, MessageId("018f3c2b"), "+420603123456", NOVAK, "stop", "Pump", SMS)
    assert not verify(KEY, mac, ID, "+420603123457", NOVAK, "stop", "Pump", SMS)
    assert not verify(KEY, mac, ID, None, NOVAK, "stop", "Pump", SMS)
    assert not verify(KEY, mac, ID, "+420603123456", PersonId("svoboda"), "stop", "Pump", SMS)
    assert not verify(KEY, mac, ID, "+420603123456", NOVAK, "start", "Pump", SMS)
    assert not verify(KEY, mac, ID, "+420603123456", NOVAK, "stop", None, SMS)
    assert not verify(KEY, mac, ID, "+420603123456", NOVAK, "stop", "Pump", {})
    notice = {"smpp": LineText("A message waits", notice=True)}
    assert not verify(KEY, mac, ID, "+420603123456", NOVAK, "stop", "Pump", notice)
    assert not verify(KEY, mac[:8], ID, "+420603123456", NOVAK, "stop", "Pump", SMS)
    assert not verify(KEY, b"", ID, "+420603123456", NOVAK, "stop", "Pump", SMS)


def test_the_order_of_the_lines_does_not_matter_i39() -> None:
    one, other = LineText("one"), LineText("other")
    forth = bind(KEY, ID, None, NOVAK, "", None, {"a": one, "b": other})
    assert forth == bind(KEY, ID, None, NOVAK, "", None, {"b": other, "a": one})
    assert forth != bind(KEY, ID, None, NOVAK, "", None, {"a": other, "b": one})


def test_a_message_with_other_attachments_is_another_message_i39() -> None:
    plan = Attachment("a1", "plan.pdf", "application/pdf", 7, "00")
    mac = bind(KEY, ID, None, NOVAK, "see", None, SMS, (plan, plan))
    assert verify(KEY, mac, ID, None, NOVAK, "see", None, SMS, (plan, plan))
    assert not verify(KEY, mac, ID, None, NOVAK, "see", None, SMS)
    assert not verify(KEY, mac, ID, None, NOVAK, "see", None, SMS, (plan,))
    for changes in ({"id": "a2"}, {"name": "x"}, {"type": "x"}, {"size": 8}, {"sha256": "01"}):
        assert not verify(KEY, mac, ID, None, NOVAK, "see", None, SMS, (plan, replace(plan, **changes)))


def test_a_message_with_other_buttons_is_another_message_i39() -> None:
    confirm, page = Button("Confirm", "YES 4711"), Button("Confirm", url="YES 4711")
    mac = bind(KEY, ID, None, NOVAK, "see", None, SMS, (), (confirm,))
    assert verify(KEY, mac, ID, None, NOVAK, "see", None, SMS, (), (confirm,))
    for other in ((), (confirm, confirm), (page,), (replace(confirm, text="x"),), (replace(confirm, reply="x"),)):
        assert not verify(KEY, mac, ID, None, NOVAK, "see", None, SMS, (), other)


def test_a_button_is_no_text_for_a_line_and_no_attachment_i39() -> None:
    button = bind(KEY, ID, None, NOVAK, "see", None, {}, (), (Button("a", "b"),))
    assert button != bind(KEY, ID, None, NOVAK, "see", None, {"a": LineText("b")})
    plan = Attachment("a1", "plan.pdf", "application/pdf", 7, "00")
    shown = Button("plan.pdf", "application/pdf", "7")
    assert bind(KEY, ID, None, NOVAK, "", None, {}, (plan,)) != bind(KEY, ID, None, NOVAK, "", None, {}, (), (shown,))
