"""Every option of the configuration file: name, type, unit, default and effect, in one place.

The loader, the generated sample and the option reference all read these records. ``Duration`` is milliseconds and is
written ``90s 5m 2h 3d`` in the file; ``Size`` is bytes and written ``15M``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, NewType

import msgspec
from msgspec import Meta

from datasms_daemon.model import LineName, OnUnknown, Secret, Success

Duration = NewType("Duration", int)
Size = NewType("Size", int)

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all tables of the file; an unknown key is a problem."""


class Daemon(Options, frozen=True, kw_only=True):
    state_dir: Annotated[
        Path | None,
        Meta(description="Database, generated certificates and keys; default: the service's state directory"),
    ] = None
    country: Annotated[str, Meta(description="How national phone numbers are read (ISO 3166 letters)")] = "CZ"


class Store(Options, frozen=True, kw_only=True):
    url: Annotated[str, Meta(description="sqlite:FILE, relative to state_dir")] = "sqlite:datasms.sqlite3"
    min_free: Annotated[Size, Meta(description="New messages are refused (507) when the disk has less room")] = Size(
        256 << 20
    )


class Http(Options, frozen=True, kw_only=True):
    listen: Annotated[str, Meta(description="ADDRESS:PORT; port 0 takes a free one")]
    certificate_file: Annotated[Path | None, Meta(description="PEM chain; generated in state_dir if not named")] = None
    key_file: Annotated[Path | None, Meta(description="PEM private key of the certificate")] = None
    max_connections: Annotated[int, Meta(description="Open connections in all")] = 1000
    max_connections_per_address: Annotated[int, Meta(description="Open connections of one client address")] = 50


class GatewayHttp(Http, frozen=True, kw_only=True):
    listen: Annotated[str, Meta(description="ADDRESS:PORT for applications and operators, TLS always")] = (
        "127.0.0.1:8443"
    )


class Gateway(Options, frozen=True, kw_only=True):
    http: GatewayHttp = GatewayHttp()


class Mxservice(Http, frozen=True, kw_only=True):
    listen: Annotated[str, Meta(description="ADDRESS:PORT for clients, TLS always")] = "0.0.0.0:8444"
    public_url: Annotated[
        str | None, Meta(description="How clients reach it; also the generated certificate's name")
    ] = None
    registration_number: Annotated[str | None, Meta(description="The number users send DATASMS <number> to")] = None
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
    name: LineName
    enabled: bool = True
    rate: Annotated[float | None, Meta(description="Messages a second; none: as fast as it takes them", gt=0)] = None
    day_limit: Annotated[int | None, Meta(description="Messages a day: warn at half, stop until resumed", ge=1)] = None


class DatasmsLine(Line, frozen=True, kw_only=True):
    driver: Literal["datasms"] = "datasms"
    concurrency: Annotated[int, Meta(description="Messages handed over at once", ge=1)] = 100


class SmppLine(Line, frozen=True, kw_only=True):
    driver: Literal["smpp"] = "smpp"
    host: str
    port: Annotated[int, Meta(ge=1, le=65535)] = 2775
    tls: Annotated[bool, Meta(description="SMPP over TLS, the SMSC's name verified")] = False
    ca_file: Annotated[Path | None, Meta(description="PEM of the CA to trust instead of the system's")] = None
    system_id: str
    password: Secret = Secret("")
    system_type: str = ""
    bind: Annotated[
        Literal["transceiver", "pair"], Meta(description="One connection both ways, or a transmitter and a receiver")
    ] = "transceiver"
    source: Annotated[str, Meta(description="Sender shown: a number with +, a short code or up to 11 letters")] = ""
    inbound_number: Annotated[str | None, Meta(description="The number people write to on this line")] = None
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
    response_timeout: Duration = Duration(MINUTE)
    enquire_link: Annotated[Duration, Meta(description="Silence after which the link is tested")] = Duration(
        30 * SECOND
    )
    enquire_timeout: Duration = Duration(10 * SECOND)
    bind_timeout: Duration = Duration(30 * SECOND)
    bad_credentials_pause: Annotated[
        Duration, Meta(description="Before the next bind when credentials were refused")
    ] = Duration(5 * MINUTE)


LineOptions = DatasmsLine | SmppLine


class Channel(Options, frozen=True, kw_only=True):
    name: str
    enabled: bool = True
    concurrency: Annotated[int, Meta(description="Pushes at once", ge=1)] = 50


class DirectChannel(Channel, frozen=True, kw_only=True):
    driver: Literal["direct"] = "direct"


class FcmChannel(Channel, frozen=True, kw_only=True):
    driver: Literal["fcm"] = "fcm"
    credentials_file: Annotated[Path, Meta(description="The service account's key file from the Firebase console")]
    endpoint: Annotated[str, Meta(description="Base URL of the service")] = "https://fcm.googleapis.com"
    ca_file: Annotated[Path | None, Meta(description="PEM of the CA to trust instead of the system's")] = None
    allow_private: Annotated[bool, Meta(description="Allow an endpoint in a private network")] = False
    timeout: Annotated[Duration, Meta(description="Whole time for one push, answer included")] = Duration(15 * SECOND)


ChannelOptions = DirectChannel | FcmChannel


class When(Options, frozen=True, kw_only=True):
    """Conditions of a rule; each is a list of alternatives, ``!x`` is "not"; an empty one does not matter."""

    priority: tuple[str, ...] = ()
    sender: tuple[str, ...] = ()
    sender_group: tuple[str, ...] = ()
    recipient: Annotated[tuple[str, ...], Meta(description="Regular expressions on the E.164 number, or $alias")] = ()
    recipient_group: tuple[str, ...] = ()
    class_: Annotated[tuple[str, ...], Meta(description="The message's class")] = msgspec.field(
        default=(), name="class"
    )
    has_device: bool | None = None
    line: Annotated[tuple[str, ...], Meta(description="Inbound only: the line it came by")] = ()
    text: Annotated[tuple[str, ...], Meta(description="Regular expressions on the text")] = ()


class StepOptions(Options, frozen=True, kw_only=True):
    line: LineName
    wait: Annotated[Duration | None, Meta(description="Instead of the priority's wait for this line")] = None
    success: Success = Success.DELIVERED
    on_unknown: OnUnknown | None = None


class Rule(Options, frozen=True, kw_only=True):
    name: str
    when: When = When()
    steps: tuple[StepOptions, ...]
    enabled: bool = True
    continue_: Annotated[bool, Meta(description="Add the steps of the next matching rule")] = msgspec.field(
        default=False, name="continue"
    )


class InboundRule(Options, frozen=True, kw_only=True):
    name: str
    when: When = When()
    to: Annotated[str, Meta(description="app:NAME, or account:NAME (read with GET /v1/inbound)")]
    enabled: bool = True


class Config(Options, frozen=True, kw_only=True):
    """The whole configuration; every reference between its parts has been checked."""

    daemon: Daemon = Daemon()
    store: Store = Store()
    gateway: Gateway = Gateway()
    mxservice: Mxservice = Mxservice()
    priority: dict[str, Priority] = msgspec.field(default_factory=lambda: dict(DEFAULT_PRIORITIES))
    line: tuple[LineOptions, ...] = (DatasmsLine(name=LineName("datasms")),)
    channel: tuple[ChannelOptions, ...] = (DirectChannel(name="direct"),)
    alias: dict[str, tuple[str, ...]] = {}
    rule: tuple[Rule, ...] = (Rule(name="everybody", steps=(StepOptions(line=LineName("datasms")),)),)
    inbound: tuple[InboundRule, ...] = (
        InboundRule(name="registration", when=When(text=(r"^\s*DATASMS\b",)), to="app:registration"),
    )
    sender_group: Annotated[dict[str, tuple[str, ...]], Meta(description="Groups of senders by name")] = {}
