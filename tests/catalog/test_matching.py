"""Titles of several providers: linked, doubted, merged, parted, and the same again."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from catalog.models import (
    Collection,
    CollectionTitle,
    MatchCandidate,
    MediaSource,
    PublicationEntry,
    SourceRecord,
    Title,
    TitleMerge,
)
from catalog.rules import Likeness, resemblance
from catalog.services import editing, matching
from tests.catalog.ingestion.test_real_files import Record, reported
from tests.factories.accounts import ProfileFactory, sign_in
from tests.factories.catalog import (
    NOW,
    EpisodeFactory,
    ProviderFactory,
    SeasonFactory,
    TitleFactory,
    counts,
    feed,
    ingest,
    movie,
)

DATA = Path(__file__).parents[3] / "shared" / "data"

pytestmark = pytest.mark.django_db

EIDR = [{"namespace": "eidr", "value": "10.5240/CF5A-AB7E-A4DB-35FA-BAC5-M"}]


def title_of(external_id: str) -> Title:
    return Title.objects.get(source_records__external_id=external_id)


def places() -> set[tuple[object, ...]]:
    """Answer where every title hangs, and in what state it is."""
    return set(Title.objects.values_list("pk", "parent", "series", "state", "merged_into"))


class TestResemblance:
    @pytest.mark.parametrize(
        ("one", "other", "expected"),
        [
            (("movie", 2019, 5400, {"a"}), ("movie", 2019, 5400, {"a"}), 1.0),
            (("movie", 2019, None, set()), ("movie", 2019, None, set()), 0.8),
            (("movie", 2019, None, {"a"}), ("movie", 2019, None, {"b"}), 0.4),
            (("movie", 1984, None, set()), ("movie", 2021, None, set()), 0.1),
            (("movie", 2019, None, {"a", "b"}), ("movie", 2020, None, {"a", "b", "c"}), 1.0),
            (("series", 2013, None, set()), ("series", 2019, None, set()), 0.5),
            (("movie", 2019, None, {"a"}), ("series", 2019, None, {"a"}), 0.0),
        ],
    )
    def test_weighs_year_running_time_and_people(self, one: tuple, other: tuple, expected: float) -> None:  # type: ignore[type-arg]
        score = resemblance(
            Likeness(one[0], one[1], one[2], frozenset(one[3])),
            Likeness(other[0], other[1], other[2], frozenset(other[3])),
        )
        assert score[0] == expected


class TestLinking:
    def test_by_a_well_known_id_makes_one_title_of_two_records(self) -> None:
        first, second = ProviderFactory.create(), ProviderFactory.create()
        ingest(feed(movie(1, external_ids=EIDR)), first)
        run = ingest(feed(movie(7, external_ids=EIDR, titles={"en": "Another name"}, keywords=["sea"])), second)
        assert counts(run) == {"read": 1, "updated": 1}
        title = Title.objects.get()
        assert title.texts.get().name == "Film 1"
        assert title.title_keywords.get().keyword.name == "sea"
        assert (title.windows.count(), title.external_ids.count(), title.source_records.count()) == (2, 1, 2)
        assert title.provenance["texts"] == f"{first.code}/jsonl"
        assert title.provenance["keywords"] == f"{second.code}/jsonl"
        assert counts(ingest(feed(movie(7, external_ids=EIDR, titles={"en": "Another name"}, keywords=["sea"])), second)) == {
            "read": 1, "unchanged": 1,
        }  # fmt: skip

    def test_lets_the_higher_precedence_speak_by_field(self) -> None:
        first = ProviderFactory.create()
        second = ProviderFactory.create(precedence=10, precedence_by_field={"texts": 80})
        ingest(feed(movie(1, external_ids=EIDR, runtime_seconds=60)), first)
        ingest(feed(movie(7, external_ids=EIDR, runtime_seconds=99)), second)
        title = Title.objects.get()
        assert (title.texts.get().name, title.runtime_seconds) == ("Film 7", 60)
        ingest(feed(movie(1, external_ids=EIDR, runtime_seconds=61, titles={"en": "Film one"})), first)
        title.refresh_from_db()
        assert (title.texts.get().name, title.runtime_seconds) == ("Film 7", 61)

    def test_leaves_the_editors_words(self) -> None:
        ingest(feed(movie(1, external_ids=EIDR)), ProviderFactory.create())
        editing.edit(
            title_id=title_of("m1").pk,
            fields={},
            parts={"texts": [{"language": "en", "name": "Ours"}]},
            by="user:7",
            now=NOW,
        )
        ingest(feed(movie(7, external_ids=EIDR)), ProviderFactory.create(precedence=90))
        assert Title.objects.get().texts.get().name == "Ours"

    def test_keeps_a_title_that_one_of_its_providers_takes_back(self) -> None:
        first, second = ProviderFactory.create(), ProviderFactory.create(max_retired_percent=100)
        ingest(feed(movie(1, external_ids=EIDR)), first)
        ingest(feed(movie(7, external_ids=EIDR), movie(8)), second)
        run = ingest(feed({"id": "m7", "kind": "movie", "withdrawn": True}), second)
        assert counts(run) == {"read": 1, "retired": 1}
        assert (title_of("m1").state, title_of("m1").windows.count()) == ("published", 1)
        ingest(feed(movie(7, external_ids=EIDR), movie(8)), second)
        assert title_of("m1").windows.count() == 2
        ingest(feed(movie(8)), second, delivery="full")
        assert (title_of("m1").state, title_of("m1").windows.count()) == ("published", 1)
        ingest(feed({"id": "m1", "kind": "movie", "withdrawn": True}), first)
        assert title_of("m1").state == "withdrawn"

    def test_by_name_year_and_people_is_certain(self) -> None:
        ingest(feed(movie(1, release_date="2019")), ProviderFactory.create())
        run = ingest(feed(movie(1, release_date="2019")), ProviderFactory.create())
        assert counts(run) == {"read": 1, "updated": 1}
        assert run.problems.get().code == "linked"
        assert (Title.objects.count(), SourceRecord.objects.count()) == (1, 2)

    def test_by_name_and_year_alone_is_an_editors_question(self) -> None:
        film = movie(1, release_date="2019")
        del film["people"]
        ingest(feed(film), ProviderFactory.create())
        run = ingest(feed(film), ProviderFactory.create())
        assert counts(run) == {"read": 1, "created": 1}
        candidate = MatchCandidate.objects.get()
        assert (candidate.score, candidate.reasons, candidate.state) == (0.8, ["same name", "same year"], "open")

    def test_never_joins_two_records_of_one_provider(self) -> None:
        provider = ProviderFactory.create()
        run = ingest(feed(movie(1, external_ids=EIDR), movie(2, external_ids=EIDR)), provider)
        assert counts(run) == {"read": 2, "created": 2}

    @pytest.mark.skipif(not DATA.exists(), reason="the folder of shared test data is absent")
    def test_of_netflix_prime_and_tvmaze(self, record_property: Record) -> None:
        for name, path in (("netflix", "titles/netflix_titles.csv"), ("prime", "titles/amazon_prime_titles.csv")):
            provider = ProviderFactory.create(code=name)
            content = (DATA / path).read_bytes()
            run = reported(content, provider, f"{path}, matched", record_property, format="kaggle-titles")
        assert run.read == run.created + run.updated
        assert (run.created, run.updated, run.problems.filter(code="possible_match").count()) == (9446, 222, 43)
        content = (DATA / "tvmaze/shows.json").read_bytes()
        run = reported(
            content, ProviderFactory.create(), "tvmaze/shows.json, matched", record_property, format="tvmaze"
        )
        assert (run.created, run.updated, run.problems.filter(code="possible_match").count()) == (301, 0, 73)


class TestMerge:
    def test_moves_what_hangs_on_it_and_can_be_undone(self) -> None:
        ingest(feed(movie(1)), ProviderFactory.create())
        ingest(feed(movie(2, external_ids=EIDR)), ProviderFactory.create())
        kept, merged = title_of("m1"), title_of("m2")
        done = matching.merge(kept_id=kept.pk, merged_id=merged.pk, by="user:1", now=NOW)
        merged.refresh_from_db()
        assert (merged.state, merged.merged_into_id) == ("withdrawn", kept.pk)
        assert (kept.source_records.count(), kept.windows.count(), kept.external_ids.count()) == (2, 2, 1)
        assert PublicationEntry.objects.filter(title=merged, action="withdrawn").get().by == "user:1"
        matching.unmerge(merge_id=done.pk, by="user:2", now=NOW)
        merged.refresh_from_db()
        assert (merged.state, merged.merged_into_id, merged.withdrawn_at) == ("published", None, None)
        assert (merged.source_records.count(), merged.windows.count(), merged.external_ids.count()) == (1, 1, 1)
        assert (kept.source_records.count(), kept.windows.count()) == (1, 1)
        assert TitleMerge.objects.get().undone_by == "user:2"
        with pytest.raises(matching.MergeUnknown):
            matching.unmerge(merge_id=done.pk, by="user:2", now=NOW)

    def test_lets_the_old_id_answer(self, client: Client) -> None:
        kept, merged = TitleFactory.create(name="The Pier"), TitleFactory.create(name="Pier, The")
        matching.merge(kept_id=kept.pk, merged_id=merged.pk, by="user:1", now=NOW)
        profile = ProfileFactory.create()
        client.defaults["HTTP_X_SESSION_TOKEN"] = sign_in(profile.account, profile=profile)
        answer = client.get(f"/api/v1/titles/{merged.pk}")
        assert (answer.status_code, answer.json()["id"], answer.json()["name"]) == (200, str(kept.pk), "The Pier")
        third = TitleFactory.create()
        matching.merge(kept_id=third.pk, merged_id=kept.pk, by="user:1", now=NOW)
        assert client.get(f"/api/v1/titles/{merged.pk}").json()["id"] == str(third.pk)

    def test_of_series_moves_the_seasons(self) -> None:
        kept, merged = TitleFactory.create(kind="series"), TitleFactory.create(kind="series")
        season = SeasonFactory.create(parent=merged)
        done = matching.merge(kept_id=kept.pk, merged_id=merged.pk, by="user:1", now=NOW)
        season.refresh_from_db()
        assert (season.parent, season.series) == (kept, kept)
        matching.unmerge(merge_id=done.pk, by="user:1", now=NOW)
        season.refresh_from_db()
        assert (season.parent, season.series) == (merged, merged)

    def test_of_a_title_that_another_was_merged_into_comes_back_with_it(self) -> None:
        first, second, third = TitleFactory.create(), TitleFactory.create(), TitleFactory.create()
        matching.merge(kept_id=second.pk, merged_id=first.pk, by="user:1", now=NOW)
        done = matching.merge(kept_id=third.pk, merged_id=second.pk, by="user:1", now=NOW)
        matching.unmerge(merge_id=done.pk, by="user:1", now=NOW)
        first.refresh_from_db()
        assert first.merged_into == second

    def test_keeps_places_in_collections_and_the_film(self) -> None:
        kept, merged = TitleFactory.create(), TitleFactory.create()
        both, alone = (
            Collection.objects.create(slug=slug, names={"en": slug}, updated_at=NOW) for slug in ("both", "alone")
        )
        for collection, title in ((both, kept), (both, merged), (alone, merged)):
            CollectionTitle.objects.create(collection=collection, title=title, position=1)
        source = MediaSource.objects.create(
            title=merged,
            name="a.mp4",
            file="x",
            is_ours=True,
            size=1,
            digest="d",
            attached_by="user:1",
            attached_at=NOW,
        )
        done = matching.merge(kept_id=kept.pk, merged_id=merged.pk, by="user:1", now=NOW)
        source.refresh_from_db()
        assert (source.title, alone.members.get().title) == (kept, kept)
        assert set(both.members.values_list("title", flat=True)) == {kept.pk, merged.pk}
        matching.unmerge(merge_id=done.pk, by="user:1", now=NOW)
        source.refresh_from_db()
        assert (source.title, alone.members.get().title) == (merged, merged)

    def test_leaves_the_film_where_the_other_has_one(self) -> None:
        kept, merged = TitleFactory.create(), TitleFactory.create()
        sources = [
            MediaSource.objects.create(
                title=title,
                name="a.mp4",
                file="x",
                is_ours=True,
                size=1,
                digest="d",
                attached_by="user:1",
                attached_at=NOW,
            )
            for title in (kept, merged)
        ]
        matching.merge(kept_id=kept.pk, merged_id=merged.pk, by="user:1", now=NOW)
        assert [MediaSource.objects.get(pk=source.pk).title for source in sources] == [kept, merged]

    def test_of_series_merges_seasons_and_episodes_of_one_number(self) -> None:
        kept, merged = TitleFactory.create(kind="series"), TitleFactory.create(kind="series")
        own, came = SeasonFactory.create(parent=kept, number=1), SeasonFactory.create(parent=merged, number=1)
        later = SeasonFactory.create(parent=merged, number=2)
        first, twin = EpisodeFactory.create(parent=own, number=1), EpisodeFactory.create(parent=came, number=1)
        second = EpisodeFactory.create(parent=came, number=2)
        before = places()
        done = matching.merge(kept_id=kept.pk, merged_id=merged.pk, by="user:1", now=NOW)
        assert set(Title.objects.filter(parent=kept, merged_into=None)) == {own, later}
        assert set(Title.objects.filter(parent=own, merged_into=None)) == {first, second}
        assert Title.objects.get(pk=twin.pk).merged_into == first
        assert TitleMerge.objects.count() == 3
        matching.unmerge(merge_id=done.pk, by="user:1", now=NOW)
        assert places() == before
        assert not TitleMerge.objects.filter(undone_at=None).exists()

    def test_refuses_what_cannot_be_one(self) -> None:
        film, series, other = TitleFactory.create(), TitleFactory.create(kind="series"), TitleFactory.create()
        for kept, merged in ((film, series), (film, film)):
            with pytest.raises(matching.CannotMerge):
                matching.merge(kept_id=kept.pk, merged_id=merged.pk, by="user:1", now=NOW)
        matching.merge(kept_id=film.pk, merged_id=other.pk, by="user:1", now=NOW)
        with pytest.raises(matching.CannotMerge):
            matching.merge(kept_id=series.pk, merged_id=other.pk, by="user:1", now=NOW)
        assert TitleMerge.objects.count() == 1

    def test_of_a_linked_record_can_be_parted(self) -> None:
        provider = ProviderFactory.create()
        ingest(feed(movie(1, external_ids=EIDR)), ProviderFactory.create())
        ingest(feed(movie(7, external_ids=EIDR)), provider)
        source = SourceRecord.objects.get(external_id="m7")
        new = matching.split(source_id=source.pk, by="user:1", now=NOW).title
        assert (title_of("m7"), new.state, new.windows.count()) == (new, "draft", 1)
        run = ingest(feed(movie(7)), provider)
        assert counts(run) == {"read": 1, "updated": 1}
        assert (title_of("m7").texts.get().name, title_of("m1").texts.get().name) == ("Film 7", "Film 1")
        with pytest.raises(matching.SourceUnknown):
            matching.split(source_id=source.pk, by="user:1", now=NOW)
