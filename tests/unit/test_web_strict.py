"""Strict decoding: what is refused, and that every fault is named at once."""

from __future__ import annotations

import json
from typing import Annotated

import pytest
from msgspec import Meta, Struct

from datasms_daemon.model import Problem
from datasms_daemon.web.problems import HttpProblem
from datasms_daemon.web.strict import JsonDecoder, QueryDecoder, faults


class Inner(Struct, forbid_unknown_fields=True):
    """Something inside."""

    text: Annotated[str, Meta(min_length=1)]


class Outer(Struct, forbid_unknown_fields=True):
    """A body."""

    to: Annotated[tuple[Annotated[str, Meta(pattern="^[0-9]+$")], ...], Meta(min_length=1)]
    text: str
    priority: str | None = None
    inner: Inner | None = None
    by_line: dict[Annotated[str, Meta(max_length=5)], Inner] = {}


class Many(Struct, forbid_unknown_fields=True):
    """Several bodies."""

    messages: tuple[Outer, ...]


class Query(Struct, forbid_unknown_fields=True):
    """Parameters."""

    limit: Annotated[int, Meta(ge=1, le=500)] = 50
    status: tuple[str, ...] = ()
    title: str | None = None


decode = JsonDecoder[Outer | Many](Outer, Many).decode
query = QueryDecoder(Query).decode


def refusal(raw: bytes) -> HttpProblem:
    """What the decoder says to a faulty body."""
    with pytest.raises(HttpProblem) as caught:
        decode(raw)
    return caught.value


def named(problem: HttpProblem) -> set[str]:
    """The pointers of a refusal."""
    return {error.pointer for error in problem.errors}


def test_a_good_body_is_decoded() -> None:
    assert decode(b'{"to": ["1"], "text": "x", "inner": {"text": "y"}}') == Outer(("1",), "x", None, Inner("y"))


def test_the_second_record_is_taken_where_the_first_does_not_fit() -> None:
    assert decode(b'{"messages": [{"to": ["1"], "text": "x"}]}') == Many((Outer(("1",), "x"),))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[1",
        b'{"to": ["1"], "text": "x"} x',
        b"\xef\xbb\xbf{}",
        b'{"to": ["1"], "text": "\xff"}',
        b'{"to": ["1"], "text": "\\ud800"}',
        '{"to": ["1"], "text": "x"}'.encode("utf-16"),
        b'{"to": ["1"], "text": NaN}',
        b'{"to": ["1"], "text": "x", "priority": Infinity}',
        b'{"to": ["1"], "text": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"to": ' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"a":' * 33 + b"1" + b"}" * 33,
    ],
)
def test_what_is_not_strict_json_is_malformed(raw: bytes) -> None:
    assert refusal(raw).code == "malformed"


@pytest.mark.parametrize(
    "raw",
    [
        b'{"to": ["1"], "text": "x", "text": "y"}',
        b'{"to": ["1"], "text": "x", "te\\u0078t": "y"}',
        b'{"to": ["1"], "text": "x", "inner": {"text": "x", "text": "y"}}',
        b'{"messages": [{"to": ["1"], "text": "x", "to": ["2"]}]}',
        b'{"to": ["1"], "to": 3}',
    ],
)
def test_a_key_that_stands_twice_is_malformed(raw: bytes) -> None:
    problem = refusal(raw)
    assert problem.code == "malformed"
    assert "more than once" in problem.detail


def test_the_same_key_in_two_objects_is_no_fault() -> None:
    assert decode(b'{"messages": [{"to": ["1"], "text": "x"}, {"to": ["1"], "text": "x"}]}')


def test_all_faults_are_named_at_once() -> None:
    body = {
        "to": ["1", "x", "2", 3],
        "prioriy": "high",
        "inner": {"text": "", "more": 1},
        "by_line": {"sms": {}, "too long": {"text": "x"}},
    }
    problem = refusal(json.dumps(body).encode())
    assert problem.code == "invalid"
    assert named(problem) == {
        "/to/1", "/to/3", "/text", "/prioriy", "/inner/text", "/inner/more", "/by_line/sms/text", "/by_line/too long",
    }  # fmt: skip
    assert Problem("/prioriy", "is unknown here; did you mean priority?") in problem.errors


def test_faults_in_a_batch_are_named_by_their_place() -> None:
    body = {"messages": [{"to": ["1"], "text": "x"}, {"to": [], "text": "x"}, {"to": ["1"]}]}
    assert named(refusal(json.dumps(body).encode())) == {"/messages/1/to", "/messages/2/text"}


@pytest.mark.parametrize("raw", [b"[]", b"1", b"null", b'"x"', b"[{}]"])
def test_a_body_that_is_no_object_is_invalid_as_a_whole(raw: bytes) -> None:
    problem = refusal(raw)
    assert (problem.code, named(problem)) == ("invalid", {""})


def test_names_in_pointers_are_escaped_and_can_be_written() -> None:
    problem = refusal(b'{"to": ["1"], "text": "x", "a/b~c": 1, "\\ud800": 1}')
    assert named(problem) == {"/a~1b~0c", "/?"}
    assert problem.content(plain=False)[1]


def test_no_more_than_a_hundred_faults_are_named() -> None:
    body = {"to": ["x"] * 20_000, "text": 1} | {f"unknown{n}": 1 for n in range(5000)}
    assert len(refusal(json.dumps(body).encode()).errors) == 100


def test_faults_of_what_is_right_are_none() -> None:
    assert faults({"to": ["1"], "text": "x"}, Outer) == []


def test_a_query_string_is_decoded_by_its_record() -> None:
    assert query(b"limit=7&status=a&status=b&title=P%C5%99i+n%26") == Query(7, ("a", "b"), "Při n&")
    assert query(b"") == Query()


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        (b"limit=0", "/limit"),
        (b"limit=501", "/limit"),
        (b"limit=x", "/limit"),
        (b"limit=", "/limit"),
        (b"limit=5&limit=6", "/limit"),
        (b"limt=5", "/limt"),
        (b"title=a&title=b", "/title"),
    ],
)
def test_a_query_parameter_that_cannot_be_used_is_named(raw: bytes, pointer: str) -> None:
    with pytest.raises(HttpProblem) as caught:
        query(raw)
    assert (caught.value.code, named(caught.value)) == ("bad_query", {pointer})


@pytest.mark.parametrize(
    "raw", [b"limit", b"&", b"title=%ff", b"title=\xc3\xa9", b"&".join(b"status=x" for _ in range(65))]
)
def test_a_query_string_that_cannot_be_read_is_refused(raw: bytes) -> None:
    with pytest.raises(HttpProblem, match="bad_query"):
        query(raw)
