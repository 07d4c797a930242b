"""``python -m bench.fcm DIRECTORY``: the FCM stand-in; writes ``ADDRESS ID`` for each push it takes."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import cast

from twisted.internet import reactor as global_reactor
from twisted.internet.interfaces import IReactorTCP, IReactorTime

from bench.serve import serve
from datasms_daemon.demo.fcm import DemoFcm, Pushed
from datasms_daemon.ops.clock import wall_ms

OUT = 1


def tell(pushed: Pushed) -> None:
    """One line, in one write, so that whoever reads sees it at once."""
    os.write(OUT, f"{pushed.address} {pushed.data['id']}\n".encode())


async def start(directory: Path) -> None:
    """Listens, then says where."""
    service = DemoFcm(cast(IReactorTime, global_reactor), wall_ms, keep=1)
    await service.listen(cast(IReactorTCP, global_reactor))
    service.write_files(directory)
    print(json.dumps({"endpoint": service.endpoint}), flush=True)
    service.on_push = tell


if __name__ == "__main__":
    serve(start(Path(sys.argv[1])))
