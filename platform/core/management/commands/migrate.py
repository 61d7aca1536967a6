"""`manage.py migrate`, safe to run while the platform serves."""

from __future__ import annotations

from typing import Any

from django.core.management import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections
from psycopg import sql
from psycopg.errors import LockNotAvailable, QueryCanceled

from core import clock, partitions

LOCK_HELD = """\
A migration waited {lock_timeout} for a lock that another transaction holds, and gave up, because everybody who came
after it would have waited too. What was applied before it stays, and of a migration in one transaction nothing is left.
Run `manage.py migrate` again. If it happens again, look for the transaction that stays open:
  SELECT pid, state, now() - xact_start AS open_for, query FROM pg_stat_activity WHERE xact_start IS NOT NULL;"""
TOO_SLOW = """\
A statement of a migration ran for {statement_timeout} and was stopped, because it may hold a lock that stops the
platform. What was applied before it stays, and of a migration in one transaction nothing is left.
If it is known to stop nobody (CREATE INDEX CONCURRENTLY, a backfill), run it with more time:
  manage.py migrate --statement-timeout 2h
An index whose building was stopped stays behind as INVALID: drop it first. Otherwise make the change in smaller steps."""


class Command(migrate.Command):
    """Migrates with short waits for locks, then makes the partitions of the coming months.

    The timeouts belong to the session, so give it a connection to PostgreSQL itself and not through a pooler
    that changes servers between transactions.
    """

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--lock-timeout", default="5s", help="Give up a statement that waits so long for a lock (PostgreSQL: 5s)."
        )
        parser.add_argument(
            "--statement-timeout", default="60s", help="Stop a statement that runs for so long (PostgreSQL: 60s)."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        timeouts = {name: options[name] for name in ("lock_timeout", "statement_timeout")}
        connection = connections[options["database"]]
        try:
            with connection.cursor() as cursor:
                for name, value in timeouts.items():
                    cursor.execute(sql.SQL("SET {} = {}").format(sql.Identifier(name), value))
            super().handle(*args, **options)
            if options["database"] == DEFAULT_DB_ALIAS and not options["plan"]:
                partitions.create_ahead(now=clock.now())
        except OperationalError as error:
            if isinstance(error.__cause__, LockNotAvailable):
                raise CommandError(LOCK_HELD.format(**timeouts)) from error
            if isinstance(error.__cause__, QueryCanceled):
                raise CommandError(TOO_SLOW.format(**timeouts)) from error
            raise
        finally:
            # The pool hands the session on. A failed transaction has taken the settings back by itself.
            if connection.is_usable():
                with connection.cursor() as cursor:
                    for name in timeouts:
                        cursor.execute(sql.SQL("RESET {}").format(sql.Identifier(name)))
