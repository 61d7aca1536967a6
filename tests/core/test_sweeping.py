"""Sweeps: one row that fails stops no other, and a database that is gone stops all."""

from __future__ import annotations

import logging

import pytest
from django.db import OperationalError, ProgrammingError, connection, transaction

from core import sweeping


def divide(by: int) -> float:
    return 60 / by


class TestOneByOne:
    def test_handles_all_but_the_one_that_fails(self, caplog: pytest.LogCaptureFixture) -> None:
        failed: list[tuple[int, str]] = []
        with caplog.at_level(logging.ERROR):
            handled = sweeping.one_by_one(
                "halves", [1, 0, 2], divide, failed=lambda row, error: failed.append((row, str(error)))
            )
        assert (handled, failed) == ([60, 30], [(0, "division by zero")])
        (record,) = caplog.records
        assert record.exc_info is not None
        assert (record.levelname, record.exc_info[0], record.__dict__["row"]) == ("ERROR", ZeroDivisionError, "0")

    @pytest.mark.django_db
    def test_takes_a_refused_statement_for_the_rows_own_failure(self) -> None:
        def ask(statement: str) -> int:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(statement)
                return int(cursor.fetchone()[0])

        failed: list[str] = []
        raised = "DO $$ BEGIN RAISE EXCEPTION 'poison'; END $$"
        handled = sweeping.one_by_one(
            "statements", [raised, "SELECT 1"], ask, failed=lambda row, error: failed.append(type(error).__name__)
        )
        assert (handled, failed) == ([1], [ProgrammingError.__name__])

    @pytest.mark.django_db(transaction=True)
    def test_raises_when_the_database_is_gone(self) -> None:
        asked: list[int] = []
        failed: list[object] = []

        def lose(row: int) -> None:
            asked.append(row)
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

        with pytest.raises(OperationalError):
            sweeping.one_by_one("lost", [1, 2], lose, failed=lambda *each: failed.append(each))
        connection.close()
        assert (asked, failed) == ([1], [])


class TestTogetherOrApart:
    def test_goes_apart_when_together_fails(self) -> None:
        assert sweeping.together_or_apart("x", lambda: divide(2), lambda: 0) == 30
        assert sweeping.together_or_apart("x", lambda: divide(0), lambda: 7) == 7


def test_tells_an_errors_first_line_without_what_no_column_takes() -> None:
    assert sweeping.told(ValueError("a\0bc\nDETAIL: a row"), length=14) == "ValueError: ab"
    assert sweeping.told(KeyError(), length=14) == "KeyError: "
