"""Whatever text comes: what is written prints, and as JSON it means the same."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from datasms_daemon.ops.printable import printable, printable_json


@given(st.text())
def test_what_people_see_prints_and_printable_text_stays(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert not text.isprintable() or shown == text


@given(st.dictionaries(st.text(), st.text()))
def test_escaped_json_prints_and_means_the_same(content: dict[str, str]) -> None:
    written = printable_json(json.dumps(content, ensure_ascii=False))
    assert written.isprintable()
    assert json.loads(written) == content
