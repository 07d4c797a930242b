"""What the daemon does for a line."""

from __future__ import annotations

from twisted.logger import Logger
from zope.interface import implementer

from datasms_daemon.delivery.dispatch import Dispatch
from datasms_daemon.delivery.inbound import InboundTexts
from datasms_daemon.delivery.reassembly import Reassembly
from datasms_daemon.delivery.receipts import Receipts
from datasms_daemon.interfaces import ILineHost
from datasms_daemon.model import InboundPart, InboundText, LineName, LineReceipt, LineState, LineStatus
from datasms_daemon.ops.metrics import Metrics


@implementer(ILineHost)
class LineHost:
    """Room goes to dispatch, receipts and texts to those who commit them."""

    _log = Logger()

    def __init__(
        self, dispatch: Dispatch, receipts: Receipts, texts: InboundTexts, reassembly: Reassembly, metrics: Metrics
    ) -> None:
        self._dispatch = dispatch
        self._receipts = receipts
        self._texts = texts
        self._reassembly = reassembly
        self._metrics = metrics
        self._known: dict[LineName, LineStatus] = {}

    def room(self, line: LineName) -> None:
        """See ILineHost."""
        way = self._dispatch.ways.get(line)
        if way is not None:
            self._note(line, way.line.status())
        self._dispatch.made_room(line)

    async def receipt(self, receipt: LineReceipt) -> None:
        """See ILineHost."""
        await self._receipts.from_line(receipt)

    async def inbound(self, inbound: InboundText) -> None:
        """See ILineHost."""
        await self._texts.received(inbound)

    async def part(self, part: InboundPart) -> None:
        """See ILineHost."""
        await self._reassembly.part(part)

    def _note(self, line: LineName, status: LineStatus) -> None:
        if self._known.get(line) == status:
            return
        self._known[line] = status
        self._metrics.line_up.labels(line).set(status.state is LineState.UP)
        report = self._log.error if status.state is LineState.DOWN else self._log.info
        report("line {line} is {state}: {reason}", line=line, state=status.state.value, reason=status.reason or "-")
