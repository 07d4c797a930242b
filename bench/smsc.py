"""``python -m bench.smsc``: the SMSC stand-in, which sends the receipt of every message at once."""

from __future__ import annotations

import json
from typing import cast

from twisted.internet import reactor as global_reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IReactorTCP, IReactorTime

from bench.serve import serve
from datasms_daemon.demo.smsc import Smsc

PASSWORD = "secret"


async def start() -> None:
    """Listens, then says where."""
    smsc = Smsc(cast(IReactorTime, global_reactor), PASSWORD, receipt_after=0.0)
    port = await TCP4ServerEndpoint(cast(IReactorTCP, global_reactor), 0, interface="127.0.0.1").listen(smsc)
    print(json.dumps({"port": port.getHost().port}), flush=True)


if __name__ == "__main__":
    serve(start())
