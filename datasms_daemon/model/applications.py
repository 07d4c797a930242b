"""What passes between the daemon and the applications that texts from outside are handed to."""

from __future__ import annotations

from datasms_daemon.model.words import LineName, MessageId, MessageState, PersonId, Record


class ReceivedText(Record, frozen=True):
    """A text for an application; ``id`` is the same however often it is handed over, ``tries`` counts from 1.

    ``text`` is what the inbound rule passes on, ``from_`` the number or address outside, ``person`` whose that is.
    """

    id: int
    line: LineName
    from_: str
    to: str
    text: str
    at: int
    person: PersonId | None = None
    incomplete: bool = False
    tries: int = 1


class SentNotice(Record, frozen=True):
    """A message of an application has ended."""

    message: MessageId
    to: str | None
    state: MessageState
    code: str | None
    reference: str | None


class ApplicationView(Record, frozen=True):
    """An application as operators see it; ``state`` is starting, running, waiting (to be restarted) or stopped.

    ``waiting`` counts texts that it has not acknowledged, ``restarts`` those since the daemon started.
    """

    name: str
    kind: str
    state: str
    reason: str | None
    restarts: int
    waiting: int
