"""Migrations beside traffic: nobody waits as long as a lock may be waited for, and no table is written anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.db.migrations.executor import MigrationExecutor

from tests.factories.catalog import NOW, EpisodeFactory, SeasonFactory, TitleFactory, WindowFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(60)]

# What the version before asks and writes, in the orders in which it locks. Tables are locked whether they have rows or not.
CATALOGUE = (
    (
        "UPDATE catalog_title SET revision = revision + 1, state = state, withdrawn_at = withdrawn_at",
        "UPDATE catalog_availabilitywindow SET contract_id = contract_id || 'x', title_id = title_id WHERE contract_id = ''",
        "UPDATE catalog_artwork SET position = position",
    ),
    ("UPDATE catalog_person SET name = name",),
    ("SELECT FROM catalog_availabilitywindow AS own JOIN catalog_title AS title ON title.id = own.title_id",),
    ("SELECT FROM catalog_artwork AS image JOIN catalog_title AS title ON title.id = image.title_id", "SELECT FROM catalog_person"),
)  # fmt: skip
BILLING = (
    (
        "UPDATE billing_invoice SET kind = kind",
        "UPDATE billing_paymentattempt SET claimed_until = claimed_until",
        "UPDATE billing_refund SET state = state",
    ),
    ("UPDATE billing_webhookevent SET processed_at = processed_at",),
    ("SELECT FROM billing_refund AS refund, billing_paymentattempt AS attempt", "SELECT FROM billing_webhookevent"),
)


def _files(app: str) -> dict[str, int]:
    """Answer in which file each table of an app lies: another one, if it was written anew."""
    tables = [model._meta.db_table for model in apps.get_app_config(app).get_models()]
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname, relfilenode FROM pg_class WHERE relname = ANY(%s)", [tables])
        return dict(cursor.fetchall())


@contextmanager
def traffic(acts: Sequence[Sequence[str]]) -> Iterator[Callable[[], None]]:
    """Let each act happen again and again on a connection of its own; yield what waits until each has happened once more.

    Whoever waits for a lock as long as a migration may, fails.
    """
    done: Counter[int] = Counter()
    ended = Event()

    def act(number: int) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '5s'")
            while not ended.is_set():
                with transaction.atomic(), connection.cursor() as cursor:
                    for statement in acts[number]:
                        cursor.execute(statement)
                done[number] += 1
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(acts)) as pool:
        threads: list[Future[None]] = [pool.submit(act, number) for number in range(len(acts))]

        def once_more() -> None:
            before = dict(done)
            while not any(thread.done() for thread in threads):
                if all(done[number] > before.get(number, 0) + 1 for number in range(len(acts))):
                    return
                ended.wait(0.01)

        try:
            yield once_more
        finally:
            ended.set()
        for thread in threads:
            thread.result()


@pytest.mark.parametrize(
    ("app", "before", "acts"),
    [
        ("catalog", "0028_title_withdrawn_index", CATALOGUE),
        ("billing", "0034_index_of_failed_refunds", BILLING),
    ],
)
class TestMigrating:
    def test_stops_nobody_and_writes_no_table_anew(self, app: str, before: str, acts: Sequence[Sequence[str]]) -> None:
        if app == "catalog":
            WindowFactory.create(
                title=EpisodeFactory.create(parent=SeasonFactory.create(parent=TitleFactory.create(kind="series")))
            )
            for _ in range(20):
                WindowFactory.create(title=TitleFactory.create())
            TitleFactory.create(state="withdrawn", withdrawn_at=NOW)
        executor = MigrationExecutor(connection)
        newest = executor.loader.graph.leaf_nodes(app)
        names = [name for key, name in executor.loader.graph.forwards_plan(newest[0]) if key == app and name > before]
        executor.migrate([(app, before)])
        tables = _files(app)
        assert names
        try:
            with traffic(acts) as once_more:
                for name in names:
                    once_more()
                    call_command("migrate", app, name, verbosity=0)
                once_more()
            # Tables that are new are nobody's yet.
            assert tables.items() <= _files(app).items()
        finally:
            call_command("migrate", verbosity=0)
