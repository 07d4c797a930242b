"""GET /v1/report: who sees what, in which form, and what is asked of the core."""

from __future__ import annotations

import pytest

from datasms_daemon.gateway.http_api import make_site
from datasms_daemon.model import Report, ReportQuery, ReportRow, Sums
from tests.fakes.attachments import NOW
from tests.fakes.core import FakeCore
from tests.fakes.web import Client, Response, clock


class Gateway(Client):
    """A gateway over a fake core."""

    def __init__(self) -> None:
        self.core = FakeCore()
        super().__init__(make_site(self.core, clock(), bytes))

    def report(self, query: str = "", secret: str = "dsk_all", **headers: str) -> Response:
        """What is answered."""
        return self.ask("GET", f"/v1/report{query}", Authorization=f"Bearer {secret}", **headers)


@pytest.fixture
def gateway() -> Gateway:
    """A new one."""
    return Gateway()


def test_sums_stand_beside_the_keys_that_were_asked_for(gateway: Gateway) -> None:
    answer = gateway.report("?by=day,sender")
    assert answer.status == 200
    assert answer.json == {
        "since": "2026-09-20T14:13:20.000Z", "until": "2026-09-21T14:13:20.000Z", "currency": "",
        "items": [{
            "sender": "sender", "group": None, "line": None, "day": "2026-09-21", "priority": None, "operator": None,
            "cost_centre": None, "messages": 3, "delivered": 2, "failed": 1, "parts": 4, "cost": "3.60", "avoided": 1,
            "avoided_parts": 2, "saved": "1.80",
        }],
    }  # fmt: skip
    assert gateway.core.asked == ReportQuery(by=("day", "sender"))


def test_a_table_has_only_the_columns_that_were_asked_for(gateway: Gateway) -> None:
    answer = gateway.report("?by=sender", Accept="text/csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.body.decode().splitlines() == [
        "sender,messages,delivered,failed,parts,cost,avoided,avoided_parts,saved",
        "sender,3,2,1,4,3.60,1,2,1.80",
    ]


def test_no_cell_of_a_table_is_a_formula(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    async def report(query: ReportQuery) -> Report:
        return Report(NOW, NOW, (ReportRow(("=HYPERLINK(1)",), Sums()),))

    monkeypatch.setattr(gateway.core, "report", report)
    table = gateway.report("?by=cost_centre", Accept="text/csv").body.decode()
    assert table.splitlines()[1].startswith("'=HYPERLINK(1),0,")


def test_a_reader_sees_its_own_sums_and_an_operator_everybody_s(gateway: Gateway) -> None:
    for right, sender in (("read", "read"), ("operate", None)):
        assert gateway.report(secret=gateway.core.key(right)).status == 200
        assert gateway.core.asked == ReportQuery(sender=sender)
    assert gateway.report(secret=gateway.core.key("send")).status == 403


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("?by=sender,colour", "/by"),
        ("?by=,", "/by"),
        ("?since=yesterday", "/since"),
        ("?until=2026", "/until"),
        ("?since=2026-09-01T00:00:00Z&until=2026-08-01T00:00:00Z", "/since"),
        ("?since=2025-09-01T00:00:00Z", "/since"),
    ],
)
def test_what_cannot_be_asked_is_told(gateway: Gateway, query: str, pointer: str) -> None:
    answer = gateway.report(query)
    assert (answer.status, answer.json["code"]) == (422, "invalid")
    assert [error["pointer"] for error in answer.json["errors"]] == [pointer]
    assert gateway.core.asked is None


def test_a_span_is_bounded_from_its_begin_to_now_or_to_its_end(gateway: Gateway) -> None:
    assert gateway.report("?since=2026-01-01T00:00:00%2B01:00&until=2026-02-01T00:00:00%2B01:00").status == 200
    assert gateway.core.asked == ReportQuery(1_767_222_000_000, 1_769_900_400_000)
    assert gateway.core.asked.until is not None
    assert gateway.core.asked.until < NOW
