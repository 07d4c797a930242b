"""What tests of a channel's policy share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.logger import LogLevel


@pytest.fixture
def opening(logged_failures: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """The circuit is meant to open: that is logged as an error, once each time."""
    yield logged_failures
    assert all(event["log_level"] is LogLevel.error for event in logged_failures)
    assert all("circuit opens" in event["log_format"] for event in logged_failures)
    logged_failures.clear()
