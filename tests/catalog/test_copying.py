"""Rows on their way by COPY while the caller goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction

from catalog.models import Keyword
from catalog.services.copying import copy_into, overlapping

pytestmark = pytest.mark.django_db


def _write(*names: str) -> None:
    with connection.cursor() as cursor:
        copy_into(cursor, Keyword, ("name",), ((name,) for name in names))


def _names() -> list[str]:
    return sorted(Keyword.objects.values_list("name", flat=True))


class TestOverlapping:
    def test_a_statement_sees_every_row_that_was_given_before_it(self) -> None:
        many = [f"word {number:06}" for number in range(20_000)]
        with transaction.atomic(), overlapping():
            _write(*many)
            _write("last")
            assert Keyword.objects.count() == 20_001
            _write("later")
        assert _names() == sorted([*many, "last", "later"])

    def test_a_cursor_that_has_executed_something_else_takes_rows_too(self) -> None:
        with transaction.atomic(), overlapping(), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            copy_into(cursor, Keyword, ("name",), [("one",)])
        assert _names() == ["one"]

    def test_the_caller_goes_on_while_the_database_works(self) -> None:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(
                    "CREATE FUNCTION pg_temp.slow() RETURNS trigger LANGUAGE plpgsql AS"
                    " $$ BEGIN PERFORM pg_sleep(0.5); RETURN NEW; END $$;"
                    " CREATE TRIGGER slow BEFORE INSERT ON catalog_keyword FOR EACH ROW EXECUTE FUNCTION pg_temp.slow()"
                )
            with overlapping():
                began = time.monotonic()
                _write("one")
                went_on = time.monotonic() - began
            ended = time.monotonic() - began
        assert went_on < 0.4
        assert ended >= 0.5

    def test_the_end_raises_what_the_database_refuses_and_nothing_is_written(self) -> None:
        def write() -> None:
            with transaction.atomic(), overlapping():
                _write("one", "two")
                _write("two")
                _write("three")

        with pytest.raises(psycopg.errors.UniqueViolation):
            write()
        assert _names() == []
        with transaction.atomic(), overlapping():
            _write("three")
        assert _names() == ["three"]

    def test_the_next_statement_raises_it_too(self) -> None:
        def write() -> None:
            with transaction.atomic(), overlapping():
                _write("one", "one")
                Keyword.objects.count()

        with pytest.raises(psycopg.errors.UniqueViolation):
            write()
        assert _names() == []

    def test_an_error_of_the_caller_waits_for_what_is_on_its_way(self) -> None:
        class Fault(Exception):
            pass

        def rows() -> Iterator[tuple[Any, ...]]:
            yield ("two",)
            raise Fault

        def write() -> None:
            with transaction.atomic(), overlapping(), connection.cursor() as cursor:
                _write(*(f"word {number}" for number in range(20_000)))
                copy_into(cursor, Keyword, ("name",), rows())

        with pytest.raises(Fault):
            write()
        assert _names() == []
        _write("after")
        assert _names() == ["after"]
