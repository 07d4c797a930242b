"""What the rooms of the daemon promise each other.

Methods that return an awaitable return a coroutine or a Deferred; whoever calls awaits it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from zope.interface import Attribute, Interface

from datasms_daemon.model import (
    ChannelView,
    Device,
    DeviceId,
    DeviceReceipt,
    Download,
    Handover,
    HandoverResult,
    HookAnswer,
    HookCall,
    InboundPart,
    InboundText,
    InboxItem,
    LineName,
    LineReceipt,
    LineStatus,
    MessageId,
    NewRegistration,
    Outcome,
    Parcel,
    Person,
    PushOrder,
    PushReceipt,
    Reach,
    ReceivedText,
    Registration,
    RegistrationState,
    SentNotice,
    Verdict,
)
from datasms_daemon.model.targets import HandedOn


class IChannelHost(Interface):
    """What the daemon does for a channel."""

    def receipt(receipt: PushReceipt) -> Awaitable[None]:
        """Returns once the service's word is committed; only then may the service be told so. One that comes before
        the push's own answer is kept for it."""

    def read_all(channel: str, address: dict[str, str], at: int) -> Awaitable[None]:
        """All that was delivered to this address before ``at`` (UTC ms) has been read; returns once committed."""

    def gone(channel: str, address: dict[str, str], reason: str) -> Awaitable[None]:
        """The service says that nothing reaches this address any more; returns once its device has lost it."""

    def inbound(inbound: InboundText) -> Awaitable[None]:
        """Returns once the text is committed; only then may the service be told so. A registration number is caught
        here and never archived."""


class IChannel(Interface):
    """An internet service that reaches devices."""

    name: str = Attribute("The configured name, as in a device's ``channel``.")
    carries_text: bool = Attribute(
        "True: the service shows the text itself, and a repeat is another message on the screen. "
        "False: it wakes a client, which fetches the text and drops repeats."
    )

    def start(host: IChannelHost) -> None:
        """Get ready to push; does not wait for the far end."""

    def stop() -> Awaitable[None]:
        """Close what is open. Pushes under way have ended or end Unknown. May be called twice."""

    def push(order: PushOrder) -> Awaitable[Outcome]:
        """Reach one device. Never raises for what the far end does; ends within the client's total time limit.

        Accepted: the service took it. AddressGone: this very address is dead. LineDown: our credentials or project
        are refused. Later: surely not taken. Unknown: sent, no usable answer. NotSent: we did not try.
        """

    def withdraw(order: PushOrder) -> Awaitable[None]:
        """The message is over: replace or drop what the service may still hold of an earlier push of it, as far as the
        service can. Never raises for what the far end does."""

    def check() -> Awaitable[Verdict]:
        """Prove credentials and settings to the service without reaching anybody."""


class IOperatedChannel(IChannel):
    """A channel as it is kept in operation."""

    under_way: int = Attribute("How many pushes it has handed to its service and not ended; it bounds them itself.")

    def status() -> ChannelView:
        """What operators see of it now."""


class IHookedChannel(IChannel):
    """A channel whose service calls us: receipts, texts, people who come and go."""

    def link(number: str) -> str | None:
        """A link that writes ``DATASMS <number>`` to us by one tap. None: the service knows no such links."""

    def hook(call: HookCall) -> Awaitable[HookAnswer]:
        """Answers one call, after what it said is committed. A call that does not prove where it comes from gets 403
        and changes nothing; a repeat changes nothing."""


class ILineHost(Interface):
    """What the daemon does for a line."""

    def room(line: LineName) -> None:
        """The line has room again, or its state changed."""

    def receipt(receipt: LineReceipt) -> Awaitable[None]:
        """Returns once the receipt is committed; only then may the far end be told so (I24)."""

    def inbound(inbound: InboundText) -> Awaitable[None]:
        """Returns once the text is committed; only then may the far end be told so."""

    def part(part: InboundPart) -> Awaitable[None]:
        """A part of a long text: returns once it is committed, the last one once the whole text is."""


class ILine(Interface):
    """A way out that routing can choose."""

    name: LineName = Attribute("The configured name.")
    drops_repeats: bool = Attribute("Whether the recipient's client shows one message once however often it is sent.")
    lease_ms: int = Attribute("After so long without a result a hand-over is Unknown; longer than any send can take.")

    def start(host: ILineHost) -> None:
        """Begin to connect; results, receipts and room are told to ``host``."""

    def stop() -> Awaitable[None]:
        """Unbind and close. Hand-overs under way have returned when this is done."""

    def status() -> LineStatus:
        """What the line says of itself now."""

    def room() -> int:
        """How many more hand-overs it takes now. 0: wait for ``host.room``. A line that is down for a reason
        that waiting will not cure (credentials, certificate) has room and answers LineDown at once."""

    def send(handover: Handover) -> Awaitable[HandoverResult]:
        """Hand one message over. Never raises for what the far end does."""


class IBackend(Interface):
    """All that MxService may ask of the core; the same in one process and over the link.

    A device is always the one its token proved; ids of others are as if they did not exist.
    """

    def register(new: NewRegistration) -> Awaitable[Registration | None]:
        """A registration number to be proved by SMS. None: registration is paused or has no inbound number."""

    def registration(id_: str, secret: str) -> Awaitable[RegistrationState | None]:
        """How it stands; the token is in the first answer that says active, and only there. None: no such id or
        secret."""

    def watch_registration(id_: str, changed: Callable[[], None]) -> Callable[[], None]:
        """Calls ``changed`` when it is completed; the answer ends the watch."""

    def authenticate(token: str) -> Awaitable[Device | None]:
        """The active device of a token. None: no such token, or revoked."""

    def inbox(device: DeviceId, after: int, limit: int) -> Awaitable[tuple[InboxItem, ...]]:
        """Messages of this device with ``seq`` above ``after``, oldest first; none that is over or withdrawn."""

    def watch_inbox(device: DeviceId, changed: Callable[[bool], None]) -> Callable[[], None]:
        """Calls ``changed(True)`` when there may be something new, ``changed(False)`` when the device was revoked;
        the answer ends the watch. While watched, the device counts as connected."""

    def watch_withdrawals(device: DeviceId, withdrawn: Callable[[MessageId], None]) -> Callable[[], None]:
        """Calls ``withdrawn`` with each message that is over and need not be shown any more; the answer ends that."""

    def receipts(device: DeviceId, receipts: tuple[DeviceReceipt, ...]) -> Awaitable[tuple[str, ...]]:
        """Commits them; the answer names the message ids that are not in this device's inbox."""

    def attachment(device: DeviceId, id_: str) -> Awaitable[Download | None]:
        """A file that came with a message in this device's inbox; None: there is no such one."""

    def media(ticket: str) -> Awaitable[Download | None]:
        """A file for the service of a channel that shows messages itself. None: the ticket was never given out, its
        time is over, or the channel or the file is gone."""

    def read_attachment(ticket: str, offset: int, size: int) -> Awaitable[bytes]:
        """At most ``size`` bytes of a file, and at most CHUNK; none behind its end, or when the ticket is not good."""

    def update_device(
        device: DeviceId, preferred: Reach, others: tuple[Reach, ...] | None, keys: dict[str, str], name: str
    ) -> Awaitable[Device]:
        """New addresses or keys; makes a retired device active again. ``others`` None: they stay as they are. The
        addresses leave any other device that held them, and if that is another person's both are told (I40).
        LookupError: the device was revoked meanwhile. ValueError: an address is a phone that is not the person's."""

    def unregister(device: DeviceId) -> Awaitable[None]:
        """Revokes the device and its token."""

    def server_keys() -> Awaitable[dict[str, str]]:
        """By channel: the key that clients subscribe with (RFC 8292 § 4.1), where the channel has one."""

    def hook(call: HookCall) -> Awaitable[HookAnswer | None]:
        """A service's call for one of our channels (IHookedChannel.hook). None: no such channel takes calls."""


class IApplicationHost(Interface):
    """What the daemon does for one application. ValueError says in one sentence why something cannot be done."""

    name: str = Attribute("The application's name; its messages are those of the sender ``app:NAME``.")

    def send(to: str, text: str, priority: str | None, key: str | None, reference: str | None) -> Awaitable[str]:
        """The id of a committed message to a number or ``person:ID``. The same ``key`` never makes a second one."""

    def reply(text_id: int, text: str) -> Awaitable[str]:
        """The id of the one answer to a text, to whoever wrote it; a second answer to it is the first."""

    def person(who: str) -> Awaitable[Person | None]:
        """Who has a phone number, or the person ``person:ID``; None: nobody."""

    def complete_registration(text_id: int, number: str) -> Awaitable[bool]:
        """Whether the registration number, which came by this SMS, was good: it proves the phone that the SMS came
        from. Asked again, the answer is the same."""

    def failed(reason: str) -> None:
        """The application cannot go on: it is shut down and started again."""


class IApplication(Interface):
    """What texts from outside are handed to, one after the other.

    What raises or takes longer than the configured time-out ends it, and another one is made after a pause.
    """

    def init(host: IApplicationHost) -> Awaitable[None]:
        """Called first; nothing else is before it has ended."""

    def received(text: ReceivedText) -> Awaitable[None]:
        """Returns once the text is dealt with: it is not handed over again. It may be, after a crash."""

    def notification(notice: SentNotice) -> Awaitable[None]:
        """A message that it sent has ended; told again after a crash."""

    def idle() -> Awaitable[None]:
        """Called when it had nothing to do for the configured time."""

    def shutdown() -> Awaitable[None]:
        """Called last, also after a failure: lets go of all it holds."""


class IApplicationPlugin(Interface):
    """Makes applications: a Twisted plugin, or an entry point of the group ``datasms.applications``."""

    name: str = Attribute("As in the configuration's ``plugin``.")

    def application(options: Mapping[str, str]) -> IApplication:
        """A new application with these options. ValueError: they cannot be used."""


class ITarget(Interface):
    """A webhook, or the mail relay: what texts from outside are handed on to, several at once."""

    time_limit_ms: int = Attribute("How long one ``hand_on`` takes at most.")

    def hand_on(parcel: Parcel) -> Awaitable[HandedOn]:
        """What the far end said. It may get the same parcel again, also when it has taken it."""

    def stop() -> Awaitable[None]:
        """Ends what is under way, which then was not taken."""


class IWebhook(ITarget):
    """A webhook."""

    def test() -> Awaitable[Verdict]:
        """Whether it answers a call well that hands nothing on."""


class IPortability(Interface):
    """A way to learn which operator a ported number belongs to now."""

    keeps_ms: int = Attribute("How long an answer may be remembered.")

    def operator(number: str) -> Awaitable[str | None]:
        """The operator, as rules name it, of a number in E.164 that has left its own; None: it has not.

        May fail with any exception, and take as long as it likes: who asks does not wait for it.
        """
