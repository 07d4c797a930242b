"""The tables, and how an older file becomes a present one.

Ids are UUIDv7 text (time-ordered), times integer ms UTC. ``messages`` holds in one row what was accepted and where it
stands; ``due_at`` is when the timer must look at it, ``ready`` the line whose room it waits for (docs/adr/0002).
``seq`` of pushes and of texts from outside are cursors and names: one is never given twice, whatever is deleted.
"""

from __future__ import annotations

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations


def m001_first(db: Database) -> None:
    """The first release."""
    for statement in FIRST.split(";\n"):
        if statement.strip():
            db.execute(statement)


FIRST = """
CREATE TABLE messages (
    id TEXT PRIMARY KEY,
    submission TEXT NOT NULL,
    sender TEXT NOT NULL,
    recipient TEXT,
    person TEXT,
    priority TEXT NOT NULL,
    rank INTEGER NOT NULL,
    class TEXT,
    title TEXT,
    text TEXT NOT NULL,
    reference TEXT,
    per_line TEXT,
    resend_of TEXT,
    cost_centre TEXT,
    nomodify INTEGER NOT NULL DEFAULT 0,
    attachments TEXT,
    lines TEXT,
    created_at INTEGER NOT NULL,
    send_at INTEGER,
    mac BLOB NOT NULL,
    gen INTEGER NOT NULL,
    state TEXT NOT NULL,
    plan TEXT NOT NULL,
    valid_until INTEGER NOT NULL,
    step INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    attempt_state TEXT,
    due_at INTEGER,
    deadline INTEGER,
    ready TEXT,
    code TEXT,
    delivered_at INTEGER,
    read_at INTEGER,
    held INTEGER NOT NULL,
    ndr_due INTEGER,
    ndr_at INTEGER,
    unsure INTEGER NOT NULL,
    final_at INTEGER,
    purged INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX messages_due ON messages (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX messages_ready ON messages (ready, rank, id) WHERE ready IS NOT NULL;
CREATE INDEX messages_ndr ON messages (ndr_due) WHERE ndr_due IS NOT NULL;
CREATE INDEX messages_held ON messages (id) WHERE held = 1;
CREATE INDEX messages_sending ON messages (id) WHERE state = 'sending';
CREATE INDEX messages_orphans ON messages (id)
    WHERE due_at IS NULL AND state IN ('scheduled', 'queued', 'sending', 'waiting');
CREATE INDEX messages_sender ON messages (sender, id);
CREATE INDEX messages_recipient ON messages (recipient, id);
CREATE INDEX messages_person ON messages (person, id) WHERE person IS NOT NULL;
CREATE INDEX messages_numberless ON messages (person, id) WHERE recipient IS NULL;
CREATE INDEX messages_reference ON messages (reference, id) WHERE reference IS NOT NULL;
CREATE INDEX messages_dead ON messages (id) WHERE state IN ('failed', 'unknown');
CREATE INDEX messages_kept ON messages (purged, sender, coalesce(class, ''), final_at)
    WHERE final_at IS NOT NULL AND purged < 2;

CREATE TABLE attachments (
    id TEXT PRIMARY KEY,
    sender TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX attachments_sender ON attachments (sender, size);
CREATE INDEX attachments_expiry ON attachments (expires_at);
CREATE TABLE attached (
    message TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    attachment TEXT NOT NULL REFERENCES attachments (id) ON DELETE CASCADE,
    PRIMARY KEY (message, attachment)
) STRICT, WITHOUT ROWID;
CREATE INDEX attached_attachment ON attached (attachment);

CREATE TABLE attempts (
    message TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    n INTEGER NOT NULL,
    step INTEGER NOT NULL,
    line TEXT NOT NULL,
    state TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    sent_at INTEGER,
    deadline INTEGER,
    finished_at INTEGER,
    outcome TEXT,
    reason TEXT,
    late INTEGER NOT NULL DEFAULT 0,
    operator TEXT,
    parts INTEGER,
    cost INTEGER,
    spares TEXT,
    PRIMARY KEY (message, n)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX attempts_active ON attempts (message) WHERE finished_at IS NULL;

CREATE TABLE parts (
    line TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    message TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    n INTEGER NOT NULL,
    part INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'sent',
    sent_at INTEGER NOT NULL,
    PRIMARY KEY (message, n, part)
) STRICT, WITHOUT ROWID;
CREATE INDEX parts_provider ON parts (line, provider_id);

CREATE TABLE pushes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    message TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    device TEXT NOT NULL,
    n INTEGER NOT NULL,
    channel TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT,
    provider_id TEXT,
    withdrawn INTEGER NOT NULL DEFAULT 0,
    UNIQUE (message, device)
) STRICT;
CREATE INDEX pushes_inbox ON pushes (device, seq);
CREATE INDEX pushes_provider ON pushes (channel, provider_id) WHERE provider_id IS NOT NULL;

CREATE TABLE receipts (
    line TEXT NOT NULL,
    provider_id TEXT NOT NULL,
    state TEXT NOT NULL,
    at INTEGER NOT NULL,
    recipient TEXT,
    reason TEXT,
    stored_at INTEGER NOT NULL
) STRICT;
CREATE INDEX receipts_provider ON receipts (line, provider_id);

CREATE TABLE events (
    message TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    gen INTEGER NOT NULL,
    entries TEXT NOT NULL,
    PRIMARY KEY (message, gen)
) STRICT, WITHOUT ROWID;

CREATE TABLE usage (
    sender TEXT NOT NULL,
    span TEXT NOT NULL,
    used INTEGER NOT NULL,
    PRIMARY KEY (sender, span)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    sender TEXT NOT NULL,
    key TEXT NOT NULL,
    body_hash TEXT NOT NULL,
    submission TEXT NOT NULL,
    answer TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (sender, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_age ON idempotency (created_at);

CREATE TABLE persons (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    email TEXT,
    language TEXT,
    calendar TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE numbers (
    number TEXT PRIMARY KEY,
    person TEXT NOT NULL REFERENCES persons (id) ON DELETE CASCADE,
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX numbers_person ON numbers (person, position);
CREATE TABLE groups (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    parent TEXT,
    calendar TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE memberships (
    group_id TEXT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    person TEXT NOT NULL REFERENCES persons (id) ON DELETE CASCADE,
    PRIMARY KEY (group_id, person)
) STRICT, WITHOUT ROWID;
CREATE INDEX memberships_person ON memberships (person, group_id);

CREATE TABLE devices (
    id TEXT PRIMARY KEY,
    person TEXT NOT NULL REFERENCES persons (id) ON DELETE CASCADE,
    channel TEXT NOT NULL,
    address TEXT NOT NULL,
    keys TEXT NOT NULL,
    name TEXT NOT NULL,
    platform TEXT NOT NULL,
    app TEXT NOT NULL,
    state TEXT NOT NULL,
    token_hash TEXT UNIQUE,
    created_at INTEGER NOT NULL,
    addressed_at INTEGER NOT NULL,
    last_seen_at INTEGER,
    gone_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX devices_person ON devices (person);
CREATE INDEX devices_channel ON devices (channel, state);
CREATE INDEX devices_gone ON devices (channel, gone_at) WHERE gone_at IS NOT NULL;
CREATE UNIQUE INDEX devices_address ON devices (channel, address) WHERE state = 'active' AND address <> '{}';
CREATE TABLE reaches (
    device TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    channel TEXT NOT NULL,
    address TEXT NOT NULL,
    gone_at INTEGER,
    PRIMARY KEY (device, position)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX reaches_address ON reaches (channel, address) WHERE gone_at IS NULL AND address <> '{}';
CREATE INDEX reaches_gone ON reaches (channel, gone_at) WHERE gone_at IS NOT NULL;

CREATE TABLE registrations (
    id TEXT PRIMARY KEY,
    secret_hash TEXT NOT NULL,
    selector TEXT NOT NULL,
    verifier TEXT NOT NULL,
    channel TEXT NOT NULL,
    address TEXT NOT NULL,
    keys TEXT NOT NULL,
    name TEXT NOT NULL,
    platform TEXT NOT NULL,
    app TEXT NOT NULL,
    others TEXT NOT NULL,
    remote TEXT NOT NULL,
    person TEXT REFERENCES persons (id) ON DELETE CASCADE,
    state TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    device TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX registrations_selector ON registrations (selector) WHERE state = 'pending';
CREATE INDEX registrations_expiry ON registrations (expires_at) WHERE state = 'pending';

CREATE TABLE wrong_tries (
    at INTEGER NOT NULL,
    sender_hash TEXT NOT NULL
) STRICT;
CREATE INDEX wrong_tries_at ON wrong_tries (at);

CREATE TABLE keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    rights TEXT NOT NULL,
    top_priority TEXT,
    lines TEXT,
    rate INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE lines (
    name TEXT PRIMARY KEY,
    paused INTEGER NOT NULL DEFAULT 0,
    day TEXT,
    sent INTEGER NOT NULL DEFAULT 0,
    resumed INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE channels (
    name TEXT PRIMARY KEY,
    held_at INTEGER,
    resumed_at INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE inbound (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    line TEXT NOT NULL,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    text TEXT,
    at INTEGER NOT NULL,
    key TEXT NOT NULL,
    n INTEGER NOT NULL,
    target TEXT,
    why TEXT NOT NULL,
    passed TEXT,
    priority TEXT,
    person TEXT,
    address TEXT,
    incomplete INTEGER NOT NULL,
    due_at INTEGER,
    tries INTEGER NOT NULL DEFAULT 0,
    effect TEXT,
    reason TEXT,
    died_at INTEGER,
    UNIQUE (line, key, n)
) STRICT;
CREATE INDEX inbound_target ON inbound (target, seq);
CREATE INDEX inbound_due ON inbound (target, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX inbound_dead ON inbound (seq) WHERE died_at IS NOT NULL;

CREATE TABLE stopped_webhooks (
    name TEXT PRIMARY KEY,
    url_hash TEXT NOT NULL,
    stopped_at INTEGER NOT NULL,
    reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE inbound_parts (
    line TEXT NOT NULL,
    key TEXT NOT NULL,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    reference INTEGER NOT NULL,
    total INTEGER NOT NULL,
    number INTEGER NOT NULL,
    alphabet TEXT NOT NULL,
    coding INTEGER NOT NULL,
    octets BLOB NOT NULL,
    at INTEGER NOT NULL,
    whole TEXT NOT NULL,
    closed INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER,
    PRIMARY KEY (line, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX inbound_parts_open ON inbound_parts (line, sender, reference) WHERE closed = 0;
CREATE INDEX inbound_parts_whole ON inbound_parts (line, whole);
CREATE INDEX inbound_parts_due ON inbound_parts (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE application_messages (
    message TEXT PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
    application TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX application_messages_of ON application_messages (application);

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    object TEXT NOT NULL,
    seal BLOB NOT NULL
) STRICT;
CREATE INDEX audit_object ON audit (object, seq);
CREATE TABLE audit_marks (
    name TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    seal BLOB NOT NULL,
    proof BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE erasures (
    hash TEXT PRIMARY KEY,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID
"""


def m002_buttons(db: Database) -> None:
    """What can be pressed below a text, as JSON."""
    db.execute("ALTER TABLE messages ADD COLUMN buttons TEXT")


MIGRATIONS = (m001_first, m002_buttons)
"""Every change of the schema, oldest first; one that was ever released is never changed again."""

migrations = Migrations("datasms")
for _migration in MIGRATIONS:
    migrations()(_migration)
