"""Receipts: the far end's later word, from a provider or from the device itself, acknowledged only once committed."""

from __future__ import annotations

from collections.abc import Callable

from datasms_daemon.delivery.changes import Changes
from datasms_daemon.delivery.handover import apply_receipt
from datasms_daemon.model import DeviceId, DeviceReceipt, LineReceipt, PushReceipt
from datasms_daemon.ops.metrics import Metrics
from datasms_daemon.rules.decisions import Decision
from datasms_daemon.rules.openings import Openings
from datasms_daemon.store import handovers, pushes
from datasms_daemon.store.store import Db, Store


class Receipts:
    """Applies receipts and tells what follows."""

    def __init__(
        self,
        store: Store,
        now_ms: Callable[[], int],
        openings: Callable[[], Openings],
        changes: Changes,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._now_ms = now_ms
        self._openings = openings
        self._changes = changes
        self._metrics = metrics

    async def from_line(self, receipt: LineReceipt) -> None:
        """Commits a provider's receipt; one that matches nothing yet is kept for the answer it may precede (I22)."""
        now, openings = self._now_ms(), self._openings()

        def unit(db: Db) -> tuple[bool, list[Decision]]:
            matched = handovers.match(db, receipt)
            if matched is None:
                handovers.keep_unmatched(db, receipt, now)
            return matched is not None, apply_receipt(db, matched, now, openings)

        known, changed = await self._store.write(unit)
        self._metrics.receipts("line", receipt.state.value).inc()
        if not known:
            self._metrics.unmatched.inc()
        self._applied(changed)

    async def from_device(self, device: DeviceId, receipts: tuple[DeviceReceipt, ...]) -> tuple[str, ...]:
        """Commits a device's receipts; the ids that are not in its inbox come back."""
        now, openings = self._now_ms(), self._openings()

        def unit(db: Db) -> tuple[list[str], list[Decision]]:
            unknown: list[str] = []
            changed: list[Decision] = []
            for receipt in receipts:
                matched = pushes.confirm(db, receipt.message, device, receipt.state, receipt.at)
                if matched is None:
                    unknown.append(receipt.message)
                changed += apply_receipt(db, matched, now, openings)
            return unknown, changed

        unknown, changed = await self._store.write(unit)
        for receipt in receipts:
            self._metrics.receipts("device", receipt.state.value).inc()
        self._applied(changed)
        return tuple(unknown)

    async def from_channel(self, receipt: PushReceipt) -> None:
        """Commits what a channel's service says of one push; kept when the push's own answer is still to come (I22)."""
        now, openings = self._now_ms(), self._openings()

        def unit(db: Db) -> tuple[bool, list[Decision]]:
            matched = pushes.match(db, receipt)
            if matched is None:
                pushes.keep_early(db, receipt, now)
            return matched is not None, [
                one for each in matched or () for one in apply_receipt(db, each, now, openings)
            ]

        known, changed = await self._store.write(unit)
        self._metrics.receipts("channel", receipt.state.value).inc()
        if not known:
            self._metrics.unmatched.inc()
        self._applied(changed)

    async def all_read(self, channel: str, address: dict[str, str], at: int) -> None:
        """Commits that everything delivered to an address before ``at`` was read."""
        now, openings = self._now_ms(), self._openings()

        def unit(db: Db) -> list[Decision]:
            matched = pushes.unread(db, channel, address, at)
            return [one for each in matched for one in apply_receipt(db, each, now, openings)]

        self._applied(await self._store.write(unit))

    def _applied(self, decisions: list[Decision]) -> None:
        for decision in decisions:
            if decision.attempt is not None and decision.attempt.late:
                self._metrics.late.inc()
        self._changes.applied(decision.progress for decision in decisions)
