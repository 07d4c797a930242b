"""What a configuration says of texts from outside, as rules."""

from __future__ import annotations

from datasms_daemon.config.check_inbound import applications_of, webhooks_of
from datasms_daemon.config.kinds import HOUR
from datasms_daemon.config.records import Config, SmppLine
from datasms_daemon.delivery.inbound import REGISTRATION
from datasms_daemon.delivery.number_files import NumberFiles
from datasms_daemon.rules.inbound import APP, InboundRouter
from datasms_daemon.rules.senders import Senders
from datasms_daemon.rules.suffixes import Suffixes

REPLY_WINDOW = 72 * HOUR


def inbound_router(config: Config, numbers: NumberFiles) -> InboundRouter:
    """The rules for texts from outside, with the number lists that are in use."""
    senders = Senders(config.sender_defaults, config.sender, config.sender_group)

    def reply_window(sender: str) -> int:
        window = senders.of(sender).options.reply_window
        return REPLY_WINDOW if window is None else window

    return InboundRouter(
        config,
        config.daemon.country,
        applications_of(config),
        reply_window,
        config.inbound_routing.default,
        suffixes_of(config),
        numbers.lists,
        webhooks_of(config),
        takes_mail=config.mail.host is not None,
    )


def registers(config: Config) -> bool:
    """Whether registrations are completed at the door, and not by an application that is configured for it."""
    return all(f"{APP}{one.name}" != REGISTRATION for one in config.application)


def suffixes_of(config: Config) -> Suffixes:
    """Senders' own numbers behind those of lines."""
    numbers = {
        str(line.name): line.inbound_number
        for line in config.line
        if isinstance(line, SmppLine) and line.suffixes and line.inbound_number is not None
    }
    own = {name: sender.suffix for name, sender in config.sender.items() if sender.suffix is not None}
    return Suffixes(numbers, own)
