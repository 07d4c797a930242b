"""A disk that is full for a while: new work gets 507, nothing acknowledged is lost, and it goes on by itself."""

from __future__ import annotations

import time
from pathlib import Path

from tests.fakes.live import Daemon

QUIET = """
store.min_free = "1M"
gateway.http.listen = "127.0.0.1:0"
mxservice.listen = "127.0.0.1:0"
"""
# Some writes work, then sixty in a row find no room, then there is room again.
FULL = [
    "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64",
    "-e", "inject=pwrite64:error=ENOSPC:when=120..180",
]  # fmt: skip


def test_a_full_disk_is_a_507_and_passes(tmp_path: Path) -> None:
    """R4."""
    with Daemon(tmp_path, QUIET) as daemon:
        daemon.run()
        key = daemon.new_key()
        daemon.terminate()
        daemon.start(FULL)
        assert daemon.wait_ready(), daemon.log
        gateway = daemon.gateway(key)
        statuses: list[int] = []
        acknowledged: list[str] = []
        give_up = time.monotonic() + 60
        while time.monotonic() < give_up and not (507 in statuses and statuses[-5:] == [202] * 5):
            answer = gateway("POST", "/v1/messages", {"to": ["+420603123456"], "text": f"message {len(statuses)}"})
            statuses.append(answer.status)
            if answer.status == 202:
                acknowledged.append(answer.body["messages"][0]["id"])
            else:
                assert (answer.status, answer.body["code"]) == (507, "disk_full"), answer.body
        assert statuses[0] == 202
        assert 507 in statuses
        assert statuses[-5:] == [202] * 5, "it did not go on when there was room again"
        assert daemon.is_alive
        for id_ in acknowledged:
            assert gateway("GET", f"/v1/messages/{id_}").status == 200
