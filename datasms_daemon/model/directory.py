"""Who can be reached and who may ask: persons, groups, devices, keys."""

from __future__ import annotations

from datasms_daemon.model.words import DeviceId, DeviceState, GroupId, PersonId, Record


class Person(Record, frozen=True):
    """Directory entry; ``numbers`` are E.164, the first one is where SMS go. ``calendar``: when messages may go."""

    id: PersonId
    name: str = ""
    numbers: tuple[str, ...] = ()
    email: str | None = None
    groups: tuple[GroupId, ...] = ()
    language: str | None = None
    calendar: str | None = None


class Group(Record, frozen=True):
    """Named set of persons; a member of a group is also in its ``parent``. ``calendar``: when messages may go."""

    id: GroupId
    name: str = ""
    members: tuple[PersonId, ...] = ()
    parent: GroupId | None = None
    calendar: str | None = None


class Reach(Record, frozen=True):
    """A way to a device. ``address`` is opaque: the channel's own fields, as ``{"token": …}``."""

    channel: str
    address: dict[str, str]


class Device(Record, frozen=True):
    """One installation of a client, reached at ``address`` in ``channel`` first, then by the ``others`` in their
    order. ``keys`` are for all of them; ``addressed_at`` is when the preferred address was last registered."""

    id: DeviceId
    person: PersonId
    channel: str
    address: dict[str, str]
    keys: dict[str, str] = {}
    name: str = ""
    platform: str = ""
    app: str = ""
    state: DeviceState = DeviceState.ACTIVE
    created_at: int = 0
    last_seen_at: int | None = None
    others: tuple[Reach, ...] = ()
    addressed_at: int | None = None

    @property
    def reaches(self) -> tuple[Reach, ...]:
        """All ways to it, the preferred one first."""
        return (Reach(self.channel, self.address), *self.others)


RIGHTS = ("send", "read", "inbound", "directory", "operate", "admin")


class Key(Record, frozen=True):
    """An application's key without its secret. ``name`` is the sender; ``lines`` None means all of them."""

    id: str
    name: str
    rights: tuple[str, ...]
    top_priority: str | None = None
    lines: tuple[str, ...] | None = None
    rate: int = 50
    created_at: int = 0
    expires_at: int | None = None
