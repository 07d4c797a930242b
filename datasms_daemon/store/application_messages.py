"""Verbs on the messages that applications sent and have not been told the end of."""

from __future__ import annotations

from datasms_daemon.model import MessageId, MessageState, SentNotice
from datasms_daemon.store import inbound_statements as sql
from datasms_daemon.store.writer import Db


def add(db: Db, message: MessageId, application: str) -> None:
    """The application is to be told when this message ends."""
    db.execute(sql.ADD_SENT, {"message": message, "application": application})


def all_(db: Db) -> dict[MessageId, str]:
    """By message: the application that is to be told of its end."""
    return {MessageId(message): application for message, application in db.execute(sql.SELECT_SENT_MESSAGES)}


def ended(db: Db, application: str, limit: int) -> list[SentNotice]:
    """The messages of an application that have ended and of which it was not told."""
    rows = db.execute(sql.SELECT_ENDED, {"application": application, "limit": limit})
    return [SentNotice(id_, to, MessageState(state), code, reference) for id_, to, state, code, reference in rows]


def told(db: Db, message: MessageId) -> None:
    """The application knows."""
    db.execute(sql.FORGET_SENT, {"message": message})
