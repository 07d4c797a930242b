"""Texts from outside: where they go and why."""

from __future__ import annotations

from datasms_daemon.model.words import PersonId, Record


class Destination(Record, frozen=True):
    """One place that a text goes to: ``account:NAME``, ``app:NAME``, ``webhook:NAME``, ``mail:ADDRESS``,
    ``forward:+420…`` or ``forward:person:ID``.

    ``text`` is what is passed on there, ``why`` the step or rule that chose it, ``priority`` that of a forwarded text.
    """

    target: str
    text: str
    why: str
    priority: str = "normal"


class InboundStep(Record, frozen=True):
    """One look of inbound routing: which step or rule, and what came of it."""

    step: str
    verdict: str


class InboundRoute(Record, frozen=True):
    """All destinations of a text, none when nobody wants it, and every look on the way."""

    destinations: tuple[Destination, ...]
    steps: tuple[InboundStep, ...]


class InboundExplanation(Record, frozen=True):
    """Where a text would go and why; ``person`` is who wrote, if he is known."""

    person: PersonId | None
    destinations: tuple[Destination, ...]
    steps: tuple[InboundStep, ...]
