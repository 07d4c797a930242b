"""The applications' keys, in memory: every request asks for one."""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger

from datasms_daemon.crypto import tokens
from datasms_daemon.model import Key
from datasms_daemon.store import operations
from datasms_daemon.store.store import Db, Store

YEAR_MS = 365 * 24 * 3_600_000


class Keys:
    """All keys by the hash of their secret; the store is read once and after each change."""

    _log = Logger()

    def __init__(
        self, store: Store, now_ms: Callable[[], int], new_id: Callable[[], str], random: Callable[[int], bytes]
    ) -> None:
        self._store = store
        self._now_ms = now_ms
        self._new_id = new_id
        self._random = random
        self._known: dict[str, Key] = {}

    async def load(self) -> None:
        """Reads the keys anew."""
        self._known = await self._store.read(operations.keys)

    def of(self, secret: str) -> Key | None:
        """The key a secret proves; None when unknown or expired."""
        key = self._known.get(tokens.hash_token(secret))
        if key is not None and key.expires_at is not None and key.expires_at <= self._now_ms():
            self._log.warn("key {id} of {name} is expired", id=key.id, name=key.name)
            return None
        return key

    def all(self) -> tuple[Key, ...]:
        """Every key, oldest first."""
        return tuple(sorted(self._known.values(), key=lambda key: key.id))

    def readers(self) -> frozenset[str]:
        """The senders that can read texts from outside."""
        now = self._now_ms()
        return frozenset(
            key.name
            for key in self._known.values()
            if "inbound" in key.rights and (key.expires_at is None or key.expires_at > now)
        )

    async def add(
        self,
        name: str,
        rights: tuple[str, ...],
        top_priority: str | None,
        lines: tuple[str, ...] | None,
        rate: int,
        expires_at: int | None,
        by: str,
    ) -> tuple[Key, str]:
        """A new key and its secret, which is not kept; without ``expires_at`` it is good for a year."""
        now = self._now_ms()
        secret = tokens.new_token(tokens.KEY_PREFIX, self._random)
        key = Key(self._new_id(), name, rights, top_priority, lines, rate, now, expires_at or now + YEAR_MS)
        hash_ = tokens.hash_token(secret)

        def unit(db: Db) -> None:
            operations.add_key(db, key, hash_)
            operations.audit(db, now, by, "key added", key.id)

        await self._store.write(unit)
        self._known[hash_] = key
        return key, secret

    async def delete(self, id_: str, by: str) -> bool:
        """False when there was no such key; a deleted one is refused from the next request on."""
        now = self._now_ms()

        def unit(db: Db) -> bool:
            operations.audit(db, now, by, "key deleted", id_)
            return operations.delete_key(db, id_)

        found = await self._store.write(unit)
        self._known = {hash_: key for hash_, key in self._known.items() if key.id != id_}
        return found
