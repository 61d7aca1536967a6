"""Rows that migrations made, such as tax rates: there for every test, whichever ran before it.

A test with transactions of its own ends by emptying all tables. What the migrations had put there is put back at once,
as Django itself does with content types.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.core.management.color import no_style
from django.db import connection, transaction
from django.db.models import Model
from django.db.models.signals import post_migrate
from psycopg import sql

MADE_BY_DJANGO = {"django_content_type", "auth_permission"}
"""Emptied and filled again by Django, with other ids."""

_kept: dict[type[Model], tuple[sql.Composed, bytes]] = {}
"""The columns of each table that had rows, and the rows as COPY writes them."""


def keep() -> None:
    """Keep what the database holds now, for all flushes to come."""
    _kept.clear()
    for model in apps.get_models(include_auto_created=True):
        table = model._meta.db_table
        if model._meta.managed and table not in MADE_BY_DJANGO and (rows := _rows(table, columns := _columns(table))):
            _kept[model] = columns, rows
    # Once a flush, not once for each app.
    post_migrate.connect(_put_back, sender=apps.get_app_config("core"))


def _put_back(**told: Any) -> None:
    """Put back what a flush took; after migrations, which say their plan, everything is there."""
    if "plan" in told:
        return
    with transaction.atomic(), connection.cursor() as cursor:
        # In any order, and as they were: no trigger, no check of what is not back yet.
        cursor.execute("SET LOCAL session_replication_role = replica")
        for model, (columns, rows) in _kept.items():
            table = sql.Identifier(model._meta.db_table)
            with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(table, columns)) as copy:
                copy.write(rows)
        # A flush may count from one again.
        for statement in connection.ops.sequence_reset_sql(no_style(), [*_kept]):
            cursor.execute(statement)


def _columns(table: str) -> sql.Composed:
    """Answer a table's columns by name: a test that migrates back and forth leaves them in another order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
            " AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
            [table],
        )
        return sql.SQL(", ").join(sql.Identifier(name) for (name,) in cursor.fetchall())


def _rows(table: str, columns: sql.Composed) -> bytes:
    statement = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(columns, sql.Identifier(table))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        return b"".join(bytes(part) for part in copy)
