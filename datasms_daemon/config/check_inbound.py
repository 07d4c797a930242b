"""What must be true of inbound rules as a whole: conditions that they can have, and a target that is there."""

from __future__ import annotations

from datasms_daemon.config.problems import Problems, below
from datasms_daemon.config.records import Config
from datasms_daemon.config.references import check_numbers, check_references, check_texts, is_name

APPLICATIONS = ("registration",)
"""The applications that inbound rules can name as ``app:NAME``."""

OUT_ONLY = ("priority", "sender", "sender_group", "recipient_group", "class_", "calendar", "has_device")


def check_inbound(config: Config, problems: Problems) -> None:
    """Adds every problem of inbound rules."""
    lines = {line.name for line in config.line}
    for rule in config.inbound:
        place = below("inbound", rule.name)
        when = below(place, "when")
        for field in OUT_ONLY:
            if getattr(rule.when, field) not in ((), None):
                problems.add(below(when, field.rstrip("_")), "is for [[rule]] only", "text, line or recipient")
        check_references(below(when, "line"), rule.when.line, lines, "line", problems)
        check_numbers(below(when, "recipient"), rule.when.recipient, config, problems)
        check_texts(below(when, "text"), rule.when.text, problems)
        kind, _, name = rule.to.partition(":")
        is_known = (kind == "app" and name in APPLICATIONS) or (kind == "account" and is_name(name))
        if not is_known:
            right = f"app:{' or app:'.join(APPLICATIONS)}, or account: and a sender's name"
            problems.add(below(place, "to"), "leads nowhere", right, rule.to)
