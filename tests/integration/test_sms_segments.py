"""How many SMS a text makes, held against a calculator that senders use: npm's sms-segments-calculator, of Twilio."""

from __future__ import annotations

import json
import subprocess
from random import Random

from datasms_daemon.rules.text import decode_gsm, parts_of
from tests.fakes.npm_scripts import NODE, npm_script

ALPHABET = [decode_gsm(bytes([code])) for code in range(128) if code != 0x1B]
PAIRS = list("^{}\\[~]|€\f")
# Without CR LF, which we keep together and the calculator does not.
GRAPHEMES = ["ž", "ж", "😀", "👩🏽\u200d🚀", "👨\u200d👩\u200d👧", "🇨🇿", "e\u0301"]


def some_texts(random: Random) -> list[str]:
    """Up to four parts long, of one alphabet or of what needs UCS-2, with whole graphemes only."""
    found = []
    for of in (ALPHABET, ALPHABET + PAIRS * 5, GRAPHEMES, ALPHABET + GRAPHEMES * 4):
        found += ["".join(random.choices(of, k=random.randrange(1, 400))) for _ in range(100)]
        for run in range(140, 162):
            found.append("x" * run + "".join(random.choices(of, k=random.choice([1, 5, 150]))))
    return found


def test_a_text_makes_as_many_sms_as_others_say() -> None:
    texts = some_texts(Random(4))
    done = subprocess.run(
        [NODE, npm_script("segments.js")], input=json.dumps(texts), capture_output=True, text=True, check=True
    )
    theirs = json.loads(done.stdout)
    assert [(text, parts_of(text)) for text in texts] == list(zip(texts, theirs, strict=True))
