"""All webhooks and the mail relay of the configuration: who carries, what waits, what died, what operators do."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import NamedTuple, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from datasms_daemon.config.records import Config
from datasms_daemon.config.targets import Mail, Webhook
from datasms_daemon.delivery.courier import Courier
from datasms_daemon.interfaces import ITarget, IWebhook
from datasms_daemon.model import DeadText, Verdict, WebhookView
from datasms_daemon.ops.metrics import Metrics
from datasms_daemon.rules.addresses import netloc
from datasms_daemon.rules.inbound import MAIL, WEBHOOK
from datasms_daemon.store import inbound, operations, targets
from datasms_daemon.store.inbound import Waiting
from datasms_daemon.store.store import Db, Store

Options = Webhook | Mail
Drivers = Mapping[str, ITarget]
"""By ``webhook:NAME`` or ``mail:``."""

REMOVED = "it is not in the configuration any more"


class Make(Protocol):
    """Makes drivers. ConfigError: the options cannot be used."""

    def webhook(self, options: Webhook) -> IWebhook:
        """That of a webhook."""
        ...

    def mail(self, options: Mail) -> ITarget:
        """That of the relay."""
        ...


class _Counts(NamedTuple):
    """Of texts by target, and the webhooks that are stopped: the hash of the URL that they had, and why."""

    waiting: Mapping[str, int]
    dead: Mapping[str, int]
    stopped: Mapping[str, tuple[str, str]]


class Targets:
    """Hands texts on. ``due`` is set by who wires it: it is told when there is something to do next."""

    _log = Logger()

    def __init__(
        self,
        store: Store,
        make: Make,
        reactor: IReactorTime,
        now_ms: Callable[[], int],
        jitter: Callable[[], float],
        metrics: Metrics,
    ) -> None:
        self.due: Callable[[int], None] = lambda at: None
        self._store = store
        self._make = make
        self._reactor = reactor
        self._now_ms = now_ms
        self._jitter = jitter
        self._metrics = metrics
        self._options: dict[str, Options] = {}
        self._couriers: dict[str, Courier] = {}
        self._off: tuple[Webhook, ...] = ()

    # --- life --------------------------------------------------------------------------------------------------------

    def drivers(self, config: Config) -> Drivers:
        """What a configuration wants and this has not yet, or otherwise. ConfigError: its options cannot be used."""
        return {
            name: self._make.mail(options) if isinstance(options, Mail) else self._make.webhook(options)
            for name, options in wanted(config).items()
            if self._options.get(name) != options
        }

    async def use(self, config: Config, drivers: Drivers) -> None:
        """From now on these hold, with the drivers that were made for them. What waits for a target that is not there
        any more is put among the dead."""
        options = wanted(config)
        former = [name for name in self._couriers if name in drivers or name not in options]
        await _end([self._couriers.pop(name) for name in former])
        self._options = options
        self._off = tuple(one for one in config.webhook if not one.enabled)
        for name, driver in drivers.items():
            self._couriers[name] = self._courier(name, driver)
        await self._settle_in(tuple(drivers))
        self.due(self._now_ms())

    async def stop(self) -> None:
        """Ends all of them; what they did not hand on stays for later."""
        couriers, self._couriers = tuple(self._couriers.values()), {}
        await _end(couriers)

    async def work(self, now: int) -> int | None:
        """Wakes those who may have texts; when there are more."""
        asked = {name: courier.texts for name, courier in self._couriers.items()}

        def unit(db: Db) -> tuple[list[str], int | None]:
            return [name for name, texts in asked.items() if inbound.due(db, texts, now, 1)], _next_due(db, now)

        busy, following = await self._store.read(unit)
        for name in busy:
            if name in self._couriers:
                self._couriers[name].wake()
        return following

    async def count(self) -> None:
        """Brings the figures up to date."""
        counts = await self._store.read(_counts)
        off = [WEBHOOK + one.name for one in self._off]
        for meter, found in ((self._metrics.to_hand_on, counts.waiting), (self._metrics.dead_texts, counts.dead)):
            sums = Counter({_label(name): 0 for name in (*self._options, *off)})
            for target, count in found.items():
                if _is_ours(target):
                    sums[_label(target)] += count
            meter.clear()
            for label, count in sums.items():
                meter.labels(label).set(count)
        self._metrics.webhook_stopped.clear()
        for name, courier in self._couriers.items():
            if name.startswith(WEBHOOK):
                self._metrics.webhook_stopped.labels(name.removeprefix(WEBHOOK)).set(courier.is_stopped)

    # --- operators ---------------------------------------------------------------------------------------------------

    async def webhooks(self) -> tuple[WebhookView, ...]:
        """Every webhook of the configuration."""
        counts = await self._store.read(_counts)
        found = [options for options in self._options.values() if isinstance(options, Webhook)]
        return tuple(self._view(options, counts) for options in (*found, *self._off))

    async def test(self, name: str) -> Verdict | None:
        """Calls a webhook without a text; None: no such webhook is on."""
        courier = self._couriers.get(WEBHOOK + name)
        if courier is None or not IWebhook.providedBy(courier.target):
            return None
        webhook: IWebhook = courier.target
        return await webhook.test()

    async def resume(self, name: str, by: str) -> WebhookView | None:
        """Calls a webhook again that answered 410; None: no such webhook is on."""
        courier, now = self._couriers.get(WEBHOOK + name), self._now_ms()
        if courier is None:
            return None

        def unit(db: Db) -> None:
            if targets.resume(db, name):
                operations.audit(db, now, by, "webhook resumed", name)

        await self._store.write(unit)
        courier.is_stopped, courier.reason = False, None
        self.due(now)
        return next((view for view in await self.webhooks() if view.name == name), None)

    async def dead(self, after: int | None, limit: int) -> tuple[DeadText, ...]:
        """Texts that could not be handed on and are not tried any more, newest first."""
        return await self._store.read(lambda db: targets.dead(db, after, limit))

    async def resend(self, seq: int, by: str) -> bool | None:
        """Tries a dead text again, under the id that it had. None: there is no such dead text; False: its target is
        not in the configuration any more."""
        target = await self._store.read(lambda db: targets.dead_target(db, seq))
        if target is None:
            return None
        if not self._is_known(target):
            return False
        now = self._now_ms()

        def unit(db: Db) -> bool:
            is_back = targets.revive(db, seq, now)
            if is_back:
                operations.audit(db, now, by, "text resent", str(seq))
            return is_back

        if not await self._store.write(unit):
            return None
        self.due(now)
        return True

    # --- within ------------------------------------------------------------------------------------------------------

    def _courier(self, name: str, driver: ITarget) -> Courier:
        return Courier(
            name, driver, self._store, self._reactor, self._now_ms, self._jitter, self._metrics,
            lambda at: self.due(at), partial(self._gone, name),
        )  # fmt: skip

    async def _settle_in(self, new: tuple[str, ...]) -> None:
        """What was being tried by a former life is due at once; what nobody carries any more is dead."""
        now = self._now_ms()

        def unit(db: Db) -> tuple[dict[str, str], dict[str, int]]:
            for name in new:
                targets.interrupted(db, inbound.all_of(name) if name == MAIL else (name, name), now)
            lost = [target for target in inbound.count_waiting(db) if _is_ours(target) and not self._is_known(target)]
            return _still_stopped(db, self._options), {
                target: targets.bury_all(db, target, now, REMOVED) for target in lost
            }

        stopped, buried = await self._store.write(unit)
        for name, reason in stopped.items():
            self._couriers[name].is_stopped, self._couriers[name].reason = True, reason
        for target, count in buried.items():
            self._log.error(
                "{count} texts for {target}, which is gone, are not tried any more", count=count, target=_label(target)
            )

    def _is_known(self, target: str) -> bool:
        if target.startswith(MAIL):
            return MAIL in self._options
        return target in self._options or any(target == WEBHOOK + one.name for one in self._off)

    async def _gone(self, name: str, waiting: Waiting, reason: str) -> None:
        options, now = self._options.get(name), self._now_ms()

        def unit(db: Db) -> None:
            targets.put_off(db, waiting, now, reason)
            if isinstance(options, Webhook) and targets.stop(db, options.name, _hash(options), now, reason):
                operations.audit(db, now, "daemon", "webhook stopped", options.name)

        await self._store.write(unit)
        self._log.error("{target} is stopped: {reason}", target=name, reason=reason)

    def _view(self, options: Webhook, counts: _Counts) -> WebhookView:
        name = WEBHOOK + options.name
        courier, stopped = self._couriers.get(name), counts.stopped.get(options.name, ("", ""))
        is_stopped = stopped[0] == _hash(options)
        state = "off" if courier is None else "stopped" if is_stopped else "on"
        reason = None if courier is None else stopped[1] if is_stopped else courier.reason
        place = netloc(options.url) or ""
        return WebhookView(
            options.name, place, state, reason, counts.waiting.get(name, 0), counts.dead.get(name, 0)
        )  # fmt: skip


def wanted(config: Config) -> dict[str, Options]:
    """The targets of a configuration that texts are handed on to."""
    found: dict[str, Options] = {WEBHOOK + one.name: one for one in config.webhook if one.enabled}
    return found if config.mail.host is None else {**found, MAIL: config.mail}


async def _end(couriers: Iterable[Courier]) -> None:
    """All at once: one that hangs takes its time beside the others."""
    for each in [Deferred.fromCoroutine(courier.stop()) for courier in couriers]:
        await each


def _is_ours(target: str) -> bool:
    return target.startswith((WEBHOOK, MAIL))


def _label(target: str) -> str:
    """In figures and the log: never an address."""
    return target if target.startswith(WEBHOOK) else MAIL.removesuffix(":")


def _counts(db: Db) -> _Counts:
    return _Counts(inbound.count_waiting(db), targets.count_dead(db), targets.stopped(db))


def _next_due(db: Db, now: int) -> int | None:
    found = [inbound.next_due(db, inbound.all_of(kind), after=now) for kind in (WEBHOOK, MAIL)]
    return min((at for at in found if at is not None), default=None)


def _hash(options: Webhook) -> str:
    """Of the URL, which may hold a secret."""
    return hashlib.sha256(options.url.encode()).hexdigest()


def _still_stopped(db: Db, options: Mapping[str, Options]) -> dict[str, str]:
    """Why targets are stopped; one that got another URL is not any more."""
    found = {}
    for name, (url_hash, reason) in targets.stopped(db).items():
        known = options.get(WEBHOOK + name)
        if isinstance(known, Webhook) and _hash(known) == url_hash:
            found[WEBHOOK + name] = reason
        elif known is not None:
            targets.resume(db, name)
    return found
