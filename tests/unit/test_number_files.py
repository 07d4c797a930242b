"""Number lists and ported numbers: read again when they change, kept when that fails, asked before a commit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from zope.interface import implementer

from datasms_daemon.config.records import (
    Config,
    NumberList,
    Operator,
    Portability,
    Rule,
    SmppLine,
    StepOptions,
    When,
)
from datasms_daemon.delivery.number_files import LOOK_EVERY_MS, NumberFiles, PortedNumbers
from datasms_daemon.delivery.portability import LIMIT_S
from datasms_daemon.delivery.portability import Portability as Answers
from datasms_daemon.errors import ConfigError
from datasms_daemon.interfaces import IPortability
from datasms_daemon.model import AcceptedSubmission, LineName, Submission
from datasms_daemon.rules.routing import Facts, Router
from tests.fakes.daemon import NUMBER, FakeDaemon, FakeTime, configuration, done, draft
from tests.fakes.lines import FakeLine

T = TypeVar("T")


def at_once(work: Callable[[], T]) -> Awaitable[T]:
    """In place of a thread."""
    return succeed(work())


def refresh(files: NumberFiles, now: int) -> None:
    """What the heart does."""
    done(Deferred.fromCoroutine(files.refresh(now, at_once)))


@pytest.fixture
def vip(tmp_path: Path) -> Path:
    file = tmp_path / "vip.txt"
    file.write_text(f"{NUMBER}\n")
    return file


def test_a_list_counts_as_it_is_when_a_message_is_routed(vip: Path) -> None:
    line = SmppLine(name=LineName("sms"), host="h", system_id="s")
    rule = Rule(name="vip", when=When(recipient=("$vip",)), steps=(StepOptions(line=line.name),))
    config = Config(line=(line,), rule=(rule,), number_list={"vip": NumberList(file=vip)})
    files = NumberFiles(config)
    router = Router(config, lists=files.lists)
    first, second = (Facts(priority="normal", sender="crm", to=to) for to in (NUMBER, "+420603999999"))
    assert [router.plan(facts).rules for facts in (first, second)] == [("vip",), ()]
    vip.write_text("+420603999999\n# nobody else\n")
    refresh(files, 0)
    assert [router.plan(facts).rules for facts in (first, second)] == [(), ("vip",)]


def test_a_list_is_looked_at_once_in_fifteen_seconds(vip: Path) -> None:
    files = NumberFiles(Config(number_list={"vip": NumberList(file=vip)}))
    refresh(files, 1_000)
    vip.write_text("+420603999999\n+420603999998\n")
    refresh(files, 1_000 + LOOK_EVERY_MS - 1)
    assert files.lists["vip"] == {NUMBER}
    refresh(files, 1_000 + LOOK_EVERY_MS)
    assert files.lists["vip"] == {"+420603999999", "+420603999998"}


@pytest.mark.parametrize("content", [b"nonsense\n", b"\xff\xfe", None], ids=["no number", "no text", "gone"])
def test_a_list_that_cannot_be_read_stays_as_it_was_and_is_told_of_once(
    vip: Path, content: bytes | None, logged_failures: list[dict[str, Any]]
) -> None:
    files = NumberFiles(Config(number_list={"vip": NumberList(file=vip)}))
    if content is None:
        vip.unlink()
    else:
        vip.write_bytes(content)
    refresh(files, 0)
    refresh(files, LOOK_EVERY_MS)
    assert files.lists["vip"] == {NUMBER}
    assert [event["place"] for event in logged_failures] == ["number_list.vip"]
    logged_failures.clear()
    vip.write_text("+420603999999\n")
    refresh(files, 2 * LOOK_EVERY_MS)
    assert files.lists["vip"] == {"+420603999999"}


def test_the_metrics_show_which_files_are_in_use_as_they_are(
    tmp_path: Path, vip: Path, monkeypatch: pytest.MonkeyPatch, logged_failures: list[dict[str, Any]]
) -> None:
    """Also after a reload that knows another file only."""
    monkeypatch.setattr("datasms_daemon.assembly.deferToThreadPool", lambda reactor, pool, work: at_once(work))
    daemon = FakeDaemon(replace(configuration(tmp_path), number_list={"vip": NumberList(file=vip)}), {}, FakeTime())
    monkeypatch.setattr(daemon.time.reactor, "getThreadPool", lambda: None, raising=False)

    def shown() -> list[str]:
        daemon.time.advance(LOOK_EVERY_MS / 1000)
        daemon.parts.refresh_numbers()
        lines = daemon.parts.metrics.render().decode().splitlines()
        return [line for line in lines if line.startswith("datasms_number_file_up{")]

    assert shown() == ['datasms_number_file_up{file="number_list.vip"} 1.0']
    vip.unlink()
    assert shown() == ['datasms_number_file_up{file="number_list.vip"} 0.0']
    logged_failures.clear()
    vip.write_text(f"{NUMBER}\n")
    assert shown() == ['datasms_number_file_up{file="number_list.vip"} 1.0']
    daemon.parts.configure(replace(daemon.parts.config, number_list={"board": NumberList(file=vip)}), {})
    assert shown() == ['datasms_number_file_up{file="number_list.board"} 1.0']


def test_a_start_with_a_list_that_cannot_be_used_is_an_error(vip: Path) -> None:
    vip.write_text("x\n")
    with pytest.raises(ConfigError, match=r"vip\.txt line 1 holds no valid phone number"):
        NumberFiles(Config(number_list={"vip": NumberList(file=vip)}))


def test_ported_numbers_are_read_from_their_file_and_again(tmp_path: Path) -> None:
    ported = tmp_path / "ported.csv"
    ported.write_text(f"{NUMBER},Vodafone\n")
    files = NumberFiles(Config(portability=Portability(file=ported)))
    driver = PortedNumbers(files)
    assert done(Deferred.fromCoroutine(_operator(driver))) == "vodafone"
    ported.write_text("+420603999999,o2\n")
    refresh(files, 0)
    assert done(Deferred.fromCoroutine(_operator(driver))) is None


async def _operator(driver: IPortability) -> str | None:
    return await driver.operator(NUMBER)


@implementer(IPortability)
class SlowLookUp:
    """Answers when told to."""

    keeps_ms = 60_000

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: list[Deferred[str | None]] = []

    def operator(self, number: str) -> Awaitable[str | None]:
        self.asked.append(number)
        self.answers.append(Deferred())
        return self.answers[-1]


class Asking:
    """Remembered answers on a clock of their own."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.driver = SlowLookUp()
        self.answers = Answers(self.clock, lambda: int(self.clock.seconds() * 1000))
        self.answers.use(self.driver)

    def learn(self, *numbers: str) -> Deferred[None]:
        """Begins to ask."""
        return Deferred.fromCoroutine(self.answers.learn(numbers))


def test_an_answer_is_remembered_as_long_as_its_driver_says_also_that_it_is_not_ported() -> None:
    asking = Asking()
    asking.learn("+1", "+2", "+1")
    for answer, operator in zip(asking.driver.answers, ("o2", None), strict=True):
        answer.callback(operator)
    assert [asking.answers.operator(number) for number in ("+1", "+2", "+3")] == ["o2", None, None]
    asking.clock.advance(59)
    done(asking.learn("+1", "+2"))
    assert asking.driver.asked == ["+1", "+2"]
    asking.clock.advance(1)
    asking.learn("+1")
    assert asking.driver.asked == ["+1", "+2", "+1"]


def test_a_look_up_that_takes_too_long_or_fails_is_given_up() -> None:
    asking = Asking()
    slow = asking.learn("+1")
    asking.clock.advance(LIMIT_S)
    done(slow)
    failing = asking.learn("+2")
    asking.driver.answers[1].errback(OSError("no route"))
    done(failing)
    assert (asking.answers.operator("+1"), asking.answers.operator("+2")) == (None, None)


def test_an_answer_for_a_driver_that_is_gone_is_forgotten() -> None:
    asking = Asking()
    asking.learn("+1")
    asking.answers.use(SlowLookUp())
    asking.driver.answers[0].callback("o2")
    assert asking.answers.operator("+1") is None


def test_a_submission_waits_for_the_look_up_before_its_transaction_and_goes_by_what_it_said(tmp_path: Path) -> None:
    time = FakeTime()
    lines = {name: FakeLine(name, time.reactor) for name in ("datasms", "sms-a", "sms-b")}
    rule = Rule(name="vodafone", set="vodafone", steps=(StepOptions(line=LineName("sms-b")),))
    config = configuration(tmp_path, rules=(rule,))
    config = Config(
        daemon=config.daemon, store=config.store, line=config.line, rule=config.rule,
        operator={"vodafone": Operator(rules="vodafone")},
    )  # fmt: skip
    daemon = FakeDaemon(config, dict(lines), time)
    driver = SlowLookUp()
    daemon.parts.portability.use(driver)
    answer = Deferred.fromCoroutine(daemon.parts.core.accept(Submission("crm", (draft(),))))
    other = Deferred.fromCoroutine(daemon.parts.core.accept(Submission("crm", (draft(number="+420603999999"),))))
    assert driver.asked == [NUMBER, "+420603999999"]
    driver.answers[1].callback(None)
    assert isinstance(done(other), AcceptedSubmission)
    assert not answer.called
    driver.answers[0].callback("vodafone")
    assert isinstance(done(answer), AcceptedSubmission)
    assert [len(lines[name].sends) for name in ("sms-a", "sms-b")] == [1, 1]
    daemon.die()
