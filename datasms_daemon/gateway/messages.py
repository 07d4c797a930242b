"""Messages as they are followed and changed, and what came in."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from twisted.internet.interfaces import IReactorTime

from datasms_daemon.gateway.inbound_records import InboundQuery, InboundView
from datasms_daemon.gateway.ports import Core
from datasms_daemon.gateway.records import (
    EventView,
    Items,
    MessageView,
    Page,
    RescheduleRequest,
    WaitQuery,
)
from datasms_daemon.gateway.rights import CHANGE, INBOUND, READ, GatewayApi, sees
from datasms_daemon.gateway.shapes import (
    MAX_AHEAD_MS,
    TOO_FAR,
    Cursor,
)
from datasms_daemon.gateway.views import event_view, inbound_view, message_view
from datasms_daemon.model import Conflict, Dossier, Inbound, Key, MessageId, Problem
from datasms_daemon.web.bodies import Json
from datasms_daemon.web.problems import HttpProblem
from datasms_daemon.web.routes import Call
from datasms_daemon.web.times import parse_time
from datasms_daemon.web.waiting import Signal

TOO_MANY_RETRY_S = 10

_BY_ID = {"id": Cursor}

T = TypeVar("T")


class Messages:
    """The calls on messages that exist; ``add_to`` declares them."""

    def __init__(self, core: Core, reactor: IReactorTime) -> None:
        self._core = core
        self._reactor = reactor

    def add_to(self, api: GatewayApi) -> None:
        """Declares the calls."""
        self._add_reading(api)
        self._add_changing(api)
        api.route(
            "GET",
            "/v1/inbound",
            permission=INBOUND,
            summary="Texts from outside for this sender, oldest first; next is where to go on",
            query=InboundQuery,
            answer=Page[InboundView],
        )(self.inbound)

    def _add_reading(self, api: GatewayApi) -> None:
        api.route(
            "GET",
            "/v1/messages/<id>",
            permission=READ,
            summary="One message; with wait, as soon as it changed or is final",
            query=WaitQuery,
            answer=MessageView,
            parameters=_BY_ID,
        )(self.get)
        api.route(
            "GET",
            "/v1/messages/<id>/trace",
            permission=READ,
            summary="What was decided about a message and why",
            answer=Items[EventView],
            parameters=_BY_ID,
        )(self.trace)

    def _add_changing(self, api: GatewayApi) -> None:
        api.route(
            "PATCH",
            "/v1/messages/<id>",
            permission=CHANGE,
            summary="Send at another time, while nothing was tried",
            body=Json(RescheduleRequest),
            answer=MessageView,
            problems=("conflict",),
            parameters=_BY_ID,
        )(self.reschedule)
        api.route(
            "DELETE",
            "/v1/messages/<id>",
            permission=CHANGE,
            summary="Cancel what is not yet handed over",
            answer=MessageView,
            problems=("conflict",),
            parameters=_BY_ID,
        )(self.cancel)

    async def get(self, call: Call[Key, None, WaitQuery]) -> MessageView:
        """One message, at once or after a change."""
        id_, sender = MessageId(call.path["id"]), sees(call.caller)

        def watch(changed: Callable[[], None]) -> Callable[[], None]:
            return self._core.watch(id_, changed)

        found = _found(await self._core.dossier(id_, sender))
        if call.query.wait and not found.progress.state.is_final:
            with Signal(self._reactor, call.request, call.query.wait, watch) as signal:
                now = _found(await self._core.dossier(id_, sender))
                while now.progress == found.progress and await signal.wait():
                    now = _found(await self._core.dossier(id_, sender))
                found = now
        return message_view(found)

    async def trace(self, call: Call[Key, None, None]) -> Items[EventView]:
        """Every decision."""
        events = _found(await self._core.trace(MessageId(call.path["id"]), sees(call.caller)))
        return Items(tuple(event_view(event) for event in events))

    async def reschedule(self, call: Call[Key, RescheduleRequest, None]) -> MessageView:
        """Another time."""
        text = call.body.send_at
        send_at = None if text == "now" else parse_time(text)
        if send_at is None and text != "now":
            fault = Problem("/send_at", "write now, or a time with offset as 2026-11-24T08:00:00+01:00")
            raise HttpProblem("invalid", "The request cannot be carried out", [fault])
        if send_at is not None and send_at > self._core.now() + MAX_AHEAD_MS:
            raise HttpProblem("invalid", "The request cannot be carried out", [Problem("/send_at", TOO_FAR)])
        id_ = MessageId(call.path["id"])
        return _changed(await self._core.reschedule(id_, sees(call.caller), call.caller.name, send_at))

    async def cancel(self, call: Call[Key, None, None]) -> MessageView:
        """No further try."""
        id_ = MessageId(call.path["id"])
        return _changed(await self._core.cancel(id_, sees(call.caller), call.caller.name))

    async def inbound(self, call: Call[Key, None, InboundQuery]) -> Page[InboundView]:
        """What came in after the cursor, at once or as soon as there is something."""
        sender, after, limit = call.caller.name, int(call.query.after), call.query.limit
        found = await self._core.inbound(sender, after, limit)
        if call.query.wait and not found:
            with Signal(self._reactor, call.request, call.query.wait, partial(self._watch_inbound, sender)) as signal:
                found = await self._core.inbound(sender, after, limit)
                while not found and await signal.wait():
                    found = await self._core.inbound(sender, after, limit)
        return Page(tuple(map(inbound_view, found)), _last(found) or call.query.after)

    def _watch_inbound(self, sender: str, arrived: Callable[[], None]) -> Callable[[], None]:
        unwatch = self._core.watch_inbound(sender, arrived)
        if unwatch is None:
            detail = "Too many requests of this sender wait for texts already"
            raise HttpProblem("too_many_requests", detail, retry_after=TOO_MANY_RETRY_S)
        return unwatch


def _found(found: T | None) -> T:
    if found is None:
        raise HttpProblem("not_found", "There is no such message")
    return found


def _changed(result: Dossier | Conflict | None) -> MessageView:
    if isinstance(result, Conflict):
        raise HttpProblem("conflict", f"The message is {result.state}: {result.detail}")
    return message_view(_found(result))


def time_of(name: str, text: str | None, problems: list[Problem]) -> int | None:
    """UTC ms of a query parameter; a problem is added when it is no time."""
    time = None if text is None else parse_time(text)
    if text is not None and time is None:
        problems.append(Problem(f"/{name}", "write a time with offset as 2026-11-24T08:00:00+01:00"))
    return time


def _last(found: tuple[Inbound, ...]) -> str | None:
    return str(found[-1].seq) if found else None
