"""SMSCs by other people, each in a process of its own that speaks one protocol of orders and events with the tests.

Orders name an ``account``, the system_id of a line:

- ``answers``: what its next submissions get: ``{"status": n}``, ``{"nack": n}``, ``{"cut": octets of the response}``,
  ``{"unbind": true}`` before the response, ``{"receipt": stat}`` before it, ``{"id": text}`` in it; ``{}`` is the
  response alone
- ``base``: ids are numbers, written in this base
- ``receipt`` for ``id`` ``to`` with ``stat``, ``by`` tlv, text or both; ``text`` from ``from`` to ``to`` in ``coding``
  ``by`` udh, sar, payload or data_sm, ``reversed``; ``queue`` the same, right behind the response to the next bind
- ``enquire``, ``unbind``, ``nonsense`` (a command that nobody knows)

Events: ``ready`` ``bound`` ``submit`` ``answered`` ``enquired`` (we asked) ``alive`` (we answered) ``unbound``
``nacked`` ``closed`` and ``done``, after an order was carried out.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import trustme

from tests.fakes.live import Daemon, StandIn, eventually
from tests.fakes.npm_scripts import NODE, npm_script
from tests.fakes.stage import reaches

ACCOUNTS = {
    "plain": "",
    "pair": 'bind = "pair"',
    "sar": 'concatenation = "sar"',
    "payload": 'concatenation = "payload"',
    "hex": 'id_format = "hex-to-decimal"',
    "decimal": 'id_format = "decimal-to-hex"',
    "quiet": 'enquire_link = "1s"\nenquire_timeout = "1s"',
    "absolute": 'validity = "absolute"',
    "refused": "",
    "tls": 'tls = true\nca_file = "ca.pem"',
}
OUR_NUMBER = "+420603000000"
_TOP = """
store.min_free = "1M"
gateway.http.listen = "127.0.0.1:0"
mxservice.listen = "127.0.0.1:0"
priority.normal = { wait = { default = "1m" }, ttl = "10m", urgent = true }
inbound_routing.default = "account:tests"
"""
_LINE = """
[[line]]
name = "{name}"
driver = "smpp"
host = "127.0.0.1"
port = {port}
system_id = "{name}"
password = "{password}"
inbound_number = "{number}"
{options}
[[rule]]
name = "{name}"
when.recipient = ["^.42072{index}"]
steps = [{{ line = "{name}" }}]
"""


def npm_smsc(folder: Path) -> StandIn:
    """The library smpp of npm, over TCP and TLS; ``folder`` gets ca.pem."""
    script = npm_script("smsc.js")
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    key, chain = folder / "smsc-key.pem", folder / "smsc-chain.pem"
    certificate.private_key_pem.write_to_path(key)
    for pem in certificate.cert_chain_pems:
        pem.write_to_path(chain, append=True)
    return StandIn(str(script), str(key), str(chain), interpreter=str(NODE))


def perl_smsc(_folder: Path) -> StandIn:
    """Net::SMPP of Debian, with the alphabet of Perl's Encode."""
    perl = shutil.which("perl")
    if perl is None or subprocess.run([perl, "-MNet::SMPP", "-e1"], stderr=subprocess.DEVNULL).returncode:
        raise AssertionError("Net::SMPP is missing: apt install libnet-smpp-perl")
    return StandIn("smsc.pl", interpreter=perl)


PEERS = {"npm smpp": npm_smsc, "Net::SMPP": perl_smsc}


@dataclass(frozen=True)
class Sms:
    """What became of one message: the message, and the submissions of it in the order they came."""

    id: str
    to: str
    parts: list[dict[str, Any]]

    @property
    def text(self) -> str:
        """As the SMSC read it, each part by itself."""
        return "".join(part["text"] for part in self.parts)


class PeerStage:
    """A daemon with a line for each of ACCOUNTS that the SMSC can serve; of ``refused`` the password is wrong."""

    def __init__(self, peer: str, folder: Path) -> None:
        self.smsc = PEERS[peer](folder)
        ports: list[int] = self.smsc.said("ready")[0]["ports"]
        self.accounts = [name for name in ACCOUNTS if name != "tls" or len(ports) > 1]
        lines = [
            _LINE.format(
                name=name,
                port=ports[name == "tls"],
                password="wrong" if name == "refused" else "secret",
                index=index,
                number=OUR_NUMBER,
                options=ACCOUNTS[name],
            )
            for index, name in enumerate(self.accounts)
        ]
        self.daemon = Daemon(folder, _TOP + "".join(lines))
        self._numbers = count(1)

    def __enter__(self) -> Self:
        try:
            self.daemon.run()
            self.gateway = self.daemon.gateway(self.daemon.new_key())
            eventually(lambda: all(map(self._has_settled, self.accounts)), "every line is bound, or refused")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.daemon.__exit__(kind, error, tb)
        self.smsc.close()

    def tell(self, account: str, do: str, **fields: object) -> None:
        """An order that was carried out."""
        before = len(self.of(account, "done"))
        self.smsc.tell(do, account=account, **fields)
        eventually(lambda: len(self.of(account, "done")) > before, f"{do} is done")

    def of(self, account: str, event: str) -> list[dict[str, Any]]:
        """The events of an account so far."""
        return [one for one in self.smsc.said(event) if one.get("account") == account]

    def binds(self, account: str) -> list[str]:
        """The binds of an account so far."""
        return [one["kind"] for one in self.of(account, "bound")]

    def _has_settled(self, account: str) -> bool:
        return bool(self.line(account)["state"] == ("down" if account == "refused" else "up"))

    def line(self, account: str) -> dict[str, Any]:
        """The line as the daemon shows it."""
        lines: list[dict[str, Any]] = self.gateway("GET", "/v1/lines").body["items"]
        return next(line for line in lines if line["name"] == account)

    def number(self, account: str) -> str:
        """One that no other test has, which the rules lead to the account."""
        return f"+42072{self.accounts.index(account)}{next(self._numbers):06}"

    def send(self, account: str, text: str) -> tuple[str, str]:
        """The id and the number of an acknowledged message."""
        to = self.number(account)
        answer = self.gateway("POST", "/v1/messages", {"to": [to], "text": text})
        assert answer.status == 202, answer
        return answer.body["messages"][0]["id"], to

    def sent(self, account: str, text: str, parts: int = 1) -> Sms:
        """A message whose parts the SMSC has taken, all of them and not more."""
        id_, to = self.send(account, text)
        self.reaches(id_, "waiting")
        submitted = self.submitted(to)
        assert len(submitted) == parts, submitted
        return Sms(id_, to, submitted)

    def submitted(self, to: str) -> list[dict[str, Any]]:
        """The submissions for a number so far."""
        return [one for one in self.smsc.said("submit") if one["to"] == [1, 1, to[1:]]]

    def reaches(self, id_: str, status: str, seconds: float = 10.0) -> dict[str, Any]:
        """The stored message once it has this status."""
        return reaches(self.gateway, id_, status, seconds)

    def attempt(self, id_: str, outcome: str) -> dict[str, Any]:
        """The only attempt of a message, once it has this outcome."""

        def attempts() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = self.gateway("GET", f"/v1/messages/{id_}").body["attempts"]
            return found

        eventually(lambda: [one["outcome"] for one in attempts()] == [outcome], f"{outcome}: {attempts()}")
        return attempts()[0]

    def received(self, from_: str) -> list[str]:
        """The stored texts from a number, once there is one."""

        def texts() -> list[str]:
            items = self.gateway("GET", "/v1/inbound?limit=500").body["items"]
            return [one["text"] for one in items if one["from"] == from_]

        eventually(lambda: bool(texts()), f"a text from {from_}")
        return texts()
