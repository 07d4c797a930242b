"""Parts of the core as the gateway sees them, in memory: channels, archive, configuration, applications."""

from __future__ import annotations

from msgspec.structs import replace

from datasms_daemon.model import (
    ApplicationView,
    ChannelView,
    DeadText,
    Destination,
    Due,
    Erased,
    InboundExplanation,
    InboundStep,
    InboundText,
    LineName,
    LineState,
    PersonId,
    Reloaded,
    RunningConfiguration,
    SectionChange,
    Verdict,
    WebhookView,
)
from tests.fakes.attachments import DAY, NOW


class FakeChannels:
    """One channel, whose key is not accepted; it was held until an operator resumed it."""

    def __init__(self) -> None:
        self.view = ChannelView("fcm", "fcm", LineState.UP, None, 3, 1, None, held=True)

    async def all(self) -> tuple[ChannelView, ...]:
        return (self.view,)

    async def test(self, name: str) -> Verdict | None:
        return Verdict(False, ("the key is not accepted",)) if name == "fcm" else None

    async def resume(self, name: str, by: str) -> ChannelView | None:
        if name != "fcm":
            return None
        self.view = replace(self.view, held=False)
        return self.view


class FakeArchive:
    """Whatever is due is gone after a purge; every person but novak is unknown."""

    def __init__(self) -> None:
        self.found: tuple[Due, ...] = (Due("texts", 7, DAY), Due("audit", 1, 365 * DAY))

    async def due(self) -> tuple[Due, ...]:
        return self.found

    async def purge_all(self, by: str) -> int:
        found, self.found = self.found, ()
        return sum(due.count for due in found)

    async def erase(self, person: PersonId, by: str) -> Erased | None:
        return Erased(3, 1, 2) if person == "novak" else None

    async def erase_number(self, number: str, by: str) -> Erased | PersonId:
        return PersonId("novak") if number == "+420603123456" else Erased(2, 1, 0)


class FakeHold:
    """A restored database."""

    def __init__(self) -> None:
        self.reason: str | None = "copy was put in the place of the database"
        self.is_damaged = False

    async def release(self, by: str) -> bool:
        was, self.reason = self.reason, None
        return was is not None


class FakeConfiguration:
    """One line fewer after each reload, as long as the file is good."""

    def __init__(self) -> None:
        self.problems: tuple[str, ...] = ()
        self.by = "daemon"

    def running(self) -> RunningConfiguration:
        return RunningConfiguration("datasms.toml", "00ff", NOW, self.by, {"line": ("datasms",)})

    async def reload(self, by: str) -> Reloaded:
        if self.problems:
            return Reloaded(problems=self.problems)
        self.by = by
        return Reloaded(changes=(SectionChange("line", removed=("sms-o2",)),), hash="00ff")


class FakeTexts:
    """Whatever comes in goes to the account ``all``."""

    async def explain(self, inbound: InboundText) -> InboundExplanation:
        to = Destination("account:all", inbound.text, "rule everything")
        return InboundExplanation(PersonId("novak"), (to,), (InboundStep("rule everything", "matches: account:all"),))


class FakeApplications:
    """One, which is to be started again."""

    async def all(self) -> tuple[ApplicationView, ...]:
        return (ApplicationView("info", "command", "waiting", "it took too long", 3, 7),)


class FakeTargets:
    """One webhook, which was stopped; one text that died of it and one whose target is gone."""

    def __init__(self) -> None:
        self.view = WebhookView("crm", "crm.example.org", "stopped", "it answered 410", 3, 1)
        self.texts = [
            DeadText(n, target, "rule all", LineName("sms-o2"), NOW, 10, NOW + DAY, "it answered 500")
            for n, target in ((8, "webhook:crm"), (7, "webhook:erp"))
        ]

    async def webhooks(self) -> tuple[WebhookView, ...]:
        return (self.view,)

    async def test(self, name: str) -> Verdict | None:
        return Verdict(True, ("it answered 204",)) if name == "crm" else None

    async def resume(self, name: str, by: str) -> WebhookView | None:
        if name != "crm":
            return None
        self.view = replace(self.view, state="on", reason=None)
        return self.view

    async def dead(self, after: int | None, limit: int) -> tuple[DeadText, ...]:
        return tuple(text for text in self.texts if after is None or text.seq < after)[:limit]

    async def resend(self, seq: int, by: str) -> bool | None:
        found = next((text for text in self.texts if text.seq == seq), None)
        return None if found is None else found.target == "webhook:crm"
