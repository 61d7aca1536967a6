"""Many rows written in one statement.

`bulk_create` and `bulk_update` quote every value in Python and build one long statement (for updates, a
CASE with a branch for every row and field), which costs several times what the database does with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar, cast

import orjson
from django.db import connection, models

M = TypeVar("M", bound=models.Model)

if TYPE_CHECKING:
    # Takes parameters in its stubs alone.
    Column = models.Field[Any, Any]


def insert(rows: Sequence[M]) -> Sequence[M]:
    """Write new rows of one model by COPY, in the caller's transaction; answers them.

    Keys must be set, unless nobody asks for them: those that the database makes stay unknown here.
    """
    if rows:
        meta = rows[0]._meta
        columns = list(meta.concrete_fields)
        if rows[0].pk is None:
            columns.remove(meta.pk)
        _copy(type(rows[0]), columns, map(attrgetter(*(column.attname for column in columns)), rows))
        for row in rows:
            row._state.adding, row._state.db = False, connection.alias
    return rows


def write(model: type[models.Model], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write new rows as `insert` does, of which nobody needs the objects: each a value for some of the columns.

    The same columns in all of them; the others get the default of their field, and a key that the database makes.
    """
    if rows:
        said = rows[0].keys()
        columns = [field for field in model._meta.concrete_fields if field.attname in said or not field.primary_key]
        default = {field.attname: field.get_default() for field in columns if field.attname not in said}
        names = [field.attname for field in columns]
        _copy(model, columns, ([row[name] if name in row else default[name] for name in names] for row in rows))


def _copy(model: type[models.Model], columns: Sequence[Column], rows: Iterable[Sequence[Any]]) -> None:
    quote = connection.ops.quote_name
    names = ", ".join(quote(str(column.column)) for column in columns)
    statement = f"COPY {quote(model._meta.db_table)} ({names}) FROM STDIN"
    documents = [place for place, column in enumerate(columns) if isinstance(column, models.JSONField)]
    # Without the wrapper a violated constraint would be psycopg's error and not Django's.
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(statement) as copy:
        for values in rows:
            copy.write_row(_with_text(values, documents) if documents else values)


def _with_text(values: Sequence[Any], documents: Sequence[int]) -> Sequence[Any]:
    """Answer a row's values with its JSON written out, as COPY takes it."""
    written = list(values)
    for place in documents:
        if written[place] is not None:
            written[place] = orjson.dumps(written[place]).decode()
    return written


def take_keys(model: type[models.Model], count: int) -> list[int]:
    """Answer keys for `count` new rows of a model with an integer key, from its sequence."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
            [model._meta.db_table, count],
        )
        return [key for (key,) in cursor.fetchall()]


def update(rows: Sequence[M], fields: Sequence[str]) -> None:
    """Write `fields` of rows of one model, each with its own values."""
    if not rows:
        return
    meta = rows[0]._meta
    written = [meta.pk, *(cast("Column", meta.get_field(name)) for name in fields)]
    quote = connection.ops.quote_name
    names = [quote(str(column.column)) for column in written]
    arrays = ", ".join(f"%s::{column.cast_db_type(connection)}[]" for column in written)
    assignments = ", ".join(f"{name} = v.{name}" for name in names[1:])
    statement = (
        f"UPDATE {quote(meta.db_table)} t SET {assignments} "  # noqa: S608 - names come from our own models
        f"FROM unnest({arrays}) AS v({', '.join(names)}) WHERE t.{names[0]} = v.{names[0]}"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [[_value(column, row) for row in rows] for column in written])


def _value(column: Column, row: models.Model) -> Any:
    value = getattr(row, column.attname)
    # Everything else is what psycopg takes as it is.
    return column.get_db_prep_save(value, connection) if isinstance(column, models.JSONField) else value
