"""``python -m bench.smsc [--print]``: the SMSC stand-in, which sends the receipt of every message at once.

With ``--print`` it writes a line for each message: the moment by ``time.monotonic``, and the text.
"""

from __future__ import annotations

import json
import sys
import time
from typing import cast

from twisted.internet import reactor as global_reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IReactorTCP, IReactorTime

from bench.serve import serve
from datasms_daemon.demo.smsc import Reply, Smsc
from datasms_daemon.lines.smpp_pdu import ShortMessage

PASSWORD = "secret"


def tell(pdu: ShortMessage) -> Reply:
    """Takes it, and says when."""
    print(time.monotonic(), pdu.short_message.decode("ascii"), flush=True)
    return Reply()


async def start(prints: bool) -> None:
    """Listens, then says where."""
    on_submit = tell if prints else None
    smsc = Smsc(cast(IReactorTime, global_reactor), PASSWORD, on_submit=on_submit, receipt_after=0.0)
    port = await TCP4ServerEndpoint(cast(IReactorTCP, global_reactor), 0, interface="127.0.0.1").listen(smsc)
    print(json.dumps({"port": port.getHost().port}), flush=True)


if __name__ == "__main__":
    serve(start("--print" in sys.argv))
