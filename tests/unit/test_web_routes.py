"""Declared routes: what is checked before a handler runs, and what becomes of what it raises."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from msgspec import Meta, Struct
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from datasms_daemon.errors import DiskFull, StoreFailed, StoreHeld
from datasms_daemon.web.bodies import Json, Text
from datasms_daemon.web.problems import CATALOGUE, HttpProblem
from datasms_daemon.web.request import Request
from datasms_daemon.web.routes import PUBLIC, Api, Call, Reply
from datasms_daemon.web.site import Limits, Site
from datasms_daemon.web.waiting import Signal
from tests.fakes.web import Client, clock


class User(Struct):
    """A caller."""

    name: str
    rights: tuple[str, ...]


class Note(Struct, forbid_unknown_fields=True):
    """A body."""

    text: str


class Page(Struct, forbid_unknown_fields=True):
    """A query."""

    limit: Annotated[int, Meta(ge=1)] = 5


class Service:
    """An API whose handlers do what the test says."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.later: Deferred[None] | None = None
        self.changed: list[Any] = []
        self.done: list[str] = []
        api = Api[User]("test", self.authorise)
        api.route("GET", "/open", permission=PUBLIC, summary="", query=Page, answer=Note)(self.open)
        api.route("POST", "/notes", permission=("write",), summary="", body=Json(Note), answer=Note, status=201)(
            self.write
        )
        api.route("PUT", "/notes/<id>", permission=("write", "admin"), summary="", body=Text(), parameters={
            "id": Annotated[str, Meta(pattern="^[a-z]+$")]})(self.put)  # fmt: skip
        api.route("GET", "/stream", permission=PUBLIC, summary="")(self.stream)
        api.route("GET", "/wait", permission=PUBLIC, summary="", query=Page, answer=Note)(self.wait)
        self.time = clock()
        self.site = Site(self.time, api, Limits(), lambda: "c0ffee")
        self.client = Client(self.site)

    async def authorise(self, request: Request) -> User | None:
        given = request.header("Authorization")
        if given == "Bearer busy":
            raise HttpProblem("too_many_requests", retry_after=3)
        return None if given is None else User("jan", tuple(given.removeprefix("Bearer ").split("+")))

    async def open(self, call: Call[User, None, Page]) -> Note:
        if self.failure is not None:
            raise self.failure
        return Note(str(call.query.limit))

    async def write(self, call: Call[User, Note, None]) -> Note:
        if self.later is not None:
            await self.later
        self.done.append(call.body.text)
        return Note(f"{call.caller.name}: {call.body.text}")

    async def put(self, call: Call[User, str, None]) -> None:
        self.done.append(f"{call.path['id']} {call.body}")

    async def stream(self, call: Call[User, None, None]) -> Resource:
        return Ticker()

    async def wait(self, call: Call[User, None, Page]) -> Note:
        with Signal(self.time, call.request, call.query.limit, self.watch) as signal:
            return Note(str(await signal.wait()))

    def watch(self, changed: Any) -> Any:
        self.changed.append(changed)
        return self.changed.clear


class Ticker(Resource):
    """Takes a request over."""

    isLeaf = True

    def __init__(self) -> None:
        Resource.__init__(self)

    def render(self, request: IRequest) -> int:
        assert isinstance(request, Request)
        request.stream()
        request.write(b"tick")
        return NOT_DONE_YET


@pytest.fixture
def service() -> Service:
    """The API."""
    return Service()


@pytest.fixture
def client(service: Service) -> Client:
    """Its client."""
    return service.client


@pytest.fixture
def time(service: Service) -> Clock:
    """Its time."""
    return service.time


def test_a_handler_gets_checked_values_and_its_record_is_the_answer(client: Client) -> None:
    response = client.ask("POST", "/notes", {"text": "hi"}, secret="write")
    assert (response.status, response.json) == (201, {"text": "jan: hi"})
    assert response.headers["content-type"] == "application/json"


def test_none_is_answered_without_content(client: Client, service: Service) -> None:
    response = client.ask("PUT", "/notes/abc", "žluť".encode(), secret="admin", Content_Type="text/plain")
    assert (response.status, response.body) == (204, b"")
    assert "content-length" not in response.headers
    assert service.done == ["abc žluť"]


def test_a_query_is_decoded_and_its_faults_are_named(client: Client) -> None:
    assert client.ask("GET", "/open?limit=7").json == {"text": "7"}
    response = client.ask("GET", "/open?limit=0&x=1")
    assert (response.status, response.json["code"]) == (400, "bad_query")
    assert response.faults.keys() == {"/limit", "/x"}


def test_a_query_where_none_is_known_is_refused(client: Client) -> None:
    assert client.ask("POST", "/notes?x=1", {"text": "hi"}, secret="write").json["code"] == "bad_query"


def test_without_credentials_the_scheme_is_told(client: Client, service: Service) -> None:
    response = client.ask("POST", "/notes", {"text": "hi"})
    assert (response.status, response.json["code"]) == (401, "unauthorised")
    assert response.headers["www-authenticate"] == 'Bearer realm="datasms"'
    assert service.done == []


def test_a_missing_right_is_named(client: Client, service: Service) -> None:
    response = client.ask("PUT", "/notes/abc", b"x", secret="read+other")
    assert (response.status, response.json["code"]) == (403, "forbidden")
    assert response.json["detail"] == "This needs the right write or admin"
    assert service.done == []


def test_rights_are_checked_before_the_body_is_looked_at(client: Client) -> None:
    assert client.ask("POST", "/notes", b"{", secret="read").status == 403


def test_who_asks_too_often_is_told_when_to_come_back(client: Client) -> None:
    response = client.ask("POST", "/notes", {"text": "hi"}, secret="busy")
    assert (response.status, response.headers["retry-after"]) == (429, "3")


def test_an_unknown_path_is_a_problem_document(client: Client) -> None:
    for path in ("/", "/nothing", "/notes/", "/notes//abc", "/open/"):
        response = client.ask("GET", path)
        assert (path, response.status, response.json["code"]) == (path, 404, "not_found")


def test_a_part_of_the_path_that_is_not_of_its_type_is_not_found(client: Client) -> None:
    assert client.ask("PUT", "/notes/ABC", b"x", secret="write").json["code"] == "not_found"


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_another_method_is_told_which_ones_there_are(client: Client, method: str) -> None:
    response = client.ask(method, "/notes")
    assert (response.status, response.headers["allow"]) == (405, "POST")
    assert response.json["code"] == "method_not_allowed"


def test_head_is_get_without_a_body(client: Client) -> None:
    connection = client.begin("HEAD", "/open")
    assert connection.transport.value().endswith(b"Content-Length: 12\r\n\r\n")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/jsonx", "application/json; charset=latin-1", "", "multipart/form-data"]
)
def test_another_type_is_told_what_is_taken(client: Client, content_type: str) -> None:
    response = client.ask("POST", "/notes", b"{}", secret="write", Content_Type=content_type, Accept="*/*")
    assert response.status == 415
    assert b"application/json" in response.body


def test_json_may_name_its_charset(client: Client) -> None:
    content_type = 'Application/JSON; Charset="UTF-8"'
    assert client.ask("POST", "/notes", b'{"text": ""}', secret="write", Content_Type=content_type).status == 201


def test_a_client_of_plain_text_is_told_all_faults_in_one_line(client: Client) -> None:
    response = client.ask("POST", "/notes", {"txt": 1}, secret="write", Accept="text/plain")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.body.decode() == (
        "422 invalid: The body is not what is expected here; /text: is required; "
        "/txt: is unknown here; did you mean text?\n"
    )


def test_a_problem_document_has_the_members_of_rfc_9457(client: Client) -> None:
    assert client.ask("POST", "/notes", {}, secret="write").json == {
        "type": "urn:datasms:problem:invalid",
        "title": "The request can be read but not carried out",
        "status": 422,
        "code": "invalid",
        "detail": "The body is not what is expected here",
        "errors": [{"pointer": "/text", "detail": "is required"}],
    }


@pytest.mark.parametrize("code", CATALOGUE)
def test_every_problem_of_the_catalogue_can_be_answered(client: Client, service: Service, code: str) -> None:
    service.failure = HttpProblem(code)
    response = client.ask("GET", "/open")
    assert (response.status, response.json["code"]) == (CATALOGUE[code].status, code)


def test_a_full_disk_is_507_and_a_failed_store_503_with_a_time_to_come_back(client: Client, service: Service) -> None:
    service.failure = DiskFull("secret detail")
    full = client.ask("GET", "/open")
    service.failure = StoreFailed("secret detail")
    failed = client.ask("GET", "/open")
    service.failure = StoreHeld("secret detail")
    held = client.ask("GET", "/open")
    answers = (full, failed, held)
    assert [(r.status, r.json["code"]) for r in answers] == [(507, "disk_full"), *[(503, "unavailable")] * 2]
    assert all(int(r.headers["retry-after"]) > 0 for r in answers)
    assert all(b"secret" not in r.body for r in answers)
    assert "damaged or in doubt" in held.json["detail"]


def test_an_unexpected_failure_is_logged_under_a_reference_and_tells_nothing(
    client: Client, service: Service, logged_failures: list[dict[str, Any]]
) -> None:
    service.failure = RuntimeError("the secret of the house")
    response = client.ask("GET", "/open")
    assert (response.status, response.json["detail"]) == (500, "Reference c0ffee")
    assert b"secret" not in response.body
    (event,) = logged_failures
    assert event["reference"] == "c0ffee"
    assert event["log_failure"].type is RuntimeError
    logged_failures.clear()


def test_a_handler_runs_to_its_end_when_the_client_hangs_up(client: Client, service: Service) -> None:
    service.later = Deferred()
    connection = client.begin("POST", "/notes", {"text": "keep me"}, secret="write")
    connection.hang_up()
    service.later.callback(None)
    assert service.done == ["keep me"]
    assert not connection.transport.value()


def test_a_handler_that_fails_after_the_client_hung_up_is_logged(
    client: Client, service: Service, logged_failures: list[dict[str, Any]]
) -> None:
    service.later = Deferred()
    connection = client.begin("POST", "/notes", {"text": "x"}, secret="write")
    connection.hang_up()
    service.later.errback(RuntimeError("late"))
    assert [event["log_failure"].type for event in logged_failures] == [RuntimeError]
    logged_failures.clear()


def test_an_answer_that_takes_too_long_ends_the_connection(client: Client, service: Service, time: Clock) -> None:
    service.later = Deferred()
    connection = client.begin("POST", "/notes", {"text": "slow"}, secret="write")
    time.pump([10] * 8)
    assert not connection.is_closed()
    time.pump([10] * 2)
    assert connection.is_closed()
    connection.hang_up()
    service.later.callback(None)
    assert service.done == ["slow"]


def test_a_resource_takes_a_request_over_without_a_time_limit(client: Client, time: Clock) -> None:
    connection = client.begin("GET", "/stream")
    assert connection.transport.value().endswith(b"4\r\ntick\r\n")
    time.pump([60] * 10)
    assert not connection.is_closed()
    connection.hang_up()
    assert not time.getDelayedCalls()


def test_a_wait_ends_with_a_change(client: Client, service: Service) -> None:
    connection = client.begin("GET", "/wait")
    assert not connection.transport.value()
    service.changed[0]()
    assert connection.response().json == {"text": "True"}
    assert service.changed == []


def test_a_wait_ends_after_its_time(client: Client, service: Service, time: Clock) -> None:
    connection = client.begin("GET", "/wait?limit=3")
    time.pump([1, 1])
    assert not connection.transport.value()
    time.advance(1)
    assert connection.response().json == {"text": "False"}
    assert service.changed == []


def test_a_wait_ends_when_the_client_is_gone(client: Client, service: Service, time: Clock) -> None:
    connection = client.begin("GET", "/wait?limit=50")
    connection.hang_up()
    assert service.changed == []
    assert not time.getDelayedCalls()


def test_a_route_without_a_permission_cannot_be_declared() -> None:
    declare: Any = Api[User]("test", Service().authorise).route
    with pytest.raises(TypeError, match="permission"):
        declare("GET", "/x", summary="")


def test_a_reply_has_its_own_status_type_and_headers() -> None:
    service = Service()

    async def plain(call: Call[User, None, None]) -> Reply:
        return Reply(b"a,b", 203, ((b"Link", b"<?x>"),), b"text/csv")

    api = Api[User]("test", service.authorise)
    api.route("GET", "/csv", permission=PUBLIC, summary="")(plain)
    response = Client(Site(clock(), api, Limits())).ask("GET", "/csv")
    assert (response.status, response.body, response.headers["link"]) == (203, b"a,b", "<?x>")
    assert response.headers["content-type"] == "text/csv"
