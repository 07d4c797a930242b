"""What leaves of a message on each line of one configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from datasms_daemon.config.lines import DatasmsLine, Line, SmsLine
from datasms_daemon.config.records import Config
from datasms_daemon.model import LineName, LineText
from datasms_daemon.rules.pipeline import Given, Pipeline, TooLong


class Content(Protocol):
    """What a sender gave, wherever it is kept."""

    @property
    def text(self) -> str: ...
    @property
    def title(self) -> str | None: ...
    @property
    def per_line(self) -> Mapping[str, LineText]: ...
    @property
    def nomodify(self) -> bool | None: ...


class Leaving(msgspec.Struct, frozen=True):
    """What a person gets on one line. ``alone``: in place of a content that may not leave there, so that neither title,
    attachments nor buttons go with it."""

    text: str
    title: str | None
    alone: bool = False


class Wording:
    """The words of messages on one line: a text of its own for this line or its driver, through the line's pipeline."""

    def __init__(self, name: LineName, driver: str, pipeline: Pipeline) -> None:
        self._name = name
        self._driver = driver
        self._pipeline = pipeline

    def leaving(self, content: Content, sender: str) -> Leaving | TooLong:
        """What would leave of it; TooLong: nothing may."""
        own = content.per_line.get(self._name) or content.per_line.get(self._driver)
        text = content.text if own is None else own.text
        alone = own is not None and own.notice
        title = None if alone else content.title
        left = self._pipeline.leaving(Given(text, sender, title, bool(content.nomodify)))
        return left if isinstance(left, TooLong) else Leaving(left, title, alone)

    def parts(self, text: str) -> int | None:
        """How many SMS a leaving text is; None where it does not travel in parts."""
        return self._pipeline.parts(text)


def wordings(config: Config) -> dict[LineName, Wording]:
    """That of every line, also of those that are disabled."""
    return {line.name: Wording(line.name, line.driver, _pipeline(config, line)) for line in config.line}


def to_devices(name: LineName) -> Wording:
    """For a line to devices that the configuration no longer has: texts leave as they are."""
    return Wording(name, DatasmsLine(name=name).driver, _pipeline(Config(), DatasmsLine(name=name)))


def _pipeline(config: Config, line: Line) -> Pipeline:
    return Pipeline(config.text.replace, line, line if isinstance(line, SmsLine) else None)
