"""A world around one daemon that keeps its own books: what was accepted for whom, and what must not happen any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from pathlib import Path
from random import Random

from msgspec import Struct
from twisted.internet.defer import Deferred

from datasms_daemon.delivery.core import Core
from datasms_daemon.model import (
    Accepted,
    AddressGone,
    Device,
    DeviceId,
    Handover,
    Later,
    LineDown,
    LineName,
    MessageId,
    MessageState,
    NotSent,
    Outcome,
    Person,
    PersonId,
    Unknown,
)
from datasms_daemon.store import directory, messages
from datasms_daemon.store.copies import restore, save
from tests.fakes.daemon import FakeDaemon, FakeTime, done
from tests.fakes.lines import FakeLine
from tests.fakes.reloads import Configured

PEOPLE = 8
DAY_LIMIT = 25
SMS = ("sms-a", "sms-b", "sms-c")
CLASSES = {"internal": {"datasms"}, "secret": {"datasms"}, "bound": {"datasms", "sms-a"}}
"""The lines by which texts of a class may leave; of ``internal`` a notice goes by the others."""
NOTICE = "look into the app"

BASE = """
[daemon]
state_dir = "{state_dir}"
[store]
min_free = "1K"
[archive]
keep_text = "{keep}"
[inbound_routing]
default = "account:office"
[class.internal]
lines = ["datasms"]
notice = "look into the app"
[class.secret]
lines = ["datasms"]
[class.bound]
lines = ["datasms", "sms-a"]
[calendar.blinks]
timezone = "UTC"
hours = {{ mon-sun = [{hours}] }}
[[channel]]
name = "fcm"
driver = "direct"
[[line]]
name = "datasms"
driver = "datasms"
{device_line}
[[line]]
name = "sms-a"
driver = "smpp"
host = "a.example"
system_id = "a"
backup = "sms-b"
day_limit = {day_limit}
{sms_line}
[[line]]
name = "sms-b"
driver = "smpp"
host = "b.example"
system_id = "b"
enabled = {has_b}
[[line]]
name = "sms-c"
driver = "smpp"
host = "c.example"
system_id = "c"
[[rule]]
name = "office"
when = {{ priority = ["low"] }}
calendar = "blinks"
steps = [{{ line = "datasms", wait = "20s" }}, {{ line = "sms-a", wait = "60s" }}, {{ line = "sms-c", wait = "60s" }}]
[[rule]]
name = "few tries"
when = {{ priority = ["high"] }}
steps = [{{ line = "sms-a", wait = "50s", attempts = 2, on_unknown = "next" }}, {{ line = "sms-b", wait = "90s" }}]
[[rule]]
name = "all"
steps = [{{ line = "datasms", wait = "30s", attempts = 3 }}, {{ line = "sms-a", wait = "60s" }}]
"""


def configuration(random: Random, state_dir: Path) -> str:
    """Another configuration: what differs is what a reload must carry over."""
    period, is_open = random.choice(((4, 1), (3, 2), (10, 5)))
    begins = range(0, 1440, period)
    clock = "{:02}:{:02}".format
    spans = (f'"{clock(*divmod(at, 60))}-{clock(*divmod(at + is_open, 60))}"' for at in begins if at + is_open < 1440)
    return BASE.format(
        state_dir=state_dir,
        keep=random.choice(("0s", "1h", "7d")),
        hours=", ".join(spans),
        device_line=random.choice(("", "rate = 20", 'header = "ACME: "')),
        sms_line=random.choice(("", 'header = "ACME: "', "share = 3", 'calendar = "blinks"')),
        day_limit=random.choice((DAY_LIMIT, DAY_LIMIT, 3 * DAY_LIMIT)),
        has_b=random.choice(("true", "false")),
    )


class Sent(Struct):
    """One message in the world's own books."""

    id: MessageId
    text: str
    to: str
    person: str | None
    class_: str | None
    lines: tuple[str, ...] | None
    ttl: int
    not_before: int
    valid_until: int
    is_stopped: bool = False
    """Cancelled or erased: nothing may leave any more."""
    is_erased: bool = False
    is_doubtful: bool = False
    """It was under way when a backup was put back: what people have already, nobody knows."""


class Books(Struct):
    """What the world knows of the daemon, by message, number and line."""

    sent: dict[MessageId, Sent] = {}
    owner: dict[str, str] = {}
    counts: dict[str, tuple[str, int]] = {}
    lifted: set[tuple[str, str]] = set()
    paused: set[str] = set()


class _Line(FakeLine):
    """A line that may have no room for a reason of the world's."""

    is_shut: Callable[[], bool]

    def room(self) -> int:
        """See ILine."""
        return 0 if self.is_shut() else super().room()


class World:
    """The world around one daemon."""

    def __init__(self, tmp_path: Path, seed: int) -> None:
        self.random = Random(seed)
        self.time = FakeTime()
        self.time.reactor.getThreadPool = lambda: None  # type: ignore[attr-defined]
        self.path = tmp_path / "datasms.toml"
        self.state_dir = tmp_path
        self.seen: Counter[str] = Counter()
        self.broken: list[str] = []
        self.books = Books()
        self.coming: dict[str, Sent] = {}
        self.live: list[MessageId] = []
        self.taken: Counter[tuple[str, MessageId]] = Counter()
        self.provider_ids: list[tuple[str, str]] = []
        self.copy: Books | None = None
        self.lives = self.born = 0
        self.path.write_text(configuration(self.random, tmp_path), "utf-8")
        self.begin()
        self.settle_people()

    # --- lives -------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """A start of the daemon."""
        self.lives += 1
        self.is_beginning = True
        self.configured = Configured(self.path, self.time, self.line, self.random.randrange(1 << 30))
        self.daemon: FakeDaemon = self.configured.daemon
        self.seen["interrupted hand-over"] += self.daemon.interrupted
        self.seen["erased again"] += done(Deferred.fromCoroutine(self.daemon.parts.erasure.catch_up()))
        # Nothing leaves before it can be held against the books of this life.
        self.is_beginning = False
        for name in tuple(self.daemon.parts.dispatch.ways):
            self.daemon.parts.dispatch.wake(name)
        self.daemon.beat()

    def line(self, name: str) -> FakeLine:
        """A driver of that name."""
        line = _Line(name, self.time.reactor, partial(self.far_end, name), window=8 if name == "datasms" else 4)
        line.is_shut = lambda: self.is_beginning
        return line

    @property
    def core(self) -> Core:
        """What operators and senders talk to."""
        return self.daemon.parts.core

    @property
    def is_held(self) -> bool:
        """Whether nothing may be sent."""
        return self.daemon.parts.hold.reason is not None

    # --- the far ends ------------------------------------------------------------------------------------------------

    def far_end(self, line: str, handover: Handover) -> tuple[Outcome | Exception, float, bool]:
        """Holds a hand-over against the books, and answers it somehow."""
        self.broken += [f"{line}, {handover.message}: {why}" for why in self.wrong(line, handover)]
        seconds, kind = self.random.choice((0.0, 0.2, 1.5, 6.0)), self.random.random()
        if kind < 0.60:
            return self.took(line, handover), seconds, True
        if kind < 0.68:
            is_taken = self.random.random() < 0.5
            if is_taken:
                self.took(line, handover)
            return Unknown("cut"), seconds, is_taken
        answers = (Later("busy"), AddressGone("gone"), LineDown("refused"), NotSent("limit"), NotSent("no", final=True))
        return self.random.choices(answers, (6, 1, 3, 3, 1))[0], seconds, False

    def took(self, line: str, handover: Handover) -> Accepted:
        """The far end has it."""
        self.taken[line, handover.message] += 1
        id_ = f"{handover.message}/{handover.attempt}/{self.lives}"
        if line in SMS:
            self.provider_ids.append((line, id_))
        return Accepted((id_,))

    def known(self, id_: MessageId) -> Sent | None:
        """What the books say of a message; it may leave before its sender has the answer."""
        found = self.books.sent.get(id_)
        if found is None:
            stored = done(self.daemon.store.read(lambda db: messages.sealed(db, id_)))
            found = None if stored is None else self.coming.get(stored.message.text)
        return found

    def wrong(self, line: str, handover: Handover) -> list[str]:
        """What of the books a hand-over breaks."""
        known = self.known(handover.message)
        if known is None:
            return ["a message that nobody accepted"]
        now, faults = self.daemon.now, self.wrong_words(line, handover, known)
        progress = done(self.daemon.store.read(lambda db: messages.progress(db, handover.message)))
        assert progress is not None
        step = progress.plan[progress.step]
        if self.is_held:
            faults.append("R17: sent although a backup was put back")
        if line in self.books.paused:
            faults.append("sent on a line that is paused")
        if known.is_stopped:
            faults.append("sent after it was cancelled or erased")
        if not known.not_before <= now < known.valid_until:
            faults.append("sent before its time or after its validity")
        if self.daemon.parts.openings.opens(step, now) != now:
            faults.append("sent while closed")
        if line in SMS and self.taken[line, handover.message] and not known.is_doubtful:
            faults.append("R7: the same SMS twice on one line")
        if step.backup and self.taken["sms-a", handover.message] and not known.is_doubtful:
            faults.append("a backup for what its line took")
        self.seen["backup"] += step.backup
        return faults + self.over_limit(line)

    def wrong_words(self, line: str, handover: Handover, known: Sent) -> list[str]:
        """Whether it says what it may, to whom it may."""
        faults = []
        may = known.class_ is None or line in CLASSES[known.class_]
        if known.text in handover.text and not may:
            faults.append("a text that its class keeps in the house")
        if not may and known.class_ == "internal":
            self.seen["notice"] += NOTICE in handover.text
        elif known.text not in handover.text or not may:
            faults.append("not its text")
        if known.lines is not None and line not in known.lines:
            faults.append("I46: a line that was not asked for")
        if line in SMS and handover.to != known.to:
            faults.append("I39: another number")
        if line in SMS and known.person is not None and self.books.owner.get(known.to, known.person) != known.person:
            faults.append("a number that is another person's")
        if any(not device.id.startswith(f"{known.person}-") for device in handover.devices):
            faults.append("a device that is another person's")
        return faults

    def over_limit(self, line: str) -> list[str]:
        """Counts against the day limit."""
        day = self.daemon.parts.dispatch.today()
        before = self.books.counts.get(line, ("", 0))
        self.books.counts[line] = day, 1 + (before[1] if before[0] == day else 0)
        limit = self.daemon.parts.dispatch.ways[LineName(line)].facts.day_limit
        is_over = limit is not None and self.books.counts[line][1] > limit and (line, day) not in self.books.lifted
        self.seen["day limit reached"] += limit is not None and self.books.counts[line][1] == limit
        return ["over the day limit"] if is_over else []

    # --- people and backups ------------------------------------------------------------------------------------------

    def put_person(self, person: str, number: str, *devices: str) -> None:
        """Somebody new."""
        self.books.owner[number] = person
        people = [Person(PersonId(person), numbers=(number,))]
        done(self.daemon.store.write(lambda db: directory.put_persons(db, people)))
        for name in devices:
            device = Device(DeviceId(name), PersonId(person), "fcm", {"token": f"{name}-{self.random.random()}"})
            done(self.daemon.store.write(partial(directory.add_device, new=device)))

    def number_of(self, person: str) -> str | None:
        """Where his SMS go."""
        return next((number for number, owner in self.books.owner.items() if owner == person), None)

    def end(self) -> None:
        """kill -9; the far ends go on living, and time passes."""
        self.daemon.die()
        self.time.advance(self.random.choice((0.0, 1.0, 40.0, 200.0)))

    def back_up(self) -> None:
        """A copy, and the books of that moment."""
        save(self.state_dir / "datasms.sqlite3", self.state_dir / "copy")
        self.copy = deepcopy(self.books)

    def restore(self) -> None:
        """The copy takes the place of the database: what happened since did not happen here, but in the world."""
        assert self.copy is not None
        self.end()
        kept = restore(self.state_dir / "copy", self.state_dir / "datasms.sqlite3", self.time.wall_ms())
        assert kept is not None
        kept.unlink()
        erased = {known.id for known in self.books.sent.values() if known.is_erased}
        self.books = deepcopy(self.copy)
        self.begin()
        for id_, known in self.books.sent.items():
            progress = done(self.daemon.store.read(partial(messages.progress, id_=id_)))
            assert progress is not None, "I1: an accepted message is gone"
            known.is_doubtful = not progress.state.is_final
            known.is_erased |= known.id in erased
            known.is_stopped = progress.state is MessageState.CANCELLED
            assert not known.is_erased or progress.state.is_final, "an erased person's message came back"
        rows = done(self.daemon.store.read(lambda db: db.execute("SELECT number, person FROM numbers").fetchall()))
        self.books.owner = dict(rows)
        self.live = [id_ for id_ in self.live if id_ in self.books.sent]
        self.settle_people()

    def settle_people(self) -> None:
        """Numbers that are nobody's get an owner."""
        for n in range(PEOPLE):
            number = f"+4206030000{n:02}"
            if number not in self.books.owner:
                self.born += 1
                self.put_person(f"p{self.born}", number, *([f"p{self.born}-phone"] if self.born % 3 else []))
