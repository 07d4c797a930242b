"""Inbound rules asked at once agree with inbound rules asked one by one."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from datasms_daemon.config.records import Config, InboundRule, When
from datasms_daemon.model import InboundText, LineName
from datasms_daemon.rules.inbound import InboundFacts, InboundRouter
from datasms_daemon.rules.inbound_index import beginning

ALIASES = {"mobile": (r"^\+4206", r"^\+4207"), "odd": (r"3$",), "none": ()}
FACTS = InboundFacts(0, readers=frozenset({"crm"}))
# Case is not what it seems: these match s, k and i too.
LETTERS = "stockSTOCKI 1ſK\u0130\u0131"

words = st.sampled_from(
    ["^stock", "^sto+ck", "^stock?", "^s", "stock", "^(stock)", "^stock|k", "^st{1,2}", r"^\s*stock", "^"]
)
rules = st.lists(
    st.builds(
        InboundRule,
        name=st.just(""),
        when=st.builds(
            When,
            line=st.lists(st.sampled_from(["a", "b", "!a"]), max_size=2).map(tuple),
            recipient=st.lists(
                st.sampled_from([r"^\+4206", r"!^\+421", "3$", "$mobile", "!$odd", "$none", r"!^\+42060312345678901"]),
                max_size=2,
            ).map(tuple),
            text=st.lists(words | words.map("!{}".format), max_size=3).map(tuple),
        ),
        to=st.sampled_from(["account:crm", "account:erp", "app:no", "account:$1"]),
        continue_=st.booleans(),
        enabled=st.booleans(),
    ),
    max_size=6,
).map(lambda found: tuple(replace(rule, name=str(n)) for n, rule in enumerate(found)))
texts = st.builds(
    InboundText,
    line=st.sampled_from("ab").map(LineName),
    from_=st.sampled_from(["+420603123456", "+421903000003", "3", "O2", "+42060312345678901"]),
    to=st.just("+420777000111"),
    text=st.text(LETTERS, max_size=6) | st.sampled_from(["stock", "STOCK 1", "\u017ftock", "stoc\u212a", "sock"]),
    at=st.just(0),
    key=st.just("k"),
)


@given(rules, texts)
@example(
    (InboundRule(name="0", when=When(text=("^stock",)), to="account:erp"),),
    InboundText(LineName("a"), "3", "", "\u017ftoc\u212a", 0, ""),
)
def test_a_text_goes_where_the_rules_asked_one_by_one_send_it(
    rule: tuple[InboundRule, ...], inbound: InboundText
) -> None:
    config = Config(inbound=rule, alias=ALIASES)
    router = InboundRouter(config, "CZ", frozenset(), lambda _: 0, "account:office")
    assert router.destinations(inbound, FACTS) == router.explain(inbound, FACTS).destinations


parts = st.sampled_from(["stock", "K", "o", "?", "+", "{2}", "*", "|", "(", ")", r"\b", ".", " ", "#"])


@given(st.sampled_from(["^", "^s", "^stock"]), st.lists(parts, max_size=4).map("".join), st.text(LETTERS, max_size=6))
@example("^stock", "?", "stoc")
@example("^stock", "|k", "k")
def test_a_pattern_is_found_in_no_text_that_begins_otherwise(begin: str, rest: str, text: str) -> None:
    pattern = begin + rest
    try:
        found = re.search(pattern, text, re.IGNORECASE)
    except re.error:
        return
    if found is not None and text.isascii():
        assert text.lower().startswith(beginning(pattern))
