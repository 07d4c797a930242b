"""Where texts from outside go: receipt, rules, suffix, last sender, default."""

from __future__ import annotations

import pytest

from datasms_daemon.config.kinds import HOUR
from datasms_daemon.config.records import Config, InboundRule, When
from datasms_daemon.model import InboundRoute, InboundText, LineName, PersonId
from datasms_daemon.rules.inbound import InboundFacts, InboundRouter, Sent
from datasms_daemon.rules.suffixes import Suffixes

NUMBER = "+420603123456"
DUTY = "+420777123456"
NOW = 1_800_000_000_000
READERS = frozenset({"crm", "erp", "pizza"})


def router(*rules: InboundRule, default: str | None = None, window: int = 72 * HOUR, **config: object) -> InboundRouter:
    options = Config(inbound=rules, **config)  # type: ignore[arg-type]
    known = ("registration", "info")
    return InboundRouter(options, "CZ", known, lambda sender: window, default, webhooks=("hook",), takes_mail=True)


def text(words: str, from_: str = NUMBER, line: str = "sms-o2") -> InboundText:
    return InboundText(line=LineName(line), from_=from_, to="90211", text=words, at=0, key="1")


def facts(*sent: tuple[str, int], person: str | None = None) -> InboundFacts:
    """Who wrote to the number, and how many ms ago."""
    known = None if person is None else PersonId(person)
    return InboundFacts(NOW, known, tuple(Sent(sender, NOW - ago) for sender, ago in sent), READERS)


def targets(route: InboundRoute) -> list[str]:
    return [one.target for one in route.destinations]


def rule(to: str, *patterns: str, name: str = "r", from_: tuple[str, ...] = (), **more: object) -> InboundRule:
    return InboundRule(name=name, when=When(text=patterns, recipient=from_), to=to, **more)  # type: ignore[arg-type]


# Rules


@pytest.mark.parametrize("words", ["DATASMS ABCD-EFGH-JKLMN", "  datasms abcd", "Datasms"])
def test_a_registration_goes_to_its_application_however_it_is_written(words: str) -> None:
    assert targets(router(*Config().inbound).explain(text(words), facts())) == ["app:registration"]


@pytest.mark.parametrize("words", ["hello", "my DATASMS ABCD", "DATASMSABCD", ""])
def test_what_nobody_wants_goes_nowhere(words: str) -> None:
    assert targets(router(*Config().inbound).explain(text(words), facts())) == []


def test_rules_know_text_line_and_the_number_that_wrote() -> None:
    rules = (
        InboundRule(name="off", to="account:off", enabled=False),
        rule("account:pizza", "pizza"),
        InboundRule(name="line", when=When(line=("sms-2",)), to="account:second"),
        InboundRule(name="from", when=When(recipient=("$o2",)), to="account:o2"),
        rule("account:slovak", "x", from_=(r"^\+421",)),
    )
    routes = router(*rules, alias={"o2": (r"^\+42060",)})
    assert targets(routes.explain(text("a PIZZA"), facts())) == ["account:pizza"]
    assert targets(routes.explain(text("a", line="sms-2"), facts())) == ["account:second"]
    assert targets(routes.explain(text("a"), facts())) == ["account:o2"]
    assert targets(routes.explain(text("x", from_="+421905123456"), facts())) == ["account:slovak"]
    assert targets(routes.explain(text("y", from_="+421905123456"), facts())) == []
    assert targets(routes.explain(text("y", from_="O2"), facts())) == []


def test_the_first_rule_that_matches_wins_and_one_that_continues_is_looked_past() -> None:
    rules = (
        rule("account:copy", name="copy", continue_=True),
        rule("account:first", "a"),
        rule("account:second", "a"),
    )
    routes = router(*rules, default="account:office")
    assert targets(routes.explain(text("a"), facts())) == ["account:copy", "account:first"]
    assert targets(routes.explain(text("b"), facts())) == ["account:copy", "account:office"]
    assert targets(routes.explain(text("b"), facts(("crm", 5)))) == ["account:copy", "account:crm"]


def test_the_same_words_go_to_the_same_target_once() -> None:
    twice = (rule("account:a", continue_=True), rule("account:a", name="again"))
    assert targets(router(*twice).explain(text("x"), facts())) == ["account:a"]


def test_a_template_passes_on_parts_of_the_text() -> None:
    """The example of the original: ``#pizza (.*)`` with ``HI $1 BLABLA``."""
    routes = router(rule("account:pizza", r"#pizza (.*)", text="HI $1 BLABLA, $$5: $0$9"))
    (one,) = routes.explain(text("#PIZZA margherita"), facts()).destinations
    assert (one.text, one.why) == ("HI margherita BLABLA, $5: #PIZZA margherita", "rule r")


def test_groups_are_those_of_the_first_pattern_that_matches_and_an_absent_one_is_empty() -> None:
    routes = router(rule("account:a", r"^x (\d+)", r"^y (a)?(b)", text="<$1$2>"))
    assert routes.explain(text("x 17"), facts()).destinations[0].text == "<17>"
    assert routes.explain(text("y b"), facts()).destinations[0].text == "<b>"


@pytest.mark.parametrize(
    ("to", "words", "target"),
    [
        ("account:$1", "for crm", "account:crm"),
        ("account:$1", "for nobody", None),
        ("account:$1", "for ../x", None),
        ("app:$1", "for info", "app:info"),
        ("app:$1", "for other", None),
        ("forward:$1", "for 777123456", f"forward:{DUTY}"),
        ("forward:$1", "for 12", None),
        ("forward:$1", f"for {NUMBER}", None),
        ("forward:$1", "for person:novak", "forward:person:novak"),
        ("forward:$1", "for person:n ovak", None),
        ("forward:person:$1", "for jan", None),
    ],
)
def test_what_a_stranger_puts_into_a_target_must_lead_somewhere(to: str, words: str, target: str | None) -> None:
    route = router(rule(to, r"^for (.*)", from_=("^",))).explain(text(words), facts(person="jan"))
    assert targets(route) == ([] if target is None else [target])


def test_what_is_just_forwarded_to_a_number_does_not_go_round() -> None:
    routes = router(rule(f"forward:{DUTY}"), default="account:office")
    assert targets(routes.explain(text("x"), facts(("forward", HOUR)))) == [f"forward:{DUTY}"]
    route = routes.explain(text("x"), facts(("crm", 10 * 72 * HOUR), ("forward", HOUR - 1)))
    assert targets(route) == ["account:office"]
    assert "might go round" in route.steps[1].verdict


# Suffix, last sender, default


@pytest.mark.parametrize(
    ("to", "line", "target"),
    [
        ("+42060300000017", "sms-o2", "account:monitoring"),
        ("42060300000017", "sms-o2", "account:monitoring"),
        ("+4206030000005", "sms-o2", "app:info"),
        ("+4206030000006", "sms-o2", "account:crm"),
        ("+420603000000", "sms-o2", "account:crm"),
        ("+42060300000099", "sms-o2", "account:crm"),
        ("+42060300000017", "sms-2", "account:crm"),
        ("", "sms-o2", "account:crm"),
    ],
)
def test_who_writes_to_a_senders_own_number_answers_him(to: str, line: str, target: str) -> None:
    """A suffix goes before the last sender."""
    suffixes = Suffixes({"sms-o2": "+420603000000"}, {"monitoring": "17", "app:info": "5", "app:gone": "6"})
    routes = InboundRouter(Config(inbound=()), "CZ", ("info",), lambda sender: HOUR, None, suffixes)
    inbound = InboundText(LineName(line), NUMBER, to, "yes", 0, "1")
    assert targets(routes.explain(inbound, facts(("crm", 5)))) == [target]


def test_an_answer_goes_to_who_wrote_last_within_his_window() -> None:
    routes = router(default="account:office", window=HOUR)
    assert targets(routes.explain(text("yes"), facts(("crm", HOUR), ("erp", HOUR)))) == ["account:crm"]
    assert targets(routes.explain(text("yes"), facts(("crm", HOUR + 1)))) == ["account:office"]
    assert targets(routes.explain(text("yes"), facts())) == ["account:office"]


def test_a_window_of_nothing_is_off_and_no_earlier_sender_gets_an_answer_to_another_ones_words() -> None:
    windows = {"erp": 0, "crm": HOUR}
    routes = InboundRouter(Config(inbound=()), "CZ", (), windows.__getitem__, None)
    assert targets(routes.explain(text("yes"), facts(("erp", 10), ("crm", 20)))) == []


def test_applications_get_answers_to_what_they_sent() -> None:
    assert targets(router().explain(text("yes"), facts(("app:info", 10)))) == ["app:info"]
    assert targets(router().explain(text("yes"), facts(("app:gone", 10), ("crm", 20)))) == []


def test_nothing_goes_to_a_sender_that_may_not_read_it() -> None:
    route = router(default="account:office").explain(text("yes"), facts(("monitoring", 10)))
    assert targets(route) == ["account:office"]
    assert route.steps[2].verdict == "it was monitoring, but no sender 'monitoring' may read what comes in"


def test_what_the_daemon_wrote_itself_is_no_question_of_anybody() -> None:
    routes = router()
    assert targets(routes.explain(text("yes"), facts(("datasms", 1), ("forward", 2), ("crm", 3)))) == ["account:crm"]


def test_every_look_is_told_in_its_order() -> None:
    routes = router(rule("account:a", "pizza", name="pizza"), rule("account:b", from_=("^.421",), name="abroad"))
    assert [(step.step, step.verdict) for step in routes.explain(text("hi"), facts()).steps] == [
        ("receipt", "it is none: those are told apart at the line"),
        ("rule pizza", "not this text"),
        ("rule abroad", "not from this number"),
        ("suffix", "it was not written to a sender's own number"),
        ("last sender", "nobody has written to this number"),
        ("default", "there is none"),
    ]


# Webhooks and mailboxes


@pytest.mark.parametrize(
    ("to", "words", "target", "verdict"),
    [
        ("webhook:hook", "for x", "webhook:hook", "matches: webhook:hook"),
        ("webhook:$1", "for hook", "webhook:hook", "matches: webhook:hook"),
        ("webhook:$1", "for pizza", None, "matches, but there is no webhook 'pizza'"),
        ("webhook:pizza", "for x", None, "matches, but there is no webhook 'pizza'"),
        ("mail:office@Example.org", "for x", "mail:office@example.org", "matches: mail:office@example.org"),
        ("mail:$1@example.org", "for jan.novak", "mail:jan.novak@example.org", "matches: mail:jan.novak@example.org"),
        ("mail:$1@example.org", "for a@b", None, "matches, but 'a@b@example.org' is no e-mail address"),
        ("mail:$1@example.org", "for a, b", None, "matches, but 'a, b@example.org' is no e-mail address"),
        ("mail:$1", "for a@b.example,c@d.example", None, "matches, but 'a@b.example,c@d.example' is no e-mail address"),
        ("mail:$1@example.org", "for a\r\nb", None, "matches, but 'a\\r\\nb@example.org' is no e-mail address"),
    ],
)
def test_what_a_text_puts_into_a_target_must_lead_somewhere_there_too(
    to: str, words: str, target: str | None, verdict: str
) -> None:
    route = router(rule(to, r"(?s)^for (.*)")).explain(text(words), facts())
    assert targets(route) == ([] if target is None else [target])
    assert ("rule r", verdict) in [(step.step, step.verdict) for step in route.steps]


def test_without_a_relay_nothing_goes_by_mail() -> None:
    options = Config(inbound=(rule("mail:a@example.org"),))
    route = InboundRouter(options, "CZ", (), lambda sender: 0, None).explain(text("x"), facts())
    assert targets(route) == []
    assert route.steps[1].verdict == "matches, but there is no mail relay"
