"""A local stand-in for WNS and both of its token services, over TLS (protocols/wns.md)."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import parse_qs
from xml.etree import ElementTree

import msgspec
from twisted.internet.interfaces import IReactorTime
from twisted.web.http import Request

from datasms_daemon.demo.answers import Rendered, ScriptedAnswer, answer
from datasms_daemon.demo.https import HttpsService, content, content_type
from datasms_daemon.model import Record

TENANT = "0f2b6c1e-7d7e-4c42-9a35-2f6b6c0f9d11"
CLIENT_ID = "8d1f5a4c-3b1e-4e0f-8a53-6a8f1f0f7a10"
PACKAGE_SID = "ms-app://s-1-15-2-2972962901-2322836549-3722629029"
CLIENT_SECRET = "canary-secret~8.Q"
SCOPES = {
    "entra": ("https://wns.windows.com/.default", "https://wns.windows.com/.default/"),
    "store": ("notify.windows.com",),
}
MAX_PAYLOAD = 5000
CONTENT_TYPES = {"wns/raw": "application/octet-stream", "wns/toast": "text/xml"}


class Notification(Record, frozen=True):
    """A push as WNS got it; ``query`` is that of the channel URI, byte for byte; header names in lower case."""

    query: bytes
    headers: dict[str, str]
    body: bytes


def said(status: int, word: str | None = None, *, header: str = "X-WNS-Status", **headers: str) -> ScriptedAnswer:
    """A scripted answer; ``word`` is WNS's status, further headers are named with ``_`` for ``-``."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if word is not None:
        named[header] = word
    return answer(status, b"", named)


class WnsService(HttpsService):
    """Token services and channels on one port; a channel's URI is ``endpoint + "/?token=" + anything``.

    ``taken`` holds what was accepted; ``script`` what the next pushes are answered in place of the usual,
    ``token_script`` the same for token requests.
    """

    def __init__(self, clock: IReactorTime, now_ms: Callable[[], int]) -> None:
        HttpsService.__init__(self, clock, now_ms)
        self.taken: list[Notification] = []
        self.script: list[ScriptedAnswer] = []
        self.token_script: list[ScriptedAnswer] = []
        self.token_requests = 0
        self.pushes = 0
        self._tokens: set[str] = set()

    def forget_tokens(self) -> None:
        """From now on no access token given out so far is good."""
        self._tokens.clear()

    def answer(self, request: Request) -> Rendered:
        """By path."""
        match request.path:
            case b"/":
                return self._push(request)
            case b"/accesstoken.srf":
                return self._issue(request, "store", PACKAGE_SID)
            case path if path == f"/{TENANT}/oauth2/v2.0/token".encode():
                return self._issue(request, "entra", CLIENT_ID)
            case path if path.endswith(b"/oauth2/v2.0/token"):
                return _no_token(400, "invalid_request", 90002)(request)
        return answer(404)(request)

    def _issue(self, request: Request, identity: str, client: str) -> Rendered:
        self.token_requests += 1
        if self.token_script:
            return self.token_script.pop(0)(request)
        form = parse_qs(content(request).decode("ascii", "replace"))
        if request.method != b"POST" or content_type(request) != "application/x-www-form-urlencoded":
            return _no_token(400, "invalid_request", 900144)(request)
        if form.get("grant_type") != ["client_credentials"]:
            return _no_token(400, "unsupported_grant_type", 70003)(request)
        if form.get("client_id") != [client]:
            return _no_token(400, "unauthorized_client", 700016)(request)
        if form.get("client_secret") != [CLIENT_SECRET]:
            return _no_token(401, "invalid_client", 7000215)(request)
        if form.get("scope", [""])[0] not in SCOPES[identity]:
            return _no_token(400, "invalid_scope", 70011)(request)
        token = f"EgAcAQMAAAAALYAA/c+Demo{self.token_requests}="
        self._tokens.add(token)
        body = {"token_type": "Bearer", "expires_in": "86399", "access_token": token}
        return answer(200, msgspec.json.encode(body))(request)

    def _push(self, request: Request) -> Rendered:
        self.pushes += 1
        headers = {
            name.decode("latin-1").lower(): values[-1].decode("latin-1")
            for name, values in request.requestHeaders.getAllRawHeaders()
        }
        push = Notification(request.uri.partition(b"?")[2], headers, content(request))
        refusal = self._refusal(request, push)
        if refusal is not None:
            return refusal(request)
        if self.script:
            return self.script.pop(0)(request)
        self.taken.append(push)
        usual = {
            "X-WNS-Status": "received",
            "X-WNS-NotificationStatus": "received",
            "X-WNS-DeviceConnectionStatus": "connected",
            "X-WNS-Msg-ID": f"5A1C0{len(self.taken):011d}",
            "X-WNS-Debug-Trace": "DB3WNS4011534",
        }
        return answer(200, b"", usual)(request)

    def _refusal(self, request: Request, push: Notification) -> ScriptedAnswer | None:
        """What the real service refuses, in its order: method, framing, channel, token, headers, size, content."""
        headers = push.headers
        if request.method != b"POST":
            return said(405)
        if "content-length" not in headers or "transfer-encoding" in headers or "expect" in headers:
            return _fault("Content-Length is required")
        if not re.fullmatch(rb"token=[!-~]+", push.query):
            return said(404)
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self._tokens:
            return said(401, WWW_Authenticate="Bearer")
        if len(push.body) > MAX_PAYLOAD:
            return said(413)
        fault = _fault_in(push)
        return None if fault is None else _fault(fault)


def _fault_in(push: Notification) -> str | None:
    """The first thing in headers and body that the real service would not have."""
    headers = push.headers
    kind = headers.get("x-wns-type", "")
    if CONTENT_TYPES.get(kind) != headers.get("content-type"):
        return "X-WNS-Type or Content-Type is wrong"
    ttl, policy = headers.get("x-wns-ttl", "1"), headers.get("x-wns-cache-policy", "cache")
    if not re.fullmatch(r"\d{1,9}", ttl) or policy not in ("cache", "no-cache"):
        return "X-WNS-TTL or X-WNS-Cache-Policy is wrong"
    if (int(ttl) == 0) != (policy == "no-cache"):
        return "Ttl value conflicts with X-WNS-Cache-Policy."
    if not re.fullmatch("[1-4]", headers.get("x-wns-priority", "1")):
        return "X-WNS-PRIORITY is wrong"
    if not re.fullmatch("[A-Za-z0-9]{1,16}", headers.get("x-wns-tag", "x")):
        return "X-WNS-Tag is wrong"
    if not push.body:
        return "the payload is empty"
    return _fault_in_toast(push.body) if kind == "wns/toast" else None


def _fault_in_toast(body: bytes) -> str | None:
    try:
        root = ElementTree.fromstring(body.decode())
    except (ElementTree.ParseError, UnicodeDecodeError):
        return "the XML is not well-formed"
    binding = root.find("visual/binding[@template='ToastGeneric']")
    return None if root.tag == "toast" and binding is not None else "the XML is no toast"


def _fault(description: str) -> ScriptedAnswer:
    return said(400, X_WNS_Error_Description=description, X_WNS_Debug_Trace="DB3WNS4011534")


def _no_token(status: int, error: str, code: int) -> ScriptedAnswer:
    """A refusal as the token services write it."""
    body = {"error": error, "error_description": f"AADSTS{code}: demo", "error_codes": [code]}
    return answer(status, msgspec.json.encode(body))
