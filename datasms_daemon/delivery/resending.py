"""A message that ended, handed in once more."""

from __future__ import annotations

from datasms_daemon.delivery.handover import is_intact
from datasms_daemon.model import Dossier, Draft, KeyReused, Limited, MessageId, Recipient, Refused, Submission
from datasms_daemon.store import messages, retention
from datasms_daemon.store.store import Db


def why_not(answer: Refused | Limited | KeyReused) -> str:
    """Why it was not accepted again, for people."""
    match answer:
        case Refused():
            return answer.problems[0].detail
        case Limited():
            return answer.detail
        case KeyReused():
            return "it was sent before"


def unfit(db: Db, id_: MessageId, mac_key: bytes) -> str | None:
    """Why a message that is there may not be handed in once more; None: it may."""
    if not retention.is_whole(db, id_):
        return "its text is not kept any more"
    sealed = messages.sealed(db, id_)
    # Handed in again it would get a seal of its own, over whatever stands there now (I39).
    return None if sealed is not None and is_intact(mac_key, sealed) else "it is not what was accepted any more"


def again(found: Dossier) -> Submission:
    """What the same sender would hand in."""
    message = found.message
    if message.person is not None:
        recipient = Recipient("/to/0", person=message.person)
    else:
        recipient = Recipient("/to/0", number=message.to)
    # Notices are made anew, by the classes of now.
    own = {line: text for line, text in message.per_line.items() if not text.notice}
    draft = Draft(
        (recipient,), message.text, message.priority, message.title, message.class_, reference=message.reference,
        per_line=own, lines=message.lines, resend_of=message.id, cost_centre=message.cost_centre,
        nomodify=message.nomodify, attachments=tuple(one.id for one in message.attachments),
        buttons=message.buttons,
    )  # fmt: skip
    return Submission(message.sender, (draft,))
