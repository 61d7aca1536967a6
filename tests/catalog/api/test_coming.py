"""What comes, what goes and what is gone, over HTTP."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.core.signing import Signer
from django.db import connection, transaction
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from catalog.models import Title
from catalog.services import publication
from core.clock import now
from tests.catalog.api.test_titles import in_germany, viewer
from tests.factories import catalog as make
from tests.factories.accounts import KidsProfileFactory

pytestmark = pytest.mark.django_db


def _withdraw(title_id: Any, at: datetime) -> None:
    try:
        publication.withdraw(title_id=title_id, by="user:1", now=at)
    finally:
        connection.close()


__all__ = ["in_germany", "viewer"]

DAY = timedelta(days=1)


def cards(client: Client, which: str, **parameters: Any) -> list[dict[str, Any]]:
    answer = client.get(f"/api/v1/titles/{which}", parameters)
    assert answer.status_code == 200, answer.content
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


class TestComing:
    def test_are_announced_and_say_from_when(self, viewer: Any) -> None:
        at = now()
        opens = (at + 5 * DAY).replace(microsecond=0)
        soon = make.TitleFactory.create(window={"announce_at": at - DAY, "starts_at": opens})
        make.WindowFactory.create(title=soon, starts_at=at + 2 * DAY)  # nobody may be told of this one
        make.TitleFactory.create(window={"announce_at": at + DAY, "starts_at": opens})
        make.TitleFactory.create(window={"starts_at": opens})
        make.TitleFactory.create(window={"announce_at": at - DAY, "starts_at": opens, "territories": ["US"]})
        make.TitleFactory.create(window={"announce_at": at - DAY, "starts_at": at + 31 * DAY})
        make.TitleFactory.create()
        [card] = cards(viewer(), "coming-soon")
        assert (card["id"], card["available_from"]) == (str(soon.pk), opens.isoformat().replace("+00:00", "Z"))

    def test_are_not_told_to_whom_they_are_not_for(self, viewer: Any) -> None:
        window = {"announce_at": now() - DAY, "starts_at": now() + DAY}
        make.RatingFactory.create(title=make.TitleFactory.create(window=window), minimum_age=18)
        assert cards(viewer(KidsProfileFactory), "coming-soon") == []

    def test_cost_the_same_however_many(self, viewer: Any, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        client = viewer()
        for _ in range(3):
            make.TitleFactory.create(window={"announce_at": now() - DAY, "starts_at": now() + DAY})
            make.TitleFactory.create(window={"ends_at": now() + DAY})
        cards(client, "coming-soon")
        for which in ("coming-soon", "leaving-soon"):
            with django_assert_num_queries(3):
                assert len(cards(client, which)) == 3


class TestLeaving:
    def test_say_until_when(self, viewer: Any) -> None:
        ends = (now() + 3 * DAY).replace(microsecond=0)
        going = make.TitleFactory.create(window={"ends_at": ends})
        make.TitleFactory.create(window={"ends_at": now() + 31 * DAY})
        make.TitleFactory.create(window={"ends_at": now() - DAY})
        make.WindowFactory.create(title=make.TitleFactory.create(window={"ends_at": ends}))
        [card] = cards(viewer(), "leaving-soon")
        assert (card["id"], card["available_until"]) == (str(going.pk), ends.isoformat().replace("+00:00", "Z"))


@pytest.mark.django_db(transaction=True)
class TestWithdrawn:
    def test_are_told_of_since_an_instant_the_first_gone_first(self, viewer: Any) -> None:
        at = now()
        kept = make.TitleFactory.create()
        first = make.TitleFactory.create(state="withdrawn", withdrawn_at=at - 2 * DAY)
        second = make.TitleFactory.create(state="withdrawn", withdrawn_at=at - DAY, merged_into=kept)
        make.TitleFactory.create(state="withdrawn", withdrawn_at=at - 4 * DAY)
        found = cards(viewer(), "withdrawn", since=(at - 3 * DAY).isoformat())
        assert [(card["id"], card["merged_into"]) for card in found] == [
            (str(first.pk), None), (str(second.pk), str(kept.pk)),
        ]  # fmt: skip

    def test_come_once_and_after_what_was_told_however_long_their_transactions_take(self, viewer: Any) -> None:
        client = viewer()
        slow, quick, last = (make.TitleFactory.create() for _ in range(3))
        begun = now()

        def gone(address: str) -> tuple[list[str], str]:
            answer = client.get(address).json()
            return [card["id"] for card in answer["results"]], answer["later"]

        with ThreadPoolExecutor(1) as elsewhere, transaction.atomic():
            publication.withdraw(title_id=slow.pk, by="user:1", now=begun)
            elsewhere.submit(_withdraw, quick.pk, begun + timedelta(seconds=2)).result()
            told, later = gone(f"/api/v1/titles/withdrawn?since={quote((begun - DAY).isoformat())}")
            assert told == []
        told, later = gone(later)
        assert told == [str(slow.pk), str(quick.pk)]
        told, later = gone(later)
        assert told == []
        # Of an older instant than the newest that was told: what counts is that nobody was told of it.
        publication.withdraw(title_id=last.pk, by="user:1", now=begun - DAY)
        told, later = gone(later)
        assert told == [str(last.pk)]
        assert gone(later) == ([], later)

    def test_are_told_later_if_they_go_while_none_are_being_read(self, viewer: Any) -> None:
        client = viewer()
        title = make.TitleFactory.create()
        left = [title.pk]

        def read(execute: Any, sql: str, *arguments: Any) -> Any:
            found = execute(sql, *arguments)
            if left and 'ORDER BY "catalog_title"."withdrawn_in"' in sql:
                elsewhere.submit(_withdraw, left.pop(), now()).result()
            return found

        with ThreadPoolExecutor(1) as elsewhere, connection.execute_wrapper(read):
            answer = client.get("/api/v1/titles/withdrawn", {"since": (now() - DAY).isoformat()}).json()
        assert (answer["results"], left) == ([], [])
        assert [card["id"] for card in client.get(answer["later"]).json()["results"]] == [str(title.pk)]

    def test_are_told_again_by_another_server_that_has_not_counted_as_far(self, viewer: Any) -> None:
        client = viewer()
        title = make.TitleFactory.create(state="withdrawn", withdrawn_at=now())
        since = {"since": (now() - DAY).isoformat()}
        before = client.get("/api/v1/titles/withdrawn", since).json()["later"]
        far = 10**15
        Title.objects.filter(pk=title.pk).update(withdrawn_in=far)
        assert client.get("/api/v1/titles/withdrawn", since).json()["results"] == []
        [statement] = re.findall("```sql\n(.*?)```", Path("docs/operations.md").read_text(), re.DOTALL)
        with connection.cursor() as cursor:
            cursor.execute(statement)
        for address in (f"/api/v1/titles/withdrawn?since={quote(since['since'])}", before):
            assert [card["id"] for card in client.get(address).json()["results"]] == [str(title.pk)]
        ahead = Signer(salt="cursor:/api/v1/titles/withdrawn:withdrawn_in,id").sign_object(
            [[far, str(title.pk)], False]
        )
        refused = client.get("/api/v1/titles/withdrawn", {"cursor": ahead})
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_cursor")

    def test_go_again_when_they_were_back(self, viewer: Any) -> None:
        title = make.TitleFactory.create(state="withdrawn", withdrawn_at=now())
        client = viewer()
        answer = client.get("/api/v1/titles/withdrawn", {"since": (now() - DAY).isoformat()}).json()
        publication.publish(title_id=title.pk, by="user:1", now=now())
        publication.withdraw(title_id=title.pk, by="user:1", now=now())
        assert [card["id"] for card in client.get(answer["later"]).json()["results"]] == [str(title.pk)]

    def test_ask_since_when(self, viewer: Any) -> None:
        assert viewer().get("/api/v1/titles/withdrawn").status_code == 400
        assert Title.objects.count() == 0
