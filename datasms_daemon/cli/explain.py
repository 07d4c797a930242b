"""The command explain: how a text would go, why, and what bounds it."""

from __future__ import annotations

import click

from datasms_daemon.cli.inbound import explain_inbound
from datasms_daemon.cli.messages import request
from datasms_daemon.cli.output import fields, local, table
from datasms_daemon.cli.session import Command, Session, with_values
from datasms_daemon.gateway.explained import DayLimitView, ExplanationView, LimitsView, PrecedenceView
from datasms_daemon.gateway.records import Items
from datasms_daemon.ops.printable import printable
from datasms_daemon.web.client import Refusal

_HEADS = ("STEP", "LINE", "WAIT", "UNTIL", "MOST TRIES", "SMS PARTS", "SENT/DAY LIMIT", "AFTER", "LOWER GET", "")


@click.command(cls=Command)
@click.argument("to", nargs=-1)
@click.argument("text")
@click.option("--priority", metavar="NAME", help="As with send.")
@click.option("--line", "lines", multiple=True, metavar="NAME", help="As with send; with --inbound: it comes by this.")
@click.option("--class", "class_", metavar="NAME", help="As with send.")
@click.option("--title", help="As with send.")
@click.option("--at", metavar="TIME", help="As if it were sent then: 2026-11-24T08:00:00+01:00.")
@click.option("--sender", metavar="NAME", help="As if this sender sent it; without it: you.")
@click.option("--nomodify", is_flag=True, default=None, help="As with send.")
@click.option("--inbound", is_flag=True, help="TEXT comes from outside: show where it would go. TO is then ours.")
@click.option("--from", "from_", metavar="NUMBER", help="With --inbound: who writes.")
@click.pass_obj
def explain(
    session: Session, /, to: tuple[str, ...], text: str, inbound: bool, from_: str | None, **said: object
) -> None:
    """Show how TEXT would go to each TO, and why; sends nothing."""
    if inbound:
        lines = said["lines"]
        assert isinstance(lines, tuple)
        explain_inbound(session, from_, lines, to[0] if to else None, text)
        return
    if from_ is not None or not to:
        raise click.UsageError("--from is for --inbound" if to else "TO is missing")
    body = request(to, text, said)
    try:
        found = session.client.call(Items[ExplanationView], "POST", "/v1/explain", body=body)
    except Refusal as refusal:
        raise with_values(refusal, body) from refusal
    session.show(found, lambda: _show_plans(found.items))


def _show_plans(plans: tuple[ExplanationView, ...]) -> None:
    for number, plan in enumerate(plans):
        if number:
            click.echo()
        known = [("to", plan.to), ("person", plan.person), ("operator", plan.operator), ("rule set", plan.rule_set)]
        fields([*known, ("rules", plan.rules), *_limits(plan.limits)])
        steps = [
            (
                n, step.line, step.wait, step.success, step.attempts, step.parts, _today(step.day_limit),
                *_precedence(step.precedence), "backup" if step.backup else None,
            )
            for n, step in enumerate(plan.steps, 1)
        ]  # fmt: skip
        table(_HEADS, steps)
        for step in plan.steps:
            if step.note is not None:
                opens = local(step.opens_at) or "not in sight"
                click.echo(printable(f"{step.line} {step.note} ({', '.join(step.calendars)} opens: {opens})"))
            if step.held is not None:
                click.echo(printable(f"{step.line} lets nothing through: {step.held}"))
        for line, text in _texts(plan):
            click.echo(printable(f"text on {line}: {text}"))
        for skipped in plan.skipped:
            click.echo(printable(f"skipped {skipped.line}: {skipped.reason}"))
        if (refused := plan.limits.refused) is not None:
            click.echo(printable(f"would be refused until {local(refused.until)}: {refused.detail}"))
            for error in refused.errors:
                click.echo(printable(f"  {error.pointer}: {error.detail}"))


def _texts(plan: ExplanationView) -> list[tuple[str, str]]:
    """What would leave, once for all lines that say the same."""
    lines: dict[str, list[str]] = {}
    for step in plan.steps:
        lines.setdefault(step.text, []).append(step.line)
    return [(", ".join(names), text) for text, names in lines.items()]


def _limits(limits: LimitsView) -> list[tuple[str, object]]:
    """A line for all that bounds anything."""
    told: list[tuple[str, object]] = []
    for option, allowed in limits.allowed.items():
        if isinstance(allowed.value, tuple):
            told.append((f"allowed {option}", f"{', '.join(allowed.value)}  ({allowed.from_})"))
    if limits.key_lines is not None:
        told.append(("lines of the key", limits.key_lines))
    for span, quota in limits.quotas.items():
        used = f"{quota.used} of {quota.limit} used, until {local(quota.ends_at)}"
        told.append((f"{span} quota", f"{used}  ({quota.from_})"))
    if (flood := limits.flood) is not None:
        exempt = "; not for urgent ones" if flood.exempt else ""
        told.append(("flood guard", f"{flood.had} of {flood.limit} in {flood.window}{exempt}"))
    return told


def _today(limit: DayLimitView | None) -> str | None:
    if limit is None:
        return None
    sent = "?" if limit.sent is None else str(limit.sent)
    return f"{sent}/{limit.limit}{' (lifted)' if limit.lifted else ''}"


def _precedence(precedence: PrecedenceView | None) -> tuple[str | None, str | None]:
    if precedence is None:
        return None, None
    return ", ".join(precedence.after) or None, f"1 in {precedence.share}"
