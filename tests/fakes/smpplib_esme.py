"""An ESME by somebody else: PyPI smpplib's client. Run as a script with a port and a password; tells what it sees.

Sends "Hello" and waits for its receipt and a text; then unbinds.
"""

from __future__ import annotations

import json
import sys

import smpplib.client
import smpplib.consts
import smpplib.exceptions


def tell(**event: object) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def main(port: int, password: str) -> None:
    client = smpplib.client.Client("127.0.0.1", port, allow_unknown_opt_params=True, timeout=20)
    client.connect()
    try:
        client.bind_transceiver(system_id="acme", password=password)
    except smpplib.exceptions.PDUError as problem:
        tell(event="refused", status=problem.args[1])
        client.disconnect()
        return
    tell(event="bound")
    received: list[object] = []

    def took(pdu: object) -> int:
        received.append(pdu)
        tell(
            event="delivered",
            source=pdu.source_addr.decode(),  # type: ignore[attr-defined]
            text=pdu.short_message.decode("latin-1"),  # type: ignore[attr-defined]
            receipted=(pdu.receipted_message_id or b"").decode(),  # type: ignore[attr-defined]
        )
        return 0

    client.set_message_sent_handler(lambda pdu: tell(event="answered", id=pdu.message_id.decode()))
    client.set_message_received_handler(took)
    client.send_message(
        source_addr_ton=smpplib.consts.SMPP_TON_ALNUM,
        source_addr="Info",
        dest_addr_ton=smpplib.consts.SMPP_TON_INTL,
        dest_addr_npi=smpplib.consts.SMPP_NPI_ISDN,
        destination_addr="41790000000",
        short_message=b"Hello",
        registered_delivery=True,
    )
    while len(received) < 2:
        client.read_once()
    client.unbind()
    client.disconnect()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
