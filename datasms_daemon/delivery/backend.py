"""IBackend in process: what clients may ask of the core."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from msgspec.structs import replace
from twisted.logger import Logger
from zope.interface import implementer

from datasms_daemon.channels.presence import Presence
from datasms_daemon.config.records import Config
from datasms_daemon.crypto import binding, tokens
from datasms_daemon.delivery.downloads import Downloads
from datasms_daemon.delivery.receipts import Receipts
from datasms_daemon.delivery.registration import RegistrationNumbers
from datasms_daemon.delivery.wording import Leaving, Wording, to_devices
from datasms_daemon.interfaces import IBackend
from datasms_daemon.model import (
    Device,
    DeviceId,
    DeviceReceipt,
    DeviceState,
    Download,
    Draft,
    HookAnswer,
    HookCall,
    InboxItem,
    LineName,
    MessageId,
    NewRegistration,
    Reach,
    Registration,
    RegistrationState,
)
from datasms_daemon.rules.takeovers import notices
from datasms_daemon.store import directory, operations, pushes, registrations
from datasms_daemon.store.pushes import InboxRow
from datasms_daemon.store.store import Db, Store

SEEN_EVERY_MS = 300_000
MOST_REMEMBERED = 50_000


@implementer(IBackend)
class Backend:
    """The core as MxService sees it."""

    _log = Logger()

    def __init__(
        self,
        config: Callable[[], Config],
        store: Store,
        now_ms: Callable[[], int],
        random: Callable[[int], bytes],
        numbers: RegistrationNumbers,
        mac_key: bytes,
        receipts: Receipts,
        presence: Presence,
        server_keys: Callable[[], dict[str, str]],
        hook: Callable[[HookCall], Awaitable[HookAnswer | None]],
        wordings: Callable[[], Mapping[LineName, Wording]],
        downloads: Downloads,
        notify: Callable[[Db, tuple[Draft, ...]], Callable[[], None]],
    ) -> None:
        """``notify`` writes messages to persons in a unit and answers what to call after its commit."""
        self._config = config
        self._store = store
        self._now_ms = now_ms
        self._random = random
        self._numbers = numbers
        self._mac_key = mac_key
        self._receipts = receipts
        self._presence = presence
        self._server_keys = server_keys
        self._hook = hook
        self._wordings = wordings
        self._downloads = downloads
        self._notify = notify
        self._waiting: dict[str, set[Callable[[], None]]] = {}
        self._known: dict[str, Device] = {}
        self._forgotten = 0
        self._unwritten: dict[DeviceId, int] = {}

    # --- registration ------------------------------------------------------------------------------------------------

    async def register(self, new: NewRegistration) -> Registration | None:
        """See IBackend."""
        sms_to = self._inbound_number()
        if sms_to is None:
            return None
        made = await self._numbers.for_client(new)
        return Registration(made.id, made.secret, made.number, made.expires_at, sms_to, made.text)

    async def registration(self, id_: str, secret: str) -> RegistrationState | None:
        """See IBackend."""
        now, secret_hash = self._now_ms(), tokens.hash_token(secret)
        found = await self._store.read(lambda db: registrations.state(db, id_, secret_hash, now))
        if found is None or found[0] != "active":
            return None if found is None else RegistrationState(found[0])
        token = tokens.new_token(tokens.DEVICE_PREFIX, self._random)

        def unit(db: Db) -> RegistrationState | None:
            found = registrations.state(db, id_, secret_hash, now)
            if found is None:
                return None
            state, device = found
            if state != "active" or device is None:
                return RegistrationState(state)
            registrations.token_shown(db, id_)
            directory.set_token(db, device, tokens.hash_token(token))
            return RegistrationState("active", device, token)

        return await self._store.write(unit)

    def watch_registration(self, id_: str, changed: Callable[[], None]) -> Callable[[], None]:
        """See IBackend."""
        watchers = self._waiting.setdefault(id_, set())
        watchers.add(changed)

        def end() -> None:
            watchers.discard(changed)
            if not watchers:
                self._waiting.pop(id_, None)

        return end

    def registered(self, id_: str) -> None:
        """To be called when a registration was completed."""
        for changed in tuple(self._waiting.get(id_, ())):
            changed()

    def _inbound_number(self) -> str | None:
        config = self._config()
        of_lines = (getattr(line, "inbound_number", None) for line in config.line if line.enabled)
        return config.mxservice.registration_number or next((number for number in of_lines if number), None)

    # --- the device --------------------------------------------------------------------------------------------------

    async def authenticate(self, token: str) -> Device | None:
        """See IBackend."""
        token_hash = tokens.hash_token(token)
        known = self._known.get(token_hash)
        if known is None:
            if not tokens.well_formed(token, tokens.DEVICE_PREFIX):
                return None
            known = await self._looked_up(token_hash)
            if known is None:
                return None
            self._remember(token_hash, known)
        self._seen(token_hash, known)
        return known

    async def inbox(self, device: DeviceId, after: int, limit: int) -> tuple[InboxItem, ...]:
        """See IBackend. A message whose recipient or text was tampered with is not shown (I39)."""
        now = self._now_ms()
        while True:
            rows = await self._store.read(partial(pushes.inbox, device=device, after=after, now=now, limit=limit))
            intact = tuple(self._item(row) for row in rows if self._is_intact(row))
            if intact or not rows:
                return intact
            after = rows[-1].seq

    def watch_inbox(self, device: DeviceId, changed: Callable[[bool], None]) -> Callable[[], None]:
        """See IBackend."""
        return self._presence.watch(device, changed)

    def watch_withdrawals(self, device: DeviceId, withdrawn: Callable[[MessageId], None]) -> Callable[[], None]:
        """See IBackend."""
        return self._presence.watch_withdrawals(device, withdrawn)

    async def receipts(self, device: DeviceId, receipts: tuple[DeviceReceipt, ...]) -> tuple[str, ...]:
        """See IBackend."""
        unknown = await self._receipts.from_device(device, receipts)
        for receipt in receipts:
            self._presence.confirmed(device, receipt.message)
        return unknown

    async def attachment(self, device: DeviceId, id_: str) -> Download | None:
        """See IBackend."""
        return await self._downloads.of_device(device, id_)

    async def media(self, ticket: str) -> Download | None:
        """See IBackend."""
        return await self._downloads.of_link(ticket)

    async def read_attachment(self, ticket: str, offset: int, size: int) -> bytes:
        """See IBackend."""
        return await self._downloads.read(ticket, offset, size)

    async def update_device(
        self,
        device: DeviceId,
        preferred: Reach,
        others: tuple[Reach, ...] | None,
        keys: dict[str, str],
        name: str,
    ) -> Device:
        """See IBackend."""
        now = self._now_ms()

        def unit(db: Db) -> tuple[Device | None, list[DeviceId], Callable[[], None] | None]:
            known = directory.device(db, device)
            if known is None or known.state is DeviceState.REVOKED:
                return None, [], None
            if _foreign_phone(db, known, (preferred, *(others or ()))):
                raise ValueError("a phone that is not the person's")
            former = directory.update_device(db, device, preferred, others, keys, name, now)
            operations.audit(db, now, f"device:{device}", "address changed", device)
            told = notices(known.person, directory.persons_of(db, former))
            return directory.device(db, device), former, self._notify(db, told) if told else None

        updated, former, notified = await self._store.write(unit)
        self.forget(device, *former)
        if notified is not None:
            notified()
        if updated is None:
            raise LookupError("the device was revoked meanwhile")
        return updated

    async def unregister(self, device: DeviceId) -> None:
        """See IBackend."""
        now = self._now_ms()

        def unit(db: Db) -> None:
            if directory.revoke(db, device):
                operations.audit(db, now, f"device:{device}", "unregistered", device)

        await self._store.write(unit)
        self.forget(device)
        self._presence.revoke(device)

    async def write_seen(self) -> None:
        """Commits when devices were last there, all since the last time together: a write for each would cost as much
        as the receipt it comes with."""
        times, self._unwritten = self._unwritten, {}
        if times:
            await self._store.write(lambda db: directory.seen(db, times))

    def forget(self, *devices: DeviceId) -> None:
        """To be called when devices changed: their tokens are looked up again."""
        self._forgotten += 1
        gone = [token_hash for token_hash, device in self._known.items() if device.id in devices]
        for token_hash in gone:
            del self._known[token_hash]

    async def server_keys(self) -> dict[str, str]:
        """See IBackend."""
        return self._server_keys()

    async def hook(self, call: HookCall) -> HookAnswer | None:
        """See IBackend."""
        return await self._hook(call)

    # --- the inside --------------------------------------------------------------------------------------------------

    async def _looked_up(self, token_hash: str) -> Device | None:
        """As it is stored; read again when devices changed meanwhile, as it may have been revoked while we read."""
        known, forgotten = None, -1
        while forgotten != self._forgotten:
            forgotten = self._forgotten
            known = await self._store.read(lambda db: directory.device_of_token(db, token_hash))
        return known

    def _remember(self, token_hash: str, device: Device) -> None:
        if len(self._known) >= MOST_REMEMBERED:
            self._known.pop(next(iter(self._known)))
        self._known[token_hash] = device

    def _seen(self, token_hash: str, device: Device) -> None:
        now = self._now_ms()
        if device.last_seen_at is not None and now - device.last_seen_at < SEEN_EVERY_MS:
            return
        self._remember(token_hash, replace(device, last_seen_at=now))
        self._unwritten[device.id] = now

    def _is_intact(self, row: InboxRow) -> bool:
        intact = binding.verify(
            self._mac_key, row.mac, row.id, row.to, row.person, row.text, row.title, row.per_line, row.attachments,
            row.buttons,
        )  # fmt: skip
        if not intact:
            self._log.error("message {id} was tampered with and is not shown", id=row.id)
        return intact

    def _item(self, row: InboxRow) -> InboxItem:
        leaving = (self._wordings().get(row.line) or to_devices(row.line)).leaving(row, row.sender)
        assert isinstance(leaving, Leaving), "devices take texts of any length"
        return InboxItem(
            row.seq, row.id, row.created_at, row.priority, leaving.title, leaving.text, row.valid_until,
            () if leaving.alone else row.attachments, () if leaving.alone else row.buttons,
        )  # fmt: skip


def _foreign_phone(db: Db, known: Device, wanted: tuple[Reach, ...]) -> bool:
    """Whether a phone among the addresses was never proved: it is neither the person's nor the device's already."""
    person = directory.person(db, known.person)
    proved = {*(person.numbers if person else ()), *(reach.address.get("phone") for reach in known.reaches)}
    return any("phone" in reach.address and reach.address["phone"] not in proved for reach in wanted)
