"""Every option of the configuration file: name, type, unit, default and effect, in one place.

The loader, the generated sample and the option reference all read these records. Those of ``channels``, ``lines``,
``senders``, ``routing`` and ``inbound`` stand in modules of their own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from datasms_daemon.config.applications import Application
from datasms_daemon.config.archive import Archive
from datasms_daemon.config.attachments import Attachments
from datasms_daemon.config.calendars import CalendarOptions
from datasms_daemon.config.channels import ChannelOptions, DirectChannel
from datasms_daemon.config.classes import ClassOptions
from datasms_daemon.config.inbound import InboundRouting, InboundRule
from datasms_daemon.config.kinds import DAY, HOUR, MINUTE, SECOND, Duration, Options, Size
from datasms_daemon.config.limits import Flood
from datasms_daemon.config.lines import DatasmsLine, LineOptions, SmppLine
from datasms_daemon.config.numbers import NumberList, Operator, Portability
from datasms_daemon.config.routing import Rule, RuleSet, StepOptions, When
from datasms_daemon.config.senders import Sender, SenderGroup, SenderOptions
from datasms_daemon.config.targets import Mail, Webhook
from datasms_daemon.config.texts import Text
from datasms_daemon.model import LineName, OnUnknown

__all__ = [
    "DEFAULT_PRIORITIES",
    "Application",
    "ClassOptions",
    "Config",
    "Daemon",
    "DatasmsLine",
    "Gateway",
    "GatewayHttp",
    "Http",
    "InboundRouting",
    "InboundRule",
    "LineOptions",
    "Mail",
    "Mxservice",
    "NumberList",
    "Operator",
    "Portability",
    "Priority",
    "Rule",
    "RuleSet",
    "Sender",
    "SenderGroup",
    "SenderOptions",
    "SmppLine",
    "StepOptions",
    "Store",
    "Text",
    "Webhook",
    "When",
]


class Daemon(Options, frozen=True, kw_only=True):
    state_dir: Annotated[
        Path | None,
        Meta(
            description="Database, generated certificates and keys; default: the service's state directory",
            examples=["/var/lib/datasms"],
        ),
    ] = None
    country: Annotated[str, Meta(description="How national phone numbers are read (ISO 3166 letters)")] = "CZ"
    currency: Annotated[
        str, Meta(description="What prices and reports are in; only shown", max_length=8, examples=["CZK"])
    ] = ""
    timezone: Annotated[
        str, Meta(description="Whose days and months limits, quotas and reports count by", examples=["Europe/Prague"])
    ] = "UTC"


class Store(Options, frozen=True, kw_only=True):
    url: Annotated[str, Meta(description="sqlite:FILE, relative to state_dir")] = "sqlite:datasms.sqlite3"
    min_free: Annotated[Size, Meta(description="New messages are refused (507) when the disk has less room")] = Size(
        256 << 20
    )
    check_after_start: Annotated[
        Duration, Meta(description="When the whole database is looked through for damage, after a start")
    ] = Duration(MINUTE)
    check_at: Annotated[str, Meta(description="When it is again, every day, by the clock of [daemon] timezone")] = (
        "03:00"
    )


class Http(Options, frozen=True, kw_only=True):
    listen: Annotated[str, Meta(description="ADDRESS:PORT; port 0 takes a free one")]
    certificate_file: Annotated[
        Path | None, Meta(description="PEM chain; generated in state_dir if not named", examples=["certificate.pem"])
    ] = None
    key_file: Annotated[Path | None, Meta(description="PEM private key of the certificate", examples=["key.pem"])] = (
        None
    )
    max_connections: Annotated[int, Meta(description="Open connections in all", ge=1)] = 1000
    max_connections_per_address: Annotated[int, Meta(description="Open connections of one client address", ge=1)] = 50


class GatewayHttp(Http, frozen=True, kw_only=True):
    listen: Annotated[str, Meta(description="ADDRESS:PORT for applications and operators, TLS always")] = (
        "127.0.0.1:8443"
    )


class Gateway(Options, frozen=True, kw_only=True):
    http: GatewayHttp = GatewayHttp()


class Mxservice(Http, frozen=True, kw_only=True):
    listen: Annotated[str, Meta(description="ADDRESS:PORT for clients, TLS always")] = "0.0.0.0:8444"
    public_url: Annotated[
        str | None,
        Meta(
            description="How clients reach it; also the generated certificate's name",
            examples=["https://mx.example.org:8444"],
        ),
    ] = None
    registration_number: Annotated[
        str | None, Meta(description="The number users send DATASMS <number> to", examples=["+420603123456"])
    ] = None
    registration_ttl: Annotated[Duration, Meta(description="How long a registration number is good")] = Duration(DAY)


class Retry(Options, frozen=True, kw_only=True):
    first: Annotated[Duration, Meta(description="Wait after the first failed try, doubled after each other")] = (
        Duration(10 * SECOND)
    )
    cap: Annotated[Duration, Meta(description="The longest such wait")] = Duration(10 * MINUTE)


class Priority(Options, frozen=True, kw_only=True):
    wait: Annotated[
        dict[str, Duration], Meta(description="By line: how long to wait for success; 'default' for the others")
    ]
    ttl: Annotated[Duration, Meta(description="How long a message is worth delivering")]
    rank: Annotated[int, Meta(description="Smaller leaves first when a line is busy", ge=0, le=100)] = 10
    urgent: Annotated[bool, Meta(description="Whether a push may wake a sleeping device")] = False
    calendar: Annotated[Literal["ignore", "respect"], Meta(description="Whether calendars hold it back")] = "respect"
    ndr_after: Annotated[
        Duration | None,
        Meta(description="Tell the sender, once, that there is no success after this long", examples=["15m"]),
    ] = None
    retry: Annotated[Retry, Meta(description="When a line is tried again")] = Retry()
    on_unknown: Annotated[
        OnUnknown, Meta(description="When a line cannot say whether it sent: wait, next, resend or report")
    ] = OnUnknown.WAIT


DEFAULT_PRIORITIES = {
    "high": Priority(
        wait={"datasms": Duration(MINUTE), "default": Duration(10 * MINUTE)},
        ttl=Duration(HOUR),
        rank=0,
        urgent=True,
        calendar="ignore",
    ),
    "normal": Priority(
        wait={"datasms": Duration(10 * MINUTE), "default": Duration(2 * HOUR)}, ttl=Duration(DAY), rank=10
    ),
    "low": Priority(wait={"datasms": Duration(HOUR), "default": Duration(6 * HOUR)}, ttl=Duration(3 * DAY), rank=20),
}


class Config(Options, frozen=True, kw_only=True):
    """The whole configuration; every reference between its parts has been checked."""

    daemon: Annotated[Daemon, Meta(description="The daemon itself")] = Daemon()
    store: Annotated[Store, Meta(description="Where messages are kept")] = Store()
    gateway: Annotated[Gateway, Meta(description="What applications and operators talk to")] = Gateway()
    mxservice: Annotated[Mxservice, Meta(description="What clients talk to")] = Mxservice()
    attachments: Annotated[Attachments, Meta(description="Files that travel with messages")] = Attachments()
    priority: Annotated[
        dict[str, Priority], Meta(description="Priorities by name; low, normal and high are there, others may be added")
    ] = msgspec.field(default_factory=lambda: dict(DEFAULT_PRIORITIES))
    text: Annotated[Text, Meta(description="What is done to texts on every line before they leave")] = Text()
    line: Annotated[
        tuple[LineOptions, ...],
        Meta(description="Ways out that rules choose from; a file that names any names them all", min_length=1),
    ] = (DatasmsLine(name=LineName("datasms")),)
    channel: Annotated[
        tuple[ChannelOptions, ...],
        Meta(description="Internet services that reach devices; a file that names any names them all"),
    ] = (DirectChannel(name="direct"),)
    alias: Annotated[
        dict[str, tuple[str, ...]],
        Meta(
            description="Names for sets of numbers, regular expressions; used as $name",
            examples=[{"o2": [r"^\+42060[12]", r"^\+42072"]}],
        ),
    ] = {}
    number_list: Annotated[
        dict[str, NumberList], Meta(description="Lists of numbers in files; used as $name", examples=["vip"])
    ] = {}
    operator: Annotated[
        dict[str, Operator],
        Meta(description="Operators of numbers, beside those of the built-in table", examples=["o2"]),
    ] = {}
    portability: Annotated[Portability, Meta(description="Numbers that took another operator along")] = Portability()
    sender: Annotated[
        dict[str, Sender],
        Meta(description="Senders that differ from their groups and from [sender_defaults]", examples=["monitoring"]),
    ] = {}
    sender_group: Annotated[
        dict[str, SenderGroup],
        Meta(description="Groups of senders, with what their members inherit", examples=["machines", "technical"]),
    ] = {}
    sender_defaults: Annotated[
        SenderOptions, Meta(description="What holds for senders where neither they nor their groups say otherwise")
    ] = SenderOptions()
    archive: Annotated[Archive, Meta(description="How long what is over is kept")] = Archive()
    calendar: Annotated[
        dict[str, CalendarOptions],
        Meta(description="Opening times by name: they hold messages back", examples=["office"]),
    ] = {}
    flood: Annotated[Flood, Meta(description="How much one recipient may get")] = Flood()
    class_: Annotated[
        dict[str, ClassOptions],
        Meta(
            description="Classes of content; where any is named here, requests may name no other", examples=["internal"]
        ),
    ] = msgspec.field(default_factory=dict, name="class")
    rule: Annotated[
        tuple[Rule, ...], Meta(description="How messages go: the first that matches wins, or adds and continues")
    ] = (Rule(name="everybody", steps=(StepOptions(line=LineName("datasms")),)),)
    rule_set: Annotated[dict[str, RuleSet], Meta(description="What follows the rules of a set", examples=["o2"])] = {}
    application: Annotated[
        tuple[Application, ...], Meta(description="What texts from outside can be handed to, beside app:registration")
    ] = ()
    webhook: Annotated[
        tuple[Webhook, ...], Meta(description="Addresses that are called with texts from outside, as webhook:NAME")
    ] = ()
    mail: Annotated[Mail, Meta(description="The relay for texts from outside that go to mail:ADDRESS")] = Mail()
    inbound_routing: Annotated[InboundRouting, Meta(description="Where texts from outside go that no rule wants")] = (
        InboundRouting()
    )
    inbound: Annotated[
        tuple[InboundRule, ...], Meta(description="Where texts from outside go: the first that matches, or all that do")
    ] = (InboundRule(name="registration", when=When(text=(r"^\s*DATASMS\b",)), to="app:registration"),)
