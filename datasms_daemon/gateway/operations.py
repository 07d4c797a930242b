"""Lines, dead messages, keys, and how the daemon is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST

from datasms_daemon import __version__
from datasms_daemon.gateway.ports import Core
from datasms_daemon.gateway.records import (
    Items,
    KeyRequest,
    KeyView,
    MessageItem,
    NewKeyView,
    Page,
    PageQuery,
    ResendAnswer,
    StateAnswer,
    VersionAnswer,
)
from datasms_daemon.gateway.rights import ADMIN, ANY, OPERATE, READ, GatewayApi
from datasms_daemon.gateway.shapes import (
    Cursor,
    Word,
)
from datasms_daemon.gateway.views import key_view, message_item
from datasms_daemon.model import ChannelView, Conflict, Key, LineView, MessageId, Problem, Verdict
from datasms_daemon.web.bodies import Json
from datasms_daemon.web.problems import HttpProblem
from datasms_daemon.web.routes import PUBLIC, Call, Reply
from datasms_daemon.web.times import milliseconds

_LINE = {"name": Word}
_READY_RETRY_S = 5

T = TypeVar("T")


class Operations:
    """The calls of operators; ``add_to`` declares them. ``metrics_render`` gives the text that Prometheus reads."""

    def __init__(self, core: Core, metrics_render: Callable[[], bytes]) -> None:
        self._core = core
        self._metrics_render = metrics_render

    def add_to(self, api: GatewayApi) -> None:
        """Declares the calls."""
        self._add_lines(api)
        self._add_channels(api)
        self._add_dead(api)
        self._add_keys(api)
        self._add_state(api)

    def _add_lines(self, api: GatewayApi) -> None:
        api.route("GET", "/v1/lines", permission=OPERATE, summary="All lines", answer=Items[LineView])(self.lines)
        api.route(
            "POST",
            "/v1/lines/<name>/pause",
            permission=OPERATE,
            summary="Hand nothing more over to a line",
            answer=LineView,
            parameters=_LINE,
        )(self.pause)
        api.route(
            "POST",
            "/v1/lines/<name>/resume",
            permission=OPERATE,
            summary="End a pause or a reached day limit",
            answer=LineView,
            parameters=_LINE,
        )(self.resume)

    def _add_channels(self, api: GatewayApi) -> None:
        api.route("GET", "/v1/channels", permission=OPERATE, summary="All channels", answer=Items[ChannelView])(
            self.channels
        )
        api.route(
            "POST",
            "/v1/channels/<name>/test",
            permission=OPERATE,
            summary="Prove a channel's credentials and settings to its service; reaches nobody",
            answer=Verdict,
            parameters=_LINE,
        )(self.test_channel)
        api.route(
            "POST",
            "/v1/channels/<name>/resume",
            permission=OPERATE,
            summary="Believe the service again that addresses are gone, after too many at once",
            answer=ChannelView,
            parameters=_LINE,
        )(self.resume_channel)

    def _add_dead(self, api: GatewayApi) -> None:
        api.route(
            "GET",
            "/v1/dead",
            permission=OPERATE,
            summary="Messages that did not arrive and will not be tried again",
            query=PageQuery,
            answer=Page[MessageItem],
            problems=("disk_full",),
        )(self.dead)
        api.route(
            "POST",
            "/v1/dead/<id>/resend",
            permission=OPERATE,
            summary="Send the content of a dead message as a new one",
            answer=ResendAnswer,
            status=202,
            problems=("conflict", "disk_full"),
            parameters={"id": Cursor},
        )(self.resend)

    def _add_keys(self, api: GatewayApi) -> None:
        api.route("GET", "/v1/keys", permission=ADMIN, summary="All keys", answer=Items[KeyView])(self.keys)
        api.route(
            "POST",
            "/v1/keys",
            permission=ADMIN,
            summary="A new key; its secret is in this answer and nowhere else",
            body=Json(KeyRequest),
            answer=NewKeyView,
            status=201,
        )(self.add_key)
        api.route("DELETE", "/v1/keys/<id>", permission=ADMIN, summary="Take a key away", parameters={"id": Cursor})(
            self.delete_key
        )

    def _add_state(self, api: GatewayApi) -> None:
        api.route("GET", "/health/live", permission=PUBLIC, summary="Whether the process answers", answer=StateAnswer)(
            self.live
        )
        api.route(
            "GET",
            "/health/ready",
            permission=PUBLIC,
            summary="Whether messages are taken",
            answer=StateAnswer,
            problems=("unavailable",),
        )(self.ready)
        api.route(
            "GET",
            "/metrics",
            permission=READ,
            summary="Figures for Prometheus",
            answer=str,
            media=("text/plain",),
        )(self.metrics)
        api.route("GET", "/version", permission=ANY, summary="The daemon's version", answer=VersionAnswer)(self.version)

    async def lines(self, call: Call[Key, None, None]) -> Items[LineView]:
        """All of them."""
        return Items(await self._core.lines())

    async def pause(self, call: Call[Key, None, None]) -> LineView:
        """The line as it is then."""
        return _found(await self._core.pause(call.path["name"], call.caller.name))

    async def resume(self, call: Call[Key, None, None]) -> LineView:
        """The line as it is then."""
        return _found(await self._core.resume(call.path["name"], call.caller.name))

    async def channels(self, call: Call[Key, None, None]) -> Items[ChannelView]:
        """All of them."""
        return Items(await self._core.channels.all())

    async def test_channel(self, call: Call[Key, None, None]) -> Verdict:
        """A bad verdict is a good answer."""
        return _found(await self._core.channels.test(call.path["name"]))

    async def resume_channel(self, call: Call[Key, None, None]) -> ChannelView:
        """The channel as it is then."""
        return _found(await self._core.channels.resume(call.path["name"], call.caller.name))

    async def dead(self, call: Call[Key, None, PageQuery]) -> Page[MessageItem]:
        """A page."""
        after = None if call.query.after is None else MessageId(call.query.after)
        found = await self._core.search.dead(after, call.query.limit, call.caller.name)
        return Page(tuple(map(message_item, found.items)), found.next)

    async def resend(self, call: Call[Key, None, None]) -> Reply:
        """The new message's id."""
        result = await self._core.resend(MessageId(call.path["id"]), call.caller.name)
        if result is None:
            raise HttpProblem("not_found")
        if isinstance(result, Conflict):
            raise HttpProblem("conflict", f"The message is {result.state}: {result.detail}")
        return Reply(ResendAnswer(result), headers=((b"Location", b"/v1/messages/" + result.encode("ascii")),))

    async def keys(self, call: Call[Key, None, None]) -> Items[KeyView]:
        """All of them, without secrets."""
        return Items(tuple(map(key_view, await self._core.keys())))

    async def add_key(self, call: Call[Key, KeyRequest, None]) -> NewKeyView:
        """The key and its secret."""
        asked = call.body
        expires_at = None if asked.expires_at is None else milliseconds(asked.expires_at)
        self._check_key(asked, expires_at)
        rights = tuple(dict.fromkeys(asked.rights))
        key, secret = await self._core.add_key(
            asked.name, rights, asked.top_priority, asked.lines, asked.rate, expires_at, call.caller.name
        )
        return NewKeyView(**msgspec.structs.asdict(key_view(key)), secret=secret)

    async def delete_key(self, call: Call[Key, None, None]) -> None:
        """404 when there was none."""
        _found(await self._core.delete_key(call.path["id"], call.caller.name) or None)

    async def live(self, call: Call[Key, None, None]) -> StateAnswer:
        """Always."""
        return StateAnswer()

    async def ready(self, call: Call[Key, None, None]) -> StateAnswer:
        """503 with the reason otherwise."""
        reason = self._core.not_ready()
        if reason is not None:
            raise HttpProblem("unavailable", reason, retry_after=_READY_RETRY_S)
        return StateAnswer()

    async def metrics(self, call: Call[Key, None, None]) -> Reply:
        """Prometheus' text format."""
        return Reply(self._metrics_render(), media=CONTENT_TYPE_LATEST.encode("ascii"))

    async def version(self, call: Call[Key, None, None]) -> VersionAnswer:
        """For those with a key only."""
        return VersionAnswer(__version__)

    def _check_key(self, asked: KeyRequest, expires_at: int | None) -> None:
        config = self._core.config
        problems = []
        if asked.top_priority is not None and asked.top_priority not in config.priority:
            problems.append(
                Problem("/top_priority", f"unknown priority; there are {', '.join(sorted(config.priority))}")
            )
        known = {str(line.name) for line in config.line}
        for index, line in enumerate(asked.lines or ()):
            if line not in known:
                problems.append(Problem(f"/lines/{index}", "there is no such line"))
        if expires_at is not None and expires_at <= self._core.now():
            problems.append(Problem("/expires_at", "is over"))
        if problems:
            raise HttpProblem("invalid", "The request cannot be carried out", problems)


def _found(found: T | None) -> T:
    if found is None:
        raise HttpProblem("not_found")
    return found
