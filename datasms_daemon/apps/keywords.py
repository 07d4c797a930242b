"""An information service: whoever sends a keyword gets the text that belongs to it.

The options are the keywords and their answers; ``*`` answers everything else, which is left unanswered without it. A
keyword is the first word of a text, whatever its case.
"""

from __future__ import annotations

from collections.abc import Mapping

from zope.interface import implementer

from datasms_daemon.interfaces import IApplication, IApplicationHost, IApplicationPlugin
from datasms_daemon.model import ReceivedText, SentNotice

ANYTHING = "*"


@implementer(IApplication)
class Keywords:
    """Answers keywords."""

    def __init__(self, answers: Mapping[str, str]) -> None:
        """ValueError: an answer or a keyword that cannot be used."""
        self._answers = {keyword.casefold(): answer for keyword, answer in answers.items()}
        if not answers:
            raise ValueError("no keyword has an answer")
        for keyword, answer in answers.items():
            if len(keyword.split()) != 1 or not answer:
                raise ValueError(f"{keyword!r} is no keyword with an answer")
        self._host: IApplicationHost | None = None

    async def init(self, host: IApplicationHost) -> None:
        """See IApplication."""
        self._host = host

    async def received(self, text: ReceivedText) -> None:
        """See IApplication."""
        assert self._host is not None, "init comes first"
        words = text.text.split(maxsplit=1)
        keyword = words[0].casefold() if words else ""
        answer = self._answers.get(keyword, self._answers.get(ANYTHING))
        if answer is not None:
            try:
                await self._host.reply(text.id, answer)
            except ValueError:
                # Who has no number, or may not be written to, gets no answer; asking again would change nothing.
                return

    async def notification(self, notice: SentNotice) -> None:
        """See IApplication."""

    async def idle(self) -> None:
        """See IApplication."""

    async def shutdown(self) -> None:
        """See IApplication."""


@implementer(IApplicationPlugin)
class KeywordsPlugin:
    """Makes keyword services."""

    name = "keywords"

    def application(self, options: Mapping[str, str]) -> Keywords:
        """See IApplicationPlugin."""
        return Keywords(options)


PLUGIN = KeywordsPlugin()
