"""What a plan costs with a thousand rules, fifty calendars and a list of ten thousand numbers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from random import Random

from bench.measure import MICRO, Figure, Settings, percentile
from datasms_daemon.config.calendars import CalendarOptions, calendars_of
from datasms_daemon.config.numbers import Operator
from datasms_daemon.config.records import Config, DatasmsLine, Rule, SmppLine, StepOptions, When
from datasms_daemon.model import LineName
from datasms_daemon.rules.operators import Operators
from datasms_daemon.rules.routing import Facts, Router

RULES, CALENDARS, LISTED, SENDERS, GROUPS = 1_000, 50, 10_000, 200, 100
MESSAGES = 20_000
MONDAY_MS, DAY_MS = 1_795_420_800_000, 86_400_000


def run(settings: Settings) -> list[Figure]:
    """The median and the 99th part of single plans in each round, and of one rule to compare with."""
    random = Random(1)
    large = configuration(random)
    numbers = [f"+42060{n:07}" for n in random.sample(range(10_000_000), LISTED)]
    operators = Operators(large.operator, lambda number: None)
    rounds: dict[str, list[float]] = {"p50": [], "p99": [], "one": [], "made": []}
    for _ in range(settings.rounds):
        began = time.process_time()
        router = Router(large, calendars_of(large), {"list": frozenset(numbers)})
        rounds["made"].append((time.process_time() - began) * 1000)
        times = _times(router, list(messages(random, operators, numbers)))
        rounds["p50"].append(percentile(times, 0.5))
        rounds["p99"].append(percentile(times, 0.99))
        rounds["one"].append(percentile(_times(Router(Config()), list(messages(random, operators, numbers))), 0.5))
    return [
        Figure("a plan over 1,000 rules, 50 calendars, 10,000 listed numbers, p50", "< 100 us", "us", rounds["p50"]),
        Figure("the same, p99", "", "us", rounds["p99"]),
        Figure("a plan over one rule, p50", "", "us", rounds["one"]),
        Figure("making a router of 1,000 rules", "", "ms", rounds["made"]),
    ]


def configuration(random: Random) -> Config:
    """Rules of all kinds, as an organisation may have gathered them; the last one is for everybody."""
    lines = [DatasmsLine(name=LineName("datasms"))]
    sms = [SmppLine(name=LineName(f"sms-{n}"), host="h", system_id="s") for n in range(5)]
    rules = [_rule(n, random, [line.name for line in sms]) for n in range(RULES - 1)]
    return Config(
        line=(*lines, *sms),
        rule=(*rules, Rule(name="everybody", steps=(StepOptions(line=LineName("datasms")),))),
        operator={f"operator-{n}": Operator(prefixes=(f"+42060{n}",)) for n in range(10)},
        calendar={
            f"calendar-{n}": CalendarOptions(timezone="Europe/Prague", hours={"mon-fri": (f"{n % 12:02}:00-18:00",)})
            for n in range(CALENDARS)
        },
    )


def _rule(n: int, random: Random, sms: list[LineName]) -> Rule:
    kinds: list[When] = [
        When(sender=(f"sender-{random.randrange(SENDERS)}",), priority=("high",)),
        When(recipient_group=(f"group-{random.randrange(GROUPS)}", f"!group-{random.randrange(GROUPS)}")),
        When(recipient=(rf"^\+42060{random.randrange(10**6):06}",)),
        When(recipient=("$list",), sender=(f"sender-{random.randrange(SENDERS)}",)),
        When(operator=(f"operator-{random.randrange(10)}",), class_=(f"class-{random.randrange(20)}",)),
        When(calendar=(f"!calendar-{random.randrange(CALENDARS)}",), class_=(f"class-{random.randrange(20)}",)),
        When(calendar=(f"calendar-{n % CALENDARS}",), recipient_group=(f"group-{random.randrange(GROUPS)}",)),
        When(text=(f"^alarm {random.randrange(1000)}",)),
    ]
    steps = tuple(StepOptions(line=line) for line in (LineName("datasms"), random.choice(sms)))
    return Rule(name=f"rule {n}", when=kinds[n % len(kinds)], steps=steps, continue_=n % 50 == 0)


def messages(random: Random, operators: Operators, numbers: list[str]) -> Iterator[Facts]:
    """Spread over a day; one in ten is to a listed number; none is like another."""
    for n in range(MESSAGES):
        to = random.choice(numbers) if n % 10 == 0 else f"+42060{random.randrange(10_000_000):07}"
        yield Facts(
            priority=random.choice(("low", "normal", "high")),
            sender=f"sender-{random.randrange(SENDERS)}",
            to=to,
            operator=operators.of(to),
            now=MONDAY_MS + n * DAY_MS // MESSAGES,
            groups=frozenset(f"group-{random.randrange(GROUPS)}" for _ in range(3)),
            class_=random.choice((None, f"class-{random.randrange(20)}")),
            has_device=n % 3 > 0,
            text=f"Message {n}",
        )


def _times(router: Router, facts: list[Facts]) -> list[float]:
    took = []
    for each in facts:
        began = time.perf_counter()
        router.plan(each)
        took.append((time.perf_counter() - began) * MICRO)
    return took
