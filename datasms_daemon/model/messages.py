"""A message, its plan, where it stands and what was tried."""

from __future__ import annotations

from datasms_daemon.model.attachments import Attachment
from datasms_daemon.model.buttons import Button
from datasms_daemon.model.words import (
    AttemptState,
    DeviceId,
    LineName,
    MessageId,
    MessageState,
    OnUnknown,
    PersonId,
    Record,
    Success,
    WhenClosed,
)


class Step(Record, frozen=True, array_like=True):
    """One line of a plan: how long to wait there and what counts as success.

    All of ``calendars`` must be open for a hand-over, and ``wait_ms`` is open time; ``when_closed`` is what happens
    while they are not. Without calendars all time is open. After ``attempts`` tries the next step begins; None: as
    many as there is time for. A ``backup`` is for what the line before it surely did not take, and is passed over else.
    """

    line: LineName
    wait_ms: int
    success: Success = Success.DELIVERED
    on_unknown: OnUnknown = OnUnknown.WAIT
    calendars: tuple[str, ...] = ()
    when_closed: WhenClosed = WhenClosed.DEFER
    attempts: int | None = None
    backup: bool = False


Plan = tuple[Step, ...]


class Progress(Record, frozen=True):
    """Where a message stands: all that ``rules.lifecycle`` decides on, and no text.

    ``ready`` names the line whose room it waits for; ``held``: it waits for calendars to open instead; ``due_at`` is
    when the timer must look at it; ``deadline`` when the present step must have succeeded, None before it has begun;
    ``attempt`` numbers the newest attempt from 1 (0: none yet) and ``attempt_state`` is None once that attempt is
    finished. ``ndr_due`` is when the sender is to be told that there is no success yet, ``ndr_at`` when he was.
    ``unsure``: the line may have taken an earlier try of the present step, and nobody can say.
    """

    id: MessageId
    gen: int
    state: MessageState
    plan: Plan
    valid_until: int
    step: int = 0
    tries: int = 0
    crashes: int = 0
    attempt: int = 0
    attempt_state: AttemptState | None = None
    due_at: int | None = None
    deadline: int | None = None
    ready: LineName | None = None
    code: str | None = None
    delivered_at: int | None = None
    read_at: int | None = None
    held: bool = False
    ndr_due: int | None = None
    ndr_at: int | None = None
    unsure: bool = False


class LineText(Record, frozen=True):
    """What goes out on one line in place of the message's own text; with a ``notice`` nothing else goes with it."""

    text: str
    notice: bool = False


class Message(Record, frozen=True):
    """What was accepted; never changes afterwards. ``to`` is None for a person without a phone number.

    ``nomodify``: what leaves is the text byte for byte, whatever the line does to others. ``lines`` are those that the
    request asked for and its key may use; None: all.
    """

    id: MessageId
    submission: str
    sender: str
    to: str | None
    person: PersonId | None
    priority: str
    class_: str | None
    title: str | None
    text: str
    reference: str | None
    created_at: int
    send_at: int | None
    valid_until: int
    per_line: dict[str, LineText] = {}
    resend_of: MessageId | None = None
    cost_centre: str | None = None
    nomodify: bool = False
    attachments: tuple[Attachment, ...] = ()
    lines: tuple[str, ...] | None = None
    buttons: tuple[Button, ...] = ()


class Attempt(Record, frozen=True):
    """One try of one message on one line, as kept for the trace; ``n`` counts from 1 within the message."""

    n: int
    step: int
    line: LineName
    state: AttemptState
    started_at: int
    sent_at: int | None = None
    deadline: int | None = None
    finished_at: int | None = None
    outcome: str | None = None
    reason: str | None = None
    late: bool = False


class Push(Record, frozen=True):
    """One hand-over to one device within attempt ``n``; ``seq`` is its place in the device's inbox."""

    seq: int
    n: int
    device: DeviceId
    channel: str
    state: str
    reason: str | None = None


class Event(Record, frozen=True):
    """One line of a message's trace: what was decided and why."""

    at: int
    kind: str
    detail: dict[str, str | int | bool | None] = {}


class Dossier(Record, frozen=True):
    """All that is known of one message."""

    message: Message
    progress: Progress
    attempts: tuple[Attempt, ...] = ()
    pushes: tuple[Push, ...] = ()
