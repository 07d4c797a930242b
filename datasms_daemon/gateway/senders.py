"""What holds for senders."""

from __future__ import annotations

from datasms_daemon.config.kinds import Duration, Size
from datasms_daemon.config.options import Option, options_of
from datasms_daemon.config.senders import SenderOptions
from datasms_daemon.config.units import format_duration, format_size
from datasms_daemon.gateway.ports import Core
from datasms_daemon.gateway.records import SenderView, SettingView, Value
from datasms_daemon.gateway.rights import OPERATE, GatewayApi
from datasms_daemon.gateway.shapes import SenderName
from datasms_daemon.model import Key
from datasms_daemon.rules.senders import Account
from datasms_daemon.web.problems import HttpProblem
from datasms_daemon.web.routes import Call


class Senders:
    """The calls about senders; ``add_to`` declares them."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def add_to(self, api: GatewayApi) -> None:
        """Declares the calls."""
        api.route(
            "GET",
            "/v1/senders/<name>",
            permission=OPERATE,
            summary="What holds for a sender, and which table of the configuration says it",
            answer=SenderView,
            parameters={"name": SenderName},
        )(self.sender)

    async def sender(self, call: Call[Key, None, None]) -> SenderView:
        """Its effective options."""
        name = call.path["name"]
        account = self._core.account(name)
        if account is None:
            raise HttpProblem("not_found")
        return sender_view(name, account)


def sender_view(name: str, account: Account[SenderOptions]) -> SenderView:
    """An account as operators see it."""
    settings = {
        option.name: SettingView(
            _written(option, getattr(account.options, option.field)), account.origins.get(option.field)
        )
        for option in options_of(SenderOptions)
    }
    return SenderView(name, account.groups, settings)


def _written(option: Option, value: Value) -> Value:
    if isinstance(value, int) and option.kind is Duration:
        return format_duration(value)
    if isinstance(value, int) and option.kind is Size:
        return format_size(value)
    return value
