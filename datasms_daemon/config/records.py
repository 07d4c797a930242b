"""Every option of the configuration file: name, type, unit, default and effect, in one place.

The loader, the generated sample and the option reference all read these records and those of ``channels``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from datasms_daemon.config.channels import ChannelOptions, DirectChannel
from datasms_daemon.config.kinds import DAY, HOUR, MINUTE, SECOND, Duration, Options, Size
from datasms_daemon.model import LineName, OnUnknown, Secret, Success


class Daemon(Options, frozen=True, kw_only=True):
    state_dir: Annotated[
        Path | None,
        Meta(
            description="Database, generated certificates and keys; default: the service's state directory",
            examples=["/var/lib/datasms"],
        ),
    ] = None
    country: Annotated[str, Meta(description="How national phone numbers are read (ISO 3166 letters)")] = "CZ"


class Store(Options, frozen=True, kw_only=True):
    url: Annotated[str, Meta(description="sqlite:FILE, relative to state_dir")] = "sqlite:datasms.sqlite3"
    min_free: Annotated[Size, Meta(description="New messages are refused (507) when the disk has less room")] = Size(
        256 << 20
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


class Priority(Options, frozen=True, kw_only=True):
    wait: Annotated[
        dict[str, Duration], Meta(description="By line: how long to wait for success; 'default' for the others")
    ]
    ttl: Annotated[Duration, Meta(description="How long a message is worth delivering")]
    rank: Annotated[int, Meta(description="Smaller leaves first when a line is busy", ge=0, le=100)] = 10
    urgent: Annotated[bool, Meta(description="Whether a push may wake a sleeping device")] = False
    calendar: Annotated[Literal["ignore", "respect"], Meta(description="Whether calendars hold it back")] = "respect"
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


class Line(Options, frozen=True, kw_only=True):
    name: Annotated[LineName, Meta(description="How rules and waits name this line")]
    enabled: Annotated[bool, Meta(description="Whether routing may choose it")] = True
    rate: Annotated[
        float | None, Meta(description="Messages a second; none: as fast as it takes them", gt=0, examples=[50])
    ] = None
    day_limit: Annotated[
        int | None, Meta(description="Messages a day: warn at half, stop until resumed", ge=1, examples=[1000])
    ] = None


class DatasmsLine(Line, frozen=True, kw_only=True):
    driver: Annotated[Literal["datasms"], Meta(description="The recipient's own devices, by all channels")] = "datasms"
    concurrency: Annotated[int, Meta(description="Messages handed over at once", ge=1)] = 100


class SmppLine(Line, frozen=True, kw_only=True):
    driver: Annotated[Literal["smpp"], Meta(description="SMS by an SMSC, SMPP 3.4")] = "smpp"
    host: Annotated[str, Meta(description="The SMSC's name or address", examples=["smsc.example.net"])]
    port: Annotated[int, Meta(description="The SMSC's port", ge=1, le=65535)] = 2775
    tls: Annotated[bool, Meta(description="SMPP over TLS, the SMSC's name verified")] = False
    ca_file: Annotated[
        Path | None, Meta(description="PEM of the CA to trust instead of the system's", examples=["ca.pem"])
    ] = None
    system_id: Annotated[str, Meta(description="The account at the SMSC", max_length=15, examples=["acme"])]
    password: Annotated[Secret, Meta(description="Its password, at most 8 characters by the standard")] = Secret("")
    system_type: Annotated[str, Meta(description="Given to the SMSC if it asks for one", max_length=12)] = ""
    bind: Annotated[
        Literal["transceiver", "pair"], Meta(description="One connection both ways, or a transmitter and a receiver")
    ] = "transceiver"
    source: Annotated[str, Meta(description="Sender shown: a number with +, a short code or up to 11 letters")] = ""
    inbound_number: Annotated[
        str | None, Meta(description="The number people write to on this line", examples=["+420603123456"])
    ] = None
    window: Annotated[int, Meta(description="Unanswered submit_sm at once", ge=1, le=1000)] = 10
    alphabet: Annotated[
        Literal["gsm", "latin-1", "ascii"], Meta(description="What the SMSC takes data_coding 0 for")
    ] = "gsm"
    concatenation: Annotated[Literal["udh", "sar", "payload"], Meta(description="How a long text travels")] = "udh"
    id_format: Annotated[
        Literal["text", "hex-to-decimal", "decimal-to-hex"],
        Meta(description="How the id of a submit response reads in its receipt"),
    ] = "text"
    validity: Annotated[
        Literal["relative", "absolute", "none"], Meta(description="How the end of validity is told to the SMSC")
    ] = "relative"
    acceptd_is_final: Annotated[bool, Meta(description="Whether the receipt ACCEPTD means delivered")] = False
    response_timeout: Annotated[Duration, Meta(description="For the answer to a submit_sm")] = Duration(MINUTE)
    enquire_link: Annotated[Duration, Meta(description="Silence after which the link is tested")] = Duration(
        30 * SECOND
    )
    enquire_timeout: Annotated[Duration, Meta(description="For the answer to that test")] = Duration(10 * SECOND)
    bind_timeout: Annotated[Duration, Meta(description="For connecting and binding")] = Duration(30 * SECOND)
    bad_credentials_pause: Annotated[
        Duration, Meta(description="Before the next bind when credentials were refused")
    ] = Duration(5 * MINUTE)


LineOptions = DatasmsLine | SmppLine


class When(Options, frozen=True, kw_only=True):
    """Conditions of a rule; each is a list of alternatives, ``!x`` is "not"; an empty one does not matter.

    ``["!a", "!b"]`` is neither of them, ``["a", "b"]`` one of them.
    """

    priority: Annotated[tuple[str, ...], Meta(description="Names of priorities", examples=[["high"]])] = ()
    sender: Annotated[tuple[str, ...], Meta(description="Names of senders", examples=[["monitoring"]])] = ()
    sender_group: Annotated[
        tuple[str, ...], Meta(description="Names from [sender_group]", examples=[["machines"]])
    ] = ()
    recipient: Annotated[
        tuple[str, ...], Meta(description="Regular expressions on the E.164 number, or $alias", examples=[["$o2"]])
    ] = ()
    recipient_group: Annotated[
        tuple[str, ...], Meta(description="Groups of the directory, parents too", examples=[["night-shift"]])
    ] = ()
    class_: Annotated[tuple[str, ...], Meta(description="The message's class", examples=[["!internal"]])] = (
        msgspec.field(default=(), name="class")
    )
    has_device: Annotated[
        bool | None, Meta(description="Whether the recipient has a registered device", examples=[True])
    ] = None
    line: Annotated[tuple[str, ...], Meta(description="Inbound only: the line it came by", examples=[["sms-o2"]])] = ()
    text: Annotated[
        tuple[str, ...],
        Meta(
            description="Regular expressions on the text's first 1000 characters; case does not matter",
            examples=[["^alarm"]],
        ),
    ] = ()


class StepOptions(Options, frozen=True, kw_only=True):
    line: Annotated[LineName, Meta(description="Name of a line", examples=["sms-o2"])]
    wait: Annotated[Duration | None, Meta(description="Instead of the priority's wait for this line")] = None
    success: Annotated[
        Success, Meta(description="What must be reached within the wait: accepted, sent, delivered or read")
    ] = Success.DELIVERED
    on_unknown: Annotated[OnUnknown | None, Meta(description="Instead of the priority's on_unknown")] = None


class Rule(Options, frozen=True, kw_only=True):
    name: Annotated[str, Meta(description="Shown in the trace of each message it matched")]
    when: Annotated[When, Meta(description="Conditions, all of which must hold; none: always")] = When()
    steps: Annotated[
        tuple[StepOptions, ...],
        Meta(description="Lines in the order they are tried: line, wait, success, on_unknown", min_length=1),
    ]
    enabled: Annotated[bool, Meta(description="Whether the rule is looked at")] = True
    continue_: Annotated[bool, Meta(description="Add the steps of the next matching rule")] = msgspec.field(
        default=False, name="continue"
    )


class InboundRule(Options, frozen=True, kw_only=True):
    name: Annotated[str, Meta(description="Shown in the log")]
    when: Annotated[When, Meta(description="Conditions: text, line, recipient (the number that wrote)")] = When()
    to: Annotated[str, Meta(description="app:NAME, or account:NAME (read with GET /v1/inbound)")]
    enabled: Annotated[bool, Meta(description="Whether the rule is looked at")] = True


class Config(Options, frozen=True, kw_only=True):
    """The whole configuration; every reference between its parts has been checked."""

    daemon: Annotated[Daemon, Meta(description="The daemon itself")] = Daemon()
    store: Annotated[Store, Meta(description="Where messages are kept")] = Store()
    gateway: Annotated[Gateway, Meta(description="What applications and operators talk to")] = Gateway()
    mxservice: Annotated[Mxservice, Meta(description="What clients talk to")] = Mxservice()
    priority: Annotated[
        dict[str, Priority], Meta(description="Priorities by name; low, normal and high are there, others may be added")
    ] = msgspec.field(default_factory=lambda: dict(DEFAULT_PRIORITIES))
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
    sender_group: Annotated[
        dict[str, tuple[str, ...]],
        Meta(description="Groups of senders by name", examples=[{"machines": ["monitoring", "plc"]}]),
    ] = {}
    rule: Annotated[
        tuple[Rule, ...], Meta(description="How messages go: the first that matches wins, or adds and continues")
    ] = (Rule(name="everybody", steps=(StepOptions(line=LineName("datasms")),)),)
    inbound: Annotated[
        tuple[InboundRule, ...], Meta(description="Where texts from outside go: the first that matches")
    ] = (InboundRule(name="registration", when=When(text=(r"^\s*DATASMS\b",)), to="app:registration"),)
