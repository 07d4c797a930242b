"""The small family of exceptions. Expected answers of the far end are values (model.Outcome), not these."""

from __future__ import annotations


class DatasmsError(Exception):
    """Base of what the daemon raises on purpose; its text is fit to be shown to an operator."""


class ConfigError(DatasmsError):
    """The configuration cannot be used; ``problems`` holds every reason, one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class StoreError(DatasmsError):
    """The database cannot be opened or trusted: newer than we are, damaged, or held by another daemon."""


class StoreFailed(DatasmsError):
    """A commit or checkpoint failed: nothing may be acknowledged or sent any more (I27)."""


class Unreadable(DatasmsError):
    """A row holds text that is no UTF-8 any more; what exactly is not said, for it may be a person's text."""


class StoreHeld(StoreFailed):
    """The database is damaged or in doubt: nothing is taken, so that nothing is lost with it (I28)."""


class DiskFull(DatasmsError):
    """There is no room for new work; what is already accepted goes on."""


class MalformedPdu(DatasmsError):
    """Bytes from an SMSC that are no SMPP 3.4 PDU; ``status`` is the command_status to answer with."""

    def __init__(self, detail: str, status: int, *, sequence: int = 0, fatal: bool = False) -> None:
        super().__init__(detail)
        self.status = status
        self.sequence = sequence
        self.fatal = fatal
