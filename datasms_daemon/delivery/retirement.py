"""The alarm when a service calls more addresses gone than can be believed."""

from __future__ import annotations

from twisted.logger import Logger

from datasms_daemon.store.retirement import Hold

log = Logger()


def alarm(hold: Hold) -> None:
    """Tells operators that a hold has begun; there is at most one an hour and channel."""
    log.error(
        "channel {channel}: deletions are held, {gone} of {known} addresses were said to be gone within an hour; "
        "look at the service's credentials and project, then resume the channel, or wait an hour",
        channel=hold.channel,
        gone=hold.gone,
        known=hold.known,
    )
