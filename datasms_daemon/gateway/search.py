"""Messages and texts from outside as they are looked for: by filters, by words, whole archives part by part."""

from __future__ import annotations

from datasms_daemon.gateway.archive_records import ArchivedInboundQuery, ArchivedInboundView, ArchivedMessage
from datasms_daemon.gateway.messages import time_of
from datasms_daemon.gateway.ports import Core
from datasms_daemon.gateway.records import MessageItem, MessagesQuery, Page
from datasms_daemon.gateway.rights import OPERATE, READ, GatewayApi, sees
from datasms_daemon.gateway.tables import MEDIA, as_accepted
from datasms_daemon.gateway.views import archived_inbound_view, archived_message, message_item
from datasms_daemon.model import Dossier, Found, InboundSearch, Key, MessageQuery, Problem
from datasms_daemon.rules.search import words_of
from datasms_daemon.web.problems import HttpProblem
from datasms_daemon.web.routes import Call, Reply

_PROBLEMS = ("disk_full",)
"""Nobody reads others' messages without its being noted."""
_SAME = (
    "status", "person", "priority", "line", "reference", "class_", "code", "cost_centre", "after", "limit",
)  # fmt: skip
"""What the core is asked in the caller's own words."""


class Search:
    """The calls; ``add_to`` declares them. Each answers as JSON, CSV or one JSON object a line; the cursor of those two
    is in the Link header. What operators read of others is in the audit log."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def add_to(self, api: GatewayApi) -> None:
        """Declares the calls."""
        api.route(
            "GET",
            "/v1/messages",
            permission=READ,
            summary="Messages, newest first; go on for as long as there is a next, even after an empty part",
            query=MessagesQuery,
            answer=Page[MessageItem],
            media=MEDIA,
            problems=_PROBLEMS,
        )(self.messages)
        api.route(
            "GET",
            "/v1/archive/messages",
            permission=READ,
            summary="Messages with their texts, newest first; go on for as long as there is a next",
            query=MessagesQuery,
            answer=Page[ArchivedMessage],
            media=MEDIA,
            problems=_PROBLEMS,
        )(self.texts)
        api.route(
            "GET",
            "/v1/archive/inbound",
            permission=OPERATE,
            summary="Texts from outside for whomever, newest first; go on for as long as there is a next",
            query=ArchivedInboundQuery,
            answer=Page[ArchivedInboundView],
            media=MEDIA,
            problems=_PROBLEMS,
        )(self.inbound)

    async def messages(self, call: Call[Key, None, MessagesQuery]) -> Page[MessageItem] | Reply:
        """Without texts."""
        found = await self._find(call.query, call.caller, "messages listed")
        return as_accepted(call, Page(tuple(map(message_item, found.items)), found.next), MessageItem)

    async def texts(self, call: Call[Key, None, MessagesQuery]) -> Page[ArchivedMessage] | Reply:
        """With texts."""
        found = await self._find(call.query, call.caller, "texts read")
        return as_accepted(call, Page(tuple(map(archived_message, found.items)), found.next), ArchivedMessage)

    async def inbound(self, call: Call[Key, None, ArchivedInboundQuery]) -> Page[ArchivedInboundView] | Reply:
        """From outside."""
        asked, problems = call.query, list[Problem]()
        words, since, until = _looked_for(asked, problems)
        if problems:
            raise HttpProblem("invalid", "A query parameter cannot be used", problems)
        query = InboundSearch(
            line=asked.line,
            # A text may also come from a short code or a name, which is no number.
            from_=None if asked.from_ is None else self._core.normalise(asked.from_) or asked.from_,
            to=asked.to,
            person=asked.person,
            target=asked.target,
            words=words,
            since=since,
            until=until,
            after=asked.after,
            limit=asked.limit,
        )
        found = await self._core.search.inbound(query, call.caller.name, "inbound texts read")
        page = Page(tuple(map(archived_inbound_view, found.items)), found.next)
        return as_accepted(call, page, ArchivedInboundView)

    async def _find(self, asked: MessagesQuery, key: Key, what: str) -> Found[Dossier]:
        own = sees(key)
        query = self._query(asked, own)
        if own is None:
            return await self._core.search.messages(query, key.name, what)
        if asked.sender not in (None, own):
            return Found((), None)
        return await self._core.search.messages(query, None, what)

    def _query(self, asked: MessagesQuery, own: str | None) -> MessageQuery:
        problems: list[Problem] = []
        number = None if asked.to is None else self._core.normalise(asked.to)
        if asked.to is not None and number is None:
            problems.append(Problem("/to", "this is not a valid phone number"))
        words, since, until = _looked_for(asked, problems)
        if problems:
            raise HttpProblem("invalid", "A query parameter cannot be used", problems)
        same = {name: getattr(asked, name) for name in _SAME}
        return MessageQuery(
            **same, sender=asked.sender if own is None else own, to=number, words=words, since=since, until=until
        )


def _looked_for(
    asked: MessagesQuery | ArchivedInboundQuery, problems: list[Problem]
) -> tuple[tuple[str, ...], int | None, int | None]:
    """Words, since, until; what is wrong with them is added to the problems."""
    words = () if asked.q is None else words_of(asked.q)
    if asked.q is not None and not words:
        problems.append(Problem("/q", "holds nothing to look for"))
    return words, time_of("since", asked.since, problems), time_of("until", asked.until, problems)
