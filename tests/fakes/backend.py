"""The core as MxService sees it, in memory, with verbs for what happens on the other side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

import msgspec
from twisted.internet.defer import Deferred
from zope.interface import implementer

from datasms_daemon.interfaces import IBackend
from datasms_daemon.model import (
    CHUNK,
    Attachment,
    Button,
    Device,
    DeviceId,
    DeviceReceipt,
    DeviceState,
    Download,
    HookAnswer,
    HookCall,
    InboxItem,
    MessageId,
    NewRegistration,
    PersonId,
    Reach,
    Registration,
    RegistrationState,
)

NOW = 1_790_000_000_000


@dataclass
class _Pending:
    """A registration and the device it will make."""

    registration: Registration
    request: NewRegistration
    state: str = "pending"
    unshown: RegistrationState | None = None


@dataclass
class _Watched:
    """Callbacks by key; the answer of ``add`` removes one of them."""

    callbacks: dict[str, list[Callable[..., None]]] = field(default_factory=dict)

    def add(self, key: str, changed: Callable[..., None]) -> Callable[[], None]:
        self.callbacks.setdefault(key, []).append(changed)

        def end() -> None:
            self.callbacks[key].remove(changed)

        return end

    def tell(self, key: str, *args: bool | str) -> None:
        for changed in tuple(self.callbacks.get(key, ())):
            changed(*args)


@implementer(IBackend)
class FakeBackend:
    """Keeps registrations, devices and inboxes; answers at once unless ``gate``, for files ``reading``, makes it slow.

    ``meanwhile`` happens once, after the next device was found by its token and before the asker knows.
    """

    def __init__(self) -> None:
        self.is_paused = False
        self.registrations: dict[str, _Pending] = {}
        self.devices: dict[str, Device] = {}
        self.inboxes: dict[DeviceId, list[InboxItem]] = {}
        self.stored_receipts: list[tuple[DeviceId, DeviceReceipt]] = []
        self.asked_tokens: list[str] = []
        self.reads = 0
        self.hooks: list[HookCall] = []
        self.files: dict[str, tuple[Attachment, bytes]] = {}
        self.pieces = 0
        self.reading: Callable[[], Deferred[None]] | None = None
        self.gate: Callable[[], Deferred[None]] | None = None
        self.meanwhile: Callable[[], None] | None = None
        self._inbox_watches = _Watched()
        self._withdrawal_watches = _Watched()
        self._registration_watches = _Watched()
        self._seq = 0

    async def server_keys(self) -> dict[str, str]:
        return {"web": "B" * 87}

    async def attachment(self, device: DeviceId, id_: str) -> Download | None:
        await self._pass()
        shown = (one for item in self.inboxes.get(device, ()) for one in item.attachments)
        found = next((one for one in shown if one.id == id_), None)
        return None if found is None else Download(found, id_)

    async def media(self, ticket: str) -> Download | None:
        """A link is good when its ticket is ``link`` and an id."""
        found = self.files.get(ticket.removeprefix("link")) if ticket.startswith("link") else None
        return None if found is None else Download(found[0], found[0].id)

    async def read_attachment(self, ticket: str, offset: int, size: int) -> bytes:
        assert 0 < size <= CHUNK
        self.pieces += 1
        if self.reading is not None:
            await self.reading()
        return self.files[ticket][1][offset : offset + size] if ticket in self.files else b""

    def file(self, content: bytes, name: str = "plan.png", type_: str = "image/png") -> Attachment:
        """An attachment that messages may have."""
        id_ = f"{len(self.files):032x}"
        one = Attachment(id_, name, type_, len(content), sha256(content).hexdigest())
        self.files[id_] = one, content
        return one

    async def hook(self, call: HookCall) -> HookAnswer | None:
        """Known is the channel ``viber``; it takes what says where it is from."""
        self.hooks.append(call)
        if call.channel != "viber":
            return None
        return HookAnswer(200 if "x-signature" in call.headers else 403, b'{"ok":true}')

    def watch_withdrawals(self, device: DeviceId, withdrawn: Callable[[MessageId], None]) -> Callable[[], None]:
        return self._withdrawal_watches.add(device, withdrawn)

    # What happens on the other side.

    def withdraw(self, device: str, message: str) -> None:
        """The message is over."""
        self._withdrawal_watches.tell(device, message)

    def add_device(self, name: str, channel: str = "direct", others: tuple[Reach, ...] = ()) -> str:
        """A device and its token."""
        device = Device(DeviceId(f"device-{name}"), PersonId("novak"), channel, {}, name=name, others=others)
        token = f"dst_{name}"
        self.devices[token] = device
        self.inboxes[device.id] = []
        return token

    def put(
        self, device: str, text: str, *attachments: Attachment, buttons: tuple[Button, ...] = (), notify: bool = True
    ) -> InboxItem:
        """A message arrives for a device (by its token)."""
        self._seq += 1
        item = InboxItem(
            seq=self._seq,
            id=MessageId(f"message-{self._seq}"),
            sent_at=NOW,
            priority="high",
            title=None,
            text=text,
            valid_until=NOW + 3_600_000,
            attachments=attachments,
            buttons=buttons,
        )
        id_ = self.devices[device].id
        self.inboxes[id_].append(item)
        if notify:
            self.notify(device)
        return item

    def notify(self, token: str) -> None:
        """Tells the watchers that there may be something."""
        self._inbox_watches.tell(self.devices[token].id, True)

    def revoke(self, token: str) -> None:
        """An operator revokes the device."""
        device = self.devices.pop(token)
        self._inbox_watches.tell(device.id, False)

    def complete(self, id_: str, state: str = "active") -> None:
        """The user's SMS came (or the registration ended in another way)."""
        pending = self.registrations[id_]
        pending.state = state
        if state == "active":
            token = self.add_device(pending.request.name or id_, pending.request.channel, pending.request.others)
            pending.unshown = RegistrationState(state="active", device=self.devices[token].id, token=token)
        self._registration_watches.tell(id_)

    def watchers(self) -> int:
        """How many watches are open."""
        both = (self._inbox_watches, self._registration_watches)
        return sum(len(callbacks) for watched in both for callbacks in watched.callbacks.values())

    # IBackend

    async def register(self, new: NewRegistration) -> Registration | None:
        await self._pass()
        if self.is_paused:
            return None
        n = len(self.registrations) + 1
        registration = Registration(
            id=f"registration-{n}",
            secret=f"secret-{n}",
            number=f"ABCD-EFGH-JK{n:02}",
            expires_at=NOW + 86_400_000,
            sms_to="+420603123456",
            text=f"DATASMS ABCD-EFGH-JK{n:02}",
        )
        self.registrations[registration.id] = _Pending(registration, new)
        return registration

    async def registration(self, id_: str, secret: str) -> RegistrationState | None:
        await self._pass()
        pending = self.registrations.get(id_)
        if pending is None or pending.registration.secret != secret:
            return None
        unshown, pending.unshown = pending.unshown, None
        return unshown or RegistrationState(state=pending.state)

    def watch_registration(self, id_: str, changed: Callable[[], None]) -> Callable[[], None]:
        return self._registration_watches.add(id_, changed)

    async def authenticate(self, token: str) -> Device | None:
        await self._pass()
        self.asked_tokens.append(token)
        device = self.devices.get(token)
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        return device

    async def inbox(self, device: DeviceId, after: int, limit: int) -> tuple[InboxItem, ...]:
        self.reads += 1
        found = tuple(item for item in self.inboxes.get(device, ()) if item.seq > after)[:limit]
        await self._pass()
        return found

    def watch_inbox(self, device: DeviceId, changed: Callable[[bool], None]) -> Callable[[], None]:
        return self._inbox_watches.add(device, changed)

    async def receipts(self, device: DeviceId, receipts: tuple[DeviceReceipt, ...]) -> tuple[str, ...]:
        await self._pass()
        own = {item.id for item in self.inboxes.get(device, ())}
        self.stored_receipts += [(device, receipt) for receipt in receipts if receipt.message in own]
        return tuple(receipt.message for receipt in receipts if receipt.message not in own)

    async def update_device(
        self, device: DeviceId, preferred: Reach, others: tuple[Reach, ...] | None, keys: dict[str, str], name: str
    ) -> Device:
        await self._pass()
        token = next((token for token, known in self.devices.items() if known.id == device), None)
        if token is None:
            raise LookupError("the device was revoked meanwhile")
        self.devices[token] = msgspec.structs.replace(
            self.devices[token],
            channel=preferred.channel,
            address=preferred.address,
            others=self.devices[token].others if others is None else others,
            keys=keys,
            name=name,
            state=DeviceState.ACTIVE,
        )
        return self.devices[token]

    async def unregister(self, device: DeviceId) -> None:
        await self._pass()
        self.revoke(next(token for token, known in self.devices.items() if known.id == device))

    async def _pass(self) -> None:
        if self.gate is not None:
            await self.gate()
