"""The stand-in's state in SQLite: one table of objects, their events' deliveries, idempotency keys, a to-do list.

Every request runs in one transaction, so that an object, its events and the stored answer of its
idempotency key are there together or not at all.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import orjson

Object = dict[str, Any]

VERSION = 2
"""Of the tables below."""

# Lists are newest first: by creation time, then by insertion. Each index answers one kind of list.
SCHEMA = """
CREATE TABLE IF NOT EXISTS object (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, customer TEXT, parent TEXT,
    created INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS object_kind ON object (kind, created, seq);
CREATE INDEX IF NOT EXISTS object_customer ON object (kind, customer, created, seq) WHERE customer IS NOT NULL;
CREATE INDEX IF NOT EXISTS object_parent ON object (kind, parent, created, seq) WHERE parent IS NOT NULL;
CREATE TABLE IF NOT EXISTS hidden (
    object TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (object, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS balance (currency TEXT PRIMARY KEY, net INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS idempotency (
    key TEXT PRIMARY KEY, route TEXT NOT NULL, fingerprint TEXT NOT NULL,
    status INTEGER NOT NULL, body BLOB NOT NULL, at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS delivery (
    id INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, endpoint TEXT NOT NULL,
    due REAL, attempts INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (due) WHERE due IS NOT NULL;
CREATE INDEX IF NOT EXISTS delivery_event ON delivery (event);
CREATE TABLE IF NOT EXISTS todo (id INTEGER PRIMARY KEY AUTOINCREMENT, what TEXT NOT NULL, object TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

TABLES = ("object", "hidden", "balance", "idempotency", "delivery", "todo", "note")


class OtherVersion(Exception):
    """The file was written with other tables than these."""


class Store:
    """The database; used by one thread."""

    def __init__(self, path: str) -> None:
        self.db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -32000;")
        used = self._value("SELECT count(*) FROM sqlite_schema")
        if used and self._value("PRAGMA user_version") != VERSION:
            raise OtherVersion(f"{path} was written by another version of the stand-in; delete it to begin anew.")
        self.db.executescript(f"PRAGMA user_version = {VERSION};" + SCHEMA)

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
            (body["id"], body["object"], body.get("customer"), parent, body["created"], orjson.dumps(body).decode()),
        )
        return body

    def save(self, body: Object, *, kind: str | None = None, parent: str | None = None) -> Object:
        """Update an object; `kind` and `parent` stay unless given."""
        self.db.execute(
            "UPDATE object SET body = ?, customer = ?, kind = coalesce(?, kind), parent = coalesce(?, parent) WHERE id = ?",
            (orjson.dumps(body).decode(), body.get("customer"), kind, parent, body["id"]),
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
        parents: Sequence[str] = (),
        created: Mapping[str, int] | None = None,
        members: Mapping[str, Any] | None = None,
        delivered: bool | None = None,
        after: str | None = None,
        before: str | None = None,
    ) -> tuple[list[Object], bool]:
        """Answer a page, newest first, and whether there is more beyond it.

        `parents` may end in `*`; `members` filters by what is in the body; `delivered` by whether all
        webhooks of an event have arrived.
        """
        clauses, values = ["kind = ?"], [kind]
        if customer is not None:
            clauses.append("customer = ?")
            values.append(customer)
        for operator, instant in (created or {}).items():
            clauses.append(f"created {operator} ?")
            values.append(str(instant))
        for name, member in (members or {}).items():
            clauses.append(f"json_extract(body, '$.{name}') = ?")
            values.append(member)
        if delivered is not None:
            undelivered = "EXISTS (SELECT 1 FROM delivery WHERE event = object.id)"
            clauses.append("NOT " + undelivered if delivered else undelivered)
        if cursor := after or before:
            than = "(SELECT created, seq FROM object WHERE id = ?)"
            clauses.append("(created, seq) < " + than if after else "(created, seq) > " + than)
            values.append(cursor)
        order = "ASC" if before and not after else "DESC"
        rows = self._newest(clauses, values, parents, f"created {order}, seq {order}", limit + 1)
        page, more = rows[:limit], len(rows) > limit
        return (page[::-1] if order == "ASC" else page), more

    def _newest(
        self, clauses: list[str], values: list[str], parents: Sequence[str], order: str, limit: int
    ) -> list[Object]:
        """Read each parent's first rows from its index and merge them: no sort grows with the table."""
        parts, arguments = [], []
        for parent in parents or (None,):
            under = [] if parent is None else ["parent GLOB ?" if "*" in parent else "parent = ?"]
            where = " AND ".join([*clauses, *under])
            parts.append(
                f"SELECT * FROM (SELECT created, seq, body FROM object WHERE {where} ORDER BY {order} LIMIT ?)"  # noqa: S608 - clauses are ours, values are bound
            )
            arguments += [*values, *([] if parent is None else [parent]), limit]
        query = f"{' UNION ALL '.join(parts)} ORDER BY {order} LIMIT ?"
        return [orjson.loads(row[2]) for row in self.db.execute(query, [*arguments, limit])]

    def everything(self, kind: str, *, customer: str | None = None) -> list[Object]:
        """Answer all objects of a kind, or a customer's, oldest first."""
        rows = (
            self.db.execute("SELECT body FROM object WHERE kind = ? ORDER BY created, seq", (kind,))
            if customer is None
            else self.db.execute(
                "SELECT body FROM object WHERE kind = ? AND customer = ? ORDER BY created, seq", (kind, customer)
            )
        )
        return [orjson.loads(row[0]) for row in rows]

    # ------------------------------------------------ what objects do not show

    def hide(self, object_id: str, name: str, value: str = "yes") -> None:
        """Remember of an object what Stripe knows and does not tell."""
        self.db.execute("INSERT OR REPLACE INTO hidden VALUES (?, ?, ?)", (object_id, name, value))

    def hidden(self, object_id: str, name: str) -> str | None:
        """Answer what was hidden, if anything was."""
        row = self.db.execute("SELECT value FROM hidden WHERE object = ? AND name = ?", (object_id, name)).fetchone()
        return row[0] if row else None

    # ------------------------------------------------ the rest

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

    def add_to_balance(self, currency: str, amount: int) -> None:
        """Move the balance of a currency."""
        self.db.execute(
            "INSERT INTO balance VALUES (?, ?) ON CONFLICT (currency) DO UPDATE SET net = net + excluded.net",
            (currency, amount),
        )

    def balances(self) -> dict[str, int]:
        """Answer the balance by currency."""
        return dict(self.db.execute("SELECT currency, net FROM balance ORDER BY currency"))

    def undelivered(self, event: str) -> int:
        """Answer how many webhooks of an event have not arrived."""
        return int(self._value("SELECT count(*) FROM delivery WHERE event = ?", event))

    def waiting(self) -> int:
        """Answer how many webhooks will be tried yet."""
        return int(self._value("SELECT count(*) FROM delivery WHERE due IS NOT NULL"))

    def reset(self) -> None:
        """Forget everything."""
        with self.transaction():
            for table in TABLES:
                self.db.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names

    def _value(self, query: str, *arguments: str) -> Any:
        return self.db.execute(query, arguments).fetchone()[0]
