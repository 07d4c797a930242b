"""Attachments: taken in from senders, kept while a message needs them, removed afterwards.

The order is what keeps rows and files together over a crash (I4): the file is on the disk before its row is committed,
and its row is gone before the file is removed. What a crash leaves is a file without a row; a start removes it.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar

from twisted.logger import Logger

from datasms_daemon.config.attachments import Attachments as Options
from datasms_daemon.config.units import format_size
from datasms_daemon.errors import DiskFull, StoreFailed
from datasms_daemon.model import Attachment, QuotaReached, StoredAttachment
from datasms_daemon.rules.attachments import HEAD_BYTES, safe_name, type_of
from datasms_daemon.store import attachments
from datasms_daemon.store.files import Files, Incoming
from datasms_daemon.store.store import Db, Store

ID_BYTES = 16
MOST_SWEPT_SHOWN = 5

T = TypeVar("T")


class InThread(Protocol):
    """Runs what waits for the disk where nobody else waits for it."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]: ...


class Attachments:
    """``options`` are those of the running configuration."""

    _log = Logger()

    def __init__(
        self,
        store: Store,
        files: Files,
        now_ms: Callable[[], int],
        random: Callable[[int], bytes],
        in_thread: InThread,
        has_room: Callable[[], bool],
        options: Callable[[], Options],
    ) -> None:
        self._store = store
        self._files = files
        self._now_ms = now_ms
        self._random = random
        self._in_thread = in_thread
        self._has_room = has_room
        self._options = options

    async def take(
        self, sender: str, name: str, pieces: AsyncIterable[bytes], expected: int | None
    ) -> StoredAttachment | QuotaReached | None:
        """Keeps a file that comes in pieces, ``expected`` bytes if that is known; returns when it is on the disk.
        None: nothing came.

        DiskFull: no room. What ``pieces`` raises is passed on, and nothing stays.
        """
        self._check_room()
        reached = await self._store.read(lambda db: self._quota(db, sender, expected or 0))
        if reached is not None:
            return reached
        id_ = self._random(ID_BYTES).hex()
        incoming = await self._in_thread(lambda: self._files.create(id_, HEAD_BYTES))
        taken: StoredAttachment | QuotaReached | None = None
        try:
            async for piece in pieces:
                # Others come in beside it, and what was accepted needs the rest of the disk.
                self._check_room()
                await self._in_thread(partial(incoming.write, piece))
            if incoming.size:
                await self._in_thread(incoming.finish)
                taken = await self._keep(sender, id_, name, incoming)
        finally:
            if not isinstance(taken, StoredAttachment):
                await self._in_thread(incoming.discard)
        return taken

    async def of_sender(self, sender: str, id_: str) -> StoredAttachment | None:
        """One of the sender's own that it may still use."""
        now = self._now_ms()
        return await self._store.read(lambda db: attachments.of_sender(db, sender, id_, now))

    async def purge(self) -> None:
        """Removes what nobody needs any more."""
        now = self._now_ms()
        if await self._store.read(lambda db: attachments.is_any_expired(db, now)):
            gone = await self._store.write(lambda db: attachments.remove_expired(db, now))
            await self._in_thread(lambda: self._files.remove(gone))

    async def sweep(self) -> None:
        """To be called at a start, before anything is taken in: removes files that a crash left without a row."""
        known = await self._store.read(attachments.sizes)
        found = await self._in_thread(self._files.sizes)
        left = [id_ for id_ in found if id_ not in known]
        await self._in_thread(lambda: self._files.remove(left))
        if left:
            self._log.info("{count} attachments that were not taken in whole are removed", count=len(left))
        wrong = [id_ for id_, size in known.items() if found.get(id_) != size]
        if wrong:
            shown = ", ".join(wrong[:MOST_SWEPT_SHOWN])
            self._log.error("{count} attachments are missing or damaged: {shown}", count=len(wrong), shown=shown)

    def _check_room(self) -> None:
        if not self._has_room():
            raise DiskFull("too little room on the disk for new attachments")

    async def _keep(self, sender: str, id_: str, name: str, incoming: Incoming) -> StoredAttachment | QuotaReached:
        type_ = type_of(incoming.head)
        attachment = Attachment(id_, safe_name(name, type_), type_, incoming.size, incoming.sha256)
        expires_at = self._now_ms() + self._options().unused

        def unit(db: Db) -> StoredAttachment | QuotaReached:
            # Others may have come in meanwhile.
            reached = self._quota(db, sender, incoming.size)
            if reached is not None:
                return reached
            attachments.add(db, sender, attachment, expires_at)
            return StoredAttachment(attachment, expires_at)

        try:
            return await self._store.write(unit)
        except StoreFailed:
            # Whether the row is there is known after the next start only; the file must stay until then.
            incoming.keep()
            raise

    def _quota(self, db: Db, sender: str, more: int) -> QuotaReached | None:
        options, used = self._options(), attachments.use(db, sender)
        if used.files >= options.quota_files:
            return QuotaReached(f"A sender may keep {options.quota_files} attachments at a time")
        if used.size + more > options.quota:
            return QuotaReached(f"A sender may keep {format_size(options.quota)} of attachments at a time")
        return None
