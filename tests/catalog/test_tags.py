"""Genres, keywords and people as editors spell them: later deliveries mean them, and overwrite nothing."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.models import Profile
from catalog.api.filters import TitleFilters
from catalog.models import Credit, Genre, Keyword, Person, ProfileBlock, SearchRename, Title, TitleKeyword
from catalog.rules import Viewer
from catalog.selectors import collections as found_collections
from catalog.selectors.search import search
from catalog.services import collections, editing, people, tags
from catalog.services.ingestion import applying, batch
from catalog.services.search import follow_renames
from core.errors import DomainError
from core.ids import new_id
from tests.billing.threads import apart, await_waiting
from tests.catalog.test_admin import staff
from tests.factories.accounts import ProfileFactory
from tests.factories.catalog import NOW, ProviderFactory, TitleFactory, feed, ingest, movie

pytestmark = pytest.mark.django_db
__all__ = ["staff"]
VIEWER = Viewer("DE", ("en",))


def genres_of(title: Title) -> list[str]:
    return list(title.title_genres.order_by("position").values_list("genre__name", flat=True))


def found(query: str) -> list[Any]:
    return list(search(query, VIEWER, NOW).title_ids)


class TestANameOfEditors:
    def test_of_a_person_stays_and_is_searched_after_the_next_delivery(self) -> None:
        provider = ProviderFactory.create()
        ingest(feed(movie(1, people=[{"name": "Soejin Kamijama", "job": "actor"}])), provider)
        person = Person.objects.get()
        people.rename(person_id=person.pk, name="Sōjin Kamiyama", by="user:7")
        person.refresh_from_db()
        assert (person.name, person.named_by) == ("Sōjin Kamiyama", "user:7")
        while follow_renames():
            pass
        changed = movie(1, runtime_seconds=9, people=[{"name": "Soejin Kamijama", "job": "actor"}])
        ingest(feed(changed, movie(2, people=[{"name": "Soejin Kamijama", "job": "actor"}])), provider)
        assert Person.objects.get().name == "Sōjin Kamiyama"
        assert set(found("kamiyama")) == set(Title.objects.values_list("pk", flat=True))

    def test_of_a_genre_and_a_keyword_stays_and_is_searched_after_the_next_delivery(self) -> None:
        provider = ProviderFactory.create()
        ingest(feed(movie(1, genres=["Sci-Fi"], keywords=["cyborgs"])), provider)
        tags.save_genre(genre_id=Genre.objects.get().pk, name="Science Fiction", slug="science-fiction")
        tags.save_keyword(keyword_id=Keyword.objects.get().pk, name="Cyborg")
        ingest(feed(movie(1, runtime_seconds=9, genres=["Sci-Fi"], keywords=["cyborgs"]),
                    movie(2, genres=["Sci-Fi", "Science Fiction"], keywords=["cyborgs", "cyborg"])), provider)  # fmt: skip
        for title in Title.objects.order_by("pk"):
            assert genres_of(title) == ["Science Fiction"]
            assert [item.keyword.name for item in title.title_keywords.all()] == ["cyborg"]
        assert Genre.objects.standing().count() == Keyword.objects.standing().count() == 1
        assert len(found("science fiction")) == len(found("cyborg")) == 2

    def test_takes_back_a_slug_that_was_given_up(self) -> None:
        genre = tags.save_genre(genre_id=None, name="Noir", slug="noir")
        tags.save_genre(genre_id=genre.pk, name="Film noir", slug="film-noir")
        tags.save_genre(genre_id=genre.pk, name="Noir", slug="noir")
        assert set(Genre.objects.values_list("slug", "merged_into")) == {("noir", None), ("film-noir", genre.pk)}


class TestMerge:
    def merged(self) -> tuple[Genre, Genre]:
        ingest(feed(movie(1, genres=["Thriller"]), movie(2, genres=["Suspense", "Thriller"]), movie(3, genres=["Suspense"])),
               ProviderFactory.create())  # fmt: skip
        kept, merged = Genre.objects.get(slug="thriller"), Genre.objects.get(slug="suspense")
        return kept, merged

    def test_gives_one_the_titles_and_the_blocks_of_both(self) -> None:
        kept, merged = self.merged()
        profiles: list[Profile] = ProfileFactory.create_batch(2)
        for profile, genre in ((profiles[0], merged), (profiles[1], merged), (profiles[1], kept)):
            ProfileBlock.objects.create(profile=profile, genre=genre, created_at=NOW)
        tags.merge(model=Genre, kept_id=kept.pk, merged_id=merged.pk)
        assert [genres_of(title) for title in Title.objects.order_by("pk")] == [["Thriller"]] * 3
        assert set(ProfileBlock.objects.values_list("profile", "genre")) == {(one.pk, kept.pk) for one in profiles}
        assert SearchRename.objects.filter(kind="genre", key=str(kept.pk)).exists()

    def test_leaves_rules_and_addresses_that_use_the_other_name_as_they_were(self) -> None:
        kept, merged = self.merged()
        rule = {"genres": ["suspense"]}
        fields = {"slug": "dark", "kind": "rule", "names": {"en": "Dark"}, "rule": rule, "order": "added", "most": 9}
        collections.save(collection_id=new_id(), fields=fields, now=NOW)
        tags.merge(model=Genre, kept_id=kept.pk, merged_id=merged.pk)
        assert len(found_collections.collection_for("dark", VIEWER, NOW).titles) == 3
        assert TitleFilters({"genre": "suspense"}, queryset=Title.objects.all()).qs.count() == 3

    def test_reaches_what_a_delivery_on_its_way_has_found_before(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(applying, "BATCH", 1)
        conclude = batch.Batch.conclude

        def merging(self: Any) -> None:
            conclude(self)
            if Title.objects.count() == 2:
                for model in (Genre, Keyword):
                    kept, merged = model.objects.order_by("pk")
                    tags.merge(model=model, kept_id=kept.pk, merged_id=merged.pk)
                one, other = Person.objects.order_by("pk")
                people.merge(kept_id=one.pk, merged_id=other.pk, by="user:7", now=NOW)

        monkeypatch.setattr(batch.Batch, "conclude", merging)
        tagged = {"genres": ["Suspense"], "keywords": ["spies"], "people": [{"name": "S. Kamijama", "job": "actor"}]}
        first = {"genres": ["Thriller"], "keywords": ["spy"], "people": [{"name": "Sōjin Kamiyama", "job": "actor"}]}
        ingest(feed(movie(1, **first), movie(2, **tagged), movie(3, **tagged)), ProviderFactory.create())
        assert [genres_of(title) for title in Title.objects.all()] == [["Thriller"]] * 3
        assert TitleKeyword.objects.filter(keyword__name="spy").count() == 3
        assert Credit.objects.filter(person__name="Sōjin Kamiyama").count() == 3

    def test_keeps_the_tree_a_tree(self) -> None:
        top = Genre.objects.create(slug="top", name="Top")
        merged = Genre.objects.create(slug="merged", name="Merged", parent=top)
        between = Genre.objects.create(slug="between", name="Between", parent=merged)
        kept = Genre.objects.create(slug="kept", name="Kept", parent=between)
        tags.merge(model=Genre, kept_id=kept.pk, merged_id=merged.pk)
        assert dict(Genre.objects.values_list("slug", "parent")) == {
            "top": None, "merged": None, "between": kept.pk, "kept": top.pk,
        }  # fmt: skip

    def test_refuses_one_that_stands_for_another(self) -> None:
        kept, merged = self.merged()
        tags.merge(model=Genre, kept_id=kept.pk, merged_id=merged.pk)
        with pytest.raises(tags.TagInvalid):
            tags.merge(model=Genre, kept_id=merged.pk, merged_id=kept.pk)
        with pytest.raises(tags.TagInvalid):
            tags.save_genre(genre_id=merged.pk, name="Suspense", slug="suspense")


class TestGoingBack:
    def test_means_what_answers_now(self) -> None:
        ingest(feed(movie(1, genres=["Thriller", "Suspense"], keywords=["spy"]), movie(2, keywords=["spies"])),
               ProviderFactory.create())  # fmt: skip
        title = Title.objects.order_by("pk")[0]
        editing.edit(title_id=title.pk, fields={}, parts={"genres": [], "keywords": []}, by="user:7", now=NOW)
        one, other = Genre.objects.get(slug="thriller"), Genre.objects.get(slug="suspense")
        tags.merge(model=Genre, kept_id=one.pk, merged_id=other.pk)
        spies, spy = Keyword.objects.get(name="spies"), Keyword.objects.get(name="spy")
        tags.merge(model=Keyword, kept_id=spies.pk, merged_id=spy.pk)
        editing.revert(title_id=title.pk, number=1, by="user:7", now=NOW)
        assert genres_of(title) == ["Thriller"]
        assert [item.keyword.name for item in title.title_keywords.all()] == ["spies"]


class TestRefusals:
    @pytest.mark.parametrize("parent", ["own", "child"])
    def test_of_a_genre_below_itself(self, parent: str) -> None:
        genre = Genre.objects.create(slug="a", name="A")
        child = Genre.objects.create(slug="b", name="B", parent=genre)
        with pytest.raises(tags.TagInvalid):
            tags.save_genre(genre_id=genre.pk, name="A", slug="a", parent_id=genre.pk if parent == "own" else child.pk)
        genre.refresh_from_db()
        assert genre.parent is None

    def test_of_a_parent_that_is_gone(self) -> None:
        genre = Genre.objects.create(slug="a", name="A")
        for one in (genre.pk, None):
            with pytest.raises(tags.TagUnknown):
                tags.save_genre(genre_id=one, name="A", slug="a", parent_id=genre.pk + 1)
        assert Genre.objects.get().parent is None

    def test_of_a_name_that_is_taken(self) -> None:
        Keyword.objects.create(name="witch")
        other = Keyword.objects.create(name="witches")
        with pytest.raises(DomainError, match="merge the two") as refused:
            tags.save_keyword(keyword_id=other.pk, name="Witch")
        assert refused.value.code == "tag_exists"
        assert set(Keyword.objects.values_list("name", flat=True)) == {"witch", "witches"}


@pytest.mark.django_db(transaction=True)
class TestTwoAtOnce:
    def test_do_not_move_genres_below_each_other(self) -> None:
        one, other = (Genre.objects.create(slug=name, name=name.title()) for name in ("one", "other"))
        crossing: list[Future[Genre]] = []

        def cross(execute: Any, sql: str, *arguments: Any) -> Any:
            found = execute(sql, *arguments)
            if not crossing and "FOR UPDATE" in sql:
                move = partial(tags.save_genre, genre_id=other.pk, name="Other", slug="other", parent_id=one.pk)
                crossing.append(elsewhere.submit(apart, move))
                await_waiting(1)
            return found

        with ThreadPoolExecutor(1) as elsewhere, connection.execute_wrapper(cross):
            tags.save_genre(genre_id=one.pk, name="One", slug="one", parent_id=other.pk)
        with pytest.raises(tags.TagInvalid):
            crossing[0].result()
        assert dict(Genre.objects.values_list("slug", "parent")) == {"one": other.pk, "other": None}


class TestPages:
    def test_rename_and_merge(self, staff: Client) -> None:
        one, other = (Genre.objects.create(slug=name, name=name.title()) for name in ("crime", "krimi"))
        address = reverse("admin:catalog_genre_change", args=[one.pk])
        assert staff.post(address, {"name": "Crime film", "slug": "crime-film", "parent": ""}).status_code == 302
        changelist = reverse("admin:catalog_genre_changelist")
        data = {"action": "merge_selected", ACTION_CHECKBOX_NAME: [one.pk, other.pk]}
        assert "Which name stays?" in staff.post(changelist, data).content.decode()
        assert staff.post(changelist, data | {"confirmed": "yes", "kept": one.pk}).status_code == 302
        other.refresh_from_db()
        assert other.merged_into == one
        staff.get(changelist)  # what was done is said once
        shown = staff.get(changelist).content.decode()
        assert ("Crime film" in shown, "Krimi" in shown) == (True, False)

    def test_take_back_a_name_that_was_given_up(self, staff: Client) -> None:
        genre = tags.save_genre(genre_id=None, name="Noir", slug="noir")
        tags.save_genre(genre_id=genre.pk, name="Film noir", slug="film-noir")
        keyword = tags.save_keyword(keyword_id=None, name="spy")
        tags.save_keyword(keyword_id=keyword.pk, name="spies")
        for one, given in ((genre, {"name": "Noir", "slug": "noir", "parent": ""}), (keyword, {"name": "spy"})):
            address = reverse(f"admin:catalog_{one._meta.model_name}_change", args=[one.pk])
            assert staff.post(address, given).status_code == 302
            one.refresh_from_db()
        assert (genre.slug, keyword.name) == ("noir", "spy")

    def test_say_what_is_taken(self, staff: Client) -> None:
        Keyword.objects.create(name="witch")
        other = Keyword.objects.create(name="witches")
        address = reverse("admin:catalog_keyword_change", args=[other.pk])
        assert "merge the two instead" in staff.post(address, {"name": "Witch"}, follow=True).content.decode()
        other.refresh_from_db()
        assert other.name == "witches"

    def test_stand_below_none_that_stands_for_another(self) -> None:
        drama = Genre.objects.create(slug="drama", name="Drama")
        gone = Genre.objects.create(slug="dramas", name="Dramas", merged_into=drama)
        with pytest.raises(tags.TagInvalid, match="stands for another"):
            tags.save_genre(genre_id=None, name="Noir", slug="noir", parent_id=gone.pk)
        assert not Genre.objects.filter(slug="noir").exists()

    def test_say_what_the_service_refuses(self, staff: Client) -> None:
        genre = Genre.objects.create(slug="a", name="A")
        address = reverse("admin:catalog_genre_change", args=[genre.pk])
        answer = staff.post(address, {"name": "A", "slug": "a", "parent": genre.pk}, follow=True)
        assert "A genre cannot be below itself." in answer.content.decode()

    def test_keep_what_a_profile_has_blocked(self, staff: Client) -> None:
        genre = Genre.objects.create(slug="horror", name="Horror")
        block = ProfileBlock.objects.create(profile=ProfileFactory.create(), genre=genre, created_at=NOW)
        address = reverse("admin:catalog_genre_delete", args=[genre.pk])
        assert "merge it with another one" in staff.post(address, {"post": "yes"}).content.decode()
        assert Genre.objects.filter(pk=genre.pk).exists()
        block.delete()
        assert staff.post(address, {"post": "yes"}).status_code == 302
        assert not Genre.objects.filter(pk=genre.pk).exists()

    def test_split_a_person(self, staff: Client) -> None:
        ingest(feed(movie(1), movie(2)), ProviderFactory.create())
        person = Person.objects.get()
        address = reverse("admin:catalog_person_split_one", args=[person.pk])
        assert "Film 2" in staff.get(address).content.decode()
        credit = person.credits.get(title__texts__name="Film 2")
        assert staff.post(address, {"credit": credit.pk, "name": ""}).status_code == 302
        credit.refresh_from_db()
        assert credit.person_id != person.pk
        assert credit.title.edited == ["credits"]

    def test_of_a_title_split_a_record_off(self, staff: Client) -> None:
        same = {"external_ids": [{"namespace": "imdb", "value": "tt1"}]}
        for provider in ProviderFactory.create_batch(2):
            ingest(feed(movie(1, **same)), provider)
        title = Title.objects.get()
        address = reverse("admin:catalog_title_sources_one", args=[title.pk])
        assert staff.get(address).content.decode().count("split it off") == 2
        record = title.source_records.order_by("pk").last()
        assert record is not None
        assert staff.post(address, {"source": record.pk}).status_code == 302
        record.refresh_from_db()
        assert record.title_id != title.pk
        assert staff.post(address, {"source": record.pk}, follow=True).status_code == 200

    def test_merge_two_titles(self, staff: Client) -> None:
        one, other = TitleFactory.create(name="Häxan"), TitleFactory.create(name="Haxan")
        data: dict[str, Any] = {"action": "merge_selected", ACTION_CHECKBOX_NAME: [str(one.pk), str(other.pk)]}
        changelist = reverse("admin:catalog_title_changelist")
        assert "Which title stays?" in staff.post(changelist, data).content.decode()
        staff.post(changelist, data | {"confirmed": "yes", "kept": str(other.pk)})
        one.refresh_from_db()
        assert (one.merged_into, one.state) == (other, "withdrawn")
