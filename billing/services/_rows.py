"""Many rows written in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar, cast

from django.db import connection, models

M = TypeVar("M", bound=models.Model)


def update(rows: Sequence[M], fields: Sequence[str]) -> None:
    """Write `fields` of rows of one model, each with its own values.

    `bulk_update` builds a CASE with a branch a row and a field, which costs more than the update itself.
    """
    if not rows:
        return
    meta = rows[0]._meta
    written = [meta.pk, *(cast("models.Field[object, object]", meta.get_field(name)) for name in fields)]
    quote = connection.ops.quote_name
    names = [quote(str(column.column)) for column in written]
    arrays = ", ".join(f"%s::{column.cast_db_type(connection)}[]" for column in written)
    assignments = ", ".join(f"{name} = v.{name}" for name in names[1:])
    statement = (
        f"UPDATE {quote(meta.db_table)} t SET {assignments} "  # noqa: S608 - names come from our own models
        f"FROM unnest({arrays}) AS v({', '.join(names)}) WHERE t.{names[0]} = v.{names[0]}"
    )
    values = [[column.get_db_prep_save(getattr(row, column.attname), connection) for row in rows] for column in written]
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
