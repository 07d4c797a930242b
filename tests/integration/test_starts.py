"""What may be wrong at a start, or with the disk under a running daemon, and how the daemon says so."""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from datasms_daemon import service
from datasms_daemon.config.load import load_with_warnings
from datasms_daemon.delivery import recovery
from datasms_daemon.ops import collector
from datasms_daemon.ops.systemd import Notifier
from tests.fakes.live import Caller, Daemon, eventually
from tests.fakes.load import Submitter

QUIET = """
store.min_free = "1M"
gateway.http.listen = "127.0.0.1:0"
mxservice.listen = "127.0.0.1:0"
"""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path, QUIET) as daemon:
        yield daemon


def test_a_taken_port_ends_the_start_and_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with Daemon(
            tmp_path, QUIET.replace('mxservice.listen = "127.0.0.1:0"', f'mxservice.listen = "{listen}"')
        ) as daemon:
            daemon.start()
            assert not daemon.wait_ready()
            assert daemon.ended() == 1
            assert f"mxservice cannot listen on {listen}" in daemon.log
            assert "Traceback" not in daemon.log


@pytest_twisted.ensureDeferred
async def test_messages_are_taken_when_the_channels_are_there_and_not_before(
    reactor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a client hands in as soon as the port is open must not pass by its devices."""
    file = tmp_path / "datasms.toml"
    file.write_text(f'daemon.state_dir = "{tmp_path}/state"\n{QUIET}[[channel]]\nname = "app"\ndriver = "direct"\n')
    loaded = load_with_warnings(file, {})
    ready, recover = Deferred[None](), recovery.recover
    monkeypatch.setattr(collector, "settle", lambda: None)
    monkeypatch.setattr(service.DaemonService, "_watch_for_reload", lambda _: None)
    monkeypatch.setattr(service.DaemonService, "_announce", lambda _: ready.callback(None))
    daemon = service.DaemonService(loaded, file, {}, reactor, pytest.fail, Notifier({}))
    channels: list[str] = []

    async def noting(*given: Any) -> int:
        assert daemon._parts is not None
        channels.extend(daemon._parts.channels)
        return await recover(*given)

    monkeypatch.setattr(recovery, "recover", noting)
    daemon.startService()
    try:
        await ready
    finally:
        await daemon.stopService()
    assert channels == ["app"]


def test_a_state_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    with Daemon(tmp_path, QUIET) as daemon:
        daemon.state.write_text("a file stands here")
        daemon.start()
        assert not daemon.wait_ready()
        assert daemon.ended() == 1
        assert str(daemon.state) in daemon.log
        assert "Traceback" not in daemon.log


def test_a_second_daemon_on_the_same_state_directory_names_the_first(daemon: Daemon, tmp_path: Path) -> None:
    """I30: one process a file."""
    daemon.run()
    other = tmp_path / "other"
    other.mkdir()
    with Daemon(other, QUIET) as second:
        second.config_file.write_text(f'daemon.state_dir = "{daemon.state}"\n{QUIET}', "utf-8")
        second.start()
        assert not second.wait_ready()
        assert second.ended() == 1
        assert f"in use by process {daemon.pid}" in second.log
        assert "Traceback" not in second.log
    assert daemon.is_alive
    assert daemon.operator("GET", "/health/ready").status == 200


def test_what_a_killed_daemon_left_of_its_socket_is_no_obstacle_whoever_has_its_process_id_now(daemon: Daemon) -> None:
    daemon.run().kill()
    lock = daemon.state / "datasms.sock.lock"
    lock.unlink()
    lock.symlink_to(str(os.getpid()))
    daemon.run()
    assert daemon.operator("GET", "/health/ready").status == 200


def test_a_database_of_a_newer_version_is_refused_and_untouched(daemon: Daemon) -> None:
    daemon.run().terminate()
    with sqlite3.connect(daemon.database) as database:
        database.execute("INSERT INTO _sqlite_migrations VALUES (?, 'datasms', 'm999_later', '2030-01-01')", (999,))
    database.close()
    before = daemon.database.read_bytes()
    daemon.start()
    assert not daemon.wait_ready()
    assert daemon.ended() == 1
    assert "was written by a newer datasms (m999_later)" in daemon.log
    assert "Traceback" not in daemon.log
    assert daemon.database.read_bytes() == before


@pytest.mark.parametrize("page", [1, 2, 5, 20, 40])
def test_a_damaged_database_is_refused(daemon: Daemon, page: int) -> None:
    """I28: damage is found before anything is sent because of it."""
    daemon.run().terminate()
    content = bytearray(daemon.database.read_bytes())
    content[page * 4096 : page * 4096 + 64] = b"\xa5" * 64
    daemon.database.write_bytes(content)
    daemon.start()
    assert not daemon.wait_ready()
    assert daemon.ended() == 1
    assert "is damaged" in daemon.log or "is no usable database" in daemon.log
    assert "Traceback" not in daemon.log


@pytest.mark.parametrize("first", [8, 15, 30])
def test_a_disk_that_fails_ends_the_daemon_and_loses_nothing_acknowledged(daemon: Daemon, first: int) -> None:
    """I27: after the first EIO nothing is acknowledged, and the exit is non-zero so that systemd starts it anew."""
    daemon.run()
    key = daemon.new_key()
    daemon.terminate()
    daemon.start(
        [
            "strace",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=fdatasync",
            "-e",
            f"inject=fdatasync:error=EIO:when={first}+",
        ]
    )
    assert daemon.wait_ready(), daemon.log
    caller = daemon.gateway(key)
    submitter = Submitter(lambda: _alive(daemon, caller), ("+420603123456",), daemon.directory / "acks", "s", 1).start()
    eventually(lambda: not daemon.is_alive, "the daemon ends")
    submitter.stop()
    assert daemon.ended() == 1
    assert "the store failed" in daemon.log
    assert submitter.acknowledged
    daemon.run()
    gateway = daemon.gateway(key)
    for id_, text in submitter.acknowledged.items():
        assert gateway("GET", f"/v1/messages/{id_}").status == 200, text


def _alive(daemon: Daemon, caller: Caller) -> Caller | None:
    return caller if daemon.is_alive else None
