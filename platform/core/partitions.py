"""Monthly range partitions of tables of events: made ahead, dropped when they are old.

A table is created in a migration as `PARTITION BY RANGE (column)` with a partition `<table>_default` that
takes what no month takes, so that an insert never fails for want of a partition. Its app registers it in
`AppConfig.ready`; `manage.py migrate` and a daily task then keep its months.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.db import connection, transaction
from django.db.utils import OperationalError
from psycopg import sql
from psycopg.errors import LockNotAvailable

logger = logging.getLogger(__name__)

MONTHS_AHEAD = 3
# Dropping a month stops its table for a moment, and whoever waits for that lock holds up all that come after.
_LOCK_TIMEOUT = "3s"


@dataclass(frozen=True, order=True)
class Month:
    """A calendar month in UTC."""

    year: int
    number: int

    @classmethod
    def of(cls, instant: datetime) -> Month:
        """Answer the month that an instant falls into."""
        utc = instant.astimezone(UTC)
        return cls(utc.year, utc.month)

    @property
    def start(self) -> datetime:
        """The first instant."""
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """The first instant after it."""
        return self.following.start

    @property
    def following(self) -> Month:
        """The next month."""
        return Month(self.year + self.number // 12, self.number % 12 + 1)


def _never(start: datetime, end: datetime) -> bool:
    return False


@dataclass(frozen=True)
class PartitionedTable:
    """A table partitioned by month on `column`, a timestamptz; months older than `retention` are dropped.

    `in_use(start, end)` answers whether the rows from `start` to before `end` must stay all the same.
    """

    name: str
    column: str
    retention: timedelta
    in_use: Callable[[datetime, datetime], bool] = field(default=_never)

    @property
    def default(self) -> str:
        """The partition for what no month takes."""
        return f"{self.name}_default"

    def partition(self, month: Month) -> str:
        """Answer the name of a month's partition."""
        return f"{self.name}_{month.year:04}_{month.number:02}"


@dataclass
class Report:
    """Partitions made, dropped, and left for the next run because somebody held their table."""

    created: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    postponed: list[str] = field(default_factory=list)


_tables: dict[str, PartitionedTable] = {}


def register(table: PartitionedTable) -> None:
    """Have a table's months kept; an app calls this in `AppConfig.ready`.

    Of two tables whose `in_use` asks after the other, register the one that is asked about last.
    """
    _tables[table.name] = table


def create_ahead(*, now: datetime, tables: Iterable[PartitionedTable] | None = None) -> Report:
    """Make the partitions of this month and the next three, and of each month that rows of the default have.

    Safe to run twice and by several at once. Tables that are not there yet are passed over.
    """
    report = Report()
    for table in _tables.values() if tables is None else tables:
        if not _exists(table.name):
            continue
        month = Month.of(now)
        wanted = _months_in_default(table)
        for _ in range(MONTHS_AHEAD + 1):
            wanted.add(month)
            month = month.following
        for missing in sorted(wanted - set(months(table))):
            _attempt(_create, table, missing, done=report.created, report=report)
    return report


def drop_old(*, now: datetime, tables: Iterable[PartitionedTable] | None = None) -> Report:
    """Drop the months that ended before the retention began and that are not in use."""
    report = Report()
    for table in _tables.values() if tables is None else tables:
        if not _exists(table.name):
            continue
        for month in months(table):
            if month.end <= now - table.retention:
                _attempt(_drop, table, month, done=report.dropped, report=report)
    return report


def months(table: PartitionedTable) -> list[Month]:
    """Answer the months that have a partition, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT child.relname FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid"
            " WHERE inhparent = to_regclass(%s)",
            [table.name],
        )
        matches = [re.fullmatch(re.escape(table.name) + r"_(\d{4})_(\d{2})", name) for (name,) in cursor.fetchall()]
    return sorted(Month(int(match[1]), int(match[2])) for match in matches if match)


def _exists(name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [name])
        (exists,) = cursor.fetchone()
    return bool(exists)


def _months_in_default(table: PartitionedTable) -> set[Month]:
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("SELECT DISTINCT date_trunc('month', {column}, 'UTC') FROM {default}").format(
                column=sql.Identifier(table.column), default=sql.Identifier(table.default)
            )
        )
        return {Month.of(start) for (start,) in cursor.fetchall()}


def _attempt(
    act: Callable[[PartitionedTable, Month], bool],
    table: PartitionedTable,
    month: Month,
    *,
    done: list[str],
    report: Report,
) -> None:
    name = table.partition(month)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(_LOCK_TIMEOUT))
            # Two at once would both find the month missing.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('core.partitions', 0))")
            if act(table, month):
                done.append(name)
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
        logger.warning("A partition was left for the next run: its table is in use.", extra={"partition": name})
        report.postponed.append(name)


def _create(table: PartitionedTable, month: Month) -> bool:
    if month in months(table):
        return False
    names = {
        "table": sql.Identifier(table.name),
        "default": sql.Identifier(table.default),
        "partition": sql.Identifier(table.partition(month)),
        "column": sql.Identifier(table.column),
        "start": sql.Literal(month.start.isoformat()),
        "end": sql.Literal(month.end.isoformat()),
    }
    with connection.cursor() as cursor:
        for statement in (
            # Attached afterwards, since a partition that is born attached locks out readers of the whole table.
            "CREATE TABLE {partition} (LIKE {table} INCLUDING ALL)",
            # No more strays of this month from here on; PostgreSQL attaches no month that the default has rows of.
            "LOCK TABLE {default} IN ACCESS EXCLUSIVE MODE",
            """
            WITH stray AS (DELETE FROM {default} WHERE {column} >= {start} AND {column} < {end} RETURNING *)
            INSERT INTO {partition} SELECT * FROM stray
            """,
            "ALTER TABLE {table} ATTACH PARTITION {partition} FOR VALUES FROM ({start}) TO ({end})",
        ):
            cursor.execute(sql.SQL(statement).format(**names))
    return True


def _drop(table: PartitionedTable, month: Month) -> bool:
    if month not in months(table):
        return False
    partition = sql.Identifier(table.partition(month))
    with connection.cursor() as cursor:
        # Looked at under the lock, so that nothing arrives between the look and the drop.
        cursor.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(partition))
        if table.in_use(month.start, month.end):
            return False
        cursor.execute(sql.SQL("DROP TABLE {}").format(partition))
    return True
