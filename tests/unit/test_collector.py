"""The garbage collector is kept off what a reload makes, and looks at everything else."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from datasms_daemon.ops.collector import YOUNG, settle, uncollected


@pytest.fixture(autouse=True)
def collecting() -> Iterator[None]:
    """As it was before; not thawed, which would have the collector walk over every import after each later test."""
    gc.collect()
    thresholds = gc.get_threshold()
    yield
    gc.enable()
    gc.set_threshold(*thresholds)


@contextmanager
def looks() -> Iterator[list[int]]:
    """The generations that are looked at within."""
    looked: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        looked.append(info["generation"])

    gc.callbacks.append(note)
    try:
        yield looked
    finally:
        gc.callbacks.remove(note)


def test_what_is_made_is_looked_at_neither_meanwhile_nor_afterwards() -> None:
    before = gc.get_freeze_count()
    with looks() as looked, uncollected():
        made = [[number] for number in range(20_000)]
    assert looked == []
    assert gc.isenabled()
    assert gc.get_freeze_count() - before > len(made)


def test_what_was_there_is_never_looked_at_and_the_young_not_often() -> None:
    made = [[number] for number in range(20_000)]
    before = gc.get_freeze_count()
    settle()
    assert gc.get_freeze_count() - before > len(made)
    with looks() as looked:
        young = [[number] for number in range(YOUNG - 1_000)]
    assert looked == []
    with looks() as looked:
        young += [[number] for number in range(2_000)]
    assert looked


def test_what_failed_is_no_matter_of_it() -> None:
    before = gc.get_freeze_count()
    with pytest.raises(ValueError, match="no"), uncollected():
        raise ValueError("no")
    assert gc.isenabled()
    assert gc.get_freeze_count() <= before
