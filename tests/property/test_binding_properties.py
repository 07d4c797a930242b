from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from datasms_daemon.crypto.binding import bind, verify
from datasms_daemon.model import Attachment, Button, LineText, MessageId, PersonId

# Few letters, among them those of the encoding, so that different messages often have the same letters in a row.
texts = st.text("1:-a", max_size=4)
contents = st.tuples(
    texts.map(MessageId),
    st.none() | texts,
    st.none() | texts.map(PersonId),
    texts,
    st.none() | texts,
    st.dictionaries(texts, texts.map(LineText), max_size=2),
    st.lists(st.builds(Attachment, texts, texts, texts, st.integers(0, 11), texts), max_size=2).map(tuple),
    st.lists(st.builds(Button, texts, st.none() | texts, st.none() | texts), max_size=2).map(tuple),
)
Content = tuple[
    MessageId, str | None, PersonId | None, str, str | None, dict[str, LineText], tuple[Attachment, ...],
    tuple[Button, ...],
]  # fmt: skip


@given(contents, contents)
def test_two_messages_have_the_same_seal_only_if_they_are_the_same_i39(
    one: Content,
    other: Content,
) -> None:
    mac = bind(b"key", *one)
    assert len(mac) == 16
    assert verify(b"key", mac, *other) == (one == other)
