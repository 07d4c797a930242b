"""Token buckets: so much at once, so much a second afterwards (reliability.md § 5g)."""

from __future__ import annotations

from collections import OrderedDict


class Bucket:
    """A bucket of ``capacity`` tokens that refills at ``per_second``; full at first.

    It keeps one number, the time at which it is full again, in microseconds so that slow rates stay exact
    (the "virtual scheduling" form of the generic cell rate algorithm, ITU-T I.371 Annex A).
    """

    __slots__ = ("_full_at", "_interval", "_span")

    def __init__(self, capacity: int, per_second: float) -> None:
        if capacity < 1 or per_second <= 0:
            raise ValueError("a bucket needs a capacity of at least 1 and a rate above 0")
        self._interval = max(1, round(1_000_000 / per_second))
        self._span = capacity * self._interval
        self._full_at = 0

    def wait(self, now_ms: int, n: int = 1) -> int:
        """Milliseconds until ``n`` tokens are there; 0 means now. Takes nothing.

        ValueError when ``n`` is more than the bucket holds: it would never be there.
        """
        if n * self._interval > self._span:
            raise ValueError("more tokens than the bucket holds")
        now = now_ms * 1000
        return max(0, -(-(self._start(now) + n * self._interval - self._span - now) // 1000))

    def take(self, now_ms: int, n: int = 1) -> int:
        """0 when ``n`` tokens were taken; else nothing was taken and the answer is the milliseconds to wait."""
        wait = self.wait(now_ms, n)
        if wait == 0:
            self._full_at = self._start(now_ms * 1000) + n * self._interval
        return wait

    def is_full(self, now_ms: int) -> bool:
        """Whether nothing is missing, so that forgetting the bucket changes nothing."""
        return self._full_at <= now_ms * 1000

    def _start(self, now: int) -> int:
        # A clock that was set back must not lock anybody out for longer than an empty bucket does.
        return min(max(self._full_at, now), now + self._span)


class Buckets:
    """One bucket a key, at most ``limit`` of them in memory.

    When there are more keys than that, the one not asked for longest is forgotten, and with it what it had used: who
    holds more than ``limit`` addresses is not stopped by a limit for each address anyway.
    """

    def __init__(self, capacity: int, per_second: float, limit: int = 10_000) -> None:
        self._capacity = capacity
        self._per_second = per_second
        self._limit = limit
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def wait(self, key: str, now_ms: int, n: int = 1) -> int:
        """As ``Bucket.wait``; a key that was never charged is full."""
        bucket = self._buckets.get(key)
        return 0 if bucket is None else bucket.wait(now_ms, n)

    def take(self, key: str, now_ms: int, n: int = 1) -> int:
        """As ``Bucket.take`` on the bucket of ``key``."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(self._capacity, self._per_second)
            self._forget(now_ms)
        self._buckets.move_to_end(key)
        return bucket.take(now_ms, n)

    def _forget(self, now_ms: int) -> None:
        while len(self._buckets) > 1:
            oldest = next(iter(self._buckets.values()))
            if len(self._buckets) <= self._limit and not oldest.is_full(now_ms):
                return
            self._buckets.popitem(last=False)
