"""The archive is looked through: what is found, in which parts, and what must never be."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from twisted.internet.defer import Deferred

from datasms_daemon.config.archive import Archive, ArchiveClass
from datasms_daemon.config.kinds import HOUR, Duration
from datasms_daemon.delivery import search as search_module
from datasms_daemon.delivery.reads import SPAN_MS
from datasms_daemon.model import (
    ArchivedInbound,
    Destination,
    Dossier,
    Found,
    InboundSearch,
    InboundText,
    LineName,
    MessageId,
    MessageQuery,
    MessageState,
    PersonId,
)
from datasms_daemon.rules.audit import erased
from datasms_daemon.rules.search import words_of
from datasms_daemon.store import inbound, search, search_statements
from datasms_daemon.store.store import Db
from tests.fakes.daemon import NUMBER, PERSON, FakeDaemon, FakeTime, add_person, configuration, done, draft
from tests.fakes.lines import FakeLine

OTHER = "+420603111222"


class World:
    """A daemon whose messages stay under way until the test ends them."""

    def __init__(self, directory: Path) -> None:
        self.time = FakeTime()
        lines = {name: FakeLine(name, self.time.reactor) for name in ("datasms", "sms-a")}
        classes = {"otp": ArchiveClass(keep_text=Duration(0)), "alarm": ArchiveClass(keep_text=Duration(HOUR))}
        config = replace(configuration(directory), archive=Archive(class_=classes, keep_inbound=Duration(HOUR)))
        self.daemon = FakeDaemon(config, dict(lines), self.time)
        self.search = self.daemon.parts.core.search
        add_person(self.daemon)

    def send(self, text: str = "Pump 3 stopped", sender: str = "crm", number: str = NUMBER, **fields: Any) -> MessageId:
        """One message."""
        return MessageId(self.daemon.submit(draft(text, number=number, **fields), sender)[0])

    def end(self, id_: MessageId) -> MessageId:
        """It is over."""
        done(Deferred.fromCoroutine(self.daemon.parts.core.cancel(id_, None, "local")))
        return id_

    def page(self, asked: str = "", by: str | None = "local", **fields: Any) -> Found[Dossier]:
        """What is answered."""
        query = MessageQuery(words=words_of(asked), **fields)
        return done(Deferred.fromCoroutine(self.search.messages(query, by, "texts read")))

    def found(self, asked: str = "", **fields: Any) -> list[str]:
        """The texts of one page."""
        return [one.message.text for one in self.page(asked, **fields).items]

    def pages(self, asked: str = "", by: str | None = "local", **fields: Any) -> Iterator[Found[Dossier]]:
        """All pages."""
        page = self.page(asked, by, **fields)
        yield page
        while page.next is not None:
            page = self.page(asked, by, **fields | {"after": page.next})
            yield page

    def come(self, text: str, key: str, target: str | None = "account:crm", from_: str = OTHER) -> None:
        """A text from outside."""
        received = InboundText(LineName("sms-a"), from_, "+420603000000", text, self.daemon.now, key)
        to = None if target is None else Destination(target, text, "rule all")
        done(self.daemon.store.write(lambda db: inbound.add(db, received, to, None)))

    def inbound(self, asked: str = "", **fields: Any) -> list[ArchivedInbound]:
        """All that is answered."""
        query = InboundSearch(words=words_of(asked), **fields)
        items: list[ArchivedInbound] = []
        while True:
            page = done(Deferred.fromCoroutine(self.search.inbound(query, "local", "inbound texts read")))
            items += page.items
            if page.next is None:
                return items
            query = replace(query, after=page.next)

    def acts(self) -> list[tuple[str, str, str]]:
        """What the audit log says of reading."""
        statement = "SELECT who, what, object FROM audit WHERE what LIKE '%read' OR what LIKE '%listed' ORDER BY seq"
        return done(self.daemon.store.read(lambda db: db.execute(statement).fetchall()))


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A class that is not kept; another, and texts from outside, for an hour; all else for a day."""
    return World(tmp_path)


# --- what is found -----------------------------------------------------------------------------------------------


def test_words_are_found_in_title_and_text_whatever_their_case_and_diacritics(world: World) -> None:
    world.send("Čerpadlo č. 3 stojí", title="Stanice Říčany")
    world.send("Cerpadlo bezi")
    assert world.found("ČERPADLO") == ["Cerpadlo bezi", "Čerpadlo č. 3 stojí"]
    assert world.found("ricany cerpadlo") == ["Čerpadlo č. 3 stojí"]
    assert world.found("c\u030cerpadlo stoji\u0301") == ["Čerpadlo č. 3 stojí"]
    assert world.found("ricany bezi") == []


def test_no_character_of_a_word_stands_for_others(world: World) -> None:
    world.send("100% of node_1")
    world.send("1000 of nodeX1")
    assert world.found("100%") == world.found("node_1") == ["100% of node_1"]
    assert world.found("%") == ["100% of node_1"]
    assert world.found("*") == world.found("' OR 1=1 --") == []


@pytest.mark.parametrize(
    ("fields", "texts"),
    [
        ({"sender": "erp"}, ["b"]), ({"to": OTHER}, ["b"]), ({"person": PERSON}, ["a"]), ({"class_": "alarm"}, ["a"]),
        ({"reference": "r"}, ["a"]), ({"cost_centre": "210"}, ["b"]), ({"code": "x"}, []), ({"priority": "low"}, []),
        ({"line": "sms-a"}, ["a"]), ({"line": "sms-b"}, []), ({"status": (MessageState.SCHEDULED,)}, ["b"]),
        ({"sender": "crm", "to": NUMBER, "person": PERSON, "reference": "r"}, ["a"]),
        ({"sender": "crm", "to": OTHER}, []), ({"sender": "erp", "reference": "r"}, []),
        ({"to": NUMBER, "person": PersonId("x")}, []),
    ],
)  # fmt: skip
def test_every_filter_holds_and_all_of_them_together(world: World, fields: dict[str, Any], texts: list[str]) -> None:
    to_person = draft("a", class_="alarm", reference="r")
    to_person = replace(to_person, recipients=(replace(to_person.recipients[0], person=PERSON),))
    world.daemon.submit(to_person)
    later = world.daemon.now + HOUR
    world.send("b", "erp", OTHER, cost_centre="210", send_at=later)
    assert world.found(**fields) == texts


def test_since_and_until_are_those_of_the_acceptance(world: World) -> None:
    times = []
    for text in "abc":
        times.append(world.daemon.now)
        world.send(text)
        world.time.advance(1)
    assert world.found(since=times[1]) == ["c", "b"]
    assert world.found(until=times[1]) == ["a"]
    assert world.found(since=times[1], until=times[2]) == ["b"]


# --- what must not be found --------------------------------------------------------------------------------------


def test_a_text_that_is_not_kept_is_never_found_or_shown_and_its_message_is(world: World) -> None:
    id_ = world.send("code 4711", class_="otp", title="Login")
    for _ in range(2):
        assert world.found("4711") == world.found("login") == []
        (shown,) = world.page().items
        assert (shown.message.id, shown.message.text, shown.message.title) == (id_, "", None)
        world.end(id_)


def test_a_text_is_not_found_once_it_was_kept_long_enough_whether_or_not_it_is_gone_yet(world: World) -> None:
    world.end(world.send("alarm text", class_="alarm"))
    world.time.advance(3_600)
    assert world.found("alarm") == ["alarm text"]
    world.time.advance(0.001)
    assert world.found("alarm") == []
    assert world.found() == [""]
    done(Deferred.fromCoroutine(world.daemon.parts.archive.purge()))
    assert world.found("alarm") == []
    assert world.found() == [""]


def test_what_registers_a_device_has_no_text_in_the_archive(world: World) -> None:
    world.come("DATASMS ABCD-EFGH-JKLMN", "1", "app:registration")
    world.come("the datasms app", "2")
    assert [one.text for one in world.inbound("datasms")] == ["the datasms app"]
    assert [one.text for one in world.inbound()] == ["the datasms app", None]


def test_a_text_from_outside_is_not_found_once_it_was_kept_long_enough(world: World) -> None:
    world.come("old", "1")
    world.time.advance(3_600)
    assert [one.text for one in world.inbound()] == ["old"]
    world.time.advance(0.001)
    assert world.inbound() == []


# --- part by part ------------------------------------------------------------------------------------------------


def test_every_message_stands_on_one_page_while_new_ones_come(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "WINDOW", 3)
    ids = [world.send(f"pump {n}") for n in range(20)]
    seen: list[MessageId] = []
    for page in world.pages("pump", limit=4):
        assert len(page.items) <= 4
        seen += [one.message.id for one in page.items]
        world.send("a new pump")
    assert seen == ids[::-1]


@pytest.mark.parametrize("limit", [1, 5, 6])
def test_the_last_page_says_that_it_is(world: World, limit: int) -> None:
    for n in range(5):
        world.send(str(n))
    pages = list(world.pages(limit=limit))
    assert [len(page.items) for page in pages] == {1: [1] * 5, 5: [5], 6: [5]}[limit]


def test_a_search_that_finds_little_goes_on_until_its_time_is_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "WINDOW", 2)
    world.send("needle")
    for _ in range(9):
        world.send("hay")
    assert [len(page.items) for page in world.pages("needle")] == [1]
    monkeypatch.setattr(search_module, "LONGEST_MS", 0)
    assert [len(page.items) for page in world.pages("needle")] == [0, 0, 0, 0, 1, 0]


def test_a_page_of_long_texts_is_short(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MOST_CHARACTERS", 25)
    for n in range(7):
        world.send(str(n) * 10)
    pages = [[one.message.text[0] for one in page.items] for page in world.pages()]
    assert pages == [["6", "5", "4"], ["3", "2", "1"], ["0"]]


def test_who_sees_only_his_own_gets_no_cursor_that_is_another_s(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "WINDOW", 2)
    monkeypatch.setattr(search_module, "LONGEST_MS", 0)
    own = [world.send("own", "crm", reference="r")]
    for _ in range(6):
        world.send("hay", "erp", reference="r")
    own.append(world.send("own", "crm", reference="r"))
    world.send("hay", "erp", reference="r")
    pages = list(world.pages(by=None, sender="crm", reference="r"))
    assert [one.message.id for page in pages for one in page.items] == own[::-1]
    assert {page.next and page.next.rstrip("-") for page in pages} <= {*own, None}
    assert world.acts() == []


def test_texts_from_outside_stand_on_one_page_each(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "WINDOW", 2)
    for n in range(7):
        world.come(f"Ano {n}", str(n), None if n == 3 else "account:crm", from_=NUMBER if n % 2 else OTHER)
    assert [one.text for one in world.inbound("ANO", limit=2)] == [f"Ano {n}" for n in range(6, -1, -1)]
    assert [one.text for one in world.inbound(from_=NUMBER)] == ["Ano 5", "Ano 3", "Ano 1"]
    assert [one.text for one in world.inbound(from_=NUMBER, target="account:crm")] == ["Ano 5", "Ano 1"]
    assert [one.target for one in world.inbound("3")] == [None]


def test_no_part_reads_more_than_the_rows_it_should(world: World) -> None:
    """Whatever is asked for, the rows come from the chosen index, between two numbers and in their order."""
    everything = MessageQuery(
        sender="s", to="t", person="p", reference="r", priority="p", line="l", class_="c", code="c", cost_centre="c",
        status=(MessageState.FAILED, MessageState.UNKNOWN), since=1, until=2,
    )  # fmt: skip

    def index(query: MessageQuery) -> set[str]:
        steps = done(world.daemon.store.read(lambda db: plan(db, lambda: search.find(db, query))))
        assert not [step for step in steps if "TEMP B-TREE" in step or step.startswith("SCAN messages")], steps
        return {found for step in steps for found in re.findall(r"SEARCH messages USING .*?INDEX (\S+)", step)}

    assert index(MessageQuery()) == {"sqlite_autoindex_messages_1"}
    for name in search_statements.NEAR:
        assert index(everything) == index(replace(MessageQuery(), **{name: "x"})) == {f"messages_{_column(name)}"}
        everything = replace(everything, **{name: None})
    assert index(everything) == {"sqlite_autoindex_messages_1"}


def test_no_part_of_what_came_reads_more_than_the_rows_it_should(world: World) -> None:
    query = InboundSearch(line="l", from_="f", to="t", person="p", target="t", since=1, until=2)
    steps = done(world.daemon.store.read(lambda db: plan(db, lambda: search.find_inbound(db, query, 0))))
    assert [step for step in steps if "inbound" in step] == [
        "SEARCH inbound USING INTEGER PRIMARY KEY (rowid<?)",
        "SEARCH inbound USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
    ]
    assert not [step for step in steps if "TEMP B-TREE" in step]


def plan(db: Db, work: Callable[[], object]) -> list[str]:
    """How SQLite carries out all that the work asks for."""
    lines: list[str] = []
    db.set_trace_callback(lines.append)
    work()
    db.set_trace_callback(None)
    return [row[3] for line in lines for row in db.execute(f"EXPLAIN QUERY PLAN {line}")]


def _column(name: str) -> str:
    return {"to": "recipient"}.get(name, name)


# --- who read what -----------------------------------------------------------------------------------------------


def test_what_is_read_of_others_is_noted_before_it_is_answered_and_without_what_was_found(world: World) -> None:
    world.send("Čerpadlo stojí", "erp")
    world.found("cerpadlo", sender="erp", to=NUMBER, status=(MessageState.QUEUED, MessageState.WAITING), since=0)
    ((who, what, object_),) = world.acts()
    assert (who, what) == ("local", "texts read")
    key = (world.daemon.parts.config.daemon.state_dir or Path()).joinpath("audit.key").read_bytes()
    assert object_ == (
        f"1 sender=erp status=queued,waiting to={erased(key, NUMBER)} q={erased(key, 'cerpadlo')} "
        "since=1970-01-01T00:00:00.000+00:00"
    )


def test_what_follows_of_the_same_is_summed_up_and_noted_once(world: World) -> None:
    for n in range(5):
        world.send(str(n))
    list(world.pages(limit=2))
    world.found(by="somebody")
    assert world.acts() == [("local", "texts read", "2"), ("somebody", "texts read", "5")]
    world.time.advance(SPAN_MS / 1000 - 0.001)
    world.daemon.beat()
    assert len(world.acts()) == 2
    world.time.advance(0.001)
    world.daemon.beat()
    world.daemon.beat()
    assert world.acts()[2:] == [("local", "texts read", "3")]
    world.found()
    assert world.acts()[3:] == [("local", "texts read", "5")]


def test_what_is_summed_up_is_noted_at_the_end(world: World) -> None:
    world.send()
    for _ in range(3):
        world.found()
    done(Deferred.fromCoroutine(world.search.reads.flush(everything=True)))
    assert world.acts() == [("local", "texts read", "1"), ("local", "texts read", "2")]


def test_texts_from_outside_and_dead_messages_that_are_read_are_noted_too(world: World) -> None:
    world.come("Ano", "1")
    world.inbound(from_=OTHER, target="account:crm")
    done(Deferred.fromCoroutine(world.search.dead(None, 10, "local")))
    key = (world.daemon.parts.config.daemon.state_dir or Path()).joinpath("audit.key").read_bytes()
    assert world.acts() == [
        ("local", "inbound texts read", f"1 from={erased(key, OTHER)} target={erased(key, 'account:crm')}"),
        ("local", "dead messages listed", "0"),
    ]
