"""The best rank goes first, and nobody starves (I37)."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from datasms_daemon.model import MessageId
from datasms_daemon.rules.precedence import Precedence, choose

Waiting = dict[int, list[MessageId]]

shares = st.integers(2, 12)
ranks = st.sampled_from([0, 10, 20, 50])


@st.composite
def queues(draw: st.DrawFn, least: int = 0) -> Waiting:
    """Messages in the order in which they were accepted, each with a rank."""
    order = draw(st.lists(ranks, min_size=least, max_size=60))
    waiting: Waiting = {}
    for number, rank in enumerate(order):
        waiting.setdefault(rank, []).append(MessageId(f"{number:04d}"))
    return waiting


def rank_of(id_: MessageId, waiting: Waiting) -> int:
    """The rank a message waits with."""
    return next(rank for rank, ids in waiting.items() if id_ in ids)


@given(queues(), shares)
def test_all_that_wait_leave_each_once_and_in_the_order_of_their_rank(waiting: Waiting, share: int) -> None:
    chosen, _ = choose(waiting, 1000, share, Precedence())
    assert sorted(chosen) == sorted(id_ for ids in waiting.values() for id_ in ids)
    for ids in waiting.values():
        assert [id_ for id_ in chosen if id_ in ids] == ids


@given(queues(), shares, st.lists(st.integers(1, 7), max_size=20))
def test_places_taken_in_parts_are_taken_as_in_one(waiting: Waiting, share: int, parts: list[int]) -> None:
    whole, _ = choose(waiting, sum(parts), share, Precedence())
    left = {rank: list(ids) for rank, ids in waiting.items()}
    apart: list[MessageId] = []
    owed = Precedence()
    for places in parts:
        # As the store answers: of each rank no more than there are places.
        chosen, owed = choose({rank: ids[:places] for rank, ids in left.items()}, places, share, owed)
        apart += chosen
        left = {rank: [id_ for id_ in ids if id_ not in chosen] for rank, ids in left.items()}
    assert apart == whole


@given(queues(least=1), shares)
def test_the_best_rank_takes_the_first_place_when_nothing_is_owed(waiting: Waiting, share: int) -> None:
    (first,), _ = choose(waiting, 1, share, Precedence())
    assert first == waiting[min(waiting)][0]


@given(queues(least=1), shares)
def test_an_alarm_takes_the_first_place_after_whatever_left_before_it(waiting: Waiting, share: int) -> None:
    owed = Precedence()
    for _ in range(5):
        chosen, owed = choose(waiting, 1, share, owed)
        waiting = {rank: [id_ for id_ in ids if id_ not in chosen] for rank, ids in waiting.items()}
    alarm = MessageId("9999")
    without = {rank + 1: ids for rank, ids in waiting.items()}
    runs = Precedence({rank + 1: run for rank, run in owed.runs.items()})
    assert choose({0: [alarm], **without}, 1, share, runs)[0] == [alarm]


@given(shares, st.integers(1, 100))
def test_the_best_rank_gives_up_one_place_in_its_share_and_no_more(share: int, places: int) -> None:
    alarms = [MessageId(f"1{n:03d}") for n in range(places)]
    bulk = [MessageId(f"0{n:03d}") for n in range(places)]
    chosen, _ = choose({0: alarms, 20: bulk}, places, share, Precedence())
    given_up = [place for place, id_ in enumerate(chosen, start=1) if id_ in bulk]
    assert given_up == list(range(share, places + 1, share))


@given(queues(least=1), shares)
def test_nobody_starves_however_many_alarms_come(waiting: Waiting, share: int) -> None:
    """A message waits at most for a place in ``share`` for itself and each that is older, whatever comes after it."""
    waiting = {rank + 1: ids for rank, ids in waiting.items()}
    everybody = sorted(id_ for ids in waiting.values() for id_ in ids)
    owed = Precedence()
    left = dict(waiting)
    gone: list[MessageId] = []
    bound = share * len(everybody)
    for place in range(bound):
        alarms = [MessageId(f"9{place:04d}")]
        chosen, owed = choose({0: alarms, **left}, 1, share, owed)
        gone += chosen
        left = {rank: [id_ for id_ in ids if id_ not in chosen] for rank, ids in left.items()}
    assert not any(left.values())
    ours = [place for place, id_ in enumerate(gone) if not id_.startswith("9")]
    assert all(after - before <= share for before, after in pairwise([-1, *ours]))
