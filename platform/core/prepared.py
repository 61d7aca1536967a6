"""Statements that the server plans once a connection, instead of each time they are asked.

For a large statement that is asked all the time, planning costs more than the answer. Django writes values into the
text of a statement, so that each is a new one; here the server is given text and values apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection
from django.db.backends.utils import CursorWrapper


class _Cursor(psycopg.Cursor[Any]):
    def execute(self, query: Any, params: Any = None, **options: Any) -> _Cursor:
        return super().execute(query, params, prepare=True, **options)


@contextmanager
def cursor() -> Iterator[CursorWrapper]:
    """Yield a cursor whose statements are kept by the connection, planned; their text must be one of a few.

    What the server cannot tell the type of needs a cast: `%s::text`. A pooler that hands each transaction to another
    connection and does not know prepared statements needs DATABASE_PREPARES=false.
    """
    connection.ensure_connection()
    with connection.wrap_database_errors, _Cursor(connection.connection) as own:
        # Counted, timed and traced as every cursor of Django's is.
        yield connection._prepare_cursor(own)  # type: ignore[attr-defined]  # the stubs know no private methods
