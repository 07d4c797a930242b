from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from datasms_daemon.web.ranges import Part, part_of

CONTENT = bytes(range(10))
numbers = st.integers(0, 15)


@given(numbers, numbers)
def test_a_range_is_what_its_two_ends_say(first: int, last: int) -> None:
    part = part_of(f"bytes={first}-{last}", len(CONTENT))
    if last < first:
        assert part == Part(0, 10, False)
    elif first >= len(CONTENT):
        assert part is None
    else:
        assert part is not None
        assert CONTENT[part.start : part.stop] == CONTENT[first : last + 1]
        assert part.is_part
        assert part.size == min(last, 9) - first + 1


@given(numbers)
def test_an_open_range_goes_to_the_end_and_a_suffix_comes_from_there(number: int) -> None:
    rest, suffix = part_of(f"bytes={number}-", 10), part_of(f"bytes=-{number}", 10)
    assert (rest is None) == (number >= 10)
    assert rest is None or CONTENT[rest.start : rest.stop] == CONTENT[number:]
    assert (suffix is None) == (number == 0)
    assert suffix is None or CONTENT[suffix.start : suffix.stop] == CONTENT[-number:]


@given(st.none() | st.text(max_size=20) | st.from_regex(r"bytes=[0-9,\- ]*", fullmatch=True), st.integers(0, 20))
def test_whatever_is_asked_the_part_lies_within(header: str | None, size: int) -> None:
    part = part_of(header, size)
    assert part is None or 0 <= part.start <= part.stop <= size
    assert part is None or part.is_part or part == Part(0, size, False)


def test_several_parts_and_what_cannot_be_read_are_the_whole() -> None:
    for header in ("bytes=0-1,3-4", "bytes=-", "bytes=a-b", "items=0-1", "bytes=0-1-2", "bytes 0-1", ""):
        assert part_of(header, 10) == Part(0, 10, False)
