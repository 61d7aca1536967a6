"""COPY into a table: the fastest way to write many rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import psycopg
from django.db import connection, models
from django.db.backends.utils import CursorWrapper
from psycopg import sql
from psycopg.copy import Writer


def copy_into(
    cursor: CursorWrapper, model: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Write `rows` into the model's table. Columns that are not named take the database's default: null or identity."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(model._meta.db_table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    if sender := _sender.get():
        sender.send(statement, rows)
        return
    with cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


@contextmanager
def overlapping() -> Iterator[None]:
    """Let the caller make its next rows while the database still takes in the last ones.

    Within, `copy_into` returns before its rows are written; the next statement waits for them, and so does the end.
    There is raised what the database refuses.
    """
    sender = _Sender()
    active = _sender.set(sender)
    try:
        with connection.execute_wrapper(sender.wait_and_execute):
            yield
            sender.wait()
    finally:
        _sender.reset(active)
        # Whatever has failed: nobody else may speak on the connection before this has ended.
        sender.close()


class _Sender:
    """Sends rows over the caller's connection from a thread of its own, in order."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="copy")
        self._sent: deque[Future[None]] = deque()

    def send(self, statement: sql.Composed, rows: Iterable[Sequence[Any]]) -> None:
        raw, blocks = connection.connection, _Blocks()
        # A cursor of its own: one that has executed anything else writes no rows.
        with raw.cursor() as cursor, psycopg.Copy(cursor, writer=blocks) as copy:
            for row in rows:
                copy.write_row(row)
        self._sent.append(self._thread.submit(_send, raw, statement, blocks.written))

    def wait(self) -> None:
        """Wait until all is written. Raises what the database refuses."""
        while self._sent:
            self._sent.popleft().result()

    def wait_and_execute(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        self.wait()
        return execute(*arguments)

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)


_sender: ContextVar[_Sender | None] = ContextVar("sender", default=None)


class _Blocks(Writer):
    """Keeps what is to be sent."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))


def _send(raw: psycopg.Connection[Any], statement: sql.Composed, blocks: Iterable[bytes]) -> None:
    with raw.cursor() as cursor, cursor.copy(statement) as copy:
        # In one piece: between two of them the caller might not let this thread go on.
        copy.write(b"".join(blocks))
