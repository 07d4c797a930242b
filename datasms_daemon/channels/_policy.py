"""What every channel keeps to, whatever its service: so many pushes a second, so many at once, and none to a service
that is down (reliability.md § 5b)."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeVar, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from datasms_daemon.channels._places import Place, Places
from datasms_daemon.config.channels import PushChannel
from datasms_daemon.interfaces import IChannel, IChannelHost, IHookedChannel, IOperatedChannel
from datasms_daemon.model import (
    Accepted,
    AddressGone,
    ChannelView,
    HookAnswer,
    HookCall,
    Later,
    LineDown,
    LineState,
    NotSent,
    Outcome,
    PushOrder,
    Unknown,
    Verdict,
)
from datasms_daemon.rules.addresses import netloc
from datasms_daemon.rules.breaker import Breaker
from datasms_daemon.rules.buckets import Bucket

log = Logger()

T = TypeVar("T")

MOST_CIRCUITS = 1000
GRACE_S = 1.0
"""So much later than a channel's own time limit a push is ended that should have ended by itself."""


Confirmed = Callable[[PushOrder], Awaitable[bool]]


async def nobody(order: PushOrder) -> bool:
    """Nobody is connected who could confirm without a push."""
    return False


def governed(
    channel: IChannel,
    driver: str,
    options: PushChannel,
    clock: IReactorTime,
    now_ms: Callable[[], int],
    confirmed: Confirmed = nobody,
) -> Governed:
    """The same channel under the policy of ``options``; takes calls when ``channel`` does.

    ``confirmed`` waits a moment for a connected client, which needs no push service; True: it has the message.
    """
    kind = GovernedHooked if IHookedChannel.providedBy(channel) else Governed
    return kind(channel, driver, options, clock, now_ms, confirmed)


@implementer(IOperatedChannel)
class Governed:
    """A channel with circuit breakers, a rate and so many places. A push ends within twice the channel's time limit,
    STUCK_S and GRACE_S: it may wait for its turn as long as it may take, and then a moment for a place.

    Where a device's address is a URL, each host has a circuit of its own: devices say where they are pushed to, and one
    host that fails, perhaps on purpose, must not end the pushes of all.

    While a circuit is open its pushes are Later at the next probe, which is true (they were surely not taken) and has
    the line use the person's other devices now and this one again within the step. What is under way when it opens
    because the service hangs has STUCK_S in all. NotSent would mean the same with no
    time named, so that all would be back before the probe. Only where the service refuses us (LineDown) it stays
    LineDown: waiting will not cure that, and the next line takes over at once as without the breaker.
    """

    def __init__(
        self,
        channel: IChannel,
        driver: str,
        options: PushChannel,
        clock: IReactorTime,
        now_ms: Callable[[], int],
        confirmed: Confirmed,
    ) -> None:
        self.name: str = channel.name
        self.carries_text: bool = channel.carries_text
        self._channel = channel
        self._driver = driver
        self._limit_s = options.timeout / 1000
        self._places = Places(options.concurrency, self._limit_s + GRACE_S, clock)
        self._now_ms = now_ms
        self._confirmed = confirmed
        self._circuits: dict[str | None, _Circuit] = {}
        self._turns = None if options.rate is None else _Turns(options.rate, clock, now_ms)
        self._pushes = 0
        self._failures = 0
        self._last: Later | LineDown | Unknown | None = None
        self._succeeded_at = 0
        self._is_stopped = False

    def start(self, host: IChannelHost) -> None:
        """See IChannel."""
        self._channel.start(host)

    async def stop(self) -> None:
        """See IChannel; who waits for a turn gets Later."""
        self._is_stopped = True
        if self._turns is not None:
            self._turns.stop()
        self._places.stop()
        await self._channel.stop()

    async def push(self, order: PushOrder) -> Outcome:
        """See IChannel; Accepted without a push when a connected client confirmed. Later when rate or places leave no
        room in time, Later or LineDown while the circuit is open."""
        if not self.carries_text and await self._confirmed(order):
            return Accepted()
        circuit = self._circuit(order)
        refusal = circuit.refusal(self._now_ms())
        if refusal is None and self._turns is not None:
            refusal = await self._turns.take(self._limit_s)
        if refusal is not None:
            return refusal
        place = self._places.take() or await self._places.wait()
        if place is None:
            return Later("the channel is stopping" if self._is_stopped else "the channel has no room")
        try:
            return circuit.refusal(self._now_ms()) or await self._push(order, circuit, place)
        finally:
            self._places.leave(place)

    async def withdraw(self, order: PushOrder) -> None:
        """See IChannel; left out while the circuit is open, or when rate or places leave no room."""
        if self._circuit(order).refusal(self._now_ms()) is not None or await self._turn() is not None:
            return
        place = self._places.take()
        if place is None:
            return
        try:
            place.work = _work(self._channel.withdraw(order))
            await place.work
        except CancelledError:
            if place.ended is None:
                raise
        finally:
            self._places.leave(place)

    async def check(self) -> Verdict:
        """See IChannel; asks the service even while the circuit is open."""
        verdict: Verdict = await self._channel.check()
        return verdict

    @property
    def under_way(self) -> int:
        """See IOperatedChannel."""
        return self._places.taken

    def status(self) -> ChannelView:
        """How it stands now; down when a circuit is open and no push has succeeded since."""
        failing = [circuit for circuit in self._circuits.values() if circuit.breaker.is_failing]
        opened = [circuit for circuit in failing if circuit.breaker.opened_at is not None]
        first = min(opened, key=lambda circuit: circuit.breaker.opened_at or 0, default=None)
        opened_at = None if first is None else first.breaker.opened_at
        state = LineState.DEGRADED if failing else LineState.UP
        reason = self._last.reason if failing and self._last is not None else None
        if first is not None and opened_at is not None:
            state = LineState.DOWN if self._succeeded_at <= opened_at else LineState.DEGRADED
            reason = f"circuit open, {first.breaker.reason}; last: {reason or '-'}"
        return ChannelView(self.name, self._driver, state, reason, self._pushes, self._failures, opened_at)

    async def _push(self, order: PushOrder, circuit: _Circuit, place: Place) -> Outcome:
        """A channel that overstays its time does not hold up the line as well."""
        call = circuit.begin(place, self._now_ms())
        self._pushes += 1
        outcome: Outcome | None = None
        try:
            place.work = _work(self._channel.push(order))
            outcome = await place.work
        except CancelledError:
            if place.ended is None:
                raise
            outcome = Unknown(place.ended)
        finally:
            self._note(circuit, call, outcome)
        if place.ended is not None and isinstance(outcome, Unknown):
            return Unknown(place.ended)
        return outcome

    async def _turn(self) -> Later | None:
        return None if self._turns is None else await self._turns.take(self._limit_s)

    def _circuit(self, order: PushOrder) -> _Circuit:
        place = next(filter(None, map(netloc, order.device.address.values())), None)
        circuit = self._circuits.get(place)
        if circuit is None:
            if len(self._circuits) >= MOST_CIRCUITS:
                del self._circuits[next(iter(self._circuits))]
            name = self.name if place is None else f"{self.name} to {place}"
            circuit = self._circuits[place] = _Circuit(name, self._places)
        return circuit

    def _note(self, circuit: _Circuit, call: int, outcome: Outcome | None) -> None:
        if self._is_stopped:
            # What ends now was ended by us.
            return
        good: bool | None = None
        match outcome:
            case Accepted() | AddressGone() | NotSent(final=True):
                good = True
                self._succeeded_at = self._now_ms()
            case Later() | LineDown() | Unknown():
                good = False
                self._failures += 1
                circuit.last = self._last = outcome
        circuit.end(call, self._now_ms(), good=good)


@implementer(IHookedChannel)
class GovernedHooked(Governed):
    """The same for a channel whose service calls us; its calls pass through."""

    def link(self, number: str) -> str | None:
        """What the channel has."""
        found: str | None = cast(IHookedChannel, self._channel).link(number)
        return found

    async def hook(self, call: HookCall) -> HookAnswer:
        """See IHookedChannel."""
        answer: HookAnswer = await cast(IHookedChannel, self._channel).hook(call)
        return answer


class _Circuit:
    """The way to one service: its breaker, and what it said last when that was no success."""

    def __init__(self, name: str, places: Places) -> None:
        self.breaker = Breaker()
        self.last: Later | LineDown | Unknown | None = None
        self._name = name
        self._places = places
        self._under_way: dict[int, Place] = {}
        self._is_open = False

    def refusal(self, now: int) -> Later | LineDown | None:
        """What a push is told instead of being made; None: it may be made."""
        wait = self.breaker.wait(now)
        self._tell()
        if wait == 0:
            return None
        if isinstance(self.last, LineDown):
            return LineDown(f"the channel's circuit is open: {self.last.reason}")
        return Later("the channel's circuit is open", now + wait)

    def begin(self, place: Place, now: int) -> int:
        """A push is made now; the answer names it in ``end``."""
        call = self.breaker.begin(now)
        self._under_way[call] = place
        return call

    def end(self, call: int, now: int, *, good: bool | None) -> None:
        """What came of a push, as ``Breaker.end``."""
        del self._under_way[call]
        if good:
            self.last = None
        self.breaker.end(call, now, good=good)
        self._tell()

    def _tell(self) -> None:
        is_open = self.breaker.opened_at is not None
        if is_open == self._is_open:
            return
        self._is_open = is_open
        if is_open:
            last = "-" if self.last is None else self.last.reason
            reason = self.breaker.reason
            log.error(
                "channel {name}: circuit opens, {reason}; last: {last}", name=self._name, reason=reason, last=last
            )
            if self.breaker.is_hanging:
                for place in tuple(self._under_way.values()):
                    self._places.shorten(place, "no answer, the circuit opened")
        else:
            log.info("channel {name}: circuit closes, the service answers again", name=self._name)


class _Turns:
    """Turns at ``rate`` a second, a second's worth at once, in the order they were asked for."""

    def __init__(self, rate: float, clock: IReactorTime, now_ms: Callable[[], int]) -> None:
        self._bucket = Bucket(max(1, round(rate)), rate)
        self._rate = rate
        self._clock = clock
        self._now_ms = now_ms
        self._waiting: deque[Deferred[Later | None]] = deque()
        self._timer: IDelayedCall | None = None
        self._is_stopped = False

    async def take(self, limit_s: float) -> Later | None:
        """None at the caller's turn; Later, and that at once, when it would not come within ``limit_s``."""
        now = self._now_ms()
        if self._is_stopped:
            return Later("the channel is stopping")
        if not self._waiting and self._bucket.take(now) == 0:
            return None
        wait_ms = self._bucket.wait(now) + round(1000 * len(self._waiting) / self._rate)
        if wait_ms > limit_s * 1000:
            return Later("the channel's rate is used up", now + wait_ms)
        turn: Deferred[Later | None] = Deferred(self._waiting.remove)
        self._waiting.append(turn)
        self._arm()
        return await turn

    def stop(self) -> None:
        """Nobody gets a turn any more."""
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            self._waiting.popleft().callback(Later("the channel is stopping"))

    def _arm(self) -> None:
        if self._timer is None and self._waiting:
            self._timer = self._clock.callLater(self._bucket.wait(self._now_ms()) / 1000, self._next)

    def _next(self) -> None:
        self._timer = None
        while self._waiting and self._bucket.take(self._now_ms()) == 0:
            self._waiting.popleft().callback(None)
        self._arm()


def _work(pushing: Awaitable[T]) -> Deferred[T]:
    """Of what a channel's method gave, which may be a Deferred already."""
    if isinstance(pushing, Deferred):
        return pushing
    return Deferred.fromCoroutine(cast(Coroutine[Deferred[object], object, T], pushing))
