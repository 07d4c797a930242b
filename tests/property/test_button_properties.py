"""Whatever stands in a button's address: what is taken, every program reads as the same host, without credentials."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from hypothesis import example, given
from hypothesis import strategies as st

from datasms_daemon.gateway.shapes import WEB_ADDRESS

# What parsers disagree about, mixed with what is plain.
PIECES = ["http", "https", "ftp", "://", "//", ":", "/", "\\", "@", "?", "#", "[", "]", "::1", "a.example", "b", "8443",
          "%40", " ", "\t", "\n", "\0", "ž", "．", "\u202e", ".", "-"]  # fmt: skip
addresses = st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=30)


@given(addresses | addresses.map("https://{}".format) | st.from_regex(WEB_ADDRESS, fullmatch=True))
@example("https://a.example\\@b/")
@example("https://b@a.example/")
@example("https://a.example/@b")
def test_what_is_taken_is_a_web_address_of_one_host_without_credentials(address: str) -> None:
    if re.fullmatch(WEB_ADDRESS, address) is None:
        return
    read = urlsplit(address)
    assert read.scheme in ("http", "https")
    assert read.hostname
    assert (read.username, read.password) == (None, None)
    assert "\\" not in address
    assert address.isascii()
    assert address.isprintable()
    assert " " not in address
