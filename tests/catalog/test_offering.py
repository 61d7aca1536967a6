"""By which licences titles are offered: a series by its parts', wherever it may be seen or asked about."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.maturity import Audience
from catalog import rules
from catalog.models import AvailabilityWindow, Collection, EditorialRow, Genre, Title, TitleGenre
from catalog.models.offering import IsOffered
from catalog.models.titles import Kind
from catalog.rules import Viewer
from catalog.selectors import ages, availability, collections, gaps, parts, search, titles
from catalog.services import publication
from catalog.services import search as searching
from catalog.services.copying import copy_into
from core.clock import now as clock_now
from tests.catalog.api.test_titles import in_germany, viewer
from tests.factories import catalog as make

pytestmark = pytest.mark.django_db

__all__ = ["in_germany", "viewer"]

NOW = make.NOW
DAY = timedelta(days=1)
GERMAN = Viewer("DE", ("en",))
FRENCH = Viewer("FR", ("en",))


def series_of(*episodes: dict[str, Any] | None, window: Any = False, season: Any = None, **values: Any) -> tuple[Title, Title, list[Title]]:  # fmt: skip
    """Make a series of one season; each episode with a window of its own, or none."""
    series = make.TitleFactory.create(kind=Kind.SERIES, name="Tideline", window=window, **values)
    first = make.SeasonFactory.create(parent=series, window=season)
    return series, first, [
        make.EpisodeFactory.create(parent=first, number=number, name=f"Part {number}", window=own)
        for number, own in enumerate(episodes, 1)
    ]  # fmt: skip


def shown(viewer: Viewer, now: datetime = NOW) -> list[Title]:
    return list(Title.objects.browsable_by(viewer, now))


class TestSeriesLicensedByItsParts:
    """Nobody has licensed the series, one episode is licensed in Germany."""

    @pytest.fixture
    def series(self) -> Title:
        series, _, _ = series_of({"territories": ["DE"]}, None)
        searching.rebuild([title.pk for title in Title.objects.all()])
        return series

    def test_is_shown_where_a_part_may_be_watched(self, series: Title) -> None:
        assert (shown(GERMAN), shown(FRENCH)) == ([series], [])
        assert availability.explain(series.pk, GERMAN, NOW) == []
        assert [reason.code for reason in availability.explain(series.pk, FRENCH, NOW)] == ["territory"]

    def test_has_a_page_of_what_may_be_watched(self, series: Title) -> None:
        title, [season], _ = titles.page_for(series.pk, GERMAN, NOW)
        assert (title, season.number, getattr(season, "episode_count", None)) == (series, 1, 1)
        assert [episode.number for episode in titles.episodes_of(series.pk, GERMAN, NOW)] == [1]
        for asked in (series.pk, season.pk):
            with pytest.raises(titles.TitleNotFound):
                titles.page_for(asked, FRENCH, NOW)

    def test_is_found(self, series: Title) -> None:
        assert search.search("tideline", GERMAN, NOW).title_ids == [series.pk]
        assert [found.name for found in search.suggest("tid", GERMAN, NOW)] == ["Tideline"]
        assert (search.search("tideline", FRENCH, NOW).title_ids, search.suggest("tid", FRENCH, NOW)) == ([], [])

    def test_stands_in_rows_and_genres(self, series: Title) -> None:
        genre = Genre.objects.create(slug="drama", name="Drama")
        TitleGenre.objects.create(title=series, genre=genre, position=0)
        made = Collection.objects.create(
            slug="all", names={"en": "All"}, kind="rule", rule={"kinds": ["series"]}, updated_at=NOW
        )
        EditorialRow.objects.create(collection=made, position=1)
        assert [row.titles for row in collections.rows_for(GERMAN, NOW, is_kids=False)] == [[series]]
        assert collections.rows_for(FRENCH, NOW, is_kids=False) == []
        assert (list(titles.genres_for(GERMAN, NOW)), list(titles.genres_for(FRENCH, NOW))) == ([genre], [])

    def test_counts_among_what_staff_ask_about(self, series: Title) -> None:
        missing = {
            country: list(gaps.lacking("poster", country=country, language="en", now=NOW)) for country in ("DE", "FR")
        }
        assert missing == {"DE": [series], "FR": []}
        strict = Audience(6, allows_unrated=False)
        assert [list(ages.hidden(country, strict, NOW)) for country in ("DE", "FR")] == [[series], []]
        assert [window.territories for window in availability.open_windows(series.pk, "DE", NOW)] == [["DE"]]

    def test_goes_with_its_last_part(self, series: Title) -> None:
        episode = Title.objects.get(kind=Kind.EPISODE, number=1)
        publication.withdraw(title_id=episode.pk, by="user:1", now=NOW)
        assert shown(GERMAN) == []
        assert [reason.code for reason in availability.explain(series.pk, GERMAN, NOW)] == ["no_licence"]

    def test_goes_with_the_season_that_its_parts_are_in(self, series: Title) -> None:
        publication.withdraw(title_id=Title.objects.get(kind=Kind.SEASON).pk, by="user:1", now=NOW)
        assert shown(GERMAN) == []


class TestSeriesWithLicencesOfItsOwn:
    def test_is_not_shown_for_parts_that_nobody_may_watch(self) -> None:
        series, season, _ = series_of({"territories": ["FR"]}, {"starts_at": NOW + DAY}, window={})
        assert (shown(GERMAN), shown(FRENCH)) == ([], [series])
        assert not Title.objects.visible_to(GERMAN, NOW).exists()
        [reason] = availability.explain(series.pk, GERMAN, NOW)
        assert (reason.code, reason.at) == ("not_yet", NOW + DAY)
        assert [one.code for one in availability.explain(season.pk, GERMAN, NOW)] == ["not_yet"]

    def test_passes_them_on_to_parts_that_have_none(self) -> None:
        series, season, [first, second] = series_of({"territories": ["FR"]}, None, window={"territories": ["DE"]})
        assert set(Title.objects.visible_to(GERMAN, NOW)) == {series, season, second}
        assert set(Title.objects.visible_to(FRENCH, NOW)) == {series, season, first}

    def test_excludes_its_parts_with_itself(self) -> None:
        series_of(None, None, window={"territories": ["DE"], "excluded": True})
        assert (shown(GERMAN), len(shown(FRENCH))) == ([], 1)

    def test_is_shown_before_any_part_is_public(self) -> None:
        series, _, _ = series_of({"territories": ["FR"]}, window={})
        Title.objects.exclude(pk=series.pk).update(state="draft", published_at=None)
        assert shown(GERMAN) == [series]

    def test_is_not_shown_for_the_sake_of_a_trailer(self) -> None:
        series, _, _ = series_of({"territories": ["FR"]})
        make.TitleFactory.create(kind=Kind.TRAILER, parent=series, series=series, window={})
        assert shown(GERMAN) == []


class TestTrailer:
    def test_without_licence_goes_along_with_what_it_promotes(self) -> None:
        series, season, [episode] = series_of({"territories": ["DE"]})
        trailers = [
            make.TitleFactory.create(kind=Kind.TRAILER, parent=of, series=series) for of in (series, season, episode)
        ]
        own = make.TitleFactory.create(kind=Kind.TRAILER, parent=series, series=series, window={"territories": ["FR"]})
        visible = Title.objects.visible_to
        assert set(visible(GERMAN, NOW).filter(kind=Kind.TRAILER)) == set(trailers)
        assert list(visible(FRENCH, NOW)) == [own]
        assert availability.explain(trailers[0].pk, GERMAN, NOW) == []


class TestWhen:
    def test_is_to_the_second_of_each_part(self) -> None:
        second = timedelta(seconds=1)
        series_of(
            {"starts_at": NOW, "ends_at": NOW + 10 * second},
            {"starts_at": NOW + 20 * second, "ends_at": NOW + 30 * second},
        )
        seen = [bool(shown(GERMAN, NOW + seconds * second)) for seconds in (-1, 0, 9, 10, 19, 20, 29, 30)]
        assert seen == [False, True, True, False, False, True, True, False]
        assert availability.next_boundary("DE", NOW) == NOW + 10 * second

    def test_a_series_comes_and_goes_is_when_its_first_and_last_part_does(self, viewer: Any) -> None:
        at = clock_now().replace(microsecond=0)
        coming, _, _ = series_of(
            {"announce_at": at - DAY, "starts_at": at + 3 * DAY}, {"announce_at": at - DAY, "starts_at": at + 2 * DAY}
        )
        leaving, _, _ = series_of({"ends_at": at + 2 * DAY}, {"ends_at": at + 3 * DAY}, {"ends_at": at - DAY})
        series_of({"ends_at": at + 2 * DAY}, {})
        client: Client = viewer()

        def instants(which: str, field: str) -> list[tuple[str, str]]:
            answer = client.get(f"/api/v1/titles/{which}")
            return [(card["id"], card[field]) for card in answer.json()["results"]]

        def said(instant: datetime) -> str:
            return instant.isoformat().replace("+00:00", "Z")

        assert instants("coming-soon", "available_from") == [(str(coming.pk), said(at + 2 * DAY))]
        assert instants("leaving-soon", "available_until") == [(str(leaving.pk), said(at + 3 * DAY))]

    def test_a_licence_that_no_part_goes_by_opens_is_no_matter(self) -> None:
        opening = {"announce_at": NOW - DAY, "starts_at": NOW + DAY}
        series_of({"starts_at": NOW + 90 * DAY}, window=opening)
        passed_on, _, _ = series_of(None, window=opening)
        assert list(availability.opening_soon("DE", NOW)) == [passed_on]

    def test_rows_know_what_leaves(self) -> None:
        leaving, _, _ = series_of({"ends_at": NOW + 2 * DAY})
        series_of({"ends_at": NOW + 2 * DAY}, {})
        Collection.objects.create(
            slug="last",
            names={"en": "Last"},
            kind="rule",
            rule={"leaves_within_days": 5},
            updated_at=NOW,
        )
        assert collections.collection_for("last", GERMAN, NOW).titles == [leaving]


class TestCards:
    def test_cost_two_queries_however_many_series(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        for _ in range(3):
            series_of({"ends_at": NOW + DAY}, {"ends_at": NOW + 2 * DAY}, None)
        with django_assert_num_queries(2):
            found = list(titles.browse(GERMAN, NOW))
            parts.fetch(found, since=NOW)
            ends = [rules.available_until(parts.licences_of(title), "DE", NOW) for title in found]
        assert ends == [(True, NOW + 2 * DAY)] * 3
        with django_assert_num_queries(2):
            titles.page_for(found[0].pk, GERMAN, NOW)


class TestRule:
    """The condition of queries, the licences on cards, the explanation, and a plain reading of the rule: all say the same."""

    def test_is_one(self) -> None:
        chance = random.Random(11)
        for _ in range(60):
            plant(chance)
        everything = {title.pk: title for title in Title.objects.select_related("parent__parent", "series")}
        windows: dict[Any, list[AvailabilityWindow]] = {}
        for window in AvailabilityWindow.objects.all():
            windows.setdefault(window.title_id, []).append(window)
        world = World(everything, windows)
        expected = {pk for pk, title in everything.items() if world.offered(title)}
        assert 0 < len(expected) < len(everything)
        assert set(Title.objects.filter(IsOffered("DE", NOW)).values_list("pk", flat=True)) == expected
        alone = Title.objects.standing_alone()
        found = alone.filter(IsOffered("DE", NOW, standing_alone=True)).values_list("pk", flat=True)
        assert set(found) == expected & {pk for pk, title in everything.items() if title.parent_id is None}
        searched = Title.objects.filter(kind__in=["movie", "series", "episode", "special"])
        found = searched.filter(IsOffered("DE", NOW, searched=True)).values_list("pk", flat=True)
        assert set(found) == expected & set(searched.values_list("pk", flat=True))
        visible = set(Title.objects.visible_to(GERMAN, NOW).values_list("pk", flat=True))
        assert visible == {pk for pk in expected if world.public(everything[pk])}
        for title in everything.values():
            parts.fetch([title], since=NOW)
            assert rules.available_until(parts.licences_of(title), "DE", NOW)[0] is (title.pk in expected)
        for title in chance.sample(list(everything.values()), 60):
            assert bool(availability.explain(title.pk, GERMAN, NOW)) is (title.pk not in visible)


class World:
    """The rule, read plainly."""

    def __init__(self, titles: dict[Any, Title], windows: dict[Any, list[AvailabilityWindow]]) -> None:
        self.windows = windows
        self.below: dict[Any, list[Title]] = {}
        for title in titles.values():
            if title.state == "published" and title.kind in {"season", "episode", "special"}:
                self.below.setdefault(title.parent_id, []).append(title)

    def offered(self, title: Title) -> bool:
        if title.kind in {"series", "season"} and (below := self.below.get(title.pk)):
            return any(self.offered(part) for part in below)
        for level in availability.line_of(title):
            if windows := self.windows.get(level.pk):
                return any(rules.is_open(window, "DE", NOW) for window in windows)
        promotes = title.kind in {"trailer", "extra"} and title.parent and title.parent.kind in {"series", "season"}
        return bool(promotes and title.parent and self.offered(title.parent))

    def public(self, title: Title) -> bool:
        return all(level.state == "published" for level in availability.line_of(title))


def plant(chance: random.Random) -> None:
    """Make a series with seasons, episodes, specials and trailers, licensed and published by chance."""
    choices: list[Any] = [False, False, False, {}, {"territories": ["FR"]}, {"ends_at": NOW}, {"starts_at": NOW + DAY}]

    def some(factory: Any, **values: Any) -> Title:
        state = {} if chance.random() < 0.85 else {"state": "draft", "published_at": None}
        title: Title = factory.create(window=chance.choice(choices), **state, **values)
        return title

    series = some(make.TitleFactory, kind="series")
    for number in range(1, chance.randint(1, 3)):
        season = some(make.SeasonFactory, parent=series, number=number)
        for episode in range(1, chance.randint(1, 4)):
            some(make.EpisodeFactory, parent=season, number=episode)
        some(make.TitleFactory, kind="trailer", parent=season, series=series)
    for kind in ("special", "trailer", "extra"):
        if chance.random() < 0.3:
            some(make.TitleFactory, kind=kind, parent=series, series=series)
    if chance.random() < 0.3:
        some(make.EpisodeFactory, parent=series, series=series, number=99)


class TestSeriesOfALicence:
    """The database keeps it, whoever writes."""

    def of(self, title: Title) -> Any:
        return AvailabilityWindow.objects.values_list("series_id", flat=True).get(title=title)

    def test_is_that_of_its_title(self) -> None:
        series, season, [episode] = series_of({})
        film = make.TitleFactory.create()
        assert (self.of(episode), self.of(film)) == (series.pk, None)
        with connection.cursor() as cursor:
            columns = ("title_id", "territories", "excluded", "license_type", "languages", "holdback_languages",
                       "formats", "grant_id", "contract_id", "reporting_id")  # fmt: skip
            copy_into(cursor, AvailabilityWindow, columns, [(season.pk, [], False, "SVOD", [], [], [], "", "", "")])
        assert self.of(season) == series.pk

    def test_follows_a_licence_to_another_title(self) -> None:
        _, _, [episode] = series_of({})
        film = make.TitleFactory.create(window=False)
        AvailabilityWindow.objects.filter(title=episode).update(title=film)
        assert self.of(film) is None

    def test_follows_a_title_to_another_series(self) -> None:
        _, _, [episode] = series_of({"ends_at": datetime(2027, 1, 1, tzinfo=UTC)})
        other = make.TitleFactory.create(kind=Kind.SERIES, window=False)
        Title.objects.filter(pk=episode.pk).update(parent=other, series=other)
        assert self.of(episode) == other.pk
        assert shown(GERMAN) == [other]
