"""FCM under the policy of all channels: it keeps every promise of a channel."""

from __future__ import annotations

from datasms_daemon.channels._policy import governed
from datasms_daemon.config.channels import PushChannel
from datasms_daemon.config.kinds import Duration
from tests.contract.rigs.base import TIMEOUT_S, Host, now_ms
from tests.contract.rigs.fcm import FcmRig


class GovernedRig(FcmRig):
    async def start(self) -> None:
        await super().start()
        options = PushChannel(name="fcm", rate=1000, timeout=Duration(int(TIMEOUT_S * 1000)))
        self.channel = governed(self.channel, "fcm", options, self.reactor, now_ms)
        self.channel.start(Host())
