"""What attempts cost, and what a push spares, kept beside each attempt before it is handed over."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from datasms_daemon.config.lines import SmsLine
from datasms_daemon.config.records import Config
from datasms_daemon.delivery.wording import Wording
from datasms_daemon.model import LineName, Message, Progress
from datasms_daemon.rules.pipeline import TooLong
from datasms_daemon.rules.prices import Charge, Tariff
from datasms_daemon.store import reports
from datasms_daemon.store.store import Db


class Costs:
    """The prices of one configuration. Without any, only the parts of text messages are kept."""

    def __init__(
        self, config: Config, wordings: Mapping[LineName, Wording], operator_of: Callable[[str | None], str]
    ) -> None:
        self._tariffs: Mapping[LineName, Tariff] = {
            line.name: Tariff(line.price, line.prices) for line in config.line if isinstance(line, SmsLine)
        }
        self._is_priced = any(tariff.is_priced for tariff in self._tariffs.values())
        self._wordings = wordings
        self._operator_of = operator_of

    def keep(self, db: Db, message: Message, progress: Progress, text: str) -> None:
        """Beside the attempt that ``progress`` has opened: what it costs if the line takes ``text``; or else, with
        prices, what it spares of the first text message among the later steps."""
        line = progress.plan[progress.step].line
        if line in self._tariffs:
            reports.price(db, message.id, progress.attempt, self._charge(line, message, text))
        elif self._is_priced:
            self._keep_spared(db, message, progress)

    def _keep_spared(self, db: Db, message: Message, progress: Progress) -> None:
        later = (step.line for step in progress.plan[progress.step + 1 :])
        line = next((line for line in later if line in self._tariffs), None)
        if line is None:
            return
        leaving = self._wordings[line].leaving(message, message.sender)
        if not isinstance(leaving, TooLong):
            reports.price(db, message.id, progress.attempt, self._charge(line, message, leaving.text), line)

    def _charge(self, line: LineName, message: Message, text: str) -> Charge:
        operator = self._operator_of(message.to) if self._is_priced else None
        return self._tariffs[line].charge(self._wordings[line].parts(text) or 1, operator)
