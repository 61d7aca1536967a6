"""Titles and people that are merged, parted and split in any order: what hangs on them stays whole, and all can be undone."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from django.db.models import F
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from catalog.models import (
    AvailabilityWindow,
    Credit,
    Person,
    PersonMerge,
    PersonSource,
    SourceRecord,
    Title,
    TitleMerge,
)
from catalog.services import matching, people
from core.errors import DomainError
from tests.factories.catalog import (
    NOW,
    EpisodeFactory,
    ProviderFactory,
    SeasonFactory,
    TitleFactory,
    feed,
    ingest,
    movie,
)

pytestmark = pytest.mark.django_db
PLACES = st.integers(0, 3)
ACTS = st.lists(
    st.tuples(st.sampled_from(["merge", "merge", "unmerge", "split"]), PLACES, PLACES, st.booleans()), max_size=8
)
# The first of two merges, the second of which took on what it had made, is undone first.
CHAIN = [("merge", 1, 0, False), ("merge", 2, 1, False), ("unmerge", 1, 0, False)]
in_any_order = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
# What the first merge brought is given up in the second, for which both are credited alike: it comes back as what it was.
GIVEN_UP = [("merge", 0, 1, False), ("merge", 2, 0, False)]


def titles_now() -> tuple[Any, ...]:
    """Answer where titles, their licences and their records hang, and what viewers see of them."""
    return (
        set(Title.objects.values_list("pk", "parent", "series", "state", "merged_into")),
        set(AvailabilityWindow.objects.values_list("pk", "title", "series_id")),
        set(SourceRecord.objects.values_list("pk", "title")),
    )


def people_now() -> tuple[Any, ...]:
    """Answer who is credited with what, in whose name records come, and who stands for whom."""
    return (
        set(Credit.objects.values_list("title", "person", "job", "character")),
        set(PersonSource.objects.values_list("pk", "person")),
        set(Person.objects.values_list("pk", "merged_into")),
    )


def undo(*, last_first: bool, at: int = 0) -> None:
    """Undo merges: one of those that stand, or all of them, the last one first."""
    for module, model in ((matching, TitleMerge), (people, PersonMerge)):
        standing = list(model.objects.filter(undone_at=None).order_by("-pk").values_list("pk", flat=True))
        for merge_id in standing if last_first else standing[at : at + 1]:
            if model.objects.filter(pk=merge_id, undone_at=None).exists():
                module.unmerge(merge_id=merge_id, by="user:1", now=NOW)


class TestTitles:
    @in_any_order
    @given(acts=ACTS)
    @example(acts=CHAIN)
    def test_stay_whole_and_come_back(self, acts: list[tuple[str, int, int, bool]]) -> None:
        with transaction.atomic():
            series = [TitleFactory.create(kind="series") for _ in range(4)]
            seasons = [SeasonFactory.create(parent=one, number=1 + place // 2) for place, one in enumerate(series)]
            for season in seasons:
                EpisodeFactory.create(parent=season, number=1)
            before = titles_now()
            for act, one, other, are_seasons in acts:
                kind = seasons if are_seasons else series
                try:
                    with transaction.atomic():
                        if act == "merge":
                            matching.merge(kept_id=kind[one].pk, merged_id=kind[other].pk, by="user:1", now=NOW)
                        elif act == "unmerge":
                            undo(last_first=False, at=one)
                except DomainError:
                    pass
                self.check()
            undo(last_first=True)
            assert titles_now() == before
            transaction.set_rollback(True)

    def check(self) -> None:
        outside = AvailabilityWindow.objects.filter(title__series__isnull=False)
        assert not outside.exclude(series_id=F("title__series_id")).exists()
        assert not AvailabilityWindow.objects.filter(title__series__isnull=True, series_id__isnull=False).exists()
        assert not AvailabilityWindow.objects.filter(title__merged_into__isnull=False).exists()
        assert not Title.objects.filter(merged_into__merged_into__isnull=False).exists()
        assert not Title.objects.filter(merged_into__isnull=False).exclude(state="withdrawn").exists()
        assert not Title.objects.filter(state="withdrawn", withdrawn_in=0).exists()


class TestPeople:
    @in_any_order
    @given(acts=ACTS)
    @example(acts=CHAIN)
    @example(acts=GIVEN_UP)
    def test_stay_whole_and_come_back(self, acts: list[tuple[str, int, int, bool]]) -> None:
        with transaction.atomic():
            cast = [{"name": f"Person {place}", "job": "actor", "character": "Max"} for place in range(4)]
            ingest(
                feed(*(movie(one, people=[cast[one], cast[(one + 1) % 4]]) for one in range(4))),
                ProviderFactory.create(),
            )
            everybody = list(Person.objects.order_by("pk"))
            before, is_split = people_now(), False
            for act, one, other, _ in acts:
                try:
                    with transaction.atomic():
                        if act == "merge":
                            people.merge(kept_id=everybody[one].pk, merged_id=everybody[other].pk, by="user:1", now=NOW)
                        elif act == "unmerge":
                            undo(last_first=False, at=one)
                        else:
                            credits_ = list(everybody[one].credits.order_by("pk").values_list("pk", flat=True)[:1])
                            people.split(
                                person_id=everybody[one].pk, credit_ids=credits_, name="", by="user:1", now=NOW
                            )
                            is_split = True
                except DomainError:
                    pass
                for held in (Credit, PersonSource):
                    assert not held.objects.filter(person__merged_into__isnull=False).exists()
                assert not Person.objects.filter(merged_into__merged_into__isnull=False).exists()
            undo(last_first=True)
            if is_split:
                assert not Person.objects.filter(merged_into__isnull=False).exists()
            else:
                assert people_now() == before
            transaction.set_rollback(True)
