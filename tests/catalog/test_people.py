"""People: merged, parted, and the same again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import connection
from django.db.models import TextField
from django.db.models.functions import Cast
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from catalog.models import (
    Credit,
    Person,
    PersonMerge,
    PersonSource,
    Revision,
    SearchDocument,
    SearchRename,
    Title,
)
from catalog.rules import Viewer
from catalog.selectors.titles import person_for
from catalog.services import people, search
from core.ids import new_id
from tests.catalog.test_admin import staff
from tests.factories.catalog import (  # fmt: skip
    NOW,
    CreditFactory,
    EpisodeFactory,
    ProviderFactory,
    SeasonFactory,
    TitleFactory,
    feed,
    ingest,
    movie,
)

pytestmark = pytest.mark.django_db

__all__ = ["staff"]
LATER = NOW + timedelta(hours=1)
VIEWER = Viewer("DE", ("de",))


def person(name: str, *titles: Title, **fields: Any) -> Person:
    made = Person.objects.create(name=name)
    for title in titles:
        CreditFactory.create(title=title, person=made, **fields)
    return made


def merge(kept: Person, merged: Person) -> PersonMerge:
    return people.merge(kept_id=kept.pk, merged_id=merged.pk, by="user:7", now=LATER)


def credited(someone: Person) -> set[str]:
    return set(someone.credits.values_list("title__texts__name", flat=True))


class TestMerge:
    def test_gives_one_the_credits_of_both_and_the_others_id_goes_on_answering(self) -> None:
        a, b = TitleFactory.create(name="A"), TitleFactory.create(name="B")
        kept, merged = person("Otto Lang", a), person("O. Lang", b)
        done = merge(kept, merged)
        assert credited(kept) == {"A", "B"}
        found, titles = person_for(merged.pk, VIEWER, NOW)
        assert (found, {title.pk for title, _ in titles}) == (kept, {a.pk, b.pk})
        a.refresh_from_db()
        b.refresh_from_db()
        assert (a.revision, b.revision) == (1, 2)
        assert (done.by, done.at, done.undone_at) == ("user:7", LATER, None)

    def test_keeps_a_credit_that_both_have_once(self) -> None:
        title = TitleFactory.create(name="A")
        kept, merged = person("Otto Lang", title, character="Max"), person("O. Lang", title, character="Max")
        done = merge(kept, merged)
        assert title.credits.get().person == kept
        people.unmerge(merge_id=done.pk, by="user:8", now=LATER)
        assert {credit.person for credit in title.credits.all()} == {kept, merged}

    def test_raises_the_revision_of_the_wholes_of_what_names_them(self) -> None:
        series = TitleFactory.create(kind="series")
        season = SeasonFactory.create(parent=series)
        episode = EpisodeFactory.create(parent=season)
        merge(person("Otto Lang"), person("O. Lang", episode))
        for title in (series, season, episode):
            title.refresh_from_db()
            assert title.revision == 2

    def test_of_whom_very_much_names_costs_the_same_and_the_search_follows(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(people, "AT_ONCE", 3)
        titles = [TitleFactory.create(name=f"Film {number}") for number in range(8)]
        costs = set()
        for merged in (person("O. Lang", *titles[:4]), person("Lang, O.", *titles)):
            with CaptureQueriesContext(connection) as queries:
                merge(person("Otto Lang"), merged)
            costs.add(len(queries))
        assert len(costs) == 1
        assert list(Title.objects.order_by("pk").values_list("revision", flat=True)) == [3] * 4 + [2] * 4
        assert list(SearchRename.objects.values_list("kind", "done_to")) == [("person", None)] * 2
        while search.follow_renames():
            pass
        documents = SearchDocument.objects.annotate(text=Cast("words", TextField()))
        assert documents.filter(text__contains="'otto'").count() == 8

    def test_raises_the_revision_of_a_whole_once_for_all_its_parts(self) -> None:
        season = SeasonFactory.create(parent=TitleFactory.create(kind="series"))
        merge(person("Otto Lang"), person("O. Lang", *(EpisodeFactory.create(parent=season) for _ in range(3))))
        season.refresh_from_db()
        assert (season.revision, Title.objects.get(kind="series").revision) == (2, 2)

    def test_holds_for_later_deliveries(self) -> None:
        provider = ProviderFactory.create()
        first = [{"name": "Otto Lang", "job": "director", "id": "p1"}]
        second = [{"name": "O. Lang", "job": "director", "id": "p2"}]
        ingest(feed(movie(1, people=first), movie(2, people=second)), provider)
        kept, merged = Person.objects.get(name="Otto Lang"), Person.objects.get(name="O. Lang")
        merge(kept, merged)
        ingest(feed(movie(3, people=second)), provider)
        assert credited(kept) == {"Film 1", "Film 2", "Film 3"}
        assert merged.credits.count() == 0

    def test_of_who_was_merged_before_leaves_no_chain(self) -> None:
        title = TitleFactory.create()
        first, second, third = person("A"), person("B"), person("C", title)
        inner = merge(second, third)
        merge(first, second)
        third.refresh_from_db()
        assert third.merged_into == first
        assert person_for(third.pk, VIEWER, NOW)[0] == first
        with pytest.raises(people.CannotMergePeople, match="merged before"):
            merge(second, first)
        assert PersonMerge.objects.filter(undone_at__isnull=True).count() == 2
        assert inner.kept == second

    @pytest.mark.parametrize("wrong", ["same", "unknown"])
    def test_refuses_what_makes_no_sense(self, wrong: str) -> None:
        one = person("A", TitleFactory.create())
        other_id = one.pk if wrong == "same" else new_id()
        with pytest.raises((people.CannotMergePeople, people.PersonUnknown)):
            people.merge(kept_id=one.pk, merged_id=other_id, by="user:7", now=LATER)
        assert (PersonMerge.objects.count(), one.credits.count()) == (0, 1)


class TestUnmerge:
    def test_brings_everything_back_once(self) -> None:
        provider = ProviderFactory.create()
        ingest(feed(movie(1, people=[{"name": "Otto Lang", "job": "director"}])), provider)
        ingest(feed(movie(2, people=[{"name": "O. Lang", "job": "director"}])), provider)
        kept, merged = Person.objects.get(name="Otto Lang"), Person.objects.get(name="O. Lang")
        done = merge(kept, merged)
        people.unmerge(merge_id=done.pk, by="user:8", now=LATER)
        merged.refresh_from_db()
        assert (credited(kept), credited(merged), merged.merged_into) == ({"Film 1"}, {"Film 2"}, None)
        assert PersonSource.objects.get(person=merged).key == "name:o lang"
        done.refresh_from_db()
        assert (done.undone_by, done.undone_at) == ("user:8", LATER)
        with pytest.raises(people.PersonMergeUnknown):
            people.unmerge(merge_id=done.pk, by="user:8", now=LATER)


class TestSplit:
    def test_parts_namesakes_and_keeps_them_apart(self) -> None:
        provider = ProviderFactory.create()
        cast = [{"name": "Otto Lang", "job": "director"}]
        ingest(feed(movie(1, people=cast), movie(2, people=cast)), provider)
        both = Person.objects.get()
        theirs = Credit.objects.get(title__source_records__external_id="m2")
        other = people.split(person_id=both.pk, credit_ids=[theirs.pk], name="", by="user:7", now=LATER)
        assert (other.name, credited(both), credited(other)) == ("Otto Lang", {"Film 1"}, {"Film 2"})
        ingest(feed(movie(1, people=cast), movie(2, people=cast, runtime_seconds=9)), provider)
        assert (credited(both), credited(other)) == ({"Film 1"}, {"Film 2"})
        versions = Revision.objects.filter(title=theirs.title_id).order_by("number")[:2]
        assert [(version.by, version.note) for version in versions] == [
            ("", ""), ("user:7", "Another Otto Lang than before: Otto Lang"),
        ]  # fmt: skip

    def test_refuses_credits_of_somebody_else(self) -> None:
        one, other = person("A", TitleFactory.create()), person("B", TitleFactory.create())
        with pytest.raises(people.CannotMergePeople):
            people.split(person_id=one.pk, credit_ids=[other.credits.get().pk], name="C", by="user:7", now=LATER)
        assert Person.objects.count() == 2


class TestAdmin:
    def test_asks_whose_name_stays_and_can_undo(self, staff: Client) -> None:
        kept, merged = (
            person("Otto Lang", TitleFactory.create(name="A")),
            person("O. Lang", TitleFactory.create(name="B")),
        )
        address = reverse("admin:catalog_person_changelist")
        chosen = {"action": "merge_selected", ACTION_CHECKBOX_NAME: [kept.pk, merged.pk]}
        page = staff.post(address, chosen).content.decode()
        assert "Otto Lang" in page
        assert Person.objects.filter(merged_into__isnull=False).count() == 0
        staff.post(address, chosen | {"confirmed": "yes", "kept": kept.pk})
        merged.refresh_from_db()
        assert merged.merged_into == kept
        merges = reverse("admin:catalog_personmerge_changelist")
        staff.post(merges, {"action": "undo", ACTION_CHECKBOX_NAME: [PersonMerge.objects.get().pk]})
        text = staff.get(merges).content.decode()
        assert text.count(User.objects.get(is_staff=True).email) >= 2  # who merged, who undid it
        assert "user:" not in text
        assert credited(merged) == {"B"}
        assert not Person.objects.filter(merged_into__isnull=False).exists()

    def test_wants_two(self, staff: Client) -> None:
        one = person("A")
        address = reverse("admin:catalog_person_changelist")
        answer = staff.post(address, {"action": "merge_selected", ACTION_CHECKBOX_NAME: [one.pk]}, follow=True)
        assert "Choose two people that are one." in answer.content.decode()


class TestWhoWasMerged:
    def test_is_neither_renamed_nor_split(self) -> None:
        kept, merged = person("Louise Brooks"), person("L. Brooks", TitleFactory.create())
        merge(kept, merged)
        with pytest.raises(people.PersonMerged):
            people.rename(person_id=merged.pk, name="Lulu", by="user:7")
        with pytest.raises(people.PersonMerged):
            people.split(person_id=merged.pk, credit_ids=[], name="Lulu", by="user:7", now=LATER)
        assert set(Person.objects.values_list("name", flat=True)) == {"Louise Brooks", "L. Brooks"}

    def test_leads_to_who_answers_and_to_the_undoing_and_cannot_be_edited(self, staff: Client) -> None:
        kept, merged = person("Louise Brooks"), person("L. Brooks")
        merge(kept, merged)
        address = reverse("admin:catalog_person_change", args=[merged.pk])
        shown = staff.get(address).content.decode()
        assert reverse("admin:catalog_person_change", args=[kept.pk]) in shown
        assert f"{reverse('admin:catalog_personmerge_changelist')}?merged__exact={merged.pk}" in shown
        assert reverse("admin:catalog_person_split_one", args=[merged.pk]) not in shown
        assert staff.post(address, {"name": "Lulu"}).status_code == 403
        assert Person.objects.get(pk=merged.pk).name == "L. Brooks"

    def test_is_not_chosen_for_a_credit(self, staff: Client) -> None:
        kept, merged = person("Louise Brooks"), person("Louise Brooks")
        merge(kept, merged)
        asked = {"app_label": "catalog", "model_name": "credit", "field_name": "person", "term": "louise"}
        found = staff.get(reverse("admin:autocomplete"), asked).json()["results"]
        assert [one["id"] for one in found] == [str(kept.pk)]
        listed = staff.get(reverse("admin:catalog_person_changelist"), {"q": "louise"}).content.decode()
        assert str(merged.pk) in listed

    def test_is_told_of_an_undoing_that_was_done_before(self, staff: Client) -> None:
        merge(person("Louise Brooks"), person("L. Brooks"))
        act = {"action": "undo", ACTION_CHECKBOX_NAME: PersonMerge.objects.get().pk}
        merges = reverse("admin:catalog_personmerge_changelist")
        assert "Parted again." in staff.post(merges, act, follow=True).content.decode()
        answer = staff.post(merges, act, follow=True).content.decode()
        assert "What was undone before stays as it is." in answer
        assert "Parted again." not in answer
