"""The one comparison of ages is the same in Python, in queries and in explanations; what feeds say reaches it."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.maturity import Audience, viewing_age
from catalog.models import ContentRating, Title
from catalog.rules import Viewer
from catalog.selectors import availability
from catalog.services import editing, ratings
from tests.factories.catalog import (
    NOW,
    EpisodeFactory,
    ProviderFactory,
    RatingFactory,
    SeasonFactory,
    TitleFactory,
    feed,
    ingest,
    movie,
)

pytestmark = pytest.mark.django_db

# Country, system and age: two boards of a country may differ, and one may say nothing.
GIVEN = st.dictionaries(
    st.sampled_from([("DE", "FSK"), ("DE", "FSF"), ("US", "MPAA"), ("FR", "CNC")]),
    st.none() | st.sampled_from([0, 6, 12, 13, 16, 17, 18, 21]),
    max_size=3,
)
AUDIENCES = st.builds(Audience, st.sampled_from([0, 6, 12, 13, 16, 17, 18]), st.booleans())


def rate(title: Title, given_ratings: dict[tuple[str, str], int | None]) -> None:
    ContentRating.objects.bulk_create(
        ContentRating(title=title, country=country, system=system, value="x", minimum_age=age)
        for (country, system), age in given_ratings.items()
    )


class TestEveryQuestionAboutAges:
    @settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(of_levels=st.lists(GIVEN, min_size=3, max_size=3), audience=AUDIENCES, country=st.sampled_from(["DE", "GB"]))
    def test_has_the_same_answer(
        self, of_levels: list[dict[tuple[str, str], int | None]], audience: Audience, country: str
    ) -> None:
        viewer = Viewer(country, ("en",), audience)
        with transaction.atomic():
            series = TitleFactory.create(kind="series", window={})
            season = SeasonFactory.create(parent=series)
            episode = EpisodeFactory.create(parent=season)
            for title, given_ratings in zip((episode, season, series), of_levels, strict=True):
                rate(title, given_ratings)
            line = [[(where, age) for (where, _), age in level.items()] for level in of_levels]
            for title, levels in ((episode, line), (season, line[1:]), (series, line[2:])):
                refusal = audience.refusal(viewing_age(levels, country))
                shown = Title.objects.visible_to(viewer, NOW).filter(pk=title.pk).exists()
                reasons = [reason.code for reason in availability.explain(title.pk, viewer, NOW)]
                assert (shown, reasons) == (refusal is None, [refusal] if refusal else []), title.kind
                if title is series:
                    browsable = Title.objects.browsable_by(viewer, NOW).filter(pk=title.pk).exists()
                    assert browsable is (refusal is None)
            transaction.set_rollback(True)

    def test_about_adults_who_see_rated_titles_alone_lets_in_what_is_for_21(self) -> None:
        title = TitleFactory.create()
        RatingFactory.create(title=title, country="SG", system="MDA", value="R21", minimum_age=21)
        unrated = TitleFactory.create()
        viewer = Viewer("SG", ("en",), Audience(18, allows_unrated=False))
        assert list(Title.objects.browsable_by(viewer, NOW)) == [title]
        assert [reason.code for reason in availability.explain(unrated.pk, viewer, NOW)] == ["unrated"]


def stored(title: Title | None = None) -> list[tuple[Any, ...]]:
    found = ContentRating.objects.filter(title=title) if title else ContentRating.objects.all()
    return list(found.order_by("country", "system").values_list("country", "system", "value", "minimum_age"))


def problems(**changes: Any) -> list[tuple[str, str, str]]:
    run = ingest(feed(movie(1, **changes)), ProviderFactory.create())
    return list(run.problems.values_list("severity", "field", "code"))


class TestRatingsOfFeeds:
    def test_are_written_as_their_boards_do(self) -> None:
        given_ratings = [
            {"country": "US", "system": "MPA", "value": "pg13", "reasons": ["peril"]},
            {"country": "US", "system": "MPAA", "value": "TV-MA-LV"},
            {"country": "DE", "system": "FSK", "value": "FSK 16"},
            {"country": "MX", "system": "RTC", "value": "B-15"},
        ]
        assert problems(ratings=given_ratings) == []
        assert stored() == [
            ("DE", "FSK", "16", 16), ("MX", "RTC", "B15", 15), ("US", "MPAA", "PG-13", 13), ("US", "TVPG", "TV-MA", 17),
        ]  # fmt: skip

    def test_of_an_unknown_age_are_kept_and_reported(self) -> None:
        given_ratings = [{"country": "DE", "system": "FSK", "value": "17"}]
        assert problems(ratings=given_ratings) == [("warning", "ratings[0]", "unknown_rating")]
        assert stored() == [("DE", "FSK", "17", None)]

    def test_that_say_that_there_is_none_are_noted(self) -> None:
        given_ratings = [
            {"country": "US", "system": "MPAA", "value": "Not Rated"},
            {"country": "CA", "system": "CHVRS", "value": "E"},
        ]
        assert problems(ratings=given_ratings) == [
            ("info", "ratings[0]", "unrated"),
            ("info", "ratings[1]", "unrated"),
        ]
        assert stored() == [("CA", "CHVRS", "E", None)]

    @pytest.mark.parametrize("values", [["12", "FSK ab 16"], ["FSK ab 16", "12"]])
    def test_twice_of_one_board_come_down_to_the_stricter(self, values: list[str]) -> None:
        problems(ratings=[{"country": "DE", "system": "FSK", "value": value} for value in values])
        assert stored() == [("DE", "FSK", "16", 16)]


class TestRatingsOfEditors:
    def test_are_written_as_their_boards_do(self) -> None:
        title = TitleFactory.create()
        typed = [
            {"country": "AU", "system": "ACB", "value": "ma15+"},
            {"country": "AU", "system": "House", "value": "x"},
        ]
        editing.edit(title_id=title.pk, fields={}, parts={"ratings": typed}, by="user:1", now=NOW)
        assert stored() == [("AU", "House", "x", None), ("AU", "NCS", "MA15", 15)]


class TestApplyingTheTable:
    def test_corrects_ages_that_were_written_by_another(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ratings, "BATCH", 2)
        stale = [TitleFactory.create() for _ in range(3)]
        for title in stale:
            RatingFactory.create(title=title, system="TVPG", value="TV-PG", minimum_age=8)
        right, unknown = TitleFactory.create(), TitleFactory.create()
        RatingFactory.create(title=right, value="R", minimum_age=17)
        RatingFactory.create(title=unknown, system="House", value="x", minimum_age=5)
        RatingFactory.create(title=unknown, country="BR", system="ClassInd", value="14 anos", minimum_age=None)
        assert ratings.apply_table(now=NOW) == 4
        assert [stored(title) for title in stale] == [[("US", "TVPG", "TV-PG", 10)]] * 3
        assert stored(right) == [("US", "MPAA", "R", 17)]
        # What the table does not know keeps its age: to forget it would let more people in.
        assert stored(unknown) == [("BR", "ClassInd", "14 anos", 14), ("US", "House", "x", 5)]
        assert [Title.objects.get(pk=title.pk).revision for title in (*stale, right, unknown)] == [2, 2, 2, 1, 2]
        assert ratings.apply_table(now=NOW) == 0

    def test_can_be_asked_for(self, capsys: pytest.CaptureFixture[str]) -> None:
        RatingFactory.create(title=TitleFactory.create(), system="TVPG", value="TV-PG", minimum_age=8)
        call_command("apply_age_ratings")
        assert capsys.readouterr().out == "1 ratings had another age.\n"
