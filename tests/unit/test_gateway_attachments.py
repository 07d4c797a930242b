"""The gateway's calls on attachments, and messages that name them (interfaces.md § 2)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from datasms_daemon.config.attachments import Attachments as Options
from datasms_daemon.config.kinds import Size
from datasms_daemon.errors import DiskFull
from datasms_daemon.gateway.http_api import make_site
from datasms_daemon.model import MessageId
from tests.fakes.core import FakeCore
from tests.fakes.web import Client, clock

NUMBER = "+420603123456"
MISSING = "f" * 32


class Gateway(Client):
    """Two senders; ``dsk_send`` is one, ``dsk_send-read`` the other. At most 2 KiB a file, two a message."""

    def __init__(self) -> None:
        self.core = FakeCore()
        self.core.config = replace(self.core.config, attachments=Options(max_size=Size(2048), max_per_message=2))
        self.core.key("send")
        self.core.key("send", "read")
        self.core.key("read")
        super().__init__(make_site(self.core, clock(), bytes), "dsk_send")

    def give(self, content: bytes = b"x", secret: str | None = None) -> str:
        """The id of a file that was taken."""
        id_: str = self.ask("POST", "/v1/attachments", content, secret=secret).json["id"]
        return id_


@pytest.fixture
def gateway() -> Gateway:
    """Over a fake core."""
    return Gateway()


def test_a_file_is_answered_with_what_it_was_found_to_be(gateway: Gateway) -> None:
    response = gateway.ask("POST", "/v1/attachments?name=plan.png", b"12345", Content_Type="text/html")
    assert response.status == 201
    one = response.json
    assert response.headers["location"] == f"/v1/attachments/{one['id']}"
    assert (one["name"], one["size"], one["type"]) == ("plan.png", 5, "image/png")
    assert set(one) == {"id", "name", "type", "size", "sha256", "expires_at"}
    assert gateway.ask("GET", response.headers["location"]).json == one


@pytest.mark.parametrize("secret", ["dsk_send-read", "dsk_all"])
def test_a_file_of_another_sender_is_not_there(gateway: Gateway, secret: str) -> None:
    id_ = gateway.give()
    assert gateway.ask("GET", f"/v1/attachments/{id_}", secret=secret).status == 404
    refused = gateway.ask("POST", "/v1/messages", {"to": [NUMBER], "text": "x", "attachments": [id_]}, secret=secret)
    assert refused.faults == {"/attachments/0": "there is no such attachment, or it has expired"}


def test_files_are_for_those_who_may_send(gateway: Gateway) -> None:
    assert gateway.ask("POST", "/v1/attachments", b"x", secret="dsk_read").status == 403
    assert gateway.ask("POST", "/v1/attachments", b"x", secret="nobody").status == 401
    assert gateway.core.attachments.kept == {}


def test_a_file_may_be_so_large_as_the_configuration_of_this_moment_says(gateway: Gateway) -> None:
    assert gateway.ask("POST", "/v1/attachments", bytes(2048)).status == 201
    refused = gateway.ask("POST", "/v1/attachments", bytes(2049))
    assert (refused.status, refused.json["code"]) == (413, "too_large")
    gateway.core.config = replace(gateway.core.config, attachments=Options(max_size=Size(4096)))
    assert gateway.ask("POST", "/v1/attachments", bytes(2049)).status == 201


def test_an_empty_file_is_none(gateway: Gateway) -> None:
    refused = gateway.ask("POST", "/v1/attachments", b"")
    assert (refused.status, refused.json["code"]) == (422, "invalid")
    assert gateway.core.attachments.kept == {}


def test_a_quota_that_is_reached_and_a_full_disk_are_told_apart(gateway: Gateway) -> None:
    gateway.core.attachments.quota = 4
    refused = gateway.ask("POST", "/v1/attachments", b"12345")
    assert (refused.status, refused.json["code"], refused.json["detail"]) == (
        429,
        "quota",
        "A sender may keep less",
    )
    gateway.core.attachments.failure = DiskFull("no room")
    refused = gateway.ask("POST", "/v1/attachments", b"1")
    assert (refused.status, refused.json["code"]) == (507, "disk_full")


def test_a_message_shows_its_attachments(gateway: Gateway) -> None:
    ids = [gateway.give(b"1"), gateway.give(b"22")]
    answer = gateway.ask("POST", "/v1/messages", {"to": [NUMBER], "text": "x", "attachments": ids})
    assert answer.status == 202
    (submission,) = gateway.core.submissions
    assert submission.drafts[0].attachments == tuple(ids)
    id_ = MessageId(answer.json["messages"][0]["id"])
    shown = gateway.ask("GET", f"/v1/messages/{id_}", secret="dsk_all").json["attachments"]
    assert [(one["id"], one["size"]) for one in shown] == [(ids[0], 1), (ids[1], 2)]


def test_each_fault_of_a_batch_has_its_pointer(gateway: Gateway) -> None:
    good = gateway.give()
    batch = {
        "messages": [
            {"to": [NUMBER], "text": "x", "attachments": [good]},
            {"to": [NUMBER], "text": "x", "attachments": [good, MISSING]},
        ]
    }
    refused = gateway.ask("POST", "/v1/messages", batch)
    assert (refused.status, list(refused.faults)) == (422, ["/messages/1/attachments/1"])
    explained = gateway.ask("POST", "/v1/explain", batch)
    assert (explained.status, list(explained.faults)) == (422, ["/messages/1/attachments/1"])


def test_a_message_may_have_so_many(gateway: Gateway) -> None:
    ids = [gateway.give(), gateway.give(), gateway.give()]
    refused = gateway.ask("POST", "/v1/messages", {"to": [NUMBER], "text": "x", "attachments": ids})
    assert refused.faults == {"/attachments": "at most 2 attachments are taken with a message"}


@pytest.mark.parametrize("bad", ["", "../x", "a b", "x" * 65, 7])
def test_an_id_that_cannot_be_one_is_told_with_its_place(gateway: Gateway, bad: object) -> None:
    refused = gateway.ask("POST", "/v1/messages", {"to": [NUMBER], "text": "x", "attachments": [bad]})
    assert (refused.status, list(refused.faults)) == (422, ["/attachments/0"])
