"""The JSON log: one safe line an event, and nothing but what is on the list."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import LogEvent, LogLevel, capturedLogs
from twisted.python.failure import Failure

from datasms_daemon.ops.factories import quiet
from datasms_daemon.ops.logs import FIELD_BYTES, JsonObserver, line

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = [
    "two\nlines",
    "back\rto the start",
    "\x1b[31mred\x1b[0m",
    "\x9b31m one C1 character",
    "right to left \u202e drawkcab",
    "\u2066isolated\u2069 \u200f\u061c",
    "line\u2028separator\u2029",
    "nul \0 del \x7f",
    "lone \udc80 surrogate",
    '"}, {"level": "critical", "message": "forged',
]


def an_event(message: str, **more: object) -> LogEvent:
    """An event as ``Logger.info("{said}", said=message)`` makes it."""
    return {
        "log_time": 1_795_000_000.25,
        "log_level": LogLevel.info,
        "log_namespace": "datasms_daemon.test",
        "log_format": "{said}",
        "said": message,
        **more,
    }


def test_a_line_says_when_how_grave_where_and_what() -> None:
    assert json.loads(line(an_event("Žluťoučký kůň"))) == {
        "time": "2026-11-18T11:06:40.250Z",
        "level": "info",
        "namespace": "datasms_daemon.test",
        "message": "Žluťoučký kůň",
    }
    assert "Žluťoučký kůň" in line(an_event("Žluťoučký kůň"))


@pytest.mark.parametrize("text", HOSTILE)
def test_no_value_breaks_out_of_its_field(text: str) -> None:
    written = line(an_event(text, log_namespace=text))
    assert written.isprintable()
    fields = json.loads(written)
    expected = text.encode("utf-8", "backslashreplace").decode()
    assert (fields["message"], fields["namespace"], fields["level"]) == (expected, expected, "info")


def test_keywords_of_an_event_are_not_written() -> None:
    written = line(an_event("sent", token="dst_secret", to="+420603123456", log_system="+420603123456", time="now"))
    assert json.loads(written).keys() == {"time", "level", "namespace", "message"}
    assert "secret" not in written
    assert "603123456" not in written


def test_each_field_is_capped_in_octets_and_keeps_both_ends() -> None:
    fields = json.loads(line(an_event("A" + "č" * 10_000 + "Z")))
    message = fields["message"]
    assert len(message.encode()) <= FIELD_BYTES
    assert (message[0], message[-1]) == ("A", "Z")
    assert " … " in message


def test_a_failure_brings_its_traceback_capped() -> None:
    def dig(depth: int) -> None:
        if depth == 0:
            raise ValueError("at the bottom\x1b[2J")
        dig(depth - 1)

    try:
        dig(200)
    except ValueError:
        failure = Failure()
    written = line(an_event("it failed", log_failure=failure, log_level=LogLevel.critical))
    fields = json.loads(written)
    assert written.isprintable()
    assert fields["level"] == "critical"
    assert "ValueError'>: at the bottom\x1b" in fields["traceback"]
    assert len(fields["traceback"].encode()) <= FIELD_BYTES


def test_an_event_that_cannot_be_formatted_is_still_one_line() -> None:
    class Nasty:
        def __format__(self, spec: str) -> str:
            raise RuntimeError("\n")

        __repr__ = __str__ = lambda self: self.__format__("")

    for event in ({}, an_event("x", said=Nasty()), {"log_format": 7}, {"log_time": "soon", "log_level": "loud"}):
        written = line(event)
        assert written.isprintable()
        assert json.loads(written).keys() == {"time", "level", "namespace", "message"}


def test_the_observer_writes_whole_lines() -> None:
    stream = io.StringIO()
    observe = JsonObserver(stream)
    observe(an_event("one\ntwo"))
    observe(an_event("three"))
    assert [json.loads(each)["message"] for each in stream.getvalue().splitlines()] == ["one\ntwo", "three"]


def test_twistd_takes_it_as_its_logger(tmp_path: Path) -> None:
    command = "import sys; from twisted.scripts.twistd import run; run()"
    # A file stands where the state directory should be: the daemon starts, says so and ends.
    config = tmp_path / "datasms.toml"
    config.write_text('daemon.state_dir = "datasms.toml"\n')
    options = ["-n", "--pidfile=", "--logger=datasms_daemon.ops.logs.observer", "datasms", "-c", str(config)]
    done = subprocess.run(
        [sys.executable, "-c", command, *options],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    lines = done.stdout.decode().splitlines()
    assert lines, done.stderr.decode()
    levels = [json.loads(each)["level"] for each in lines]
    assert "info" in levels
    assert "critical" in levels


def test_a_connection_that_comes_and_goes_is_not_worth_a_line() -> None:
    told = []
    for factory in (quiet(Protocol), Factory.forProtocol(Protocol)):
        with capturedLogs() as lines:
            factory.doStart()
            factory.doStop()
        told.append(len(lines))
    assert told == [0, 2]
