"""Attachments as they are read again: by the devices that got them, and by services that show them for us."""

from __future__ import annotations

from collections.abc import Callable

from datasms_daemon.crypto.links import Ticket, issue, redeem, ticket_key
from datasms_daemon.delivery.attachments import InThread
from datasms_daemon.model import CHUNK, Attachment, DeviceId, Download
from datasms_daemon.store import attachments
from datasms_daemon.store.files import Files
from datasms_daemon.store.store import Store

DOWNLOAD_S = 3600
SHORTEST_LINK_S = 600
LONGEST_LINK_S = 7 * 24 * 3600


class Downloads:
    """``shows`` tells whether a channel of that name is there and shows content."""

    def __init__(
        self,
        store: Store,
        files: Files,
        now_ms: Callable[[], int],
        in_thread: InThread,
        mac_key: bytes,
        shows: Callable[[str], bool],
    ) -> None:
        self._store = store
        self._files = files
        self._now_ms = now_ms
        self._in_thread = in_thread
        self._key = ticket_key(mac_key)
        self._shows = shows

    def ticket(self, channel: str, attachment: Attachment, ttl_ms: int) -> str:
        """A ticket for the service behind a channel, good as long as the message is worth showing: ten minutes at
        least, a week at most."""
        seconds = min(max(ttl_ms // 1000, SHORTEST_LINK_S), LONGEST_LINK_S)
        return issue(self._key, Ticket(attachment.id, channel, self._now_ms() // 1000 + seconds))

    async def of_device(self, device: DeviceId, id_: str) -> Download | None:
        """See IBackend.attachment."""
        now = self._now_ms()
        found = await self._store.read(lambda db: attachments.of_device(db, device, id_, now))
        return None if found is None else Download(found, issue(self._key, Ticket(id_, "", now // 1000 + DOWNLOAD_S)))

    async def of_link(self, ticket: str) -> Download | None:
        """See IBackend.media."""
        good = redeem(self._key, ticket, self._now_ms())
        if good is None or not good.channel or not self._shows(good.channel):
            return None
        found = await self._store.read(lambda db: attachments.by_id(db, good.attachment))
        return None if found is None else Download(found, ticket)

    async def read(self, ticket: str, offset: int, size: int) -> bytes:
        """See IBackend.read_attachment."""
        good = redeem(self._key, ticket, self._now_ms())
        if good is None or offset < 0 or size <= 0:
            return b""
        return await self._in_thread(lambda: self._files.read(good.attachment, offset, min(size, CHUNK)))
