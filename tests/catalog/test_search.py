"""Finding titles by what people type."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from accounts.maturity import Audience
from catalog.models import (
    Genre,
    Keyword,
    Person,
    SearchCompletion,
    SearchDocument,
    SearchMiss,
    SearchRename,
    SearchWord,
    SourceRecord,
    Title,
    TitleText,
)
from catalog.rules import Blocks, Viewer
from catalog.selectors import search as selectors
from catalog.services import blocks, editing
from catalog.services import search as services
from catalog.services.search import completions, leaders, misses, renames
from tests.factories.accounts import AccountFactory, ProfileFactory, sign_in
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
    "Grüner wird's nicht": {"titles": {"de": "Grüner wird's nicht"}},
    "Spiderhead": {},
    "Ægir": {"synopses": {"en": {"short": "Detectives follow stolen paintings."}}},
    "WALL·E": {},
}


def find(query: str, viewer: Viewer = GERMANY) -> list[str]:
    return [
        Title.objects.get(pk=title_id).texts.order_by("language").values_list("name", flat=True)[0]
        for title_id in selectors.search(query, viewer, NOW).title_ids
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
            ("生門", "羅生門"),
            ("spiderman", "Spider-Man"),
            ("wall-e", "WALL·E"),
            ("walle", "WALL·E"),
            ("gruner", "Grüner wird's nicht"),
            ("gruener", "Grüner wird's nicht"),
            ("aegir", "Ægir"),
            ("painting detective", "Ægir"),
            ("ae", "Ægir"),
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
            ("spider head", "Spiderhead"),
            ("nosferatu qqqqqq", "Nosferatu"),
            ("nsoferatu", "Nosferatu"),
        ],
    )
    def test_mends_typos(self, query: str, name: str) -> None:
        assert find(query) == [name]

    @pytest.mark.parametrize(
        ("query", "name"),
        [
            ("gmae fo thornes", "Game of Thrones"),
            ("jk simmons", "Whiplash"),
            ("jrr tolkien", "Whiplash"),
            ("jk simons", "Whiplash"),
            ("j j abrams", "Lost"),
            ("game of thrones iv", "Game of Thrones"),
        ],
    )
    def test_mends_short_words_and_reads_initials(self, query: str, name: str) -> None:
        people = {
            "Whiplash": ["J.K. Simmons", "J. R. R. Tolkien"],
            "Lost": ["JJ Abrams"],
            "Game of Thrones": ["Kit Simmons"],
        }
        lines = [
            movie(number, titles={"en": called}, people=[{"name": person, "job": "actor"} for person in named])
            for number, (called, named) in enumerate(people.items(), 100)
        ]
        ingest(feed(*lines), ProviderFactory.create())
        assert find(query)[0] == name

    def test_says_what_it_searched_instead(self) -> None:
        assert selectors.search("strnger thigns", GERMANY, NOW).corrected == "stranger things"
        assert selectors.search("stranger", GERMANY, NOW).corrected is None

    @pytest.mark.parametrize(
        "query",
        [
            "",
            "   ",
            "!!!",
            "xyzzyq",
            "&|!():*'",
            "\u0000",
            "a" * 500,
            "x " * 300,
            "'; DROP TABLE catalog_title; --",
            "\U0001f600 \U0001f468\u200d\U0001f469",
            "\u202eabcq\u202c",
            "مرحبا",
            "%_%",
            "\\",
            "a:* & !b",
            "\ud800",
        ],
    )
    def test_finds_nothing_where_there_is_nothing(self, query: str) -> None:
        assert find(query) == []

    def test_follows_the_editors(self) -> None:
        title = Title.objects.get(source_records__external_id="m5")
        parts = {"texts": [{"language": "en", "name": "The Vampire"}]}
        editing.edit(title_id=title.pk, fields={}, parts=parts, by="user:7", now=NOW)
        assert find("vampyre") == ["The Vampire"]
        assert find("nosferatu") == []


class TestEpisodes:
    def test_are_found_by_name_after_what_stands_alone(self) -> None:
        series = TitleFactory.create(kind="series", name="Tideline")
        season = SeasonFactory.create(parent=series, name="Winter")
        episode = EpisodeFactory.create(parent=season, name="The Vanishing")
        film = TitleFactory.create(name="Vanishing Point")
        services.rebuild([series.pk, season.pk, episode.pk, film.pk])
        assert selectors.search("vanishing", GERMANY, NOW).title_ids == [film.pk, episode.pk]
        assert selectors.search("winter", GERMANY, NOW).title_ids == []

    def test_are_hidden_with_their_series(self) -> None:
        series = TitleFactory.create(kind="series", name="Tideline", window={"territories": ["US"]})
        episode = EpisodeFactory.create(parent=SeasonFactory.create(parent=series), name="The Vanishing")
        services.rebuild([series.pk, episode.pk])
        assert selectors.search("vanishing", GERMANY, NOW).title_ids == []
        assert selectors.search("vanishing", Viewer("US", ()), NOW).title_ids == [episode.pk]


class TestOrder:
    def test_is_exact_names_first_then_whole_words_then_beginnings_then_the_rest(self) -> None:
        lines = [
            movie(1, titles={"en": "Return of the Pier"}),
            movie(2, titles={"en": "Pier Twelve"}),
            movie(3, titles={"en": "Pier"}),
            movie(4, titles={"en": "Sea"}, people=[{"name": "Anna Pier", "job": "actor"}]),
            movie(5, titles={"en": "Pierhead"}),
        ]
        ingest(feed(*lines), ProviderFactory.create())
        assert find("pier") == ["Pier", "Pier Twelve", "Return of the Pier", "Pierhead", "Sea"]

    def test_asks_every_name_of_a_title(self) -> None:
        """The first name of each is another one: exact, begun, with the words within, begun within, not at all."""
        lines = [
            movie(1, titles={"de": "Aalmond", "en": "Moon"}),
            movie(2, titles={"de": "Ebbe", "fr": "Moon River Blues"}),
            movie(3, titles={"de": "Kupfermond", "en": "Copper Moon"}),
            movie(4, titles={"de": "Abendrot"}, alternate_titles=[{"title": "High Moonrise"}]),
            movie(5, titles={"de": "Zenit"}, people=[{"name": "Ada Moon", "job": "actor"}]),
            movie(6, titles={"de": "Zeit"}, synopses={"de": {"short": "The moon is full."}}),
        ]
        ingest(feed(*lines), ProviderFactory.create())
        assert find("moon") == ["Aalmond", "Ebbe", "Kupfermond", "Abendrot", "Zenit", "Zeit"]

    def test_puts_what_stands_alone_before_episodes_that_match_as_well(self) -> None:
        series = TitleFactory.create(kind="series", name="Moonrise")
        season = SeasonFactory.create(parent=series)
        exact, begun = (
            EpisodeFactory.create(parent=season, number=number, name=name)
            for number, name in enumerate(("Moon", "Moonset"), 1)
        )
        film = TitleFactory.create(name="Kupfermond")
        TitleText.objects.filter(title=film).update(language="de")
        TitleText.objects.create(title=film, language="en", name="Copper Moon")
        services.rebuild([series.pk, exact.pk, begun.pk, film.pk])
        services.set_popularity(scores={exact.pk: 1000, begun.pk: 1000})
        assert selectors.search("moon", GERMANY, NOW).title_ids == [film.pk, exact.pk, series.pk, begun.pk]

    def test_prefers_names_in_the_viewers_language_among_equals(self) -> None:
        ingest(
            feed(movie(1, titles={"de": "Mole"}), movie(2, titles={"en": "Mole"}), movie(3, titles={"fr": "Mole"})),
            ProviderFactory.create(),
        )
        services.set_popularity(scores={title.pk: 5 for title in Title.objects.filter(texts__language="fr")})
        by_language = {text.language: text.title_id for text in TitleText.objects.all()}
        for language, others in (("de", ["fr", "en"]), ("en", ["fr", "de"]), ("fr", ["de", "en"])):
            found = selectors.search("mole", Viewer("DE", (f"{language}-XX",)), NOW).title_ids
            assert found[:2] == [by_language[language], by_language[others[0]]]

    def test_does_not_put_a_title_of_many_words_behind_one_of_few(self) -> None:
        cast = [{"name": f"Person {spelt}", "job": "actor"} for spelt in "abcdefghijklmnopqrst"]
        lines = [
            movie(1, titles={"en": "Harbour Tide"}, release_date="1990"),
            movie(2, titles={"en": "Silent Tide", "de": "Stille Flut"}, release_date="2020", people=cast),
        ]
        ingest(feed(*lines), ProviderFactory.create())
        assert find("tide") == ["Stille Flut", "Harbour Tide"]

    def test_prefers_the_popular_among_equals(self) -> None:
        ingest(feed(*(movie(number, titles={"en": "Pier"}) for number in range(3))), ProviderFactory.create())
        popular = Title.objects.get(source_records__external_id="m1")
        services.set_popularity(scores={popular.pk: 2.5})
        assert selectors.search("pier", GERMANY, NOW).title_ids[0] == popular.pk

    def test_follows_the_editors_weight_then_the_date_of_release(self) -> None:
        lines = [
            movie(number, titles={"en": "Pier"}, release_date=year) for number, year in enumerate(["1990", "2020"])
        ]
        ingest(feed(*lines), ProviderFactory.create())
        old, new = (Title.objects.get(source_records__external_id=f"m{number}").pk for number in range(2))
        assert selectors.search("pier", GERMANY, NOW).title_ids == [new, old]
        editing.edit(title_id=old, fields={"editorial_weight": 1}, parts={}, by="user:1", now=NOW)
        assert selectors.search("pier", GERMANY, NOW).title_ids == [old, new]

    def test_keeps_popularity_when_a_title_is_delivered_again(self) -> None:
        provider = ProviderFactory.create()
        ingest(feed(movie(1, titles={"en": "Pier"}), movie(2, titles={"en": "Pier"})), provider)
        popular = Title.objects.get(source_records__external_id="m1")
        assert services.set_popularity(scores={popular.pk: 2.5}) == 1
        assert services.set_popularity(scores={popular.pk: 2.5}) == 0
        ingest(feed(movie(1, titles={"en": "Pier One"}), movie(2, titles={"en": "Pier Two"})), provider)
        assert selectors.search("pier", GERMANY, NOW).title_ids[0] == popular.pk
        assert (popular.search_document.popularity, round(popular.search_document.standing, 3)) == (2.5, 1.253)

    def test_counts_what_was_watched_under_an_old_id(self) -> None:
        titles = [TitleFactory.create() for _ in range(4)]
        first, second, third, other = (title.pk for title in titles)
        services.rebuild([first, second, third, other])
        # As a merge leaves it, and one that was merged into what was merged then.
        Title.objects.filter(pk=third).update(merged_into=second)
        Title.objects.filter(pk=second).update(merged_into=first)
        assert services.set_popularity(scores={third: 3, first: 1.5, second: 2, other: 4}) == 2
        popularity = dict(SearchDocument.objects.values_list("title", "popularity"))
        assert (popularity[first], popularity[other]) == (6.5, 4)
        assert services.set_popularity(scores={third: 6.5}) == 0
        assert services.set_popularity(scores={third: 1}) == 1

    @pytest.mark.parametrize("score", [-1.0, float("nan"), float("inf")])
    def test_takes_no_score_that_is_none(self, score: float) -> None:
        title = TitleFactory.create()
        services.rebuild([title.pk])
        with pytest.raises(ValueError, match="no popularity"):
            services.set_popularity(scores={title.pk: score})
        assert title.search_document.popularity == 0


class TestWhatManyTitlesShare:
    """The bounded ways answer what the exact one answers."""

    @pytest.fixture(autouse=True)
    def films(self) -> None:
        lines = [movie(number, titles={"en": f"Tide {'Twelve' if number % 2 else 'One'}"}) for number in range(12)]
        lines += [movie(20, titles={"en": "High Tide"}), movie(21, titles={"en": "Tidal"})]
        lines += [
            movie(22, titles={"en": "Tide abroad"}, availability=[{"license_type": "SVOD", "territories": ["US"]}])
        ]
        ingest(feed(*lines), ProviderFactory.create())

    def test_is_found_among_the_best(self, monkeypatch: pytest.MonkeyPatch) -> None:
        exact = selectors.search("tide", GERMANY, NOW, limit=5)
        every = selectors.search("tide", GERMANY, NOW, limit=50)
        monkeypatch.setattr(selectors, "DEAR", -1)
        assert selectors.search("tide", GERMANY, NOW, limit=5) == exact  # nobody leads yet
        assert services.choose_leaders() == 15
        assert services.choose_leaders() == 0
        assert selectors.search("tide", GERMANY, NOW, limit=5) == exact
        assert selectors.search("tide", GERMANY, NOW, limit=50) == every
        assert len(every.title_ids) == 13

    def test_is_led_by_the_best_whom_risen_titles_join_before_the_night(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(leaders, "LEADERS", 3)
        by_id = {record.external_id: record.title_id for record in SourceRecord.objects.all()}
        services.set_popularity(scores={by_id["m1"]: 9, by_id["m3"]: 9, by_id["m5"]: 9})
        assert services.choose_leaders() == 3
        services.set_popularity(scores={by_id["m2"]: 9, by_id["m4"]: 8})
        leading = SearchDocument.objects.filter(leads=True).values_list("title_id", flat=True)
        assert set(leading) == {by_id[name] for name in ("m1", "m2", "m3", "m5")}
        assert services.choose_leaders() == 1

    @pytest.mark.parametrize("query", ["tide o", "tide on", "one tide", "high ti"])
    def test_is_the_same_when_the_index_is_not_asked_for_the_last_word(
        self, query: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        exact = selectors.search(query, GERMANY, NOW, limit=50)
        monkeypatch.setattr(selectors, "RANKING", 0)
        assert selectors.search(query, GERMANY, NOW, limit=50) == exact
        assert exact.title_ids

    def test_is_completed_from_the_first_letters(self, monkeypatch: pytest.MonkeyPatch) -> None:
        every = set(selectors.search("ti", GERMANY, NOW, limit=50).title_ids)
        monkeypatch.setattr(completions, "COMMON", 3)
        assert services.rebuild_completions() == SearchCompletion.objects.count()
        lists = set(SearchCompletion.objects.values_list("prefix", flat=True))
        assert lists == {"t", "ti", "tid", "tw", "twe", "o", "on", "one"}
        found = selectors.search("ti", GERMANY, NOW, limit=14).title_ids
        assert set(found) == every
        high = Title.objects.get(source_records__external_id="m20").pk
        assert found[-1] == high  # its name does not begin so
        assert len(selectors.search("ti", GERMANY, NOW, limit=3).title_ids) == 3

    def test_is_completed_by_what_is_called_so_first_be_it_in_the_list_or_not(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(completions, "COMMON", 3)
        monkeypatch.setattr(completions, "KEPT", 3)
        lines = [movie(30, titles={"en": "The Tid", "de": "Zeit"}), movie(31, titles={"de": "Ebbe", "en": "Tid"})]
        ingest(feed(*lines), ProviderFactory.create())
        called = {record.title_id for record in SourceRecord.objects.filter(external_id__in=["m30", "m31"])}
        SearchDocument.objects.filter(title__in=called).update(standing=-1)
        services.rebuild_completions()
        assert not SearchCompletion.objects.filter(prefix="tid", title__in=called).exists()
        assert set(selectors.search("tid", GERMANY, NOW, limit=4).title_ids[:2]) == called

    def test_is_completed_with_what_was_written_since(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(completions, "COMMON", 3)
        services.rebuild_completions()
        title = Title.objects.get(source_records__external_id="m20")
        editing.edit(
            title_id=title.pk, fields={}, parts={"texts": [{"language": "en", "name": "Twice"}]}, by="user:1", now=NOW
        )
        assert set(SearchCompletion.objects.filter(title=title).values_list("prefix", flat=True)) == {"t", "tw"}
        ingest(feed(movie(1, titles={"en": "Onward"})), ProviderFactory.create())
        assert SearchCompletion.objects.filter(prefix="on", begins=True).count() == 1


class TestSuggest:
    def test_names_each_title_once_in_the_viewers_words(self) -> None:
        lines = [
            movie(1, titles={"en": "Tideline", "de": "Gezeiten"}),
            movie(2, titles={"en": "Tide"}),
            movie(3, titles={"en": "Tide"}, availability=[{"license_type": "SVOD", "territories": ["US"]}]),
        ]
        ingest(feed(*lines), ProviderFactory.create())
        assert [item.name for item in selectors.suggest("tid", Viewer("DE", ("de",)), NOW)] == ["Gezeiten", "Tide"]
        assert [item.name for item in selectors.suggest("tdie", GERMANY, NOW)] == ["Tide", "Tideline"]
        assert selectors.suggest("", GERMANY, NOW) == []

    def test_names_a_title_as_its_card_does_in_the_viewers_country(self) -> None:
        ingest(feed(movie(1, titles={"pt": "Maré viva", "pt-BR": "Maré alta"})), ProviderFactory.create())
        suggested = [selectors.suggest("mare", Viewer(country, ("pt",)), NOW) for country in ("BR", "PT")]
        assert [[item.name for item in items] for items in suggested] == [["Maré alta"], ["Maré viva"]]

    def test_leaves_out_of_the_kept_lists_what_the_viewer_may_not_see(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(completions, "COMMON", 1)
        rated = {"ratings": [{"country": "DE", "system": "FSK", "value": "12"}]}
        lines = [
            movie(
                1, titles={"en": "Pier abroad"}, availability=[{"license_type": "SVOD", "territories": ["US"]}], **rated
            ),
            movie(
                2, titles={"en": "Pier later"}, availability=[{"license_type": "SVOD", "start": "2999-01-01"}], **rated
            ),
            movie(3, titles={"en": "Pier for adults"}, ratings=[{"country": "DE", "system": "FSK", "value": "18"}]),
            movie(4, titles={"en": "Pier of gangsters"}, **rated),
            movie(5, titles={"en": "Pier in the rain"}, **rated),
            movie(6, titles={"de": "Pierangel", "en": "Pierrot"}, **rated),
        ]
        ingest(feed(*lines), ProviderFactory.create())
        services.rebuild_completions()
        services.set_popularity(scores={title.pk: 9 for title in Title.objects.filter(texts__name="Pierrot")})
        services.rebuild_completions()
        profile = ProfileFactory.create()
        blocked = Title.objects.get(texts__name="Pier of gangsters")
        blocks.add(account_id=profile.account_id, profile_id=profile.pk, kind="title", of=blocked.pk, now=NOW)
        viewer = Viewer("DE", ("de",), Audience(12, allows_unrated=False), Blocks(profile.pk, "x"))
        # A page that is full, so that nothing but the lists was asked.
        monkeypatch.setattr(selectors, "_find", None)
        assert [item.name for item in selectors.suggest("pie", viewer, NOW, limit=1)] == ["Pierangel"]
        assert selectors.search("p", viewer, NOW, limit=2).title_ids == [
            title.pk for title in (Title.objects.get(texts__name=name) for name in ("Pierrot", "Pier in the rain"))
        ]


class TestMisses:
    TODAY = NOW.date()

    @pytest.fixture(autouse=True)
    def room(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What a process knows of the room is of the tests before, whose rows are gone."""
        monkeypatch.setattr(misses, "_room", misses._Room())

    def answer(self, query: str, viewer: Viewer = GERMANY) -> None:
        services.answer(query=query, viewer=viewer, now=NOW, limit=10)

    def test_are_counted_without_who_searched(self) -> None:
        ingest(feed(movie(1, titles={"en": "Pier"})), ProviderFactory.create())
        for query in ("Solaris!", "solaris", "pier"):
            self.answer(query)
        miss = SearchMiss.objects.get()
        assert (miss.query, miss.language, miss.country, miss.times) == ("solaris", "en", "DE", 2)
        assert (miss.first_on, miss.last_on) == (self.TODAY, self.TODAY)

    @pytest.mark.parametrize(
        "query", ["me@example.com", "0171 2345678", "4242424242424242", "ab", "!!", "long " * 20, "my pin is 123456"]
    )
    def test_leave_out_what_may_be_somebodys_own(self, query: str) -> None:
        self.answer(query)
        assert not SearchMiss.objects.exists()

    def test_are_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(misses, "MOST", 4)
        monkeypatch.setattr(misses, "COUNTED_EACH", 2)
        for query in ("solaris", "stalker", "mirror", "ivan", "nostalgia", "solaris"):
            self.answer(query)
        assert dict(SearchMiss.objects.values_list("query", "times")) == {
            "solaris": 2, "stalker": 1, "mirror": 1, "ivan": 1,
        }  # fmt: skip
        SearchMiss.objects.filter(query="stalker").update(last_on=self.TODAY - timedelta(days=91))
        assert services.purge_misses(today=self.TODAY) == 2
        assert SearchMiss.objects.order_by("-times").values_list("query", flat=True)[0] == "solaris"

    def test_are_counted_in_one_statement_and_a_new_one_without_counting_the_others(
        self, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        def note(query: str) -> None:
            misses.note_miss(query=query, viewer=GERMANY, today=self.TODAY)

        note("solaris")
        with django_assert_num_queries(1):
            note("solaris")
        with django_assert_num_queries(2):
            note("stalker")

    def test_are_shown_to_the_content_team(self, client: Client) -> None:
        self.answer("solaris")
        client.cookies["sessionid"] = sign_in(AccountFactory.create(is_staff=True, is_superuser=True))
        address = reverse("admin:catalog_searchmiss_changelist")
        assert "solaris" in client.get(address).content.decode()
        chosen = {"action": "forget", "_selected_action": [SearchMiss.objects.get().pk]}
        assert client.post(address, chosen).status_code == 302
        assert not SearchMiss.objects.exists()

    def test_that_are_found_by_now_are_removed_by_the_content_team(self, client: Client) -> None:
        for query in ("solaris", "stalker"):
            self.answer(query)
        ingest(feed(movie(1, titles={"en": "Solaris"})), ProviderFactory.create())
        client.cookies["sessionid"] = sign_in(AccountFactory.create(is_staff=True, is_superuser=True))
        chosen = {"action": "search_again", "_selected_action": list(SearchMiss.objects.values_list("pk", flat=True))}
        answer = client.post(reverse("admin:catalog_searchmiss_changelist"), chosen, follow=True)
        assert "Found by now and removed: 1. Still missed: 1." in answer.content.decode()
        assert list(SearchMiss.objects.values_list("query", flat=True)) == ["stalker"]


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

    def test_is_found_from_the_second_its_licence_begins_and_by_nobody_else(self) -> None:
        """One condition is composed for all viewers who differ in values alone: it must not remember values."""
        licence = {"license_type": "SVOD", "territories": ["DE"], "start": NOW.isoformat()}
        rating = {"country": "DE", "system": "FSK", "value": "12"}
        ingest(
            feed(movie(1, titles={"en": "Pier"}, availability=[licence], ratings=[rating])), ProviderFactory.create()
        )
        audience = Audience(12, allows_unrated=False)
        found = [
            len(selectors.search("pier", Viewer(country, ("en",), Audience(age, allows_unrated=False)), at).title_ids)
            for country, age, at in (
                ("DE", audience.highest_age, NOW - timedelta(seconds=1)),
                ("DE", audience.highest_age, NOW),
                ("AT", audience.highest_age, NOW),
                ("DE", audience.highest_age - 1, NOW),
                ("DE", audience.highest_age, NOW - timedelta(seconds=1)),
            )
        ]
        assert found == [0, 1, 0, 0, 0]

    @pytest.mark.parametrize("country", ["DE", "US", "KI"])  # of one zone, several, and a day ahead
    @pytest.mark.parametrize("hours", range(0, 26, 5))
    def test_is_left_out_by_a_kept_condition_as_by_a_new_one(self, country: str, hours: int) -> None:
        viewer, then = Viewer(country, ("en",), Audience(13, allows_unrated=False)), NOW + timedelta(hours=hours)
        selectors._composed.cache_clear()
        new = selectors._Visible(viewer, then)
        selectors._composed.cache_clear()
        selectors._Visible(viewer, NOW)
        kept = selectors._Visible(viewer, then)
        assert (kept._text, kept._values) == (new._text, new._values)

    def test_is_not_given_away_by_a_correction(self) -> None:
        ingest(
            feed(movie(1, titles={"en": "Nosferatu"}, availability=[])),
            ProviderFactory.create(has_default_licence=False),
        )
        assert selectors.search("nosfertu", GERMANY, NOW) == selectors.Found([], None)

    def test_is_not_named_by_a_correction_that_finds_something_else(self) -> None:
        rated = {value: [{"country": "DE", "system": "FSK", "value": value}] for value in ("0", "16")}
        film = movie(2, ratings=rated["0"], synopses={"en": {"short": "A stranger mends broken things."}})
        ingest(feed(movie(1, titles={"en": "Stranger Things"}, ratings=rated["16"]), film), ProviderFactory.create())
        series, film_id = (Title.objects.get(source_records__external_id=one).pk for one in ("m1", "m2"))
        child = Viewer("DE", ("en",), Audience(6, allows_unrated=False))
        assert selectors.search("strnger thigns", GERMANY, NOW) == selectors.Found([series, film_id], "stranger things")
        assert selectors.search("strnger thigns", child, NOW) == selectors.Found([film_id], None)


class TestVocabulary:
    def test_grows_with_a_delivery(self) -> None:
        ingest(
            feed(movie(1, titles={"en": "Pier"}), movie(2, titles={"de": "Pier", "fr": "Quai"})),
            ProviderFactory.create(),
        )
        words = {word.word: (word.documents, word.languages) for word in SearchWord.objects.all()}
        assert words == {
            "pier": (2, ["de", "en"]), "quai": (1, ["fr"]), "ines": (2, []), "caldera": (2, []),
        }  # fmt: skip

    def test_learns_another_language_of_a_word(self) -> None:
        provider = ProviderFactory.create()
        ingest(feed(movie(1, titles={"en": "Pier"})), provider)
        ingest(feed(movie(2, titles={"de": "Pier"})), provider)
        word = SearchWord.objects.get(word="pier")
        assert (word.documents, word.languages) == (2, ["de", "en"])

    def test_prefers_words_of_the_viewers_languages(self) -> None:
        ingest(feed(movie(1, titles={"fr": "Mirage"}), movie(2, titles={"de": "Mirane"})), ProviderFactory.create())
        assert find("miraxe", Viewer("DE", ("de",))) == ["Mirane"]
        assert find("miraxe", Viewer("DE", ("fr",))) == ["Mirage"]


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
        client.defaults["HTTP_X_SESSION_TOKEN"] = sign_in((seen := ProfileFactory.create()).account, profile=seen)
        body = client.get("/api/v1/search", {"q": "nosfertu"}).json()
        assert (body["corrected"], body["results"][0]["name"], body["results"][0]["year"]) == (
            "nosferatu",
            "Nosferatu",
            1922,
        )
        assert client.get("/api/v1/search").status_code == 400

    def test_suggests(self, client: Client, settings: Any, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        settings.DEFAULT_COUNTRY = "DE"
        ingest(
            feed(*(movie(number, titles={"en": f"Nosferatu {number}"}) for number in range(6))),
            ProviderFactory.create(),
        )
        client.defaults["HTTP_X_SESSION_TOKEN"] = sign_in((seen := ProfileFactory.create()).account, profile=seen)
        # Who asks; how many it may be; titles; their names in two.
        with django_assert_num_queries(5):
            results = client.get("/api/v1/search/suggestions?q=nosf&limit=5").json()["results"]
        assert [(item["kind"], item["name"][:9]) for item in results] == [("movie", "Nosferatu")] * 5
        assert client.get("/api/v1/search/suggestions?q=x&limit=0").status_code == 400

    def test_shows_an_episode_with_its_series(self, client: Client) -> None:
        series = TitleFactory.create(kind="series", name="Tideline")
        episode = EpisodeFactory.create(parent=SeasonFactory.create(parent=series, number=2), name="Ebb")
        services.rebuild([episode.pk])
        client.defaults["HTTP_X_SESSION_TOKEN"] = sign_in((seen := ProfileFactory.create()).account, profile=seen)
        (result,) = client.get("/api/v1/search", {"q": "ebb"}).json()["results"]
        assert (result["id"], result["season"], result["number"]) == (str(episode.pk), 2, 1)
        assert result["series"] == {"id": str(series.pk), "kind": "series", "name": "Tideline"}

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


class TestRename:
    @pytest.mark.parametrize(
        ("model", "fields"),
        [
            (Person, {"name": "Winona Ryder"}),
            (Genre, {"name": "Winona", "slug": "old", "parent": ""}),
            (Keyword, {"name": "winona"}),
        ],
    )
    def test_in_the_admin_is_followed_by_the_search(
        self, client: Client, monkeypatch: pytest.MonkeyPatch, model: Any, fields: dict[str, str]
    ) -> None:
        monkeypatch.setattr(renames, "BATCH", 2)
        people = [{"name": "Old", "job": "actor"}]
        films = [
            movie(number, titles={"en": f"Film {number}"}, people=people, genres=["Old"], keywords=["old"])
            for number in range(3)
        ]
        ingest(feed(*films, movie(7, titles={"en": "Other"})), ProviderFactory.create())
        client.cookies["sessionid"] = sign_in(AccountFactory.create(is_staff=True, is_superuser=True))
        address = reverse(
            f"admin:catalog_{model._meta.model_name}_change", args=[model.objects.get(name__iexact="old").pk]
        )
        assert client.post(address, fields).status_code == 302
        assert [services.follow_renames() for _ in range(3)] == [2, 1, 0]
        assert sorted(find("winona")) == ["Film 0", "Film 1", "Film 2"]
        assert not SearchRename.objects.exists()

    def test_leave_what_a_later_version_asks_for_to_its_workers(self) -> None:
        SearchRename.objects.create(kind="studio", key="7")
        assert (services.follow_renames(), SearchRename.objects.count()) == (0, 1)

    def test_again_begins_anew(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(renames, "BATCH", 1)
        lines = [movie(number, titles={"en": f"Film {number}"}, genres=["Old"]) for number in range(2)]
        ingest(feed(*lines), ProviderFactory.create())
        genre = Genre.objects.get(name="Old")
        for name in ("Winona", "Murnau"):
            Genre.objects.filter(pk=genre.pk).update(name=name)
            services.note_rename(named=genre)
            assert services.follow_renames() == 1
        while services.follow_renames():
            pass
        assert [find("winona"), sorted(find("murnau"))] == [[], ["Film 0", "Film 1"]]

    def test_of_how_names_are_taken_apart_is_followed_by_all_titles_after_what_somebody_waits_for(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As after an upgrade: until then a title is ranked by its first name."""
        monkeypatch.setattr(renames, "BATCH", 2)
        lines = [
            movie(1, titles={"de": "Aalmond", "en": "Moon"}),
            movie(2, titles={"en": "Moon"}),
            movie(3, titles={"en": "Blue Moon"}, genres=["Old"]),
        ]
        ingest(feed(*lines), ProviderFactory.create())
        services.set_popularity(scores={title.pk: 9 for title in Title.objects.filter(texts__name="Blue Moon")})
        SearchDocument.objects.update(names="")
        SearchRename.objects.create(kind=SearchRename.Kind.ALL, key="names")
        assert find("moon") == ["Moon", "Blue Moon", "Aalmond"]
        services.note_rename(named=Genre.objects.get(name="Old"))
        services.follow_renames()
        assert SearchRename.objects.get().kind == "all"
        while services.follow_renames():
            pass
        assert find("moon") == ["Aalmond", "Moon", "Blue Moon"]
        assert not SearchRename.objects.exists()
