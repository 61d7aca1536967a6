"""Numbers in names are found in digits and in words, whichever of them the name has."""

from __future__ import annotations

import pytest

from catalog import numerals
from catalog.models import TitleText
from catalog.rules import Viewer
from catalog.selectors import search
from catalog.services import search as services
from tests.factories.catalog import NOW, ProviderFactory, feed, ingest, movie

NAMES = [
    ("en", "Harbour's Eleven"),
    ("en", "Harbour's Twelve"),
    ("en", "Harbours of the World"),
    ("en", "Se7en"),
    ("en", "Seven"),
    ("en", "Seven Lamps"),
    ("en", "2 Fast 2 Foggy"),
    ("en", "20 Leagues Under"),
    ("en", "Thir13en Sails"),
    ("en", "Tide II"),
    ("de", "Sieben Inseln"),
    ("de", "Fünf Freunde am Kai"),
    ("en", "Ten"),
]
QUERIES = {
    "harbours 11": "Harbour's Eleven",
    "harbour's 12": "Harbour's Twelve",
    "harbours eleven": "Harbour's Eleven",
    "seven": "Seven",
    "7": "Seven",
    "seven lamps": "Seven Lamps",
    "7 lamps": "Seven Lamps",
    "two fast": "2 Fast 2 Foggy",
    "two fast 2 foggy": "2 Fast 2 Foggy",
    "twenty leagues": "20 Leagues Under",
    "thirteen sails": "Thir13en Sails",
    "tide two": "Tide II",
    "7 inseln": "Sieben Inseln",
    "5 freunde": "Fünf Freunde am Kai",
    "10": "Ten",
}
VIEWER = Viewer("DE", ("de", "en"))


def names_of(query: str, viewer: Viewer = VIEWER) -> list[str]:
    found = search.search(query, viewer, NOW)
    names = dict(TitleText.objects.filter(title__in=found.title_ids).values_list("title", "name"))
    return [names[title_id] for title_id in found.title_ids]


class TestSearch:
    @pytest.mark.django_db
    def test_reads_numbers_either_way(self) -> None:
        films = [
            movie(number, titles={language: name}, original_language=language)
            for number, (language, name) in enumerate(NAMES)
        ]
        ingest(feed(*films), ProviderFactory.create())
        services.refresh_vocabulary()
        assert {query: names_of(query)[:1] for query in QUERIES} == {query: [name] for query, name in QUERIES.items()}
        # What is called as was typed comes first, what is called so otherwise next.
        assert names_of("seven") == ["Seven", "Se7en", "Seven Lamps"]
        assert search.search("harbours 11", VIEWER, NOW).corrected is None

    @pytest.mark.django_db
    def test_shows_nothing_that_is_kept_from_the_viewer_and_no_more_than_was_asked_for(self) -> None:
        elsewhere = [{"license_type": "SVOD", "territories": ["FR"]}]
        ingest(
            feed(
                movie(1, titles={"en": "Harbour's Eleven"}, availability=elsewhere),
                movie(2, titles={"en": "Seven"}, availability=elsewhere),
                *(movie(number, titles={"en": name}) for number, name in enumerate(("7", "Seven Lamps"), 3)),
            ),
            ProviderFactory.create(),
        )
        services.refresh_vocabulary()
        assert (names_of("harbours 11"), names_of("7")) == ([], ["7", "Seven Lamps"])
        assert [len(search.search("7", VIEWER, NOW, limit=limit).title_ids) for limit in (1, 2)] == [1, 2]
        assert names_of("harbours 11", Viewer("FR", ("en",))) == ["Harbour's Eleven"]


class TestReadings:
    @pytest.mark.parametrize(
        ("words", "languages", "expected"),
        [
            ("oceans 11", ["en"], ["oceans eleven"]),
            ("oceans 11", ["de-AT"], ["oceans elf", "oceans eleven"]),
            ("two fast 2 foggy", ["en"], ["2 fast 2 foggy", "two fast two foggy"]),
            ("fuenf freunde", ["de"], ["5 freunde"]),
            ("elf", ["en"], []),
            ("seven", ["en"], ["7", "se7en"]),
            ("21 grams", ["en"], []),
            ("nosferatu", ["en", "de"], []),
            # An article, and seldom a number.
            ("ein fisch namens wanda", ["de"], []),
        ],
    )
    def test_are_of_english_and_of_the_languages_asked_for(
        self, words: str, languages: list[str], expected: list[str]
    ) -> None:
        assert [" ".join(one) for one in numerals.readings(words.split(), languages)] == expected
