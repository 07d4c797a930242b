"""The registration as an external program: ``python -m datasms_daemon.apps.registration_program``.

It does what the daemon does by itself without it, for those who want to answer people, or to look at more than the
number first.
"""

from __future__ import annotations

import re
from typing import Any

from datasms_daemon.apps.program import Program, Refused

REGISTRATION = re.compile(r"\s*DATASMS\b(.*)", re.IGNORECASE | re.DOTALL)


class Registration(Program):
    """Completes registrations; option ``welcome`` is answered to those that were good."""

    def received(self, text: dict[str, Any]) -> None:
        """See Program."""
        found = REGISTRATION.match(text["text"])
        if found is None:
            return
        try:
            good = self.complete_registration(text["id"], found[1])
            if good and "welcome" in self.options:
                self.reply(text["id"], self.options["welcome"])
        except Refused:
            # It did not come by SMS, or may not be answered; the same again would change nothing.
            return


if __name__ == "__main__":
    Registration().run()
