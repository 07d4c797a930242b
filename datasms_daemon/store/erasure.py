"""Verbs that erase a person: everything that says who it was, what was said to him and by him (I50).

What is erased is remembered as keyed hashes only, in the database and in a list beside it, so that a backup from before
that is put back is found to lack them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from datasms_daemon.model import Device, MessageId, PersonId, Progress
from datasms_daemon.rules import audit as chain
from datasms_daemon.rules import lifecycle
from datasms_daemon.rules.inbound import FORWARD, PERSON
from datasms_daemon.store import audit, directory, messages, retention
from datasms_daemon.store import retention_statements as sql
from datasms_daemon.store.writer import Db

LIST = "erasures.list"


class ErasureList:
    """The keyed hashes of all that was ever erased, one a line, beside the database and not part of its backups."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(LIST)

    def read(self) -> frozenset[str]:
        """All of them."""
        return frozenset(self._path.read_text("ascii").split()) if self._path.exists() else frozenset()

    def add(self, hashes: Iterable[str]) -> None:
        """Returns once they are on the disk."""
        new = [hash_ for hash_ in hashes if hash_ not in self.read()]
        with os.fdopen(os.open(self._path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600), "w") as file:
            file.writelines(f"{hash_}\n" for hash_ in new)
            file.flush()
            os.fsync(file.fileno())


def hashes(db: Db, person: PersonId, numbers: Iterable[str]) -> tuple[str, ...]:
    """What is remembered of an erasure."""
    return tuple(chain.erased(db.audit_key, value) for value in (person, *numbers))


def bare_hash(db: Db, number: str) -> str:
    """What is remembered of a number that was erased by itself; it names no person that had it before."""
    return chain.erased(db.audit_key, f"number {number}")


def unknown(db: Db, listed: frozenset[str]) -> frozenset[str]:
    """Those of the list that this database does not know to be erased: it is older than they are."""
    return listed - {row[0] for row in db.execute(sql.SELECT_ERASURES)}


def remember(db: Db, erased: Iterable[str], now: int) -> None:
    """They are erased here."""
    db.executemany(sql.INSERT_ERASURE, [{"hash": hash_, "at": now} for hash_ in erased])


def persons_of(db: Db, erased: frozenset[str]) -> list[PersonId]:
    """The persons here that are meant."""
    rows = db.execute(sql.SELECT_ALL_PERSONS)
    return [PersonId(row[0]) for row in rows if chain.erased(db.audit_key, row[0]) in erased]


def owned(db: Db, erased: frozenset[str]) -> dict[str, PersonId]:
    """The numbers here that are meant, with the persons that have them."""
    rows = db.execute(sql.SELECT_ALL_NUMBERS)
    return {number: person for number, person in rows if chain.erased(db.audit_key, number) in erased}


def recipients_of(db: Db, erased: frozenset[str]) -> list[str]:
    """The numbers here that messages went to and that are meant."""
    return [number for number in _recipients(db) if chain.erased(db.audit_key, number) in erased]


def bare_numbers_of(db: Db, erased: frozenset[str]) -> list[str]:
    """The numbers here that are meant by themselves, whoever had them."""
    owned = [row[0] for row in db.execute(sql.SELECT_ALL_NUMBERS)]
    writers = [row[0] for row in db.execute(sql.SELECT_WRITERS)]
    known = dict.fromkeys([*owned, *writers, *_recipients(db)])
    return [number for number in known if bare_hash(db, number) in erased]


def _recipients(db: Db) -> Iterator[str]:
    after = ""
    while (number := db.execute(sql.SELECT_NEXT_RECIPIENT, {"after": after}).fetchone()[0]) is not None:
        yield number
        after = number


class ErasedMessages(Struct, frozen=True):
    """How many messages were hidden, which of them were cancelled for that, and which files nothing names any more."""

    count: int
    cancelled: list[Progress]
    files: list[str]


def messages_of(db: Db, person: PersonId | None, numbers: Iterable[str], most: int) -> list[MessageId]:
    """At most so many messages to a person, and to numbers as far as they were not somebody else's."""
    ids = [row[0] for row in db.execute(sql.SELECT_OF_PERSON, {"person": person, "most": most})]
    for number in numbers:
        values = {"person": person, "number": number, "most": most}
        ids += [row[0] for row in db.execute(sql.SELECT_TO_NUMBER, values)]
    return [MessageId(id_) for id_ in dict.fromkeys(ids)][:most]


def messages_to(db: Db, number: str, most: int) -> list[MessageId]:
    """At most so many messages to a number, whosesoever it was."""
    return [MessageId(row[0]) for row in db.execute(sql.SELECT_TO_BARE_NUMBER, {"number": number, "most": most})]


def erase_messages(db: Db, ids: list[MessageId], now: int, by: str) -> ErasedMessages:
    """Cancels what is under way of some messages and hides them all; their attachments may be removed after the commit
    where no other message has them."""
    found = [messages.progress(db, id_) for id_ in ids]
    decisions = [lifecycle.cancel(one, now, by) for one in found if one is not None]
    cancelled = messages.apply(db, [decision for decision in decisions if decision is not None], now)
    attached = {row[0] for id_ in ids for row in db.execute(sql.SELECT_ATTACHED, {"id": id_})}
    retention.hide(db, ids)
    files = [one for one in sorted(attached) if db.execute(sql.DELETE_UNATTACHED, {"id": one}).fetchone() is not None]
    return ErasedMessages(len(ids), cancelled, files)


def erase_person(db: Db, person: PersonId) -> tuple[Device, ...]:
    """Forgets the person with devices, registrations and texts; the devices there were."""
    devices = directory.devices(db, person)
    db.execute(sql.DELETE_REGISTRATIONS_OF, {"person": person})
    db.execute(sql.DELETE_INBOUND_OF, {"person": person})
    _hide_target(db, f"{FORWARD}{PERSON}", person)
    for value in (person, *(device.id for device in devices)):
        audit.erase(db, value)
    directory.delete_person(db, person)
    return devices


def disown(db: Db, number: str) -> None:
    """The number is nobody's."""
    db.execute(sql.DELETE_NUMBER, {"number": number})


def erase_number(db: Db, number: str) -> None:
    """Forgets what else stands under a number: texts from it, receipts that fit nothing, answers that name it."""
    db.execute(sql.DELETE_INBOUND_FROM, {"number": number})
    _hide_target(db, FORWARD, number)
    db.execute(sql.DELETE_PARTS_FROM, {"number": number})
    db.execute(sql.DELETE_UNMATCHED_OF, {"number": number})
    db.execute(sql.HIDE_ANSWERS, {"number": number, "hidden": chain.erased(db.audit_key, number)})
    audit.erase(db, number)


def _hide_target(db: Db, kind: str, value: str) -> None:
    """What others wrote and a rule forwards there stays theirs, and goes there no more."""
    hidden = chain.erased(db.audit_key, value)
    db.execute(sql.HIDE_TARGET, {"target": f"{kind}{value}", "hidden": f"{kind}{hidden}"})
