"""The Kaggle CSV: the real file, whole, and each kind of dirt by itself."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from catalog.models import Credit, IngestRun, SourceRecord, Title
from tests.catalog.ingestion.test_real_files import Record, reported
from tests.factories.catalog import ProviderFactory, counts, ingest

pytestmark = pytest.mark.django_db

REAL = Path(__file__).parents[4] / "shared" / "data" / "titles" / "netflix_titles.csv"
HEADER = b"show_id,type,title,director,cast,country,date_added,release_year,rating,duration,listed_in,description"


def rows(*lines: str) -> bytes:
    return b"\n".join([HEADER, *(line.encode() for line in lines)]) + b"\n"


def row(**changes: str) -> str:
    values = {
        "show_id": "s1", "type": "Movie", "title": "The Pier", "director": "Ines Caldera", "cast": "Mara Ellwood",
        "country": "Germany", "date_added": '"March 4, 2020"', "release_year": "2019", "rating": "PG-13",
        "duration": "90 min", "listed_in": "Dramas", "description": "A pier.",
    } | changes  # fmt: skip
    return ",".join(values.values())


def found(run: IngestRun) -> list[tuple[str, str, str]]:
    return list(run.problems.exclude(code="no_licence").order_by("pk").values_list("field", "code", "severity"))


def kaggle(content: bytes) -> IngestRun:
    return ingest(content, ProviderFactory.create(), format="kaggle-titles")


@pytest.mark.skipif(not REAL.exists(), reason="the folder of shared test data is absent")
class TestTheRealFile:
    def test_loses_nothing_reports_all_and_is_unchanged_the_second_time(self, record_property: Record) -> None:
        provider = ProviderFactory.create()
        content, name = REAL.read_bytes(), "titles/netflix_titles.csv"
        run = reported(content, provider, name, record_property, format="kaggle-titles")
        assert counts(run) == {"read": 8807, "created": 8807}
        told = Counter(run.problems.values_list("severity", "code", "field"))
        assert told == {
            ("warning", "white_space", "date_added"): 88,
            ("warning", "white_space", "title"): 8,
            ("warning", "white_space", "cast"): 7,
            ("warning", "white_space", "description"): 15,
            ("warning", "shifted_column", "rating"): 3,
            ("warning", "invisible_characters", "title"): 5,
            ("warning", "invisible_characters", "cast"): 1,
            ("warning", "stray_comma", "country"): 7,
            ("warning", "line_break", "title"): 1,
            ("warning", "line_break", "description"): 1,
            ("warning", "added_before_release", "date_added"): 14,
            ("warning", "duplicate", "cast"): 12,
            ("warning", "duplicate", "director"): 2,
            ("warning", "possible_duplicate", "title"): 7,
            ("info", "missing", "director"): 2634,
            ("info", "missing", "cast"): 825,
            ("info", "missing", "country"): 831,
            ("info", "missing", "date_added"): 10,
            ("info", "missing", "rating"): 4,
            ("info", "unrated", "rating"): 83,
        }
        assert run.problem_count == sum(told.values())
        assert Counter(Title.objects.values_list("kind", flat=True)) == {"movie": 6131, "series": 2676}
        shifted = Title.objects.filter(source_records__external_id__in=["s5542", "s5795", "s5814"])
        assert set(shifted.values_list("runtime_seconds", flat=True)) == {66 * 60, 74 * 60, 84 * 60}
        again = reported(content, provider, f"{name}, again", record_property, format="kaggle-titles")
        assert counts(again) == {"read": 8807, "unchanged": 8807}
        assert again.problem_count == 0


class TestRow:
    def test_becomes_a_film(self) -> None:
        run = kaggle(rows(row(cast='"Mara Ellwood, Jon Reed"', country='"Germany, South Korea, West Germany, Kosovo"')))
        assert (counts(run), found(run)) == ({"read": 1, "created": 1}, [])
        title = Title.objects.get()
        assert (title.kind, title.release_year, title.release_precision) == ("movie", 2019, "year")
        assert (title.runtime_seconds, title.season_count, title.countries) == (5400, None, ["DE", "KR", "XK"])
        assert title.texts.values_list("language", "name", "synopsis_short").get() == ("en", "The Pier", "A pier.")
        assert title.ratings.values_list("country", "system", "value", "minimum_age").get() == (
            "US",
            "MPAA",
            "PG-13",
            13,
        )
        credited = Credit.objects.order_by("job", "billing").values_list("job", "billing", "person__name")
        assert list(credited) == [
            ("actor", 1, "Mara Ellwood"), ("actor", 2, "Jon Reed"), ("director", 1, "Ines Caldera"),
        ]  # fmt: skip
        assert str(SourceRecord.objects.get().added_on) == "2020-03-04"

    @pytest.mark.parametrize("more", ["Jr.", "jr", "Ph.D.", "PhD", "III", "Jr., Ph.D."])
    def test_credits_nobody_who_is_called_junior_or_doctor(self, more: str) -> None:
        kaggle(rows(row(cast=f'"Mara Ellwood, {more}, Ira Ivanov"')))
        credited = Credit.objects.filter(job="actor").order_by("billing").values_list("person__name", flat=True)
        assert list(credited) == [f"Mara Ellwood, {more}", "Ira Ivanov"]

    def test_becomes_a_series_with_its_number_of_seasons(self) -> None:
        kaggle(rows(row(type="TV Show", duration="2 Seasons", rating="TV-MA")))
        title = Title.objects.get()
        assert (title.kind, title.season_count, title.runtime_seconds) == ("series", 2, None)
        assert title.ratings.get().minimum_age == 17

    @pytest.mark.parametrize(
        ("rating", "expected"), [("16+", ("Amazon", "16+", 16)), ("AGES_18_", ("Amazon", "18+", 18))]
    )
    def test_may_be_rated_by_amazon_alone(self, rating: str, expected: tuple[str, str, int]) -> None:
        assert found(kaggle(rows(row(rating=rating)))) == []
        assert Title.objects.get().ratings.values_list("system", "value", "minimum_age").get() == expected

    def test_has_its_duration_moved_from_the_rating(self) -> None:
        run = kaggle(rows(row(rating="74 min", duration="")))
        assert found(run) == [("rating", "shifted_column", "warning")]
        title = Title.objects.get()
        assert (title.runtime_seconds, title.ratings.count()) == (74 * 60, 0)

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"title": "\u200bThe Pier"}, ("title", "invisible_characters", "warning")),
            ({"title": "The\u00a0Pier"}, ("title", "white_space", "warning")),
            ({"title": '"The\nPier"'}, ("title", "line_break", "warning")),
            ({"date_added": '" March 4, 2020"'}, ("date_added", "white_space", "warning")),
            ({"date_added": "2020-03-04"}, ("date_added", "impossible_date", "warning")),
            ({"date_added": '"March 4, 2018"'}, ("date_added", "added_before_release", "warning")),
            ({"date_added": ""}, ("date_added", "missing", "info")),
            ({"country": '", Germany"'}, ("country", "stray_comma", "warning")),
            ({"country": '"Germany, Atlantis"'}, ("country", "unknown_country", "warning")),
            ({"cast": '"Mara Ellwood, mara ellwood"'}, ("cast", "duplicate", "warning")),
            ({"rating": "UR"}, ("rating", "unrated", "info")),
            ({"rating": "Grown-ups"}, ("rating", "unknown_rating", "warning")),
            ({"duration": "0 min"}, ("duration", "unlikely", "warning")),
            ({"duration": "long"}, ("duration", "unknown_duration", "warning")),
            ({"release_year": "19"}, ("release_year", "impossible_date", "warning")),
        ],
    )
    def test_is_mended_and_says_so(self, changes: dict[str, str], problem: tuple[str, str, str]) -> None:
        run = kaggle(rows(row(**changes)))
        assert (counts(run), found(run)) == ({"read": 1, "created": 1}, [problem])
        assert Title.objects.get().texts.get().name == "The Pier"

    @pytest.mark.parametrize(
        ("line", "problem"),
        [
            (row(type="Opera"), ("type", "unknown_type", "error")),
            (row(title=""), ("title", "missing", "error")),
            (row(show_id=""), ("id", "missing", "error")),
            (row() + ",more", ("", "wrong_columns", "error")),
            ("s1,Movie", ("", "wrong_columns", "error")),
            (row(title='"The"Pier'), ("", "invalid_csv", "error")),
            (row(title="x" * 501), ("title", "too_long", "error")),
        ],
    )
    def test_that_cannot_be_used_does_not_stop_the_next(self, line: str, problem: tuple[str, str, str]) -> None:
        run = kaggle(rows(line, row(show_id="s2")))
        assert (counts(run), found(run)) == ({"read": 2, "created": 1, "rejected": 1}, [problem])
        assert SourceRecord.objects.get().external_id == "s2"

    def test_in_another_encoding_does_not_stop_the_next(self) -> None:
        content = rows(row(title="Café"), row(show_id="s2")).replace("é".encode(), b"\xe9")
        run = kaggle(content)
        assert (counts(run), found(run)) == ({"read": 2, "created": 1, "rejected": 1}, [("", "invalid_utf8", "error")])

    def test_is_found_by_the_line_it_begins_at(self) -> None:
        run = kaggle(rows(row(title='"The\nPier"'), "s2,Movie"))
        assert sorted(run.problems.values_list("row_number", "code")) == [(2, "line_break"), (4, "wrong_columns")]


class TestFullDelivery:
    def test_keeps_the_title_of_a_broken_row_that_still_shows_its_id(self) -> None:
        provider = ProviderFactory.create(max_retired_percent=100)
        ingest(rows(row(), row(show_id="s2"), row(show_id="s3")), provider, format="kaggle-titles")
        run = ingest(rows(row(), "s2,Movie"), provider, format="kaggle-titles", delivery="full")
        assert counts(run) == {"read": 2, "unchanged": 1, "rejected": 1, "absent": 1}
        assert Title.objects.get(source_records__external_id="s2").state == "published"
        assert Title.objects.get(source_records__external_id="s3").state == "withdrawn"

    def test_takes_back_nothing_after_a_row_without_an_id(self) -> None:
        provider = ProviderFactory.create(max_retired_percent=100)
        ingest(rows(row(), row(show_id="s2")), provider, format="kaggle-titles")
        run = ingest(rows(row(), "Movie,The Pier"), provider, format="kaggle-titles", delivery="full")
        assert counts(run) == {"read": 2, "unchanged": 1, "rejected": 1}
        assert not Title.objects.filter(state="withdrawn").exists()

    def test_whose_last_line_has_no_line_break_takes_back_what_it_lacks(self) -> None:
        provider = ProviderFactory.create(max_retired_percent=100)
        ingest(rows(row(), row(show_id="s2"), row(show_id="s3")), provider, format="kaggle-titles")
        run = ingest(rows(row(), row(show_id="s2"))[:-1], provider, format="kaggle-titles", delivery="full")
        assert counts(run) == {"read": 2, "unchanged": 2, "absent": 1}
        assert found(run) == []


class TestLastLine:
    """RFC 4180, 2.2: it may or may not have a line break at its end."""

    @pytest.mark.parametrize("line_break", [b"\n", b"\r\n"])
    def test_without_a_line_break_is_a_row_with_a_warning_and_the_same_with_one(self, line_break: bytes) -> None:
        provider = ProviderFactory.create()
        content = rows(row(), row(show_id="s2", title="Herons", description='"A, ""pier"""')).replace(b"\n", line_break)
        run = ingest(content.removesuffix(line_break), provider, format="kaggle-titles")
        assert counts(run) == {"read": 2, "created": 2}
        assert found(run) == [("", "unended", "warning")]
        assert run.problems.get(code="unended").row_number == 3
        assert Title.objects.get(source_records__external_id="s2").texts.get().synopsis_short == 'A, "pier"'
        more = content + row(show_id="s3", title="Tides").encode() + line_break
        assert counts(ingest(more, provider, format="kaggle-titles")) == {"read": 3, "created": 1, "unchanged": 2}

    @pytest.mark.parametrize(
        "end",
        ["s2,Movie,The Pier,Ines Caldera", 's2,Movie,The Pier,,,,,2019,,,Dramas,"A pier, in', "s2", row() + ",more"],
    )
    def test_that_has_too_few_columns_or_an_open_quotation_mark_is_cut_off(self, end: str) -> None:
        run = kaggle(rows(row()) + end.encode())
        assert (run.state, counts(run)) == ("failed", {})
        assert "Line 3, the last one, breaks off: the file was cut off." in run.failure
        assert not Title.objects.exists()

    def test_that_ends_within_a_letter_is_cut_off(self) -> None:
        assert kaggle(rows(row()) + row(description="Café").encode()[:-1]).state == "failed"


class TestFile:
    @pytest.mark.parametrize("content", [b"", b"a,b,c\n1,2,3\n", b"\x00\x01\x02", b'{"id": 1}\n'])
    def test_of_another_format_fails_the_run_and_says_why(self, content: bytes) -> None:
        run = kaggle(content)
        assert run.state == "failed"
        assert "show_id,type,title" in run.failure

    def test_with_a_byte_order_mark_is_read(self) -> None:
        assert counts(kaggle(b"\xef\xbb\xbf" + rows(row()))) == {"read": 1, "created": 1}

    def test_without_a_licence_to_give_says_so(self) -> None:
        run = ingest(rows(row()), ProviderFactory.create(has_default_licence=False), format="kaggle-titles")
        assert run.problems.get().code == "no_licence"
