"""An application that never tires: it submits, asks again under the same key until it is answered, and keeps what it
was told on disk; and a client that keeps its cursor."""

from __future__ import annotations

import http.client
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Self

from tests.fakes.live import Answer, Caller

Reach = Callable[[], Caller | None]
"""The daemon as it can be reached now; None while there is none."""


class Worker:
    """A thread that repeats ``once`` until it is stopped; what it raises fails the test at ``stop``."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> Self:
        """Begins."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Ends after the round that is under way; a second time is harmless."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._thread.join(60)
        assert not self._thread.is_alive(), "it does not end"
        self.close()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Lets go of what it holds."""

    def once(self) -> None:
        """One round."""
        raise NotImplementedError

    def ask(self, reach: Reach, method: str, path: str, body: object = None, key: str | None = None) -> Answer | None:
        """The answer; None when the daemon is away."""
        caller = reach()
        headers = None if key is None else {"Idempotency-Key": key}
        try:
            return None if caller is None else caller(method, path, body, headers)
        except (OSError, http.client.HTTPException):
            return None

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self.once()
        except BaseException as error:  # handed to the test by stop
            self._error = error


class Submitter(Worker):
    """Submits to one of ``numbers`` at a time. ``acknowledged``: id and text of what was answered 202."""

    def __init__(self, reach: Reach, numbers: tuple[str, ...], kept: Path, name: str, seed: int) -> None:
        super().__init__()
        self._reach = reach
        self._numbers = numbers
        self._name = name
        self._random = Random(seed)
        self._file = os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._count = 0
        self._pending: dict[str, object] | None = None
        self.acknowledged: dict[str, str] = {}

    def once(self) -> None:
        """One submission, or one more try of the last one."""
        if self._pending is None:
            self._count += 1
            to = [self._random.choice(self._numbers)]
            self._pending = {"to": to, "text": f"{self._name}-{self._count}"}
        text = str(self._pending["text"])
        answer = self.ask(self._reach, "POST", "/v1/messages", self._pending, text)
        if answer is None or answer.status in (409, 429, 503):
            time.sleep(0.02)
            return
        assert answer.status == 202, answer
        id_ = answer.body["messages"][0]["id"]
        os.write(self._file, f"{id_} {text}\n".encode())
        os.fsync(self._file)
        self.acknowledged[id_] = text
        self._pending = None

    def close(self) -> None:
        """Closes the list."""
        os.close(self._file)

    @property
    def last_unanswered(self) -> str | None:
        """The text that may or may not be stored."""
        return None if self._pending is None else str(self._pending["text"])


class Client(Worker):
    """The reference client: shows what comes after its cursor, drops nothing, confirms most of it."""

    def __init__(self, reach: Reach, seed: int) -> None:
        super().__init__()
        self._reach = reach
        self._random = Random(seed)
        self._cursor = "0"
        self._unconfirmed: list[dict[str, str]] = []
        self.shown: Counter[str] = Counter()

    def once(self) -> None:
        """A look into the inbox, and receipts for what was shown."""
        answer = self.ask(self._reach, "GET", f"/mx/v1/inbox?after={self._cursor}&wait=1")
        if answer is None or answer.status in (429, 503):
            time.sleep(0.05)
            return
        assert answer.status == 200, answer
        for item in answer.body["items"]:
            self.shown[item["id"]] += 1
            self._cursor = item["cursor"]
            if self._random.random() < 0.7:
                at = datetime.now(UTC).isoformat()
                self._unconfirmed.append({"id": item["id"], "state": "received", "at": at})
        self._confirm()

    def _confirm(self) -> None:
        if not self._unconfirmed:
            return
        answer = self.ask(self._reach, "POST", "/mx/v1/inbox/receipts", {"receipts": self._unconfirmed[:500]})
        if answer is not None and answer.status == 200:
            assert answer.body["unknown"] == []
            self._unconfirmed = self._unconfirmed[500:]
