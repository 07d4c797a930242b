"""Routes that cannot be declared without the permission they need; Klein dispatches, this checks.

``api.route("POST", "/v1/messages", permission=SEND, body=Json(...), answer=..., summary=...)`` decorates an
``async def`` that gets a ``Call`` whose caller, query and body are checked. Whatever a handler raises becomes a problem
document. A handler runs to its end when the client hangs up; only its answer is dropped.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Generic, NamedTuple, Protocol, TypeVar, cast

import msgspec
from klein import Klein
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from datasms_daemon.errors import DiskFull, StoreFailed, StoreHeld
from datasms_daemon.web.bodies import Body, NoBody, Streamed
from datasms_daemon.web.problems import HttpProblem
from datasms_daemon.web.request import Request
from datasms_daemon.web.strict import QueryDecoder

JSON = b"application/json"
DISK_FULL_RETRY_S = 60
STORE_RETRY_S = 10

Permission = tuple[str, ...]
PUBLIC: Permission = ()


class Caller(Protocol):
    """Who asks; ``rights`` are the words that permissions name."""

    @property
    def rights(self) -> Collection[str]:
        """What the caller may do."""


C = TypeVar("C", bound=Caller)
B = TypeVar("B")
Q = TypeVar("Q", bound=msgspec.Struct)
C_co = TypeVar("C_co", bound=Caller, covariant=True)
B_co = TypeVar("B_co", covariant=True)
Q_co = TypeVar("Q_co", covariant=True)


class Reply(NamedTuple):
    """An answer that is not simply a record as JSON with the route's status.

    ``content``: a record, encoded as JSON, or bytes of type ``media``; ``status`` None: the route's.
    """

    content: object = b""
    status: int | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()
    media: bytes = JSON


class Call(Generic[C_co, B_co, Q_co]):
    """One request as its handler sees it; ``path`` holds the variable parts of the path, ``raw`` the body's bytes."""

    __slots__ = ("_body", "_caller", "_query", "path", "raw", "request")

    def __init__(
        self, request: Request, path: Mapping[str, str], raw: bytes, caller: C_co | None, query: Q_co, body: B_co
    ) -> None:
        self.request = request
        self.path = path
        self.raw = raw
        self._caller = caller
        self._query = query
        self._body = body

    @property
    def caller(self) -> C_co:
        """Who asks; has one of the route's rights. A public route has nobody here."""
        assert self._caller is not None, "a public route has no caller"
        return self._caller

    @property
    def query(self) -> Q_co:
        """The query parameters as the route's record."""
        return self._query

    @property
    def body(self) -> B_co:
        """The body as the route declares it."""
        return self._body

    def accepts(self, media: bytes) -> bool:
        """Whether the Accept header names this very type."""
        return media in self.request.requestHeaders.getRawHeaders(b"accept", [b""])[0]


Handler = Callable[[Call[C, B, Q]], Awaitable[object]]
AnyHandler = Callable[[Call[Caller, object, object]], Awaitable[object]]
Answering = Deferred[bytes | IResource]
Endpoint = Callable[[Request], Answering]


class Route(NamedTuple):
    """One declared route; the dispatcher checks by it and ``openapi`` describes it.

    ``answer`` is the record of a good answer (None: no content), ``media`` further types it may take, ``also`` further
    statuses; ``problems`` are
    the codes that the handler itself answers with; ``parameters`` and ``headers`` map names to their types.
    """

    method: str
    path: str
    permission: Permission
    body: Body[object]
    query: type[msgspec.Struct] | None
    decode_query: Callable[[bytes], object]
    answer: object
    status: int
    summary: str
    problems: tuple[str, ...]
    media: tuple[str, ...]
    parameters: Mapping[str, object]
    headers: Mapping[str, object]
    handler: AnyHandler
    also: tuple[int, ...] = ()


class Api(Generic[C]):
    """The routes of one service. ``authorise`` tells who sent a request; None: no valid credentials. It may raise
    HttpProblem, as for a client that asks too often."""

    def __init__(self, title: str, authorise: Callable[[Request], Awaitable[C | None]]) -> None:
        self.title = title
        self.routes: list[Route] = []
        self._authorise = authorise
        self._klein = Klein()
        # Two slashes make another path, not one to be redirected from.
        self._klein.url_map.merge_slashes = False
        self._klein.handle_errors(HTTPException)(_unrouted)
        self._exact: dict[tuple[bytes, bytes], Endpoint] = {}
        self._limits: dict[tuple[bytes, bytes], int] = {}
        self._variable_limits: dict[bytes, int] = {}
        self._streamed: dict[tuple[bytes, bytes], Streamed] = {}
        self._encode = msgspec.json.Encoder().encode
        self._log = Logger()

    def route(
        self,
        method: str,
        path: str,
        *,
        permission: Permission,
        summary: str,
        body: Body[B] | None = None,
        query: type[Q] | None = None,
        answer: object = None,
        status: int = 200,
        problems: tuple[str, ...] = (),
        media: tuple[str, ...] = (),
        parameters: Mapping[str, object] | None = None,
        headers: Mapping[str, object] | None = None,
        also: tuple[int, ...] = (),
    ) -> Callable[[Handler[C, B, Q]], Handler[C, B, Q]]:
        """Declares the decorated handler as the answer to ``method`` on ``path`` (variable parts as ``<name>``).

        The caller needs one of the rights in ``permission``; PUBLIC must be said. Without ``body`` none may be sent,
        without ``query`` no parameter. A part of the path that is not of its type in ``parameters`` is 404. The handler
        returns the ``answer`` record, None for no content (then ``status`` is 204), a Reply, or an IResource that
        takes the request over (a stream).
        """

        def declare(handler: Handler[C, B, Q]) -> Handler[C, B, Q]:
            decode_query = _no_query if query is None else QueryDecoder(query).decode
            route = Route(
                method, path, permission, body or NoBody(), query, decode_query, answer,
                204 if answer is None and status == 200 else status, summary, problems, media, parameters or {},
                headers or {}, cast(AnyHandler, handler), also,
            )  # fmt: skip
            self._add(route)
            return handler

        return declare

    def resource(self) -> IResource:
        """The resource that answers every request."""
        return cast(IResource, _Entrance(self._exact, self._klein.resource()))

    def body_limit(self, method: bytes, target: bytes) -> int:
        """How many bytes of body such a request may have at most. Paths with variable parts share the largest limit
        of their method until the route itself is known."""
        key = method, target.partition(b"?")[0]
        if key in self._streamed:
            return self._streamed[key].most()
        limit = self._limits.get(key)
        return self._variable_limits.get(method, 0) if limit is None else limit

    def streams(self, method: bytes, target: bytes) -> bool:
        """Whether the route reads its body as it comes; one with variable parts never does."""
        return (method, target.partition(b"?")[0]) in self._streamed

    def _add(self, route: Route) -> None:
        def endpoint(request: IRequest, **path: str) -> Answering:
            assert isinstance(request, Request)
            return Deferred.fromCoroutine(self._respond(route, request, path))

        def shielded(request: IRequest, **path: str) -> Answering:
            return _shielded(endpoint(request, **path))

        method, path = route.method.encode("ascii"), route.path.encode("ascii")
        if isinstance(route.body, Streamed):
            assert b"<" not in path, "which route it is must be known at the head"
            self._streamed[method, path] = route.body
        if b"<" in path:
            self._variable_limits[method] = max(route.body.limit, self._variable_limits.get(method, 0))
        else:
            self._limits[method, path] = route.body.limit
            self._exact[method, path] = endpoint
        self.routes.append(route)
        name = f"{route.method} {route.path}"
        self._klein.route(route.path, methods=[route.method], endpoint=name)(shielded)

    async def _respond(self, route: Route, request: Request, path: Mapping[str, str]) -> bytes | IResource:
        try:
            caller = await self._admit(route, request) if route.permission else None
            _check_path(route, path)
            raw = request.body
            query = route.decode_query(request.query)
            answer = await route.handler(Call(request, path, raw, caller, query, route.body.of(request)))
            return self._render(route, request, answer)
        except HttpProblem as problem:
            return request.send_problem(problem)
        except DiskFull:
            return request.send_problem(HttpProblem("disk_full", retry_after=DISK_FULL_RETRY_S))
        except StoreHeld:
            detail = "The database is damaged or in doubt; nothing is accepted until an operator has seen to it"
            return request.send_problem(HttpProblem("unavailable", detail, retry_after=STORE_RETRY_S))
        except StoreFailed:
            detail = "The store has failed; nothing is accepted until it works again"
            return request.send_problem(HttpProblem("unavailable", detail, retry_after=STORE_RETRY_S))
        except Exception:
            return request.send_problem(request.site.internal(Failure()))

    async def _admit(self, route: Route, request: Request) -> C:
        caller = await self._authorise(request)
        if caller is None:
            raise HttpProblem("unauthorised", headers=[(b"WWW-Authenticate", b'Bearer realm="datasms"')])
        if not any(right in route.permission for right in caller.rights):
            self._log.info("Refused {method} {route}: a right is missing", method=route.method, route=route.path)
            raise HttpProblem("forbidden", f"This needs the right {' or '.join(route.permission)}")
        return caller

    def _render(self, route: Route, request: Request, answer: object) -> bytes | IResource:
        if isinstance(answer, Reply):
            for name, value in answer.headers:
                request.responseHeaders.addRawHeader(name, value)
            content = answer.content if isinstance(answer.content, bytes) else self._encode(answer.content)
            return request.send(answer.status or route.status, answer.media, content)
        if answer is None:
            return request.send(route.status, JSON, b"")
        if isinstance(answer, msgspec.Struct):
            return request.send(route.status, JSON, self._encode(answer))
        return IResource(answer)


class _Entrance(Resource):
    """Finds a path without variable parts by one look, where Klein's router would cost as much as the whole parsing of
    the request; everything else is Klein's."""

    isLeaf = True

    def __init__(self, exact: Mapping[tuple[bytes, bytes], Endpoint], klein: IResource) -> None:
        Resource.__init__(self)
        self._exact = exact
        self._klein = klein

    def render(self, request: Request) -> object:
        endpoint = self._exact.get((request.method, request.path))
        if endpoint is None:
            return cast(object, self._klein.render(request))
        endpoint(request).addCallback(request.answer).addErrback(request.answer_failed)
        return NOT_DONE_YET


def _check_path(route: Route, path: Mapping[str, str]) -> None:
    for name, kind in route.parameters.items():
        try:
            msgspec.convert(path[name], kind)
        except msgspec.ValidationError:
            raise HttpProblem("not_found") from None


def _no_query(query: bytes) -> None:
    if query:
        raise HttpProblem("bad_query", "No parameters are known here")


def _shielded(running: Answering) -> Answering:
    """The result of ``running``; cancelling the answer leaves ``running`` alone.

    Klein cancels when the client hangs up, and what a handler has begun must not be cut in the middle.
    """
    if running.called:
        return running
    shield: Answering = Deferred()
    running.addBoth(shield.callback)
    return shield


def _unrouted(request: IRequest, failure: Failure) -> bytes:
    assert isinstance(request, Request)
    fault = failure.value
    if isinstance(fault, MethodNotAllowed):
        allowed = ", ".join(sorted(fault.valid_methods or ())).encode("ascii")
        return request.send_problem(HttpProblem("method_not_allowed", headers=[(b"Allow", allowed)]))
    return request.send_problem(HttpProblem("not_found"))
