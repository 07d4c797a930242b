"""A message that ended, handed in once more."""

from __future__ import annotations

from datasms_daemon.model import Dossier, Draft, KeyReused, Limited, Recipient, Refused, Submission


def why_not(answer: Refused | Limited | KeyReused) -> str:
    """Why it was not accepted again, for people."""
    match answer:
        case Refused():
            return answer.problems[0].detail
        case Limited():
            return answer.detail
        case KeyReused():
            return "it was sent before"


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
