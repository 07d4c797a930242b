"""What the documentation prints is what the program takes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from datasms_daemon.config.load import load

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.rst"), *ROOT.glob("docs/**/*.rst")])
_BLOCK = re.compile(r"^\.\. code-block:: toml\n\n((?:    .*\n|\n)+)", re.MULTILINE)
_PAGE = re.compile(r"docs/[a-z0-9/-]+(?:\.rst)?|[A-Z]{4,}\.rst|(?<!/)etc/[a-z.]+")
SAMPLES = [
    pytest.param(re.sub(r"^    ", "", block, flags=re.MULTILINE), id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(_BLOCK.findall(page.read_text("utf-8")))
]


def test_there_are_samples() -> None:
    assert len(SAMPLES) > 3


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_configuration_in_the_documentation_is_accepted(sample: str, tmp_path: Path) -> None:
    for name in (
        "smsc-password",
        "firebase.json",
        "wns-secret",
        "viber-token",
        "infobip-key",
        "hook-secret",
        "mail-password",
        "fullchain.pem",
        "privkey.pem",
    ):
        (tmp_path / name).write_text("x")
    (tmp_path / "crm-webhook-secret").write_text(f"whsec_{'A' * 32}")
    (tmp_path / "vip.txt").write_text("+420603123456\n")
    (tmp_path / "blocked.txt").write_text("+420603123456\n")
    (tmp_path / "ported.csv").write_text("+420603123456,vodafone\n")
    (tmp_path / "closures.ics").write_text(
        "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:20261224\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    path = tmp_path / "datasms.toml"
    path.write_text(sample.replace("/etc/datasms/", ""), "utf-8")
    load(path, {"HOME": str(tmp_path)})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    for named in _PAGE.findall(page.read_text("utf-8")):
        found = [*ROOT.glob(named), *ROOT.glob(f"{named}-*.rst")]
        assert found, named
