"""Attachments with the whole daemon: up to the gateway, down to the device, over a kill."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.fakes.stage import Stage

NUMBER = "+420603123456"
# As much as is taken, and nothing that repeats within a piece.
CONTENT = b"".join(sha256(b"%d" % n).digest() for n in range(10 * 32_768))


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """With everything running."""
    with Stage(tmp_path, wait="40s", ttl="5m") as stage:
        yield stage.start()


def test_a_file_goes_from_an_application_to_a_device_and_survives_a_kill(stage: Stage) -> None:
    """I4."""
    device = stage.register(NUMBER, "direct", {})
    id_ = stage.attach(CONTENT, "plan.bin")
    directory = stage.daemon.state / "attachments"
    assert [path.name for path in directory.iterdir()] == [id_]
    message = stage.submit(NUMBER, "The plan", attachments=[id_])
    (directory / ("0" * 32)).write_bytes(b"half a file")
    stage.daemon.kill()
    stage.start()
    assert [path.name for path in directory.iterdir()] == [id_]
    clients = stage.daemon.clients(device.token)
    (item,) = clients("GET", "/mx/v1/inbox").body["items"]
    assert (item["id"], [one["id"] for one in item["attachments"]]) == (message, [id_])
    assert item["attachments"][0]["sha256"] == sha256(CONTENT).hexdigest()
    status, headers, body = clients.fetch(f"/mx/v1/attachments/{id_}")
    assert (status, body == CONTENT, headers["Content-Length"]) == (200, True, str(len(CONTENT)))
    status, headers, body = clients.fetch(f"/mx/v1/attachments/{id_}", {"Range": "bytes=5000000-"})
    assert (status, body == CONTENT[5_000_000:]) == (206, True)
    other = stage.register("+420603000001", "direct", {})
    assert stage.daemon.clients(other.token).fetch(f"/mx/v1/attachments/{id_}")[0] == 404


def test_what_is_too_large_or_may_not_be_sent_leaves_nothing(stage: Stage) -> None:
    # Small enough for the sockets: this client reads no answer before it has sent all.
    stage.daemon.terminate()
    config = stage.daemon.config_file
    config.write_text(f'attachments.max_size = "64K"\n{config.read_text("utf-8")}', "utf-8")
    stage.start()
    fetch = stage.gateway.fetch
    assert fetch("/v1/attachments", method="POST", content=CONTENT[: 64 * 1024 + 1])[0] == 413
    assert stage.daemon.gateway("nobody").fetch("/v1/attachments", method="POST", content=b"x")[0] == 401
    assert not (stage.daemon.state / "attachments").exists()
    assert fetch("/v1/attachments", method="POST", content=CONTENT[: 64 * 1024])[0] == 201
