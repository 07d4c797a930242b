"""The chain of the audit log, with whatever may stand in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from datasms_daemon.model import AuditEntry, AuditMark
from datasms_daemon.rules import audit

KEY = b"k" * 32
TEXTS = st.text(max_size=20)
ACTS = st.lists(st.tuples(st.integers(0, 2**62), TEXTS, TEXTS, TEXTS), min_size=1, max_size=8)


def chained(acts: list[tuple[int, str, str, str]]) -> list[AuditEntry]:
    """The acts as a log."""
    entries: list[AuditEntry] = []
    before = b""
    for number, act in enumerate(acts, 1):
        entry = AuditEntry(number, *act)
        before = audit.entry_seal(KEY, before, entry)
        entries.append(replace(entry, seal=before))
    return entries


def head(entries: list[AuditEntry]) -> AuditMark:
    """Its end."""
    return AuditMark(entries[-1].seq, entries[-1].seal)


@given(ACTS, st.data())
def test_any_change_of_any_field_is_found_at_its_entry(
    acts: list[tuple[int, str, str, str]], data: st.DataObject
) -> None:
    """I51."""
    entries = chained(acts)
    assert audit.first_break(KEY, audit.FIRST, head(entries), entries) is None
    place = data.draw(st.integers(0, len(entries) - 1))
    name = data.draw(st.sampled_from(["at", "who", "what", "object", "seal"]))
    was = getattr(entries[place], name)
    kinds = {"at": st.integers(0, 2**62), "seal": st.binary(max_size=32)}
    other = data.draw(kinds.get(name, TEXTS).filter(lambda value: value != was))
    changed = [*entries[:place], replace(entries[place], **{name: other}), *entries[place + 1 :]]
    found = audit.first_break(KEY, audit.FIRST, head(entries), changed)
    assert found is not None
    assert found.seq == place + 1


@given(ACTS, st.data())
def test_erasing_objects_anywhere_leaves_the_chain_whole(
    acts: list[tuple[int, str, str, str]], data: st.DataObject
) -> None:
    entries = chained(acts)
    gone = data.draw(st.sets(st.integers(0, len(entries) - 1)))
    erased = [
        replace(entry, object=audit.erased(KEY, entry.object)) if place in gone else entry
        for place, entry in enumerate(entries)
    ]
    assert audit.first_break(KEY, audit.FIRST, head(entries), erased) is None


@given(ACTS, st.data())
def test_a_log_of_which_anything_was_taken_out_is_broken(
    acts: list[tuple[int, str, str, str]], data: st.DataObject
) -> None:
    entries = chained(acts)
    place = data.draw(st.integers(0, len(entries) - 1))
    found = audit.first_break(KEY, audit.FIRST, head(entries), entries[:place] + entries[place + 1 :])
    assert found is not None
    assert found.seq == place + 1
