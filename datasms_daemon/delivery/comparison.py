"""How stored messages would go by other rules than those in use. Nothing is sent and nothing is changed."""

from __future__ import annotations

from collections.abc import Iterable

from datasms_daemon.config.calendars import calendars_of
from datasms_daemon.config.records import Config
from datasms_daemon.delivery.accept import Acceptance
from datasms_daemon.delivery.number_files import NumberFiles
from datasms_daemon.model import Message, MessageId, Plan, Record, Refused
from datasms_daemon.rules.openings import Openings
from datasms_daemon.rules.operators import Operators
from datasms_daemon.rules.routing import Router
from datasms_daemon.store.store import Db

EXAMPLES = 3

Way = Plan | str
"""A plan (empty: no route), or why the message would be refused."""


class Difference(Record, frozen=True):
    """Messages that would go another way: how it is and how it would be, how many, the first of them."""

    before: Way
    after: Way
    messages: int
    examples: tuple[MessageId, ...]


class Comparison(Record, frozen=True):
    """How many messages were routed by both, how many of these without their text because it is forgotten, how many
    could not be because their recipient is; the differences, most messages first."""

    routed: int
    without_text: int
    without_recipient: int
    differences: tuple[Difference, ...]


class Rules:
    """The rules of one configuration, asked about messages that were accepted before. ConfigError: a file of calendars
    or numbers is not what it was when the configuration was checked."""

    def __init__(self, config: Config) -> None:
        calendars = calendars_of(config)
        numbers = NumberFiles(config)
        router = Router(config, calendars, numbers.lists)
        operators = Operators(config.operator, numbers.ported.get)
        self._acceptance = Acceptance(config, router, Openings(calendars), operators, numbers.lists, str, b"")

    def way(self, db: Db, message: Message) -> Way:
        """The way of a message, at the time it was accepted and with the directory of now."""
        found = self._acceptance.routed_again(db, message)
        return "; ".join(problem.detail for problem in found.problems) if isinstance(found, Refused) else found.plan


def compare(db: Db, messages: Iterable[Message], before: Rules, after: Rules) -> Comparison:
    """Routes each of the messages twice. The lines that requests asked for are not kept and do not count."""
    routed = without_text = without_recipient = 0
    found: dict[tuple[Way, Way], list[MessageId]] = {}
    for message in messages:
        if message.to is None and message.person is None:
            without_recipient += 1
            continue
        routed += 1
        without_text += not message.text
        ways = before.way(db, message), after.way(db, message)
        if ways[0] != ways[1]:
            found.setdefault(ways, []).append(message.id)
    most_first = sorted(found.items(), key=lambda each: len(each[1]), reverse=True)
    differences = tuple(Difference(*ways, len(ids), tuple(ids[:EXAMPLES])) for ways, ids in most_first)
    return Comparison(routed, without_text, without_recipient, differences)
