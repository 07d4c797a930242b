"""The keyword information service."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from datasms_daemon.apps.keywords import PLUGIN
from datasms_daemon.config.plugins import names, plugin
from datasms_daemon.interfaces import IApplication
from datasms_daemon.model import LineName, ReceivedText
from tests.fakes.daemon import done

OPTIONS = {"Hours": "Mon-Fri 8-17", "address": "Praha"}


class FakeHost:
    """Remembers answers; ``refusal`` is why there are none."""

    name = "info"

    def __init__(self, refusal: str | None = None) -> None:
        self.answers: list[tuple[int, str]] = []
        self.refusal = refusal

    async def reply(self, text_id: int, text: str) -> str:
        if self.refusal is not None:
            raise ValueError(self.refusal)
        self.answers.append((text_id, text))
        return "m1"


def answers(options: dict[str, str], *texts: str, refusal: str | None = None) -> list[tuple[int, str]]:
    """What is answered to these texts, by their number."""
    host, service = FakeHost(refusal), PLUGIN.application(options)
    done(Deferred.fromCoroutine(service.init(host)))  # type: ignore[arg-type]
    for id_, words in enumerate(texts):
        text = ReceivedText(id_, LineName("sms"), "+420603123456", "", words, 0)
        done(Deferred.fromCoroutine(service.received(text)))
    return host.answers


def test_the_first_word_is_the_keyword_whatever_its_case() -> None:
    assert answers(OPTIONS, "hours", "HOURS today?", " address", "the hours", "") == [
        (0, "Mon-Fri 8-17"), (1, "Mon-Fri 8-17"), (2, "Praha"),
    ]  # fmt: skip


def test_a_star_answers_everything_else() -> None:
    assert answers(OPTIONS | {"*": "Send HOURS"}, "hello", "", "hours") == [
        (0, "Send HOURS"), (1, "Send HOURS"), (2, "Mon-Fri 8-17"),
    ]  # fmt: skip


def test_who_cannot_be_answered_is_not_asked_about_again() -> None:
    assert answers(OPTIONS, "hours", refusal="there is no phone number to send to") == []


@pytest.mark.parametrize("options", [{}, {"two words": "x"}, {"x": ""}, {"": "x"}])
def test_options_that_answer_nothing_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="answer"):
        PLUGIN.application(options)


def test_it_is_found_as_a_plugin_and_an_unknown_one_is_not() -> None:
    found = plugin("keywords")
    assert found is not None
    assert IApplication.providedBy(found.application(OPTIONS))
    assert "keywords" in names()
    assert plugin("nothing") is None
