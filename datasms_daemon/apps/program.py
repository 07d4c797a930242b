"""For external programs written in Python: the lines that the daemon and a program write to each other, as calls.

Needs nothing but this file and the standard library; a program may copy it.
"""

from __future__ import annotations

import json
import sys
from typing import Any


class Refused(Exception):
    """The daemon could not do what it was asked; its sentence says why."""


class Program:
    """An application. Override what is of interest; ``run`` ends when the daemon wants no more.

    What raises ends the program; the daemon starts another one and hands the same text over again.
    """

    def __init__(self) -> None:
        self.name = ""
        self.options: dict[str, str] = {}
        self._asked = 0

    def received(self, text: dict[str, Any]) -> None:
        """A text came: ``id from to text at person incomplete tries line``; acknowledged when this returns."""

    def notification(self, notice: dict[str, Any]) -> None:
        """A message of ours has ended: ``message to state code reference``."""

    def idle(self) -> None:
        """There was nothing to do for a while."""

    def send(self, to: str, text: str, **more: str) -> str:
        """The id of a message; ``key`` makes it one however often it is asked for. Refused: see the sentence."""
        return str(self._ask("send", to=to, text=text, **more))

    def reply(self, text_id: int, text: str) -> str:
        """The id of the one answer to a text."""
        return str(self._ask("reply", text_id=text_id, text=text))

    def person(self, who: str) -> dict[str, Any] | None:
        """Who has a number, or ``person:ID``."""
        found: dict[str, Any] | None = self._ask("person", who=who)
        return found

    def complete_registration(self, text_id: int, number: str) -> bool:
        """Whether the registration number in this text was good."""
        return bool(self._ask("complete_registration", text_id=text_id, number=number))

    def run(self) -> None:
        """Does what the daemon asks for until it has no more."""
        for line in iter(sys.stdin.readline, ""):
            said = json.loads(line)
            call = said["call"]
            if call == "shutdown":
                return
            if call == "init":
                self.name, self.options = said["name"], said["options"]
            elif call == "received":
                self.received(said["text"])
            elif call == "notification":
                self.notification(said["notice"])
            elif call == "idle":
                self.idle()
            self._write({"id": said["id"], "ok": True})

    def _ask(self, call: str, **said: Any) -> Any:
        self._asked += 1
        id_ = f"p{self._asked}"
        self._write({"id": id_, "call": call, **said})
        # The daemon asks for nothing else before it has the answer to its own call.
        answer = json.loads(sys.stdin.readline())
        if answer["id"] != id_:
            raise RuntimeError("the daemon answered something else")
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["result"]

    @staticmethod
    def _write(said: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()
