"""Migrating never waits long for a lock, and says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from unittest import mock

import pytest
from django.core.management import CommandError, call_command
from django.core.management.commands import migrate
from django.db import connection, connections, transaction

from core import clock, partitions

pytestmark = pytest.mark.django_db(transaction=True)


def timeouts() -> tuple[str, str]:
    """Answer this session's timeouts."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
        lock_timeout, statement_timeout = cursor.fetchone()
    return lock_timeout, statement_timeout


@contextmanager
def locked(table: str) -> Iterator[None]:
    """Hold a table on another connection."""
    with held(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"):
        yield


@contextmanager
def held(lock: str) -> Iterator[None]:
    """Hold what a statement locks, in a transaction on another connection."""
    holding, done = Event(), Event()

    def hold() -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(lock)
                holding.set()
                assert done.wait(30)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(hold)
        try:
            assert holding.wait(30)
            yield
        finally:
            done.set()
        future.result(30)


class TestMigrate:
    def test_gives_a_held_lock_up_and_says_what_to_do(self) -> None:
        with locked("django_migrations"), pytest.raises(CommandError) as refusal:
            call_command("migrate", lock_timeout="100ms", verbosity=0)
        assert str(refusal.value).startswith("A migration waited 100ms for a lock that another transaction holds")
        assert "Run `manage.py migrate` again." in str(refusal.value)
        assert timeouts() == ("0", "0")

    def test_stops_a_slow_statement_and_says_what_to_do(self) -> None:
        with locked("django_migrations"), pytest.raises(CommandError) as refusal:
            call_command("migrate", statement_timeout="100ms", verbosity=0)
        assert str(refusal.value).startswith("A statement of a migration ran for 100ms and was stopped")
        assert "manage.py migrate --statement-timeout 2h" in str(refusal.value)
        assert timeouts() == ("0", "0")

    def test_migrates_with_timeouts_and_takes_them_back(self) -> None:
        seen: list[tuple[str, str]] = []
        with mock.patch.object(migrate.Command, "handle", side_effect=lambda *_, **__: seen.append(timeouts())):
            call_command("migrate", verbosity=0)
        assert seen == [("5s", "1min")]
        assert timeouts() == ("0", "0")

    def test_leaves_the_partitions_of_the_coming_months(self) -> None:
        table = partitions.PartitionedTable("core_outboxevent", "occurred_at", retention=mock.ANY)
        call_command("migrate", verbosity=0)
        assert partitions.Month.of(clock.now()) in partitions.months(table)
        assert partitions.create_ahead(now=clock.now()) == partitions.Report()
