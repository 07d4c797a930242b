"""How long what is over is kept: decided anew at each purge, so that a shorter time holds for what is there already."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct


class Retention(Struct, frozen=True):
    """Times in ms after a message is over, for texts of others after they came, for the audit log after the act.

    A text is kept as long as its class says, else as its sender's options do, else ``text_ms``; never longer than
    everything else about the message.
    """

    text_ms: int
    metadata_ms: int
    inbound_ms: int
    audit_ms: int
    classes: Mapping[str, int]
    of_sender: Callable[[str], int | None]

    def text_of(self, sender: str, class_: str | None) -> int:
        """How long the text of such a message is kept."""
        kept = None if class_ is None else self.classes.get(class_)
        if kept is None:
            kept = self.of_sender(sender)
        return min(self.text_ms if kept is None else kept, self.metadata_ms)

    def shows(self, sender: str, class_: str | None, final_at: int | None, now: int) -> bool:
        """Whether the text of a message that was over at ``final_at`` (None: it is not) may be searched and shown.

        One that is kept for no time never may, and one that is due to be forgotten is, whether or not it is yet.
        """
        kept = self.text_of(sender, class_)
        return kept > 0 and (final_at is None or now - final_at <= kept)
