"""Acceptance: one transaction takes a whole submission in, or nothing of it (I1, I3, I5).

Recipients are looked up, routed and stored inside it. Where a line to devices has room at that moment the first attempt
is opened in the same transaction, so that a message costs one wait for the disk and not two; everything else is left
ready for its line.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from functools import lru_cache

import msgspec
from msgspec import structs

from datasms_daemon.config.records import Config, SenderOptions
from datasms_daemon.crypto import binding
from datasms_daemon.delivery.explaining import Explainer, Moment
from datasms_daemon.delivery.handover import Begun, LineFacts, count_handovers, prepare
from datasms_daemon.delivery.limits import take_in
from datasms_daemon.delivery.recipients import Recipients, Target, attached
from datasms_daemon.delivery.wording import Leaving, wordings
from datasms_daemon.model import (
    AcceptedMessage,
    AcceptedSubmission,
    Attachment,
    Device,
    Draft,
    Event,
    Explanation,
    KeyReused,
    Limited,
    Limits,
    LineName,
    Message,
    MessageId,
    Problem,
    Progress,
    Recipient,
    Refused,
    Submission,
)
from datasms_daemon.rules import lifecycle
from datasms_daemon.rules.classes import Classes
from datasms_daemon.rules.days import Day
from datasms_daemon.rules.openings import Openings
from datasms_daemon.rules.operators import UNKNOWN, Operators
from datasms_daemon.rules.routing import Facts, Routed, Router
from datasms_daemon.rules.senders import Permission, Senders, permission
from datasms_daemon.store import attachments, messages, operations
from datasms_daemon.store.rows import NewMessage, Sealed
from datasms_daemon.store.store import Db

# Those who have keys; their number has no bound, what is remembered of them has.
_REMEMBERED = 4096

NO_LINES: frozenset[LineName] = frozenset()


class Taken(msgspec.Struct, frozen=True):
    """What an acceptance committed: the answer, hand-overs already claimed by line, and where the messages stand."""

    answer: AcceptedSubmission | Refused | Limited | KeyReused
    begun: Mapping[LineName, tuple[Begun, ...]] = {}
    placed: tuple[Progress, ...] = ()


class Acceptance:
    """The rules of one configuration, applied to submissions; a reload makes a new one."""

    def __init__(
        self,
        config: Config,
        router: Router,
        openings: Openings,
        operators: Operators,
        lists: Mapping[str, Container[str]],
        new_id: Callable[[], str],
        mac_key: bytes,
    ) -> None:
        self._config = config
        self._router = router
        self._openings = openings
        self._operators = operators
        self.reads_operator = router.reads_operator
        self.reads_unusable = router.reads_unusable
        self._new_id = new_id
        self._mac_key = mac_key
        self.senders = Senders(config.sender_defaults, config.sender, config.sender_group)
        self._permission = _permissions(config, self.senders, lists)
        self._classes = Classes(config.class_)
        self._explainer = Explainer(config, self.senders, wordings(config), openings)
        self._recipients = Recipients(
            self._classes, self._permission, reads_groups=router.reads_groups, has_calendars=bool(config.calendar)
        )

    def take(
        self, db: Db, submission: Submission, now: int, day: Day, lines: Mapping[LineName, LineFacts],
        room: Mapping[LineName, int], unusable: frozenset[LineName] = NO_LINES,
    ) -> Taken:  # fmt: skip
        """The unit of an acceptance; claims at most ``room`` messages for each of ``lines`` at once. Lines that are
        ``unusable`` now are passed over where they have a backup."""
        asked = submission.idempotency
        if asked is not None and (before := operations.answered(db, submission.sender, asked)) is not None:
            return Taken(_replayed(*before))
        targets, problems = self._recipients.targets(db, submission)
        files_of = attached(db, submission, now, problems)
        if problems:
            return Taken(Refused(tuple(problems)))
        account = self.senders.of(submission.sender)
        if (limited := take_in(db, self._config, account, submission, targets, now, day)) is not None:
            return Taken(limited)
        id_ = self._new_id()
        placed = [
            (self._message(submission, id_, draft, target, files, now, unusable), target.devices)
            for draft, found, files in zip(submission.drafts, targets, files_of, strict=True)
            for target in found
        ]
        new = self._claim([one for one, _ in placed], now, lines, room)
        messages.insert(db, new)
        self._attach(db, new)
        begun = self._begun(db, new, [devices for _, devices in placed], now, day.name, lines)
        answer = AcceptedSubmission(
            id_, tuple(AcceptedMessage(one.progress.id, one.sealed.message.to, one.progress.state) for one in new)
        )
        if asked is not None:
            operations.remember(db, submission.sender, asked, id_, msgspec.json.encode(answer).decode(), now)
        return Taken(answer, begun, tuple(one.progress for one in new))

    def explain(self, db: Db, submission: Submission, moment: Moment) -> tuple[Explanation, ...] | Refused:
        """How each recipient's message would go at that moment, why, and what bounds it; nothing is stored."""
        targets, problems = self._recipients.targets(db, submission)
        attached(db, submission, moment.at, problems)
        if problems:
            return Refused(tuple(problems))
        explainer = self._explainer
        foreseen = explainer.foreseen(db, submission, targets, moment)
        return tuple(
            self._explained(
                submission, draft, target, moment, explainer.limits(db, submission, draft, target, moment, foreseen)
            )
            for draft, found in zip(submission.drafts, targets, strict=True)
            for target in found
        )

    def routed_again(self, db: Db, message: Message) -> Routed | Refused:
        """How a message that was accepted before would go if it were accepted at that time by these rules."""
        if message.priority not in self._config.priority:
            return Refused((Problem("/priority", f"there is no priority {message.priority}"),))
        recipient = Recipient("/to/0", number=message.to, person=message.person if message.to is None else None)
        draft = Draft((recipient,), message.text, message.priority, message.title, message.class_, lines=message.lines)
        submission = Submission(message.sender, (draft,))
        targets, problems = self._recipients.targets(db, submission)
        if problems:
            return Refused(tuple(problems))
        ((target,),) = targets
        return self._routed(submission, draft, target, message.created_at, NO_LINES)

    def numbers(self, db: Db, submission: Submission) -> list[str]:
        """The phone numbers that a submission would go to."""
        targets, _ = self._recipients.targets(db, submission)
        return [target.to for found in targets for target in found if target.to is not None]

    # --- what is stored ----------------------------------------------------------------------------------------------

    def _routed(
        self, submission: Submission, draft: Draft, target: Target, now: int, unusable: frozenset[LineName]
    ) -> Routed:
        facts = Facts(
            priority=draft.priority,
            sender=submission.sender,
            to=target.to,
            operator=self._operators.of(target.to) if self.reads_operator else UNKNOWN,
            now=now,
            sender_groups=self.senders.of(submission.sender).groups,
            person=target.person,
            groups=target.groups,
            class_=draft.class_,
            has_device=bool(target.devices),
            text=draft.text,
            lines=draft.lines,
            allowed_lines=self._permission(submission.sender).lines_with(submission.allowed_lines),
            calendars=self._calendars(submission.sender) + target.calendars,
            unusable=unusable,
            confined=self._classes.confined(draft.class_),
        )
        return self._router.plan(facts)

    def _is_verbatim(self, sender: str, draft: Draft) -> bool:
        return bool(self.senders.of(sender).options.nomodify) if draft.nomodify is None else draft.nomodify

    def _calendars(self, sender: str) -> tuple[str, ...]:
        own = self.senders.of(sender).options.calendar
        return (own,) if own else ()

    def _message(
        self,
        submission: Submission,
        submission_id: str,
        draft: Draft,
        target: Target,
        files: tuple[Attachment, ...],
        now: int,
        unusable: frozenset[LineName],
    ) -> NewMessage:
        routed = self._routed(submission, draft, target, now, unusable)
        per_line = draft.per_line | self._classes.notices(routed.plan, draft.class_)
        priority = self._config.priority[draft.priority]
        id_ = MessageId(self._new_id())
        starts = max(now, draft.send_at or now)
        valid_until = starts + (priority.ttl if draft.ttl_ms is None else draft.ttl_ms)
        message = Message(
            id_, submission_id, submission.sender, target.to, target.person, draft.priority, draft.class_, draft.title,
            draft.text, draft.reference, now, draft.send_at, valid_until, per_line, draft.resend_of,
            draft.cost_centre or self.senders.of(submission.sender).options.cost_centre,
            self._is_verbatim(submission.sender, draft), files, submission.lines(draft), draft.buttons,
        )  # fmt: skip
        mac = binding.bind(
            self._mac_key, id_, target.to, target.person, draft.text, draft.title, per_line, files, draft.buttons
        )
        begun = lifecycle.begin(id_, routed.plan, now, draft.send_at, valid_until, self._openings, priority.ndr_after)
        events = (_accepted(now, routed), *begun.events)
        return NewMessage(Sealed(message, mac), priority.rank, begun.progress, events)

    def _attach(self, db: Db, new: list[NewMessage]) -> None:
        for one in new:
            message = one.sealed.message
            if message.attachments:
                keep_until = message.valid_until + self._config.attachments.keep
                attachments.attach(db, message.id, message.attachments, keep_until)

    def _claim(
        self, new: list[NewMessage], now: int, lines: Mapping[LineName, LineFacts], room: Mapping[LineName, int]
    ) -> list[NewMessage]:
        left = dict(room)
        claimed = []
        for one in new:
            line = one.progress.ready
            if line is not None and left.get(line, 0) > 0 and line in lines:
                decision = lifecycle.claim(one.progress, now, lines[line].lease_ms, self._openings)
                if decision is not None and decision.attempt is not None:
                    left[line] -= 1
                    progress = structs.replace(decision.progress, gen=one.progress.gen)
                    one = structs.replace(one, progress=progress, opened=decision.attempt)
            claimed.append(one)
        return claimed

    def _begun(
        self,
        db: Db,
        new: list[NewMessage],
        devices: list[tuple[Device, ...]],
        now: int,
        today: str,
        lines: Mapping[LineName, LineFacts],
    ) -> Mapping[LineName, tuple[Begun, ...]]:
        made: dict[LineName, list[Begun]] = {}
        for one, reached in zip(new, devices, strict=True):
            if one.opened is not None:
                line = lines[LineName(one.opened.line)]
                urgent = self._config.priority[one.sealed.message.priority].urgent
                leaving = line.wording.leaving(one.sealed.message, one.sealed.message.sender)
                assert isinstance(leaving, Leaving), "devices take texts of any length"
                handover = prepare(db, one.sealed.message, leaving, line, one.opened.n, urgent, reached)
                line.costs.keep(db, one.sealed.message, one.progress, handover.text)
                made.setdefault(line.name, []).append(Begun(handover, one.progress))
        for name, begun in made.items():
            count_handovers(db, lines[name], today, len(begun), now)
        return {name: tuple(begun) for name, begun in made.items()}

    def _explained(
        self, submission: Submission, draft: Draft, target: Target, moment: Moment, limits: Limits
    ) -> Explanation:
        routed = self._routed(submission, draft, target, moment.at, moment.unusable)
        per_line = draft.per_line | self._classes.notices(routed.plan, draft.class_)
        draft = structs.replace(draft, nomodify=self._is_verbatim(submission.sender, draft), per_line=per_line)
        steps, refused = self._explainer.steps(draft, routed.plan, submission.sender, moment)
        operator = self._operators.of(target.to)
        return Explanation(
            target.to, target.person, routed.rules, steps, (*routed.skipped, *refused), operator,
            self._router.rule_set(operator), limits,
        )  # fmt: skip


def _permissions(
    config: Config, senders: Senders[SenderOptions], lists: Mapping[str, Container[str]]
) -> Callable[[str], Permission]:
    """What each sender may do. It knows no acceptance: what a reload replaces must go without a garbage collection."""
    lines = [line.name for line in config.line]
    return lru_cache(_REMEMBERED)(lambda sender: permission(senders.of(sender).options, lines, config.alias, lists))


def _accepted(now: int, routed: Routed) -> Event:
    detail: dict[str, str | int | bool | None] = {
        "rules": ", ".join(routed.rules) or None,
        "lines": ", ".join(step.line for step in routed.plan) or None,
    }
    if routed.skipped:
        detail["skipped"] = "; ".join(f"{line.line}: {line.reason}" for line in routed.skipped)
    return Event(now, "accepted", detail)


def _replayed(is_same: bool, answer: str) -> AcceptedSubmission | KeyReused:
    if not is_same:
        return KeyReused()
    before = msgspec.json.decode(answer, type=AcceptedSubmission)
    return structs.replace(before, replayed=True)
