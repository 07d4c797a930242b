"""The audit log: whoever changes it without its key is found out (I51)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from twisted.python.failure import Failure

from datasms_daemon.model import AuditBreak, AuditMark, AuditQuery
from datasms_daemon.store import audit, opening, operations
from datasms_daemon.store.store import InlineStore
from datasms_daemon.store.writer import Db
from tests.fakes.daemon import done


def never(failure: Failure) -> None:
    """The store does not fail here."""
    raise AssertionError(failure)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with five entries, one a second."""
    store = InlineStore(tmp_path / "db", never)

    def unit(db: Db) -> None:
        for n in range(1, 6):
            operations.audit(db, n * 1000, "crm", "line paused", f"sms-{n}")

    done(store.write(unit))
    done(store.stop())
    return tmp_path / "db"


@pytest.fixture
def db(path: Path) -> Iterator[Db]:
    """The same, open."""
    with closing(opening.writer_connection(path)) as opened:
        yield opened


def test_the_log_is_read_newest_first_and_by_what_is_asked_for(db: Db) -> None:
    operations.audit(db, 6000, "local", "key added", "k1")
    assert [entry.seq for entry in audit.find(db, AuditQuery(limit=2))] == [6, 5]
    assert [entry.seq for entry in audit.find(db, AuditQuery(before=5, limit=2))] == [4, 3]
    assert [entry.object for entry in audit.find(db, AuditQuery(who="local"))] == ["k1"]
    assert [entry.object for entry in audit.find(db, AuditQuery(object="sms-2"))] == ["sms-2"]
    assert [entry.seq for entry in audit.find(db, AuditQuery(since=2000, until=4000))] == [3, 2]


def test_a_log_that_nobody_touched_is_good(db: Db) -> None:
    assert audit.verify(db) is None
    operations.audit(db, 1, "crm", "line resumed", "sms")
    assert audit.verify(db) is None


def test_an_empty_log_is_good(tmp_path: Path) -> None:
    done(InlineStore(tmp_path / "new", never).stop())
    with closing(opening.writer_connection(tmp_path / "new")) as db:
        assert audit.verify(db) is None


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("UPDATE audit SET who = 'mallory' WHERE seq = 3", 3),
        ("UPDATE audit SET what = 'line resumed' WHERE seq = 3", 3),
        ("UPDATE audit SET object = 'sms-9' WHERE seq = 3", 3),
        ("UPDATE audit SET at = at + 1 WHERE seq = 3", 3),
        ("UPDATE audit SET seal = x'00' WHERE seq = 3", 3),
        ("DELETE FROM audit WHERE seq = 3", 3),
        ("DELETE FROM audit WHERE seq = 1", 1),
        ("DELETE FROM audit WHERE seq >= 4", 4),
        ("DELETE FROM audit", 1),
        ("INSERT INTO audit SELECT 6, at, who, what, object, seal FROM audit WHERE seq = 5", 6),
        ("UPDATE audit_marks SET seq = 4, seal = (SELECT seal FROM audit WHERE seq = 4)", 4),
        ("UPDATE audit SET seq = seq + 10 WHERE seq = 5", 5),
    ],
)
def test_the_first_entry_that_was_tampered_with_is_named(db: Db, statement: str, broken: int) -> None:
    """I51."""
    db.execute(statement)
    found = audit.verify(db)
    assert found is not None
    assert found.seq == broken


def test_a_chain_that_was_written_anew_with_another_key_is_found_out(path: Path) -> None:
    with closing(opening.writer_connection(path)) as db:
        db.execute("DELETE FROM audit")
        db.execute("DELETE FROM audit_marks")
        db.audit_key = b"guessed"
        operations.audit(db, 1, "crm", "line paused", "sms-1")
    with closing(opening.writer_connection(path)) as db:
        assert audit.verify(db) == AuditBreak(1, "is noted as the log's head with a wrong seal")


def test_an_older_state_of_the_whole_database_is_found_out_by_what_was_noted(path: Path, tmp_path: Path) -> None:
    """Threat 3f: the old copy is put back."""
    with closing(opening.writer_connection(path)) as db:
        opening.backup(db, tmp_path / "old")
        operations.audit(db, 6000, "crm", "line paused", "sms-6")
        noted = audit.head(db)
        assert audit.verify(db, noted) is None
    with closing(opening.writer_connection(tmp_path / "old")) as db:
        assert audit.verify(db) is None
        found = audit.verify(db, noted)
        assert found is not None
        assert found.seq == 6
        assert "put back" in found.reason
        operations.audit(db, 6000, "crm", "line paused", "another")
        assert audit.verify(db, noted) == AuditBreak(
            6, "is another than was noted: an older state may have been put back"
        )


def test_what_is_old_is_forgotten_and_the_rest_stays_good(db: Db) -> None:
    assert audit.purge(db, 3000, 100) == 2
    assert [entry.seq for entry in audit.find(db, AuditQuery())] == [5, 4, 3]
    assert audit.verify(db) is None
    db.execute("DELETE FROM audit WHERE seq = 3")
    assert audit.verify(db) == AuditBreak(3, "is missing")


def test_a_purge_takes_no_more_than_it_may_and_goes_on_where_it_stopped(db: Db) -> None:
    assert [audit.purge(db, 9000, 2) for _ in range(4)] == [2, 2, 1, 0]
    assert audit.verify(db) is None
    operations.audit(db, 9000, "crm", "line paused", "sms")
    assert [entry.seq for entry in audit.find(db, AuditQuery())] == [6]
    assert audit.verify(db) is None


def test_an_old_entry_behind_a_newer_one_waits_for_it(db: Db) -> None:
    operations.audit(db, 10, "crm", "line paused", "the clock was set back")
    assert audit.purge(db, 4000, 100) == 3
    assert [entry.seq for entry in audit.find(db, AuditQuery())] == [6, 5, 4]
    assert audit.verify(db) is None


def test_what_was_erased_is_gone_and_the_chain_holds(db: Db) -> None:
    """I50, I51."""
    operations.audit(db, 6000, "crm", "person written", "novak")
    assert audit.erase(db, "novak") == 1
    hidden = audit.find(db, AuditQuery(limit=1))[0].object
    assert hidden.startswith("#")
    assert "novak" not in hidden
    assert audit.verify(db) is None
    db.execute("UPDATE audit SET object = :other WHERE seq = 6", {"other": "#" + "0" * 64})
    assert audit.verify(db) == AuditBreak(6, "was changed, or sealed with another key")


def test_the_key_is_private_and_stays_the_same(path: Path) -> None:
    file = path.with_name("audit.key")
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(file.read_bytes()) == 32
    assert opening.audit_key(path) == file.read_bytes()


def test_the_head_of_an_unused_log_is_its_beginning(tmp_path: Path) -> None:
    store = InlineStore(tmp_path / "db", never)
    head: Callable[[Db], AuditMark] = audit.head
    assert done(store.read(head)) == AuditMark(0, b"")
    done(store.stop())
