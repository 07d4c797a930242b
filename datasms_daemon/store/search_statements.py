"""The SQL of looking through what is kept; as in ``statements``.

The rows to look at are those of one index, between two numbers in it and in their order. All other conditions stand
together in one CASE, out of sight of the planner: another index would have to be read to its end for each part, and
rows that are sorted are all read before the first.
"""

from __future__ import annotations

NEAR = {
    "reference": "AND reference = :reference",
    "to": "AND recipient = :to",
    "person": "AND person = :person",
    "sender": "AND sender = :sender",
}
"""What an index of its own serves, by the field of the filter; the fewest rows first."""

ALL = "CASE WHEN {} THEN 1 ELSE 0 END = 1"
REST = {
    "sender": "sender = :sender",
    "to": "recipient = :to",
    "person": "person = :person",
    "reference": "reference = :reference",
    "priority": "priority = :priority",
    "class_": "class = :class_",
    "code": "code = :code",
    "cost_centre": "cost_centre = :cost_centre",
    "since": "created_at >= :since",
    "until": "created_at < :until",
    "line": "EXISTS (SELECT 1 FROM attempts a WHERE a.message = messages.id AND a.line = :line)",
}
SELECT_LAST = """
SELECT count(*), min(id) FROM (
    SELECT id FROM messages WHERE id >= :first AND id < :end {near} ORDER BY id DESC LIMIT :most
) AS next_ones
"""
SELECT_TEXTS = """
SELECT id, sender, class, final_at, title, text FROM messages
WHERE id >= :last AND id < :end {near} AND {rest} ORDER BY id DESC
"""
SELECT_NEXT_OWN = "SELECT max(id) FROM messages WHERE sender = :sender AND id < :before"

INBOUND_REST = {
    "line": "line = :line",
    "from_": "sender = :from_",
    "to": "recipient = :to",
    "person": "person = :person",
    "target": "target = :target",
    "since": "at >= :since",
    "until": "at < :until",
}
SELECT_LAST_INBOUND = """
SELECT count(*), min(seq) FROM (SELECT seq FROM inbound WHERE seq < :end ORDER BY seq DESC LIMIT :most) AS next_ones
"""
SELECT_INBOUND = """
SELECT seq, line, sender, recipient, at, person, incomplete, target, why, effect, text FROM inbound
WHERE seq >= :last AND seq < :end AND at >= :kept AND {rest} ORDER BY seq DESC
"""
