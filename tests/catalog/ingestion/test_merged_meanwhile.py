"""Deliveries and editors at the same moment: who was merged while a batch was written is credited no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from catalog.models import Credit, Person, SourceRecord, Title
from catalog.services import editing, matching, people
from tests.billing.threads import apart, await_waiting
from tests.factories.catalog import NOW, ProviderFactory, TitleFactory, feed, ingest, movie

pytestmark = pytest.mark.django_db(transaction=True)

KEPT = {"people": [{"name": "Sōjin Kamiyama", "job": "actor"}]}
MERGED = {"people": [{"name": "S. Kamijama", "job": "actor"}]}


@contextmanager
def crossed(after: str, act: Callable[[], object]) -> Iterator[None]:
    """Let somebody else act when the first statement with these words has been answered, and go on when they wait or are done."""
    acts: list[Future[object]] = []

    def cross(execute: Any, sql: Any, *arguments: Any) -> Any:
        found = execute(sql, *arguments)
        if not acts and after in str(sql):
            acts.append(elsewhere.submit(apart, act))
            await_waiting(1, unless=acts[0].done)
        return found

    with ThreadPoolExecutor(1) as elsewhere:
        with connection.execute_wrapper(cross):
            yield
        [done] = acts
        done.result()


def pair() -> tuple[Person, Person]:
    kept, merged = (Person.objects.get(name=who["people"][0]["name"]) for who in (KEPT, MERGED))
    return kept, merged


class TestAPersonWhoIsMergedWhileADeliveryIsWritten:
    @pytest.mark.parametrize("after", ["catalog_personsource", "nextval"])
    def test_is_credited_no_more(self, after: str) -> None:
        provider = ProviderFactory.create()
        ingest(feed(movie(1, **KEPT), movie(2, **MERGED)), provider)
        kept, merged = pair()

        def merge() -> None:
            people.merge(kept_id=kept.pk, merged_id=merged.pk, by="user:7", now=NOW)

        with crossed(after, merge):
            ingest(feed(movie(3, **MERGED)), provider)
        assert set(Credit.objects.values_list("title__texts__name", "person")) == {
            ("Film 1", kept.pk), ("Film 2", kept.pk), ("Film 3", kept.pk),
        }  # fmt: skip

    def test_is_credited_again_when_the_merge_is_undone(self) -> None:
        provider = ProviderFactory.create()
        ingest(feed(movie(1, **KEPT), movie(2, **MERGED)), provider)
        kept, merged = pair()
        done = people.merge(kept_id=kept.pk, merged_id=merged.pk, by="user:7", now=NOW)
        with crossed("catalog_personsource", lambda: people.unmerge(merge_id=done.pk, by="user:7", now=NOW)):
            ingest(feed(movie(3, **MERGED)), provider)
        # What was delivered while they were one is credited to whom it was then.
        assert set(Credit.objects.values_list("title__texts__name", "person")) == {
            ("Film 1", kept.pk), ("Film 2", merged.pk), ("Film 3", kept.pk),
        }  # fmt: skip
        ingest(feed(movie(3, runtime_seconds=9, **MERGED)), provider)
        assert Credit.objects.get(title__texts__name="Film 3").person == merged

    def test_waits_for_no_title_that_the_delivery_holds(self) -> None:
        """The delivery locks titles first and people last, a merge both: in one order, or they wait for each other."""
        provider = ProviderFactory.create()
        ingest(feed(movie(1, **KEPT), movie(2, **MERGED)), provider)
        kept, merged = pair()

        def merge() -> None:
            people.merge(kept_id=kept.pk, merged_id=merged.pk, by="user:7", now=NOW)

        with crossed("FROM catalog_title WHERE", merge):
            ingest(feed(movie(2, runtime_seconds=9, **MERGED)), provider)
        assert set(Credit.objects.values_list("title__texts__name", "person")) == {
            ("Film 1", kept.pk), ("Film 2", kept.pk),
        }  # fmt: skip


class TestAPersonWhoIsMergedWhileAnEditorCreditsThem:
    @pytest.mark.parametrize("after", ["catalog_title", "merged_into", 'INSERT INTO "catalog_credit"'])
    def test_is_credited_no_more(self, after: str) -> None:
        ingest(feed(movie(1, **KEPT), movie(2, **MERGED)), ProviderFactory.create())
        kept, merged = pair()
        title = TitleFactory.create()

        def merge() -> None:
            people.merge(kept_id=kept.pk, merged_id=merged.pk, by="user:7", now=NOW)

        with crossed(after, merge):
            editing.edit(
                title_id=title.pk, fields={}, parts={"credits": [{"person_id": merged.pk, "job": "actor"}]}, by="user:8",
                now=NOW,
            )  # fmt: skip
        assert set(Credit.objects.values_list("person", flat=True)) == {kept.pk}
        assert title.credits.get().person == kept


class TestATitleThatIsMergedWhileADeliveryIsWritten:
    def delivered(self) -> tuple[Title, Title, Any]:
        ours, other = ProviderFactory.create_batch(2)
        ingest(feed(movie(1, titles={"en": "Häxan"})), other)
        ingest(feed(movie(1, titles={"en": "Witches"})), ours)
        return Title.objects.get(texts__name="Häxan"), Title.objects.get(texts__name="Witches"), ours

    def test_is_written_where_it_answers(self) -> None:
        kept, merged, ours = self.delivered()

        def merge() -> None:
            matching.merge(kept_id=kept.pk, merged_id=merged.pk, by="user:7", now=NOW)

        with crossed('"catalog_sourcerecord"."retired_at"', merge):
            ingest(
                feed(movie(1, titles={"en": "Witches"}, availability=[{"license_type": "SVOD", "contract_id": "new"}])),
                ours,
            )
        merged.refresh_from_db()
        assert (merged.merged_into, merged.windows.count()) == (kept, 0)
        assert set(kept.windows.values_list("contract_id", flat=True)) == {"", "new"}
        assert {record.title for record in SourceRecord.objects.all()} == {kept}
