"""Routing by example: each case of routing_cases.toml, and the page of the documentation that is made of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.routing_cases import Case, Chapter, Trial, chapters, page

ALL = [(chapter, case) for chapter in chapters() for case in chapter.case]


@pytest.mark.parametrize(("chapter", "case"), ALL, ids=[f"{chapter.title}: {case.that}" for chapter, case in ALL])
def test_a_message_goes_as_the_case_says(chapter: Chapter, case: Case, tmp_path: Path) -> None:
    assert Trial(chapter, tmp_path).result(case) == case


def test_there_are_enough_cases_and_each_says_something_else() -> None:
    assert len(ALL) >= 60
    assert len({(chapter.title, case.that) for chapter, case in ALL}) == len(ALL)


def test_the_documentation_shows_the_cases_as_they_are() -> None:
    assert (Path(__file__).parents[2] / "docs" / "routing.rst").read_text("utf-8") == page()
