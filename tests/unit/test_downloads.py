"""Files that came with messages, as clients and services get them from MxService (interfaces.md § 3)."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from datasms_daemon.config.records import Mxservice
from datasms_daemon.model import CHUNK
from datasms_daemon.mxservice.site import make_site
from datasms_daemon.web.download import disposition
from tests.fakes.backend import NOW, FakeBackend
from tests.fakes.web import Client, Connection, clock

CONTENT = bytes(range(250)) * 400
SIZE = len(CONTENT)


class Service(Client):
    """MxService with one device, whose inbox has a message with a file."""

    def __init__(self) -> None:
        self.backend = FakeBackend()
        self.time: Clock = clock()
        site = make_site(
            self.backend, self.time, Mxservice(), lambda: (), lambda: NOW, lambda: True, lambda: "reference"
        )
        super().__init__(site, self.backend.add_device("one"))
        self.one = self.backend.file(CONTENT)
        self.backend.put("dst_one", "The plan", self.one)
        self.path = f"/mx/v1/attachments/{self.one.id}"


@pytest.fixture
def service() -> Service:
    """Over a fake core."""
    return Service()


def test_an_inbox_item_names_its_attachments(service: Service) -> None:
    (item,) = service.ask("GET", "/mx/v1/inbox").json["items"]
    one = service.one
    assert item["attachments"] == [
        {"id": one.id, "name": "plan.png", "type": "image/png", "size": SIZE, "sha256": one.sha256}
    ]


def test_a_file_comes_whole_and_cannot_run_where_it_is_shown(service: Service) -> None:
    response = service.ask("GET", service.path)
    assert (response.status, response.body) == (200, CONTENT)
    headers = response.headers
    assert headers["content-type"] == "image/png"
    assert headers["content-disposition"] == "attachment; filename=\"plan.png\"; filename*=UTF-8''plan.png"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "sandbox"
    assert headers["etag"] == f'"{service.one.sha256}"'
    assert headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        (f"bytes=99990-{SIZE}", 99_990, SIZE),
        (f"bytes={CHUNK - 1}-{2 * CHUNK}", CHUNK - 1, 2 * CHUNK + 1),
        ("bytes=99999-", 99_999, SIZE),
        ("bytes=-7", SIZE - 7, SIZE),
        (f"bytes=-{SIZE + 1}", 0, SIZE),
    ],
)
def test_a_part_of_it_may_be_asked_for(service: Service, asked: str, start: int, stop: int) -> None:
    response = service.ask("GET", service.path, Range=asked)
    assert (response.status, response.body) == (206, CONTENT[start:stop])
    assert response.headers["content-range"] == f"bytes {start}-{stop - 1}/{SIZE}"


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "bytes=5-1", "pages=1-2", "bytes=x"])
def test_what_is_no_single_range_gets_the_whole(service: Service, asked: str) -> None:
    response = service.ask("GET", service.path, Range=asked)
    assert (response.status, len(response.body)) == (200, SIZE)


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", "bytes=999999-9999999", "bytes=-0"])
def test_a_range_behind_the_end_is_refused_with_the_size(service: Service, asked: str) -> None:
    response = service.ask("GET", service.path, Range=asked)
    assert (response.status, response.json["code"]) == (416, "range_not_satisfiable")
    assert response.headers["content-range"] == f"bytes */{SIZE}"


def test_a_download_goes_on_only_with_the_same_file(service: Service) -> None:
    tag = f'"{service.one.sha256}"'
    assert service.ask("GET", service.path, Range="bytes=5-", If_Range=tag).status == 206
    assert service.ask("GET", service.path, Range="bytes=5-", If_Range='"other"').status == 200


def test_a_file_is_for_devices_whose_inbox_has_it(service: Service) -> None:
    other = service.backend.add_device("two")
    unsent = service.backend.file(b"not sent to anybody")
    assert service.ask("GET", service.path, secret=other).status == 404
    assert service.ask("GET", f"/mx/v1/attachments/{unsent.id}").status == 404
    assert service.ask("GET", service.path, secret="dst_nobody").status == 401
    assert service.backend.pieces == 0


def test_a_service_gets_it_by_its_link_without_credentials(service: Service) -> None:
    link = f"/mx/v1/media/link{service.one.id}"
    for path in (link, f"{link}.png"):
        response = Client(service.site).ask("GET", path)
        assert (response.status, response.body) == (200, CONTENT)
        assert response.headers["content-type"] == "image/png"
    assert Client(service.site).ask("GET", link, Range="bytes=0-3").body == CONTENT[:4]
    assert Client(service.site).ask("GET", "/mx/v1/media/linkx.png").status == 404
    assert Client(service.site).ask("GET", f"/mx/v1/media/{service.one.id}").status == 404


class Slow:
    """Each piece is read when the test says so."""

    def __init__(self, service: Service) -> None:
        self.waiting: list[Deferred[None]] = []
        service.backend.reading = self.read

    def read(self) -> Deferred[None]:
        """Somebody wants a piece."""
        self.waiting.append(Deferred())
        return self.waiting[-1]

    def give(self) -> None:
        """It is there."""
        self.waiting.pop().callback(None)


def body(connection: Connection) -> bytes:
    """What came behind the head so far."""
    return bytes(connection.transport.value().partition(b"\r\n\r\n")[2])


def channel(connection: Connection) -> Any:
    """The server's end, as its transport sees it."""
    assert connection.channel is not None
    return connection.channel


def test_no_more_is_read_than_the_client_takes(service: Service) -> None:
    slow = Slow(service)
    connection = service.begin("GET", service.path)
    slow.give()
    channel(connection).pauseProducing()
    slow.give()
    assert (len(body(connection)), slow.waiting) == (2 * CHUNK, [])
    service.backend.reading = None
    channel(connection).resumeProducing()
    assert body(connection) == CONTENT


def test_a_client_that_takes_nothing_when_its_next_download_begins_is_waited_for(service: Service) -> None:
    connection = service.open()
    channel(connection).pauseProducing()
    connection.send(f"GET {service.path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer dst_one\r\n\r\n".encode())
    assert (service.backend.pieces, body(connection)) == (0, b"")
    channel(connection).resumeProducing()
    assert body(connection) == CONTENT


def test_a_client_that_goes_away_ends_the_reading(service: Service) -> None:
    slow = Slow(service)
    connection = service.begin("GET", service.path)
    slow.give()
    connection.hang_up()
    slow.give()
    assert service.backend.pieces == 2


def test_a_client_that_takes_nothing_is_cut_when_the_time_for_the_size_is_over(service: Service) -> None:
    slow = Slow(service)
    connection = service.begin("GET", service.path)
    slow.give()
    channel(connection).pauseProducing()
    # 15 s, and 100,000 bytes at 16 KiB/s.
    service.time.pump([1] * 20)
    assert not connection.is_closed()
    service.time.pump([1] * 3)
    assert connection.is_closed()
    connection.hang_up()
    slow.give()


def test_a_file_that_is_gone_meanwhile_breaks_the_connection(service: Service) -> None:
    whole = service.backend.files[service.one.id]
    service.backend.files[service.one.id] = whole[0], CONTENT[:CHUNK]
    connection = service.begin("GET", service.path)
    assert len(body(connection)) == CHUNK
    assert connection.is_closed()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a b.txt", "attachment; filename=\"a b.txt\"; filename*=UTF-8''a%20b.txt"),
        ("Plán.pdf", "attachment; filename=\"Pl_n.pdf\"; filename*=UTF-8''Pl%C3%A1n.pdf"),
        ('"x"\r\n\\%41.txt', "attachment; filename=\"_x_____41.txt\"; filename*=UTF-8''%22x%22%0D%0A%5C%2541.txt"),
    ],
)
def test_no_name_can_break_out_of_its_header(name: str, expected: str) -> None:
    assert disposition(name) == expected
