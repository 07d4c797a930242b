"""Who the drafts of a submission go to, and whether their sender may write to them."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from datasms_daemon.model import Attachment, Device, PersonId, Problem, Recipient, Submission
from datasms_daemon.rules.classes import Classes
from datasms_daemon.rules.senders import Permission
from datasms_daemon.store import attachments, directory
from datasms_daemon.store.store import Db

NO_GROUPS: frozenset[str] = frozenset()


class Target(msgspec.Struct, frozen=True):
    """One person or number a draft goes to, with what routing must know of it."""

    to: str | None
    person: PersonId | None
    pointer: str
    groups: frozenset[str] = NO_GROUPS
    devices: tuple[Device, ...] = ()
    calendars: tuple[str, ...] = ()


class Recipients:
    """Looks them up in the directory; groups and calendars only where the configuration asks for them."""

    def __init__(
        self, classes: Classes, permission: Callable[[str], Permission], *, reads_groups: bool, has_calendars: bool
    ) -> None:
        self._classes = classes
        self._permission = permission
        self._reads_groups = reads_groups
        self._has_calendars = has_calendars

    def targets(self, db: Db, submission: Submission) -> tuple[list[list[Target]], list[Problem]]:
        """The targets of each draft, and whatever must be right before any of them may be written to."""
        targets, problems = [], []
        may = self._permission(submission.sender)
        for draft in submission.drafts:
            if draft.class_ is not None and self._classes.names and draft.class_ not in self._classes.names:
                known = ", ".join(sorted(self._classes.names))
                problems.append(Problem(f"{draft.pointer}/class", f"unknown class; there are {known}"))
            if may.priority is not None and not may.priority(draft.priority):
                problems.append(Problem(f"{draft.pointer}/priority", f"this sender may not use {draft.priority}"))
            found: list[tuple[Recipient, list[Target]]] = []
            for recipient in draft.recipients:
                reached = self._reached(db, recipient)
                if isinstance(reached, Problem):
                    problems.append(reached)
                elif may.number is not None and (refused := [one for one in reached if not may.number(one.to)]):
                    problems.append(Problem(recipient.pointer, _refusal(recipient, refused[0])))
                else:
                    found.append((recipient, reached))
            targets.append(_once(found))
        return targets, problems

    def _reached(self, db: Db, recipient: Recipient) -> list[Target] | Problem:
        pointer = recipient.pointer
        if recipient.number is not None:
            owner = directory.owner(db, recipient.number)
            if owner is None:
                return [Target(recipient.number, None, pointer)]
            return [self._target(db, owner, recipient.number, pointer)]
        if recipient.person is not None:
            if directory.person(db, recipient.person) is None:
                return Problem(pointer, f"there is no person {recipient.person}")
            return [self._target(db, recipient.person, directory.first_number(db, recipient.person), pointer)]
        if recipient.group is None:
            return Problem(pointer, "names nobody")
        members = directory.members_below(db, recipient.group)
        if members is None:
            return Problem(pointer, f"there is no group {recipient.group}")
        if not members:
            return Problem(pointer, f"group {recipient.group} has no members")
        return [self._target(db, member, directory.first_number(db, member), pointer) for member in members]

    def _target(self, db: Db, person: PersonId, number: str | None, pointer: str) -> Target:
        groups = directory.groups_of(db, person) if self._reads_groups else NO_GROUPS
        calendars = directory.calendars_of(db, person) if self._has_calendars else ()
        return Target(number, person, pointer, groups, directory.active_devices(db, person), calendars)


def attached(db: Db, submission: Submission, now: int, problems: list[Problem]) -> list[tuple[Attachment, ...]]:
    """The attachments of each draft; what is not the sender's or has expired goes to ``problems``."""
    found = []
    for draft in submission.drafts:
        files = dict[str, Attachment]()
        for index, id_ in enumerate(draft.attachments):
            known = attachments.of_sender(db, submission.sender, id_, now)
            if known is None:
                pointer = f"{draft.pointer}/attachments/{index}"
                problems.append(Problem(pointer, "there is no such attachment, or it has expired"))
            else:
                # One that is named twice is sent once.
                files[id_] = known.attachment
        found.append(tuple(files.values()))
    return found


def _once(found: list[tuple[Recipient, list[Target]]]) -> list[Target]:
    """One who is named twice, or as himself and in a group, gets the message once; where one of his numbers is named,
    there."""
    by_number = {target.person for recipient, reached in found if recipient.number is not None for target in reached}
    once: dict[tuple[str | None, PersonId | None], Target] = {}
    for recipient, reached in found:
        for target in reached:
            if recipient.number is not None or target.person not in by_number:
                once[target.to, target.person] = target
    return list(once.values())


def _refusal(recipient: Recipient, target: Target) -> str:
    if recipient.number is not None:
        return "this sender may not write to this number"
    among = "" if recipient.group is None else f" in group {recipient.group}"
    return f"this sender may not write to person {target.person}{among}"
