"""Browsing over HTTP: what is shown to whom, in which words, and how little it costs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.maturity import Audience
from catalog.models import Genre, Keyword, Person, Title
from catalog.models.titles import State
from catalog.rules import Viewer
from catalog.selectors import titles
from catalog.services import artwork, publication
from core.clock import now
from tests.factories import catalog as make
from tests.factories.accounts import KidsProfileFactory, ProfileFactory, sign_in

NOW = make.NOW

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def in_germany(settings: Any) -> None:
    """Viewers are where the operator says, since no database of addresses is configured."""
    settings.DEFAULT_COUNTRY = "DE"


@pytest.fixture
def viewer(client: Client) -> Callable[..., Client]:
    """Sign somebody in, with an adult's profile or one that is given by its factory and values."""

    def signed_in(factory: Any = ProfileFactory, **values: Any) -> Client:
        profile = factory.create(**values)
        client.defaults["HTTP_X_SESSION_TOKEN"] = sign_in(profile.account, profile=profile)
        return client

    return signed_in


def names(client: Client, **parameters: Any) -> list[str]:
    answer = client.get("/api/v1/titles", parameters)
    assert answer.status_code == 200, answer.content
    return [title["name"] for title in answer.json()["results"]]


class TestTitles:
    def test_need_a_sign_in(self, client: Client) -> None:
        make.TitleFactory.create()
        assert client.get("/api/v1/titles").status_code == 401

    def test_are_those_that_stand_alone_newest_first(self, viewer: Callable[..., Client]) -> None:
        make.TitleFactory.create(name="First")
        series = make.TitleFactory.create(name="Second", kind="series")
        season = make.SeasonFactory.create(parent=series)
        make.EpisodeFactory.create(parent=season)
        make.TitleFactory.create(kind="special", name="Third")
        assert names(viewer()) == ["Third", "Second", "First"]

    @pytest.mark.parametrize(
        "hidden",
        [
            {"state": State.DRAFT, "published_at": None},
            {"state": State.WITHDRAWN, "withdrawn_at": make.NOW},
            {"window": False},
            {"window": {"territories": ["US"]}},
            {"window": {"territories": ["DE"], "excluded": True}},
            {"window": {"license_type": "EST"}},
            {"window": {"starts_on": date(2999, 1, 1)}},
            {"window": {"ends_on": date(2020, 1, 1)}},
        ],
    )
    def test_leave_out_what_is_not_public_here_now(self, viewer: Callable[..., Client], hidden: dict[str, Any]) -> None:
        title = make.TitleFactory.create(**hidden)
        client = viewer()
        assert names(client) == []
        answer = client.get(f"/api/v1/titles/{title.pk}")
        assert (answer.status_code, answer.json()["code"]) == (404, "title_not_found")
        assert client.get(f"/api/v1/titles/{title.pk}/episodes").status_code == 404

    def test_follow_the_profiles_age_and_the_rating_of_the_country(self, viewer: Callable[..., Client]) -> None:
        mild = make.TitleFactory.create(name="Mild")
        make.RatingFactory.create(title=mild, country="DE", system="FSK", value="6", minimum_age=6)
        make.RatingFactory.create(title=mild, country="US", value="PG-13", minimum_age=13)
        strict = make.TitleFactory.create(name="Strict")
        make.RatingFactory.create(title=strict, country="US", value="PG-13", minimum_age=13)
        make.TitleFactory.create(name="Unrated")
        assert names(viewer(ProfileFactory, highest_age=12)) == ["Unrated", "Mild"]
        assert names(viewer(KidsProfileFactory, highest_age=12)) == ["Mild"]
        assert names(viewer(ProfileFactory, highest_age=18)) == ["Unrated", "Strict", "Mild"]
        assert names(viewer(ProfileFactory, highest_age=18, allows_unrated=False)) == ["Strict", "Mild"]

    def test_can_be_filtered(self, viewer: Callable[..., Client]) -> None:
        drama, keyword = Genre.objects.create(slug="drama", name="Drama"), Keyword.objects.create(name="sea")
        film = make.TitleFactory.create(
            name="Film", release_date=date(1999, 5, 1), release_precision="day", countries=["FR", "DE"],
            original_language="fr", made_for_kids=True,
        )  # fmt: skip
        film.title_genres.create(genre=drama, position=0)
        film.title_keywords.create(keyword=keyword)
        make.RatingFactory.create(title=film, minimum_age=8)
        series = make.TitleFactory.create(name="Series", kind="series")
        make.RatingFactory.create(title=series, minimum_age=17)
        client = viewer()
        for parameters in (
            {"kind": "movie"}, {"genre": "drama"}, {"language": "FR"}, {"country": "de"}, {"year_from": 1999},
            {"year_to": 1999}, {"max_age": 8}, {"kids": "true"},
        ):  # fmt: skip
            assert names(client, **parameters) == ["Film"], parameters
        assert names(client, year_from=2000) == []
        assert client.get("/api/v1/titles", {"kind": "season"}).status_code == 400
        assert client.get("/api/v1/titles", {"year_from": "x"}).status_code == 400

    @pytest.mark.parametrize("few", [2, 2_500])
    def test_of_a_genre_are_those_of_the_genres_below_it_too(
        self, viewer: Callable[..., Client], monkeypatch: pytest.MonkeyPatch, few: int
    ) -> None:
        monkeypatch.setattr(titles, "FEW", few)
        place = None
        for slug in ("drama", "crime", "heist"):
            place = Genre.objects.create(slug=slug, name=slug.title(), parent=place)
            make.TitleFactory.create(name=slug).title_genres.create(genre=place, position=0)
        make.TitleFactory.create(name="none")
        Genre.objects.create(slug="tragedy", name="Tragedy", merged_into=Genre.objects.get(slug="drama"))
        client = viewer()
        found = {slug: names(client, genre=slug) for slug in ("drama", "crime", "heist", "tragedy", "western")}
        assert found == {
            "drama": ["heist", "crime", "drama"], "crime": ["heist", "crime"], "heist": ["heist"],
            "tragedy": ["heist", "crime", "drama"], "western": [],
        }  # fmt: skip

    def test_come_in_pages(self, viewer: Callable[..., Client]) -> None:
        for number in range(5):
            make.TitleFactory.create(name=str(number))
        client = viewer()
        first = client.get("/api/v1/titles", {"page_size": 3}).json()
        second = client.get(first["next"]).json()
        assert [title["name"] for title in (*first["results"], *second["results"])] == ["4", "3", "2", "1", "0"]
        assert second["next"] is None

    def test_cost_the_same_queries_however_many_they_are(
        self, viewer: Callable[..., Client], django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        client = viewer(ProfileFactory)
        genre = Genre.objects.create(slug="drama", name="Drama")
        for _ in range(30):
            title = make.TitleFactory.create()
            title.title_genres.create(genre=genre, position=0)
            make.RatingFactory.create(title=title)
        # Who asks; titles; all that hangs on them.
        with django_assert_num_queries(3):
            assert len(names(client)) == 30
        # And of a genre: which lie below it; how many titles it has.
        with django_assert_num_queries(5):
            assert len(names(client, genre="drama")) == 30


class TestTitle:
    def test_shows_all_that_is_known(self, viewer: Callable[..., Client]) -> None:
        series = make.TitleFactory.create(
            name="Tideline", kind="series", original_title="Gezeiten", original_language="de",
            release_date=date(2024, 3, 1), release_precision="month", countries=["DE"], runtime_seconds=3120,
            window={"ends_on": date(2999, 1, 1)},
        )  # fmt: skip
        make.RatingFactory.create(title=series, country="DE", system="FSK", value="12", minimum_age=12)
        credit = make.CreditFactory.create(title=series, character="Jess", billing=1)
        season = make.SeasonFactory.create(parent=series, name="Winter", number=1)
        make.EpisodeFactory.create(parent=season)
        make.EpisodeFactory.create(parent=season, number=2)
        trailer = make.TitleFactory.create(kind="trailer", parent=series, series=series, name="Teaser")
        artwork.attach(title_id=series.pk, kind="poster", data=make.picture(), by="user:7", now=make.NOW)
        body = viewer().get(f"/api/v1/titles/{series.pk}").json()
        assert (body["name"], body["original_name"], body["release_date"]) == ("Tideline", "Gezeiten", "2024-03")
        assert (body["year"], body["countries"], body["minimum_age"]) == (2024, ["DE"], 12)
        # Berlin is an hour ahead of UTC in winter.
        assert body["available_until"] == "2998-12-31T23:00:00Z"
        assert body["credits"] == [
            {
                "person": {"id": str(credit.person_id), "name": "Ines Caldera"}, "job": "actor", "job_display": "",
                "character": "Jess", "guest": False,
            }
        ]  # fmt: skip
        assert body["seasons"] == [
            {"id": str(season.pk), "kind": "season", "name": "Winter", "number": 1, "episode_count": 2}
        ]
        assert [extra["id"] for extra in body["extras"]] == [str(trailer.pk)]
        poster = body["artwork"]["poster"]
        assert (poster["width"], poster["height"], poster["url"][:34]) == (
            40,
            60,
            "http://testserver/media/artwork/" + str(series.pk)[:2],
        )

    @pytest.mark.parametrize(
        ("images", "language", "shown"),
        [
            # What is made for the country comes first, of what suits the viewer's language alike.
            ([("de", ""), ("de", "DE")], "de", ("de", "DE")),
            ([("de", ""), ("de", "AT")], "de", ("de", "")),
            ([("", ""), ("", "DE")], "de", ("", "DE")),
            # Without words it suits everybody there.
            ([("de", ""), ("", "DE")], "de", ("", "DE")),
            ([("de", "DE"), ("", "DE")], "de", ("de", "DE")),
            # But one in another language is no better than one in the viewer's own.
            ([("de", ""), ("en", "DE")], "de", ("de", "")),
            ([("fr", ""), ("en", "DE")], "it", ("en", "DE")),
            ([("fr", ""), ("", "")], "it", ("", "")),
            ([("ja", "DE"), ("", "")], "it", ("", "")),
            # The viewer's next language comes after it, also where the original is a variant of the first.
            ([("fr", ""), ("", "DE")], "en-GB, fr", ("", "DE")),
        ],
    )
    def test_shows_the_image_of_language_and_country(
        self, viewer: Callable[..., Client], images: list[tuple[str, str]], language: str, shown: tuple[str, str]
    ) -> None:
        title = make.TitleFactory.create()
        for place, (tag, region) in enumerate(images):
            artwork.attach(
                title_id=title.pk, kind="poster", data=make.picture(40 + place), language=tag, region=region,
                by="user:7", now=make.NOW,
            )  # fmt: skip
        answer = viewer().get(f"/api/v1/titles/{title.pk}", headers={"Accept-Language": language})
        poster = answer.json()["artwork"]["poster"]
        assert (poster["language"], poster["region"]) == shown

    def test_speaks_the_viewers_language_field_by_field(self, viewer: Callable[..., Client]) -> None:
        title = make.TitleFactory.create(name="Tideline", original_language="fr")
        title.texts.update(synopsis_short="A pilot boat.")
        make.TextFactory.create(title=title, language="de", name="Gezeiten")
        client = viewer()
        body = client.get(f"/api/v1/titles/{title.pk}", headers={"Accept-Language": "de-AT,de;q=0.9"}).json()
        assert (body["name"], body["synopsis"]) == ("Gezeiten", "A pilot boat.")
        body = client.get(f"/api/v1/titles/{title.pk}", headers={"Accept-Language": "it"}).json()
        assert body["name"] == "Tideline"

    def test_is_not_sent_again_until_it_changes(self, viewer: Callable[..., Client]) -> None:
        title = make.TitleFactory.create()
        client, address = viewer(), f"/api/v1/titles/{title.pk}"
        tag = client.get(address)["ETag"]
        again = client.get(address, headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
        assert client.get(address, headers={"If-None-Match": tag, "Accept-Language": "de"}).status_code == 200
        Title.objects.filter(pk=title.pk).update(runtime_seconds=61)
        assert client.get(address, headers={"If-None-Match": tag}).status_code == 200
        publication.withdraw(title_id=title.pk, by="user:1", now=now())
        assert client.get(address, headers={"If-None-Match": tag}).status_code == 404

    def test_of_a_part_lives_on_the_licence_and_rating_of_its_whole(self, viewer: Callable[..., Client]) -> None:
        series = make.TitleFactory.create(kind="series", window={"territories": ["DE"]})
        make.RatingFactory.create(title=series, minimum_age=13)
        season = make.SeasonFactory.create(parent=series)
        episode = make.EpisodeFactory.create(parent=season)
        client = viewer(ProfileFactory, highest_age=13)
        assert client.get(f"/api/v1/titles/{episode.pk}").json()["minimum_age"] == 13
        client = viewer(ProfileFactory, highest_age=12)
        assert client.get(f"/api/v1/titles/{episode.pk}").status_code == 404
        client = viewer()
        make.WindowFactory.create(title=season, territories=["US"])
        assert client.get(f"/api/v1/titles/{episode.pk}").status_code == 404
        make.WindowFactory.create(title=episode)
        assert client.get(f"/api/v1/titles/{episode.pk}").status_code == 200
        publication.withdraw(title_id=series.pk, by="user:1", now=now())
        assert client.get(f"/api/v1/titles/{episode.pk}").status_code == 404

    def test_costs_the_same_queries_however_large_it_is(
        self, viewer: Callable[..., Client], django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        series = make.TitleFactory.create(kind="series")
        client = viewer()

        def count(expected: int) -> None:
            with django_assert_num_queries(expected):
                client.get(f"/api/v1/titles/{series.pk}")

        for number in range(1, 3):
            make.SeasonFactory.create(parent=series, number=number)
            make.CreditFactory.create(title=series)
            make.TitleFactory.create(kind="trailer", parent=series, series=series)
        client.get(f"/api/v1/titles/{series.pk}")
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        with CaptureQueriesContext(connection) as small:
            client.get(f"/api/v1/titles/{series.pk}")
        for number in range(3, 9):
            make.SeasonFactory.create(parent=series, number=number)
            make.CreditFactory.create(title=series)
            make.TitleFactory.create(kind="trailer", parent=series, series=series)
        count(len(small))


class TestEpisodes:
    def test_come_in_the_order_of_release(self, viewer: Callable[..., Client]) -> None:
        series = make.TitleFactory.create(kind="series")
        second = make.SeasonFactory.create(parent=series, number=2)
        first = make.SeasonFactory.create(parent=series, number=1)
        for season, number in ((second, 1), (first, 2), (first, 1)):
            make.EpisodeFactory.create(parent=season, number=number, name=f"{season.number}x{number}")
        client, address = viewer(), f"/api/v1/titles/{series.pk}/episodes"
        page = client.get(address, {"page_size": 2}).json()
        rest = client.get(page["next"]).json()
        assert [item["name"] for item in (*page["results"], *rest["results"])] == ["1x1", "1x2", "2x1"]
        assert [item["season"] for item in page["results"]] == [1, 1]
        assert [item["name"] for item in client.get(address, {"season": 2}).json()["results"]] == ["2x1"]
        of_season = client.get(f"/api/v1/titles/{first.pk}/episodes").json()
        assert [item["name"] for item in of_season["results"]] == ["1x1", "1x2"]

    def test_of_a_series_without_seasons_are_its_own(self, viewer: Callable[..., Client]) -> None:
        series = make.TitleFactory.create(kind="series")
        make.EpisodeFactory.create(parent=series, series=series, name="Only")
        results = viewer().get(f"/api/v1/titles/{series.pk}/episodes").json()["results"]
        assert [(item["name"], item["season"]) for item in results] == [("Only", None)]


class TestGenres:
    def test_are_those_in_which_the_viewer_finds_something(self, viewer: Callable[..., Client]) -> None:
        for name, window in (("Drama", None), ("Abroad", {"territories": ["US"]})):
            genre = Genre.objects.create(slug=name.lower(), name=name)
            make.TitleFactory.create(window=window).title_genres.create(genre=genre, position=0)
        Genre.objects.create(slug="empty", name="Empty")
        assert viewer().get("/api/v1/genres").json() == [{"slug": "drama", "name": "Drama"}]

    def test_are_those_above_them_too(
        self, viewer: Callable[..., Client], django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        drama = Genre.objects.create(slug="drama", name="Drama")
        crime = Genre.objects.create(slug="crime", name="Crime", parent=drama)
        heist = Genre.objects.create(slug="heist", name="Heist", parent=crime)
        Genre.objects.create(slug="courtroom", name="Courtroom", parent=drama)
        make.TitleFactory.create().title_genres.create(genre=heist, position=0)
        client = viewer()
        # Who asks; genres.
        with django_assert_num_queries(2):
            assert [genre["slug"] for genre in client.get("/api/v1/genres").json()] == ["crime", "drama", "heist"]


class TestPerson:
    def test_has_the_titles_that_the_viewer_may_see(self, viewer: Callable[..., Client]) -> None:
        person = Person.objects.create(name="Ines Caldera")
        film = make.TitleFactory.create(name="Film", release_date=date(2001, 1, 1), release_precision="year")
        series = make.TitleFactory.create(name="Series", kind="series")
        season = make.SeasonFactory.create(parent=series)
        episode = make.EpisodeFactory.create(parent=season)
        abroad = make.TitleFactory.create(name="Abroad", window={"territories": ["US"]})
        make.CreditFactory.create(title=film, person=person, job="director")
        for title in (episode, abroad):
            make.CreditFactory.create(title=title, person=person, character="Jess")
        body = viewer().get(f"/api/v1/people/{person.pk}").json()
        assert [(item["title"]["name"], item["credits"]) for item in body["titles"]] == [
            ("Film", [{"job": "director", "job_display": "", "character": ""}]),
            ("Series", [{"job": "actor", "job_display": "", "character": "Jess"}]),
        ]

    def test_without_such_titles_is_not_found(self, viewer: Callable[..., Client]) -> None:
        person = Person.objects.create(name="Ines Caldera")
        make.CreditFactory.create(title=make.TitleFactory.create(window=False), person=person)
        answer = viewer().get(f"/api/v1/people/{person.pk}")
        assert (answer.status_code, answer.json()["code"]) == (404, "person_not_found")


class TestWindowsAtTheirSecond:
    def test_decide_each_request_anew(self, viewer: Callable[..., Client]) -> None:
        closing = now() + timedelta(seconds=1)
        title = make.TitleFactory.create(window={"ends_at": closing})
        assert Title.objects.browsable_by(_viewer(), closing - timedelta(microseconds=1)).get() == title
        assert not Title.objects.browsable_by(_viewer(), closing).exists()
        assert not Title.objects.visible_to(_viewer(), closing).exists()


class TestPartsOfParts:
    """The trailer of an episode has what the season says, and hides with it."""

    def trailer(self) -> tuple[Title, Title]:
        series = make.TitleFactory.create(kind="series")
        season = make.SeasonFactory.create(parent=series)
        episode = make.EpisodeFactory.create(parent=season)
        return season, make.TitleFactory.create(kind="trailer", parent=episode, series=series)

    def test_follow_the_seasons_state(self) -> None:
        season, trailer = self.trailer()
        assert Title.objects.visible_to(_viewer(), NOW).filter(pk=trailer.pk).exists()
        Title.objects.filter(pk=season.pk).update(state="withdrawn", withdrawn_at=NOW)
        assert not Title.objects.visible_to(_viewer(), NOW).filter(pk=trailer.pk).exists()

    def test_follow_the_seasons_window(self, viewer: Callable[..., Client]) -> None:
        season, trailer = self.trailer()
        window = make.WindowFactory.create(title=season, territories=["AT"])
        assert not Title.objects.visible_to(_viewer(), NOW).filter(pk=trailer.pk).exists()
        window.territories, window.ends_at = ["DE"], datetime(2099, 1, 1, tzinfo=UTC)
        window.save()
        body = viewer().get(f"/api/v1/titles/{trailer.pk}").json()
        assert body["available_until"] == "2099-01-01T00:00:00Z"

    def test_follow_the_seasons_rating(self, viewer: Callable[..., Client]) -> None:
        season, trailer = self.trailer()
        make.RatingFactory.create(title=season.series, value="PG", minimum_age=8)
        make.RatingFactory.create(title=season, value="R", minimum_age=17)
        child = Viewer("DE", ("en",), Audience(12, allows_unrated=False))
        assert not Title.objects.visible_to(child, NOW).filter(pk=trailer.pk).exists()
        assert viewer().get(f"/api/v1/titles/{trailer.pk}").json()["minimum_age"] == 17


def _viewer() -> Any:
    return Viewer("DE", ("en",))
