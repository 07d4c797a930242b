"""Looking for messages by HTTP: who sees whose, what is asked of the core, in which forms it is answered."""

from __future__ import annotations

import csv
import io
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from datasms_daemon.gateway.archive_records import ArchivedMessage
from datasms_daemon.gateway.http_api import make_site
from datasms_daemon.gateway.records import Page
from datasms_daemon.model import (
    ArchivedInbound,
    InboundSearch,
    LineName,
    MessageId,
    MessageQuery,
    MessageState,
    PersonId,
)
from tests.fakes.attachments import NOW
from tests.fakes.core import FakeCore
from tests.fakes.web import Client, Response, clock

NUMBER = "+420603123456"
LISTS = ["/v1/messages", "/v1/archive/messages"]
MESSAGES = "/v1/archive/messages"
INBOUND = "/v1/archive/inbound"


class Gateway(Client):
    """A gateway over a fake core, asked with all rights unless told otherwise."""

    def __init__(self) -> None:
        self.core = FakeCore()
        super().__init__(make_site(self.core, clock(), bytes), "dsk_all")

    def sent(self, text: str, secret: str | None = None, **fields: Any) -> MessageId:
        """The id of a message."""
        answer = self.ask("POST", "/v1/messages", {"to": [NUMBER], "text": text, **fields}, secret=secret)
        return MessageId(answer.json["messages"][0]["id"])

    def texts(self, query: str = "", secret: str | None = None) -> list[str | None]:
        """The texts of what is answered."""
        return [item["text"] for item in self.ask("GET", f"{MESSAGES}{query}", secret=secret).json["items"]]


@pytest.fixture
def gateway() -> Gateway:
    """A gateway."""
    return Gateway()


@pytest.mark.parametrize("path", LISTS)
def test_a_key_without_the_right_to_read_reads_nothing(gateway: Gateway, path: str) -> None:
    secret = gateway.core.key("send", "inbound", "directory")
    gateway.sent("x", secret)
    assert gateway.ask("GET", path, secret=secret).status == 403
    assert gateway.core.looked_for == []


def test_texts_from_outside_are_for_operators(gateway: Gateway) -> None:
    for rights in (("send", "read", "inbound", "directory"), ("read",)):
        assert gateway.ask("GET", INBOUND, secret=gateway.core.key(*rights)).status == 403
    assert gateway.ask("GET", INBOUND, secret=gateway.core.key("operate")).status == 200


def test_an_application_s_key_never_sees_what_another_sent(gateway: Gateway) -> None:
    crm, erp = gateway.core.key("send", "read"), gateway.core.key("send", "read", "inbound")
    gateway.sent("of crm", crm)
    gateway.sent("of erp", erp)
    name = gateway.core.secrets[erp].name
    assert gateway.texts(secret=crm) == ["of crm"]
    assert gateway.texts("?q=of", secret=crm) == ["of crm"]
    assert gateway.texts("?sender=send-read", secret=crm) == ["of crm"]
    before = len(gateway.core.looked_for)
    for path in LISTS:
        assert gateway.ask("GET", f"{path}?sender={name}", secret=crm).json == {"items": [], "next": None}
    assert len(gateway.core.looked_for) == before
    assert gateway.texts() == ["of erp", "of crm"]


@pytest.mark.parametrize(("path", "what"), [(LISTS[0], "messages listed"), (LISTS[1], "texts read")])
def test_who_reads_others_messages_is_named_and_who_reads_his_own_is_not(
    gateway: Gateway, path: str, what: str
) -> None:
    for rights, by, sender in ((("read",), None, "read"), (("operate",), "operate", None), (("admin",), "admin", None)):
        gateway.ask("GET", path, secret=gateway.core.key(*rights))
        query, *known = gateway.core.looked_for.pop()
        assert isinstance(query, MessageQuery)
        assert (query.sender, *known) == (sender, by, what)


def test_every_filter_reaches_the_core(gateway: Gateway) -> None:
    filters = (
        "?q=%C4%8Cerpadlo%20%25_%20%C4%8Derpadlo&status=failed&status=unknown&sender=crm&to=603%20123%20456&person=novak"
        "&priority=high&line=sms-o2&reference=crm-1&class=otp&code=no_route&cost_centre=210%20/%20a"
        "&since=2026-09-21T14:13:20Z&until=2026-09-21T16:13:21%2B02:00&limit=7&after=x-"
    )
    for path in LISTS:
        assert gateway.ask("GET", path + filters).status == 200
        assert gateway.core.looked_for.pop()[0] == MessageQuery(
            sender="crm", status=(MessageState.FAILED, MessageState.UNKNOWN), to=NUMBER, person="novak",
            priority="high", line="sms-o2", reference="crm-1", class_="otp", code="no_route", cost_centre="210 / a",
            words=("cerpadlo", "%_"), since=NOW, until=NOW + 1000, after="x-", limit=7,
        )  # fmt: skip
    inbound = "?q=Ano&line=sms-o2&from=603123456&to=x&person=novak&target=account:crm"
    inbound += "&since=2026-09-21T14:13:20Z&after=7"
    assert gateway.ask("GET", INBOUND + inbound).status == 200
    assert gateway.core.looked_for.pop() == (
        InboundSearch("sms-o2", NUMBER, "x", "novak", "account:crm", ("ano",), NOW, None, "7", 50),
        "all",
        "inbound texts read",
    )


@pytest.mark.parametrize(
    ("query", "status", "pointer"),
    [
        ("q=%00", 400, "/q"), ("q=%CC%81", 422, "/q"), ("from=", 400, "/from"), ("sender=crm", 400, "/sender"),
        ("since=now", 422, "/since"), ("after=x", 400, "/after"), ("person=a%20b", 400, "/person"),
    ],
)  # fmt: skip
def test_a_filter_of_texts_from_outside_that_cannot_be_used_is_named(
    gateway: Gateway, query: str, status: int, pointer: str
) -> None:
    response = gateway.ask("GET", f"{INBOUND}?{query}")
    assert (response.status, list(response.faults)) == (status, [pointer])
    assert gateway.core.looked_for == []


@pytest.mark.parametrize("query", ["q=%FF", "q=%C4", "q=%ED%A0%80"])
def test_words_that_are_no_text_are_refused(gateway: Gateway, query: str) -> None:
    assert gateway.ask("GET", f"{MESSAGES}?{query}").status == 400
    assert gateway.core.looked_for == []


def test_lines_of_an_export_are_the_very_messages(gateway: Gateway) -> None:
    texts = ["=1+1", 'a "quoted"\r\nsecond line', "\u2028\ufeff\x85\x01 end", "😀 čerpadlo", "'apostrophe"]
    for text in texts:
        gateway.sent(text, title="@sum", **{"class": "otp"})
    answer = gateway.ask("GET", MESSAGES, Accept="application/x-ndjson")
    lines = [msgspec.json.decode(line, type=ArchivedMessage) for line in answer.body.split(b"\n") if line]
    assert [line.text for line in lines] == texts[::-1]
    assert {(line.title, line.class_, line.to) for line in lines} == {("@sum", "otp", NUMBER)}
    page = msgspec.json.decode(gateway.ask("GET", MESSAGES).body, type=Page[ArchivedMessage])
    assert tuple(lines) == page.items


def test_no_cell_of_a_table_is_a_formula_and_numbers_stay(gateway: Gateway) -> None:
    texts = ["=HYPERLINK(1)", "+1+1", "-2", "@x", "\tx", " =1", "a=b", "\uff1d1"]
    for text in texts:
        gateway.sent(text)
    rows = list(csv.DictReader(io.StringIO(gateway.ask("GET", MESSAGES, Accept="text/csv").body.decode(), newline="")))
    assert [row["text"] for row in rows][::-1] == [
        "'=HYPERLINK(1)", "'+1+1", "-2", "'@x", "'\tx", "' =1", "a=b", "'\uff1d1",
    ]  # fmt: skip
    assert {(row["to"], row["class"]) for row in rows} == {(NUMBER, "")}


def test_texts_from_outside_are_shown_with_where_they_went_and_what_became_of_them(gateway: Gateway) -> None:
    gateway.core.archived = [
        ArchivedInbound(
            7, LineName("sms-o2"), NUMBER, "+420603000000", None, NOW, PersonId("novak"), False, "app:registration",
            "registration", "handled",
        ),
        ArchivedInbound(6, LineName("sms-o2"), "O2", "", "=1", NOW, None, True, None, "nobody", None),
    ]  # fmt: skip
    first, second = gateway.ask("GET", INBOUND).json["items"]
    assert first == {
        "id": "7", "line": "sms-o2", "from": NUMBER, "to": "+420603000000", "text": None,
        "at": "2026-09-21T14:13:20.000Z", "person": "novak", "incomplete": False, "target": "app:registration",
        "why": "registration", "effect": "handled",
    }  # fmt: skip
    assert (second["from"], second["text"], second["incomplete"], second["target"]) == ("O2", "=1", True, None)
    table = gateway.ask("GET", INBOUND, Accept="text/csv").body.decode().splitlines()
    assert table[0] == "id,line,from,to,text,at,person,incomplete,target,why,effect"
    assert table[2] == "6,sms-o2,O2,,'=1,2026-09-21T14:13:20.000Z,,True,,nobody,"


def test_the_cursor_of_lines_is_in_a_header(gateway: Gateway) -> None:
    ids = [gateway.sent(str(n)) for n in range(3)]
    answer: Response = gateway.ask("GET", f"{MESSAGES}?limit=2", Accept="application/x-ndjson")
    assert answer.headers["link"] == f'<?after={ids[1]}>; rel="next"'


def test_a_text_that_is_not_kept_is_null(gateway: Gateway) -> None:
    id_ = gateway.sent("x")
    dossier = gateway.core.dossiers[id_]
    gateway.core.dossiers[id_] = replace(dossier, message=replace(dossier.message, text=""))
    assert gateway.texts() == [None]
