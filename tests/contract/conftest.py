"""What tests of several channels share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.logger import ILogObserver, formatEvent, globalLogPublisher
from zope.interface import implementer


@pytest.fixture
def said() -> Iterator[list[str]]:
    """All that is logged at any level, with all fields."""
    said: list[str] = []

    @implementer(ILogObserver)
    def observe(event: dict[str, Any]) -> None:
        said.append(f"{formatEvent(event)} {event!r}")

    globalLogPublisher.addObserver(observe)
    yield said
    globalLogPublisher.removeObserver(observe)
