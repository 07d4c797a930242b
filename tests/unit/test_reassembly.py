"""Long texts from outside: parts are kept, joined when the last comes, or passed on as far as they came."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from datasms_daemon.delivery import reassembly
from datasms_daemon.model import Inbound, InboundPart, InboundText, LineName
from datasms_daemon.rules.parts import joined
from tests.fakes.daemon import NUMBER, done
from tests.unit.test_inbound_texts import OURS, World

MINUTE_S = 60


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A daemon whose texts all go to the office."""
    return World(tmp_path)


def part(number: int, octets: bytes, *, total: int = 3, key: str = "", at: int = 0, **more: Any) -> InboundPart:
    """One part of a text with reference 7."""
    said: dict[str, Any] = {"reference": 7, "alphabet": "gsm", "coding": 0, "from_": NUMBER} | more
    key = key or f"{said['reference']}-{number}-{octets.hex()}"
    return InboundPart(LineName("sms-a"), to=OURS, total=total, number=number, octets=octets, at=at, key=key, **said)


def come(world: World, *parts: InboundPart) -> None:
    """They come in now and are acknowledged."""
    for one in parts:
        stamped = InboundPart(**{name: getattr(one, name) for name in one.__struct_fields__} | {"at": world.daemon.now})
        done(Deferred.fromCoroutine(world.daemon.parts.host.part(stamped)))


def read(world: World) -> list[tuple[str, bool]]:
    """The office's texts, and whether they are incomplete."""
    found: tuple[Inbound, ...] = done(Deferred.fromCoroutine(world.daemon.parts.core.inbound("office", 0, 50)))
    return [(one.text, one.incomplete) for one in found]


def left(world: World) -> int:
    """How many octets of parts the database still holds."""
    rows = done(world.daemon.store.read(lambda db: db.execute("SELECT octets FROM inbound_parts").fetchall()))
    return sum(len(octets) for (octets,) in rows)


def test_parts_in_any_order_make_one_text_when_the_last_comes(world: World) -> None:
    come(world, part(3, b"c"), part(1, b"a"))
    assert read(world) == []
    come(world, part(2, b"b"))
    assert read(world) == [("abc", False)]
    assert left(world) == 0


def test_parts_outlive_the_daemon(world: World) -> None:
    """What was acknowledged is not forgotten (I1)."""
    for number, octets in ((2, b"b"), (1, b"a"), (3, b"c")):
        come(world, part(number, octets))
        world.restart()
    assert read(world) == [("abc", False)]


def test_what_is_there_is_passed_on_incomplete_after_the_timeout(world: World) -> None:
    come(world, part(1, b"a"))
    world.time.advance(5 * MINUTE_S)
    come(world, part(3, b"c"))
    world.time.advance(5 * MINUTE_S - 1)
    assert read(world) == []
    world.time.advance(1)
    assert read(world) == [("a[…]c", True)]
    world.time.advance(60 * MINUTE_S)
    assert read(world) == [("a[…]c", True)]


def test_what_is_overdue_after_a_restart_is_passed_on_at_once(world: World) -> None:
    come(world, part(2, b"b"))
    world.daemon.die()
    world.time.advance(11 * MINUTE_S)
    world.begin()
    assert read(world) == [("[…]b[…]", True)]


def test_a_repeated_part_changes_nothing_before_and_after_the_whole(world: World) -> None:
    for number, octets in ((1, b"a"), (2, b"b"), (3, b"c")):
        come(world, *[part(number, octets)] * 2)
        world.restart()
    come(world, part(3, b"c"), part(1, b"a"))
    world.time.advance(60 * MINUTE_S)
    assert read(world) == [("abc", False)]


def test_a_repeat_under_another_key_is_the_same_part(world: World) -> None:
    """As after a crash between commit and answer, ten minutes having begun anew meanwhile."""
    come(world, part(1, b"a", total=2), part(1, b"a", total=2, key="later"), part(2, b"b", total=2))
    assert read(world) == [("ab", False)]


def test_a_crash_before_the_whole_is_passed_on_loses_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    come(world, part(1, b"a", total=2))

    async def crash(text: object) -> None:
        raise RuntimeError("kill -9")

    with monkeypatch.context() as patched:
        patched.setattr(world.daemon.parts.texts, "received", crash)
        patched.setattr(world.daemon.parts.host._reassembly, "_received", crash)
        with pytest.raises(RuntimeError, match="kill -9"):
            come(world, part(2, b"b", total=2))
    world.restart()
    assert read(world) == [("ab", False)]
    come(world, part(2, b"b", total=2))
    assert read(world) == [("ab", False)]


def test_a_text_that_cannot_be_passed_on_holds_up_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch, logged_failures: list[dict[str, Any]]
) -> None:
    """I35."""
    come(world, part(1, b"one", reference=1), part(1, b"two", reference=2))

    def bad(parts: Iterable[InboundPart], key: str) -> InboundText:
        text = joined(parts, key)
        if text.text.startswith("one"):
            raise ZeroDivisionError
        return text

    monkeypatch.setattr(reassembly, "joined", bad)
    world.time.advance(10 * MINUTE_S + 1)
    assert read(world) == [("two[…]", True)]
    logged_failures.clear()
    monkeypatch.undo()
    world.time.advance(11 * MINUTE_S)
    assert read(world) == [("two[…]", True), ("one[…]", True)]


def test_a_reference_used_again_begins_a_new_text(world: World) -> None:
    come(world, part(1, b"old", total=2), part(1, b"new", total=2), part(2, b"er", total=2))
    assert read(world) == [("old[…]", True), ("newer", False)]


def test_what_is_overdue_is_not_completed_by_a_new_text_even_while_nothing_is_passed_on(world: World) -> None:
    """While a restored database is held, what is due waits; the phone's reference may be in use again by then."""
    world.daemon.parts.deadlines.is_held = True
    come(world, part(1, b"old ", total=2))
    world.time.advance(11 * MINUTE_S)
    come(world, part(2, b"new", total=2))
    world.daemon.parts.deadlines.is_held = False
    world.time.advance(12 * MINUTE_S)
    assert read(world) == [("old […]", True), ("[…]new", True)]


def test_parts_of_two_writers_and_of_two_texts_are_kept_apart(world: World) -> None:
    other = "+420777123456"
    come(
        world, part(1, b"a", total=2), part(1, b"x", total=2, from_=other, key="x"), part(1, b"p", total=2, reference=8)
    )
    come(world, part(2, b"y", total=2, from_=other, key="y"), part(2, b"q", total=2, reference=8))
    assert read(world) == [("xy", False), ("pq", False)]


def test_keys_of_parts_are_forgotten_after_a_day(world: World) -> None:
    come(world, part(1, b"a", total=2), part(2, b"b", total=2))
    world.time.advance(24 * 60 * MINUTE_S + 1)
    world.daemon.beat()
    assert done(world.daemon.store.read(lambda db: db.execute("SELECT count(*) FROM inbound_parts").fetchone())) == (0,)


# Joining


def test_a_pair_cut_in_two_by_the_sender_is_whole_again() -> None:
    octets = "😀".encode("utf-16-be")
    assert joined([part(1, octets[:2], total=2, coding=8), part(2, octets[2:], total=2, coding=8)], "k").text == "😀"
    assert joined([part(1, b"a\x1b", total=2), part(2, b"eb", total=2)], "k").text == "a€b"


def test_parts_of_two_alphabets_are_each_read_in_their_own() -> None:
    parts = [part(1, b"\x00", total=2), part(2, "č".encode("utf-16-be"), total=2, coding=8)]
    assert joined(parts, "k").text == "@č"


@pytest.mark.parametrize(
    ("came", "told"), [((1, 3), "a[…]c"), ((2,), "[…]b[…]"), ((1,), "a[…]"), ((3,), "[…]c"), ((2, 3), "[…]bc")]
)
def test_what_is_missing_is_shown(came: tuple[int, ...], told: str) -> None:
    text = joined([part(number, b"?abc"[number : number + 1]) for number in came], "k")
    assert (text.text, text.incomplete, text.key) == (told, True, "k")


def test_the_text_came_when_its_first_part_came() -> None:
    assert joined([part(2, b"b", total=2, at=5), part(1, b"a", total=2, at=9)], "k").at == 5
