"""What a sender asks for and what he is answered."""

from __future__ import annotations

from datasms_daemon.model.buttons import Button
from datasms_daemon.model.messages import LineText
from datasms_daemon.model.words import GroupId, MessageId, MessageState, PersonId, Record


class Problem(Record, frozen=True):
    """One fault in a request: a JSON pointer and what would be right."""

    pointer: str
    detail: str


class Recipient(Record, frozen=True):
    """One entry of ``to``: exactly one of the three is set; ``pointer`` says where it stood in the request."""

    pointer: str
    number: str | None = None
    person: PersonId | None = None
    group: GroupId | None = None


class Draft(Record, frozen=True):
    """One message object of a request, checked and normalised, not yet routed; ``pointer`` says where it stood.

    ``nomodify`` None: as with all of the sender's.
    """

    recipients: tuple[Recipient, ...]
    text: str
    priority: str
    title: str | None = None
    class_: str | None = None
    send_at: int | None = None
    ttl_ms: int | None = None
    reference: str | None = None
    per_line: dict[str, LineText] = {}
    lines: tuple[str, ...] | None = None
    resend_of: MessageId | None = None
    cost_centre: str | None = None
    pointer: str = ""
    nomodify: bool | None = None
    attachments: tuple[str, ...] = ()
    buttons: tuple[Button, ...] = ()


class Idempotency(Record, frozen=True):
    """The sender's ``Idempotency-Key`` and a hash of the body it stood for (I5)."""

    key: str
    body_hash: str


class Submission(Record, frozen=True):
    """One request of a sender: all of its messages are accepted or none (I3). ``allowed_lines`` is the key's."""

    sender: str
    drafts: tuple[Draft, ...]
    allowed_lines: tuple[str, ...] | None = None
    idempotency: Idempotency | None = None

    def lines(self, draft: Draft) -> tuple[str, ...] | None:
        """The lines that a draft of it asks for and the key allows; None: all."""
        if draft.lines is None or self.allowed_lines is None:
            return self.allowed_lines if draft.lines is None else draft.lines
        return tuple(line for line in draft.lines if line in self.allowed_lines)


class AcceptedMessage(Record, frozen=True):
    """One message of an accepted submission."""

    id: MessageId
    to: str | None
    status: MessageState


class AcceptedSubmission(Record, frozen=True):
    """Committed. ``replayed`` when the same key and body had been accepted before."""

    id: str
    messages: tuple[AcceptedMessage, ...]
    replayed: bool = False


class Refused(Record, frozen=True):
    """Nothing was stored; every fault found."""

    problems: tuple[Problem, ...]


class Limited(Record, frozen=True):
    """Nothing was stored: a quota is used up, or a recipient would get too much. ``code`` is ``quota`` or ``flood``;
    from ``until`` (UTC ms) on it may be tried again."""

    code: str
    detail: str
    until: int
    problems: tuple[Problem, ...] = ()


class KeyReused(Record, frozen=True):
    """The idempotency key stood for another body before."""
