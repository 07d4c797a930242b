"""The SQL statements on texts that are handed on, like those of :mod:`datasms_daemon.store.statements`."""

from __future__ import annotations

# A try that is under way has no reason yet: so it is known after a crash.
CLAIM = """
UPDATE inbound SET due_at = :until, tries = tries + 1, reason = NULL WHERE seq = :seq AND due_at = :due_at
RETURNING tries
"""
PUT_OFF = "UPDATE inbound SET due_at = :until, reason = :reason WHERE seq = :seq AND due_at = :due_at"
INTERRUPTED = """
UPDATE inbound SET due_at = :now
WHERE target BETWEEN :first AND :last AND due_at > :now AND tries > 0 AND reason IS NULL
"""
BURY = """
UPDATE inbound SET due_at = NULL, died_at = :now, reason = :reason, effect = 'dead'
WHERE seq = :seq AND due_at = :due_at
"""
BURY_ALL = """
UPDATE inbound SET due_at = NULL, died_at = :now, reason = :reason, effect = 'dead'
WHERE target = :target AND due_at IS NOT NULL
"""
SELECT_DEAD = """
SELECT seq, target, why, line, at, tries, died_at, reason FROM inbound
WHERE died_at IS NOT NULL AND (:after IS NULL OR seq < :after) ORDER BY seq DESC LIMIT :limit
"""
SELECT_DEAD_TARGET = "SELECT target FROM inbound WHERE seq = :seq AND died_at IS NOT NULL"
REVIVE = """
UPDATE inbound SET due_at = :now, died_at = NULL, reason = NULL, effect = NULL, tries = 0
WHERE seq = :seq AND died_at IS NOT NULL
"""
COUNT_DEAD = "SELECT target, count(*) FROM inbound WHERE died_at IS NOT NULL GROUP BY target"
STOP = """
INSERT INTO stopped_webhooks (name, url_hash, stopped_at, reason) VALUES (:name, :url_hash, :now, :reason)
ON CONFLICT (name) DO UPDATE SET url_hash = :url_hash, stopped_at = :now, reason = :reason
WHERE url_hash <> :url_hash
"""
RESUME = "DELETE FROM stopped_webhooks WHERE name = :name"
SELECT_STOPPED = "SELECT name, url_hash, reason FROM stopped_webhooks"
