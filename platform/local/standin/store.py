"""The stand-in's state in SQLite: one table of objects, their events' deliveries, idempotency keys, a to-do list.

Every request runs in one transaction, so that an object, its events and the stored answer of its
idempotency key are there together or not at all.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson

Object = dict[str, Any]

SCHEMA = """
CREATE TABLE IF NOT EXISTS object (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, customer TEXT, parent TEXT,
    created INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS object_kind ON object (kind, seq);
CREATE INDEX IF NOT EXISTS object_customer ON object (kind, customer, seq) WHERE customer IS NOT NULL;
CREATE INDEX IF NOT EXISTS object_parent ON object (kind, parent, seq) WHERE parent IS NOT NULL;
CREATE TABLE IF NOT EXISTS idempotency (
    key TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL, at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS delivery (
    id INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, endpoint TEXT NOT NULL,
    due REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (due);
CREATE TABLE IF NOT EXISTS todo (id INTEGER PRIMARY KEY AUTOINCREMENT, due INTEGER NOT NULL, what TEXT NOT NULL, object TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class Store:
    """The database; used by one thread."""

    def __init__(self, path: str) -> None:
        self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what is done inside, or nothing of it."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    # ------------------------------------------------ objects

    def add(self, body: Object, *, parent: str | None = None) -> Object:
        """Insert an object; `parent` is what it is listed under beside its customer."""
        self.db.execute(
            "INSERT INTO object (id, kind, customer, parent, created, body) VALUES (?, ?, ?, ?, ?, ?)",
            (
                body["id"],
                body["object"],
                body.get("customer"),
                parent,
                body.get("created", 0),
                orjson.dumps(body).decode(),
            ),
        )
        return body

    def save(self, body: Object) -> Object:
        """Update an object."""
        self.db.execute(
            "UPDATE object SET body = ?, customer = ? WHERE id = ?",
            (orjson.dumps(body).decode(), body.get("customer"), body["id"]),
        )
        return body

    def remove(self, object_id: str) -> None:
        """Delete an object."""
        self.db.execute("DELETE FROM object WHERE id = ?", (object_id,))

    def find(self, kind: str, object_id: str) -> Object | None:
        """Answer an object, if it exists and is of this kind."""
        row = self.db.execute("SELECT body FROM object WHERE id = ? AND kind = ?", (object_id, kind)).fetchone()
        return orjson.loads(row[0]) if row else None

    def page(
        self,
        kind: str,
        *,
        limit: int,
        customer: str | None = None,
        parent: str | None = None,
        created: dict[str, int] | None = None,
        types: list[str] | None = None,
        after: str | None = None,
        before: str | None = None,
    ) -> tuple[list[Object], bool]:
        """Answer a page, newest first, and whether there is more beyond it."""
        clauses, values = ["kind = ?"], [kind]
        arguments: list[Any] = values
        if customer is not None:
            clauses.append("customer = ?")
            arguments.append(customer)
        if parent is not None:
            clauses.append("parent = ?")
            arguments.append(parent)
        for operator, instant in (created or {}).items():
            clauses.append(f"created {operator} ?")
            arguments.append(instant)
        if types:
            clauses.append(f"json_extract(body, '$.type') IN ({','.join('?' * len(types))})")
            arguments += types
        order = "DESC"
        if after is not None:
            clauses.append("seq < (SELECT seq FROM object WHERE id = ?)")
            arguments.append(after)
        elif before is not None:
            clauses.append("seq > (SELECT seq FROM object WHERE id = ?)")
            arguments.append(before)
            order = "ASC"
        query = f"SELECT body FROM object WHERE {' AND '.join(clauses)} ORDER BY seq {order} LIMIT ?"  # noqa: S608 - clauses are ours, values are bound
        rows = [orjson.loads(row[0]) for row in self.db.execute(query, [*arguments, limit + 1])]
        page, more = rows[:limit], len(rows) > limit
        return (page[::-1] if before is not None else page), more

    def everything(self, kind: str) -> Iterator[Object]:
        """Answer all objects of a kind, oldest first."""
        for row in self.db.execute("SELECT body FROM object WHERE kind = ? ORDER BY seq", (kind,)):
            yield orjson.loads(row[0])

    # ------------------------------------------------ notes

    def note(self, name: str) -> str | None:
        """Answer a remembered value."""
        row = self.db.execute("SELECT value FROM note WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def write_note(self, name: str, value: str | None) -> None:
        """Remember a value, or forget it."""
        if value is None:
            self.db.execute("DELETE FROM note WHERE name = ?", (name,))
        else:
            self.db.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (name, value))

    def reset(self) -> None:
        """Forget everything."""
        with self.transaction():
            for table in ("object", "idempotency", "delivery", "todo", "note"):
                self.db.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names
