"""Rows handled one by one, of which none stops the others.

A sweep that ends at the first row that raises meets the same row in its next run: nothing behind it is handled ever again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

import psycopg
from django.db import InterfaceError, OperationalError, connection
from prometheus_client import Counter

from core.files import StorageAway

logger = logging.getLogger(__name__)

FAILURES = Counter("sweep_failures", "Rows that a sweep of this process could not handle.", ["sweep"])

Row = TypeVar("Row")
Result = TypeVar("Result")


def one_by_one(
    sweep: str, rows: Iterable[Row], handle: Callable[[Row], Result], *, failed: Callable[[Row, Exception], object]
) -> list[Result]:
    """Handle each row, and answer the results of those that were handled.

    What one of them raises is logged with its traceback, counted, and given to `failed`. Raised is the failure of a
    database that answers nothing any more, which is no row's: the rest waits for the next run. Call it outside a
    transaction, or have `handle` open one.
    """
    handled = []
    for row in rows:
        try:
            result = handle(row)
        except Exception as error:
            if is_outage(error):
                raise
            report(sweep, row, error)
            failed(row, error)
        else:
            handled.append(result)
    return handled


def together_or_apart(sweep: str, together: Callable[[], Result], apart: Callable[[], Result]) -> Result:
    """Handle rows in one statement or transaction, and one by one if that fails; answers what either answers.

    `together` leaves nothing behind when it raises. Raised is the failure of a database that answers nothing any more.
    """
    try:
        return together()
    except Exception as error:
        if is_outage(error):
            raise
        logger.error(
            "Rows could not be handled together, and are handled one by one.", exc_info=error, extra={"sweep": sweep}
        )
    return apart()


def is_outage(error: Exception) -> bool:
    """Answer whether the database is gone, or the storage of files, after an error of whatever was just done."""
    if isinstance(error, StorageAway):
        return True
    # What the driver raises while rows are sent comes untranslated.
    kinds = (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)
    return isinstance(error, kinds) and not connection.is_usable()


def report(sweep: str, row: object, error: Exception) -> None:
    """Log and count what could not be handled."""
    FAILURES.labels(sweep).inc()
    logger.error("A row could not be handled.", exc_info=error, extra={"sweep": sweep, "row": str(row)})


def told(error: Exception, *, length: int) -> str:
    """Write an error's first line, as a column takes it; below it a database shows the row."""
    first = next(iter(str(error).replace("\0", "").splitlines()), "")
    return f"{type(error).__name__}: {first}"[:length]
