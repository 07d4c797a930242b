"""Applications that are programs: what they say and hear, and that killing them loses nothing."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import ILogObserver, globalLogPublisher
from zope.interface import implementer

from datasms_daemon.apps.external import ExternalProgram, ProgramError
from datasms_daemon.model import LineName, MessageId, MessageState, Person, PersonId, ReceivedText, SentNotice

reactor: Any = _reactor
TEXT = ReceivedText(7, LineName("sms"), "+420603123456", "+420777000111", "hours", 5, PersonId("novak"))


class FakeHost:
    """Remembers what it was asked for."""

    name = "info"

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.failures: list[str] = []
        self.broken: Deferred[str] = Deferred()

    async def send(self, *said: object) -> str:
        self.asked.append(("send", *said))
        return "m1"

    async def reply(self, *said: object) -> str:
        self.asked.append(("reply", *said))
        return "m2"

    async def person(self, who: str) -> Person | None:
        self.asked.append(("person", who))
        return Person(PersonId("novak"), "Jan") if who == "+420603123456" else None

    async def complete_registration(self, text_id: int, number: str) -> bool:
        raise ValueError("only an SMS from a phone number proves a registration")

    def failed(self, reason: str) -> None:
        self.failures.append(reason)
        if not self.broken.called:
            self.broken.callback(reason)


@asynccontextmanager
async def program(tmp_path: Path, script: str, **options: str) -> AsyncIterator[tuple[ExternalProgram, FakeHost]]:
    """A running program; ended afterwards."""
    file = tmp_path / "program.py"
    file.write_text("import json, os, sys, time\n" + textwrap.dedent(script))
    host, one = FakeHost(), ExternalProgram((sys.executable, "-u", str(file)), options, reactor, reactor)
    try:
        await one.init(host)  # type: ignore[arg-type]
        yield one, host
    finally:
        await one.shutdown()


ECHO = """
def answer(**said):
    print(json.dumps(said))
for line in sys.stdin:
    said = json.loads(line)
    {on}
    answer(id=said["id"], ok=True)
"""


def on(*statements: str) -> str:
    """A program that does this with each call and then acknowledges it."""
    return ECHO.format(on="\n    ".join(statements) or "pass")


@pytest_twisted.ensureDeferred
async def test_a_program_gets_each_call_and_what_it_is_about(tmp_path: Path) -> None:
    log = tmp_path / "log"
    notice = SentNotice(MessageId("m1"), "+420603123456", MessageState.DELIVERED, None, "r1")
    async with program(tmp_path, on(f"open({str(log)!r}, 'a').write(line)"), hours="8-17") as (one, _):
        await one.received(TEXT)
        await one.notification(notice)
        await one.idle()
    assert log.read_text().splitlines() == [
        '{"id":1,"call":"init","name":"info","options":{"hours":"8-17"}}',
        '{"id":2,"call":"received","text":{"id":7,"line":"sms","from":"+420603123456","to":"+420777000111",'
        '"text":"hours","at":5,"person":"novak","incomplete":false,"tries":1}}',
        '{"id":3,"call":"notification","notice":{"message":"m1","to":"+420603123456","state":"delivered","code":null,'
        '"reference":"r1"}}',
        '{"id":4,"call":"idle"}',
        '{"id":5,"call":"shutdown"}',
    ]


@pytest_twisted.ensureDeferred
async def test_a_program_may_ask_while_it_is_asked(tmp_path: Path) -> None:
    log = tmp_path / "log"
    ask = f"answer(id='a', {{}}); open({str(log)!r}, 'a').write(sys.stdin.readline())"
    calls = (
        "call='send', to='+420603123456', text='hi', key='k'",
        "call='reply', text_id=7, text='8-17'",
        "call='person', who='+420603123456'",
        "call='person', who='x'",
        "call='complete_registration', text_id=7, number='ABCD'",
        "call='send', to='+420603123456', text='hi', prioriy='high'",
        "call='dance'",
    )
    statements = ["if said['call'] == 'received':", *("    " + ask.format(call) for call in calls)]
    async with program(tmp_path, on(*statements)) as (one, host):
        await one.received(TEXT)
    person = '{"id":"novak","name":"Jan","numbers":[],"email":null,"groups":[],"language":null'
    told = log.read_text().splitlines()
    assert told[:2] == ['{"id":"a","ok":true,"result":"m1"}', '{"id":"a","ok":true,"result":"m2"}']
    assert told[2].startswith('{"id":"a","ok":true,"result":' + person)
    assert told[3] == '{"id":"a","ok":true,"result":null}'
    assert told[4] == '{"id":"a","error":"only an SMS from a phone number proves a registration"}'
    assert told[5] == '{"id":"a","error":"Object contains unknown field `prioriy`"}'
    assert told[6].startswith('{"id":"a","error":"Invalid value')
    assert host.asked[:2] == [("send", "+420603123456", "hi", None, "k", None), ("reply", 7, "8-17")]


@pytest.mark.parametrize(
    ("does", "told"),
    [
        ("print('hello')", "it wrote a line that is no JSON object"),
        ("print('[1]')", "it wrote a line that is no JSON object"),
        ("print('{\"ok\": true}')", "it wrote a line without an id"),
        ("answer(id=99, ok=True)", "it answered what was not asked"),
        ("answer(id=said['id'], error='no')", "it answered with an error"),
        ("sys.stdout.write('x' * 600000); time.sleep(60)", "it wrote a line that is too long"),
        (
            "sys.exit(3)",
            "it ended: A process has ended with a probable error condition: process ended with exit code 3.",
        ),
    ],
)
@pytest_twisted.ensureDeferred
async def test_what_makes_no_sense_ends_a_program(tmp_path: Path, does: str, told: str) -> None:
    async with program(tmp_path, on("if said['call'] == 'received':", f"    {does}")) as (one, host):
        with pytest.raises(ProgramError, match=told.replace("(", ".")):
            await one.received(TEXT)
        if "error=" not in does:
            assert host.failures == [told]


@pytest_twisted.ensureDeferred
async def test_a_program_that_ends_by_itself_is_noticed_at_once(tmp_path: Path) -> None:
    async with program(tmp_path, "answer = print\nprint(json.dumps({'id': 1, 'ok': True}))") as (one, host):
        assert (await host.broken).startswith("it ended: A process has ended without apparent errors")
        with pytest.raises(ProgramError, match="it ended"):
            await one.idle()


@pytest_twisted.ensureDeferred
async def test_a_program_that_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    one, host = ExternalProgram(("/does/not/exist",), {}, reactor, reactor), FakeHost()
    with pytest.raises(ProgramError, match="it ended"):
        await one.init(host)  # type: ignore[arg-type]
    await one.shutdown()


@pytest_twisted.ensureDeferred
async def test_a_program_that_will_not_end_is_killed(tmp_path: Path) -> None:
    script = """
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print(json.dumps({"id": 1, "ok": True}))
    while True:
        time.sleep(60)
    """
    began = reactor.seconds()
    async with program(tmp_path, script):
        pass
    assert reactor.seconds() - began < 20


@pytest_twisted.ensureDeferred
async def test_a_program_sees_nothing_of_the_daemons_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATASMS_SECRET", "x")
    log = tmp_path / "log"
    async with program(
        tmp_path, on(f"open({str(log)!r}, 'w').write(' '.join(sorted(os.environ)) + ' ' + os.getcwd())")
    ):
        pass
    assert set(log.read_text().split()) <= {"PATH", "LANG", "LC_CTYPE", "/"}


@pytest_twisted.ensureDeferred
async def test_what_a_program_grumbles_is_logged_without_numbers_and_with_limits(tmp_path: Path) -> None:
    lines: list[str] = []

    @implementer(ILogObserver)
    def observe(event: dict[str, Any]) -> None:
        if event.get("log_format") == "application {name}: {line}":
            lines.append(event["line"])

    globalLogPublisher.addObserver(observe)
    try:
        grumble = "for n in range(300): print('call 603123456 \\x1b[31m' + 'y' * 1000, file=sys.stderr)"
        async with program(tmp_path, on("if said['call'] == 'received':", f"    {grumble}")) as (one, _):
            await one.received(TEXT)
            await deferLater(reactor, 0.2, lambda: None)
    finally:
        globalLogPublisher.removeObserver(observe)
    assert 100 <= len(lines) <= 200
    assert lines[0].startswith("call … \\x1b[31myyy")
    assert len(lines[0]) <= 410


def example(language: str) -> str:
    """A program of docs/applications.rst."""
    documentation = Path(__file__).resolve().parents[2] / "docs" / "applications.rst"
    block = documentation.read_text().split(f".. code-block:: {language}\n\n    #!")[1].split("\n\n\n")[0]
    return "#!" + textwrap.dedent("    " + block)


@pytest.mark.parametrize(("language", "answer"), [("python", "You wrote: hours"), ("sh", "It is ")])
@pytest_twisted.ensureDeferred
async def test_the_programs_of_the_documentation_work(tmp_path: Path, language: str, answer: str) -> None:
    file = tmp_path / "example"
    file.write_text(example(language))
    file.chmod(0o755)
    host, one = FakeHost(), ExternalProgram((str(file),), {}, reactor, reactor)
    await one.init(host)  # type: ignore[arg-type]
    await one.received(TEXT)
    await one.received(TEXT)
    await one.shutdown()
    assert [asked[:2] for asked in host.asked] == [("reply", 7), ("reply", 7)]
    assert all(str(asked[2]).startswith(answer) for asked in host.asked)
    assert all("exit code 0" in failure for failure in host.failures)
