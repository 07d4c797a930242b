"""The hygiene fixture itself: each fault it exists for makes a test fail."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

CONFTEST = f"import sys\nsys.path.insert(0, {str(Path(__file__).parents[2])!r})\nfrom tests.conftest import *\n"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("_reactor.callLater(60, print)", "timers left behind"),
        ("Deferred().errback(ValueError('lost'))", "failures logged"),
        ("Logger().error('bad')", "failures logged"),
    ],
)
def test_a_leak_fails_the_test_that_made_it(pytester: pytest.Pytester, body: str, told: str) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(
        f"""
        from twisted.internet import reactor as _reactor
        from twisted.internet.defer import Deferred
        from twisted.logger import Logger

        def test_leaks():
            {body}
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:randomly")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([f"*{told}*"])
