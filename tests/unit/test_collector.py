"""The garbage collector is kept off what a reload makes, and looks at everything else."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from datasms_daemon.ops.collector import uncollected


@pytest.fixture(autouse=True)
def collecting() -> Iterator[None]:
    """As it was before; not thawed, which would have the collector walk over every import after each later test."""
    gc.collect()
    yield
    gc.enable()


def test_what_is_made_is_looked_at_neither_meanwhile_nor_afterwards() -> None:
    looked: list[int] = []
    before = gc.get_freeze_count()

    def note(phase: str, info: dict[str, int]) -> None:
        looked.append(info["generation"])

    gc.callbacks.append(note)
    try:
        with uncollected():
            made = [[number] for number in range(20_000)]
    finally:
        gc.callbacks.remove(note)
    assert looked == []
    assert gc.isenabled()
    assert gc.get_freeze_count() - before > len(made)


def test_what_failed_is_no_matter_of_it() -> None:
    before = gc.get_freeze_count()
    with pytest.raises(ValueError, match="no"), uncollected():
        raise ValueError("no")
    assert gc.isenabled()
    assert gc.get_freeze_count() <= before
