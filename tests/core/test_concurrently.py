"""Indexes that are built beside traffic: what an attempt that failed has left is in nobody's way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import IntegrityError, connection, models
from django.db.migrations.loader import MigrationLoader

from core.concurrently import AddIndexConcurrently, RemoveIndexConcurrently, add_constraint, build

pytestmark = pytest.mark.django_db(transaction=True)

INDEX = models.Index(fields=["name"], name="keyword_by_name_twice")


@pytest.fixture
def scratch() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE scratch (number integer)")
        cursor.execute("INSERT INTO scratch VALUES (1), (1)")
        yield
        cursor.execute("DROP TABLE scratch; DROP INDEX IF EXISTS keyword_by_name_twice")


def standing(name: str) -> list[tuple[int, bool]]:
    """Answer the indexes of a name: which, and whether it is whole."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexrelid::int, indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)::oid", [name]
        )
        return [(number, is_whole) for number, is_whole in cursor.fetchall()]


def apply(operation: Any) -> None:
    state = MigrationLoader(connection).project_state()
    with connection.schema_editor(atomic=False) as editor:
        operation.database_forwards("catalog", editor, state, state)


def spoil(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", [name])


@pytest.mark.usefixtures("scratch")
class TestBuild:
    def test_takes_away_what_a_failed_attempt_left(self) -> None:
        unique = build("scratch_once", "scratch (number)", unique=True)
        with pytest.raises(IntegrityError):
            apply(unique)
        [(left, is_whole)] = standing("scratch_once")
        assert not is_whole
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE scratch")
        apply(unique)
        [(built, is_whole)] = standing("scratch_once")
        assert (built != left, is_whole) == (True, True)

    def test_leaves_alone_what_stands(self) -> None:
        plain = build("scratch_number", "scratch (number)")
        apply(plain)
        before = standing("scratch_number")
        apply(plain)
        assert standing("scratch_number") == before


@pytest.mark.usefixtures("scratch")
class TestOfModels:
    def test_are_built_anew_when_they_were_left_invalid(self) -> None:
        operation = AddIndexConcurrently("keyword", INDEX)
        apply(operation)
        [(first, _)] = standing(INDEX.name)
        apply(operation)
        assert standing(INDEX.name) == [(first, True)]
        spoil(INDEX.name)
        apply(operation)
        [(second, is_whole)] = standing(INDEX.name)
        assert (second != first, is_whole) == (True, True)

    def test_go_once_and_are_gone_the_second_time(self) -> None:
        apply(AddIndexConcurrently("keyword", INDEX))
        for _ in range(2):
            apply(RemoveIndexConcurrently("keyword", INDEX.name))
        assert standing(INDEX.name) == []


@pytest.mark.usefixtures("scratch")
def test_a_constraint_is_added_once() -> None:
    for _ in range(2):
        apply(add_constraint("scratch", "scratch_positive", "CHECK (number > 0) NOT VALID"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_constraint WHERE conname = 'scratch_positive'")
        assert cursor.fetchone() == (1,)


def test_migrations_build_indexes_so_that_they_may_be_run_again() -> None:
    ours = ("accounts", "analytics", "billing", "catalog", "core", "delivery", "playback", "recommendations")
    for (app, name), migration in MigrationLoader(None).disk_migrations.items():
        for operation in migration.operations if app in ours else ():
            assert not type(operation).__module__.startswith("django.contrib.postgres") or not (
                type(operation).__name__.endswith("Concurrently")
            ), f"{app} {name}: take core.concurrently.{type(operation).__name__}"
