"""Indexes that migrations build while their tables are written, so that the migration can be run again.

A build that fails or is killed leaves an index that is kept up with every write and used by nothing, under the name that
the next attempt needs. These operations take such a one away first, and leave alone what stands already.
"""

from __future__ import annotations

from typing import Any

from django.contrib.postgres import operations
from django.db import migrations

_BUILT = """
SELECT index.indisvalid FROM pg_index AS index JOIN pg_class AS named ON named.oid = index.indexrelid
WHERE named.relname = %s AND pg_table_is_visible(named.oid)
"""
_CONSTRAINED = "SELECT true FROM pg_constraint WHERE conrelid = %s::regclass AND conname = %s"


class AddIndexConcurrently(operations.AddIndexConcurrently):
    """Django's, which may be run again."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Build the index, unless it stands."""
        self._ensure_not_in_transaction(schema_editor)
        if not stands(schema_editor, self.index.name):
            super().database_forwards(app_label, schema_editor, from_state, to_state)


class RemoveIndexConcurrently(operations.RemoveIndexConcurrently):
    """Django's, which may be run again."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        """Take the index away, if it is there."""
        self._ensure_not_in_transaction(schema_editor)
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(self.name)}")


def build(name: str, on: str, *, unique: bool = False) -> migrations.RunPython:
    """Answer an operation that builds an index of SQL's own: `on` is its table and columns."""
    kind = "UNIQUE INDEX" if unique else "INDEX"

    def forwards(apps: Any, schema_editor: Any) -> None:
        if not stands(schema_editor, name):
            schema_editor.execute(f"CREATE {kind} CONCURRENTLY {schema_editor.quote_name(name)} ON {on}")

    def backwards(apps: Any, schema_editor: Any) -> None:
        schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(name)}")

    return migrations.RunPython(forwards, backwards)


def add_constraint(table: str, name: str, definition: str) -> migrations.RunPython:
    """Answer an operation that adds a constraint of SQL's own, unless the table has one of that name."""

    def forwards(apps: Any, schema_editor: Any) -> None:
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(_CONSTRAINED, [table, name])
            if not cursor.fetchone():
                cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")

    def backwards(apps: Any, schema_editor: Any) -> None:
        schema_editor.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}")

    return migrations.RunPython(forwards, backwards)


def stands(schema_editor: Any, name: str) -> bool:
    """Say whether an index of the name stands; take away what a build that failed has left of it."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(_BUILT, [name])
        found = cursor.fetchone()
    if found and not found[0]:
        schema_editor.execute(f"DROP INDEX CONCURRENTLY {schema_editor.quote_name(name)}")
    return bool(found and found[0])
