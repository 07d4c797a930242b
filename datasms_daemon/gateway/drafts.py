"""Message requests, checked against configuration and key, as drafts for the core. The hot path of the gateway."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from datasms_daemon.config.records import Config
from datasms_daemon.config.units import parse_duration
from datasms_daemon.gateway.ports import Core
from datasms_daemon.gateway.records import ButtonRequest, MessageRequest
from datasms_daemon.gateway.shapes import MAX_AHEAD_MS, MAX_MESSAGES, MAX_TTL_MS, TOO_FAR, WEB_ADDRESS
from datasms_daemon.model import Button, Draft, GroupId, Key, LineText, PersonId, Problem, Recipient
from datasms_daemon.web.problems import HttpProblem
from datasms_daemon.web.times import milliseconds

DEFAULT_PRIORITY = "normal"
_WEB_ADDRESS = re.compile(WEB_ADDRESS)


class Drafter:
    """Makes drafts of requests; knows the words of the running configuration."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._config: Config | None = None
        self._ranks: dict[str, int] = {}
        self._lines: frozenset[str] = frozenset()
        self._line_texts: frozenset[str] = frozenset()

    def drafts(self, requests: Sequence[MessageRequest], key: Key, prefixes: Sequence[str]) -> tuple[Draft, ...]:
        """One draft a request; ``prefixes`` are the pointers to where the requests stood.

        HttpProblem ``invalid`` with every fault of all of them: unknown priority, line or number, a priority or line
        that the key may not use.
        """
        self._refresh()
        problems: list[Problem] = []
        if sum(len(request.to) for request in requests) > MAX_MESSAGES:
            problems.append(Problem("", f"more than {MAX_MESSAGES} recipients in one request"))
        drafts = tuple(
            self._draft(request, key, prefix, problems) for request, prefix in zip(requests, prefixes, strict=True)
        )
        if problems:
            raise HttpProblem("invalid", "The request cannot be carried out", problems)
        return drafts

    def _refresh(self) -> None:
        config = self._core.config
        if config is self._config:
            return
        self._config = config
        self._ranks = {name: priority.rank for name, priority in config.priority.items()}
        self._lines = frozenset(str(line.name) for line in config.line)
        self._line_texts = self._lines | {line.driver for line in config.line}

    def _draft(self, request: MessageRequest, key: Key, prefix: str, problems: list[Problem]) -> Draft:
        priority = request.priority or DEFAULT_PRIORITY
        self._check_priority(priority, key, prefix, problems)
        if request.lines is not None:
            self._check_lines(request.lines, key, prefix, problems)
        if request.attachments:
            self._check_attachments(request.attachments, prefix, problems)
        for line in request.per_line:
            if line not in self._line_texts:
                problems.append(Problem(f"{prefix}/per_line/{line}", "there is no such line or driver"))
        return Draft(
            recipients=self._recipients(request.to, prefix, problems),
            text=request.text,
            priority=priority,
            title=request.title,
            class_=request.class_,
            send_at=None if request.send_at is None else self._send_at(request.send_at, prefix, problems),
            ttl_ms=None if request.ttl is None else _ttl(request.ttl, prefix, problems),
            reference=request.reference,
            cost_centre=request.cost_centre,
            per_line={line: LineText(text.text) for line, text in request.per_line.items()},
            lines=request.lines,
            pointer=prefix,
            nomodify=request.nomodify,
            attachments=request.attachments,
            buttons=tuple(
                _button(button, f"{prefix}/buttons/{index}", problems) for index, button in enumerate(request.buttons)
            ),
        )

    def _send_at(self, time: datetime, prefix: str, problems: list[Problem]) -> int:
        at = milliseconds(time)
        if at > self._core.now() + MAX_AHEAD_MS:
            problems.append(Problem(f"{prefix}/send_at", TOO_FAR))
        return at

    def _recipients(self, to: tuple[str, ...], prefix: str, problems: list[Problem]) -> tuple[Recipient, ...]:
        recipients = []
        for index, address in enumerate(to):
            pointer = f"{prefix}/to/{index}"
            if address.startswith("person:"):
                recipients.append(Recipient(pointer, person=PersonId(address[7:])))
            elif address.startswith("group:"):
                recipients.append(Recipient(pointer, group=GroupId(address[6:])))
            else:
                number = self._core.normalise(address)
                if number is None:
                    problems.append(Problem(pointer, "this is not a valid phone number"))
                recipients.append(Recipient(pointer, number))
        return tuple(recipients)

    def _check_attachments(self, ids: tuple[str, ...], prefix: str, problems: list[Problem]) -> None:
        most = self._core.config.attachments.max_per_message
        if len(ids) > most:
            problems.append(Problem(f"{prefix}/attachments", f"at most {most} attachments are taken with a message"))

    def _check_priority(self, priority: str, key: Key, prefix: str, problems: list[Problem]) -> None:
        rank = self._ranks.get(priority)
        if rank is None:
            known = ", ".join(sorted(self._ranks))
            problems.append(Problem(f"{prefix}/priority", f"unknown priority; there are {known}"))
        elif key.top_priority is not None and rank < self._ranks.get(key.top_priority, rank + 1):
            problems.append(Problem(f"{prefix}/priority", f"this key may use at most {key.top_priority}"))

    def _check_lines(self, lines: tuple[str, ...], key: Key, prefix: str, problems: list[Problem]) -> None:
        for index, line in enumerate(lines):
            if line not in self._lines:
                problems.append(Problem(f"{prefix}/lines/{index}", "there is no such line"))
            elif key.lines is not None and line not in key.lines:
                problems.append(Problem(f"{prefix}/lines/{index}", "this key may not use this line"))


def _button(button: ButtonRequest, pointer: str, problems: list[Problem]) -> Button:
    if button.url is None:
        return Button(button.text, button.text if button.reply is None else button.reply)
    if button.reply is not None:
        problems.append(Problem(f"{pointer}/url", "a button replies or opens a page: leave out url or reply"))
    elif _WEB_ADDRESS.fullmatch(button.url) is None:
        problems.append(Problem(f"{pointer}/url", "write an http or https address in ASCII, without a user name"))
    return Button(button.text, url=button.url)


def _ttl(text: str, prefix: str, problems: list[Problem]) -> int | None:
    ttl = parse_duration(text)
    if ttl is None or ttl > MAX_TTL_MS:
        problems.append(Problem(f"{prefix}/ttl", "write a duration as 90s, 5m, 2h or 3d, at most 31d"))
    return ttl
