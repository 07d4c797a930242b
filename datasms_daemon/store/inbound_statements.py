"""The SQL statements on texts from outside, like those of :mod:`datasms_daemon.store.statements`."""

from __future__ import annotations

INSERT = """
INSERT INTO inbound (line, sender, recipient, text, at, key, n, target, why, passed, priority, person, address,
    incomplete, due_at)
VALUES (:line, :sender, :recipient, :text, :at, :key, :n, :target, :why, :passed, :priority, :person, :address,
    :incomplete, :due_at)
ON CONFLICT (line, key, n) DO NOTHING
"""
IS_KNOWN = "SELECT 1 FROM inbound WHERE line = :line AND key = :key LIMIT 1"
SELECT_FOR = """
SELECT seq, line, sender, recipient, coalesce(passed, text), at, person, incomplete FROM inbound
WHERE target = :target AND seq > :after ORDER BY seq LIMIT :limit
"""

# The newest that anything was tried for, and when that was last.
SELECT_SENT = """
SELECT m.sender, a.started_at FROM messages m JOIN attempts a ON a.message = m.id AND a.n = m.attempt
WHERE m.recipient = :number ORDER BY m.id DESC LIMIT :limit
"""
SELECT_SENT_TO_PERSON = """
SELECT m.sender, a.started_at FROM messages m JOIN attempts a ON a.message = m.id AND a.n = m.attempt
WHERE m.person = :person ORDER BY m.id DESC LIMIT :limit
"""

# --- what is to be handed on -----------------------------------------------------------------------------------------

WAITING = """
SELECT seq, line, sender, recipient, text, passed, at, key, incomplete, target, why, priority, person, tries, due_at,
    address, effect
FROM inbound
"""
SELECT_DUE = f"""
{WAITING} WHERE target BETWEEN :first AND :last AND due_at <= :now ORDER BY due_at, seq LIMIT :limit
"""
SELECT_WAITING = f"{WAITING} WHERE seq = :seq AND target = :target AND due_at IS NOT NULL"
SELECT_NEXT_DUE = """
SELECT min(due_at) FROM inbound WHERE target BETWEEN :first AND :last AND due_at > :after
"""
COUNT_WAITING = "SELECT target, count(*) FROM inbound WHERE due_at IS NOT NULL GROUP BY target"
SET_EFFECT = "UPDATE inbound SET effect = :effect WHERE seq = :seq"
FORGET_TEXT = "UPDATE inbound SET text = '', passed = NULL WHERE seq = :seq"
SETTLE = """
UPDATE inbound SET due_at = NULL, effect = coalesce(effect, :effect) WHERE seq = :seq AND due_at = :due_at
"""
DEFER = "UPDATE inbound SET due_at = :until, tries = tries + :tried WHERE seq = :seq AND due_at = :due_at"

# --- parts of long texts --------------------------------------------------------------------------------------------

INSERT_PART = """
INSERT INTO inbound_parts (line, key, sender, recipient, reference, total, number, alphabet, coding, octets, at, whole,
    due_at)
VALUES (:line, :key, :sender, :recipient, :reference, :total, :number, :alphabet, :coding, :octets, :at, :whole,
    :due_at)
"""
SELECT_PART_BY_KEY = "SELECT whole, due_at FROM inbound_parts WHERE line = :line AND key = :key"
SELECT_OPEN_PARTS = """
SELECT whole, due_at, number, octets FROM inbound_parts
WHERE line = :line AND sender = :sender AND recipient = :recipient AND reference = :reference AND total = :total
    AND closed = 0 AND due_at IS NOT NULL
"""
SELECT_PARTS = """
SELECT line, sender, recipient, reference, total, number, alphabet, coding, octets, at, key FROM inbound_parts
WHERE line = :line AND whole = :whole AND due_at IS NOT NULL
"""
SELECT_DUE_PARTS = """
SELECT DISTINCT line, whole FROM inbound_parts WHERE due_at <= :now ORDER BY line, whole LIMIT :limit
"""
SELECT_NEXT_DUE_PART = "SELECT min(due_at) FROM inbound_parts WHERE due_at IS NOT NULL"
CLOSE_PARTS = (
    "UPDATE inbound_parts SET closed = 1, due_at = :due_at WHERE line = :line AND whole = :whole AND due_at IS NOT NULL"
)
PARTS_DONE = "UPDATE inbound_parts SET due_at = NULL, octets = :nothing WHERE line = :line AND whole = :whole"
PURGE_PARTS = "DELETE FROM inbound_parts WHERE due_at IS NULL AND at < :before"

# --- messages of applications ----------------------------------------------------------------------------------------

ADD_SENT = """
INSERT INTO application_messages (message, application) VALUES (:message, :application)
ON CONFLICT (message) DO NOTHING
"""
SELECT_SENT_MESSAGES = "SELECT message, application FROM application_messages"
SELECT_ENDED = """
SELECT m.id, m.recipient, m.state, m.code, m.reference
FROM application_messages a JOIN messages m ON m.id = a.message
WHERE a.application = :application AND m.state IN ('delivered', 'read', 'failed', 'expired', 'cancelled', 'unknown')
ORDER BY m.id LIMIT :limit
"""
FORGET_SENT = "DELETE FROM application_messages WHERE message = :message"
