"""Verbs on persons, groups and devices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

import msgspec

from datasms_daemon.model import Device, DeviceId, DeviceState, Group, GroupId, Person, PersonId, Problem, Reach
from datasms_daemon.store import reaches
from datasms_daemon.store import statements as sql
from datasms_daemon.store.writer import Db

_decode_strings = msgspec.json.Decoder(dict[str, str]).decode


def person(db: Db, id_: PersonId) -> Person | None:
    """One person."""
    row = db.execute(sql.SELECT_PERSON, {"id": id_}).fetchone()
    return None if row is None else _person(db, row)


def persons(db: Db, after: str, limit: int) -> tuple[Person, ...]:
    """A page of persons in the order of their ids."""
    return tuple(
        _person(db, row) for row in db.execute(sql.SELECT_PERSONS, {"after": after, "limit": limit}).fetchall()
    )


def owner(db: Db, number: str) -> PersonId | None:
    """The person who has a phone number."""
    row = db.execute(sql.SELECT_OWNER, {"number": number}).fetchone()
    return None if row is None else PersonId(row[0])


def first_number(db: Db, id_: PersonId) -> str | None:
    """Where a person's SMS go."""
    row = db.execute(sql.SELECT_FIRST_NUMBER, {"person": id_}).fetchone()
    return None if row is None else str(row[0])


def groups_of(db: Db, id_: PersonId) -> frozenset[str]:
    """A person's groups and all above them."""
    return frozenset(row[0] for row in db.execute(sql.SELECT_GROUPS_OF, {"person": id_}))


def calendars_of(db: Db, id_: PersonId) -> tuple[str, ...]:
    """The calendars of a person, his groups and all above them."""
    return tuple(row[0] for row in db.execute(sql.SELECT_CALENDARS_OF, {"person": id_}))


def members_below(db: Db, id_: GroupId) -> list[PersonId] | None:
    """Everybody in a group or a group below it; None when there is no such group."""
    if db.execute(sql.SELECT_GROUP, {"id": id_}).fetchone() is None:
        return None
    return [PersonId(row[0]) for row in db.execute(sql.SELECT_MEMBERS_BELOW, {"id": id_})]


def put_persons(db: Db, people: Iterable[Person]) -> tuple[Problem, ...]:
    """Writes all of them or none; a number belongs to one person only, and so does a device that is reached by it."""
    people = tuple(people)
    ids = {one.id for one in people}
    problems = []
    seen: dict[str, PersonId] = {}
    for index, one in enumerate(people):
        for place, number in enumerate(one.numbers):
            holder = seen.get(number) or owner(db, number)
            if holder is not None and holder != one.id and (number in seen or holder not in ids):
                problems.append(Problem(f"/{index}/numbers/{place}", f"{number} belongs to person {holder}"))
            seen[number] = one.id
    if problems:
        return tuple(problems)
    for one in people:
        row = {"id": one.id, "name": one.name, "email": one.email, "language": one.language, "calendar": one.calendar}
        db.execute(sql.UPSERT_PERSON, row)
        db.execute(sql.DELETE_NUMBERS, {"person": one.id})
    for one in people:
        _put_belongings(db, one)
    reaches.take_phones(db, [(number, one.id) for one in people for number in one.numbers])
    return ()


def delete_person(db: Db, id_: PersonId) -> bool:
    """Removes a person with numbers, memberships and devices; False when there was none."""
    return db.execute(sql.DELETE_PERSON, {"id": id_}).rowcount > 0


def group(db: Db, id_: GroupId) -> Group | None:
    """One group with its own members."""
    row = db.execute(sql.SELECT_GROUP, {"id": id_}).fetchone()
    return None if row is None else _group(db, row)


def groups(db: Db, after: str, limit: int) -> tuple[Group, ...]:
    """A page of groups in the order of their ids."""
    return tuple(_group(db, row) for row in db.execute(sql.SELECT_GROUPS, {"after": after, "limit": limit}).fetchall())


def put_groups(db: Db, new: Iterable[Group]) -> tuple[Problem, ...]:
    """Writes all of them or none; members must exist, and no group may stand above itself."""
    new = tuple(new)
    problems = []
    parents = {row[0]: row[2] for row in db.execute(sql.SELECT_GROUPS, {"after": "", "limit": 1_000_000})}
    parents |= {one.id: one.parent for one in new}
    for index, one in enumerate(new):
        for place, member in enumerate(one.members):
            if db.execute(sql.SELECT_PERSON, {"id": member}).fetchone() is None:
                problems.append(Problem(f"/{index}/members/{place}", f"there is no person {member}"))
        if one.parent is not None and one.parent not in parents:
            problems.append(Problem(f"/{index}/parent", f"there is no group {one.parent}"))
        elif _is_circular(one.id, parents):
            problems.append(Problem(f"/{index}/parent", f"{one.id} would stand above itself"))
    if problems:
        return tuple(problems)
    for one in new:
        row = {"id": one.id, "name": one.name, "parent": one.parent, "calendar": one.calendar}
        db.execute(sql.UPSERT_GROUP, row)
        db.execute(sql.DELETE_MEMBERS, {"id": one.id})
        rows = [{"group": one.id, "person": member} for member in dict.fromkeys(one.members)]
        db.executemany(sql.INSERT_MEMBER, rows)
    return ()


def delete_group(db: Db, id_: GroupId) -> bool:
    """Removes a group, not its members; False when there was none."""
    return db.execute(sql.DELETE_GROUP, {"id": id_}).rowcount > 0


# --- devices ---------------------------------------------------------------------------------------------------------


def active_devices(db: Db, id_: PersonId) -> tuple[Device, ...]:
    """The devices a message for this person goes to."""
    return _devices(db.execute(sql.SELECT_ACTIVE_DEVICES, {"person": id_}))


def devices(db: Db, id_: PersonId) -> tuple[Device, ...]:
    """All devices of a person, revoked ones too."""
    return _devices(db.execute(sql.SELECT_DEVICES, {"person": id_}))


def device(db: Db, id_: DeviceId) -> Device | None:
    """One device."""
    return next(iter(_devices(db.execute(sql.SELECT_DEVICE, {"id": id_}))), None)


def persons_of(db: Db, ids: Iterable[DeviceId]) -> tuple[PersonId, ...]:
    """Whose devices they are."""
    return tuple(PersonId(db.execute(sql.SELECT_WRITER, {"id": id_}).fetchone()[0]) for id_ in ids)


def device_of_token(db: Db, token_hash: str) -> Device | None:
    """The device a token proves; a revoked one has none."""
    return next(iter(_devices(db.execute(sql.SELECT_DEVICE_BY_TOKEN, {"hash": token_hash}))), None)


def add_device(db: Db, new: Device) -> list[DeviceId]:
    """Stores a device; the answer names those that had one of its addresses and have it no more (I40)."""
    former = reaches.take(db, new.id, new.reaches)
    db.execute(
        sql.INSERT_DEVICE,
        {
            "id": new.id,
            "person": new.person,
            "channel": new.channel,
            "address": reaches.address_text(new.address),
            "keys": msgspec.json.encode(new.keys).decode(),
            "name": new.name,
            "platform": new.platform,
            "app": new.app,
            "created_at": new.created_at,
        },
    )
    reaches.put(db, new.id, new.others)
    return former


def update_device(
    db: Db,
    id_: DeviceId,
    preferred: Reach,
    others: tuple[Reach, ...] | None,
    keys: dict[str, str],
    name: str,
    now: int,
) -> list[DeviceId]:
    """New addresses, keys or name; ``others`` None: they stay. Answers as ``add_device`` does."""
    former = reaches.take(db, id_, (preferred, *(others or ())))
    if others is None:
        reaches.remove(db, id_, preferred)
    else:
        reaches.put(db, id_, others)
    values = {"id": id_, "keys": msgspec.json.encode(keys).decode(), "name": name, "now": now}
    db.execute(sql.UPDATE_DEVICE, values | reaches.values_of(preferred))
    return former


def set_token(db: Db, id_: DeviceId, token_hash: str) -> None:
    """Gives a device its token; a former one is worth nothing any more."""
    db.execute(sql.SET_TOKEN, {"id": id_, "hash": token_hash})


def seen(db: Db, times: Mapping[DeviceId, int]) -> None:
    """Keeps when devices were last there."""
    db.executemany(sql.SEEN, [{"id": id_, "now": now} for id_, now in times.items()])


def revoke(db: Db, id_: DeviceId) -> bool:
    """Ends a device and its token; False when there was no such device or it was ended before."""
    db.execute(sql.DELETE_LIVE_REACHES, {"id": id_})
    return db.execute(sql.REVOKE, {"id": id_}).rowcount > 0


def writer(db: Db, channel: str, address: dict[str, str]) -> tuple[PersonId | None, list[DeviceId]]:
    """Whose address it is that wrote to us, and the devices that had been given up and are active again by that."""
    reach = Reach(channel, address)
    back = reaches.bring_back(db, reach)
    holders = reaches.holders(db, reach)
    row = db.execute(sql.SELECT_WRITER, {"id": holders[0]}).fetchone() if holders else None
    return (None if row is None else PersonId(row[0])), back


def _put_belongings(db: Db, one: Person) -> None:
    numbers = [
        {"number": number, "person": one.id, "position": place}
        for place, number in enumerate(dict.fromkeys(one.numbers))
    ]
    db.executemany(sql.INSERT_NUMBER, numbers)
    db.execute(sql.DELETE_MEMBERSHIPS, {"person": one.id})
    db.executemany(sql.ENSURE_GROUP, [{"id": id_} for id_ in one.groups])
    db.executemany(sql.INSERT_MEMBER, [{"group": id_, "person": one.id} for id_ in dict.fromkeys(one.groups)])


def _is_circular(id_: GroupId, parents: dict[GroupId, GroupId | None]) -> bool:
    above, passed = parents.get(id_), {id_}
    while above is not None:
        if above in passed:
            return True
        passed.add(above)
        above = parents.get(above)
    return False


def _person(db: Db, row: tuple[Any, ...]) -> Person:
    id_, name, email, language, calendar = row
    numbers = tuple(found[0] for found in db.execute(sql.SELECT_NUMBERS, {"person": id_}))
    belongs = tuple(found[0] for found in db.execute(sql.SELECT_DIRECT_GROUPS, {"person": id_}))
    return Person(id_, name, numbers, email, belongs, language, calendar)


def _group(db: Db, row: tuple[Any, ...]) -> Group:
    id_, name, parent, calendar = row
    members = tuple(found[0] for found in db.execute(sql.SELECT_MEMBERS, {"id": id_}))
    return Group(id_, name, members, parent, calendar)


def _devices(rows: Iterable[tuple[Any, ...]]) -> tuple[Device, ...]:
    return tuple(_device(list(of_one)) for _, of_one in groupby(rows, itemgetter(0)))


def _device(rows: list[tuple[Any, ...]]) -> Device:
    *known, created_at, addressed_at, seen_at = rows[0][:-3]
    id_, owner_, channel, address, keys, name, platform, app, state = known
    in_order = () if rows[0][-3] is None else sorted(row[-3:] for row in rows)
    others = tuple(Reach(other, _decode_strings(text)) for _, other, text in in_order)
    return Device(
        id_, owner_, channel, _decode_strings(address), _decode_strings(keys), name, platform, app, DeviceState(state),
        created_at, seen_at, others, addressed_at,
    )  # fmt: skip
