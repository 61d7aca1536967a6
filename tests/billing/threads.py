"""Calls that begin at the same moment, each on a database connection of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connection, connections

from billing.models import JournalEntry
from core import transactions

T = TypeVar("T")


def at_once(*calls: Callable[[], T]) -> list[T]:
    """Answer what the calls answer, in their order."""
    barrier = threading.Barrier(len(calls))

    def start(call: Callable[[], T]) -> T:
        try:
            barrier.wait()
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(start, calls))


def apart(call: Callable[[], T]) -> T:
    """Answer what a call answers in a thread of its own, and let go of its connections."""
    try:
        return call()
    finally:
        connections.close_all()


def await_waiting(count: int, *, unless: Callable[[], bool] = lambda: False) -> None:
    """Wait until so many others wait for locks in this database, or something else is so."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if unless():
            return
        with connection.cursor() as cursor:
            # A transaction sees who waits as it was at its first look.
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
            if cursor.fetchone()[0] >= count:
                return
        time.sleep(0.02)
    raise TimeoutError("Nobody waits.")


def await_older_transactions() -> None:
    """Wait for what began before the last entry and may still be open."""
    last = JournalEntry.objects.latest("pk").transaction
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if transactions.first_open() > last:
            return
        time.sleep(0.05)
    raise TimeoutError("An older transaction is open.")
