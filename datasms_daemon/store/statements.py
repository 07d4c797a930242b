"""Every SQL statement, with named parameters, in the dialect that SQLite and PostgreSQL share."""

from __future__ import annotations

PROGRESS = (
    "id, gen, state, plan, valid_until, step, tries, crashes, attempt, attempt_state, due_at, deadline, ready, code, "
    "delivered_at, read_at, held, ndr_due, ndr_at, unsure"
)
MESSAGE = (
    "id, submission, sender, recipient, person, priority, class, title, text, reference, created_at, send_at, "
    "valid_until, per_line, resend_of, cost_centre, nomodify, attachments, lines, buttons, mac"
)
ATTEMPT = "n, step, line, state, started_at, sent_at, deadline, finished_at, outcome, reason, late"


def _of(table: str, columns: str) -> str:
    return ", ".join(f"{table}.{column}" for column in columns.split(", "))


# A row for each of a device's other ways in no order (sorting them costs all who have none), one with NULL where there
# are none.
DEVICE = """
SELECT d.id, d.person, d.channel, d.address, d.keys, d.name, d.platform, d.app, d.state, d.created_at, d.addressed_at,
    d.last_seen_at, r.position, r.channel, r.address
FROM devices d LEFT JOIN reaches r ON r.device = d.id AND r.gone_at IS NULL
"""

# --- messages --------------------------------------------------------------------------------------------------------

INSERT_MESSAGE = """
INSERT INTO messages (id, submission, sender, recipient, person, priority, rank, class, title, text, reference,
    per_line, resend_of, cost_centre, nomodify, attachments, lines, buttons, created_at, send_at, mac, gen, state, plan,
    valid_until, step, tries, crashes, attempt, attempt_state, due_at, deadline, ready, code, delivered_at,
    read_at, held, ndr_due, ndr_at, unsure, final_at)
VALUES (:id, :submission, :sender, :to, :person, :priority, :rank, :class_, :title, :text, :reference,
    :per_line, :resend_of, :cost_centre, :nomodify, :attachments, :lines, :buttons, :created_at, :send_at, :mac, :gen,
    :state, :plan, :valid_until, :step, :tries, :crashes, :attempt, :attempt_state, :due_at, :deadline, :ready, :code,
    :delivered_at, :read_at, :held, :ndr_due, :ndr_at, :unsure, :final_at)
"""
UPDATE_PROGRESS = """
UPDATE messages SET gen = :gen, state = :state, valid_until = :valid_until, step = :step, tries = :tries,
    crashes = :crashes, attempt = :attempt, attempt_state = :attempt_state, due_at = :due_at, deadline = :deadline,
    ready = :ready, code = :code, delivered_at = :delivered_at, read_at = :read_at, held = :held,
    ndr_due = :ndr_due, ndr_at = :ndr_at, unsure = :unsure,
    final_at = coalesce(final_at, :final_at)
WHERE id = :id AND gen = :was
"""
# What of it may be damaged is left out, so that it can be shown.
GIVE_UP_DAMAGED = """
UPDATE messages SET gen = gen + 1, state = 'failed', code = 'damaged', plan = '[]', step = 0, per_line = NULL,
    attachments = NULL, lines = NULL, attempt_state = NULL, due_at = NULL, ready = NULL, held = 0, ndr_due = NULL,
    final_at = coalesce(final_at, due_at, created_at)
WHERE id = :id
"""
UPDATE_SEND_AT = "UPDATE messages SET send_at = :send_at WHERE id = :id"
SELECT_PROGRESS = f"SELECT {PROGRESS} FROM messages WHERE id = :id"
SELECT_MESSAGE = f"SELECT {MESSAGE}, {PROGRESS} FROM messages WHERE id = :id"
SELECT_DUE = f"""
SELECT {PROGRESS} FROM messages WHERE due_at <= :now ORDER BY due_at LIMIT :limit
"""
SELECT_UNDELIVERED = f"""
SELECT {PROGRESS} FROM messages WHERE ndr_due <= :now ORDER BY ndr_due LIMIT :limit
"""
SELECT_NEXT_NDR = "SELECT min(ndr_due) FROM messages WHERE ndr_due IS NOT NULL"
SELECT_HELD = f"SELECT {PROGRESS} FROM messages WHERE held = 1 AND id > :after ORDER BY id LIMIT :limit"
SELECT_NEXT_DUE = "SELECT min(due_at) FROM messages WHERE due_at IS NOT NULL"
SELECT_LAST_DUE = "SELECT max(due_at) FROM messages WHERE due_at IS NOT NULL"
SELECT_DUE_IDS = "SELECT id FROM messages WHERE due_at >= :at ORDER BY due_at LIMIT :limit"
SELECT_READY = f"""
SELECT {MESSAGE}, {PROGRESS} FROM messages WHERE ready = :line ORDER BY rank, id LIMIT :limit
"""
SELECT_NEXT_READY_RANK = "SELECT min(rank) FROM messages WHERE ready = :line AND rank > :after"
SELECT_READY_IDS = "SELECT id FROM messages WHERE ready = :line AND rank = :rank ORDER BY id LIMIT :limit"
SELECT_READY_LINES = "SELECT ready, count(*) FROM messages WHERE ready IS NOT NULL GROUP BY ready"
SELECT_NEXT_READY_LINE = "SELECT min(ready) FROM messages WHERE ready > :after"
SELECT_SENDING = f"SELECT {PROGRESS}, priority FROM messages WHERE state = 'sending'"
COUNT_STATES = "SELECT state, count(*) FROM messages WHERE due_at IS NOT NULL GROUP BY state"
SELECT_OVERDUE = "SELECT count(*) FROM messages WHERE due_at <= :before"
SELECT_ORPHANS = """
SELECT count(*) FROM messages WHERE due_at IS NULL AND state IN ('scheduled', 'queued', 'sending', 'waiting')
"""
SELECT_DEAD = f"""
SELECT {MESSAGE}, {PROGRESS} FROM messages
WHERE state IN ('failed', 'unknown') AND id < :after ORDER BY id DESC LIMIT :limit
"""

# --- attempts, parts, pushes, events ---------------------------------------------------------------------------------

INSERT_ATTEMPT = """
INSERT INTO attempts (message, n, step, line, state, started_at, deadline)
VALUES (:message, :n, :step, :line, :state, :started_at, :deadline)
"""
UPDATE_ATTEMPT = """
UPDATE attempts SET state = coalesce(:state, state), sent_at = coalesce(:sent_at, sent_at),
    finished_at = coalesce(:finished_at, finished_at), outcome = coalesce(:outcome, outcome),
    reason = coalesce(:reason, reason), late = max(late, :late)
WHERE message = :message AND n = :n
"""
SELECT_ATTEMPTS = f"SELECT {ATTEMPT} FROM attempts WHERE message = :message ORDER BY n"
SELECT_ATTEMPT = f"""
SELECT {_of("m", PROGRESS)}, {_of("a", ATTEMPT)} FROM messages m JOIN attempts a ON a.message = m.id
WHERE m.id = :message AND a.n = :n
"""

INSERT_PART = """
INSERT INTO parts (line, provider_id, message, n, part, sent_at)
VALUES (:line, :provider_id, :message, :n, :part, :sent_at)
"""
SELECT_PART = """
SELECT p.message, p.n, p.part, p.state FROM parts p JOIN messages m ON m.id = p.message
WHERE p.line = :line AND p.provider_id = :provider_id AND p.sent_at >= :since
    AND (:to IS NULL OR m.recipient IN (:to, :hidden))
ORDER BY p.sent_at DESC LIMIT 1
"""
UPDATE_PART = "UPDATE parts SET state = :state WHERE message = :message AND n = :n AND part = :part"
SELECT_PART_STATES = "SELECT state FROM parts WHERE message = :message AND n = :n"

UPSERT_PUSH = """
INSERT INTO pushes (message, device, n, channel, state) VALUES (:message, :device, :n, :channel, 'sending')
ON CONFLICT (message, device) DO UPDATE SET n = :n, channel = :channel, reason = NULL,
    state = CASE WHEN state IN ('delivered', 'read') THEN state ELSE 'sending' END
"""
# The device may have confirmed it before its service answered us.
UPDATE_PUSH = """
UPDATE pushes SET channel = :channel, provider_id = :provider_id,
    state = CASE WHEN state IN ('delivered', 'read') THEN state ELSE :state END,
    reason = CASE WHEN state IN ('delivered', 'read') THEN NULL ELSE :reason END
WHERE message = :message AND device = :device
"""
SELECT_PUSHES = "SELECT seq, n, device, channel, state, reason FROM pushes WHERE message = :message ORDER BY seq"
# What a device has read stays read.
MARK_PUSH = """
UPDATE pushes SET state = CASE state WHEN 'read' THEN state ELSE :state END, reason = NULL
WHERE message = :message AND device = :device RETURNING n
"""
SELECT_PUSH_BY_PROVIDER = """
SELECT message, device FROM pushes WHERE channel = :channel AND provider_id = :provider_id ORDER BY seq DESC LIMIT 1
"""
SELECT_LIVE_PUSH = """
SELECT 1 FROM pushes
WHERE message = :message AND state NOT IN ('failed', 'address_gone', 'line_down', 'not_sent') LIMIT 1
"""
SELECT_OPEN_PUSHES = """
SELECT p.message, p.device, p.channel, m.valid_until FROM pushes p JOIN messages m ON m.id = p.message
    JOIN devices d ON d.id = p.device AND d.state = 'active'
WHERE p.message = :message AND p.state = 'sent' AND p.withdrawn = 0
"""
MARK_WITHDRAWN = "UPDATE pushes SET withdrawn = 1 WHERE message = :message AND device = :device"
SELECT_PERHAPS_THERE = """
SELECT device FROM pushes WHERE message = :message AND state NOT IN ('address_gone', 'line_down', 'later', 'not_sent')
"""
# A device that lost the address to another one is not meant.
SELECT_UNREAD = """
SELECT p.message, p.device FROM pushes p JOIN attempts a ON a.message = p.message AND a.n = p.n
WHERE p.device IN (
        SELECT id FROM devices
        WHERE channel = :channel AND address = :address AND (state = 'active' OR gone_at IS NOT NULL)
        UNION SELECT device FROM reaches
        WHERE channel = :channel AND address = :address AND address <> '{}' AND gone_at IS NULL
    )
    AND p.channel = :channel AND p.state IN ('sent', 'delivered') AND a.sent_at <= :at
ORDER BY p.seq
"""
SELECT_INBOX = """
SELECT p.seq, m.id, m.created_at, m.priority, m.title, m.text, m.valid_until, m.recipient, m.person, m.sender,
    m.nomodify, a.line, m.per_line, m.attachments, m.buttons, m.mac
FROM pushes p JOIN messages m ON m.id = p.message JOIN attempts a ON a.message = p.message AND a.n = p.n
WHERE p.device = :device AND p.seq > :after AND m.valid_until > :now
    AND m.state NOT IN ('cancelled', 'expired') AND m.purged = 0
ORDER BY p.seq LIMIT :limit
"""

INSERT_UNMATCHED = """
INSERT INTO receipts (line, provider_id, state, at, recipient, reason, stored_at)
VALUES (:line, :provider_id, :state, :at, :to, :reason, :stored_at)
"""
TAKE_UNMATCHED = """
DELETE FROM receipts WHERE line = :line AND provider_id = :provider_id AND (recipient IS NULL OR recipient = :to)
RETURNING state, at, reason
"""
PURGE_UNMATCHED = "DELETE FROM receipts WHERE stored_at < :before"

INSERT_EVENTS = "INSERT INTO events (message, gen, entries) VALUES (:message, :gen, :entries)"
SELECT_EVENTS = "SELECT entries FROM events WHERE message = :message ORDER BY gen"

SELECT_USAGE = "SELECT used FROM usage WHERE sender = :sender AND span = :span"
COUNT_SENDER = "SELECT count(*) FROM messages WHERE sender = :sender AND id >= :first AND id < :end"
INSERT_USAGE = "INSERT INTO usage (sender, span, used) VALUES (:sender, :span, :used)"
ADD_USAGE = "UPDATE usage SET used = used + :count WHERE sender = :sender AND span = :span"
PURGE_USAGE = "DELETE FROM usage WHERE span < :before"
_RECENT = "FROM messages WHERE recipient = :to AND id >= :first AND id < :end"
_RECENT_NUMBERLESS = """
FROM messages WHERE recipient IS NULL AND person = :person AND id >= :first AND id < :end
"""
_NEWEST = "ORDER BY id DESC LIMIT 1 OFFSET :skip"
SELECT_RECENT = f"SELECT created_at {_RECENT} {_NEWEST}"
SELECT_RECENT_NUMBERLESS = f"SELECT created_at {_RECENT_NUMBERLESS} {_NEWEST}"
COUNT_RECENT = f"SELECT count(*) {_RECENT}"
COUNT_RECENT_NUMBERLESS = f"SELECT count(*) {_RECENT_NUMBERLESS}"

SELECT_IDEMPOTENCY = "SELECT body_hash, answer FROM idempotency WHERE sender = :sender AND key = :key"
INSERT_IDEMPOTENCY = """
INSERT INTO idempotency (sender, key, body_hash, submission, answer, created_at)
VALUES (:sender, :key, :body_hash, :submission, :answer, :created_at)
"""
# A text that its application still fails on keeps the one answer it has.
PURGE_IDEMPOTENCY = """
DELETE FROM idempotency WHERE created_at < :before
    AND key NOT IN (SELECT 'reply-' || seq FROM inbound WHERE due_at IS NOT NULL)
"""

# --- directory -------------------------------------------------------------------------------------------------------

UPSERT_PERSON = """
INSERT INTO persons (id, name, email, language, calendar) VALUES (:id, :name, :email, :language, :calendar)
ON CONFLICT (id) DO UPDATE SET name = :name, email = :email, language = :language, calendar = :calendar
"""
DELETE_PERSON = "DELETE FROM persons WHERE id = :id"
SELECT_PERSON = "SELECT id, name, email, language, calendar FROM persons WHERE id = :id"
SELECT_PERSONS = """
SELECT id, name, email, language, calendar FROM persons WHERE id > :after ORDER BY id LIMIT :limit
"""
SELECT_NUMBERS = "SELECT number FROM numbers WHERE person = :person ORDER BY position"
SELECT_FIRST_NUMBER = "SELECT number FROM numbers WHERE person = :person ORDER BY position LIMIT 1"
SELECT_OWNER = "SELECT person FROM numbers WHERE number = :number"
DELETE_NUMBERS = "DELETE FROM numbers WHERE person = :person"
INSERT_NUMBER = "INSERT INTO numbers (number, person, position) VALUES (:number, :person, :position)"
SELECT_GROUPS_OF = """
WITH RECURSIVE up (id) AS (
    SELECT group_id FROM memberships WHERE person = :person
    UNION SELECT g.parent FROM groups g JOIN up ON g.id = up.id WHERE g.parent IS NOT NULL
) SELECT id FROM up
"""
SELECT_CALENDARS_OF = """
WITH RECURSIVE up (id) AS (
    SELECT group_id FROM memberships WHERE person = :person
    UNION SELECT g.parent FROM groups g JOIN up ON g.id = up.id WHERE g.parent IS NOT NULL
)
SELECT calendar FROM persons WHERE id = :person AND calendar IS NOT NULL
UNION SELECT g.calendar FROM groups g JOIN up ON g.id = up.id WHERE g.calendar IS NOT NULL
ORDER BY calendar
"""
SELECT_DIRECT_GROUPS = "SELECT group_id FROM memberships WHERE person = :person ORDER BY group_id"
SELECT_MEMBERS_BELOW = """
WITH RECURSIVE down (id) AS (
    VALUES (:id) UNION SELECT g.id FROM groups g JOIN down ON g.parent = down.id
) SELECT DISTINCT m.person FROM memberships m JOIN down ON m.group_id = down.id ORDER BY m.person
"""
UPSERT_GROUP = """
INSERT INTO groups (id, name, parent, calendar) VALUES (:id, :name, :parent, :calendar)
ON CONFLICT (id) DO UPDATE SET name = :name, parent = :parent, calendar = :calendar
"""
ENSURE_GROUP = "INSERT INTO groups (id, name) VALUES (:id, '') ON CONFLICT (id) DO NOTHING"
SELECT_GROUP = "SELECT id, name, parent, calendar FROM groups WHERE id = :id"
SELECT_GROUPS = "SELECT id, name, parent, calendar FROM groups WHERE id > :after ORDER BY id LIMIT :limit"
SELECT_MEMBERS = "SELECT person FROM memberships WHERE group_id = :id ORDER BY person"
DELETE_GROUP = "DELETE FROM groups WHERE id = :id"
DELETE_MEMBERS = "DELETE FROM memberships WHERE group_id = :id"
DELETE_MEMBERSHIPS = "DELETE FROM memberships WHERE person = :person"
INSERT_MEMBER = "INSERT INTO memberships (group_id, person) VALUES (:group, :person)"

# --- devices and registrations ---------------------------------------------------------------------------------------

INSERT_DEVICE = """
INSERT INTO devices (id, person, channel, address, keys, name, platform, app, state, created_at, addressed_at)
VALUES (:id, :person, :channel, :address, :keys, :name, :platform, :app, 'active', :created_at, :created_at)
"""
SELECT_ACTIVE_DEVICES = f"{DEVICE} WHERE d.person = :person AND d.state = 'active' ORDER BY d.id"
SELECT_DEVICES = f"{DEVICE} WHERE d.person = :person ORDER BY d.id"
SELECT_DEVICE = f"{DEVICE} WHERE d.id = :id"
SELECT_DEVICE_BY_TOKEN = f"{DEVICE} WHERE d.token_hash = :hash AND d.state <> 'revoked'"
SET_TOKEN = "UPDATE devices SET token_hash = :hash WHERE id = :id"
SEEN = "UPDATE devices SET last_seen_at = :now WHERE id = :id"
REVOKE = """
UPDATE devices SET state = 'revoked', token_hash = NULL, address = '{}', keys = '{}'
WHERE id = :id AND state <> 'revoked'
"""
DELETE_LIVE_REACHES = "DELETE FROM reaches WHERE device = :id AND gone_at IS NULL"
COUNT_GONE = """
SELECT (SELECT count(*) FROM devices WHERE channel = :channel AND gone_at > :since)
    + (SELECT count(*) FROM reaches WHERE channel = :channel AND gone_at > :since)
"""
COUNT_ACTIVE = """
SELECT count(*) FROM (
    SELECT 1 FROM devices WHERE channel = :channel AND state = 'active'
    UNION ALL SELECT 1 FROM reaches WHERE channel = :channel AND gone_at IS NULL AND address <> '{}' LIMIT :enough
) AS some
"""
SELECT_HOLD = "SELECT held_at, resumed_at FROM channels WHERE name = :channel"
HOLD_CHANNEL = """
INSERT INTO channels (name, held_at) VALUES (:channel, :now) ON CONFLICT (name) DO UPDATE SET held_at = :now
"""
RESUME_CHANNEL = "UPDATE channels SET held_at = NULL, resumed_at = :now WHERE name = :channel AND held_at > :since"
SELECT_WRITER = "SELECT person FROM devices WHERE id = :id"
UPDATE_DEVICE = """
UPDATE devices SET channel = :channel, address = :address, keys = :keys, name = :name, state = 'active',
    gone_at = NULL, addressed_at = :now
WHERE id = :id AND state <> 'revoked'
"""

INSERT_REGISTRATION = """
INSERT INTO registrations (id, secret_hash, selector, verifier, channel, address, keys, name, platform, app, others,
    remote, person, state, created_at, expires_at)
VALUES (:id, :secret_hash, :selector, :verifier, :channel, :address, :keys, :name, :platform, :app, :others, :remote,
    :person, 'pending', :created_at, :expires_at)
"""
SELECT_REGISTRATION = """
SELECT id, state, device, expires_at FROM registrations WHERE id = :id AND secret_hash = :secret_hash
"""
SELECT_PENDING = """
SELECT id, verifier, tries, person, channel, address, keys, name, platform, app, others FROM registrations
WHERE selector = :selector AND state = 'pending' AND expires_at > :now ORDER BY id
"""
COMPLETE_REGISTRATION = """
UPDATE registrations SET state = 'active', device = :device, verifier = ''
WHERE id = :id AND state = 'pending' AND expires_at > :now
"""
TOKEN_SHOWN = "UPDATE registrations SET state = 'done', secret_hash = '' WHERE id = :id AND state = 'active'"
COUNT_TRY = "UPDATE registrations SET tries = tries + 1 WHERE id = :id"
REFUSE_REGISTRATION = "UPDATE registrations SET state = 'refused', verifier = '' WHERE id = :id"
EXPIRE_REGISTRATIONS = """
UPDATE registrations SET state = 'expired', verifier = '' WHERE state = 'pending' AND expires_at <= :now
"""
INSERT_WRONG_TRY = "INSERT INTO wrong_tries (at, sender_hash) VALUES (:at, :sender_hash)"
COUNT_WRONG_TRIES = "SELECT count(*), coalesce(sum(sender_hash = :sender_hash), 0) FROM wrong_tries WHERE at > :since"
PURGE_WRONG_TRIES = "DELETE FROM wrong_tries WHERE at < :before"

# --- keys, lines, audit, meta ----------------------------------------------------------------------------------------

SELECT_KEYS = """
SELECT id, name, rights, top_priority, lines, rate, created_at, expires_at, hash FROM keys ORDER BY id
"""
INSERT_KEY = """
INSERT INTO keys (id, name, hash, rights, top_priority, lines, rate, created_at, expires_at)
VALUES (:id, :name, :hash, :rights, :top_priority, :lines, :rate, :created_at, :expires_at)
"""
DELETE_KEY = "DELETE FROM keys WHERE id = :id"

SELECT_LINES = "SELECT name, paused, day, sent, resumed FROM lines"
SET_PAUSED = """
INSERT INTO lines (name, paused) VALUES (:name, :paused) ON CONFLICT (name) DO UPDATE SET paused = :paused
"""
COUNT_SENT = """
INSERT INTO lines (name, day, sent) VALUES (:name, :day, :sent)
ON CONFLICT (name) DO UPDATE SET sent = CASE WHEN day = :day THEN sent + :sent ELSE :sent END,
    resumed = CASE WHEN day = :day THEN resumed ELSE 0 END, day = :day
RETURNING sent
"""
RESUME_LIMIT = "UPDATE lines SET resumed = 1 WHERE name = :name"

SELECT_META = "SELECT value FROM meta WHERE name = :name"
DELETE_META = "DELETE FROM meta WHERE name = :name"
SET_META = """
INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT (name) DO UPDATE SET value = :value
"""

# SQLite's own table of the numbers it gave last.
SKIP_SEQUENCE = "UPDATE sqlite_sequence SET seq = seq + :ahead WHERE name = :name"
BEGIN_SEQUENCE = "INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :ahead)"
