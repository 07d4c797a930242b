"""What a client may send, however strange: an answer or a refusal, never a failure of ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from datasms_daemon.gateway.http_api import make_site
from datasms_daemon.gateway.records import BatchRequest, MessageRequest
from datasms_daemon.web.problems import HttpProblem
from datasms_daemon.web.strict import JsonDecoder, scan
from tests.fakes.core import FakeCore
from tests.fakes.web import Client, Response, clock

BODY = json.dumps({"to": ["+420603123456"], "text": "Pump 3 stopped"}).encode()
HEAD = b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer dsk_all\r\nContent-Type: application/json\r\n"
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x;ext\r\n" % len(BODY) + BODY + b"\r\n0\r\nTrailer: x\r\n\r\n"
STREAM = WHOLE + b"GET /v1/messages?limit=1 HTTP/1.1\r\nHost: x\r\n\r\n" + CHUNKED

decode = JsonDecoder[MessageRequest | BatchRequest](MessageRequest, BatchRequest).decode
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["to", "text", "x", ""]) | st.text(), inner)
    ),
    max_leaves=12,
)
fields = st.dictionaries(st.sampled_from([*MessageRequest.__struct_encode_fields__, "messages", "txt"]), plain)


def answers(pieces: list[bytes]) -> list[Response]:
    """What a gateway says to these segments."""
    connection = Client(make_site(FakeCore(), clock(), bytes)).open()
    for piece in pieces:
        connection.send(piece)
    found = connection.responses()
    connection.hang_up()
    return found


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_requests_read_the_same_however_they_are_cut(cuts: list[int]) -> None:
    ends = sorted({0, *cuts, len(STREAM)})
    pieces = [STREAM[begin:end] for begin, end in pairwise(ends)]
    assert [response.status for response in answers(pieces)] == [202, 401, 202]


@given(st.integers(0, len(STREAM) - 1), st.binary(max_size=4), st.integers(0, 4))
def test_a_damaged_request_is_answered_or_refused(place: int, put: bytes, taken: int) -> None:
    damaged = STREAM[:place] + put + STREAM[place + taken :]
    assert all(200 <= response.status < 500 for response in answers([damaged]))


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_waited_for(data: bytes) -> None:
    assert all(response.status in (400, 431) for response in answers([data + b"\r\n\r\n"]))


def refusal(work: Callable[[bytes], object], raw: bytes) -> HttpProblem | None:
    """How a body is refused; None when it is not."""
    try:
        work(raw)
    except HttpProblem as problem:
        return problem
    return None


@given(fields)
def test_any_json_is_a_message_or_a_refusal_that_can_be_written(content: dict[str, object]) -> None:
    problem = refusal(decode, json.dumps(content).encode())
    if problem is not None:
        assert problem.status in (400, 422)
        assert problem.code == "malformed" or problem.errors
        msgspec.json.decode(problem.content(plain=False)[1])


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_by_the_decoder(raw: bytes) -> None:
    problem = refusal(decode, raw)
    assert problem is not None
    assert problem.status in (400, 422)


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), plain), max_size=4))
def test_a_key_that_stands_twice_is_always_found(pairs: list[tuple[str, object]]) -> None:
    raw = "{" + ", ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in pairs) + "}"
    names = [key for key, _ in pairs]
    assert (refusal(scan, raw.encode()) is None) == (len(set(names)) == len(names))
