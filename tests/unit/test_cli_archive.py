"""What the command line writes of long lists, and how it goes through them."""

from __future__ import annotations

import io
import json
import stat
import time
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from datasms_daemon.cli import archive
from datasms_daemon.cli.session import Failed
from datasms_daemon.cli.tables import export, private_file
from datasms_daemon.gateway.archive_records import ArchivedInboundView
from datasms_daemon.gateway.records import Page
from datasms_daemon.model import LineName
from datasms_daemon.web.client import Client, Refusal


def item(number: int, text: str = "x") -> ArchivedInboundView:
    """A text from outside."""
    at = "2026-11-24T08:00:00.000Z"
    return ArchivedInboundView(str(number), LineName("sms"), "1", "2", text, at, None, False, None, "nobody", None)


PAGES = [(item(3), item(2)), (), (item(1, "=1\n\u2028ž"),), ()]


class Daemon:
    """Answers with pages and refusals in their order."""

    def __init__(self, *answers: Page[ArchivedInboundView] | Refusal) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    def call(self, answer: object, method: str, path: str, *, query: list[tuple[str, object]]) -> object:
        """As the client does."""
        self.asked.append(dict(query))
        found = self.answers.pop(0)
        if isinstance(found, Refusal):
            raise found
        return found


def pages_of(daemon: Daemon) -> list[tuple[ArchivedInboundView, ...]]:
    """All that a walk finds."""
    return list(archive._pages(cast(Client, daemon), archive.INBOUND, {"words": ("a", "b"), "line": None}))


def test_an_export_is_whole_over_pages_that_are_empty() -> None:
    for format_ in ("ndjson", "json", "csv"):
        file = io.BytesIO()
        assert export(ArchivedInboundView, iter(PAGES), format_, file) == 3
        written = file.getvalue()
        if format_ == "csv":
            assert written.count(b"id,line,from") == 1
            assert written.splitlines()[1].startswith(b"3,sms,1,2,x,")
            continue
        found = json.loads(written) if format_ == "json" else [json.loads(one) for one in written.splitlines()]
        assert msgspec.convert(found, list[ArchivedInboundView]) == [one for page in PAGES for one in page]


def test_an_export_of_nothing_is_an_empty_list_and_a_head() -> None:
    written = {}
    for format_ in ("ndjson", "json", "csv"):
        file = io.BytesIO()
        assert export(ArchivedInboundView, iter([()]), format_, file) == 0
        written[format_] = file.getvalue()
    assert written["ndjson"] == b""
    assert json.loads(written["json"]) == []
    assert written["csv"] == b"id,line,from,to,text,at,person,incomplete,target,why,effect\r\n"


def write_half(path: Path) -> None:
    """A file that is not finished."""
    with private_file(path) as file:
        file.write(b"half")
        raise ValueError("no such format")


def test_a_private_file_that_is_not_finished_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("before")
    with pytest.raises(ValueError, match="no such format"):
        write_half(path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
    with private_file(path) as file:
        assert stat.S_IMODE((tmp_path / "file.partial").stat().st_mode) == 0o600
        file.write(b"whole")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("whole", 0o600)


def test_a_private_file_follows_no_link_to_another(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("another's")
    (tmp_path / "file.partial").symlink_to(other)
    with private_file(tmp_path / "file") as file:
        file.write(b"mine")
    assert (other.read_text(), (tmp_path / "file").read_text()) == ("another's", "mine")
    (tmp_path / "folder").mkdir()
    with pytest.raises(Failed, match="is no file"), private_file(tmp_path / "folder"):
        pass


def test_a_walk_goes_on_after_an_empty_part_and_asks_for_what_is_behind_it() -> None:
    daemon = Daemon(Page((), "9"), Page((item(3),), "3"), Page((), None))
    assert pages_of(daemon) == [(), (item(3),), ()]
    assert [asked["after"] for asked in daemon.asked] == [None, "9", "3"]
    assert {(asked["q"], asked["line"], asked["limit"]) for asked in daemon.asked} == {("a b", None, archive.PAGE)}


def test_a_walk_that_is_too_fast_for_its_key_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    slower = Refusal(429, "Too many requests", "", ())
    assert pages_of(Daemon(slower, slower, Page((item(3),), None))) == [(item(3),)]
    assert waited == [archive.PAUSE_S] * 2
    with pytest.raises(Refusal, match="Too many requests"):
        pages_of(Daemon(*[slower] * (archive.MOST_PAUSES + 1)))
    with pytest.raises(Refusal, match="Forbidden"):
        pages_of(Daemon(Refusal(403, "Forbidden", "", ())))


def test_a_search_shows_so_many_and_where_to_go_on() -> None:
    daemon = Daemon(Page((item(5),), "5"), Page((item(3), item(2)), "2"))
    found = archive._search(cast(Client, daemon), archive.INBOUND, {}, 3)
    assert ([one.id for one in found.items], found.next) == (["5", "3", "2"], "2")
    assert [asked["limit"] for asked in daemon.asked] == [3, 2]
