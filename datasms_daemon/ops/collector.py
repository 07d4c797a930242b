"""The garbage collector kept off what is there for good: a walk over all of it holds the reactor up, in whatever thread
it happens."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG = 10_000
"""So many objects more are made than freed before the young ones are looked at, which takes a millisecond or two.
Python's 700 are reached by a few messages at once, whose objects go by themselves a moment later."""


def settle() -> None:
    """What is here now stays: it is collected once more and never looked at again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])


@contextmanager
def uncollected() -> Iterator[None]:
    """What is made within is never looked at, unless it fails. It goes by its references alone, in which there must be
    no cycle; of what others make meanwhile a cycle stays for ever, so that this is for rare and short work."""
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()
