"""State in SQLite: a file that survives a kill, or memory.

The server is one process with one thread that writes, so a request's transaction runs from its
first statement to its commit with nothing in between. WAL without a sync per commit: what was
committed survives the death of the process, and a power cut costs the last moments.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, created INTEGER NOT NULL,
    customer TEXT, payment_intent TEXT, charge TEXT, payment_method TEXT, setup_intent TEXT, email TEXT,
    source TEXT, type TEXT, currency TEXT, available_on INTEGER, net INTEGER,
    body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS objects_list ON objects (kind, created, seq);
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL, created INTEGER NOT NULL,
    kind TEXT NOT NULL, body BLOB NOT NULL, previous BLOB, request TEXT, idempotency_key TEXT
);
CREATE INDEX IF NOT EXISTS events_list ON events (created, seq);
CREATE INDEX IF NOT EXISTS events_by_type ON events (type, created, seq);
CREATE TABLE IF NOT EXISTS replies (
    key TEXT PRIMARY KEY, path TEXT NOT NULL, fingerprint BLOB NOT NULL, created INTEGER NOT NULL,
    status INTEGER NOT NULL, body BLOB NOT NULL, request TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS replies_by_age ON replies (created);
CREATE TABLE IF NOT EXISTS jobs (seq INTEGER PRIMARY KEY, due INTEGER NOT NULL, name TEXT NOT NULL, object TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS jobs_due ON jobs (due, seq);
CREATE TABLE IF NOT EXISTS deliveries (
    seq INTEGER PRIMARY KEY, event INTEGER NOT NULL, endpoint TEXT NOT NULL, state TEXT NOT NULL,
    due REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (due, seq) WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS deliveries_held ON deliveries (seq) WHERE state = 'held';
CREATE INDEX IF NOT EXISTS deliveries_by_event ON deliveries (event);
CREATE TABLE IF NOT EXISTS balances (currency TEXT PRIMARY KEY, net INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""

FILTERS = {
    "customer": ("email",),
    "payment_method": ("customer",),
    "setup_intent": ("customer", "payment_method"),
    "setup_attempt": ("setup_intent",),
    "payment_intent": ("customer",),
    "charge": ("customer", "payment_intent"),
    "refund": ("charge", "payment_intent"),
    "dispute": ("charge", "payment_intent"),
    "radar.early_fraud_warning": ("charge", "payment_intent"),
    "balance_transaction": ("source", "type", "currency", "available_on", "net"),
    "webhook_endpoint": (),
}
"""Fields of each kind that have a column."""

LISTED_BY = (
    "customer", "payment_intent", "charge", "payment_method", "setup_intent", "email", "source", "type", "currency"
)  # fmt: skip
"""Columns that lists filter by, each with an index over the objects that fill it."""

COLUMNS = (*LISTED_BY, "available_on", "net")

_SCHEMA += (
    "CREATE INDEX IF NOT EXISTS money_pending ON objects (available_on) WHERE available_on IS NOT NULL;\n"
    + "".join(
        f"CREATE INDEX IF NOT EXISTS objects_by_{name} ON objects (kind, {name}, created, seq) WHERE {name} IS NOT NULL;\n"
        for name in LISTED_BY
    )
)

TABLES = ("objects", "events", "replies", "jobs", "deliveries", "balances", "settings")

VERSION = 1
"""Of the schema. A file of another version is refused rather than misread."""


class StateUnusable(Exception):
    """The state file cannot be used; the message says why and what to do."""


class Store:
    """One connection, which this process alone holds."""

    def __init__(self, path: str) -> None:
        self.connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, cached_statements=256, timeout=1
        )
        run = self.connection.execute
        try:
            # A second server on the same file fails here, at its start.
            run("PRAGMA locking_mode = EXCLUSIVE")
            run("PRAGMA journal_mode = WAL")
            run("PRAGMA synchronous = NORMAL")
            run("PRAGMA cache_size = -65536")
            run("PRAGMA wal_autocheckpoint = 4000")
            found = run("PRAGMA user_version").fetchone()[0]
            if found not in {0, VERSION}:
                raise StateUnusable(
                    f"{path} was written by version {found} of the stand-in: delete it, or use another."
                )
            self.connection.executescript(_SCHEMA)
            run(f"PRAGMA user_version = {VERSION}")
        except sqlite3.Error as error:
            self.connection.close()
            raise StateUnusable(f"{path} cannot be used ({error}): is another stand-in running on it?") from error

    def close(self) -> None:
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what happens inside, or nothing of it."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")

    def rows(self, statement: str, *values: Any) -> list[Any]:
        return self.connection.execute(statement, values).fetchall()

    def row(self, statement: str, *values: Any) -> Any:
        return self.connection.execute(statement, values).fetchone()

    def run(self, statement: str, *values: Any) -> int:
        """Execute a statement; answers the number of the row it inserted."""
        return self.connection.execute(statement, values).lastrowid or 0

    def clear(self) -> None:
        """Forget everything."""
        with self.transaction():
            for table in TABLES:
                self.run(f"DELETE FROM {table}")  # noqa: S608 - our own constants

    def setting(self, name: str) -> str | None:
        found = self.row("SELECT value FROM settings WHERE name = ?", name)
        return str(found[0]) if found else None

    def set_setting(self, name: str, value: str | None) -> None:
        if value is None:
            self.run("DELETE FROM settings WHERE name = ?", name)
        else:
            self.run("INSERT OR REPLACE INTO settings VALUES (?, ?)", name, value)
