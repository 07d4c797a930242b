"""Telling systemd how we are (sd_notify(3)); silent when nobody asked."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


class Notifier:
    """Sends state lines to ``$NOTIFY_SOCKET``. A name that begins with ``@`` is in the abstract namespace."""

    def __init__(self, env: Mapping[str, str] = os.environ) -> None:
        address = env.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        watchdog = env.get("WATCHDOG_USEC", "")
        self.watchdog_s = int(watchdog) / 1_000_000 if watchdog.isdigit() else None
        """How often systemd wants to hear ``WATCHDOG=1`` at least; None: not at all."""

    def tell(self, *lines: str) -> None:
        """Sends lines such as ``READY=1`` or ``STATUS=…``; an unreachable systemd is no reason to stop."""
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            try:
                channel.sendto("\n".join(lines).encode(), self._address)
            except OSError:
                return
