"""A local stand-in for Viber's REST Bot API, over TLS.

It refuses what the real service refuses (protocols/viber.md), remembers what it took, answers by script, and signs its
callbacks with the code of Viber's own library.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.http import Request
from twisted.web.server import NOT_DONE_YET
from viberbot import Api, BotConfiguration

from datasms_daemon.demo.answers import Rendered, ScriptedAnswer, answer
from datasms_daemon.demo.https import HttpsService, content, content_type
from datasms_daemon.model import HookAnswer, HookCall

MAX_BODY = 30_000
PER_HOUR = 100
WIDTH = 6  # columns of a keyboard
MAX_ROWS = 24
# Above 2^53, where anything that goes through a float loses digits.
FIRST_TOKEN = 4_912_661_846_655_238_145
EVENTS = ("delivered", "seen", "failed", "conversation_started")
ALWAYS = ("message", "subscribed", "unsubscribed")

NEEDS = {"text": {"text"}, "picture": {"text", "media"}, "file": {"media", "size", "file_name"}}
MAY = {"text": set[str](), "picture": {"thumbnail"}, "file": set[str]()}
FORBIDDEN = """
    ACTION APK APP BAT BIN CMD COM COMMAND CPL CSH EXE GADGET INF1 INS INX IPA ISU JOB JSE KSH LNK MSC MSI MSP MST OSX
    OUT PAF PIF PS1 REG RGS RUN SCT SHB SHS U3P VB VBE VBS VBSCRIPT WORKFLOW WS WSF
"""

Text = Annotated[str, Meta(min_length=1, max_length=7000)]


class Sender(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=28)]
    avatar: str | None = None


class Button(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="pascal"):
    columns: Annotated[int, Meta(ge=1, le=WIDTH)] = WIDTH
    rows: Annotated[int, Meta(ge=1, le=2)] = 1
    action_type: Literal["reply", "open-url", "location-picker", "share-phone", "none"] = "reply"
    action_body: str = ""
    text: Annotated[str, Meta(max_length=250)] = ""
    silent: bool = False


class Keyboard(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="pascal"):
    type: Literal["keyboard"]
    buttons: Annotated[tuple[Button, ...], Meta(min_length=1)]
    default_height: bool = False


def keyboard_fault(keyboard: Keyboard, min_api_version: int) -> str | None:
    """Why a keyboard cannot be shown; None: it can."""
    for button in keyboard.buttons:
        if not button.action_body and button.action_type != "none":
            return "a button that does nothing"
        if button.action_type in ("location-picker", "share-phone") and min_api_version < 3:
            return "a button that this version does not have"
        if button.action_type == "open-url" and urlsplit(button.action_body).scheme not in ("http", "https"):
            return "no address of a page"
    return "too high" if _height(keyboard.buttons) > MAX_ROWS else None


def _height(buttons: Iterable[Button]) -> int:
    """In rows: buttons stand beside each other for as long as there is room."""
    height, left, row = 0, 0, 0
    for button in buttons:
        if button.columns > left:
            height, left, row = height + row, WIDTH, 0
        left, row = left - button.columns, max(row, button.rows)
    return height + row


class Welcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may stand in the answer to conversation_started."""

    type: Literal["text"]
    text: Text
    sender: Sender
    min_api_version: int = 1
    keyboard: Keyboard | None = None


class Sent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message as the service got it; what its ``type`` may have and must have is ``fault``'s business."""

    receiver: Annotated[str, Meta(min_length=1)]
    type: Literal["text", "picture", "file"]
    sender: Sender
    text: Annotated[str, Meta(max_length=7000)] | None = None
    media: str | None = None
    thumbnail: str | None = None
    size: int | None = None
    file_name: Annotated[str, Meta(max_length=256)] | None = None
    min_api_version: int = 1
    tracking_data: Annotated[str, Meta(max_length=4000)] = ""
    keyboard: Keyboard | None = None


def fault(sent: Sent) -> str | None:
    """Why Viber does not take a message of this type; None: it takes it."""
    if sent.keyboard is not None and (why := keyboard_fault(sent.keyboard, sent.min_api_version)) is not None:
        return why
    needs, may = NEEDS[sent.type], MAY[sent.type]
    given = {name for name in ("text", "media", "thumbnail", "size", "file_name") if getattr(sent, name) is not None}
    if needs - given or given - needs - may:
        return f"a {sent.type} has {sorted(needs)}"
    if sent.type == "text" and not sent.text:
        return "an empty text"
    media = urlsplit(sent.media or "https://none.example/")
    if media.scheme != "https" or not media.hostname:
        return "media is no https address"
    last = media.path.rpartition("/")[2]
    if sent.type == "picture":
        if len(sent.text or "") > 768:
            return "a picture's text is too long"
        return None if last.endswith((".jpeg", ".jpg", ".png", ".gif")) else "no picture by its address"
    if sent.type == "file":
        stem, dot, extension = (sent.file_name or "").rpartition(".")
        if not (stem and dot and extension) or extension.upper() in FORBIDDEN.split():
            return "no such files"
        return None if 0 < (sent.size or 0) <= 50 << 20 else "too large"
    return None


class SetWebhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str
    event_types: tuple[str, ...] = EVENTS
    send_name: bool = False
    send_photo: bool = False


def status(number: int, message: str = "demo", **more: Any) -> ScriptedAnswer:
    """A scripted answer with this status: HTTP 200, as always."""
    return answer(200, msgspec.json.encode({"status": number, "status_message": message, **more}))


class ViberService(HttpsService):
    """One bot. ``subscribers`` may be written to, ``strangers`` have Viber but did not subscribe; nobody else has it.

    ``hook`` is what the webhook's URL leads to; set_webhook tries it before it answers. ``script`` holds, by receiver,
    what the next messages are answered in place of the usual; ``calls`` the same for other calls by their name.
    """

    def __init__(self, clock: IReactorTime, now_ms: Callable[[], int], token: str) -> None:
        super().__init__(clock, now_ms)
        self.library = Api(BotConfiguration(auth_token=token, name="Acme", avatar=""))
        self.subscribers: set[str] = set()
        self.strangers: set[str] = set()
        self.sent: list[Sent] = []
        self.script: dict[str, list[ScriptedAnswer]] = {}
        self.calls: dict[str, list[ScriptedAnswer]] = {}
        self.webhook: str | None = None
        self.event_types: tuple[str, ...] = ()
        self.registrations = 0
        self.billing_status = 5
        self.hook: Callable[[HookCall], Awaitable[HookAnswer]] | None = None
        self._token = token
        self._tokens = FIRST_TOKEN
        self._unanswered: Counter[str] = Counter()

    def answer(self, request: Request) -> Rendered:
        name = (request.path or b"").decode().removeprefix("/pa/")
        call = {
            "send_message": self._send_message,
            "set_webhook": self._set_webhook,
            "get_account_info": self._get_account_info,
        }.get(name)
        if call is None or not (request.path or b"").startswith(b"/pa/"):
            return answer(404)(request)
        if request.getHeader("X-Viber-Auth-Token") != self._token:
            return status(2, "missing_auth_token")(request)
        body = content(request)
        if len(body) > MAX_BODY or content_type(request) != "application/json":
            return status(3, "badData")(request)
        scripted = self.calls.get(name)
        return scripted.pop(0)(request) if scripted else call(body)(request)

    def callback(self, event: str, **fields: Any) -> HookCall:
        """A callback of now, signed, with a token of its own unless ``fields`` say otherwise."""
        said = {"event": event, "timestamp": self.now_ms(), "message_token": self.new_token(), **fields}
        return self.signed(json.dumps(said).encode())

    def signed(self, body: bytes) -> HookCall:
        """These bytes as Viber would post them."""
        signature = self.library._calculate_message_signature(body)
        headers = {"content-type": "application/json", "x-viber-content-signature": signature}
        return HookCall("viber", "", headers, body)

    def writes(self, user: str, text: str) -> HookCall:
        """The callback of a subscriber who writes, which he is now."""
        self.strangers.discard(user)
        self.subscribers.add(user)
        self._unanswered[user] = 0
        newest = self._newest(user)
        message = {"type": "text", "text": text, "tracking_data": "" if newest is None else newest.tracking_data}
        return self.callback("message", sender={"id": user, "name": "Jan"}, message=message, silent=False)

    def presses(self, user: str, text: str) -> HookCall:
        """The callback of a subscriber who presses what has this text, of what he is shown: the newest keyboard; a page
        that opens is also written to the bot."""
        newest = self._newest(user)
        shown = () if newest is None or newest.keyboard is None else newest.keyboard.buttons
        (pressed,) = (button for button in shown if button.text == text)
        return self.writes(user, pressed.action_body)

    def new_token(self) -> int:
        """The next message token."""
        self._tokens += 1
        return self._tokens

    def _newest(self, user: str) -> Sent | None:
        return next((sent for sent in reversed(self.sent) if sent.receiver == user), None)

    def _send_message(self, body: bytes) -> ScriptedAnswer:
        if self.webhook is None:
            return status(10, "webhookNotSet")
        try:
            sent = msgspec.json.decode(body, type=Sent)
        except msgspec.ValidationError:
            return status(4, "missingData")
        except msgspec.DecodeError:
            return status(3, "badData")
        if fault(sent) is not None:
            return status(4, "missingData")
        scripted = self.script.get(sent.receiver)
        if scripted:
            return scripted.pop(0)
        if sent.receiver not in self.subscribers:
            return status(6, "notSubscribed") if sent.receiver in self.strangers else status(5, "notRegistered")
        if self._unanswered[sent.receiver] >= PER_HOUR:
            return status(12, "tooManyRequests")
        self._unanswered[sent.receiver] += 1
        self.sent.append(sent)
        return status(0, "ok", message_token=self.new_token(), billing_status=self.billing_status)

    def _get_account_info(self, body: bytes) -> ScriptedAnswer:
        account = {
            "id": "pa:75346594275468546724",
            "name": "Acme",
            "uri": "acme-alerts",
            "webhook": self.webhook,
            "event_types": [*self.event_types, *ALWAYS],
            "subscribers_count": len(self.subscribers),
        }
        return status(0, "ok", **{name: value for name, value in account.items() if value is not None})

    def _set_webhook(self, body: bytes) -> ScriptedAnswer:
        self.registrations += 1
        try:
            asked = msgspec.json.decode(body, type=SetWebhook)
        except msgspec.DecodeError:
            return status(3, "badData")
        if not asked.url.startswith("https://") or not set(asked.event_types) <= set(EVENTS):
            return status(1, "invalidUrl")

        def render(request: Request) -> Rendered:
            gone = request.notifyFinish()
            work = Deferred.fromCoroutine(self._try_webhook(asked, request))
            gone.addErrback(lambda _: work.cancel())
            return NOT_DONE_YET

        return render

    async def _try_webhook(self, asked: SetWebhook, request: Request) -> None:
        got = HookAnswer(404) if self.hook is None else await self.hook(self.callback("webhook"))
        if got.status == 200:
            self.webhook, self.event_types = asked.url, asked.event_types
            said = {"status": 0, "status_message": "ok", "event_types": [*asked.event_types, *ALWAYS]}
        else:
            said = {"status": 1, "status_message": f"Result:Unexpected response code: {got.status}"}
        request.setHeader("Content-Type", "application/json")
        request.write(msgspec.json.encode(said))
        request.finish()
