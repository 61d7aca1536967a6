"""Finding titles by what people type."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.test import Client

from catalog.models import SearchWord, Title
from catalog.rules import Audience, Viewer
from catalog.selectors import search as selectors
from catalog.services import editing
from catalog.services import search as services
from tests.factories.accounts import AccountFactory, sign_in
from tests.factories.catalog import NOW, ProviderFactory, RatingFactory, TitleFactory, feed, ingest, movie

pytestmark = pytest.mark.django_db

GERMANY = Viewer("DE", ("en",))
FILMS: dict[str, dict[str, Any]] = {
    "Stranger Things": {"people": [{"name": "Winona Ryder", "job": "actor"}]},
    "Amélie": {"alternate_titles": [{"title": "Le Fabuleux Destin"}], "release_date": "2001"},
    "Der große Eisenbahnraub": {"titles": {"de": "Der große Eisenbahnraub", "en": "The Great Train Robbery"}},
    "Spider-Man": {},
    "Œuvre": {"keywords": ["lighthouse"]},
    "Nosferatu": {"people": [{"name": "Friedrich Wilhelm Murnau", "job": "director"}]},
    "Metropolis": {"synopses": {"en": {"short": "A city of towers and machines."}}},
    "Броненосец Потёмкин": {},
    "羅生門": {},
}


def find(query: str, viewer: Viewer = GERMANY) -> list[str]:
    return [
        title.texts.order_by("language").values_list("name", flat=True)[0]
        for title in selectors.search(query, viewer, NOW).titles
    ]


@pytest.fixture
def films() -> None:
    lines: list[dict[str, Any]] = [
        movie(number, titles={"en": name}) | more for number, (name, more) in enumerate(FILMS.items())
    ]
    ingest(feed(*lines), ProviderFactory.create())


@pytest.mark.usefixtures("films")
class TestSearch:
    @pytest.mark.parametrize(
        ("query", "name"),
        [
            ("stranger things", "Stranger Things"),
            ("STRANGER", "Stranger Things"),
            ("strang", "Stranger Things"),
            ("amelie", "Amélie"),
            ("Amélie", "Amélie"),
            ("fabuleux", "Amélie"),
            ("grosse eisenbahnraub", "Der große Eisenbahnraub"),
            ("große", "Der große Eisenbahnraub"),
            ("great train", "Der große Eisenbahnraub"),
            ("spider man", "Spider-Man"),
            ("Spider-Man", "Spider-Man"),
            ("oeuvre", "Œuvre"),
            ("œuvre", "Œuvre"),
            ("lighthouse", "Œuvre"),
            ("winona ryder", "Stranger Things"),
            ("murnau", "Nosferatu"),
            ("city towers", "Metropolis"),
            ("потемкин", "Броненосец Потёмкин"),
            ("羅生門", "羅生門"),
        ],
    )
    def test_finds(self, query: str, name: str) -> None:
        assert find(query) == [name]

    @pytest.mark.parametrize(
        ("query", "name"),
        [
            ("strnger thigns", "Stranger Things"),
            ("stranger thigns", "Stranger Things"),
            ("nosfertu", "Nosferatu"),
            ("metroplis", "Metropolis"),
            ("eisenbanraub", "Der große Eisenbahnraub"),
            ("winnona rider", "Stranger Things"),
            ("murnow", "Nosferatu"),
        ],
    )
    def test_mends_typos(self, query: str, name: str) -> None:
        assert find(query) == [name]

    def test_says_what_it_searched_instead(self) -> None:
        assert selectors.search("strnger thigns", GERMANY, NOW).corrected == "stranger things"
        assert selectors.search("stranger", GERMANY, NOW).corrected is None

    @pytest.mark.parametrize("query", ["", "   ", "!!!", "xyzzyq", "&|!():*'", "\u0000", "a" * 500])
    def test_finds_nothing_where_there_is_nothing(self, query: str) -> None:
        assert find(query) == []

    def test_follows_the_editors(self) -> None:
        title = Title.objects.get(source_records__external_id="m5")
        parts = {"texts": [{"language": "en", "name": "The Vampire"}]}
        editing.edit(title_id=title.pk, fields={}, parts=parts, by="user:7", now=NOW)
        assert find("vampyre") == ["The Vampire"]
        assert find("nosferatu") == []


class TestOrder:
    def test_is_exact_names_first_then_beginnings_then_the_rest(self) -> None:
        lines = [
            movie(1, titles={"en": "Return of the Pier"}),
            movie(2, titles={"en": "Pier Twelve"}),
            movie(3, titles={"en": "Pier"}),
            movie(4, titles={"en": "Sea"}, people=[{"name": "Anna Pier", "job": "actor"}]),
        ]
        ingest(feed(*lines), ProviderFactory.create())
        assert find("pier") == ["Pier", "Pier Twelve", "Return of the Pier", "Sea"]

    def test_prefers_the_popular_among_equals(self) -> None:
        ingest(feed(*(movie(number, titles={"en": "Pier"}) for number in range(3))), ProviderFactory.create())
        popular = Title.objects.get(source_records__external_id="m1")
        services.set_popularity(scores={popular.pk: 2.5})
        assert selectors.search("pier", GERMANY, NOW).titles[0] == popular


class TestWhatTheViewerMayNotSee:
    def test_is_not_found(self) -> None:
        lines = [
            movie(1, titles={"en": "Pier abroad"}, availability=[{"license_type": "SVOD", "territories": ["US"]}]),
            movie(2, titles={"en": "Pier later"}, availability=[{"license_type": "SVOD", "start": "2999-01-01"}]),
            movie(3, titles={"en": "Pier for adults"}, ratings=[{"country": "DE", "system": "FSK", "value": "18"}]),
            movie(4, titles={"en": "Pier for all"}, ratings=[{"country": "DE", "system": "FSK", "value": "0"}]),
        ]
        ingest(feed(*lines), ProviderFactory.create())
        assert find("pier", Viewer("DE", (), Audience(12, allows_unrated=False))) == ["Pier for all"]

    def test_is_not_given_away_by_a_correction(self) -> None:
        ingest(
            feed(movie(1, titles={"en": "Nosferatu"}, availability=[])),
            ProviderFactory.create(has_default_licence=False),
        )
        assert selectors.search("nosfertu", GERMANY, NOW) == selectors.Found([], None)


class TestRefreshVocabulary:
    def test_counts_anew_and_forgets_what_is_gone(self) -> None:
        ingest(feed(movie(1, titles={"en": "Pier"}), movie(2, titles={"en": "Pier Twelve"})), ProviderFactory.create())
        SearchWord.objects.create(word="gone")
        services.refresh_vocabulary()
        words = dict(SearchWord.objects.values_list("word", "documents"))
        assert words == {"pier": 2, "twelve": 1, "ines": 2, "caldera": 2}


class TestEndpoint:
    def test_answers_cards(self, client: Client, settings: Any) -> None:
        settings.DEFAULT_COUNTRY = "DE"
        ingest(feed(movie(1, titles={"en": "Nosferatu"}, release_date="1922")), ProviderFactory.create())
        client.defaults["HTTP_X_SESSION_TOKEN"] = sign_in(AccountFactory.create())
        body = client.get("/api/v1/search", {"q": "nosfertu"}).json()
        assert (body["corrected"], body["results"][0]["name"], body["results"][0]["year"]) == (
            "nosferatu",
            "Nosferatu",
            1922,
        )
        assert client.get("/api/v1/search").status_code == 400

    def test_needs_a_sign_in(self, client: Client) -> None:
        assert client.get("/api/v1/search", {"q": "x"}).status_code == 401


class TestRebuild:
    def test_makes_the_same_document_as_the_ingest(self) -> None:
        lines = [
            movie(1, titles={"en": "Tideline", "de": "Gezeiten"}, keywords=["sea"], alternate_titles=[{"title": "Ebb"}])
        ]
        ingest(feed(*lines), ProviderFactory.create())
        title = Title.objects.get()
        before = title.search_document
        services.rebuild([title.pk])
        title.refresh_from_db()
        assert (title.search_document.name, title.search_document.words) == (before.name, before.words)

    def test_leaves_parts_out(self) -> None:
        title = TitleFactory.create(release_date=date(2000, 1, 1), release_precision="year")
        RatingFactory.create(title=title)
        services.rebuild([title.pk])
        assert title.search_document.name.startswith("title")
