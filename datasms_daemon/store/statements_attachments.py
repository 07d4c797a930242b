"""The statements on attachments, as ``statements``."""

from __future__ import annotations

ATTACHMENT = "id, name, type, size, sha256"

INSERT = """
INSERT INTO attachments (id, sender, name, type, size, sha256, expires_at)
VALUES (:id, :sender, :name, :type, :size, :sha256, :expires_at)
"""
SELECT = f"SELECT {ATTACHMENT}, expires_at FROM attachments WHERE id = :id AND sender = :sender AND expires_at > :now"
SELECT_BY_ID = f"SELECT {ATTACHMENT} FROM attachments WHERE id = :id"
SELECT_USE = "SELECT count(*), coalesce(sum(size), 0) FROM attachments WHERE sender = :sender"
SELECT_EXPIRED = "SELECT 1 FROM attachments WHERE expires_at <= :now LIMIT 1"
SELECT_SIZES = "SELECT id, size FROM attachments"
ATTACH = "INSERT INTO attached (message, attachment) VALUES (:message, :attachment)"
KEEP_UNTIL = "UPDATE attachments SET expires_at = :until WHERE id = :id AND expires_at < :until"
# The very condition under which the inbox shows the message.
SELECT_OF_DEVICE = f"""
SELECT {ATTACHMENT} FROM attachments WHERE id = :id AND EXISTS (
    SELECT 1 FROM attached t JOIN messages m ON m.id = t.message JOIN pushes p ON p.message = m.id
    WHERE t.attachment = :id AND p.device = :device AND m.valid_until > :now
        AND m.state NOT IN ('cancelled', 'expired') AND m.purged = 0
)
"""
# A message that was put off may be valid for longer than was known when it was accepted.
REMOVE_EXPIRED = """
DELETE FROM attachments WHERE id IN (
    SELECT id FROM attachments WHERE expires_at <= :now AND NOT EXISTS (
        SELECT 1 FROM attached t JOIN messages m ON m.id = t.message
        WHERE t.attachment = attachments.id AND (m.valid_until > :now OR m.due_at IS NOT NULL)
    ) LIMIT :limit
) RETURNING id
"""
