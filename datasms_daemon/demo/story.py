"""What happens in the demo: two people register their phones; one text goes to both; one phone is switched off."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
from twisted.internet.defer import Deferred, DeferredList

from datasms_daemon.demo.board import Board, Entry, Timeline
from datasms_daemon.demo.fcm import Pushed
from datasms_daemon.demo.process import DemoFailed
from datasms_daemon.demo.stage import INBOUND, WAIT_S, Stage
from datasms_daemon.lines.smpp_pdu import ShortMessage
from datasms_daemon.ops.clock import wall_ms
from datasms_daemon.web.client import Client

TEXT = "Pump 3 stopped, the water is rising"
REFRESH_S = 0.1
WAKING_S = 0.5
OVER_S = 12.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Key(msgspec.Struct):
    secret: str


class _Sms(msgspec.Struct):
    to: str
    text: str


class _Registration(msgspec.Struct):
    id: str
    secret: str
    sms: _Sms


class _Device(msgspec.Struct):
    token: str


class _RegistrationState(msgspec.Struct):
    state: str
    device: _Device | None = None


class _Item(msgspec.Struct):
    id: str
    text: str


class _Inbox(msgspec.Struct):
    items: list[_Item]


class _Accepted(msgspec.Struct):
    id: str
    to: str


class _Submission(msgspec.Struct):
    messages: list[_Accepted]


class Ended(msgspec.Struct):
    """A message as the application sees it."""

    status: str
    line: str | None
    created_at: datetime
    delivered_at: datetime | None


class _Event(msgspec.Struct):
    at: datetime
    kind: str
    detail: dict[str, str | int | bool | None]


class _Trace(msgspec.Struct):
    items: list[_Event]


class Phone:
    """One person's phone and what became of the message for it."""

    def __init__(self, name: str, number: str, *, is_on: bool) -> None:
        self.name = name
        self.number = number
        self.address = f"token-of-{name}"
        self.is_on = is_on
        self.client: Client | None = None
        self.message = ""
        self.sms = 0
        self.timeline = Timeline(name, f"{name}'s phone is {'on' if is_on else 'switched off'}")

    def note(self, what: str) -> None:
        """Something happened now."""
        self.timeline.add(Entry(wall_ms(), what))


class Story:
    """Plays on a stage and is told on a board. Every way it can go wrong ends in DemoFailed."""

    def __init__(self, stage: Stage, board: Board, phones: tuple[Phone, ...]) -> None:
        self._stage = stage
        self._board = board
        self._phones = phones
        self._confirming: list[Deferred[None]] = []

    async def play(self, operator: Client, gateway: Client, clients: Client) -> None:
        """All of it, and what it proved."""
        rights = {"name": "demo", "rights": ["send", "read"]}
        made = await self._stage.ask(lambda: operator.call(_Key, "POST", "/v1/keys", body=rights))
        application = gateway.with_token(made.secret)
        self._board.say('An application named "demo" has a key.')
        for phone in self._phones:
            await self._register(phone, clients)
        self._stage.fcm.on_push = self._pushed
        try:
            ended = await self._send(application)
        finally:
            await DeferredList(self._confirming, consumeErrors=True)
        self._conclude(ended)

    async def _register(self, phone: Phone, clients: Client) -> None:
        """Flow A: the app asks for a number, its user proves his phone number by texting it."""
        asked = {
            "channel": "fcm",
            "address": {"token": phone.address},
            "name": f"{phone.name}'s phone",
            "platform": "android",
        }
        path = "/mx/v1/registrations"
        given = await self._stage.ask(lambda: clients.call(_Registration, "POST", path, body=asked))
        for part in self._stage.smsc.send_inbound(phone.number, given.sms.to, given.sms.text):
            if await part:
                raise DemoFailed("the daemon did not take the SMS with the registration number")
        holder = clients.with_token(given.secret)
        state = await self._stage.ask(
            lambda: holder.call(_RegistrationState, "GET", f"{path}/{given.id}", query=[("wait", 10)])
        )
        if state.device is None:
            raise DemoFailed(f"the registration of {phone.name}'s phone is {state.state}")
        phone.client = clients.with_token(state.device.token)
        self._board.say(f"{phone.name} ({phone.number}) registered, by the SMS “{given.sms.text}” to {INBOUND}.")

    async def _send(self, application: Client) -> dict[str, Ended]:
        body = {"to": [phone.number for phone in self._phones], "text": TEXT, "priority": "high"}
        self._board.heading(f"“{TEXT}” to both, priority high: {WAIT_S} s for the phone, then SMS")
        sent = await self._stage.ask(lambda: application.call(_Submission, "POST", "/v1/messages", body=body))
        ids = {message.to: message.id for message in sent.messages}
        for phone in self._phones:
            phone.message = ids[phone.number]
        first = await self._message(application, self._phones[0])
        start = _ms(first.created_at)
        for phone in self._phones:
            phone.timeline.waiting = _countdown(start + WAIT_S * 1000)
        self._board.follow([phone.timeline for phone in self._phones], start)
        return await self._follow(application, start)

    async def _follow(self, application: Client, start: int) -> dict[str, Ended]:
        while not all(phone.timeline.is_over for phone in self._phones):
            if wall_ms() - start > OVER_S * 1000:
                raise DemoFailed(await self._not_over(application))
            for phone in self._phones:
                await self._read_trace(application, phone)
            self._board.refresh()
            await self._stage.pause(REFRESH_S)
        self._board.refresh(is_last=True)
        return {phone.name: await self._message(application, phone) for phone in self._phones}

    async def _not_over(self, application: Client) -> str:
        states = [(phone, await self._message(application, phone)) for phone in self._phones]
        told = ", ".join(f"the message for {phone.name} is {message.status}" for phone, message in states)
        return f"not everything arrived within {OVER_S:g} s: {told}"

    async def _message(self, application: Client, phone: Phone) -> Ended:
        return await self._stage.ask(lambda: application.call(Ended, "GET", f"/v1/messages/{phone.message}"))

    async def _read_trace(self, application: Client, phone: Phone) -> None:
        """What the daemon itself says it decided."""
        path = f"/v1/messages/{phone.message}/trace"
        trace = await self._stage.ask(lambda: application.call(_Trace, "GET", path))
        for event in trace.items:
            what = _TOLD.get((event.kind, str(event.detail.get("line", ""))))
            if what is not None:
                phone.timeline.add(Entry(_ms(event.at), what, is_end=event.kind == "delivered"))
            elif event.kind in ("failed", "expired", "unknown"):
                raise DemoFailed(f"the message for {phone.name} ended {event.kind}: {event.detail}")

    def _conclude(self, ended: dict[str, Ended]) -> None:
        """Says what was seen; DemoFailed when it is not what this was to show."""
        pushes = list(self._stage.fcm.pushed)
        if any(TEXT in str(push) for push in pushes):
            raise DemoFailed("a push held the text")
        self._board.heading("What happened")
        for phone in self._phones:
            message = ended[phone.name]
            line, sms = ("datasms", 0) if phone.is_on else ("sms", 1)
            if (message.line, phone.sms) != (line, sms) or message.delivered_at is None:
                raise DemoFailed(f"{phone.name} got it by {message.line}, with {phone.sms} SMS")
            way = "over the internet" if phone.is_on else "by SMS, because the phone confirmed nothing in time"
            took = (message.delivered_at - message.created_at).total_seconds()
            self._board.say(f"  {phone.name}: delivered {way}. {took:.1f} s, {sms} SMS.")
        self._board.say(f"  Google's stand-in got {len(pushes)} wake-up calls and not a word of the text.")

    # --- what the stand-ins tell -------------------------------------------------------------------------------------

    def _pushed(self, push: Pushed) -> None:
        phone = next(one for one in self._phones if one.address == push.address)
        if phone.is_on:
            self._confirming.append(Deferred.fromCoroutine(self._confirm(phone)))

    async def _confirm(self, phone: Phone) -> None:
        """What the client on the phone does when a push wakes it."""
        client = phone.client
        assert client is not None, "only registered phones get pushes"
        await self._stage.pause(WAKING_S)
        inbox = await self._stage.ask(lambda: client.call(_Inbox, "GET", "/mx/v1/inbox"))
        phone.note("the phone woke and fetched it")
        now = datetime.fromtimestamp(wall_ms() / 1000, UTC).isoformat()
        receipts = [{"id": item.id, "state": "received", "at": now} for item in inbox.items if item.text == TEXT]
        body = {"receipts": receipts}
        await self._stage.ask(lambda: client.send("POST", "/mx/v1/inbox/receipts", content=msgspec.json.encode(body)))

    def submitted(self, sms: ShortMessage) -> None:
        """An SMS reached the SMS centre."""
        for phone in self._phones:
            if phone.number == f"+{sms.dest}":
                phone.sms += 1


_TOLD = {
    ("accepted", ""): "accepted and stored",
    ("sent", "datasms"): "push sent, without the text",
    ("deadline", "datasms"): "no confirmation in time",
    ("sent", "sms"): "SMS handed to the SMS centre",
    ("delivered", "datasms"): "DELIVERED, no SMS needed",
    ("delivered", "sms"): "DELIVERED by SMS, receipt came",
}


def _ms(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _countdown(deadline: int) -> Callable[[int], str]:
    def waiting(now: int) -> str:
        left = deadline - now
        return f"waiting; SMS in {left / 1000:.1f} s" if left > 0 else "waiting for the receipt"

    return waiting
