"""An SMSC made with the independent library smpp34, as a process: ``python smsc_process.py PORT``.

It writes one JSON object a line: ``ready``, ``bound``, ``submit`` for each SMS taken, ``answered`` with the
command_status the daemon gave to a deliver_sm, and reads orders: ``receipt`` and ``text`` make it send a deliver_sm,
``automatic`` lets it confirm every SMS at once.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Coroutine
from typing import cast

import smpp34

RECEIPT = 0x04


def say(event: str, **fields: object) -> None:
    """One line to the test."""
    sys.stdout.write(json.dumps({"event": event, "at": time.time_ns() // 1_000_000, **fields}) + "\n")
    sys.stdout.flush()


class Centre:
    """One SMSC and the ESME bound last."""

    def __init__(self, port: int) -> None:
        self._server = smpp34.Server("127.0.0.1", port, system_id="smsc")
        self._esme: smpp34.Esme | None = None
        self._ids = itertools.count(1)
        self._is_automatic = False
        self._sending: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Takes whatever comes, until cancelled."""
        await self._server.start()
        say("ready")
        while True:
            event = await self._server.next()
            if isinstance(event, smpp34.Esme):
                self._esme = event
                say("bound", session=event.session_id)
            elif isinstance(event, smpp34.SubmitSmEvent):
                self._take(event)
            else:
                say("unbound", session=event.session_id)

    async def obey(self) -> None:
        """Reads orders until the test closes its end."""
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            order = cast(dict[str, str], json.loads(line))
            match order["do"]:
                case "receipt":
                    self._start(self._receipt(order["id"], order["to"], order["stat"]))
                case "text":
                    self._start(self._text(order["sender"], order["to"], order["text"]))
                case "automatic":
                    self._is_automatic = True

    def _take(self, event: smpp34.SubmitSmEvent) -> None:
        id_ = f"smsc-{next(self._ids)}"
        event.accept(id_)
        say("submit", id=id_, to=event.destination_addr, text=event.short_message.decode("latin-1"))
        if self._is_automatic:
            self._start(self._receipt(id_, event.destination_addr, "DELIVRD"))

    async def _receipt(self, id_: str, to: str, stat: str) -> None:
        now = time.strftime("%y%m%d%H%M")
        body = f"id:{id_} sub:001 dlvrd:001 submit date:{now} done date:{now} stat:{stat} err:000 text:"
        await self._deliver(to, "datasms", body, RECEIPT)

    async def _text(self, sender: str, to: str, text: str) -> None:
        await self._deliver(sender, to, text, 0)

    async def _deliver(self, source: str, to: str, text: str, esm_class: int) -> None:
        if self._esme is None:
            say("answered", status=None, text=text)
            return
        try:
            answer = await self._esme.deliver_sm(
                to, text.encode("ascii"), source_addr=source, source_addr_ton=1, source_addr_npi=1, esm_class=esm_class
            )
        except smpp34.SmppError as error:
            say("answered", status=None, text=text, why=str(error))
        else:
            say("answered", status=answer.command_status, text=text)

    def _start(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.ensure_future(work)
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)


async def main(port: int) -> None:
    """Serves until the test closes standard input."""
    centre = Centre(port)
    serving = asyncio.create_task(centre.serve())
    await centre.obey()
    serving.cancel()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
