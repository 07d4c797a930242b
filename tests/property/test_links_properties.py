from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from datasms_daemon.crypto.links import Ticket, issue, redeem, ticket_key

KEY = ticket_key(b"k" * 32)
tickets = st.builds(
    Ticket,
    st.binary(min_size=16, max_size=16).map(bytes.hex),
    st.text(max_size=20).filter(lambda text: text.isprintable()),
    st.integers(0, 2**40 - 1),
)


@given(tickets)
def test_a_ticket_is_good_until_its_second_and_no_longer(ticket: Ticket) -> None:
    text = issue(KEY, ticket)
    assert redeem(KEY, text, ticket.until * 1000 - 1) == ticket
    assert redeem(KEY, text, ticket.until * 1000) is None
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(tickets, st.data())
def test_a_ticket_of_which_anything_was_changed_is_none(ticket: Ticket, data: st.DataObject) -> None:
    text = issue(KEY, ticket)
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from("ABCabc019-_"))
    changed = text[:place] + letter + text[place + 1 :]
    found = redeem(KEY, changed, 0)
    # The last letter may hold bits that stand for nothing.
    assert found is None or found == ticket
    assert changed == text or place == len(text) - 1 or found is None


@given(tickets)
def test_another_key_opens_nothing(ticket: Ticket) -> None:
    assert redeem(ticket_key(b"K" * 32), issue(KEY, ticket), 0) is None


@given(st.text(max_size=100))
def test_no_text_is_a_ticket_by_chance(text: str) -> None:
    assert redeem(KEY, text, 0) is None
