"""Opening the database: one daemon a file, never a newer file, a copy before an upgrade, a check at each start."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlite_utils import Database

from datasms_daemon.errors import StoreError
from datasms_daemon.store.schema import MIGRATIONS, migrations
from datasms_daemon.store.writer import Db

# Until this version two connections that checkpoint and write at once could damage a WAL file; ours has one writer,
# the only one to checkpoint, which is why an older library is reported and not refused.
SAFE_WAL = (3, 51, 3)
NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "fuse.sshfs", "glusterfs", "afs"}
)
CACHE_KIB = 16 * 1024
AUDIT_KEY = "audit.key"
AUDIT_KEY_BYTES = 32


class Lock:
    """Held for as long as a process may write the file; the kernel lets go when the process dies (I30)."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".lock")
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._fd)
            raise StoreError(f"{database} is in use by process {holder}; stop it first") from error
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Lets another process have the file."""
        os.close(self._fd)


def audit_key(database: Path) -> bytes:
    """The key that seals the audit log, made when it is first asked for; it lies beside the database, not in it."""
    path = database.with_name(AUDIT_KEY)
    if not path.exists():
        new = path.with_name(f"{AUDIT_KEY}.new")
        with os.fdopen(os.open(new, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
            file.write(os.urandom(AUDIT_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    return path.read_bytes()


def writer_connection(path: Path) -> Db:
    """The one connection that writes and checkpoints; may be used from one other thread than this."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=Db, cached_statements=256)
    connection.audit_key = audit_key(path)
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",
        "trusted_schema=OFF",
        "cell_size_check=ON",
        "busy_timeout=5000",
        "wal_autocheckpoint=1000",
        "journal_size_limit=67108864",
        f"cache_size=-{CACHE_KIB}",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")
    _read_back(connection)
    return connection


def reader_connection(path: Path) -> Db:
    """A connection that cannot write and never checkpoints."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=Db)
    for pragma in ("query_only=ON", "trusted_schema=OFF", "busy_timeout=5000", "wal_autocheckpoint=0"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def log_bytes(path: Path) -> int:
    """How large the log of writes of a database is."""
    log = path.with_name(f"{path.name}-wal")
    return log.stat().st_size if log.exists() else 0


def prepare(path: Path, *, keep_former: bool = True) -> None:
    """Makes ``path`` a present-day database: creates it, or upgrades it and leaves its former content beside it, and
    checks it.

    StoreError when the file is newer than this program, damaged, or on a file system that cannot lock.
    """
    _refuse_network(path.parent)
    is_new = not path.exists()
    if is_new:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            _check(connection, path)
            _upgrade(Database(connection), path, is_new=is_new, keep_former=keep_former)
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{path} is no usable database: {error}") from error


def is_present(connection: sqlite3.Connection) -> bool:
    """Whether a database has the tables of now; only the start of a daemon upgrades it."""
    return not migrations.pending(Database(connection))


def old_sqlite() -> str | None:
    """A word for the operator when the SQLite library is older than one should have; None when it is not."""
    if sqlite3.sqlite_version_info >= SAFE_WAL:
        return None
    wanted = ".".join(map(str, SAFE_WAL))
    return f"SQLite {sqlite3.sqlite_version} has a known fault with several writers (we have one); prefer {wanted}"


def _upgrade(database: Database, path: Path, *, is_new: bool, keep_former: bool) -> None:
    declared = [migration.__name__ for migration in MIGRATIONS]
    applied = {migration.name for migration in migrations.applied(database)}
    if newer := sorted(applied.difference(declared)):
        raise StoreError(f"{path} was written by a newer datasms ({', '.join(newer)}); install that version")
    if not applied and not is_new and database.table_names():
        raise StoreError(f"{path} holds the tables of another program; name another file in [store] url")
    if applied.issuperset(declared):
        return
    if applied and keep_former:
        backup(database.conn, path.with_name(f"{path.name}.before-{declared[-1]}"))
    database.execute("PRAGMA journal_mode=WAL")
    migrations.apply(database)


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Damage is found before anything is sent because of it (I28)."""
    verdict = [row[0] for row in connection.execute("PRAGMA quick_check(3)")]
    if verdict != ["ok"]:
        raise StoreError(f"{path} is damaged ({'; '.join(verdict)}); restore a backup with 'datasms restore'")


def _refuse_network(directory: Path) -> None:
    """A lock on a network file system holds nobody back."""
    best, kind = Path("/"), ""
    for entry in Path("/proc/self/mounts").read_text("utf-8").splitlines():
        _, where, type_, *_ = entry.split()
        mount = Path(where.encode().decode("unicode_escape"))
        if directory.resolve().is_relative_to(mount) and len(mount.parts) >= len(best.parts):
            best, kind = mount, type_
    if kind in NETWORK_FILE_SYSTEMS:
        raise StoreError(f"{directory} is on {kind}; the database needs a local disk")


def _read_back(connection: sqlite3.Connection) -> None:
    """A pragma that was not taken makes a promise that is not kept."""
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}
    for pragma, value in wanted.items():
        found = connection.execute(f"PRAGMA {pragma}").fetchone()[0]
        if found != value:
            raise StoreError(f"SQLite {sqlite3.sqlite_version} does not take {pragma}={value}; it says {found}")


def backup(source: sqlite3.Connection, target: Path) -> None:
    """A complete copy, made while others may write; replaces ``target`` only when it is whole."""
    partial = target.with_name(target.name + ".partial")
    partial.unlink(missing_ok=True)
    os.close(os.open(partial, os.O_CREAT | os.O_RDWR, 0o600))
    copy = sqlite3.connect(partial)
    try:
        source.backup(copy)
    finally:
        copy.close()
    with partial.open("rb") as written:
        os.fsync(written.fileno())
    partial.replace(target)
