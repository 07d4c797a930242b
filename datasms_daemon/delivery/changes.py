"""What follows a committed change, whoever made it: lines are woken, the timer is pulled, watchers are told."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from datasms_daemon.model import LineName, MessageId, Progress


class Changes:
    """The one place through which every applied change passes after its commit."""

    def __init__(self) -> None:
        self._watchers: dict[MessageId, set[Callable[[], None]]] = {}
        self._wake: Callable[[LineName], None] = lambda line: None
        self._pull: Callable[[int], None] = lambda at: None
        self._count: Callable[[Progress], None] = lambda progress: None
        self._withdraw: Callable[[Progress], None] = lambda progress: None

    def connect(
        self,
        wake: Callable[[LineName], None],
        pull: Callable[[int], None],
        count: Callable[[Progress], None],
        withdraw: Callable[[Progress], None],
    ) -> None:
        """Who is to be told: dispatch of a line with work, the timer of an earlier moment, the metrics of an end,
        withdrawals of everything."""
        self._wake, self._pull, self._count, self._withdraw = wake, pull, count, withdraw

    def watch(self, id_: MessageId, changed: Callable[[], None]) -> Callable[[], None]:
        """Calls ``changed`` at each change of a message; the answer ends that."""
        watchers = self._watchers.setdefault(id_, set())
        watchers.add(changed)

        def end() -> None:
            watchers.discard(changed)
            if not watchers:
                self._watchers.pop(id_, None)

        return end

    def applied(self, changed: Iterable[Progress]) -> None:
        """To be called with what a unit applied, once it is committed."""
        earliest: int | None = None
        lines: dict[LineName, None] = {}
        for progress in changed:
            if progress.ready is not None:
                lines[progress.ready] = None
            for at in (progress.due_at, progress.ndr_due):
                if at is not None and (earliest is None or at < earliest):
                    earliest = at
            if progress.state.is_final:
                self._count(progress)
            self._withdraw(progress)
            for watcher in tuple(self._watchers.get(progress.id, ())):
                watcher()
        if earliest is not None:
            self._pull(earliest)
        for line in lines:
            self._wake(line)
