"""What every test shares: a clean house afterwards, Hypothesis profiles, and the reactor on the monotonic clock."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from twisted.internet import reactor as _reactor
from twisted.internet.interfaces import IDelayedCall, IReactorCore, IReactorTime
from twisted.logger import ILogObserver, LogLevel, globalLogPublisher
from zope.interface import implementer

# As the daemon does before anything is scheduled: a step of the wall clock must not move a timer.
setattr(_reactor, "seconds", time.monotonic)  # noqa: B010

settings.register_profile("quick", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("deep", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_collection_finish() -> None:
    """What is imported by now stays; without this, looking for lost Deferreds after each test takes longer than it."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def reactor() -> IReactorCore:
    """The running reactor, for tests on real sockets."""
    return _reactor


@pytest.fixture(autouse=True)
def hygiene(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test that leaks a timer, drops a failed Deferred, or logs a failure it did not announce.

    A test that provokes a logged failure takes the fixture ``logged_failures`` and empties it.
    """
    timers: IReactorTime = _reactor
    # A clock that ticks for a fixture of longer life is a new call each time, of the same function.
    before = [_what(call) for call in timers.getDelayedCalls()]
    failures: list[dict[str, Any]] = []

    @implementer(ILogObserver)
    def observe(event: dict[str, Any]) -> None:
        if event.get("log_level") in (LogLevel.critical, LogLevel.error) or event.get("log_failure") is not None:
            failures.append(event)

    request.node.logged_failures = failures
    globalLogPublisher.addObserver(observe)
    try:
        yield
        gc.collect()
    finally:
        globalLogPublisher.removeObserver(observe)
    leaked = [call for call in timers.getDelayedCalls() if _what(call) not in before]
    for call in leaked:
        if call.active():
            call.cancel()
    assert not leaked, f"timers left behind: {leaked}"
    assert not failures, "failures logged: " + "; ".join(_told(event) for event in failures)


@pytest.fixture
def logged_failures(request: pytest.FixtureRequest, hygiene: None) -> list[dict[str, Any]]:
    """The failures logged so far; a test that expects some asserts on them and clears the list."""
    failures: list[dict[str, Any]] = request.node.logged_failures
    return failures


def _what(call: IDelayedCall) -> tuple[object, object]:
    return getattr(call, "func", None), getattr(call, "args", None)


def _told(event: dict[str, Any]) -> str:
    failure = event.get("log_failure")
    return str(failure.getTraceback()) if failure is not None else str(event.get("log_format"))
