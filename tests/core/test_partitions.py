"""Months are made ahead, strays find their month, old months go unless somebody needs them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest
from django.conf import LazySettings
from django.db import connection, connections, transaction
from hypothesis import given
from hypothesis import strategies as st

from core import outbox, partitions
from core.models import OutboxDelivery, OutboxEvent
from core.partitions import Month, PartitionedTable, Report
from tests.core.outbox import probe

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
TABLE = PartitionedTable("sample", "seen_at", retention=timedelta(days=90))


@pytest.fixture
def sample(db: None) -> None:
    """A partitioned table with nothing but its default partition."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE sample (id bigserial, seen_at timestamptz NOT NULL, PRIMARY KEY (id, seen_at))"
            " PARTITION BY RANGE (seen_at)"
        )
        cursor.execute("CREATE TABLE sample_default PARTITION OF sample DEFAULT")


def insert(*instants: datetime) -> None:
    with connection.cursor() as cursor:
        for instant in instants:
            cursor.execute("INSERT INTO sample (seen_at) VALUES (%s)", [instant])


def places() -> list[tuple[datetime, str]]:
    """Answer each row's instant and partition."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT seen_at, tableoid::regclass::text FROM sample ORDER BY seen_at")
        rows: list[tuple[datetime, str]] = cursor.fetchall()
        return rows


class TestMonth:
    @given(st.datetimes(datetime(1900, 1, 1), datetime(9998, 1, 1), timezones=st.timezones()))  # noqa: DTZ001 - bounds
    def test_holds_its_instants_and_borders_on_the_next(self, instant: datetime) -> None:
        month = Month.of(instant)
        assert month.start <= instant < month.end == month.following.start
        assert month < month.following

    def test_is_the_one_in_utc(self) -> None:
        assert Month.of(datetime(2026, 12, 1, 0, 30, tzinfo=UTC).astimezone()) == Month(2026, 12)


@pytest.mark.usefixtures("sample")
class TestCreateAhead:
    def test_makes_this_month_and_three_more(self) -> None:
        assert partitions.create_ahead(now=NOW, tables=[TABLE]) == Report(
            created=["sample_2026_11", "sample_2026_12", "sample_2027_01", "sample_2027_02"]
        )
        assert partitions.months(TABLE) == [Month(2026, 11), Month(2026, 12), Month(2027, 1), Month(2027, 2)]

    def test_makes_nothing_twice(self) -> None:
        partitions.create_ahead(now=NOW, tables=[TABLE])
        assert partitions.create_ahead(now=NOW, tables=[TABLE]) == Report()

    def test_puts_each_instant_into_its_month(self) -> None:
        partitions.create_ahead(now=NOW, tables=[TABLE])
        first = datetime(2026, 12, 1, tzinfo=UTC)
        before, stray = first - timedelta(microseconds=1), datetime(2027, 3, 1, tzinfo=UTC)
        insert(first, before, stray)
        assert places() == [(before, "sample_2026_11"), (first, "sample_2026_12"), (stray, "sample_default")]

    def test_moves_strays_from_the_default_into_their_months(self) -> None:
        instants = [datetime(2019, 5, 4, tzinfo=UTC), NOW, datetime(2031, 1, 1, tzinfo=UTC)]
        insert(*instants)
        assert partitions.create_ahead(now=NOW, tables=[TABLE]).created == [
            "sample_2019_05",
            "sample_2026_11",
            "sample_2026_12",
            "sample_2027_01",
            "sample_2027_02",
            "sample_2031_01",
        ]
        assert places() == list(zip(instants, ["sample_2019_05", "sample_2026_11", "sample_2031_01"], strict=True))

    def test_gives_partitions_the_keys_and_indexes_of_their_table(self) -> None:
        partitions.create_ahead(now=NOW, tables=[TABLE])
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_index WHERE indrelid = 'sample_2026_11'::regclass AND indisprimary"
                " AND EXISTS (SELECT FROM pg_inherits WHERE inhrelid = indexrelid)"
            )
            assert cursor.fetchone() == (1,)

    def test_passes_over_a_table_that_is_not_there_yet(self) -> None:
        absent = PartitionedTable("absent", "seen_at", retention=timedelta(days=1))
        assert partitions.create_ahead(now=NOW, tables=[absent]) == Report()


class TestDropOld:
    @pytest.fixture(autouse=True)
    def past(self, sample: None) -> None:
        insert(datetime(2026, 7, 31, tzinfo=UTC), datetime(2026, 8, 1, tzinfo=UTC))
        partitions.create_ahead(now=NOW, tables=[TABLE])

    def test_drops_months_that_ended_before_the_retention_began(self) -> None:
        # 90 days before the 20th of November is the 22nd of August.
        assert partitions.drop_old(now=NOW, tables=[TABLE]) == Report(dropped=["sample_2026_07"])
        assert places() == [(datetime(2026, 8, 1, tzinfo=UTC), "sample_2026_08")]

    def test_drops_a_month_at_the_instant_it_is_past(self) -> None:
        instant = datetime(2026, 9, 1, tzinfo=UTC) + TABLE.retention
        almost = instant - timedelta(microseconds=1)
        assert partitions.drop_old(now=almost, tables=[TABLE]).dropped == ["sample_2026_07"]
        assert partitions.drop_old(now=instant, tables=[TABLE]).dropped == ["sample_2026_08"]

    def test_keeps_a_month_that_is_in_use(self) -> None:
        asked: list[tuple[datetime, datetime]] = []

        def in_use(start: datetime, end: datetime) -> bool:
            asked.append((start, end))
            return True

        table = PartitionedTable("sample", "seen_at", TABLE.retention, in_use)
        assert partitions.drop_old(now=NOW, tables=[table]) == Report()
        assert asked == [(datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 8, 1, tzinfo=UTC))]
        assert len(places()) == 2


@pytest.fixture
def crowded(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The outbox's old month, read by a transaction that does not end."""
    monkeypatch.setattr(partitions, "_LOCK_TIMEOUT", "100ms")
    reading, done = Event(), Event()

    def read() -> None:
        try:
            with transaction.atomic():
                list(OutboxEvent.objects.all())
                reading.set()
                assert done.wait(30)
        finally:
            connections.close_all()

    with probe.table():
        probe.publish("a", [1], now=datetime(2020, 1, 1, tzinfo=UTC))
        outbox.relay(clock=lambda: NOW)
        partitions.create_ahead(now=NOW)
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(read)
        assert reading.wait(30)
        yield
        done.set()
        future.result(30)
    partitions.drop_old(now=NOW)


@pytest.mark.usefixtures("crowded")
class TestCrowdedTable:
    def test_is_left_for_the_next_run(self) -> None:
        report = partitions.drop_old(now=NOW)
        assert report == Report(dropped=["core_outboxdelivery_2020_01"], postponed=["core_outboxevent_2020_01"])
        assert OutboxEvent.objects.count() == 1


@pytest.mark.django_db
class TestOutbox:
    """Its months, as the daily task keeps them."""

    LONG_AGO = datetime(2020, 1, 15, tzinfo=UTC)

    @pytest.fixture(autouse=True)
    def past(self, settings: LazySettings) -> Iterator[None]:
        settings.OUTBOX_MAX_FAILURES = 1
        with probe.table():
            probe.publish("a", [1, 2], now=self.LONG_AGO)
            probe.publish("b", [1], now=self.LONG_AGO.replace(month=2))
            yield

    def test_loses_what_is_settled_and_past_its_retention(self) -> None:
        outbox.relay(clock=lambda: NOW)
        partitions.create_ahead(now=NOW)
        assert partitions.drop_old(now=NOW).dropped == [
            "core_outboxdelivery_2020_01",
            "core_outboxdelivery_2020_02",
            "core_outboxevent_2020_01",
            "core_outboxevent_2020_02",
        ]
        assert not OutboxDelivery.objects.exists()
        assert not OutboxEvent.objects.exists()

    def test_keeps_a_month_for_as_long_as_something_is_parked_in_it(self) -> None:
        probe.faults["a", 1] = 1
        outbox.relay(clock=lambda: NOW)
        partitions.create_ahead(now=NOW)
        assert partitions.drop_old(now=NOW).dropped == ["core_outboxdelivery_2020_02", "core_outboxevent_2020_02"]
        assert OutboxEvent.objects.count() == 2
        assert sorted(OutboxDelivery.objects.values_list("state", flat=True)) == [
            "delivered",
            "delivered",
            "parked",
            "pending",
        ]

    def test_keeps_a_month_for_as_long_as_something_is_pending_in_it(self) -> None:
        partitions.create_ahead(now=NOW)
        assert partitions.drop_old(now=NOW) == Report()
        assert outbox.relay(clock=lambda: NOW).delivered == 6
