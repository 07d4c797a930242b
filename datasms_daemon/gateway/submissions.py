"""Submitting messages, and asking what would become of them. The hot path."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from datasms_daemon.gateway.drafts import Drafter
from datasms_daemon.gateway.explained import ExplanationView, explanation_view
from datasms_daemon.gateway.ports import Core
from datasms_daemon.gateway.records import (
    AcceptedAnswer,
    BatchRequest,
    ExplainBatchRequest,
    ExplainRequest,
    Items,
    MessageRequest,
    TextQuery,
)
from datasms_daemon.gateway.rights import SEND, GatewayApi, sees
from datasms_daemon.gateway.shapes import (
    MAX_AHEAD_MS,
    TOO_FAR,
    IdempotencyKey,
)
from datasms_daemon.model import Draft, Idempotency, Key, KeyReused, Limited, Problem, Refused, Submission
from datasms_daemon.web.bodies import Json, Text
from datasms_daemon.web.problems import HttpProblem
from datasms_daemon.web.routes import Call, Reply
from datasms_daemon.web.strict import QueryDecoder, faults
from datasms_daemon.web.times import milliseconds

Submitted = MessageRequest | BatchRequest
Explained = ExplainRequest | ExplainBatchRequest

_IDEMPOTENCY = {"Idempotency-Key": IdempotencyKey}
_RECIPIENT = Annotated[str, Meta(max_length=100, description="A phone number, person:ID or group:ID")]
_ACCEPT_PROBLEMS = ("key_reused", "quota", "flood", "disk_full")


class Submissions:
    """The calls that take messages; ``add_to`` declares them."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._drafter = Drafter(core)
        self._text_query = QueryDecoder(TextQuery)

    def add_to(self, api: GatewayApi) -> None:
        """Declares the calls."""
        body = Json[Submitted](MessageRequest, BatchRequest)
        api.route(
            "POST",
            "/v1/messages",
            permission=SEND,
            summary="Send one message, or up to 1,000 of which all are accepted or none",
            body=body,
            answer=AcceptedAnswer,
            status=202,
            problems=_ACCEPT_PROBLEMS,
            headers=_IDEMPOTENCY,
        )(self.send)
        api.route(
            "POST",
            "/v1/to/<recipient>",
            permission=SEND,
            summary="Send the body as a text; title, priority, ttl and reference in the query or in headers",
            body=Text(),
            query=TextQuery,
            answer=AcceptedAnswer,
            status=202,
            problems=_ACCEPT_PROBLEMS,
            parameters={"recipient": _RECIPIENT},
            headers=_IDEMPOTENCY,
        )(self.send_text)
        api.route(
            "POST",
            "/v1/explain",
            permission=SEND,
            summary="What would be done with these messages, now or at another time; sends nothing",
            body=Json[Explained](ExplainRequest, ExplainBatchRequest),
            answer=Items[ExplanationView],
        )(self.explain)

    async def send(self, call: Call[Key, Submitted, None]) -> Reply:
        """One message or many; answered after the commit."""
        return await self._accept(call, self._drafts(call.body, call.caller))

    async def send_text(self, call: Call[Key, str, TextQuery]) -> Reply:
        """A bare text for one recipient."""
        request = _message(call.path["recipient"], call.body, self._beside(call))
        try:
            drafts = self._drafter.drafts((request,), call.caller, ("",))
        except HttpProblem as problem:
            raise HttpProblem(problem.code, problem.detail, map(_at_recipient, problem.errors)) from None
        return await self._accept(call, drafts)

    async def explain(self, call: Call[Key, Explained, None]) -> Items[ExplanationView]:
        """Plans, without sending."""
        drafts, key = self._drafts(call.body, call.caller), call.caller
        sender = call.body.sender or key.name
        if sender == key.name:
            submission = Submission(sender, drafts, key.lines)
        elif sees(key) is None:
            # Each of his keys may allow other lines; what all of them share is asked about.
            submission = Submission(sender, drafts)
        else:
            raise HttpProblem("forbidden", "This key may ask for its own sender only")
        at = None if call.body.at is None else milliseconds(call.body.at)
        if at is not None and not 0 <= at <= self._core.now() + MAX_AHEAD_MS:
            problem = Problem("/at", TOO_FAR if at > 0 else "is before 1970")
            raise HttpProblem("invalid", "The request cannot be carried out", [problem])
        explained = await self._core.explain(submission, at)
        if isinstance(explained, Refused):
            raise HttpProblem("invalid", "The request cannot be carried out", explained.problems)
        return Items(tuple(explanation_view(explanation) for explanation in explained))

    def _drafts(self, body: Submitted, key: Key) -> tuple[Draft, ...]:
        if isinstance(body, MessageRequest):
            return self._drafter.drafts((body,), key, ("",))
        prefixes = [f"/messages/{index}" for index in range(len(body.messages))]
        return self._drafter.drafts(body.messages, key, prefixes)

    async def _accept(self, call: Call[Key, object, object], drafts: tuple[Draft, ...]) -> Reply:
        key = call.caller
        accepted = await self._core.accept(Submission(key.name, drafts, key.lines, _idempotency(call)))
        if isinstance(accepted, Refused):
            raise HttpProblem("invalid", "The request cannot be carried out", accepted.problems)
        if isinstance(accepted, Limited):
            seconds = max(1, -(-(accepted.until - self._core.now()) // 1000))
            raise HttpProblem(accepted.code, accepted.detail, accepted.problems, retry_after=seconds)
        if isinstance(accepted, KeyReused):
            raise HttpProblem("key_reused")
        headers: tuple[tuple[bytes, bytes], ...] = ()
        if len(accepted.messages) == 1:
            headers = ((b"Location", b"/v1/messages/" + accepted.messages[0].id.encode("ascii")),)
        return Reply(AcceptedAnswer(accepted.id, accepted.messages), headers=headers)

    def _beside(self, call: Call[Key, str, TextQuery]) -> TextQuery:
        """Query and headers together; what stands in both counts from the query."""
        said = [(name, call.request.header(name)) for name in TextQuery.__struct_fields__]
        headers = self._text_query.convert((name, value) for name, value in said if value is not None)
        given = {name: value for name, value in msgspec.structs.asdict(call.query).items() if value is not None}
        return msgspec.structs.replace(headers, **given)


def _message(recipient: str, text: str, beside: TextQuery) -> MessageRequest:
    content = {"to": [recipient], "text": text, **msgspec.structs.asdict(beside)}
    try:
        return msgspec.convert(content, MessageRequest)
    except msgspec.ValidationError:
        problems = map(_at_recipient, faults(content, MessageRequest))
        raise HttpProblem("invalid", "The request cannot be carried out", problems) from None


def _at_recipient(problem: Problem) -> Problem:
    return Problem("/recipient", problem.detail) if problem.pointer == "/to/0" else problem


def _idempotency(call: Call[Key, object, object]) -> Idempotency | None:
    key = call.request.header("Idempotency-Key")
    if key is None:
        return None
    problems: Sequence[Problem] = faults(key, IdempotencyKey)
    if problems:
        raise HttpProblem("malformed", f"Idempotency-Key: {problems[0].detail}")
    # A bare text is not all of its request: recipient and query stand in the path, the rest in headers.
    request = call.request
    beside = [request.getHeader(name) or b"" for name in (b"title", b"priority", b"ttl", b"reference")]
    whole = b"\0".join([request.uri, *beside, call.raw])
    return Idempotency(key, hashlib.sha256(whole).hexdigest())
