"""The options of lines, one record a driver."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from datasms_daemon.config.kinds import MINUTE, SECOND, CaFile, Duration, Price
from datasms_daemon.config.texts import LineTextOptions
from datasms_daemon.model import LineName, Secret


class Line(LineTextOptions, frozen=True, kw_only=True):
    name: Annotated[LineName, Meta(description="How rules and waits name this line")]
    enabled: Annotated[bool, Meta(description="Whether routing may choose it")] = True
    rate: Annotated[
        float | None, Meta(description="Messages a second; none: as fast as it takes them", gt=0, examples=[50])
    ] = None
    share: Annotated[
        int, Meta(description="When it is busy, one place in so many goes to ranks below the best", ge=2, le=1000)
    ] = 10
    calendar: Annotated[
        str | None, Meta(description="Messages wait for the line until this calendar is open", examples=["office"])
    ] = None
    day_limit: Annotated[
        int | None, Meta(description="Messages a day: warn at half, stop until resumed", ge=1, examples=[1000])
    ] = None


class DatasmsLine(Line, frozen=True, kw_only=True):
    driver: Annotated[Literal["datasms"], Meta(description="The recipient's own devices, by all channels")] = "datasms"
    concurrency: Annotated[
        int, Meta(description="Messages handed over at once, beside the pushes that channels have under way", ge=1)
    ] = 100


class SmsLine(Line, frozen=True, kw_only=True):
    """A line on which texts travel in parts."""

    alphabet: Annotated[
        Literal["gsm", "latin-1", "ascii"], Meta(description="What the SMSC takes data_coding 0 for")
    ] = "gsm"
    price: Annotated[
        Price | None, Meta(description="Of one part, in [daemon] currency; none: nobody knows", examples=[900_000])
    ] = None
    prices: Annotated[
        dict[str, Price],
        Meta(description="Of one part by operator, before price", examples=[{"o2": 800_000, "unknown": 1_200_000}]),
    ] = {}
    outside: Annotated[
        Literal["ucs2", "replace"],
        Meta(description="Characters outside the alphabet: send all as ucs2, or replace them by what looks alike"),
    ] = "ucs2"
    max_parts: Annotated[
        int | None, Meta(description="No text is sent as more SMS than that; none: 255", ge=1, le=255, examples=[3])
    ] = None
    when_over: Annotated[
        Literal["cut", "refuse"],
        Meta(description="A longer text: cut, with an ellipsis, or refuse, and the next step takes it"),
    ] = "cut"


class SmppLine(SmsLine, frozen=True, kw_only=True):
    driver: Annotated[Literal["smpp"], Meta(description="SMS by an SMSC, SMPP 3.4")] = "smpp"
    host: Annotated[str, Meta(description="The SMSC's name or address", examples=["smsc.example.net"])]
    port: Annotated[int, Meta(description="The SMSC's port", ge=1, le=65535)] = 2775
    tls: Annotated[bool, Meta(description="SMPP over TLS, the SMSC's name verified")] = False
    ca_file: CaFile = None
    system_id: Annotated[str, Meta(description="The account at the SMSC", max_length=15, examples=["acme"])]
    password: Annotated[Secret, Meta(description="Its password, at most 8 characters by the standard")] = Secret("")
    system_type: Annotated[str, Meta(description="Given to the SMSC if it asks for one", max_length=12)] = ""
    bind: Annotated[
        Literal["transceiver", "pair"], Meta(description="One connection both ways, or a transmitter and a receiver")
    ] = "transceiver"
    source: Annotated[str, Meta(description="Sender shown: a number with +, a short code or up to 11 letters")] = ""
    backup: Annotated[
        LineName | None,
        Meta(
            description="The line that gets what this one cannot take: switched off, paused, down, refused by it",
            examples=["datasms"],
        ),
    ] = None
    inbound_number: Annotated[
        str | None, Meta(description="The number people write to on this line", examples=["+420603123456"])
    ] = None
    suffixes: Annotated[
        bool, Meta(description="People may write to inbound_number and a sender's suffix; his messages show it")
    ] = False
    window: Annotated[int, Meta(description="Unanswered submit_sm at once", ge=1, le=1000)] = 10
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
