"""An SMSC by somebody else: PyPI smpp34's server. Run as a script with a port; tells what it sees on stdout.

Each submission is accepted under a hexadecimal id; one for "refuse me" is throttled. After a text "write back" it sends
a receipt and an answer in two parts.
"""

from __future__ import annotations

import asyncio
import json
import sys

import smpp34


def tell(**event: object) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


async def write_back(esme: smpp34.Esme, submitted: smpp34.SubmitSmEvent, id_: str) -> None:
    number, source = submitted.destination_addr, submitted.source_addr
    receipt = await esme.deliver_sm(
        source,
        f"id:{int(id_, 16)} sub:001 dlvrd:001 done date:2611231201 stat:DELIVRD err:000 text:".encode(),
        source_addr=number,
        source_addr_ton=1,
        source_addr_npi=1,
        esm_class=0x04,
    )
    tell(event="receipt", status=receipt.command_status)
    parts = [
        esme.deliver_sm(
            source,
            bytes((5, 0, 3, 1, 2, n)) + text,
            source_addr=number,
            source_addr_ton=1,
            source_addr_npi=1,
            esm_class=0x40,
        )
        for n, text in ((1, b"hello "), (2, b"back"))
    ]
    answers = await asyncio.gather(*parts)
    tell(event="inbound", statuses=[answer.command_status for answer in answers])


async def main(port: int) -> None:
    server = smpp34.Server("127.0.0.1", port, system_id="other")
    await server.start()
    tell(event="listening")
    sessions: dict[str, smpp34.Esme] = {}
    tasks: list[asyncio.Task[None]] = []
    count = 0
    while True:
        event = await server.next()
        if isinstance(event, smpp34.Esme):
            sessions[event.session_id] = event
            tell(event="bound", system_id=event.system_id, can_receive=event.can_receive)
        elif isinstance(event, smpp34.SubmitSmEvent):
            text = event.short_message.decode("latin-1")
            tell(event="submitted", dest=event.destination_addr, text=text, coding=event.data_coding)
            if text == "refuse me":
                event.reject(0x58)
                continue
            count += 1
            id_ = f"{0xAB00 + count:X}"
            event.accept(id_)
            if text == "write back":
                tasks.append(asyncio.create_task(write_back(sessions[event.session_id], event, id_)))
        else:
            tell(event="unbound")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
