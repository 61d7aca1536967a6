"""Deliveries in our own format, from bytes to titles."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from django.db import connection

from catalog.events import CatalogBatchApplied
from catalog.ingestion.records import RawRecord
from catalog.models import (
    Artwork,
    AvailabilityWindow,
    Credit,
    ExternalId,
    IngestProblem,
    IngestRun,
    IngestStaging,
    Person,
    PublicationEntry,
    SearchDocument,
    SourceRecord,
    Title,
    TitleText,
)
from catalog.services import editing
from catalog.services.ingestion import applying, staging
from core.models import OutboxEvent
from core.outbox import encoding
from tests.factories.catalog import NOW, ProviderFactory, counts, feed, header, ingest, movie

pytestmark = pytest.mark.django_db


def problems(run: IngestRun) -> list[tuple[int, str, str, str, str]]:
    rows = run.problems.order_by("row_number", "pk")
    return list(rows.values_list("row_number", "external_id", "field", "code", "severity"))


def title_of(external_id: str) -> Title:
    return Title.objects.get(source_records__external_id=external_id)


class TestFirstDelivery:
    def test_writes_all_that_a_line_says(self) -> None:
        line = {
            "id": "tide",
            "kind": "movie",
            "titles": {"en": "Tideline", "de": "Gezeiten"},
            "original_title": "Gezeiten",
            "original_language": "de",
            "alternate_titles": [{"title": "Ebb", "language": "en", "type": "working"}],
            "synopses": {"en": {"short": "A pilot boat.", "long": "First.\nSecond."}},
            "release_date": "2024-03",
            "runtime_seconds": 5400,
            "genres": ["Science Fiction", "Drama"],
            "keywords": ["sea"],
            "made_for_kids": True,
            "countries": ["DE", "SU"],
            "companies": [{"name": "Harbour Films", "role": "production"}],
            "people": [
                {"name": "Mara Ellwood", "job": "actor", "character": "Jess", "billing": 1, "id": "p1"},
                {"name": "Mara Ellwood", "job": "writer"},
            ],
            "ratings": [{"country": "GB", "system": "BBFC", "value": "12A", "reasons": ["moderate threat"]}],
            "external_ids": [{"namespace": "imdb", "value": "tt1"}],
            "availability": [
                {
                    "id": "grant", "territories_excluded": ["US"], "announce": "2024-02-01", "start": "2024-03-07",
                    "end": "2030-01-01T00:00:00+02:00", "license_type": "SVOD", "languages": ["de", "en:audio"],
                    "holdback_languages": ["fr"], "formats": ["HD"], "contract_id": "c", "reporting_id": "r",
                }
            ],
            "artwork": [{"kind": "poster", "file": "a/b.webp", "language": "de", "focal_point": {"x": 0.25, "y": 1}}],
            "tracks": [{"type": "audio", "language": "de", "original": True}],
        }  # fmt: skip
        run = ingest(feed(line), ProviderFactory.create())
        assert (counts(run), problems(run)) == ({"read": 1, "created": 1}, [])
        title = title_of("tide")
        assert (title.kind, title.original_title, title.original_language) == ("movie", "Gezeiten", "de")
        assert (title.release_date, title.release_precision) == (date(2024, 3, 1), "month")
        assert (title.runtime_seconds, title.countries, title.made_for_kids) == (5400, ["DE", "SU"], True)
        assert title.companies == [{"name": "Harbour Films", "role": "production"}]
        assert title.tracks == [{"type": "audio", "language": "de", "original": True}]
        assert (title.state, title.published_at, title.revision) == ("published", NOW, 1)
        texts = title.texts.order_by("language").values_list("language", "name", "synopsis_short", "synopsis_long")
        assert list(texts) == [("de", "Gezeiten", "", ""), ("en", "Tideline", "A pilot boat.", "First.\nSecond.")]
        assert list(title.alternate_titles.values_list("name", "language", "type")) == [("Ebb", "en", "working")]
        genres = title.title_genres.order_by("position").values_list("genre__slug", "genre__name")
        assert list(genres) == [("science-fiction", "Science Fiction"), ("drama", "Drama")]
        assert list(title.title_keywords.values_list("keyword__name", flat=True)) == ["sea"]
        credited = title.credits.order_by("job").values_list("job", "person__name", "character", "billing")
        assert list(credited) == [("actor", "Mara Ellwood", "Jess", 1), ("writer", "Mara Ellwood", "", None)]
        ratings = title.ratings.values_list("country", "system", "value", "reasons", "minimum_age")
        assert list(ratings) == [("GB", "BBFC", "12A", ["moderate threat"], 12)]
        assert list(title.external_ids.values_list("namespace", "value")) == [("imdb", "tt1")]
        window = title.windows.get()
        assert (window.territories, window.excluded) == (["US"], True)
        assert (window.announce_on, window.starts_on, window.starts_at) == (date(2024, 2, 1), date(2024, 3, 7), None)
        assert (window.ends_on, window.ends_at) == (None, datetime(2029, 12, 31, 22, tzinfo=UTC))
        assert (window.license_type, window.languages, window.holdback_languages) == (
            "SVOD",
            ["de", "en:audio"],
            ["fr"],
        )
        assert (window.formats, window.grant_id, window.contract_id, window.reporting_id) == (["HD"], "grant", "c", "r")
        image = title.artwork.get()
        assert (image.kind, image.language, image.source, image.file.name) == ("poster", "de", "a/b.webp", "")
        assert (image.focal_x, image.focal_y) == (0.25, 1.0)
        assert SearchDocument.objects.get().name == "gezeiten"

    def test_tells_the_apps_above_once_a_batch(self) -> None:
        provider = ProviderFactory.create(code="harbour")
        run = ingest(feed(movie(1), movie(2)), provider)
        event = OutboxEvent.objects.get(type=encoding.type_name(CatalogBatchApplied))
        assert event.payload == {
            "run_id": str(run.pk), "provider": "harbour", "created": 2, "updated": 0, "retired": 0,
        }  # fmt: skip

    def test_logs_who_made_titles_public(self) -> None:
        ingest(feed(movie()), ProviderFactory.create(code="harbour"))
        entry = PublicationEntry.objects.get()
        assert (entry.action, entry.by, entry.at, entry.revision) == ("published", "provider:harbour", NOW, 1)

    def test_leaves_drafts_where_the_policy_is_review(self) -> None:
        ingest(feed(movie()), ProviderFactory.create(publish="review"))
        assert title_of("m1").state == "draft"
        assert not PublicationEntry.objects.exists()

    def test_joins_parts_to_their_wholes_in_any_order_of_lines(self) -> None:
        run = ingest(
            feed(
                {"id": "t", "kind": "trailer", "of": "e"},
                {"id": "e", "kind": "episode", "season": "s1", "number": 3, "titles": {"en": "Slack Water"}},
                {"id": "s1", "kind": "season", "series": "s", "number": 1},
                {"id": "s", "kind": "series", "titles": {"en": "Tideline"}},
            ),
            ProviderFactory.create(),
        )
        assert (counts(run), problems(run)) == ({"read": 4, "created": 4}, [])
        series, season, episode, trailer = map(title_of, ("s", "s1", "e", "t"))
        assert (season.parent, season.series, season.number) == (series, series, 1)
        assert (episode.parent, episode.series, episode.number) == (season, series, 3)
        assert (trailer.parent, trailer.series) == (episode, series)

    def test_gives_the_default_licence_to_what_comes_without(self) -> None:
        provider = ProviderFactory.create(default_territories=["DE", "AT"], default_starts_on=date(2026, 1, 1))
        ingest(feed(movie(1, availability=[{"license_type": "EST"}]), _without(movie(2), "availability")), provider)
        assert title_of("m1").windows.get().license_type == "EST"
        window = title_of("m2").windows.get()
        assert (window.territories, window.starts_on) == (["DE", "AT"], date(2026, 1, 1))

    def test_leaves_nothing_in_staging(self) -> None:
        ingest(feed(movie(1), b"{broken"), ProviderFactory.create())
        assert not IngestStaging.objects.exists()


class TestSecondDelivery:
    def test_changes_nothing_when_it_says_the_same(self) -> None:
        provider = ProviderFactory.create()
        content = feed(*map(movie, range(5)))
        ingest(content, provider)
        before = list(Title.objects.order_by("pk").values())
        run = ingest(content, provider)
        assert counts(run) == {"read": 5, "unchanged": 5}
        assert list(Title.objects.order_by("pk").values()) == before
        assert OutboxEvent.objects.count() == 1

    def test_replaces_what_changed_and_nothing_else(self) -> None:
        provider = ProviderFactory.create()
        ingest(feed(movie(1), movie(2)), provider)
        changed = movie(1, titles={"de": "Film eins"}, people=[], runtime_seconds=60)
        del changed["people"]
        run = ingest(feed(changed, movie(2)), provider)
        assert counts(run) == {"read": 2, "updated": 1, "unchanged": 1}
        title = title_of("m1")
        assert list(title.texts.values_list("language", "name")) == [("de", "Film eins")]
        assert (title.runtime_seconds, title.revision, title.credits.count()) == (60, 2, 0)
        assert (title_of("m2").revision, title_of("m2").credits.count()) == (1, 1)
        assert SearchDocument.objects.get(title=title).name == "film eins"

    def test_reads_everything_again_after_a_change_of_policy(self) -> None:
        provider = ProviderFactory.create(publish="review")
        ingest(feed(movie()), provider)
        provider.publish, provider.policy_version = "on_ingest", 2
        provider.save()
        assert counts(ingest(feed(movie()), provider)) == {"read": 1, "updated": 1}
        assert title_of("m1").state == "published"

    def test_reads_everything_again_when_told_to(self) -> None:
        provider = ProviderFactory.create()
        ingest(feed(movie(1), movie(2)), provider)
        title = title_of("m1")
        title.texts.update(name="Damaged by hand")
        run = ingest(feed(movie(1), movie(2)), provider, reprocess=True)
        assert counts(run) == {"read": 2, "updated": 2}
        assert title.texts.get().name == "Film 1"
        assert counts(ingest(feed(movie(1), movie(2)), provider)) == {"read": 2, "unchanged": 2}

    def test_knows_people_again(self) -> None:
        provider = ProviderFactory.create()
        ingest(feed(movie(1)), provider)
        ingest(feed(movie(2, people=[{"name": "INES CALDERA", "job": "actor"}])), provider)
        assert Person.objects.count() == 1
        assert Credit.objects.count() == 2

    def test_tells_namesakes_apart_by_the_providers_ids(self) -> None:
        people = [{"name": "Kim Lee", "job": "actor", "id": "p1"}, {"name": "Kim Lee", "job": "director", "id": "p2"}]
        ingest(feed(movie(1, people=people)), ProviderFactory.create())
        assert Person.objects.filter(name="Kim Lee").count() == 2

    def test_raises_the_revision_of_the_series_with_a_part(self) -> None:
        provider = ProviderFactory.create()
        series = {"id": "s", "kind": "series", "titles": {"en": "Tideline"}}
        season = {"id": "s1", "kind": "season", "series": "s", "number": 1}
        ingest(feed(series, season), provider)
        before = title_of("s").revision
        ingest(feed({"id": "e", "kind": "episode", "season": "s1", "number": 1}), provider)
        assert title_of("s").revision == before + 1

    def test_moves_episodes_along_with_their_season(self) -> None:
        provider = ProviderFactory.create()
        ingest(
            feed(
                {"id": "a", "kind": "series", "titles": {"en": "A"}},
                {"id": "b", "kind": "series", "titles": {"en": "B"}},
                {"id": "s", "kind": "season", "series": "a", "number": 1},
                {"id": "e", "kind": "episode", "season": "s", "number": 1},
            ),
            provider,
        )
        ingest(feed({"id": "s", "kind": "season", "series": "b", "number": 1}), provider)
        assert title_of("e").series == title_of("b")

    def test_keeps_the_file_of_an_image_that_is_announced_again(self) -> None:
        provider = ProviderFactory.create()
        artwork = [{"kind": "poster", "file": "p.webp"}]
        ingest(feed(movie(1, artwork=artwork)), provider)
        Artwork.objects.update(file="artwork/stored.webp", width=2, height=3)
        ingest(feed(movie(1, artwork=artwork, runtime_seconds=5)), provider)
        image = Artwork.objects.get()
        assert (image.file.name, image.width, image.height) == ("artwork/stored.webp", 2, 3)

    def test_leaves_alone_what_editors_have_changed(self) -> None:
        provider = ProviderFactory.create()
        ingest(feed(movie(1, runtime_seconds=60)), provider)
        texts = [{"language": "en", "name": "The editors' name"}]
        editing.edit(
            title_id=title_of("m1").pk, fields={"runtime_seconds": 61}, parts={"texts": texts}, by="user:7", now=NOW
        )
        ingest(feed(movie(1, runtime_seconds=70, release_date="1999")), provider)
        title = title_of("m1")
        assert (title.runtime_seconds, title.release_year) == (61, 1999)
        assert title.texts.get().name == "The editors' name"
        assert SearchDocument.objects.get().name == "the editors name"


class TestBadRecords:
    @pytest.mark.parametrize("name", ["a\0b", "\u200bm1", "m\n1"])
    def test_with_an_id_that_cannot_be_stored_or_seen_are_rejected_alone(self, name: str) -> None:
        run = ingest(feed({**movie(1), "id": name}, movie(2)), ProviderFactory.create())
        assert counts(run) == {"read": 2, "created": 1, "rejected": 1}
        assert {problem[3] for problem in problems(run)} <= {"invisible_characters", "pattern"}

    @pytest.mark.parametrize(
        "change",
        [
            {"a\0b": 1},
            {"season": "a\0b", "kind": "episode", "number": 1},
            {"external_ids": [{"namespace": "x", "value": "a\0b"}]},
        ],
    )
    def test_with_an_unstorable_character_elsewhere_are_rejected_alone(self, change: dict[str, object]) -> None:
        run = ingest(feed({**movie(1), **change}, movie(2)), ProviderFactory.create())
        assert counts(run) == {"read": 2, "created": 1, "rejected": 1}

    @pytest.mark.parametrize("code", ["uk", "UK", "QQ"])
    def test_that_rate_for_no_country_are_rejected(self, code: str) -> None:
        rating = {"country": code, "system": "BBFC", "value": "12A"}
        run = ingest(feed(movie(1, ratings=[rating])), ProviderFactory.create())
        assert counts(run) == {"read": 1, "rejected": 1}

    def test_do_not_stop_the_others(self) -> None:
        run = ingest(
            feed(
                movie(1),
                b'{"id": "broken',
                movie(2, release_date="2024-02-31"),
                movie(3, kind="moviee"),
                movie(4, countries=["QQ"]),
                movie(5, availability=[{"license_type": "SVOD", "start": "2025-01-01", "end": "2024-01-01"}]),
                b"\xff\xfe",
                b"[1, 2]",
                b'"text"',
                movie(6, people=[{"name": "X", "role": "actor"}]),
                movie(7),
            ),
            ProviderFactory.create(),
        )
        assert counts(run) == {"read": 11, "created": 2, "rejected": 9}
        assert problems(run) == [
            (2, "", "", "invalid_json", "error"),
            (3, "m2", "release_date", "impossible_date", "error"),
            (4, "m3", "kind", "enum", "error"),
            (5, "m4", "countries", "unknown_country", "error"),
            (6, "m5", "availability[0].end", "ends_before_start", "error"),
            (7, "", "", "invalid_json", "error"),
            (8, "", "", "not_an_object", "error"),
            (9, "", "", "not_an_object", "error"),
            (10, "m6", "people[0]", "required", "error"),
            (10, "m6", "people[0]", "additional_properties", "error"),
        ]
        assert set(SourceRecord.objects.values_list("external_id", flat=True)) == {"m1", "m7"}

    def test_keep_the_title_as_it_was(self) -> None:
        provider = ProviderFactory.create()
        ingest(feed(movie(1)), provider)
        run = ingest(feed(movie(1, countries=["QQ"])), provider)
        assert counts(run) == {"read": 1, "rejected": 1}
        assert title_of("m1").revision == 1

    def test_that_the_database_refuses_are_found_alone(self) -> None:
        """A trigger stands for whatever the rules before did not foresee."""
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " IF NEW.value = 'NC-17' THEN RAISE check_violation USING MESSAGE = 'not this one'; END IF;"
                " RETURN NEW; END $$;"
                "CREATE TRIGGER refuse BEFORE INSERT ON catalog_contentrating FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse()"
            )
        lines = [
            movie(number, ratings=[{"country": "US", "system": "MPAA", "value": "NC-17" if number in {3, 7} else "R"}])
            for number in range(10)
        ]
        run = ingest(feed(*lines), ProviderFactory.create())
        assert counts(run) == {"read": 10, "created": 8, "rejected": 2}
        assert problems(run) == [
            (4, "m3", "", "refused_by_database", "error"),
            (8, "m7", "", "refused_by_database", "error"),
        ]
        assert Credit.objects.filter(person__name="Ines Caldera").count() == 8
        assert (Person.objects.count(), SearchDocument.objects.count()) == (1, 8)

    def test_with_an_id_twice_count_once_each(self) -> None:
        provider = ProviderFactory.create()
        content = feed(movie(1), movie(2), movie(1, runtime_seconds=9), movie(1))
        assert counts(ingest(content, provider)) == {"read": 4, "created": 2, "rejected": 2}
        run = ingest(content, provider)
        assert counts(run) == {"read": 4, "unchanged": 2, "rejected": 2}
        assert problems(run) == [(3, "m1", "id", "repeated_id", "error"), (4, "m1", "id", "repeated_id", "error")]
        assert title_of("m1").runtime_seconds is None

    def test_without_a_whole_are_rejected(self) -> None:
        run = ingest(feed({"id": "e", "kind": "episode", "season": "nowhere", "number": 1}), ProviderFactory.create())
        assert problems(run) == [(1, "e", "parent", "unknown_parent", "error")]
        assert not Title.objects.exists()

    def test_in_the_wrong_whole_are_rejected(self) -> None:
        run = ingest(
            feed(movie(1), {"id": "s", "kind": "season", "series": "m1", "number": 1}), ProviderFactory.create()
        )
        assert problems(run) == [(2, "s", "parent", "wrong_parent", "error")]

    def test_that_change_their_kind_are_rejected(self) -> None:
        provider = ProviderFactory.create()
        ingest(feed(movie(1)), provider)
        run = ingest(feed(movie(1, kind="series")), provider)
        assert problems(run) == [(1, "m1", "kind", "kind_changed", "error")]
        assert title_of("m1").kind == "movie"

    def test_longer_than_a_line_may_be_are_rejected(self) -> None:
        long = movie(2, titles={"en": "x" * 2_000_000})
        run = ingest(feed(movie(1), long, movie(3)), ProviderFactory.create())
        assert counts(run) == {"read": 3, "created": 2, "rejected": 1}
        assert problems(run) == [(2, "", "", "line_too_long", "error")]

    def test_with_an_external_id_of_another_title_lose_it_and_say_so(self) -> None:
        identity = [{"namespace": "imdb", "value": "tt1"}]
        run = ingest(feed(movie(1, external_ids=identity), movie(2, external_ids=identity)), ProviderFactory.create())
        assert counts(run) == {"read": 2, "created": 2}
        assert problems(run) == [(2, "m2", "external_ids", "external_id_taken", "warning")]
        assert ExternalId.objects.get().title == title_of("m1")

    def test_are_mended_where_that_is_safe(self) -> None:
        run = ingest(feed(movie(1, titles={"en": "\u200bThe  <b>Pier</b> & Sea"})), ProviderFactory.create())
        assert problems(run) == [
            (1, "m1", "titles.en", "markup", "warning"),
            (1, "m1", "titles.en", "invisible_characters", "warning"),
            (1, "m1", "titles.en", "white_space", "warning"),
        ]
        assert TitleText.objects.get().name == "The Pier & Sea"

    def test_like_one_another_are_noted(self) -> None:
        twins = (
            movie(1, titles={"en": "Été"}),
            movie(2, titles={"en": "ete"}),
            movie(3, titles={"en": "ETE"}, release_date="1999"),
        )
        run = ingest(feed(*twins), ProviderFactory.create())
        assert counts(run) == {"read": 3, "created": 3}
        assert problems(run) == [(2, "m2", "title", "possible_duplicate", "warning")]


class TestRetiring:
    def test_takes_back_what_the_provider_withdraws(self) -> None:
        provider = ProviderFactory.create(code="harbour")
        ingest(feed(movie(1), movie(2)), provider)
        content = feed({"id": "m1", "kind": "movie", "withdrawn": True})
        assert counts(ingest(content, provider)) == {"read": 1, "retired": 1}
        title = title_of("m1")
        assert (title.state, title.withdrawn_at, title.revision) == ("withdrawn", NOW, 2)
        assert PublicationEntry.objects.filter(title=title, action="withdrawn").get().by == "provider:harbour"
        assert title_of("m2").state == "published"
        assert counts(ingest(content, provider)) == {"read": 1, "unchanged": 1}

    def test_publishes_again_what_the_provider_sends_again(self) -> None:
        provider = ProviderFactory.create()
        ingest(feed(movie(1)), provider)
        ingest(feed({"id": "m1", "kind": "movie", "withdrawn": True}), provider)
        assert counts(ingest(feed(movie(1)), provider)) == {"read": 1, "updated": 1}
        assert title_of("m1").state == "published"

    def test_notes_a_withdrawal_of_what_we_never_had(self) -> None:
        run = ingest(feed({"id": "m1", "kind": "movie", "withdrawn": True}), ProviderFactory.create())
        assert (counts(run), problems(run)) == ({"read": 1, "unchanged": 1}, [(1, "m1", "id", "unknown_id", "warning")])

    def test_takes_back_what_a_full_delivery_lacks(self) -> None:
        provider = ProviderFactory.create()
        ingest(feed(*map(movie, range(20))), provider)
        run = ingest(feed(header("full"), *map(movie, range(18))), provider)
        assert counts(run) == {"read": 18, "unchanged": 18, "absent": 2}
        withdrawn = Title.objects.filter(state="withdrawn").values_list("source_records__external_id", flat=True)
        assert set(withdrawn) == {"m18", "m19"}
        again = ingest(feed(header("full"), *map(movie, range(20))), provider)
        assert counts(again) == {"read": 20, "unchanged": 18, "updated": 2}
        assert not Title.objects.filter(state="withdrawn").exists()

    def test_takes_back_nothing_when_a_full_delivery_lacks_too_much(self) -> None:
        provider = ProviderFactory.create(max_retired_percent=10)
        ingest(feed(*map(movie, range(20))), provider)
        run = ingest(feed(header("full"), *map(movie, range(17))), provider)
        assert counts(run) == {"read": 17, "unchanged": 17}
        assert problems(run) == [(0, "", "delivery", "too_many_absent", "error")]
        assert not Title.objects.filter(state="withdrawn").exists()

    @pytest.mark.parametrize("line", [b"{broken", {**movie(19), "id": ""}, {**movie(19), "id": "x" * 300}])
    def test_takes_back_nothing_while_a_record_has_no_readable_id(self, line: bytes | dict[str, object]) -> None:
        provider = ProviderFactory.create()
        ingest(feed(*map(movie, range(20))), provider)
        run = ingest(feed(header("full"), *map(movie, range(19)), line), provider)
        assert counts(run) == {"read": 20, "unchanged": 19, "rejected": 1}
        assert problems(run)[0] == (0, "", "delivery", "unreadable_ids", "error")
        assert not Title.objects.filter(state="withdrawn").exists()

    def test_keeps_a_title_whose_record_is_rejected_under_its_id(self) -> None:
        provider = ProviderFactory.create()
        ingest(feed(*map(movie, range(20))), provider)
        run = ingest(feed(header("full"), *map(movie, range(18)), movie(18, countries=["QQ"])), provider)
        assert counts(run) == {"read": 19, "unchanged": 18, "rejected": 1, "absent": 1}
        assert title_of("m18").state == "published"

    def test_takes_back_nothing_after_a_partial_delivery(self) -> None:
        provider = ProviderFactory.create()
        ingest(feed(*map(movie, range(20))), provider)
        ingest(feed(header("full"), movie(0)), provider, delivery="partial")
        assert not Title.objects.filter(state="withdrawn").exists()


class TestDryRun:
    def test_counts_as_the_real_one_would_and_changes_nothing(self) -> None:
        provider = ProviderFactory.create()
        ingest(feed(movie(1), movie(2), movie(3)), provider)
        before = (list(Title.objects.order_by("pk").values()), OutboxEvent.objects.count(), Person.objects.count())
        content = feed(
            movie(1),
            movie(2, runtime_seconds=5),
            {"id": "m3", "kind": "movie", "withdrawn": True},
            {"id": "s1", "kind": "season", "series": "s", "number": 1},
            {"id": "s", "kind": "series", "titles": {"en": "Tideline"}, "people": [{"name": "New", "job": "actor"}]},
            {"id": "e", "kind": "episode", "season": "nowhere", "number": 1},
        )
        dry = ingest(content, provider, dry_run=True)
        assert before == (
            list(Title.objects.order_by("pk").values()),
            OutboxEvent.objects.count(),
            Person.objects.count(),
        )
        real = ingest(content, provider)
        assert counts(dry) == counts(real)
        assert counts(real) == {"read": 6, "created": 2, "updated": 1, "unchanged": 1, "rejected": 1, "retired": 1}


class TestHeader:
    @pytest.mark.parametrize("change", [{"version": 2}, {"delivery": "some"}])
    def test_of_another_kind_fails_the_run(self, change: dict[str, object]) -> None:
        run = ingest(feed({**header("full"), **change}, movie(1)), ProviderFactory.create())
        assert run.state == "failed"
        assert "header" in run.failure
        assert not Title.objects.exists()


class TestSets:
    def test_many_batches_are_one_delivery(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(applying, "BATCH", 7)
        provider = ProviderFactory.create()
        run = ingest(feed(*map(movie, range(50))), provider)
        assert counts(run) == {"read": 50, "created": 50}
        assert AvailabilityWindow.objects.count() == 50
        assert Person.objects.count() == 1
        assert IngestProblem.objects.count() == 0

    def test_of_large_records_few_are_in_memory_at_a_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(staging, "BATCH_BYTES", 1500)
        sizes, decide = [], staging._Stager.decide

        def noting(self: staging._Stager, batch: list[RawRecord]) -> staging._Decided:
            sizes.append(len(batch))
            return decide(self, batch)

        monkeypatch.setattr(staging._Stager, "decide", noting)
        films = [movie(number, synopses={"en": {"long": "Rain. " * 160}}) for number in range(5)]
        assert counts(ingest(feed(*films), ProviderFactory.create())) == {"read": 5, "created": 5}
        assert sizes == [2, 2, 1]


def _without(line: dict[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in line.items() if key != name}
