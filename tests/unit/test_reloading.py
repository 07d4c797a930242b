"""A reload of the running core: what goes on over it, and in which order lines take each other's places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred, execute

from datasms_daemon import assembly
from datasms_daemon.delivery.ways import Way
from datasms_daemon.errors import DiskFull
from datasms_daemon.model import LineName, LineView, Reloaded
from datasms_daemon.store.operations import LineRow
from tests.fakes.daemon import FakeTime, add_person, done, draft
from tests.fakes.lines import FakeLine
from tests.fakes.reloads import Configured

CONFIG = """
[daemon]
state_dir = "{state_dir}"

[[line]]
name = "datasms"
driver = "datasms"

[[line]]
name = "{name}"
driver = "smpp"
host = "smsc.example"
system_id = "acme"
rate = {rate}

[[rule]]
name = "all"
steps = [{{ line = "datasms" }}, {{ line = "{name}" }}]
"""


class TalkingLine(FakeLine):
    """A line that notes when it binds and unbinds; the far end takes its time for the latter."""

    def __init__(self, name: str, time: FakeTime, log: list[str], mark: str) -> None:
        super().__init__(name, time.reactor)
        self.log = log
        self.mark = mark
        self.unbound: Deferred[None] = Deferred()

    def start(self, host: Any) -> None:
        """See ILine."""
        super().start(host)
        self.log.append(f"{self.mark} binds")

    async def stop(self) -> None:
        """See ILine."""
        self.log.append(f"{self.mark} says good-bye")
        await self.unbound
        self.log.append(f"{self.mark} is unbound")

    def room(self) -> int:
        """None before it is bound."""
        return 0 if self.host is None else super().room()


class World:
    """A daemon whose configuration is a file."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = tmp_path / "datasms.toml"
        self.state_dir = tmp_path
        self.time = FakeTime()
        self.log: list[str] = []
        self.lines: list[TalkingLine] = []
        monkeypatch.setattr(assembly, "deferToThreadPool", lambda reactor, pool, work: execute(work))
        monkeypatch.setattr(self.time.reactor, "getThreadPool", lambda: None, raising=False)
        self.write()
        self.configured = Configured(self.path, self.time, self.line)
        self.daemon = self.configured.daemon
        add_person(self.daemon, "phone")

    def write(self, name: str = "sms", rate: int = 10) -> None:
        """The file as it is from now on."""
        self.path.write_text(CONFIG.format(state_dir=self.state_dir, name=name, rate=rate), "utf-8")

    def line(self, name: str) -> TalkingLine:
        """In the place of a driver."""
        line = TalkingLine(name, self.time, self.log, f"{name}-{len(self.lines) + 1}")
        self.lines.append(line)
        return line

    def reload(self) -> Deferred[Reloaded]:
        """As the signal does."""
        return self.configured.reload()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


@pytest.mark.parametrize("name", ["sms", "sms-renamed"])
def test_a_line_binds_when_the_one_before_it_is_unbound(world: World, name: str) -> None:
    """Many an SMSC takes one bind at a time; a second one is refused, and then not tried again for minutes."""
    world.log.clear()
    world.write(name=name, rate=20)
    reloaded = world.reload()
    assert world.log == ["sms-2 says good-bye"]
    world.lines[1].unbound.callback(None)
    assert world.log == ["sms-2 says good-bye", "sms-2 is unbound", f"{name}-3 binds"]
    assert done(reloaded).problems == ()


def test_messages_wait_for_the_line_while_it_is_exchanged_and_leave_once(world: World) -> None:
    world.write(rate=20)
    reloaded = world.reload()
    (id_,) = world.daemon.submit(draft(lines=("sms",)))
    world.time.advance(5)
    assert sum(len(line.sends) for line in world.lines) == 0
    world.lines[1].unbound.callback(None)
    done(reloaded)
    world.time.advance(5)
    assert [handover.message for handover in world.lines[2].sends] == [id_]


def test_a_pause_that_is_made_while_the_line_is_exchanged_holds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reload had read before that the line goes on."""
    parts = world.daemon.parts
    former = parts.dispatch.ways[LineName("sms")]
    write = world.daemon.store.write

    def written(unit: Any) -> Any:
        answer = write(unit)
        parts.dispatch.add(Way(former.line, former.facts, None, LineRow()))
        return answer

    monkeypatch.setattr(world.daemon.store, "write", written)
    view = done(Deferred.fromCoroutine(parts.core.pause("sms", "operator")))
    monkeypatch.undo()
    assert isinstance(view, LineView)
    assert parts.dispatch.ways[LineName("sms")].paused
    parts.dispatch.add(Way(former.line, former.facts, None, LineRow()))
    assert parts.dispatch.ways[LineName("sms")].paused


def test_what_a_line_sent_today_and_what_is_put_aside_counts_for_the_one_in_its_place(world: World) -> None:
    dispatch = world.daemon.parts.dispatch
    former = dispatch.ways[LineName("datasms")]
    facts = replace(former.facts, day_limit=10)
    former.facts = facts
    former.has_work = False
    today = dispatch.today()
    former.count(today, 4)
    reserved = dispatch.reserve(5, today, world.daemon.now)
    way = Way(former.line, facts, None, LineRow(day=today, sent=3))
    dispatch.add(way)
    assert way.room(today, world.daemon.now) == 1
    dispatch.release(reserved)
    assert way.room(today, world.daemon.now) == 6


def test_a_disk_that_is_full_while_held_messages_are_looked_at_does_not_leave_half_a_reload(
    world: World, monkeypatch: pytest.MonkeyPatch, logged_failures: list[dict[str, Any]]
) -> None:
    """What is held is looked at again when it is due; all else of the file is in use."""
    used: list[object] = []

    async def full() -> int:
        raise DiskFull("no room")

    async def use(*asked: object) -> None:
        used.append(asked)

    monkeypatch.setattr(world.daemon.parts, "look_again", full)
    monkeypatch.setattr(world.daemon.parts.applications, "use", use)
    assert done(world.reload()).problems == ()
    assert len(used) == len(logged_failures) == 1
    logged_failures.clear()
