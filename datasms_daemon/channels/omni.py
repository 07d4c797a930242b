"""Infobip by phone number: OMNI failover or the Messages API (protocols/infobip-omni.md). It shows the text itself."""

from __future__ import annotations

from collections.abc import Callable
from hmac import compare_digest
from urllib.parse import quote

from twisted.logger import Logger
from zope.interface import implementer

from datasms_daemon.channels._answers import outcome_of_failure
from datasms_daemon.channels._omni_pull import PAGE, Pull
from datasms_daemon.channels._omni_reports import (
    SUNSET,
    Incoming,
    Report,
    Told,
    flow_of,
    incoming_of,
    outcome_of,
    refusal_of,
    reports_of,
)
from datasms_daemon.channels._omni_requests import (
    channels_of,
    harmless_request,
    hooks_of,
    mark_of,
    message_id,
    problems_of,
    to_request,
)
from datasms_daemon.channels._recent import Recent
from datasms_daemon.config.channels import OmniChannel
from datasms_daemon.config.kinds import DAY
from datasms_daemon.errors import ConfigError
from datasms_daemon.https.client import Answer, Failed, Method, SafeClient
from datasms_daemon.https.connect import Reactor
from datasms_daemon.interfaces import IChannelHost, IHookedChannel
from datasms_daemon.model import (
    HookAnswer,
    HookCall,
    InboundText,
    Later,
    LineName,
    NotSent,
    Outcome,
    PushOrder,
    PushReceipt,
    Verdict,
)
from datasms_daemon.ops.printable import printable
from datasms_daemon.rules.addresses import Hosts, netloc

SEND = {"omni": "/omni/1/advanced", "messages": "/messages-api/1/messages"}
REPORTS = {"omni": f"/omni/1/reports?limit={PAGE}", "messages": f"/messages-api/1/reports?limit={PAGE}"}
MOST_REFUSED = 10_000
VALIDATE = "/messages-api/1/messages/validate"
SCENARIOS = "/omni/1/scenarios"
ADVICE = {
    401: "the API key is not accepted; check api_key, and that endpoint is the account's own base URL",
    403: "the API key may not do this; give it the right to send and to manage in the web interface",
    404: "there is no such address; check endpoint",
    410: SUNSET,
    429: "the account has asked too often; try again in a minute",
}
NO_SCENARIO = {
    True: "there is no scenario with this key; copy it from the answer that made the scenario",
    False: "the account has no default scenario; make one, or name one with scenario",
}

log = Logger()


@implementer(IHookedChannel)
class Omni:
    """Pushes through one Infobip account. ``public_url`` is MxService's address for the outside; None: it has none.

    Raises ConfigError when endpoint, key, steps, hook_secret or CA file cannot be used.
    """

    carries_text = True

    def __init__(
        self, options: OmniChannel, reactor: Reactor, now_ms: Callable[[], int], public_url: str | None
    ) -> None:
        self.name = options.name
        self._options = options
        self._now_ms = now_ms
        problems = problems_of(options, public_url)
        host = netloc(options.endpoint)
        if problems or host is None:
            raise ConfigError([f"channel {options.name}: {problem}" for problem in problems])
        self._base = options.endpoint.rstrip("/")
        self._hooks = hooks_of(options, public_url)
        # The Messages API reports the end only.
        self._not_last = channels_of(options)[:-1] if options.api == "omni" else ()
        self._host: IChannelHost | None = None
        self._last_said: dict[str, int] = {}
        self._refused: Recent[str, int] = Recent(MOST_REFUSED)
        self._client = SafeClient(
            reactor,
            hosts=Hosts((host,)),
            allow_private=options.allow_private,
            ca_file=options.ca_file,
            concurrency=options.concurrency,
            total_timeout_s=options.timeout / 1000,
            proxy=options.proxy,
        )
        self._pull = Pull(options.name, self._ask_reports, self._read_reports, self._tell, reactor, now_ms)

    def start(self, host: IChannelHost) -> None:
        """Connections are made by the first push; with ``reports = "pull"`` Infobip is asked from now on."""
        self._host = host
        if self._options.reports == "pull":
            self._pull.start()

    async def stop(self) -> None:
        """All connections are closed; pushes under way end as Later or Unknown."""
        await self._client.stop()
        await self._pull.stop()

    async def push(self, order: PushOrder) -> Outcome:
        """What Infobip said, within the configured time (IChannel.push). A repeat has the same id, which Infobip knows:
        nobody gets the message twice. Only what Infobip took note of and refused for now is repeated under another one:
        under the same it would be a duplicate, and seem taken."""
        refused = self._refused.get(message_id(order), 0)
        id_ = message_id(order, refused)
        body = to_request(order, self._options, self._hooks, id_)
        if body is None:
            return NotSent("the push has no phone number or no text", final=True)
        answer = await self._ask("POST", SEND[self._options.api], body)
        if isinstance(answer, Failed):
            return outcome_of_failure(answer)
        outcome = outcome_of(answer.status, answer.headers, answer.body, self._now_ms(), id_)
        if answer.status < 300 and isinstance(outcome, Later):
            self._refused[message_id(order)] = refused + 1
        return outcome

    async def withdraw(self, order: PushOrder) -> None:
        """Nothing: Infobip cannot take a message back; its validity ends with the message's."""

    async def check(self) -> Verdict:
        """Looks at the scenario, or has the Messages API validate a message to nobody: nothing is sent."""
        if self._options.api == "messages":
            return self._judged(await self._ask("POST", VALIDATE, harmless_request(self._options)))
        key = self._options.scenario
        path = f"{SCENARIOS}?isDefault=true&limit=1" if key is None else f"{SCENARIOS}/{quote(key, safe='')}"
        return self._judged(await self._ask("GET", path))

    def link(self, number: str) -> str | None:
        """Infobip knows no such links."""
        return None

    async def hook(self, call: HookCall) -> HookAnswer:
        """``reports/SECRET``, ``seen/SECRET`` and ``inbound/SECRET`` (IHookedChannel.hook)."""
        kind, _, secret = call.path.partition("/")
        known = self._options.hook_secret.reveal()
        if not known or not compare_digest(secret.encode("utf-8", "replace"), known.encode()):
            return HookAnswer(403)
        if kind not in ("reports", "seen", "inbound"):
            return HookAnswer(404)
        told = self._noted(incoming_of(call.body)) if kind == "inbound" else self._read_reports(call.body)
        if told is None:
            log.warn("channel {name}: {kind} that cannot be read", name=self.name, kind=kind)
            return HookAnswer(400)
        for report in told.reports:
            await self._tell(report)
        for incoming in told.incoming:
            await self._tell_text(incoming)
        return HookAnswer()

    async def _tell(self, report: Report) -> None:
        assert self._host is not None
        at = self._now_ms()
        await self._host.receipt(PushReceipt(self.name, report.message_id, report.state, at, report.reason))
        if report.dead is not None:
            await self._host.gone(self.name, {"phone": report.dead}, report.reason or "")

    async def _tell_text(self, incoming: Incoming) -> None:
        assert self._host is not None
        await self._host.inbound(
            InboundText(
                line=LineName(self.name),
                from_=incoming.from_,
                to=incoming.to,
                text=incoming.text,
                at=self._now_ms(),
                key=incoming.key,
                address={"phone": incoming.from_},
            )
        )

    def _read_reports(self, body: bytes) -> Told | None:
        return self._noted(reports_of(body, mark_of(self._options), self._not_last))

    def _noted(self, told: Told | None) -> Told | None:
        if told is not None and told.passed_over:
            log.info("channel {name}: {count} results passed over", name=self.name, count=told.passed_over)
        return told

    async def _ask_reports(self) -> Answer | Failed:
        return await self._ask("GET", REPORTS[self._options.api])

    async def _ask(self, method: Method, path: str, body: bytes = b"") -> Answer | Failed:
        headers = {"Authorization": f"App {self._options.api_key.reveal()}", "Accept": "application/json"}
        if body:
            headers["Content-Type"] = "application/json"
        answer = await self._client.ask(method, f"{self._base}{path}", headers, body)
        if isinstance(answer, Answer):
            self._note_end(answer)
        return answer

    def _note_end(self, answer: Answer) -> None:
        """Tells the operator, once a day, that an API ends or has ended (RFC 9745, RFC 8594)."""
        said = [f"{name}: {answer.headers[name]}" for name in ("deprecation", "sunset") if name in answer.headers]
        if said and self._is_news("deprecation"):
            said += [f"link: {answer.headers['link']}"] if "link" in answer.headers else []
            notice = printable(", ".join(said))[:300]
            log.warn("channel {name}: Infobip is going to end this API: {notice}", name=self.name, notice=notice)
        if answer.status == 410 and self._is_news("sunset"):
            log.error("channel {name}: {sunset}", name=self.name, sunset=SUNSET)

    def _is_news(self, what: str) -> bool:
        now = self._now_ms()
        is_news = now - self._last_said.get(what, now - DAY) >= DAY
        if is_news:
            self._last_said[what] = now
        return is_news

    def _judged(self, answer: Answer | Failed) -> Verdict:
        if isinstance(answer, Failed):
            return Verdict(False, (f"no answer from Infobip: {answer.reason}",))
        if answer.status == 200 and self._options.api == "messages":
            return Verdict(True, ("Infobip takes the key, and messages for all steps",))
        if answer.status == 200:
            return self._judged_scenario(answer.body)
        refusal = refusal_of(answer.body)
        advice = ADVICE.get(answer.status, "refused")
        if self._options.api == "omni" and answer.status in (404, 409):
            advice = NO_SCENARIO[self._options.scenario is not None]
        reason = f"{advice} ({answer.status} {refusal.code})".replace(" )", ")")
        faulty = tuple(f"Infobip does not take {name}" for name in refusal.faulty)
        return Verdict(False, (reason, *faulty))

    def _judged_scenario(self, body: bytes) -> Verdict:
        flow = flow_of(body)
        if not flow:
            return Verdict(False, (NO_SCENARIO[self._options.scenario is not None],))
        theirs, ours = tuple(step.channel.upper() for step in flow), channels_of(self._options)
        if theirs != ours:
            shown = printable(", ".join(theirs))[:200]
            return Verdict(False, (f"the scenario goes {shown}, steps goes {', '.join(ours)}: make them the same",))
        findings = ["Infobip takes the key, the scenario has the same steps"]
        if tuple(step.sender for step in flow) != tuple(step.sender for step in self._options.steps):
            findings.append("the scenario has other senders than steps; Infobip uses the scenario's")
        return Verdict(True, tuple(findings))
