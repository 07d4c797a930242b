"""A Viber bot (viber.md). Viber shows the text itself, tells us what became of it, and brings what people write."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

from twisted.logger import Logger
from zope.interface import implementer

from datasms_daemon.channels import _viber_content as content
from datasms_daemon.channels import _viber_hook as callbacks
from datasms_daemon.channels._answers import outcome_of_failure
from datasms_daemon.channels._recent import Recent
from datasms_daemon.channels._viber_answers import (
    WEBHOOK_NOT_SET,
    Account,
    account_of,
    billing_of,
    described,
    outcome_of,
    shown,
    status_of,
)
from datasms_daemon.channels._viber_content import Link, Sender, Sends, to_sends
from datasms_daemon.channels._viber_webhook import Webhook
from datasms_daemon.config.channels import ViberChannel
from datasms_daemon.errors import ConfigError
from datasms_daemon.https.client import Answer, Failed, SafeClient
from datasms_daemon.https.connect import Reactor
from datasms_daemon.interfaces import IChannelHost, IHookedChannel
from datasms_daemon.model import (
    Accepted,
    Attachment,
    HookAnswer,
    HookCall,
    NotSent,
    Outcome,
    PushOrder,
    PushReceipt,
    Verdict,
)
from datasms_daemon.rules.addresses import Hosts, netloc

# How many callbacks and how many people are remembered, for repeats and for what comes in the wrong order.
REMEMBERED = 10_000
# RFC 9110 § 5.5: anything else could break out of the header it goes into.
TOKEN = re.compile(r"[!-~]+")

log = Logger()


@implementer(IHookedChannel)
class Viber:
    """Sends through one bot. Raises ConfigError when token, endpoint, avatar or CA file cannot be used.

    ``public_url`` is where MxService is reached from outside; ``ticket`` gives what opens an attachment there for a
    time of so many ms. ``billed`` is told the billing status (0 to 5; 5 costs) of each message that Viber took.
    ``repeats`` counts callbacks that were known already.
    """

    carries_text = True

    def __init__(
        self,
        options: ViberChannel,
        reactor: Reactor,
        now_ms: Callable[[], int],
        public_url: str | None,
        billed: Callable[[int], None],
        ticket: Callable[[Attachment, int], str],
    ) -> None:
        self.name = options.name
        self.repeats = 0
        self._options = options
        self._clock = reactor
        self._now_ms = now_ms
        self._billed = billed
        self._ticket = ticket
        self._public_url = public_url and public_url.rstrip("/")
        self._timeout_s = options.timeout / 1000
        self._token = options.token
        self._sender = Sender(options.sender, options.avatar)
        self._endpoint = options.endpoint.rstrip("/")
        self._client = SafeClient(
            reactor,
            hosts=Hosts((_checked(options),)),
            allow_private=options.allow_private,
            ca_file=options.ca_file,
            concurrency=options.concurrency,
            total_timeout_s=self._timeout_s,
            proxy=options.proxy,
        )
        self._host: IChannelHost | None = None
        self._webhook = self._new_webhook(public_url) if options.webhook and public_url else None
        self._done: Recent[tuple[str, int, str], None] = Recent(REMEMBERED)
        self._wrote_at: Recent[str, int] = Recent(REMEMBERED)

    def start(self, host: IChannelHost) -> None:
        """From now on callbacks are told to ``host``; the webhook is registered a turn later."""
        self._host = host
        if self._webhook is not None:
            self._webhook.start()

    async def stop(self) -> None:
        """All connections are closed; pushes under way end as Later or Unknown."""
        if self._webhook is not None:
            self._webhook.stop()
        await self._client.stop()

    async def push(self, order: PushOrder) -> Outcome:
        """What Viber said, within the configured time whatever the number of tries (IChannel.push)."""
        sends = to_sends(order, self._sender, self._link(order.ttl_ms))
        if isinstance(sends, NotSent):
            return sends
        until = self._clock.seconds() + self._timeout_s
        answer = await self._ask("send_message", sends.first, self._timeout_s)
        if self._webhook is not None and _webhook_is_missing(answer):
            problem = await self._webhook.register(self._left(until))
            if problem is not None:
                return problem
            answer = await self._ask("send_message", sends.first, self._left(until))
        outcome = self._concluded(answer)
        return await self._followed(outcome, sends, until) if isinstance(outcome, Accepted) else outcome

    async def _followed(self, accepted: Accepted, sends: Sends, until: float) -> Accepted:
        """The message has gone out: from here on nothing may make anybody send it again, whatever the rest comes to."""
        notes = list(sends.left_out)
        for name, body in sends.others:
            left = self._left(until)
            if left == 0:
                notes.append(f"{name} was not sent: no time was left")
                continue
            outcome = self._concluded(await self._ask("send_message", body, left))
            if not isinstance(outcome, Accepted):
                notes.append(f"{name} was perhaps not sent: {outcome.reason}")
        return Accepted(accepted.provider_ids, tuple(notes))

    def _link(self, ttl_ms: int) -> Link | None:
        base = self._public_url
        return None if base is None else lambda one: f"{base}/mx/v1/media/{self._ticket(one, ttl_ms)}"

    async def withdraw(self, order: PushOrder) -> None:
        """Nothing: Viber takes nothing back."""

    async def check(self) -> Verdict:
        """Asks Viber about the bot: whether the token is good, and whether Viber calls us."""
        answer = await self._ask("get_account_info", b"{}", self._timeout_s)
        if isinstance(answer, Failed):
            return Verdict(False, (f"no answer from Viber: {answer.reason}",))
        status = status_of(answer.body)
        account = account_of(answer.body)
        if status != 0 or account is None:
            reason = f"HTTP {answer.status}" if status is None else described(status)
            return Verdict(False, (f"Viber refuses: {reason}",))
        good, calls = self._calls(account)
        count = "?" if account.subscribers_count is None else account.subscribers_count
        return Verdict(good, (f"bot {shown(account.name)} ({shown(account.uri)}), {count} subscribers", calls))

    def link(self, number: str) -> str | None:
        """Opens the conversation and registers; None without ``bot_uri``."""
        return None if self._options.bot_uri is None else content.deep_link(self._options.bot_uri, number)

    async def hook(self, call: HookCall) -> HookAnswer:
        """Answers one callback, after the host has committed what it said (IHookedChannel.hook).

        403: the signature is missing or wrong, or it is too old; 400: no callback; 503: not started. What the host
        raises is passed on, and Viber will repeat the callback.
        """
        if not callbacks.is_genuine(call, self._token):
            log.warn("channel {name}: a callback without Viber's signature was refused", name=self.name)
            return HookAnswer(403)
        callback = callbacks.read(call.body)
        if callback is None:
            return HookAnswer(400)
        if not callbacks.is_timely(callback, self._now_ms()):
            log.warn("channel {name}: a callback of another time was refused; is the clock right?", name=self.name)
            return HookAnswer(403)
        if self._host is None:
            return HookAnswer(503)
        if callback.key in self._done:
            self.repeats += 1
        else:
            await self._tell(self._host, callback)
            # Only now: had the host failed, Viber's repeat would have to do it.
            self._done[callback.key] = None
        return HookAnswer(200, self._welcome(callback))

    async def _tell(self, host: IChannelHost, callback: callbacks.Callback) -> None:
        if isinstance(callback, callbacks.Unsubscribed) and self._has_written_since(callback):
            return
        for effect in callbacks.meaning(callback, self.name, self._now_ms()):
            match effect:
                case PushReceipt():
                    await host.receipt(effect)
                case callbacks.AllRead():
                    await host.read_all(self.name, effect.address, effect.at)
                case callbacks.Gone():
                    await host.gone(self.name, effect.address, effect.reason)
                case _:
                    await host.inbound(effect)
        if isinstance(callback, callbacks.Message | callbacks.Subscribed):
            self._wrote_at[callback.user] = max(callback.timestamp, self._wrote_at.get(callback.user, 0))

    def _has_written_since(self, callback: callbacks.Callback) -> bool:
        """Whether a later callback has come before this one: Viber's repeats come in any order."""
        return self._wrote_at.get(callback.user, 0) > callback.timestamp

    def _welcome(self, callback: callbacks.Callback) -> bytes:
        if not isinstance(callback, callbacks.ConversationStarted):
            return b""
        if callback.context:
            return content.welcome(self._options.welcome_linked, self._sender, self._options.button)
        return content.welcome(self._options.welcome, self._sender)

    def _concluded(self, answer: Answer | Failed) -> Outcome:
        if isinstance(answer, Failed):
            return outcome_of_failure(answer)
        outcome = outcome_of(answer.status, answer.headers, answer.body, self._now_ms())
        billing = billing_of(answer.body) if isinstance(outcome, Accepted) else None
        if billing is not None:
            self._billed(billing)
        return outcome

    def _calls(self, account: Account) -> tuple[bool, str]:
        """Whether Viber's callbacks come to us, and what of it an operator should know."""
        theirs = shown(account.webhook or "")
        if not account.webhook:
            return False, "no webhook is set: Viber sends nothing, and neither receipts nor registrations arrive"
        if self._webhook is not None and account.webhook != self._webhook.url:
            return False, f"Viber calls {theirs} and not {self._webhook.url}: the log says why it was not registered"
        missing = sorted(set(content.EVENTS) - set(account.event_types or content.EVENTS))
        if missing:
            return False, f"Viber calls {theirs} but not for {', '.join(missing)}: register the webhook again"
        return True, f"Viber calls {theirs}"

    def _new_webhook(self, public_url: str) -> Webhook:
        url = f"{public_url.rstrip('/')}/mx/v1/hooks/viber/{quote(self.name, safe='')}"
        return Webhook(
            self.name, url, self._token, lambda body: self._ask("set_webhook", body, self._timeout_s), self._clock
        )

    async def _ask(self, call: str, body: bytes, timeout_s: float) -> Answer | Failed:
        headers = {"X-Viber-Auth-Token": self._token.reveal(), "Content-Type": "application/json; charset=UTF-8"}
        return await self._client.post(f"{self._endpoint}/pa/{call}", headers, body, timeout_s=timeout_s)

    def _left(self, until: float) -> float:
        return max(0.0, until - self._clock.seconds())


def _checked(options: ViberChannel) -> str:
    """The host of the endpoint. ConfigError: every option that cannot be used."""
    problems = []
    host = netloc(options.endpoint)
    if host is None:
        problems.append(f"channel {options.name}: endpoint: must be a plain https URL")
    if not TOKEN.fullmatch(options.token.reveal()):
        problems.append(f"channel {options.name}: token: must be the token from the bot's page, in one line")
    if options.avatar is not None and not options.avatar.startswith(("https://", "http://")):
        problems.append(f"channel {options.name}: avatar: must be a URL")
    if problems or host is None:
        raise ConfigError(problems)
    return host


def _webhook_is_missing(answer: Answer | Failed) -> bool:
    return isinstance(answer, Answer) and answer.status == 200 and status_of(answer.body) == WEBHOOK_NOT_SET
