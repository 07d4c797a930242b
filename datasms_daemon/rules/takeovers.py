"""What persons are told when an address of one's device has become one of another's (I40): whoever did not mean it can
speak up."""

from __future__ import annotations

from collections.abc import Iterable

from datasms_daemon.model import Draft, PersonId, Recipient

PRIORITY = "normal"
TAKEN = (
    "A device that got your messages is now registered for somebody else. If you did not expect this, ask who runs it."
)
TAKEN_OVER = "This device got somebody else's messages before. He has been told that it is yours now."


def notices(person: PersonId, former: Iterable[PersonId]) -> tuple[Draft, ...]:
    """For ``person``, who has the address now, and for the others who had it; none where it was only he."""
    others = [one for one in dict.fromkeys(former) if one != person]
    told = [(one, TAKEN) for one in others] + [(person, TAKEN_OVER)] * bool(others)
    return tuple(Draft((Recipient("", person=one),), text, PRIORITY) for one, text in told)
