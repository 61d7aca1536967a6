"""Statements that are planned once a connection."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction
from pytest_django import DjangoAssertNumQueries

from core import prepared

pytestmark = pytest.mark.django_db

ASKED = "SELECT %(number)s::int + 1 AS one_more"


def ask(number: int) -> int:
    with prepared.cursor() as cursor:
        cursor.execute(ASKED, {"number": number})
        return int(cursor.fetchone()[0])


class TestCursor:
    def test_plans_a_statement_once(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        with django_assert_num_queries(2):
            assert [ask(1), ask(40)] == [2, 41]
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT generic_plans + custom_plans FROM pg_prepared_statements WHERE statement LIKE '%one_more%'"
            )
            assert cursor.fetchall() == [(2,)]

    def test_raises_the_errors_of_django(self) -> None:
        with pytest.raises(IntegrityError), transaction.atomic(), prepared.cursor() as cursor:
            cursor.execute("INSERT INTO catalog_genre (slug, name) VALUES (%s, NULL)", ["a"])
        assert ask(1) == 2
