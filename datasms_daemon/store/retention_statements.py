"""The SQL of forgetting: what was kept long enough, and persons that are erased; as in ``statements``."""

from __future__ import annotations

_KIND = """
purged = :purged AND sender = :sender AND coalesce(class, '') = :class_ AND final_at IS NOT NULL AND purged < 2
    AND final_at < :before
"""
SELECT_NEXT_KIND = """
SELECT purged, sender, coalesce(class, '') FROM messages
WHERE final_at IS NOT NULL AND purged < 2
    AND (purged, sender, coalesce(class, '')) > (:purged, :sender, :class_)
ORDER BY purged, sender, coalesce(class, '') LIMIT 1
"""
COUNT_KIND = f"SELECT count(*) FROM messages WHERE {_KIND}"
SELECT_KIND = f"SELECT id FROM messages WHERE {_KIND} ORDER BY final_at LIMIT :most"
PURGE_TEXTS = f"""
UPDATE messages SET text = '', title = NULL, per_line = NULL, attachments = NULL, buttons = NULL, purged = 1
WHERE id IN ({SELECT_KIND}) AND due_at IS NULL AND ready IS NULL
"""
SELECT_NAMES = "SELECT recipient, person FROM messages WHERE id = :id"
SELECT_PURGED = "SELECT purged FROM messages WHERE id = :id"
HIDE_MESSAGE = """
UPDATE messages SET recipient = :recipient, person = :person, text = '', title = NULL, per_line = NULL,
    attachments = NULL, buttons = NULL, reference = NULL, purged = 2
WHERE id = :id
"""
FORGET_TRACE = (
    "DELETE FROM events WHERE message = :id",
    "DELETE FROM pushes WHERE message = :id",
    "DELETE FROM attached WHERE message = :id",
    "UPDATE attempts SET reason = NULL WHERE message = :id AND reason IS NOT NULL",
)
# Texts come nearly in the order of their numbers: the oldest are looked at, and what is younger among them stays.
PURGE_INBOUND = """
DELETE FROM inbound WHERE seq IN (
    SELECT seq FROM (
        SELECT seq, at FROM inbound WHERE due_at IS NULL AND died_at IS NULL ORDER BY seq LIMIT :most
    ) AS oldest
    WHERE at < :before
)
"""
# What could not be handed on is kept so long from when that was given up: an operator may still resend it.
PURGE_DEAD_INBOUND = """
DELETE FROM inbound WHERE seq IN (SELECT seq FROM inbound WHERE died_at < :before ORDER BY seq LIMIT :most)
"""
COUNT_OLD_INBOUND = "SELECT count(*) FROM inbound WHERE due_at IS NULL AND coalesce(died_at, at) < :before"
PURGE_REGISTRATIONS = """
DELETE FROM registrations WHERE id IN (
    SELECT id FROM registrations WHERE state <> 'pending' AND expires_at < :before ORDER BY id LIMIT :most
)
"""
SELECT_OF_PERSON = "SELECT id FROM messages WHERE person = :person LIMIT :most"
SELECT_TO_NUMBER = """
SELECT id FROM messages WHERE recipient = :number AND (person IS NULL OR person = :person) LIMIT :most
"""
SELECT_TO_BARE_NUMBER = "SELECT id FROM messages WHERE recipient = :number LIMIT :most"
DELETE_NUMBER = "DELETE FROM numbers WHERE number = :number"
SELECT_ATTACHED = "SELECT attachment FROM attached WHERE message = :id"
DELETE_UNATTACHED = """
DELETE FROM attachments WHERE id = :id AND NOT EXISTS (SELECT 1 FROM attached WHERE attachment = :id) RETURNING id
"""
HIDE_ANSWERS = """
UPDATE idempotency SET answer = replace(answer, :number, :hidden) WHERE answer LIKE '%' || :number || '%'
"""
DELETE_UNMATCHED_OF = "DELETE FROM receipts WHERE recipient = :number"
DELETE_INBOUND_FROM = "DELETE FROM inbound WHERE sender = :number"
DELETE_PARTS_FROM = "DELETE FROM inbound_parts WHERE sender = :number"
DELETE_INBOUND_OF = """
DELETE FROM inbound
WHERE person = :person
    OR lower(target) IN (SELECT 'mail:' || lower(email) FROM persons WHERE id = :person AND email IS NOT NULL)
"""
HIDE_TARGET = """
UPDATE inbound SET target = :hidden, due_at = NULL, effect = coalesce(effect, 'erased') WHERE target = :target
"""
DELETE_REGISTRATIONS_OF = """
DELETE FROM registrations
WHERE person = :person OR device IN (SELECT id FROM devices WHERE person = :person)
"""
INSERT_ERASURE = "INSERT INTO erasures (hash, at) VALUES (:hash, :at) ON CONFLICT (hash) DO UPDATE SET at = :at"
SELECT_ERASURES = "SELECT hash FROM erasures"
SELECT_ALL_PERSONS = "SELECT id FROM persons"
SELECT_ALL_NUMBERS = "SELECT number, person FROM numbers"
SELECT_NEXT_RECIPIENT = "SELECT min(recipient) FROM messages WHERE recipient > :after"
SELECT_WRITERS = "SELECT DISTINCT sender FROM inbound"
