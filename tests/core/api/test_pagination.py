"""Pages of lists."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from uuid import UUID, uuid4

import pytest
from django.db.models import F
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries
from rest_framework.request import Request
from rest_framework.test import APIClient, APIRequestFactory

from core.api.pagination import CursorPagination
from core.models import IdempotencyKey
from tests.core.api.test_problems import SAMPLE, problem

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)


def key(status: int | None = 200, minutes: int = 0, **fields: Any) -> IdempotencyKey:
    """Make a row."""
    expires_at = NOON + timedelta(minutes=minutes)
    return IdempotencyKey.objects.create(
        **{
            "id": uuid4(),
            "account_id": uuid4(),
            "fingerprint": bytes(32),
            "holder": uuid4(),
            "leased_until": expires_at,
            "expires_at": expires_at,
            "status": status,
            "headers": {},
        }
        | fields
    )


def walk(client: APIClient, url: str | None, link: str = "next") -> list[list[str]]:
    """Answer the ids of each page, from a page on."""
    pages = []
    while url:
        answer = client.get(url)
        assert answer.status_code == 200, answer.content
        pages.append([row["id"] for row in answer.json()["results"]])
        url = answer.json()[link]
    return pages


def flat(pages: Iterable[list[str]]) -> list[str]:
    """Answer the rows of pages."""
    return list(chain.from_iterable(pages))


def in_order() -> list[str]:
    """Answer all ids as the list has them."""
    return [
        str(pk) for pk in IdempotencyKey.objects.order_by("-status", "expires_at", "id").values_list("pk", flat=True)
    ]


class TestPages:
    @pytest.mark.parametrize("size", [1, 2, 3, 7, 12, 13])
    def test_hold_every_row_once_in_both_directions(self, anybody: APIClient, size: int) -> None:
        for number in range(12):
            key(200 + number % 2, minutes=number % 3)
        pages = walk(anybody, f"{SAMPLE}/keys?page_size={size}")
        assert flat(pages) == in_order()
        assert [len(page) for page in pages[:-1]] == [size] * (len(pages) - 1)
        last = anybody.get(f"{SAMPLE}/keys?page_size={size}")
        while last.json()["next"]:
            last = anybody.get(last.json()["next"])
        url = f"{last.request['PATH_INFO']}?{last.request['QUERY_STRING']}"
        assert flat(reversed(walk(anybody, url, "previous"))) == in_order()

    def test_neither_repeat_nor_miss_a_row_when_others_come_and_go(self, anybody: APIClient) -> None:
        rows = [key(minutes=number) for number in range(6)]
        first = anybody.get(f"{SAMPLE}/keys?page_size=3").json()
        key(minutes=-1)
        rows[1].delete()
        rows[2].delete()  # the very row at which the page ended
        second = anybody.get(first["next"]).json()
        assert [row["id"] for row in second["results"]] == [str(row.pk) for row in rows[3:]]
        assert second["next"] is None

    def test_part_rows_that_differ_by_a_microsecond(self, anybody: APIClient) -> None:
        for number in range(3):
            key(expires_at=NOON + timedelta(microseconds=number), leased_until=NOON)
        assert flat(walk(anybody, f"{SAMPLE}/keys?page_size=1")) == in_order()

    def test_go_on_after_more_equal_places_than_a_page_has(self, anybody: APIClient) -> None:
        IdempotencyKey.objects.bulk_create(
            IdempotencyKey(
                id=UUID(int=number), account_id=UUID(int=1), fingerprint=bytes(32), holder=UUID(int=1),
                leased_until=NOON, expires_at=NOON, status=200, headers={},
            )
            for number in range(1500)
        )  # fmt: skip
        assert flat(walk(anybody, f"{SAMPLE}/keys?page_size=100")) == in_order()

    def test_cost_one_query_each(self, anybody: APIClient, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        for number in range(5):
            key(minutes=number)
        with django_assert_num_queries(1):
            first = anybody.get(f"{SAMPLE}/keys?page_size=2").json()
        with django_assert_num_queries(1):
            anybody.get(first["next"])

    def test_of_an_empty_list_lead_nowhere(self, anybody: APIClient) -> None:
        assert anybody.get(f"{SAMPLE}/keys").json() == {"next": None, "previous": None, "results": []}

    def test_keep_the_other_parameters(self, anybody: APIClient) -> None:
        key(), key(minutes=1)
        link = anybody.get(f"{SAMPLE}/keys?page_size=1&kind=film").json()["next"]
        assert link.startswith("http://testserver/api/v1/sample/keys?")
        assert {name: parse_qs(urlsplit(link).query)[name] for name in ("page_size", "kind")} == {
            "page_size": ["1"],
            "kind": ["film"],
        }

    def test_are_of_fifty_and_at_most_a_hundred(self, anybody: APIClient) -> None:
        IdempotencyKey.objects.bulk_create(
            IdempotencyKey(
                id=UUID(int=number), account_id=UUID(int=1), fingerprint=bytes(32), holder=UUID(int=1),
                leased_until=NOON, expires_at=NOON,
            )
            for number in range(101)
        )  # fmt: skip
        assert len(anybody.get(f"{SAMPLE}/other-keys").json()["results"]) == 50
        assert len(anybody.get(f"{SAMPLE}/other-keys?page_size=100").json()["results"]) == 100

    @pytest.mark.parametrize("size", ["0", "-1", "101", "1.5", "", "x", "1e2", "٣", "9" * 400, " 1"])
    def test_of_no_sensible_size_are_refused(self, anybody: APIClient, size: str) -> None:
        answer = problem(anybody.get(f"{SAMPLE}/keys?page_size={quote(size)}"), 400, "validation_failed")
        assert answer["errors"] == [
            {"parameter": "page_size", "code": "out_of_range", "message": "Give a number from 1 to 100."}
        ]


class TestCursor:
    @pytest.mark.parametrize("cursor", ["", "x", "eyJ9", "%F0%9F%92%A9", "a:b:c", "x" * 5000, "-1"])
    def test_that_is_none_is_refused(self, anybody: APIClient, cursor: str) -> None:
        problem(anybody.get(f"{SAMPLE}/keys?cursor={cursor}"), 400, "invalid_cursor")

    def test_of_another_list_or_order_is_refused(self, anybody: APIClient) -> None:
        key(), key(minutes=1)
        link = anybody.get(f"{SAMPLE}/keys?page_size=1").json()["next"]
        assert anybody.get(link).status_code == 200
        problem(anybody.get(link.replace("/keys", "/other-keys")), 400, "invalid_cursor")

    @given(st.integers(min_value=0), st.characters(min_codepoint=33, max_codepoint=126))
    def test_that_was_changed_is_refused(self, place: int, letter: str) -> None:
        if IdempotencyKey.objects.count() == 0:
            key(), key(minutes=1)
        client = APIClient()
        link = client.get(f"{SAMPLE}/keys?page_size=1").json()["next"]
        [cursor] = parse_qs(urlsplit(link).query)["cursor"]
        place %= len(cursor)
        changed = cursor[:place] + letter + cursor[place + 1 :]
        answer = client.get(f"{SAMPLE}/keys", {"page_size": 1, "cursor": changed})
        if changed == cursor:
            assert answer.status_code == 200
        else:
            problem(answer, 400, "invalid_cursor")

    def test_stays_good_when_the_secret_key_is_replaced(self, anybody: APIClient, settings: Any) -> None:
        key(), key(minutes=1)
        link = anybody.get(f"{SAMPLE}/keys?page_size=1").json()["next"]
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another" * 10, [settings.SECRET_KEY]
        assert anybody.get(link).status_code == 200


class TestOrder:
    def paginate(self, queryset: Any) -> list[IdempotencyKey]:
        return CursorPagination().paginate_queryset(queryset, Request(APIRequestFactory().get("/")))

    def test_may_come_from_the_query_and_ends_with_the_primary_key(self) -> None:
        rows = [key(minutes=5), key(minutes=3)]
        assert self.paginate(IdempotencyKey.objects.order_by("expires_at")) == [rows[1], rows[0]]
        assert self.paginate(IdempotencyKey.objects.all()) == sorted(rows, key=lambda row: row.pk)

    def test_must_be_by_names(self) -> None:
        with pytest.raises(TypeError, match="by names"):
            self.paginate(IdempotencyKey.objects.order_by(F("expires_at").desc()))

    def test_must_not_be_by_what_may_be_missing(self) -> None:
        for status in (None, None):
            key(minutes=1, status=status, headers=None)
        request = Request(APIRequestFactory().get("/?page_size=1"))
        with pytest.raises(TypeError, match="must not be null"):
            CursorPagination().paginate_queryset(IdempotencyKey.objects.order_by("status"), request)
