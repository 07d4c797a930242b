"""The attachments of the fake core."""

from __future__ import annotations

from collections.abc import AsyncIterable
from hashlib import sha256

from datasms_daemon.model import Attachment, QuotaReached, StoredAttachment

NOW = 1_790_000_000_000
DAY = 86_400_000


class FakeAttachments:
    """Keeps what it is given; ``quota`` bytes a sender."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], tuple[StoredAttachment, bytes]] = {}
        self.quota = 1 << 30
        self.failure: Exception | None = None

    async def take(
        self, sender: str, name: str, pieces: AsyncIterable[bytes], expected: int | None
    ) -> StoredAttachment | QuotaReached | None:
        if self.failure is not None:
            raise self.failure
        content = b"".join([piece async for piece in pieces])
        if not content:
            return None
        if len(content) > self.quota:
            return QuotaReached("A sender may keep less")
        id_ = f"{len(self.kept):032x}"
        attachment = Attachment(id_, name or "attachment.bin", "image/png", len(content), sha256(content).hexdigest())
        stored = StoredAttachment(attachment, NOW + DAY)
        self.kept[sender, id_] = stored, content
        return stored

    async def of_sender(self, sender: str, id_: str) -> StoredAttachment | None:
        kept = self.kept.get((sender, id_))
        return None if kept is None else kept[0]
