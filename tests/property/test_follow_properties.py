"""Following an inbox: whatever comes in between, each item comes once and in order."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from twisted.internet.defer import CancelledError, Deferred

from datasms_daemon.mxservice.follow import Follow
from tests.fakes.backend import FakeBackend


class AFollowedInbox(RuleBasedStateMachine):
    """Writes, notices (late, repeated, missing), slow reads, pauses and lost connections in any order."""

    @initialize(batch=st.integers(1, 4), backlog=st.integers(0, 6))
    def begin(self, batch: int, backlog: int) -> None:
        self.backend = FakeBackend()
        self.token = self.backend.add_device("a")
        self.other = self.backend.add_device("b")
        self.device = self.backend.devices[self.token].id
        self.reads: list[Deferred[None]] = []
        self.backend.gate = self._gate
        self.batch = batch
        self.written: list[int] = []
        self.got: list[int] = []
        self.unannounced = False
        self.began_paused = False
        for _ in range(backlog):
            self.write(announce=False)
        self._connect()

    def _gate(self) -> Deferred[None]:
        self.began_paused |= hasattr(self, "follow") and self.follow.paused
        read: Deferred[None] = Deferred(lambda cancelled: self.reads.remove(cancelled))
        self.reads.append(read)
        return read

    def _connect(self) -> None:
        self.follow = Follow(self.backend, self.device, self.got[-1] if self.got else 0, batch=self.batch)
        self.unannounced = False
        self.reader = Deferred.fromCoroutine(self._read())

    async def _read(self) -> None:
        follow = self.follow
        with suppress(CancelledError):
            while (items := await follow.next()) is not None:
                assert 1 <= len(items) <= self.batch
                self.got += [item.seq for item in items]

    @rule(announce=st.booleans())
    def write(self, announce: bool) -> None:
        self.written.append(self.backend.put(self.token, "text", notify=False).seq)
        self.unannounced = True
        if announce:
            self.announce()

    @rule()
    def announce(self) -> None:
        self.unannounced = False
        self.backend.notify(self.token)

    @rule()
    def write_to_somebody_else(self) -> None:
        self.backend.put(self.other, "not yours")

    @rule()
    def a_read_returns(self) -> None:
        if self.reads:
            self.reads.pop(0).callback(None)

    @rule()
    def pause(self) -> None:
        self.follow.pauseProducing()

    @rule()
    def resume(self) -> None:
        self.follow.resumeProducing()

    @rule()
    def the_connection_is_lost_and_comes_back(self) -> None:
        self.reader.cancel()
        self.follow.close()
        self._connect()

    @invariant()
    def nothing_is_lost_repeated_or_out_of_order(self) -> None:
        assert self.got == self.written[: len(self.got)]

    @invariant()
    def at_most_one_batch_is_read_ahead(self) -> None:
        assert len(self.reads) <= 1

    @invariant()
    def no_read_begins_while_the_reader_takes_nothing(self) -> None:
        assert not self.began_paused

    def teardown(self) -> None:
        if not hasattr(self, "follow"):
            return
        if self.unannounced:
            self.announce()
        self.resume()
        while self.reads:
            self.a_read_returns()
        assert self.got == self.written
        self.backend.revoke(self.token)
        assert self.reader.called
        assert self.backend.watchers() == 0


TestAFollowedInbox = AFollowedInbox.TestCase
