"""The real core on virtual time: every part but listeners and lines' far ends, on a real database."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from datasms_daemon.assembly import Parts, Reactor, lines_of
from datasms_daemon.channels.direct import Direct
from datasms_daemon.config.channels import DirectChannel
from datasms_daemon.config.records import Config, DatasmsLine, Rule, SmppLine, StepOptions, When
from datasms_daemon.delivery import housekeeping, recovery
from datasms_daemon.interfaces import ILine
from datasms_daemon.model import (
    AcceptedSubmission,
    Device,
    DeviceId,
    Draft,
    LineName,
    Person,
    PersonId,
    Recipient,
    Submission,
)
from datasms_daemon.ops.clock import Clock
from datasms_daemon.store import directory, operations
from datasms_daemon.store.operations import LineRow
from datasms_daemon.store.store import Db, InlineStore

T = TypeVar("T")
START_MS = 1_800_000_000_000
NUMBER = "+420603123456"
PERSON = PersonId("novak")


def configuration(state_dir: Path, *steps: StepOptions, rules: tuple[Rule, ...] = ()) -> Config:
    """Push first, two SMS lines behind it, unless told otherwise."""
    default = Rule(name="all", steps=steps or tuple(StepOptions(line=LineName(n)) for n in ("datasms", "sms-a")))
    return Config(
        daemon=Config().daemon.__class__(state_dir=state_dir),
        store=Config().store.__class__(min_free=0),  # type: ignore[arg-type]
        line=(
            DatasmsLine(name=LineName("datasms")),
            SmppLine(name=LineName("sms-a"), host="a.example", system_id="a"),
            SmppLine(name=LineName("sms-b"), host="b.example", system_id="b"),
        ),
        rule=(*rules, default),
    )


class FakeDaemon:
    """One life of the daemon; ``die`` ends it as kill -9 would, and another may begin on the same directory."""

    def __init__(self, config: Config, lines: dict[str, ILine], time: FakeTime, seed: int = 1) -> None:
        assert config.daemon.state_dir is not None
        self.time = time
        self.random = Random(seed)
        self.failed: list[Failure] = []
        self.store = InlineStore(housekeeping.database_path(config), self.failed.append)
        last = done(self.store.read(lambda db: operations.meta(db, housekeeping.HEARTBEAT)))
        clock = Clock(int(last or 0), time.wall_ms, time.elapsed_ms)
        self.parts = Parts(config, self.store, cast(Reactor, time.reactor), clock, self.random.randbytes)
        done(Deferred.fromCoroutine(self.parts.hold.load()))
        done(Deferred.fromCoroutine(self.parts.integrity.sample()))
        done(Deferred.fromCoroutine(self.parts.keys.load()))
        kept = done(self.store.read(operations.lines))
        options = lines_of(config)
        for name, line in lines.items():
            way = self.parts.way(line, options[LineName(name)], kept.get(LineName(name), LineRow()))
            self.parts.dispatch.add(way)
        self.interrupted = done(
            Deferred.fromCoroutine(
                recovery.recover(
                    self.store,
                    clock.now_ms,
                    self.parts.dispatch.ways,
                    self.parts.openings,
                    self.parts.backoff,
                    self.parts.changes,
                )
            )
        )
        for line in lines.values():
            line.start(self.parts.host)
        done(Deferred.fromCoroutine(self.parts.look_again()))
        self.parts.deadlines.pull(clock.now_ms())
        for waiting in done(self.store.read(recovery.waiting_lines)):
            self.parts.dispatch.wake(waiting)
        self.parts.channels.use({"fcm": Direct(DirectChannel(name="fcm"), self.parts.presence)})
        self.parts.core.set_ready(None)

    @property
    def now(self) -> int:
        """UTC ms as the daemon sees it."""
        return self.parts.clock.now_ms()

    def submit(self, draft: Draft, sender: str = "crm") -> list[str]:
        """Accepts one draft; the message ids."""
        answer = done(Deferred.fromCoroutine(self.parts.core.accept(Submission(sender, (draft,)))))
        assert isinstance(answer, AcceptedSubmission), answer
        return [message.id for message in answer.messages]

    def beat(self) -> None:
        """What the heart does every ten seconds."""
        done(Deferred.fromCoroutine(self.parts.keep_house()))

    def die(self) -> None:
        """Nothing is said good-bye to: what is in memory is gone, timers with it."""
        for call in tuple(self.time.reactor.getDelayedCalls()):
            call.cancel()
        done(self.store.stop())


class FakeTime:
    """One reactor's virtual seconds, and a wall clock that may be set."""

    def __init__(self) -> None:
        self.reactor = MemoryReactorClock()
        self.step_ms = 0

    def elapsed_ms(self) -> int:
        """Real time."""
        return round(self.reactor.seconds() * 1000)

    def wall_ms(self) -> int:
        """What the machine believes."""
        return START_MS + self.elapsed_ms() + self.step_ms

    def advance(self, seconds: float) -> None:
        """Time passes; everything due happens in its order."""
        end = self.reactor.seconds() + seconds
        while True:
            due = [call.getTime() for call in self.reactor.getDelayedCalls() if call.getTime() <= end]
            if not due:
                break
            self.reactor.advance(max(0.0, min(due) - self.reactor.seconds()))
        self.reactor.advance(max(0.0, end - self.reactor.seconds()))


def add_person(daemon: FakeDaemon, *devices: str, number: str = NUMBER, person: PersonId = PERSON) -> None:
    """A person with a number and active devices on the direct channel."""

    def unit(db: Db) -> None:
        directory.put_persons(db, [Person(person, numbers=(number,))])
        for name in devices:
            directory.add_device(db, Device(DeviceId(name), person, "fcm", {"token": name}))

    done(daemon.store.write(unit))


def draft(text: str = "Pump 3 stopped", *, number: str = NUMBER, **more: object) -> Draft:
    """A message of normal priority to one number."""
    return Draft(
        **{"recipients": (Recipient("/to/0", number=number),), "text": text, "priority": "normal"} | more  # type: ignore[arg-type]
    )


def done(answer: Deferred[T]) -> T:
    """The answer of a Deferred that has fired."""
    found: list[T | Failure] = []
    answer.addBoth(found.append)
    assert found, "it has not fired yet"
    if isinstance(found[0], Failure):
        found[0].raiseException()
    return found[0]


__all__ = ["NUMBER", "PERSON", "FakeDaemon", "FakeTime", "When", "add_person", "configuration", "done", "draft"]
